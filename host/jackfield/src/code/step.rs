//! One step: what every type of step has.

use super::{Catch, Compensate, Retry, duration_value, push, trigger_rule_value};
use crate::model::TriggerRule;
use serde_json::{Map, Value};
use std::time::Duration;

/// One step in the making. The constructors are named after the types of the format: [`Step::call`],
/// [`Step::group`], [`Step::switch`], [`Step::foreach`], [`Step::repeat`], [`Step::race`], [`Step::wait`],
/// [`Step::set`], [`Step::log`], [`Step::fail`], [`Step::return_value`].
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a step does nothing until a workflow takes it"]
pub struct Step {
    pub(super) fields: Map<String, Value>,
}

impl Step {
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

    /// Siblings to wait for, in addition to those that templates refer to.
    pub fn depends_on<'a>(mut self, steps: impl IntoIterator<Item = &'a str>) -> Self {
        for step in steps {
            push(&mut self.fields, "dependencies", step.into());
        }
        self
    }

    /// When the dependencies let it go.
    pub fn trigger_rule(self, rule: TriggerRule) -> Self {
        self.with("trigger_rule", trigger_rule_value(rule))
    }

    /// Condition: if it is false, the step is skipped.
    pub fn when(self, condition: &str) -> Self {
        self.with("when", condition)
    }

    /// Time limit of each attempt.
    pub fn timeout(self, limit: Duration) -> Self {
        self.with("timeout", duration_value(limit))
    }

    /// No time limit, whatever the defaults say.
    pub fn no_timeout(self) -> Self {
        self.with("timeout", 0)
    }

    /// Retries after the first attempt, one second apart.
    pub fn max_retries(self, retries: u32) -> Self {
        self.with("max_retries", retries)
    }

    /// Retry policy.
    pub fn retry(self, policy: Retry) -> Self {
        self.with("retry", policy)
    }

    /// Retry policy by its name in the document.
    pub fn retry_named(self, policy: &str) -> Self {
        self.with("retry", policy)
    }

    /// Whether its failure fails the scope it stands in.
    pub fn critical(self, critical: bool) -> Self {
        self.with("critical", critical)
    }

    /// Adds a catch; the first that fits is taken.
    pub fn catch(mut self, catch: Catch) -> Self {
        push(&mut self.fields, "catch", catch.into());
        self
    }

    /// How this step is undone.
    pub fn compensate(self, undo: Compensate) -> Self {
        self.with("compensate", undo)
    }

    /// Output; a template. In steps without a body it is over `result`.
    pub fn output(self, template: impl Into<Value>) -> Self {
        self.with("output", template)
    }

    /// Custom status of the run, set when the step starts; a template.
    pub fn status(self, template: impl Into<Value>) -> Self {
        self.with("status", template)
    }

    /// Any field by its name in the format; for `x-` keys of your own.
    pub fn field(self, key: &str, value: impl Into<Value>) -> Self {
        self.with(key, value)
    }

    pub(super) fn new(id: &str) -> Self {
        Self { fields: Map::new() }.with("id", id)
    }

    pub(super) fn of_type(id: &str, kind: &str) -> Self {
        Self::new(id).with("type", kind)
    }

    pub(super) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(key.into(), value.into());
        self
    }
}

impl From<Step> for Value {
    fn from(step: Step) -> Self {
        Self::Object(step.fields)
    }
}
