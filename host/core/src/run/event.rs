//! The event stream of a run: its history in a form for people and programs outside.

use super::RunState;
use super::record::{Detail, Record, RecordKind};
use crate::failure::Failure;
use crate::payload::{Payload, present};
use crate::ports::LogLevel;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What an event says; the same words as in the history.
pub type EventKind = RecordKind;

/// One event.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Event {
    /// Position in the run's history, from 0.
    pub seq: u64,
    /// When, RFC 3339.
    pub at: String,
    /// Path of the step; absent for the run itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Arc<str>>,
    /// What.
    pub event: EventKind,
    /// Attempts made so far; 0 where there was none.
    pub attempt: u32,
    /// How long what ended had taken, in milliseconds; absent where nothing ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<f64>,
    /// Output, result, input or status.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Payload>,
    /// What failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Why, or the text of a log line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Box<str>>,
    /// Severity of a log line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<LogLevel>,
}

impl RunState {
    /// The events from number `from` on, at most `max` of them; those that have been [forgotten](Self::forget) are left out.
    #[must_use]
    pub fn events(&self, from: u64, max: usize) -> Vec<Event> {
        let from = usize::try_from(from).unwrap_or(usize::MAX).max(self.forgotten());
        self.history_from(from)
            .iter()
            .take(max)
            .zip(from as u64..)
            .map(|(record, seq)| self.event(record, seq))
            .collect()
    }

    fn event(&self, record: &Record, seq: u64) -> Event {
        let (mut value, mut error, mut message, mut level) = (None, None, None, None);
        match &record.detail {
            Detail::None => {}
            Detail::Value(payload) => value = Some(payload.clone()),
            Detail::Failure(failure) => error = Some((**failure).clone()),
            Detail::Text(text) => message = Some((**text).clone()),
            Detail::Line(line) => {
                message = Some(line.message.clone());
                level = Some(line.level);
                value = (!line.data.is_null()).then(|| line.data.clone());
            }
        }
        Event {
            seq,
            at: record.at.to_rfc3339(),
            step: record.step.map(|step| self.path(record.instance, step).into()),
            event: record.kind,
            attempt: record.attempt,
            duration_ms: ends_something(record.kind).then(|| millis(record.duration.into())),
            value,
            error,
            message,
            level,
        }
    }
}

/// Milliseconds with a fraction, as all results show times.
pub(crate) fn millis(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

impl Timestamp {
    /// Reads RFC 3339; `None` if the text is none or lies outside 1970 to 2554.
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let nanos = chrono::DateTime::parse_from_rfc3339(text).ok()?.timestamp_nanos_opt()?;
        u64::try_from(nanos).ok().map(Self)
    }
}

fn ends_something(kind: RecordKind) -> bool {
    use RecordKind as Kind;
    matches!(
        kind,
        Kind::CallAnswered
            | Kind::StepCompleted
            | Kind::AttemptFailed
            | Kind::StepCaught
            | Kind::StepFailed
            | Kind::StepCancelled
            | Kind::StepCompensated
            | Kind::CompensationFailed
            | Kind::RunCompleted
            | Kind::RunFailed
            | Kind::RunCancelled
            | Kind::RunContinued
    )
}
