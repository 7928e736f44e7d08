//! What a step does about failure: retry, catch, compensate.

use super::{Step, duration_value, push, set_in_object};
use crate::model::Backoff;
use serde_json::{Map, Value};
use std::time::Duration;

/// A retry policy. What is not set has the default of the format: three attempts, one second, exponential.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a policy does nothing until a step takes it"]
pub struct Retry {
    fields: Map<String, Value>,
}

impl Retry {
    /// At most so many attempts, counting the first.
    pub fn attempts(max_attempts: u32) -> Self {
        Self::default().with("max_attempts", max_attempts)
    }

    /// Time between the first and the second attempt.
    pub fn delay(self, delay: Duration) -> Self {
        self.with("delay", duration_value(delay))
    }

    /// How the delay grows.
    pub fn backoff(self, backoff: Backoff) -> Self {
        let word = match backoff {
            Backoff::None => "none",
            Backoff::Fixed => "fixed",
            Backoff::Linear => "linear",
            Backoff::Exponential => "exponential",
        };
        self.with("backoff", word)
    }

    /// Factor of exponential growth.
    pub fn multiplier(self, multiplier: f64) -> Self {
        self.with("multiplier", multiplier)
    }

    /// The longest delay.
    pub fn max_delay(self, limit: Duration) -> Self {
        self.with("max_delay", duration_value(limit))
    }

    /// Share of a delay that chance may take away, 0 to 1.
    pub fn jitter(self, share: f64) -> Self {
        self.with("jitter", share)
    }

    /// Time limit of all attempts and delays together.
    pub fn total_timeout(self, limit: Duration) -> Self {
        self.with("total_timeout", duration_value(limit))
    }

    /// Patterns of error types that are worth another attempt, such as `http.5*`.
    pub fn errors<'a>(self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.with("errors", patterns.into_iter().collect::<Vec<_>>())
    }

    /// Condition over `error`.
    pub fn when(self, condition: &str) -> Self {
        self.with("when", condition)
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(key.into(), value.into());
        self
    }
}

impl From<Retry> for Value {
    fn from(policy: Retry) -> Self {
        Self::Object(policy.fields)
    }
}

/// What happens instead when a step has failed for good.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a catch does nothing until a step takes it"]
pub struct Catch {
    fields: Map<String, Value>,
}

impl Catch {
    /// Catches every error.
    pub fn any() -> Self {
        Self::default()
    }

    /// Catches errors whose type fits one of `patterns`.
    pub fn errors<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        Self::default().with("errors", patterns.into_iter().collect::<Vec<_>>())
    }

    /// Condition over the error.
    pub fn when(self, condition: &str) -> Self {
        self.with("when", condition)
    }

    /// The name of the error in this catch; `error` if this is not called.
    pub fn bind(self, name: &str) -> Self {
        self.with("as", name)
    }

    /// Adds a step to run.
    pub fn step(mut self, step: Step) -> Self {
        push(&mut self.fields, "steps", step.into());
        self
    }

    /// The output of the step that was caught; a template.
    pub fn output(self, template: impl Into<Value>) -> Self {
        self.with("output", template)
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(key.into(), value.into());
        self
    }
}

impl From<Catch> for Value {
    fn from(catch: Catch) -> Self {
        Self::Object(catch.fields)
    }
}

/// The undo of a step: a call that runs when the run fails or is cancelled after the step has completed.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an undo does nothing until a step takes it"]
pub struct Compensate {
    fields: Map<String, Value>,
}

impl Compensate {
    /// Undoes by calling `plugin.method`.
    pub fn call(plugin: &str, method: &str) -> Self {
        Self { fields: Map::new() }.with("plugin", plugin).with("method", method)
    }

    /// The range of versions of the plugin.
    pub fn plugin_version(self, range: &str) -> Self {
        self.with("plugin_version", range)
    }

    /// One parameter; a template.
    pub fn param(mut self, name: &str, value: impl Into<Value>) -> Self {
        set_in_object(&mut self.fields, "parameters", name, value.into());
        self
    }

    /// All parameters at once; a template.
    pub fn params(self, parameters: impl Into<Value>) -> Self {
        self.with("parameters", parameters)
    }

    /// Time limit of an attempt.
    pub fn timeout(self, limit: Duration) -> Self {
        self.with("timeout", duration_value(limit))
    }

    /// Retries after the first attempt, one second apart.
    pub fn max_retries(self, retries: u32) -> Self {
        self.with("max_retries", retries)
    }

    /// Retry policy.
    pub fn retry(self, policy: Retry) -> Self {
        self.with("retry", policy)
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(key.into(), value.into());
        self
    }
}

impl From<Compensate> for Value {
    fn from(undo: Compensate) -> Self {
        Self::Object(undo.fields)
    }
}
