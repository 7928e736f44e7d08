//! What a step or a run fails with: the same five fields everywhere.

use crate::payload::Payload;
use serde::{Deserialize, Serialize};

/// Dotted error types that Jackfield itself produces.
pub mod kind {
    /// A method answered with an error that names no type of its own.
    pub const PLUGIN_ERROR: &str = "plugin.error";
    /// A method panicked; the panic was caught inside the plugin.
    pub const PLUGIN_PANIC: &str = "plugin.panic";
    /// The worker process of the plugin ended during the call.
    pub const PLUGIN_CRASH: &str = "plugin.crash";
    /// The plugin cannot be called at the moment.
    pub const PLUGIN_UNAVAILABLE: &str = "plugin.unavailable";
    /// A plugin called another one that its manifest does not name.
    pub const PLUGIN_CALL_DENIED: &str = "plugin.call_denied";
    /// Plugins called each other too often in a row.
    pub const PLUGIN_CALL_DEPTH: &str = "plugin.call_depth";
    /// The plugin has as many sessions as it may have.
    pub const PLUGIN_SESSIONS_FULL: &str = "plugin.sessions_full";
    /// An attempt, a step or a run took longer than its limit.
    pub const TIMEOUT: &str = "timeout";
    /// The host ended during an attempt that is made at most once: whether it had an effect is not known.
    pub const INTERRUPTED: &str = "interrupted";
    /// A step was stopped from outside.
    pub const CANCELLED: &str = "cancelled";
    /// An expression or a template could not be evaluated.
    pub const EXPRESSION: &str = "expression";
    /// A value does not fit its schema, or is no JSON.
    pub const VALIDATION: &str = "validation";
    /// A value is larger than the limit.
    pub const PAYLOAD_TOO_LARGE: &str = "payload.too_large";
    /// More items of a `foreach` failed than it tolerates.
    pub const FOREACH_TOO_MANY_FAILURES: &str = "foreach.too_many_failures";
    /// A `repeat` reached `max_iterations` without meeting its condition.
    pub const REPEAT_TOO_MANY_ITERATIONS: &str = "repeat.too_many_iterations";
    /// There is no run of the id that something is sent to.
    pub const RUN_NOT_FOUND: &str = "run.not_found";
    /// The run that something is sent to has ended.
    pub const RUN_ENDED: &str = "run.ended";
    /// The run that something is sent to holds as many unread events and messages as it may.
    pub const RUN_INBOX_FULL: &str = "run.inbox_full";
    /// The id of a run that a step starts is taken.
    pub const RUN_EXISTS: &str = "run.exists";
    /// The engine takes no more runs.
    pub const RUN_REFUSED: &str = "run.refused";
    /// No version of a workflow that a step runs is registered, or none within its range.
    pub const WORKFLOW_NOT_FOUND: &str = "workflow.not_found";
    /// Runs have started runs to the depth that is allowed.
    pub const WORKFLOW_TOO_DEEP: &str = "workflow.too_deep";
    /// A defect of Jackfield.
    pub const INTERNAL: &str = "internal";
}

/// An error as it is stored, shown and read by expressions: `{type, message, details, step, attempts}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Failure {
    /// Dotted type, such as `timeout` or `http.503`.
    #[serde(rename = "type")]
    pub kind: Box<str>,
    /// One sentence for people.
    pub message: Box<str>,
    /// Whatever the producer adds; `null` if nothing.
    pub details: Payload,
    /// Path of the step that failed, such as `probe[3].fetch`; empty for the run itself.
    pub step: Box<str>,
    /// Attempts made, counting the first; 0 for the run itself.
    pub attempts: u32,
    /// Whether the producer thinks that trying again may help; it is no part of the JSON form.
    #[serde(skip)]
    pub retryable: bool,
}

impl Failure {
    /// A failure that is worth a retry, with no details and no step yet.
    #[must_use]
    pub fn new(kind: &str, message: impl Into<Box<str>>) -> Self {
        Self {
            kind: kind.into(),
            message: message.into(),
            details: Payload::null(),
            step: "".into(),
            attempts: 0,
            retryable: true,
        }
    }

    /// The failure as JSON, as `error` in expressions sees it.
    #[must_use]
    pub fn to_payload(&self) -> Payload {
        Payload::encode(self)
    }
}
