//! Workflows written in Rust: typed setters that produce a format-1 document. The document then takes the same
//! way as one from a file, so nothing can be built here that a file could not say, and nothing is checked twice.

mod policy;
mod step;
mod step_types;
#[cfg(test)]
mod tests;

pub use policy::{Catch, Compensate, Retry};
pub use step::Step;

use crate::model::{Mode, Rollback, TriggerRule, duration};
use serde_json::{Map, Value};
use std::time::Duration;

/// A workflow in the making. Begin with [`Workflow::new`](crate::Workflow::new), end with
/// [`Host::define`](crate::Host::define).
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a builder does nothing until a host defines it"]
pub struct WorkflowBuilder {
    fields: Map<String, Value>,
}

impl WorkflowBuilder {
    pub(crate) fn new(id: &str) -> Self {
        let mut fields = Map::new();
        fields.insert("id".into(), id.into());
        Self { fields }
    }

    /// The semantic version, such as `1.2.0`; 0.0.0 if this is not called.
    pub fn version(self, version: &str) -> Self {
        self.with("version", version)
    }

    /// A name to show; the id if this is not called.
    pub fn name(self, name: &str) -> Self {
        self.with("name", name)
    }

    /// A description to show.
    pub fn description(self, description: &str) -> Self {
        self.with("description", description)
    }

    /// Data of your own that Jackfield never reads.
    pub fn metadata(self, metadata: impl Into<Value>) -> Self {
        self.with("metadata", metadata)
    }

    /// How the steps relate; sequential if this is not called.
    pub fn mode(self, mode: Mode) -> Self {
        self.with("mode", mode_name(mode))
    }

    /// Attempts of call steps at a time, at any depth; 0 is the limit of the host.
    pub fn max_concurrency(self, limit: u32) -> Self {
        self.with("max_concurrency", limit)
    }

    /// The range of versions of `plugin` that the run may use, such as `^2.1`.
    pub fn requires(mut self, plugin: &str, range: &str) -> Self {
        set_in_object(&mut self.fields, "requires", plugin, range.into());
        self
    }

    /// JSON Schema that the input is checked against and defaults are taken from.
    pub fn input_schema(self, schema: impl Into<Value>) -> Self {
        self.with("input_schema", schema)
    }

    /// The value of a variable before the first step; a template.
    pub fn variable(mut self, name: &str, value: impl Into<Value>) -> Self {
        set_in_object(&mut self.fields, "variables", name, value.into());
        self
    }

    /// Time limit of each attempt of call steps that name none.
    pub fn default_timeout(mut self, limit: Duration) -> Self {
        set_in_object(&mut self.fields, "defaults", "timeout", duration_value(limit));
        self
    }

    /// Retries of call steps that name none, one second apart.
    pub fn default_max_retries(mut self, retries: u32) -> Self {
        set_in_object(&mut self.fields, "defaults", "max_retries", retries.into());
        self
    }

    /// Retry policy of call steps that name none.
    pub fn default_retry(mut self, policy: Retry) -> Self {
        set_in_object(&mut self.fields, "defaults", "retry", policy.into());
        self
    }

    /// Whether a failure of a step that does not say fails its scope.
    pub fn default_critical(mut self, critical: bool) -> Self {
        set_in_object(&mut self.fields, "defaults", "critical", critical.into());
        self
    }

    /// A policy that steps refer to by [`Step::retry_named`].
    pub fn retry_policy(mut self, name: &str, policy: Retry) -> Self {
        set_in_object(&mut self.fields, "retry_policies", name, policy.into());
        self
    }

    /// Adds a step behind those that are there.
    pub fn step(mut self, step: Step) -> Self {
        push(&mut self.fields, "steps", step.into());
        self
    }

    /// Adds steps behind those that are there.
    pub fn steps(self, steps: impl IntoIterator<Item = Step>) -> Self {
        steps.into_iter().fold(self, Self::step)
    }

    /// The output of the run; a template.
    pub fn output(self, template: impl Into<Value>) -> Self {
        self.with("output", template)
    }

    /// Time limit of the whole run, clean-up not counted.
    pub fn timeout(self, limit: Duration) -> Self {
        self.with("timeout", duration_value(limit))
    }

    /// Whether compensations run; on failure if this is not called.
    pub fn rollback(self, rollback: Rollback) -> Self {
        let word = match rollback {
            Rollback::OnFailure => "on_failure",
            Rollback::Never => "never",
        };
        self.with("rollback", word)
    }

    /// Adds a step that runs after a failure.
    pub fn on_failure(mut self, step: Step) -> Self {
        push(&mut self.fields, "on_failure", step.into());
        self
    }

    /// Adds a step that runs at every end.
    pub fn finally(mut self, step: Step) -> Self {
        push(&mut self.fields, "finally", step.into());
        self
    }

    /// Time limit of all clean-up together.
    pub fn cleanup_timeout(self, limit: Duration) -> Self {
        self.with("cleanup_timeout", duration_value(limit))
    }

    /// The document as JSON text, indented.
    #[must_use]
    pub fn to_json(&self) -> String {
        // a map with string keys and plain values always has a JSON form
        serde_json::to_string_pretty(&self.fields).unwrap_or_default()
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(key.into(), value.into());
        self
    }
}

/// Steps and how they relate, inside a structured step.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a body does nothing until a step takes it"]
pub struct Body {
    fields: Map<String, Value>,
}

impl Body {
    /// A sequential body without steps.
    pub fn new() -> Self {
        Self::default()
    }

    /// How the steps relate.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.fields.insert("mode".into(), mode_name(mode).into());
        self
    }

    /// Adds a step behind those that are there.
    pub fn step(mut self, step: Step) -> Self {
        push(&mut self.fields, "steps", step.into());
        self
    }

    /// Adds steps behind those that are there.
    pub fn steps(self, steps: impl IntoIterator<Item = Step>) -> Self {
        steps.into_iter().fold(self, Self::step)
    }

    fn into_fields(self) -> Map<String, Value> {
        self.fields
    }
}

/// One step is a body of one step.
impl From<Step> for Body {
    fn from(step: Step) -> Self {
        Self::new().step(step)
    }
}

/// A duration as the format writes it, exactly: milliseconds if they are whole, else text such as `1ms500us`.
fn duration_value(value: Duration) -> Value {
    match u64::try_from(value.as_millis()) {
        Ok(whole) if Duration::from_millis(whole) == value => whole.into(),
        _ => duration::display(value).into(),
    }
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Sequential => "sequential",
        Mode::Parallel => "parallel",
        Mode::Conditional => "conditional",
        Mode::Pipeline => "pipeline",
    }
}

fn trigger_rule_value(rule: TriggerRule) -> Value {
    match rule {
        TriggerRule::NoneFailed => "none_failed".into(),
        TriggerRule::AllCompleted => "all_completed".into(),
        TriggerRule::AllSettled => "all_settled".into(),
        TriggerRule::AnyFailed => "any_failed".into(),
        TriggerRule::AnyCompleted => "any_completed".into(),
        TriggerRule::Completed(count) => serde_json::json!({ "completed": count }),
    }
}

fn push(fields: &mut Map<String, Value>, key: &str, value: Value) {
    let list = fields.entry(key).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(items) = list {
        items.push(value);
    }
}

fn set_in_object(fields: &mut Map<String, Value>, key: &str, name: &str, value: Value) {
    let object = fields.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(entries) = object {
        entries.insert(name.into(), value);
    }
}
