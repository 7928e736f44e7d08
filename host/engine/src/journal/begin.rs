//! The start of durable runs, and what is written at every exchange.

use super::activate::standing_of;
use super::log::{ended, resting};
use super::{Document, Held, Journal, RunLog};
use crate::engine::Inner;
use crate::errands::Errand;
use crate::error::EngineError;
use crate::generations::Prepared;
use crate::perform::Afterwards;
use crate::planted::{Bug, planted};
use crate::run::{RunCell, Shared};
use jackfield_core::journal::{BlobId, Change, Continued, Pinned, RunNo, Standing, StoredRow, StoredStart};
use jackfield_core::plan::MethodIx;
use jackfield_core::run::{Command, Fact, RunState, RunStatus, Start};
use jackfield_core::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Inner {
    /// The run that has the id of `start` already, if the caller means it; an error if there is one and he does not.
    pub(crate) fn known_start(
        self: &Arc<Self>,
        document: Option<&Document>,
        start: &Start,
        attach: bool,
    ) -> Result<Option<Arc<RunCell>>, EngineError> {
        let is_kept = match &self.journal {
            Some(journal) => journal.store.find(&start.run_id)?.is_some(),
            None => false,
        };
        if !is_kept && self.known_run(&start.run_id).is_none() {
            return Ok(None);
        }
        let known = match self.find_run(&start.run_id) {
            Ok(run) => run,
            Err(EngineError::RunNotFound(_)) => return Ok(None),
            // it exists and cannot be read: it is not started again over that
            Err(error) => return Err(error),
        };
        let exists = || {
            let status = known.shared.lock().status();
            EngineError::RunExists { id: start.run_id.to_string(), status }
        };
        if !attach {
            return Err(exists());
        }
        let is_same = {
            let shared = known.shared.lock();
            let its_document = shared.log.as_ref().map(|log| log.document).or(known.document);
            its_document.is_some_and(|its| document.is_some_and(|document| document.id == its))
                && shared.state.start_values().input.value() == start.input.value()
        };
        if is_same { Ok(Some(known)) } else { Err(exists()) }
    }

    /// Writes down that a run begins; returns the position at which that lasts.
    pub(crate) fn begin_log(&self, journal: &Journal, run: &Arc<RunCell>, document: &Document) -> u64 {
        let pinned = Document::new(Pinned::of(&run.plan).to_json());
        let mut changes = Vec::new();
        journal.note_documents(&[document, &pinned], &mut changes);
        let mut shared = run.shared.lock();
        // numbers come to the store in order
        let mut last_run = journal.last_run.lock();
        last_run.0 += 1;
        let row = row_of(*last_run, &shared.state, document.id, pinned.id, &run.traceparent);
        let started_at = row.started_at;
        changes.push(Change::Begin(Box::new(row)));
        let mut log = Box::new(RunLog::new(*last_run, document.id, started_at));
        let state = &shared.state;
        if state.is_queued() {
            changes.push(standing_of(*last_run, resting(state, None)));
        }
        log.changes(state, started_at, &mut changes);
        let position = journal.submit(&mut changes, Some((run, &mut log.listed)));
        drop(last_run);
        log.mark(position, state.record_count(), state.is_over());
        shared.log = Some(log);
        position
    }

    /// Writes down that the next generation of `old` begins, and what came too late for that: all of it or nothing.
    pub(crate) fn continue_log(
        &self,
        old: &RunCell,
        log: &mut RunLog,
        state: &mut RunState,
        (now, facts): (Timestamp, &[Fact]),
        commands: &mut Vec<Command>,
        prepared: &Prepared,
    ) -> Option<Box<RunLog>> {
        let journal = self.journal.as_ref()?;
        let pinned = Document::new(Pinned::of(state.plan()).to_json());
        let mut changes = Vec::new();
        journal.note_documents(&[&pinned], &mut changes);
        prepared.document.iter().for_each(|document| journal.note_documents(&[document], &mut changes));
        let document = prepared.document.as_ref().map_or(log.document, |document| document.id);
        log.chunk(&mut changes);
        let mut last_run = journal.last_run.lock();
        last_run.0 += 1;
        let row = row_of(*last_run, state, document, pinned.id, &old.traceparent);
        let mut next = Box::new(RunLog::new(*last_run, document, row.started_at));
        changes.push(Change::Continue(Box::new(Continued {
            former: log.no,
            generation: state.generation() - 1,
            ended_at: now,
            keep: self.config.generations_kept,
            row,
        })));
        if !facts.is_empty() {
            next.note(now, facts);
        }
        facts.iter().for_each(|fact| state.apply(now, fact.clone(), commands));
        next.owes = owes(state, commands);
        next.changes(state, now, &mut changes);
        next.mark(journal.submit(&mut changes, None), state.record_count(), state.is_over());
        Some(next)
    }

    /// Both generations are told when what was written last of them lasts.
    pub(crate) fn watch_log(&self, old: &Arc<RunCell>, shared: &mut Shared, run: &Arc<RunCell>) {
        let Some(journal) = &self.journal else { return };
        for (run, shared, is_end) in [(old, shared, true), (run, &mut *run.shared.lock(), false)] {
            let Shared { log: Some(log), state, .. } = shared else { continue };
            let position = journal.submit(&mut Vec::new(), Some((run, &mut log.listed)));
            log.mark(position, state.record_count(), is_end || state.is_over());
        }
    }

    /// Hands in what was noted, before anything is done about it.
    pub(crate) fn write_down(
        &self,
        run: &Arc<RunCell>,
        shared: &mut Shared,
        now: Timestamp,
        commands: &[Command],
    ) {
        let Shared { log: Some(log), state, .. } = shared else { return };
        let Some(journal) = &self.journal else { return };
        log.owes = owes(state, commands);
        let mut changes = Vec::new();
        log.changes(state, now, &mut changes);
        let position = journal.submit(&mut changes, Some((run, &mut log.listed)));
        log.mark(position, state.record_count(), state.is_over());
    }

    /// A run that has ended owes other runs nothing any more.
    pub(crate) fn settle_end(&self, run: &RunCell) {
        let mut shared = run.shared.lock();
        let Shared { log: Some(log), state, .. } = &mut *shared else { return };
        if let Some(journal) = self.journal.as_ref().filter(|_| std::mem::take(&mut log.owes)) {
            let at = state.history().last().map_or_else(|| self.ports.clock.now(), |last| last.at);
            journal.submit(&mut vec![standing_of(log.no, ended(state, at))], None);
        }
    }

    /// Whether a call has to wait until what was handed in last lasts. If that does already, nobody would release it.
    pub(crate) fn must_wait(&self, run: &RunCell, log: &RunLog, method: MethodIx, is_blocked: bool) -> bool {
        let is_pure = run.plan.methods[method.0 as usize].pure;
        let lasts = || self.journal.as_ref().is_none_or(|journal| journal.is_durable(log.position));
        is_blocked || !is_pure && !lasts() && !planted(Bug::EffectBeforeCause)
    }

    /// Does something with other runs, once what led to it lasts.
    pub(crate) fn run_errand(&self, run: &Arc<RunCell>, shared: &mut Shared, errand: Errand) {
        let lasts = |position| self.journal.as_ref().is_none_or(|journal| journal.is_durable(position));
        match &mut shared.log {
            Some(log) if !lasts(log.position) && !planted(Bug::ErrandBeforeCause) => {
                log.hold(Held::Errand(errand));
            }
            _ => self.errands.push(run, errand),
        }
    }

    /// Blocks until everything that was handed in of a run so far lasts.
    pub(crate) fn wait_written(&self, run: &RunCell) {
        let position = run.shared.lock().log.as_ref().map(|log| log.position);
        if let Some((journal, position)) = self.journal.as_ref().zip(position) {
            journal.wait(position);
        }
    }

    /// The state machine broke down over the facts noted last: the run has failed, and they are not kept.
    pub(crate) fn write_breakdown(&self, run: &Arc<RunCell>, shared: &mut Shared, now: Timestamp) {
        let reason = shared.broken.as_ref().map(|failure| failure.message.to_string());
        let Shared { log: Some(log), state, .. } = shared else { return };
        let Some(journal) = &self.journal else { return };
        log.take_back();
        let mut changes = Vec::new();
        log.chunk(&mut changes);
        let (status, custom_status) = (RunStatus::Failed, None);
        let standing = Standing { status, ended_at: Some(now), due_at: None, reason, custom_status };
        changes.push(Change::Standing { run: log.no, standing: Box::new(standing) });
        let position = journal.submit(&mut changes, Some((run, &mut log.listed)));
        log.mark(position, state.record_count(), true);
    }

    /// Everything of a run up to `durable` lasts: what waited for that goes on.
    pub(crate) fn release(self: &Arc<Self>, run: &Arc<RunCell>, durable: u64) {
        let mut after = Afterwards::default();
        let mut shared = run.shared.lock();
        let is_blocked = shared.blocked.is_some();
        let Some(log) = &mut shared.log else { return };
        let released = log.release(durable, !is_blocked);
        for held in released.held {
            match held {
                Held::Call(call) => {
                    self.ready_call(run, &mut shared, call, &mut after);
                }
                Held::Errand(errand) => self.errands.push(run, errand),
            }
        }
        shared.park(run);
        if !shared.is_over && !shared.is_evicted {
            after.is_inline_ready = self.offer(&mut shared);
            after.is_blocking_ready = shared.blocking.queue();
        }
        after.has_ended = released.has_ended;
        if released.has_ended {
            self.forget_rest(&mut shared);
        }
        shared.forget(self.config.records_kept);
        self.note_rest(run, &mut shared);
        if run.watchers.load(Ordering::Relaxed) > 0 {
            run.changed.notify_all();
            run.changed_async.notify_waiters();
        }
        drop(shared);
        self.go_on(run, after);
    }

    /// Whether the engine ends: durable runs are put away.
    pub(crate) fn is_frozen(&self) -> bool {
        self.is_frozen.load(Ordering::Relaxed)
    }

    /// Whether a run takes no calls because it is put away.
    pub(crate) fn is_at_rest(&self, shared: &Shared) -> bool {
        shared.log.is_some() && (shared.is_evicted || self.is_frozen())
    }
}

/// Whether a run that has ended has still to tell others to.
fn owes(state: &RunState, commands: &[Command]) -> bool {
    state.is_over() && commands.iter().any(|command| matches!(command, Command::CancelChild { .. }))
}

/// What is written of the start of a run, or of a generation of it.
fn row_of(no: RunNo, state: &RunState, document: BlobId, methods: BlobId, traceparent: &str) -> StoredRow {
    let (plan, started_at) = (state.plan(), state.started_at());
    let start = StoredStart::new(plan, state.start_values(), started_at, methods);
    let start = StoredStart { traceparent: traceparent.into(), ..start };
    StoredRow {
        no,
        run_id: state.start_values().run_id.clone(),
        workflow: plan.id.to_string(),
        version: plan.version.to_string(),
        document,
        started_at,
        start: jackfield_core::payload::Payload::encode(&start).as_str().to_owned(),
    }
}
