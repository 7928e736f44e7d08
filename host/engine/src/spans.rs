//! Spans for run, step and attempt, and log lines for what happens in runs. Costs next to nothing while nobody
//! subscribes: everything here asks first whether it is wanted.

use crate::run::{RunCell, Shared};
use jackfield_core::plan::StepIx;
use jackfield_core::ports::{Call, LogLevel};
use jackfield_core::run::{CallCommand, Detail, InstanceIx, Record, RecordKind};
use std::collections::HashMap;
use std::time::Duration;
use tracing::{Level, Span};

/// Spans of steps under way.
pub(crate) type StepSpans = HashMap<(InstanceIx, StepIx), Span>;

/// The span of a run.
pub(crate) fn run(run_id: &str, workflow: &str, version: &str) -> Span {
    tracing::info_span!("run", run_id, workflow, version)
}

/// Opens the span of a step at its first attempt.
pub(crate) fn step_started(run: &RunCell, shared: &mut Shared, call: &CallCommand) {
    if call.key.attempt == 1 && tracing::enabled!(Level::DEBUG) {
        let mut step = String::new();
        call.push_path(&run.plan, &mut step);
        let span = tracing::debug_span!(parent: &run.span, "step", step = &*step);
        shared.steps.insert((call.key.instance, call.key.step), span);
    }
}

/// Enters the span of an attempt for as long as the guard lives.
pub(crate) fn attempt(run: &RunCell, call: &Call) -> Option<tracing::span::EnteredSpan> {
    if !tracing::enabled!(Level::DEBUG) {
        return None;
    }
    let (step, attempt) = (call.step(), call.attempt);
    Some(tracing::debug_span!(parent: &run.span, "attempt", step, attempt).entered())
}

/// A line that a method logged.
pub(crate) fn method_line(run_id: &str, step: &str, level: LogLevel, message: &str) {
    match level {
        LogLevel::Trace => tracing::trace!(run_id, step, "{message}"),
        LogLevel::Debug => tracing::debug!(run_id, step, "{message}"),
        LogLevel::Info => tracing::info!(run_id, step, "{message}"),
        LogLevel::Warn => tracing::warn!(run_id, step, "{message}"),
        LogLevel::Error => tracing::error!(run_id, step, "{message}"),
    }
}

/// Logs what was recorded since the last time, and closes the spans of steps that have settled.
pub(crate) fn log_records(run: &RunCell, shared: &mut Shared) {
    let is_wanted = tracing::enabled!(Level::ERROR);
    let from = std::mem::replace(&mut shared.logged, shared.state.record_count());
    if let Some(trace) = &mut shared.trace {
        trace.follow(run, &shared.state, shared.state.history_from(from));
    }
    if !is_wanted {
        return;
    }
    let Shared { state, steps, .. } = shared;
    for record in state.history_from(from) {
        let path = record.step.map(|step| state.path(record.instance, step)).unwrap_or_default();
        run.span.in_scope(|| log(record, &path));
        if let (true, Some(step)) = (settles(record.kind), record.step) {
            steps.remove(&(record.instance, step));
        }
    }
}

fn settles(kind: RecordKind) -> bool {
    use RecordKind::{StepCancelled, StepCompleted, StepFailed, StepSkipped};
    matches!(kind, StepCompleted | StepFailed | StepSkipped | StepCancelled)
}

fn log(record: &Record, step: &str) {
    let attempt = record.attempt;
    match (&record.kind, &record.detail) {
        (RecordKind::RunStarted, _) => tracing::info!("run started"),
        (RecordKind::RunCompleted, _) => {
            tracing::info!(duration = ?Duration::from(record.duration), "run completed")
        }
        (RecordKind::RunFailed, Detail::Failure(failure)) => {
            tracing::error!(kind = &*failure.kind, at = &*failure.step, "run failed: {}", failure.message);
        }
        (RecordKind::RunCancelled, Detail::Text(reason)) => tracing::warn!("run cancelled: {reason}"),
        (RecordKind::AttemptFailed, Detail::Failure(failure)) => {
            tracing::warn!(step, attempt, kind = &*failure.kind, "attempt failed: {}", failure.message);
        }
        (RecordKind::StepFailed, Detail::Failure(failure)) => {
            tracing::warn!(step, attempt, kind = &*failure.kind, "step failed: {}", failure.message);
        }
        (RecordKind::CompensationFailed, Detail::Failure(failure)) => {
            tracing::error!(step, attempt, kind = &*failure.kind, "compensation failed: {}", failure.message);
        }
        (RecordKind::CleanupAbandoned, Detail::Text(text)) => tracing::error!("{text}"),
        (RecordKind::Log, Detail::Line(line)) => log_line(step, line),
        (kind, _) => tracing::debug!(step, attempt, event = ?kind),
    }
}

fn log_line(step: &str, line: &jackfield_core::run::LogLine) {
    let message = &*line.message;
    match line.level {
        LogLevel::Trace => tracing::trace!(step, "{message}"),
        LogLevel::Debug => tracing::debug!(step, "{message}"),
        LogLevel::Info => tracing::info!(step, "{message}"),
        LogLevel::Warn => tracing::warn!(step, "{message}"),
        LogLevel::Error => tracing::error!(step, "{message}"),
    }
}
