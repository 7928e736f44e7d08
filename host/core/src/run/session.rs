//! The affinity key of a call.

use super::attempt::{call_of, expression_failure, text_of};
use super::record::{CallCommand, InputEnv, Inputs};
use crate::expr::EvalError;
use crate::failure::{Failure, kind};
use crate::model::session_fault;
use crate::plan::Plan;
use std::sync::Arc;

/// Nobody has secrets for a key, which validation sees to.
pub(super) struct NoSecrets;

impl crate::ports::Secrets for NoSecrets {
    fn get(&self, _: &str) -> Result<Arc<str>, String> {
        Err("a session takes none".into())
    }
}

/// Renders the key from what was kept for the call; empty if it has none.
pub(crate) fn render(plan: &Plan, command: &CallCommand) -> Result<Box<str>, Failure> {
    let Some((call, session)) = call_of(plan, command.key).and_then(|call| Some((call, call.session()?)))
    else {
        return Ok("".into());
    };
    let nothing = Inputs::default();
    let env = InputEnv {
        inputs: command.inputs().unwrap_or(&nothing),
        first: call.parameters.references().len(),
        secrets: &NoSecrets,
    };
    let failed = |error: EvalError| expression_failure("session", &error);
    let rendered = session.render(&env).map_err(failed)?;
    match session_fault(rendered.value()) {
        None if rendered.is_null() => Ok("".into()),
        None => Ok(text_of(&rendered)),
        Some(fault) => Err(Failure::new(kind::EXPRESSION, format!("`session`: {fault}"))),
    }
}
