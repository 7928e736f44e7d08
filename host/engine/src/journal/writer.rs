//! The thread that writes, and what waits for it.

use crate::engine::Inner;
use crate::error::EngineError;
use crate::journal::Document;
use crate::journal::keeper::{Chore, Keeper};
use crate::latency::{Histogram, Latency};
use crate::planted::{Bug, planted};
use crate::run::RunCell;
use crate::timers::Ticket;
use jackfield_core::journal::{BlobId, Change, RunNo, Store, StoreError};
use jackfield_core::plan::SharedPlan;
use jackfield_core::time::Timestamp;
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How long the thread looks for more before it sleeps: waking it costs more than a step.
const SPIN_MAX: Duration = Duration::from_micros(50);
/// Between two tries to write what could not be written.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Runs that have left memory and are remembered before it is looked which of them last.
const LEAVING_MAX: usize = 1_000;

/// How long somebody who wants to read waits for what is being written.
const SETTLE_MAX: Duration = Duration::from_secs(5);

/// The way from runs to the store.
pub(crate) struct Journal {
    pub(crate) store: Arc<dyn Store>,
    pending: Mutex<Pending>,
    /// Signalled when there is something to write.
    more: Condvar,
    /// There is something to write; to be looked at without the lock.
    has_more: AtomicBool,
    /// Submissions up to this one are durable.
    durable: AtomicU64,
    progress: Mutex<()>,
    /// Signalled after every transaction.
    written: Condvar,
    /// The number that was given last.
    pub(super) last_run: Mutex<RunNo>,
    stats: Mutex<JournalStats>,
    commits: Histogram,
    /// Documents that are in the store for sure.
    pub(super) documents: Mutex<HashSet<BlobId>>,
    /// Plans of stored runs, by document, methods and keys of the configuration.
    pub(super) plans: Mutex<HashMap<PlanName, SharedPlan>>,
    /// Held while a run is brought into memory or leaves it.
    pub(crate) loading: Mutex<()>,
    /// Runs out of memory whose plans wait for what may be sent to all runs. Changed under the lock of loading.
    pub(crate) sleepers: Mutex<BTreeMap<Arc<str>, SharedPlan>>,
    /// Runs that have left memory, with the submission that has the last of them; those that last are forgotten at times.
    pub(super) leaving: Mutex<HashMap<Arc<str>, u64>>,
    /// Runs that will be put away if they still rest by then.
    pub(super) resting: AtomicUsize,
    /// Threads that look for the end of a transaction without sleeping.
    spinning: AtomicUsize,
    /// When sleeping runs are looked after next.
    pub(super) wake: Mutex<Option<(Timestamp, Ticket)>>,
    pub(super) keeper: Keeper,
    /// Nothing may be written.
    pub(crate) is_reader: bool,
    /// The run of which somebody reads what it has forgotten.
    pub(super) replayed: Mutex<Option<super::whole::Replayed>>,
    /// Runs that wait for a plugin.
    pub(super) blocked: Mutex<Vec<Weak<RunCell>>>,
}

/// What a plan is made from.
pub(super) type PlanName = (BlobId, BlobId, BTreeSet<Box<str>>);

#[derive(Default)]
struct Pending {
    changes: Vec<Change>,
    /// Runs that something of waits.
    runs: Vec<Arc<RunCell>>,
    /// The last submission.
    position: u64,
    /// Number of the transaction that will carry what is pending.
    transaction: u64,
    /// Submissions that are to be in one transaction are being made: nothing is taken until all are there.
    groups: u32,
    is_asleep: bool,
    is_stopped: bool,
}

/// What is written at a time.
pub(crate) struct Transaction {
    pub(crate) changes: Vec<Change>,
    /// Runs that something of waits.
    runs: Vec<Arc<RunCell>>,
    /// Everything up to this submission is durable then.
    position: u64,
}

/// What is handed in while this lives is written in one transaction. Nobody may wait for the journal meanwhile.
pub(crate) struct Together<'a>(&'a Journal);

impl Drop for Together<'_> {
    fn drop(&mut self) {
        let mut pending = self.0.pending.lock();
        pending.groups -= 1;
        if std::mem::take(&mut pending.is_asleep) {
            self.0.more.notify_one();
        }
    }
}

/// Counters of a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct JournalStats {
    /// Transactions written.
    pub transactions: u64,
    /// Changes written.
    pub changes: u64,
    /// Tries that failed.
    pub errors: u64,
    /// Why the last try failed; nothing if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Journal {
    pub(crate) fn new(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let last = store.last_run()?;
        Ok(Self {
            store,
            pending: Mutex::new(Pending { transaction: 1, ..Pending::default() }),
            more: Condvar::new(),
            has_more: AtomicBool::new(false),
            durable: AtomicU64::new(0),
            progress: Mutex::new(()),
            written: Condvar::new(),
            last_run: Mutex::new(last),
            stats: Mutex::default(),
            commits: Histogram::default(),
            documents: Mutex::default(),
            plans: Mutex::default(),
            replayed: Mutex::default(),
            loading: Mutex::default(),
            sleepers: Mutex::default(),
            leaving: Mutex::default(),
            resting: AtomicUsize::new(0),
            spinning: AtomicUsize::new(0),
            wake: Mutex::default(),
            keeper: Keeper::default(),
            is_reader: false,
            blocked: Mutex::default(),
        })
    }

    pub(crate) fn stats(&self) -> JournalStats {
        self.stats.lock().clone()
    }

    /// How long transactions took that were written.
    pub(crate) fn commit_times(&self) -> Latency {
        self.commits.read()
    }

    /// Changes that are not being written yet.
    pub(crate) fn pending_changes(&self) -> usize {
        self.pending.lock().changes.len()
    }

    /// Documents that are about to be referred to: those that are not in the store for sure are written.
    pub(super) fn note_documents(&self, documents: &[&Document], into: &mut Vec<Change>) {
        let mut known = self.documents.lock();
        for document in documents {
            if known.insert(document.id) {
                into.push(Change::Document { id: document.id, text: document.text.clone() });
            }
        }
    }

    /// Leaves something to the keeper.
    pub(crate) fn leave(&self, chore: Chore) {
        self.keeper.push(chore);
    }

    /// Hands changes in; returns the position at which they will be durable. `listed` is the transaction that will look
    /// after `run` already.
    pub(crate) fn submit(&self, changes: &mut Vec<Change>, run: Option<(&Arc<RunCell>, &mut u64)>) -> u64 {
        let mut pending = self.pending.lock();
        if changes.is_empty() && run.is_none() {
            // nothing will be written for it
            return pending.position;
        }
        pending.changes.append(changes);
        pending.position += 1;
        if let Some((run, listed)) = run
            && *listed != pending.transaction
        {
            *listed = pending.transaction;
            pending.runs.push(run.clone());
        }
        let position = pending.position;
        let must_wake = std::mem::take(&mut pending.is_asleep);
        drop(pending);
        self.has_more.store(true, Ordering::Release);
        if must_wake {
            self.more.notify_one();
        }
        position
    }

    /// Submissions up to this one are durable.
    pub(super) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Begins a group of submissions that are written together.
    pub(crate) fn together(&self) -> Together<'_> {
        self.pending.lock().groups += 1;
        Together(self)
    }

    /// Whether the submission at `position` is durable.
    pub(crate) fn is_durable(&self, position: u64) -> bool {
        self.durable.load(Ordering::Acquire) >= position
    }

    /// Blocks until the submission at `position` is durable.
    pub(crate) fn wait(&self, position: u64) {
        #[cfg(all(test, not(feature = "loom")))]
        if crate::sim::is_on() {
            return crate::sim::write_until(|| self.is_durable(position));
        }
        let begin = Instant::now();
        // more of them would only take the processor from the thread that writes
        let may_spin = self.spinning.fetch_add(1, Ordering::Relaxed) == 0;
        while may_spin && !self.is_durable(position) && begin.elapsed() < SPIN_MAX {
            std::hint::spin_loop();
        }
        self.spinning.fetch_sub(1, Ordering::Relaxed);
        let mut progress = self.progress.lock();
        while !self.is_durable(position) {
            self.written.wait(&mut progress);
        }
    }

    /// Blocks until everything handed in so far is durable, at most `patience`. Whether it is.
    pub(crate) fn flush(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let position = self.pending.lock().position;
        #[cfg(all(test, not(feature = "loom")))]
        if crate::sim::is_on() {
            crate::sim::write_until(|| self.is_durable(position));
            return self.is_durable(position);
        }
        let mut progress = self.progress.lock();
        while !self.is_durable(position) {
            if self.written.wait_until(&mut progress, until).timed_out() {
                return self.is_durable(position);
            }
        }
        true
    }

    /// Blocks until everything handed in so far is durable.
    ///
    /// # Errors
    /// If that takes too long: then it cannot be written at the moment.
    pub(super) fn settle(&self) -> Result<(), EngineError> {
        if self.flush(SETTLE_MAX) {
            return Ok(());
        }
        let why = self.stats().error.unwrap_or_else(|| "writing takes too long".into());
        Err(EngineError::Journal(why))
    }

    /// A run that rested is not going to be looked at, if it `did`.
    pub(super) fn rests_no_more(&self, did: bool) {
        self.resting.fetch_sub(usize::from(did), Ordering::Relaxed);
    }

    /// A run leaves memory; the last of it is written with the submission at `position`.
    pub(super) fn leaves(&self, run_id: &Arc<str>, position: u64) {
        let mut leaving = self.leaving.lock();
        if leaving.len() >= LEAVING_MAX {
            leaving.retain(|_, position| !self.is_durable(*position));
        }
        leaving.insert(run_id.clone(), position);
    }

    /// Blocks until everything is written of a run that has left memory.
    ///
    /// # Errors
    /// As [`Journal::settle`].
    pub(super) fn settle_run(&self, run_id: &str) -> Result<(), EngineError> {
        let left_at = self.leaving.lock().get(run_id).copied();
        if left_at.is_some_and(|position| !self.is_durable(position)) {
            self.settle()?;
        }
        self.leaving.lock().remove(run_id);
        Ok(())
    }

    /// Ends the thread once everything has been written.
    pub(crate) fn stop(&self) {
        self.pending.lock().is_stopped = true;
        self.more.notify_all();
        self.keeper.push(Chore::Stop);
    }

    /// Waits for something to write.
    fn next(&self) -> Option<Transaction> {
        let begin = Instant::now();
        while !self.has_more.load(Ordering::Acquire) && begin.elapsed() < SPIN_MAX {
            std::hint::spin_loop();
        }
        let mut pending = self.pending.lock();
        while pending.groups > 0 || pending.changes.is_empty() && pending.runs.is_empty() {
            if pending.is_stopped && pending.groups == 0 {
                return None;
            }
            pending.is_asleep = true;
            self.more.wait(&mut pending);
        }
        Some(self.take(&mut pending))
    }

    /// What the keeper has to do next, if there is anything.
    #[cfg(test)]
    pub(crate) fn try_chore(&self) -> Option<Chore> {
        self.keeper.try_next()
    }

    /// What is to be written next, if there is anything.
    #[cfg(test)]
    pub(crate) fn try_next(&self) -> Option<Transaction> {
        let mut pending = self.pending.lock();
        let is_nothing = pending.changes.is_empty() && pending.runs.is_empty();
        (!is_nothing).then(|| self.take(&mut pending))
    }

    fn take(&self, pending: &mut Pending) -> Transaction {
        pending.is_asleep = false;
        pending.transaction += 1;
        self.has_more.store(false, Ordering::Release);
        let (changes, runs) = (std::mem::take(&mut pending.changes), std::mem::take(&mut pending.runs));
        Transaction { changes, runs, position: pending.position }
    }

    /// Tries to write.
    pub(crate) fn try_write(&self, changes: &[Change]) -> bool {
        let began = Instant::now();
        let result = if changes.is_empty() { Ok(()) } else { self.store.write(changes) };
        if result.is_ok() && !changes.is_empty() {
            self.commits.add(began.elapsed());
        }
        let mut stats = self.stats.lock();
        match result {
            Ok(()) => {
                stats.transactions += 1;
                stats.changes += changes.len() as u64;
                if stats.error.take().is_some() {
                    tracing::info!("the journal can be written again; runs go on");
                }
                true
            }
            Err(error) => {
                stats.errors += 1;
                let text = error.to_string();
                if stats.error.as_ref() != Some(&text) {
                    tracing::error!("runs wait: {text}");
                    stats.error = Some(text);
                }
                planted(Bug::WriteErrorIgnored)
            }
        }
    }

    /// Writes until it succeeds. False if the engine ends before.
    fn write(&self, changes: &[Change]) -> bool {
        loop {
            if self.try_write(changes) {
                return true;
            }
            let mut pending = self.pending.lock();
            if pending.is_stopped {
                return false;
            }
            self.more.wait_for(&mut pending, RETRY_AFTER);
        }
    }
}

impl Inner {
    /// Body of the thread that writes.
    pub(crate) fn journal_thread(self: Arc<Self>) {
        let Some(journal) = &self.journal else { return };
        while let Some(transaction) = journal.next() {
            if !journal.write(&transaction.changes) {
                return;
            }
            self.is_written(journal, &transaction);
        }
    }

    /// What waited for a transaction goes on.
    pub(crate) fn is_written(self: &Arc<Self>, journal: &Journal, transaction: &Transaction) {
        let position = transaction.position;
        journal.durable.store(position, Ordering::Release);
        drop(journal.progress.lock());
        journal.written.notify_all();
        for run in &transaction.runs {
            self.release(run, position);
        }
    }
}
