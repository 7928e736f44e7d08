//! What a method of the application fails with.

use jackfield_core::failure::{Failure, kind};
use jackfield_core::payload::Payload;
use serde_json::Value;

/// An error of a method: a dotted type that workflows can catch and retry by, and a message. Any standard
/// error, and a plain string, turns into one of type `plugin.error` by `?` or `into`.
#[derive(Debug)]
pub struct MethodError(Box<Failure>);

impl MethodError {
    /// An error with a dotted type of your own, such as `order.rejected`.
    #[must_use]
    pub fn new(kind: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Failure::new(kind, message.into())))
    }

    /// Trying again cannot help: retry policies that do not name the type leave it alone.
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.0.retryable = false;
        self
    }

    /// Adds details, which `error.details` shows.
    #[must_use]
    pub fn details(mut self, details: impl Into<Value>) -> Self {
        self.0.details = Payload::from(details.into());
        self
    }

    pub(super) fn into_failure(self) -> Failure {
        *self.0
    }
}

// `MethodError` is no standard error itself, so that this conversion from all of them can exist
impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for MethodError {
    fn from(error: E) -> Self {
        let error = error.into();
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            message.push_str(": ");
            message.push_str(&inner.to_string());
            cause = inner.source();
        }
        Self::new(kind::PLUGIN_ERROR, message)
    }
}
