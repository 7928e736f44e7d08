//! Counters of an engine: what it has done since it began, and what it has to do.

use crate::engine::{Engine, Inner};
use crate::journal::JournalStats;
use crate::latency::{Ended, Latencies, Times};
use crate::run::{RunCell, Shared};
use jackfield_core::run::RunStatus;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// What an engine has done since it began, and what it has to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct EngineStats {
    /// Runs.
    pub runs: RunCounts,
    /// Steps of runs, at any depth.
    pub steps: StepCounts,
    /// What waits, and what is under way.
    pub queues: QueueDepths,
    /// The journal; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalStats>,
    /// How long things took.
    pub latencies: Latencies,
    /// Threads of the engine that a defect ended; anything but 0 is one.
    pub threads_lost: u64,
}

/// Runs since the engine began, and those in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct RunCounts {
    /// Runs that were begun or put in line; those that went on after a restart or as new are not counted again.
    pub started: u64,
    /// Runs that completed.
    pub completed: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Runs that were cancelled.
    pub cancelled: u64,
    /// Generations that went on as new.
    pub continued: u64,
    /// Runs that went back and on after their end, and end once more.
    pub retried: u64,
    /// Runs in memory by where they stand: open ones, and ended ones that are still kept there.
    pub in_memory: BTreeMap<&'static str, u64>,
}

/// Steps since the engine began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct StepCounts {
    /// Steps that came to an end: completed, failed, skipped or cancelled.
    pub settled: u64,
    /// Steps that completed.
    pub completed: u64,
}

/// What waits for its turn, and what is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct QueueDepths {
    /// Calls that could begin and wait for a thread of the engine, or for the start of an `async` call.
    pub inline: usize,
    /// Calls that could begin and wait for a thread of the pool.
    pub blocking: usize,
    /// `async` calls beyond the limit on how many are in flight.
    pub asynchronous: usize,
    /// Calls under way outside of the engine's own threads.
    pub under_way: usize,
    /// Timers that are set: waits, delays, deadlines.
    pub timers: usize,
    /// Things to do for runs, such as starting others.
    pub errands: usize,
    /// Changes that the journal has not written yet.
    pub journal: usize,
}

/// The counters that live as long as the engine.
#[derive(Default)]
pub(crate) struct Tally {
    started: AtomicU64,
    completed: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    continued: AtomicU64,
    retried: AtomicU64,
    settled: AtomicU64,
    steps_completed: AtomicU64,
    threads_lost: AtomicU64,
    pub(crate) times: Times,
}

fn one_more(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Tally {
    pub(crate) fn run_started(&self) {
        one_more(&self.started);
    }

    pub(crate) fn run_retried(&self) {
        one_more(&self.retried);
    }

    pub(crate) fn thread_lost(&self) {
        one_more(&self.threads_lost);
    }

    /// A generation of a run has ended.
    pub(crate) fn run_ended(&self, run: &RunCell) {
        let mut shared = run.shared.lock();
        self.count_steps(&mut shared);
        let (counter, how) = match shared.status() {
            _ if shared.is_replaced() => (&self.continued, Ended::Continued),
            RunStatus::Completed => (&self.completed, Ended::Completed),
            RunStatus::Cancelled => (&self.cancelled, Ended::Cancelled),
            _ => (&self.failed, Ended::Failed),
        };
        one_more(counter);
        if let Some(last) = shared.state.history().last() {
            self.times.run_ended(how, last.at.since(shared.state.started_at()));
        }
    }

    /// Counts the steps of a run that have not been counted.
    pub(crate) fn count_steps(&self, shared: &mut Shared) {
        let (settled, completed) = shared.state.step_counts();
        let counted = std::mem::replace(&mut shared.counted, StepCounts { settled, completed });
        // a run that was retried has fewer than before
        self.settled.fetch_add(settled.saturating_sub(counted.settled), Ordering::Relaxed);
        self.steps_completed.fetch_add(completed.saturating_sub(counted.completed), Ordering::Relaxed);
    }
}

impl Engine {
    /// How long things took since the engine began.
    #[must_use]
    pub fn latencies(&self) -> Latencies {
        let mut all = self.inner.tally.times.read();
        all.journal = self.inner.journal.as_ref().map(crate::journal::Journal::commit_times);
        all
    }

    /// Counters of what the engine has done since it began and of what waits. They are taken one after the other while
    /// runs go on.
    #[must_use]
    pub fn stats(&self) -> EngineStats {
        let inner = &self.inner;
        let (mut runs, mut queues) = (RunCounts::default(), inner.queue_depths());
        let in_memory = inner.runs.lock().in_order();
        for run in in_memory {
            let mut shared = run.shared.lock();
            inner.tally.count_steps(&mut shared);
            *runs.in_memory.entry(shared.status().as_str()).or_default() += 1;
            queues.inline += shared.inline.calls.len();
            queues.blocking += shared.blocking.calls.len();
            queues.under_way += shared.running.len();
        }
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let tally = &inner.tally;
        runs.started = read(&tally.started);
        runs.completed = read(&tally.completed);
        runs.failed = read(&tally.failed);
        runs.cancelled = read(&tally.cancelled);
        runs.continued = read(&tally.continued);
        runs.retried = read(&tally.retried);
        EngineStats {
            runs,
            steps: StepCounts { settled: read(&tally.settled), completed: read(&tally.steps_completed) },
            queues,
            latencies: self.latencies(),
            journal: self.journal_stats(),
            threads_lost: read(&tally.threads_lost),
        }
    }
}

impl Inner {
    fn queue_depths(&self) -> QueueDepths {
        QueueDepths {
            asynchronous: self.async_calls.lock().waiting(),
            timers: self.timers.len(),
            errands: self.errands.len(),
            journal: self.journal.as_ref().map_or(0, crate::journal::Journal::pending_changes),
            ..QueueDepths::default()
        }
    }
}
