//! One line for each record that is worth one.

use crate::printer::{Printer, Tone};
use crate::show::time::human;
use jackfield::{Event, EventKind, Failure, LogLevel};
use std::time::Duration;

/// The line for a record; `None` if it says nothing new.
pub(crate) fn line(record: &Event, printer: &Printer) -> Option<String> {
    let (tone, word) = words(record)?;
    let is_retried = record.event == EventKind::AttemptFailed;
    let attempt = if is_retried { format!("attempt {} ", record.attempt) } else { String::new() };
    let word = printer.paint(tone, &format!("{attempt}{word}"));
    let mut text = match record.step.as_deref() {
        None => format!("run {word}"),
        Some(step) => format!("{step}: {word}"),
    };
    let mut facts = String::new();
    if let Some(millis) = record.duration_ms.filter(|millis| *millis > 0.0) {
        let preposition = if is_retried { "after" } else { "in" };
        let duration = Duration::try_from_secs_f64(millis / 1e3).unwrap_or_default();
        facts.push_str(&format!(" {preposition} {}", human(duration)));
    }
    if record.attempt > 1 && !is_retried {
        facts.push_str(&format!(", attempt {}", record.attempt));
    }
    text.push_str(&printer.paint(Tone::Dim, &facts));
    if let Some(error) = &record.error {
        text.push_str(&format!(": {}", reason(error)));
    }
    if is_retried {
        text.push_str("; trying again");
    }
    if let Some(message) = &record.message {
        text.push_str(&format!(": {message}"));
    }
    if let (EventKind::Log, Some(data)) = (record.event, &record.value) {
        text.push_str(&printer.paint(Tone::Dim, &format!(" {}", data.as_str())));
    }
    Some(text)
}

fn words(record: &Event) -> Option<(Tone, &'static str)> {
    Some(match record.event {
        EventKind::RunStarted | EventKind::StepStarted => (Tone::Dim, "started"),
        EventKind::AttemptFailed => (Tone::Warning, "failed"),
        EventKind::StepCompleted | EventKind::RunCompleted => (Tone::Good, "completed"),
        EventKind::StepFailed | EventKind::RunFailed => (Tone::Bad, "failed"),
        EventKind::StepCaught => (Tone::Warning, "caught"),
        EventKind::StepSkipped => (Tone::Dim, "skipped"),
        EventKind::StepCancelled => (Tone::Dim, "cancelled"),
        EventKind::CompensationStarted => (Tone::Dim, "compensating"),
        EventKind::StepCompensated => (Tone::Warning, "compensated"),
        EventKind::CompensationFailed => (Tone::Bad, "compensation failed"),
        EventKind::Log => level_word(record.level.unwrap_or(LogLevel::Info)),
        EventKind::RunContinued => (Tone::Dim, "goes on as new"),
        EventKind::EventReceived => (Tone::Dim, "received an event"),
        EventKind::MessageReceived => (Tone::Dim, "received a message"),
        EventKind::RunQueued => (Tone::Dim, "queued"),
        EventKind::RunPaused => (Tone::Warning, "paused"),
        EventKind::RunResumed => (Tone::Dim, "resumed"),
        EventKind::RunRecovered => (Tone::Warning, "goes on after a crash"),
        EventKind::RunRetried => (Tone::Warning, "retried"),
        EventKind::RunForked => (Tone::Dim, "forked"),
        EventKind::CancelRequested => (Tone::Warning, "cancelling"),
        EventKind::CleanupAbandoned => (Tone::Bad, "clean-up given up"),
        EventKind::RunCancelled => (Tone::Warning, "cancelled"),
        // the completion, the failure or the request beside it has a line of its own
        EventKind::CallAnswered | EventKind::Stopping | EventKind::StatusSet => return None,
    })
}

/// How a log line is marked.
pub(crate) fn level_word(level: LogLevel) -> (Tone, &'static str) {
    match level {
        LogLevel::Trace => (Tone::Dim, "trace"),
        LogLevel::Debug => (Tone::Dim, "debug"),
        LogLevel::Info => (Tone::Dim, "info"),
        LogLevel::Warn => (Tone::Warning, "warning"),
        LogLevel::Error => (Tone::Bad, "error"),
    }
}

fn reason(error: &Failure) -> String {
    format!("{}: {}", error.kind, error.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Global, When};

    fn record(step: &str, event: EventKind) -> Event {
        Event {
            seq: 0,
            at: "2026-01-01T00:00:00.000Z".to_owned(),
            step: Some(step).filter(|step| !step.is_empty()).map(Into::into),
            event,
            attempt: 1,
            duration_ms: None,
            value: None,
            error: None,
            message: None,
            level: None,
        }
    }

    fn shown(record: &Event) -> String {
        line(record, &Printer::new(&Global { color: When::Never, ..Global::default() })).unwrap()
    }

    #[test]
    fn lines_name_step_event_duration_attempt_and_reason() {
        let mut completed = record("load", EventKind::StepCompleted);
        completed.duration_ms = Some(12.0);
        completed.attempt = 3;
        assert_eq!(shown(&completed), "load: completed in 12.0 ms, attempt 3");

        let mut failed = record("probe[3].fetch", EventKind::AttemptFailed);
        failed.error = Some(Failure::new("http.503", "no answer"));
        failed.duration_ms = Some(4.0);
        assert_eq!(
            shown(&failed),
            "probe[3].fetch: attempt 1 failed after 4.00 ms: http.503: no answer; trying again"
        );

        let mut skipped = record("save", EventKind::StepSkipped);
        skipped.message = Some("`when` is false".into());
        assert_eq!(shown(&skipped), "save: skipped: `when` is false");

        let mut log = record("say", EventKind::Log);
        log.message = Some("disk is almost full".into());
        log.level = Some(LogLevel::Warn);
        log.value = Some(jackfield::Payload::trusted(r#"{"free":3}"#));
        assert_eq!(shown(&log), r#"say: warning: disk is almost full {"free":3}"#);

        assert_eq!(shown(&record("", EventKind::RunCompleted)), "run completed");
    }
}
