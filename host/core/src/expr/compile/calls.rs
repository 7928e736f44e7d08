//! Calls: operators, functions, and the few that are more than functions.

use super::{Compiler, Kind, Node};
use crate::expr::functions::{self, Function, Style};
use crate::expr::{FaultKind, UnknownName};
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use regex::RegexBuilder;

/// Largest compiled size of a pattern, in bytes.
pub(in crate::expr) const PATTERN_SIZE_MAX: usize = 256 * 1024;

impl Compiler<'_, '_> {
    pub(super) fn call(&mut self, offset: u32, call: &CallExpr) -> Option<Node> {
        if let Some(kind) = self.operator(call) {
            return Some(Node { offset, kind: kind? });
        }
        if let Some(kind) = self.loop_call(call) {
            return Some(Node { offset, kind: kind? });
        }
        let kind = match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
            ("has", None, [argument]) => self.has(offset, argument)?,
            ("now", None, []) => {
                self.depends = true;
                Kind::Now
            }
            ("uuid", None, []) => {
                self.depends = true;
                Kind::Uuid
            }
            ("secret", None, args) => self.secret(offset, args)?,
            ("dyn", None, [argument]) => return self.node(argument),
            ("matches", Some(text), [pattern]) | ("matches", None, [text, pattern])
                if literal_text(pattern).is_some() =>
            {
                self.matches(offset, text, literal_text(pattern)?)?
            }
            _ => self.function(offset, call)?,
        };
        Some(Node { offset, kind })
    }

    fn has(&mut self, offset: u32, argument: &IdedExpr) -> Option<Kind> {
        let Expr::Select(select) = &argument.expr else {
            self.fault(
                offset,
                FaultKind::Syntax,
                "`has` needs a field selection".into(),
                "Such as `has(input.name)`; for computed keys write `key in map`.".into(),
            );
            return None;
        };
        let operand = self.node(&select.operand)?;
        Some(Kind::Has(Box::new(operand), select.field.as_str().into()))
    }

    fn secret(&mut self, offset: u32, args: &[IdedExpr]) -> Option<Kind> {
        let name = match args {
            [name] => literal_text(name),
            _ => None,
        };
        let allowed = match name {
            Some(name) => self.names.secret(name),
            None => Err(UnknownName {
                message: "the name of a secret must be written out".into(),
                hint: "Such as `secret('api_key')`.".into(),
            }),
        };
        if let Err(refused) = allowed {
            self.fault(offset, FaultKind::Secret, refused.message, refused.hint);
            return None;
        }
        self.depends = true;
        self.uses_secrets = true;
        name.map(|name| Kind::Secret(name.into()))
    }

    /// A constant pattern is compiled once, here.
    fn matches(&mut self, offset: u32, text: &IdedExpr, pattern: &str) -> Option<Kind> {
        let text = self.node(text);
        match RegexBuilder::new(pattern).size_limit(PATTERN_SIZE_MAX).build() {
            Ok(regex) => Some(Kind::Matches(Box::new((text?, regex)))),
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let message = format!("`{pattern}` is no regular expression: {reason}");
                self.fault(offset, FaultKind::Syntax, message, String::new());
                None
            }
        }
    }

    fn function(&mut self, offset: u32, call: &CallExpr) -> Option<Kind> {
        let target = call.target.as_deref();
        let (name, target) = match self.namespace(target) {
            Some(namespace) => (format!("{namespace}.{}", call.func_name), None),
            None => (call.func_name.clone(), target),
        };
        let arguments: Vec<_> =
            target.into_iter().chain(&call.args).map(|argument| self.node(argument)).collect();
        let arity = arguments.len();
        let function = self.find(offset, &name, target.is_some(), arity)?;
        Some(Kind::Call(function, arguments.into_iter().collect::<Option<_>>()?))
    }

    /// The namespace that `target` is, such as `math` in `math.abs(x)`.
    fn namespace<'e>(&self, target: Option<&'e IdedExpr>) -> Option<&'e str> {
        match &target?.expr {
            Expr::Ident(name) if functions::is_namespace(name) && !self.locals.contains(name) => Some(name),
            _ => None,
        }
    }

    fn find(&mut self, offset: u32, name: &str, is_method: bool, arity: usize) -> Option<&'static Function> {
        let offset = self.name_offset(offset, name);
        let Some(function) = functions::find(name) else {
            let hint = functions::nearest(name, functions::names())
                .map_or_else(String::new, |near| format!("Did you mean `{near}`?"));
            self.fault(offset, FaultKind::UnknownFunction, format!("unknown function `{name}`"), hint);
            return None;
        };
        let fits_style = match function.style {
            Style::Method => is_method,
            Style::Global => !is_method,
            Style::Both => true,
        };
        if !fits_style {
            let message = format!("`{name}` is called as `{}`", function.usage);
            self.fault(offset, FaultKind::UnknownFunction, message, String::new());
            return None;
        }
        if !function.arity.contains(&arity) {
            let given = arity - usize::from(is_method);
            let message =
                format!("`{name}` does not take {given} argument{}", if given == 1 { "" } else { "s" });
            self.fault(
                offset,
                FaultKind::UnknownFunction,
                message,
                format!("It is called as `{}`.", function.usage),
            );
            return None;
        }
        Some(function)
    }

    /// Where the name of a called function stands; the parser knows the bracket of methods only.
    fn name_offset(&self, offset: u32, name: &str) -> u32 {
        let last = name.rsplit('.').next().unwrap_or(name);
        let before = self.source.get(..offset as usize).unwrap_or_default();
        if self.source.get(offset as usize..).is_some_and(|rest| rest.starts_with('('))
            && let Some(at) = before.rfind(last)
        {
            return u32::try_from(at).unwrap_or(offset);
        }
        offset
    }

    /// Reports an argument that must be a plain name.
    pub(super) fn variable_name(&mut self, expr: &IdedExpr) -> Option<String> {
        if let Expr::Ident(name) = &expr.expr {
            return Some(name.clone());
        }
        let offset = self.offset(expr);
        self.fault(offset, FaultKind::Syntax, "a loop variable must be a plain name".into(), String::new());
        None
    }
}

fn literal_text(expr: &IdedExpr) -> Option<&str> {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}
