//! Calls that bind names: loops, `cel.bind`, `optMap`.

use super::{Compiler, Kind, Node};
use crate::expr::node::{Macro, MacroKind, OptionalMap};
use cel::common::ast::{CallExpr, Expr, IdedExpr};

/// What a call with the name and so many arguments is; the arguments are variables, perhaps a filter, and the body.
struct Form {
    kind: MacroKind,
    variables: usize,
    filtered: bool,
}

fn form(name: &str, arity: usize) -> Option<Form> {
    let form = |kind, variables, filtered| Some(Form { kind, variables, filtered });
    match (name, arity) {
        ("all", 2) => form(MacroKind::All, 1, false),
        ("all", 3) => form(MacroKind::All, 2, false),
        ("exists", 2) => form(MacroKind::Exists, 1, false),
        ("exists", 3) => form(MacroKind::Exists, 2, false),
        ("exists_one" | "existsOne", 2) => form(MacroKind::ExistsOne, 1, false),
        ("exists_one" | "existsOne", 3) => form(MacroKind::ExistsOne, 2, false),
        ("filter", 2) => form(MacroKind::Filter, 1, false),
        ("map", 2) => form(MacroKind::List, 1, false),
        ("map", 3) => form(MacroKind::List, 1, true),
        ("transformList", 3) => form(MacroKind::List, 2, false),
        ("transformList", 4) => form(MacroKind::List, 2, true),
        ("transformMap", 3) => form(MacroKind::Map, 2, false),
        ("transformMap", 4) => form(MacroKind::Map, 2, true),
        ("transformMapEntry", 3) => form(MacroKind::MapEntry, 2, false),
        ("transformMapEntry", 4) => form(MacroKind::MapEntry, 2, true),
        ("sortBy", 2) => form(MacroKind::SortBy, 1, false),
        _ => None,
    }
}

impl Compiler<'_, '_> {
    /// A call that binds names; `None` within `Some` if it has faults, `None` if it is no such call.
    pub(super) fn loop_call(&mut self, call: &CallExpr) -> Option<Option<Kind>> {
        let target = call.target.as_deref()?;
        let is_cel = matches!(&target.expr, Expr::Ident(name) if name == "cel");
        match (call.func_name.as_str(), call.args.as_slice()) {
            ("bind", [variable, value, body]) if is_cel => Some(self.bind(variable, value, body)),
            ("optMap", [variable, body]) => Some(self.optional_map(target, variable, body, false)),
            ("optFlatMap", [variable, body]) => Some(self.optional_map(target, variable, body, true)),
            (name, args) => form(name, args.len()).map(|form| self.repeat(target, args, &form)),
        }
    }

    fn repeat(&mut self, target: &IdedExpr, args: &[IdedExpr], form: &Form) -> Option<Kind> {
        let range = self.node(target);
        let slot = self.locals.len();
        let (variables, rest) = args.split_at(form.variables);
        let names: Vec<_> = variables.iter().map(|variable| self.variable_name(variable)).collect();
        self.locals.extend(names.into_iter().collect::<Option<Vec<_>>>()?);
        let (filter, body) = match rest {
            [filter, body] if form.filtered => (self.node(filter).map(Some), self.node(body)),
            [body] => (Some(None), self.node(body)),
            _ => (None, None),
        };
        self.locals.truncate(slot);
        Some(Kind::Macro(Box::new(Macro {
            kind: form.kind,
            range: range?,
            slot,
            two_variables: form.variables == 2,
            filter: filter?,
            body: body?,
        })))
    }

    fn bind(&mut self, variable: &IdedExpr, value: &IdedExpr, body: &IdedExpr) -> Option<Kind> {
        let name = self.variable_name(variable)?;
        let value = self.node(value);
        let (slot, body) = self.within(name, body);
        Some(Kind::Bind(Box::new((slot, value?, body?))))
    }

    fn optional_map(
        &mut self,
        target: &IdedExpr,
        variable: &IdedExpr,
        body: &IdedExpr,
        flat: bool,
    ) -> Option<Kind> {
        let operand = self.node(target);
        let name = self.variable_name(variable)?;
        let (slot, body) = self.within(name, body);
        Some(Kind::OptionalMap(Box::new(OptionalMap { operand: operand?, slot, body: body?, flat })))
    }

    /// Compiles `body` with one more name in scope; also the slot of that name.
    fn within(&mut self, name: String, body: &IdedExpr) -> (usize, Option<Node>) {
        let slot = self.locals.len();
        self.locals.push(name);
        let body = self.node(body);
        self.locals.truncate(slot);
        (slot, body)
    }
}
