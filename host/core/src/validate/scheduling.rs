//! Lowers `schedule`.

use super::Options;
use crate::diagnostic::{Code, Finding};
use crate::model::Workflow;
use crate::payload::Payload;
use crate::plan::InputSchema;
use crate::schedule::{self, Spec, When};
use std::sync::Arc;

/// The schedule, if there is one without fault. An input that is the same for all runs has to fit `input_schema`.
pub(super) fn lower(
    workflow: &Workflow,
    input_schema: Option<&InputSchema>,
    options: &Options,
    findings: &mut Vec<Finding>,
) -> Option<Arc<Spec>> {
    let written = workflow.schedule.as_ref()?;
    let spec = schedule::compile(written, options.config_keys.as_ref(), findings)?;
    let (input, at) = match (&spec.input, &spec.when) {
        (Some(input), _) => (input.constant().cloned(), written.input.as_ref().map_or(0, |json| json.at)),
        (None, When::Event(_)) => (None, 0),
        (None, _) => (Some(Payload::trusted("{}")), written.json.at),
    };
    if let Some((schema, input)) = input_schema.zip(input)
        && let Err(faults) = schema.accept(input)
    {
        let (pointer, why) = faults.into_iter().next().unwrap_or_default();
        let place = if pointer.is_empty() { String::new() } else { format!(" at `{pointer}`") };
        let message = format!("the input of the schedule does not fit `input_schema`{place}: {why}");
        let hint = match written.input {
            Some(_) => String::new(),
            None => "Add \"input\" to the schedule; without one its runs begin with {}.".to_owned(),
        };
        findings.push(Finding { code: Code::BadParameters, at, message, hint });
    }
    Some(Arc::new(spec))
}
