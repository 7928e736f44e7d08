//! Schedules: they start runs when their time has come or an event was emitted, on a thread that is there once there is a
//! schedule and sleeps until the next one is due.
//!
//! Every start is written down as something to be done before it is done, under a run id that follows from the schedule
//! and the time or event: whenever the process ends, the next one finds what there was to do, and a start that had been
//! made is known by its id. So each occurrence starts exactly one run.

mod ask;
mod fire;
mod own;

pub use ask::{Backfilled, PlannedStart, ScheduleInfo, ScheduleRequest, Triggered};

use crate::engine::Inner;
use crate::error::EngineError;
use crate::perform::{later, panic_text};
use jackfield_core::journal::{Change, QueuedStart, StoredSchedule};
use jackfield_core::run::CallKey;
use jackfield_core::schedule::{Overlap, Spec};
use jackfield_core::time::Timestamp;
use parking_lot::{Condvar, Mutex};
use semver::VersionReq;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The clock is looked at this often at least: it may have been set, or the machine have slept.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Starts that a schedule has to make at most. What comes beyond that is left out.
const QUEUE_MAX: usize = 1_000;

/// The schedules of an engine.
pub(crate) struct Schedules {
    /// Held while one of them is worked on; starting a run waits for the journal under it, so the thread that writes never
    /// asks for it.
    state: Mutex<State>,
    inbox: Mutex<Inbox>,
    more: Condvar,
    /// There is one, or was.
    is_used: AtomicBool,
}

struct State {
    all: BTreeMap<Arc<str>, Entry>,
    has_thread: bool,
    /// Since when this engine looks after them.
    alive_since: Timestamp,
}

/// What others leave for the thread.
#[derive(Default)]
struct Inbox {
    /// Runs whose end a schedule waits for.
    watched: HashMap<Arc<str>, Arc<str>>,
    /// Those that have ended, with the schedule.
    ended: Vec<(Arc<str>, Arc<str>)>,
    is_poked: bool,
    is_stopped: bool,
}

/// One schedule.
struct Entry {
    kept: StoredSchedule,
    spec: Arc<Spec>,
    range: Option<VersionReq>,
    /// Starts that have to be made, in this order.
    queue: VecDeque<QueuedStart>,
    /// The place behind the last start that was queued.
    next_no: u64,
    /// When it is due next.
    due: Option<Timestamp>,
    /// The first start of the queue failed: when it is tried again, and how long was waited before.
    retry: Option<(Timestamp, Duration)>,
}

impl Entry {
    fn new(kept: StoredSchedule, spec: Arc<Spec>, queue: Vec<QueuedStart>) -> Result<Self, semver::Error> {
        let range = kept.version.as_deref().map(VersionReq::parse).transpose()?;
        let next_no = queue.last().map_or(0, |last| last.no + 1);
        let mut entry = Self { kept, spec, range, queue: queue.into(), next_no, due: None, retry: None };
        entry.plan();
        Ok(entry)
    }

    /// Finds out when it is due next.
    fn plan(&mut self) {
        let next = self.spec.next(self.kept.since, self.kept.last);
        let next = next.filter(|_| self.kept.paused.is_none());
        self.due = next.map(|at| self.spec.due(&self.kept.id, at));
    }

    /// Whether the first start of the queue could be made but for a try that failed.
    fn may_start(&self) -> bool {
        !self.queue.is_empty() && (self.spec.overlap == Overlap::Allow || self.kept.active.is_empty())
    }

    /// When it has to be looked at.
    fn wakes_at(&self) -> Option<Timestamp> {
        let retry = self.retry.map(|(at, _)| at).filter(|_| self.may_start());
        [self.due, retry].into_iter().flatten().min()
    }

    fn row(&self) -> Change {
        Change::Schedule(Box::new(self.kept.clone()))
    }
}

impl Schedules {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            state: Mutex::new(State { all: BTreeMap::new(), has_thread: false, alive_since: now }),
            inbox: Mutex::default(),
            more: Condvar::new(),
            is_used: AtomicBool::new(false),
        }
    }

    /// A run has ended, and that lasts.
    pub(crate) fn run_ended(&self, run_id: &str) {
        if !self.is_used.load(Ordering::Acquire) {
            return;
        }
        let mut inbox = self.inbox.lock();
        if let Some((run, schedule)) = inbox.watched.remove_entry(run_id) {
            inbox.ended.push((schedule, run));
            self.more.notify_one();
        }
    }

    fn watch(&self, run: &Arc<str>, schedule: &Arc<str>) {
        self.inbox.lock().watched.insert(run.clone(), schedule.clone());
    }

    fn forget(&self, run: &str) {
        self.inbox.lock().watched.remove(run);
    }

    /// There is something to look at.
    fn poke(&self) {
        self.inbox.lock().is_poked = true;
        self.more.notify_one();
    }

    pub(crate) fn stop(&self) {
        self.inbox.lock().is_stopped = true;
        self.more.notify_all();
    }

    /// Sleeps until `next`, or until there is something to do. False once stopped.
    fn sleep(&self, next: Option<Timestamp>, now: Timestamp) -> bool {
        let until = next.map(|next| later(next.since(now).min(LOOK_EVERY)));
        let mut inbox = self.inbox.lock();
        while !inbox.is_poked && inbox.ended.is_empty() && !inbox.is_stopped {
            match until {
                None => self.more.wait(&mut inbox),
                Some(until) => {
                    if self.more.wait_until(&mut inbox, until).timed_out() {
                        break;
                    }
                }
            }
        }
        inbox.is_poked = false;
        !inbox.is_stopped
    }
}

impl Inner {
    /// Takes up what is kept.
    pub(crate) fn load_schedules(&self) -> Result<(), EngineError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let mut state = self.schedules.state.lock();
        for (mut kept, queue) in journal.store.schedules()? {
            let id = kept.id.clone();
            let mut active = Vec::new();
            for run in std::mem::take(&mut kept.active) {
                let is_open = |status: jackfield_core::run::RunStatus| !status.is_terminal();
                if journal.store.find(&run)?.is_some_and(|line| is_open(line.standing.status)) {
                    self.schedules.watch(&run, &id);
                    active.push(run);
                }
            }
            kept.active = active;
            let entry = match Spec::parse(&kept.spec, None) {
                Ok(spec) => Entry::new(kept, Arc::new(spec), queue).map_err(|error| error.to_string()),
                Err(findings) => {
                    Err(findings.first().map_or_else(String::new, |finding| finding.message.clone()))
                }
            };
            match entry {
                Ok(entry) => drop(state.all.insert(id, entry)),
                Err(why) => tracing::error!(schedule = &*id, "the schedule cannot be read: {why}"),
            }
        }
        self.schedules.is_used.store(!state.all.is_empty(), Ordering::Release);
        Ok(())
    }

    /// Sees to it that schedules are looked after, if there are any and this engine is to do so.
    pub(crate) fn look_after_schedules(self: &Arc<Self>) -> Result<(), EngineError> {
        let mut state = self.schedules.state.lock();
        if state.all.is_empty() || !self.config.fires_schedules {
            return Ok(());
        }
        if !state.has_thread {
            self.spawn("jackfield-schedules", Self::schedule_thread)?;
            state.has_thread = true;
        }
        drop(state);
        self.schedules.poke();
        Ok(())
    }

    /// Body of the thread.
    fn schedule_thread(self: Arc<Self>) {
        loop {
            let looked = catch_unwind(AssertUnwindSafe(|| self.look_at_schedules()));
            let next = looked.unwrap_or_else(|panic| {
                tracing::error!("a defect of Jackfield disturbed schedules: {}", panic_text(&*panic));
                Some(self.ports.clock.now().after(LOOK_EVERY))
            });
            if !self.schedules.sleep(next, self.ports.clock.now()) {
                return;
            }
        }
    }

    /// Does what is due; answers when the next thing is.
    fn look_at_schedules(self: &Arc<Self>) -> Option<Timestamp> {
        let mut state = self.schedules.state.lock();
        let (now, alive_since) = (self.ports.clock.now(), state.alive_since);
        self.note_ended(&mut state);
        let mut next = None;
        for entry in state.all.values_mut() {
            if entry.due.is_some_and(|due| due <= now) {
                self.take_due(entry, alive_since, now);
            }
            self.start_queued(entry, now);
            next = [next, entry.wakes_at()].into_iter().flatten().min();
        }
        next
    }

    /// Takes note of runs that have ended. Whether there was any: what waited for it can start.
    fn note_ended(&self, state: &mut State) -> bool {
        let ended = std::mem::take(&mut self.schedules.inbox.lock().ended);
        let has_ended = !ended.is_empty();
        for (schedule, run) in ended {
            let Some(entry) = state.all.get_mut(&schedule) else { continue };
            entry.kept.active.retain(|active| *active != run);
            self.keep(vec![entry.row()]);
        }
        has_ended
    }

    /// Hands changes in to the journal, if there is one. Called under the lock of schedules, so that what is written of one comes
    /// in the order in which it happened.
    fn keep(&self, mut changes: Vec<Change>) -> Option<u64> {
        let journal = self.journal.as_ref().filter(|_| !changes.is_empty())?;
        Some(journal.submit(&mut changes, None))
    }

    /// Blocks until what was handed in at `position` lasts.
    fn wait_kept(&self, position: Option<u64>) {
        if let Some((journal, position)) = self.journal.as_ref().zip(position) {
            journal.wait(position);
        }
    }

    /// The same, and blocks until they last.
    fn keep_for_good(&self, changes: Vec<Change>) {
        self.wait_kept(self.keep(changes));
    }

    /// An event was emitted to all: schedules that wait for it start a run. What they have to do lasts when this returns. A
    /// step that emits once more after a restart starts nothing new.
    pub(crate) fn tell_schedules(
        self: &Arc<Self>,
        event: &str,
        data: &str,
        (run_id, key): (&str, CallKey),
    ) -> Result<(), EngineError> {
        if !self.schedules.is_used.load(Ordering::Acquire) {
            return Ok(());
        }
        let now = self.ports.clock.now();
        let mut changes = Vec::new();
        let mut refused = Ok(());
        let mut state = self.schedules.state.lock();
        let listens =
            |entry: &&mut Entry| entry.kept.paused.is_none() && entry.spec.when.event() == Some(event);
        for entry in state.all.values_mut().filter(listens) {
            let start = fire::for_event(entry, now, data, (run_id, key));
            let is_known = entry.queue.iter().any(|queued| queued.run_id == start.run_id)
                || self.has_run(&start.run_id)?.is_some();
            if is_known {
                continue;
            }
            match self.take_in(entry, start, &mut changes) {
                Ok(_) => changes.push(entry.row()),
                Err(error) => refused = Err(error),
            }
        }
        let position = self.keep(changes);
        drop(state);
        self.wait_kept(position);
        self.schedules.poke();
        refused
    }
}
