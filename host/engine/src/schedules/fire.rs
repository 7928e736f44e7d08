//! A schedule is due: what starts, what has to wait, what is left out.

use super::{Entry, QUEUE_MAX};
use crate::config::StartRequest;
use crate::engine::{Engine, Inner};
use crate::error::EngineError;
use crate::journal::Document;
use jackfield_core::journal::{BlobId, Cause, Change, QueuedStart};
use jackfield_core::payload::Payload;
use jackfield_core::run::{CallKey, CancelMode};
use jackfield_core::schedule::{Occasion, Overlap, input_default};
use jackfield_core::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Missed starts that are made up for at a time, at most: the newest.
const CATCH_UP_MAX: usize = 1_000;
/// How late a start may be if this engine was there when it was due: it was busy, or the machine slept.
const LATE_MAX: Duration = Duration::from_secs(60);
/// Between two tries of a start that cannot be made at the moment; doubled each time up to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What became of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    /// It is in the queue.
    Queued,
    /// It was left out because a run has not ended.
    Skipped,
}

/// The start that is for the time `at`.
pub(super) fn for_time(entry: &mut Entry, at: Timestamp, cause: Cause) -> QueuedStart {
    let time = at.to_rfc3339().replace(".000Z", "Z");
    let run_id = format!("{}@{time}", entry.kept.id).into();
    let no = number(entry);
    QueuedStart { no, run_id, cause, at, data: "".into() }
}

/// The start for what an attempt of a step emitted.
pub(super) fn for_event(
    entry: &mut Entry,
    at: Timestamp,
    data: &str,
    (run, key): (&str, CallKey),
) -> QueuedStart {
    let CallKey { instance, step, attempt, .. } = key;
    let origin = format!("{run}\n{} {} {attempt}", instance.0, step.0);
    let digits = BlobId::of(origin.as_bytes()).to_string();
    let run_id = format!("{}@event-{}", entry.kept.id, &digits[..24]).into();
    QueuedStart { no: number(entry), run_id, cause: Cause::Event, at, data: data.into() }
}

/// The start that somebody wants now.
pub(super) fn for_trigger(entry: &mut Entry, at: Timestamp, data: Option<&Payload>) -> QueuedStart {
    let run_id = format!("{}@{}", entry.kept.id, uuid::Uuid::now_v7()).into();
    let data = data.map_or_else(|| "".into(), |data| data.as_str().into());
    QueuedStart { no: number(entry), run_id, cause: Cause::Trigger, at, data }
}

fn number(entry: &mut Entry) -> u64 {
    entry.next_no += 1;
    entry.next_no - 1
}

impl Inner {
    /// Puts what is due into the queue.
    pub(super) fn take_due(self: &Arc<Self>, entry: &mut Entry, alive_since: Timestamp, now: Timestamp) {
        let catch_up = entry.spec.catch_up;
        let late_max = |due| if due >= alive_since { catch_up.max(LATE_MAX) } else { catch_up };
        let span = (entry.kept.since, entry.kept.last, now);
        let found = entry.spec.due_between(&entry.kept.id, span, late_max, CATCH_UP_MAX);
        let mut start = found.start;
        // several at once: where only one run may be open the newest counts
        if matches!(entry.spec.overlap, Overlap::Skip | Overlap::CancelRunning) && start.len() > 1 {
            entry.kept.skipped += start.len() as u64 - 1;
            start.drain(..start.len() - 1);
        }
        if found.has_missed {
            tracing::warn!(schedule = &*entry.kept.id, "starts were missed and are not made up for");
        }
        let mut changes = Vec::new();
        for at in start {
            let start = for_time(entry, at, Cause::Time);
            if let Err(error) = self.take_in(entry, start, &mut changes) {
                tracing::error!(schedule = &*entry.kept.id, "a start is left out: {error}");
                entry.kept.error = Some(error.to_string());
            }
        }
        entry.kept.last = found.last.unwrap_or(entry.kept.last);
        entry.plan();
        changes.push(entry.row());
        self.keep(changes);
    }

    /// Puts a start into the queue, unless `overlap` says otherwise. The caller writes the row of the schedule.
    pub(super) fn take_in(
        self: &Arc<Self>,
        entry: &mut Entry,
        start: QueuedStart,
        changes: &mut Vec<Change>,
    ) -> Result<Admitted, EngineError> {
        let is_open = !entry.kept.active.is_empty() || !entry.queue.is_empty();
        match entry.spec.overlap {
            Overlap::Skip if is_open => {
                entry.kept.skipped += 1;
                return Ok(Admitted::Skipped);
            }
            Overlap::CancelRunning if is_open => self.make_way(entry, changes),
            _ => {}
        }
        self.push(entry, start, changes)?;
        Ok(Admitted::Queued)
    }

    /// Puts a start into the queue.
    pub(super) fn push(
        &self,
        entry: &mut Entry,
        start: QueuedStart,
        changes: &mut Vec<Change>,
    ) -> Result<(), EngineError> {
        if entry.queue.len() >= QUEUE_MAX {
            return Err(EngineError::ScheduleFull { id: entry.kept.id.to_string(), limit: QUEUE_MAX });
        }
        changes.push(Change::QueueStart { schedule: entry.kept.id.clone(), start: Box::new(start.clone()) });
        entry.queue.push_back(start);
        Ok(())
    }

    /// Runs that have not ended are cancelled, starts that wait are given up; those that somebody asked for by time stay.
    fn make_way(self: &Arc<Self>, entry: &mut Entry, changes: &mut Vec<Change>) {
        let id = entry.kept.id.clone();
        let unqueue = |start: &QueuedStart| Change::UnqueueStart { schedule: id.clone(), no: start.no };
        let given_up = entry.queue.iter().filter(|start| start.cause != Cause::Backfill);
        let before = changes.len();
        changes.extend(given_up.map(unqueue));
        entry.kept.skipped += (changes.len() - before) as u64;
        entry.queue.retain(|start| start.cause == Cause::Backfill);
        let engine = Engine { inner: self.clone() };
        let reason = format!("schedule `{id}` starts its next run");
        for run in &entry.kept.active {
            if let Err(error) = engine.cancel(run, CancelMode::Graceful, &reason) {
                tracing::warn!(schedule = &*id, run_id = &**run, "the run cannot be cancelled: {error}");
            }
        }
    }

    /// Makes the starts that can be made now.
    pub(super) fn start_queued(self: &Arc<Self>, entry: &mut Entry, now: Timestamp) {
        while entry.may_start() && entry.retry.is_none_or(|(at, _)| at <= now) {
            let Some(start) = entry.queue.front().cloned() else { return };
            match self.start_scheduled(entry, &start) {
                Ok(()) => self.keep(vec![self.unqueue(entry, start.no), entry.row()]),
                // it is made by the next engine
                Err(EngineError::ShuttingDown | EngineError::ReadOnly) => return,
                Err(error) if is_passing(&error) && now.since(start.at) <= self.patience(entry) => {
                    let wait = entry.retry.map_or(RETRY_FIRST, |(_, wait)| (wait * 2).min(RETRY_MAX));
                    entry.retry = Some((now.after(wait), wait));
                    let text = error.to_string();
                    if entry.kept.error.as_ref() == Some(&text) {
                        return;
                    }
                    tracing::warn!(schedule = &*entry.kept.id, "a start is tried again: {text}");
                    entry.kept.error = Some(text);
                    self.keep(vec![entry.row()]);
                    return;
                }
                Err(error) => {
                    tracing::error!(schedule = &*entry.kept.id, "a start failed: {error}");
                    entry.kept.error = Some(error.to_string());
                    self.keep(vec![self.unqueue(entry, start.no), entry.row()])
                }
            };
        }
    }

    /// How long a start is tried that cannot be made at the moment.
    fn patience(&self, entry: &Entry) -> Duration {
        entry.spec.catch_up.max(LATE_MAX)
    }

    /// Takes the first start out of the queue.
    pub(super) fn unqueue(&self, entry: &mut Entry, no: u64) -> Change {
        entry.queue.retain(|start| start.no != no);
        entry.retry = None;
        Change::UnqueueStart { schedule: entry.kept.id.clone(), no }
    }

    /// Whether there is a run of this id, and if so whether it has ended.
    pub(super) fn has_run(&self, run_id: &str) -> Result<Option<bool>, EngineError> {
        if let Some(run) = self.known_run(run_id) {
            return Ok(Some(run.shared.lock().has_ended()));
        }
        let Some(journal) = &self.journal else { return Ok(None) };
        Ok(journal.store.find(run_id)?.map(|line| line.standing.status.is_terminal()))
    }

    /// Starts a run, if it has not been started.
    pub(super) fn start_scheduled(
        self: &Arc<Self>,
        entry: &mut Entry,
        start: &QueuedStart,
    ) -> Result<(), EngineError> {
        let is_watched = entry.spec.overlap != Overlap::Allow;
        if is_watched {
            // its end is told, however soon it comes
            self.schedules.watch(&start.run_id, &entry.kept.id);
        }
        let has_ended = self.start_once(entry, start);
        if !matches!(has_ended, Ok(false)) {
            self.schedules.forget(&start.run_id);
        }
        let has_ended = has_ended?;
        if is_watched && !has_ended {
            entry.kept.active.push(start.run_id.clone());
        }
        entry.kept.last_run = Some(start.run_id.clone());
        entry.kept.error = None;
        Ok(())
    }

    /// Starts a run, if there is none of this id. Whether it was there and has ended.
    fn start_once(self: &Arc<Self>, entry: &mut Entry, start: &QueuedStart) -> Result<bool, EngineError> {
        if let Some(has_ended) = self.has_run(&start.run_id)? {
            return Ok(has_ended);
        }
        let request = self.request(entry, start)?;
        self.start_run(request, None)?;
        entry.kept.started += 1;
        Ok(false)
    }

    fn request(&self, entry: &Entry, start: &QueuedStart) -> Result<StartRequest, EngineError> {
        let Entry { kept, spec, range, .. } = entry;
        let registered = self.workflows.get(&kept.workflow, range.as_ref())?;
        let event = event_of(entry, start);
        let input = match &spec.input {
            None => input_default(&spec.when, &event),
            Some(input) => input
                .render(&Occasion {
                    event: &event,
                    workflow: &registered.id,
                    version: &registered.version.to_string(),
                    run_id: &start.run_id,
                    config: &self.config.run_values,
                    now: self.ports.clock.now(),
                })
                .map_err(|error| EngineError::ScheduleInput {
                    id: kept.id.to_string(),
                    why: error.message().to_owned(),
                })?,
        };
        Ok(StartRequest {
            run_id: Some(start.run_id.to_string()),
            config: self.config.run_values.clone(),
            document: self.journal.as_ref().map(|_| Document::new(&*registered.document)),
            ..StartRequest::new(registered.plan, input)
        })
    }
}

/// What the input of the run sees as `event`.
fn event_of(entry: &Entry, start: &QueuedStart) -> Payload {
    if entry.spec.when.event().is_some() {
        return if start.data.is_empty() { Payload::null() } else { Payload::trusted(&*start.data) };
    }
    let (id, at) = (Payload::string(&entry.kept.id), Payload::string(&start.at.to_rfc3339()));
    Payload::object([("schedule", &id), ("scheduled_at", &at)])
}

/// Whether the same start may succeed later.
fn is_passing(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::TooManyRuns(_)
            | EngineError::Method { .. }
            | EngineError::WorkflowNotFound(_)
            | EngineError::NoWorkflowVersion { .. }
            | EngineError::WorkflowUnusable { .. }
            | EngineError::Journal(_)
    )
}
