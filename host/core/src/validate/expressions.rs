//! Compiles conditions and templates where they stand, and turns their faults into findings with a place in the
//! document.

use super::context::{Context, shift};
use super::names::Names;
use crate::diagnostic::Code;
use crate::expr::{Expression, Fault, FaultKind, Template};
use crate::model::{At, Json};
use crate::plan::{ScopeIx, StepIx};

/// Where an expression stands and what only that field sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'s> {
    /// The scope in whose instance it is evaluated.
    pub(super) scope: ScopeIx,
    /// The step of that scope that it belongs to; `None` at the end of the scope, when all its steps are settled.
    pub(super) step: Option<StepIx>,
    pub(super) field: Field<'s>,
}

/// What only one field sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'s> {
    /// Nothing special.
    Plain,
    /// Parameters of the step's own call: secrets.
    Parameters,
    /// Parameters of the undo: secrets and the step itself.
    Compensate,
    /// `output` of a step: `result` and the step itself.
    Output,
    /// `when` of a catch: the error under this name and the step itself.
    CatchWhen(&'s str),
    /// `when` of a retry policy: `error`.
    RetryWhen,
    /// `when` of a policy that stands outside all steps: `error`, and of the run only what never changes.
    PolicyWhen,
    /// `while` of a foreach: the candidate and its index under these names.
    ForeachWhile { item: &'s str, index: &'s str },
    /// `filter` of a step that waits for an event: `event`.
    Filter,
    /// An initial variable: nothing has run yet.
    Initial,
    /// The step itself, but no `result`: outputs of catches.
    Aftermath,
}

impl<'s> Site<'s> {
    pub(super) fn of(scope: ScopeIx, step: StepIx) -> Self {
        Self { scope, step: Some(step), field: Field::Plain }
    }

    pub(super) fn at_end(scope: ScopeIx) -> Self {
        Self { scope, step: None, field: Field::Plain }
    }

    pub(super) fn before_run() -> Self {
        Self { scope: ScopeIx::ROOT, step: None, field: Field::Initial }
    }

    pub(super) fn field(self, field: Field<'s>) -> Self {
        Self { field, ..self }
    }
}

impl Context<'_, '_> {
    /// Compiles a condition. One that never changes is worth a warning, one that is no bool an error.
    pub(super) fn condition(&mut self, source: &At<Box<str>>, site: Site<'_>) -> Option<Expression> {
        let condition = self.expression(source, site)?;
        if let Some(constant) = condition.constant() {
            match constant.as_str() {
                word @ ("true" | "false") => {
                    let message = format!("the condition `{}` is always {word}", source.value);
                    self.report(Code::ConstantCondition, source.at, message, "");
                }
                value => {
                    let message =
                        format!("the condition `{}` is always {value}, which is no bool", source.value);
                    let hint = "A condition is true or false; compare the value with something.";
                    self.report(Code::WrongType, source.at, message, hint);
                    return None;
                }
            }
        }
        Some(condition)
    }

    /// Compiles an expression of any type.
    pub(super) fn expression(&mut self, source: &At<Box<str>>, site: Site<'_>) -> Option<Expression> {
        let text = &*source.value;
        if let Some(offset) = text.find("${") {
            let at = shift(source.at, written_len(&text[..offset]) + 1);
            let message = format!("`{text}` is an expression already and takes no `${{`");
            let hint = match text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
                Some(inner) => format!("Write \"{inner}\"."),
                None => "Write the names without `${` and `}`.".to_owned(),
            };
            self.report(Code::TemplateInExpression, at, message, hint);
            return None;
        }
        let mut names = Names::new(self, site, source.at);
        let compiled = Expression::compile(text, &mut names);
        let out_of_order = names.into_out_of_order();
        match compiled {
            Ok(expression) => Some(expression),
            Err(faults) => {
                for fault in faults {
                    let before = text.get(..fault.offset).map_or(0, written_len);
                    self.report_fault(fault, shift(source.at, before + 1), &out_of_order);
                }
                None
            }
        }
    }

    /// Compiles a template.
    pub(super) fn template(&mut self, json: &Json, site: Site<'_>) -> Option<Template> {
        let mut names = Names::new(self, site, json.at);
        let compiled = Template::compile(&json.text, &mut names);
        let out_of_order = names.into_out_of_order();
        match compiled {
            Ok(template) => Some(template),
            Err(faults) => {
                for fault in faults {
                    let at = shift(json.at, fault.offset);
                    self.report_fault(fault, at, &out_of_order);
                }
                None
            }
        }
    }

    fn report_fault(&mut self, fault: Fault, at: u32, out_of_order: &[String]) {
        let code = match fault.kind {
            FaultKind::UnknownName if out_of_order.contains(&fault.message) => Code::NotUpstream,
            kind => kind.code(),
        };
        self.report(code, at, fault.message, fault.hint);
    }
}

/// A compiled optional field: `None` if it is there and faulty.
pub(super) fn optional<T, U>(field: Option<T>, compile: impl FnOnce(T) -> Option<U>) -> Option<Option<U>> {
    match field {
        None => Some(None),
        Some(field) => compile(field).map(Some),
    }
}

/// How many bytes `text` takes inside a JSON string, if nothing is escaped that need not be.
fn written_len(text: &str) -> usize {
    let escaped = |c: char| match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if c < ' ' => 6,
        c => c.len_utf8(),
    };
    text.chars().map(escaped).sum()
}
