//! Runs leave memory: those that have waited for a while and nobody looks at, and all of them at the end.

use super::activate::standing_of;
use super::log::resting;
use crate::engine::Inner;
use crate::perform::later;
use crate::planted::{Bug, planted};
use crate::run::{RunCell, Shared};
use crate::timers::Due;
use jackfield_core::journal::Change;
use jackfield_core::run::RunStatus;
use jackfield_core::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a run waits in memory if too many others do, too: so that whoever has just started it can let go of it.
const CROWDED_EVICT_AFTER: Duration = Duration::from_millis(100);
/// How long until it is looked at again if somebody held it.
const HELD_EVICT_AFTER: Duration = Duration::from_secs(5);

impl Inner {
    /// A run that has come to rest gives its seat back, and is looked at again after a while, to see whether it still rests.
    pub(crate) fn note_rest(&self, run: &Arc<RunCell>, shared: &mut Shared) {
        self.follow_seat(run, shared);
        self.note_rest_of(run, shared, false);
    }

    /// The same of one that somebody was seen to hold, or not.
    fn note_rest_of(&self, run: &Arc<RunCell>, shared: &mut Shared, is_held: bool) {
        if shared.log.is_none() || !rests(shared) {
            return;
        }
        if let Some(log) = &mut shared.log
            && log.rests_since != Some(log.batches())
        {
            let is_timed = log.rests_since.is_some();
            log.rests_since = Some(log.batches());
            if !is_timed {
                let Some(journal) = &self.journal else { return };
                let resting = journal.resting.fetch_add(1, Ordering::Relaxed);
                let evict_after = self.config.evict_after;
                let after = match resting >= self.config.resting_runs_max {
                    true if is_held => evict_after.min(HELD_EVICT_AFTER),
                    true => evict_after.min(CROWDED_EVICT_AFTER),
                    false => evict_after,
                };
                self.timers.set(later(after), Due::Rest(Arc::downgrade(run), log.batches()));
            }
        }
    }

    /// A run that has ended is not looked at any more.
    pub(crate) fn forget_rest(&self, shared: &mut Shared) {
        let rested = shared.log.as_mut().and_then(|log| log.rests_since.take());
        self.journal.iter().for_each(|journal| journal.rests_no_more(rested.is_some()));
    }

    /// The while is over.
    pub(crate) fn rest_is_over(self: &Arc<Self>, run: &Arc<RunCell>, since: u64) {
        let Some(journal) = &self.journal else { return };
        let now = self.ports.clock.now();
        let _one = journal.loading.lock();
        // nobody gets hold of the run while this is held
        let mut runs = self.runs.lock();
        let mut shared = run.shared.lock();
        let is_resting = rests(&shared);
        let Some(log) = &mut shared.log else { return };
        let rested = log.rests_since.take();
        journal.rests_no_more(rested.is_some());
        let has_moved = rested != Some(since);
        if !is_resting || !log.is_settled() {
            return;
        }
        if has_moved || Arc::strong_count(run) > 2 {
            return self.note_rest_of(run, &mut shared, true);
        }
        let (due, changes) = put_away(&mut shared);
        self.tally.count_steps(&mut shared);
        shared.is_evicted = true;
        shared.timers.drain().for_each(|(_, (ticket, _))| self.timers.cancel(ticket));
        journal.leaves(&run.id, journal.submit(&mut { changes }, None));
        runs.evict(&run.id);
        if !run.plan.listens.is_empty() {
            journal.sleepers.lock().insert(run.id.clone(), run.plan.clone());
        }
        drop(shared);
        drop(runs);
        self.leave_seat(run);
        let due = due.filter(|_| !planted(Bug::SleeperForgotten));
        due.into_iter().for_each(|due| self.arm_wake(due, now));
    }

    /// The engine ends: no durable run takes another step, those under way get a grace, and everything is written.
    pub(crate) fn put_all_away(self: &Arc<Self>) {
        let Some(journal) = &self.journal else { return };
        if journal.is_reader {
            return self.runs.lock().close_all();
        }
        self.is_frozen.store(true, Ordering::SeqCst);
        let runs: Vec<_> =
            self.runs.lock().in_order().into_iter().filter(|run| run.shared.lock().log.is_some()).collect();
        let patience = Instant::now() + self.config.shutdown_grace;
        let is_busy = |run: &Arc<RunCell>| {
            let shared = run.shared.lock();
            !shared.is_over && (!shared.running.is_empty() || shared.crew.workers > 0)
        };
        while runs.iter().any(is_busy) && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut changes = Vec::new();
        for run in &runs {
            let mut shared = run.shared.lock();
            shared.is_evicted = true;
            for running in shared.running.values() {
                running.call.cancelled.store(true, Ordering::Relaxed);
            }
            if !shared.is_over {
                changes.append(&mut put_away(&mut shared).1);
            }
            shared.timers.drain().for_each(|(_, (ticket, _))| self.timers.cancel(ticket));
        }
        let position = journal.submit(&mut changes, None);
        {
            let mut in_memory = self.runs.lock();
            // whoever looks for one of them waits for what it wrote
            runs.iter().for_each(|run| journal.leaves(&run.id, position));
            let open = runs.iter().filter(|run| !run.shared.lock().has_ended());
            open.for_each(|run| in_memory.evict(&run.id));
        }
        if !journal.flush(self.config.shutdown_grace) {
            tracing::error!("the journal could not be written to its end; runs go on from what was written");
        }
        journal.stop();
    }
}

/// Whether nothing happens in a run until somebody or some timer does something.
fn rests(shared: &Shared) -> bool {
    let is_delayed = shared.state.is_delayed();
    let is_still = is_delayed || matches!(shared.state.status(), RunStatus::Waiting | RunStatus::Paused);
    // one that has not begun is found by its time alone
    let listens_delayed = is_delayed && !shared.state.plan().listens.is_empty();
    // a run that keeps others waiting is to be known at every start
    let has_key = shared.state.start_values().key.is_some() && !is_delayed;
    is_still
        && !listens_delayed
        && !has_key
        && !shared.is_over
        && !shared.is_evicted
        && shared.blocked.is_none()
        && shared.running.is_empty()
}

/// What is to be written when a run leaves memory, and when its next timer is due.
fn put_away(shared: &mut Shared) -> (Option<Timestamp>, Vec<Change>) {
    let mut changes = Vec::new();
    let due = shared.timers.values().map(|(_, at)| *at).min();
    if let Some(log) = &mut shared.log {
        log.chunk(&mut changes);
        if shared.blocked.is_none() {
            changes.push(standing_of(log.no, resting(&shared.state, due)));
        }
    }
    (due, changes)
}
