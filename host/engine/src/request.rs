//! What is looked at of a request to start a run before anything else is.

use crate::error::EngineError;
use jackfield_core::model::duration;
use jackfield_core::trace;
use std::time::Duration;

/// How long a run is to wait before it begins, if at all.
pub(crate) fn check_delay(delay: Option<Duration>) -> Result<Option<Duration>, EngineError> {
    match delay.filter(|delay| !delay.is_zero()) {
        Some(delay) if delay > duration::MAX => Err(EngineError::DelayTooLong),
        delay => Ok(delay),
    }
}

pub(crate) fn check_traceparent(given: Option<String>) -> Result<Box<str>, EngineError> {
    let text = given.unwrap_or_default();
    match trace::fault(&text).filter(|_| !text.is_empty()) {
        None => Ok(text.into()),
        Some(fault) => Err(EngineError::BadTraceparent { text: text.chars().take(64).collect(), fault }),
    }
}

pub(crate) fn check_id(id: &str) -> Result<(), EngineError> {
    let is_fine = (1..=256).contains(&id.len()) && !id.chars().any(char::is_control) && !is_way(id);
    if is_fine { Ok(()) } else { Err(EngineError::BadRunId(id.chars().take(64).collect())) }
}

/// What means a directory in the path of a URL: clients resolve it, however it is written, and nothing of this name could be asked
/// for.
pub(crate) fn is_way(id: &str) -> bool {
    matches!(id, "." | "..")
}

/// An id that no run has had; the order of starts is that of ids.
pub(crate) fn fresh_id() -> uuid::Uuid {
    #[cfg(all(test, not(feature = "loom")))]
    if let Some(id) = crate::sim::fresh_id() {
        return id;
    }
    uuid::Uuid::now_v7()
}
