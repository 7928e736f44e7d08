//! The engine: starts runs, knows them by id, and ends its threads in order.

use crate::admission::Lines;
use crate::config::{Config, Ports, StartRequest};
use crate::doors::Doors;
use crate::errands::Errands;
use crate::error::EngineError;
use crate::handle::RunHandle;
use crate::inline::{Slot, timed_out};
use crate::journal::{Chore, Journal};
use crate::lane::Lane;
use crate::listener::Voice;
use crate::listing::{RunFilter, RunSummary};
use crate::perform::later;
use crate::pool::{AsyncCalls, Places};
use crate::request::{check_delay, check_id, check_traceparent, fresh_id};
use crate::run::{RunCell, Shared};
use crate::schedules::Schedules;
use crate::seats::Seats;
use crate::stats::Tally;
use crate::timers::{Due, Timers};
use crate::workflows::WorkflowRegistry;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::journal::Store;
use jackfield_core::ports::CallListener;
use jackfield_core::run::{CancelMode, Parent, RunState, Start};
use parking_lot::{Condvar, Mutex};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long an inline thread looks for work before it sleeps.
const SPIN_MAX: Duration = Duration::from_micros(50);

/// A workflow engine in memory. Cheap to clone; [`Engine::shutdown`] ends it for all clones.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) ports: Ports,
    /// What all calls speak through.
    pub(crate) voice: Arc<dyn CallListener>,
    pub(crate) threads: usize,
    pub(crate) inline_lane: Lane<Arc<RunCell>>,
    pub(crate) blocking_lane: Lane<Arc<RunCell>>,
    pub(crate) pool_places: Places,
    pub(crate) async_calls: Mutex<AsyncCalls>,
    pub(crate) slots: Mutex<Vec<Arc<Slot>>>,
    pub(crate) timers: Timers,
    pub(crate) errands: Errands,
    pub(crate) watch: Mutex<Watch>,
    pub(crate) watch_wake: Condvar,
    pub(crate) no_session: Arc<str>,
    pub(crate) runs: Mutex<Runs>,
    /// Where durable runs are kept, if the engine has it.
    pub(crate) journal: Option<Journal>,
    /// The engine ends: durable runs take no more steps.
    pub(crate) is_frozen: AtomicBool,
    run_ended: Condvar,
    pub(crate) workflows: WorkflowRegistry,
    pub(crate) lines: Lines,
    pub(crate) seats: Seats,
    /// Where calls wait for a place in a pool or their turn.
    pub(crate) doors: Mutex<Doors<Weak<RunCell>>>,
    pub(crate) tally: Tally,
    pub(crate) schedules: Schedules,
    is_stopping: AtomicBool,
    joins: Mutex<Vec<JoinHandle<()>>>,
}

/// What the watchdog waits for.
#[derive(Default)]
pub(crate) struct Watch {
    /// Inline threads that are at work.
    pub(crate) busy: usize,
    /// The watchdog waits until one is.
    pub(crate) is_asleep: bool,
    pub(crate) is_stopped: bool,
}

#[derive(Default)]
pub(crate) struct Runs {
    /// By id, with the number of the start.
    all: HashMap<Arc<str>, (u64, Arc<RunCell>)>,
    started: u64,
    /// Those that have ended and stay readable, oldest first: entered once all has been done that their ends bring with them.
    pub(crate) finished: VecDeque<Arc<str>>,
    open: usize,
}

impl Runs {
    /// All runs in the order of their starts.
    pub(crate) fn in_order(&self) -> Vec<Arc<RunCell>> {
        self.numbered().into_iter().map(|(_, run)| run).collect()
    }

    /// The same with their numbers.
    pub(crate) fn numbered(&self) -> Vec<(u64, Arc<RunCell>)> {
        let mut all: Vec<_> = self.all.values().cloned().collect();
        all.sort_by_key(|(nth, _)| *nth);
        all
    }

    /// Runs that are only shown do not keep the engine from ending.
    pub(crate) fn close_all(&mut self) {
        self.all.clear();
        self.open = 0;
    }

    /// Lets the id of a run stand for its next generation.
    pub(crate) fn replace(&mut self, run: &Arc<RunCell>) {
        if let Some((_, known)) = self.all.get_mut(&run.id) {
            *known = run.clone();
        }
    }

    /// A run that goes on leaves memory.
    pub(crate) fn evict(&mut self, run_id: &str) {
        if self.all.remove(run_id).is_some() {
            self.open -= 1;
        }
    }
}

impl Engine {
    /// Starts an engine with its threads.
    ///
    /// # Errors
    /// [`EngineError::Thread`] if the operating system gives no thread.
    pub fn new(config: Config, ports: Ports) -> Result<Self, EngineError> {
        Self::build(config, ports, None)
    }

    /// Starts an engine whose runs are kept in `store` if they are started with their document. Runs that had not ended
    /// when the store was used last go on at once.
    ///
    /// # Errors
    /// As [`Engine::new`]; and if the store cannot be read.
    pub fn durable(config: Config, ports: Ports, store: Arc<dyn Store>) -> Result<Self, EngineError> {
        let engine = Self::build(config, ports, Some(Journal::new(store)?))?;
        engine.inner.spawn("jackfield-journal", Inner::journal_thread)?;
        engine.inner.spawn("jackfield-keeper", Inner::keeper_thread)?;
        engine.inner.load_schedules()?;
        engine.inner.recover()?;
        engine.inner.look_after_schedules()?;
        Ok(engine)
    }

    /// An engine that shows the runs in `store` as they were written last, also while another process works on them. It
    /// starts none and changes none.
    ///
    /// # Errors
    /// As [`Engine::durable`].
    pub fn reader(config: Config, ports: Ports, store: Arc<dyn Store>) -> Result<Self, EngineError> {
        let mut journal = Journal::new(store)?;
        journal.is_reader = true;
        let engine = Self::build(config, ports, Some(journal))?;
        engine.inner.load_schedules()?;
        Ok(engine)
    }

    fn build(config: Config, ports: Ports, journal: Option<Journal>) -> Result<Self, EngineError> {
        let engine = Self::without_threads(config, ports, journal)?;
        for _ in 0..engine.inner.threads {
            engine.inner.spawn_inline_thread()?;
        }
        engine.inner.spawn("jackfield-timers", Inner::timer_thread)?;
        engine.inner.spawn("jackfield-watchdog", Inner::watchdog)?;
        engine.inner.spawn("jackfield-errands", Inner::errand_thread)?;
        Ok(engine)
    }

    /// All of an engine but its threads: nothing happens unless somebody does what they would.
    pub(crate) fn without_threads(
        config: Config,
        ports: Ports,
        journal: Option<Journal>,
    ) -> Result<Self, EngineError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if config.threads == 0 { cores } else { config.threads };
        let workflows = match &journal {
            Some(journal) => WorkflowRegistry::stored(&*journal.store, ports.compile.clone())?,
            None => WorkflowRegistry::default(),
        };
        let voice = Arc::new(Voice(ports.listener.clone()));
        let schedules = Schedules::new(ports.clock.now());
        let doors = Mutex::new(Doors::new(&config.pools));
        let inner = Arc::new(Inner {
            config,
            ports,
            voice,
            threads,
            inline_lane: Lane::spinning(SPIN_MAX),
            blocking_lane: Lane::default(),
            pool_places: Places::default(),
            async_calls: Mutex::default(),
            slots: Mutex::default(),
            timers: Timers::default(),
            errands: Errands::default(),
            watch: Mutex::default(),
            watch_wake: Condvar::new(),
            no_session: "".into(),
            runs: Mutex::default(),
            journal,
            is_frozen: AtomicBool::new(false),
            run_ended: Condvar::new(),
            workflows,
            lines: Lines::default(),
            seats: Seats::default(),
            doors,
            tally: Tally::default(),
            schedules,
            is_stopping: AtomicBool::new(false),
            joins: Mutex::default(),
        });
        Ok(Self { inner })
    }

    /// Starts a run and returns at once.
    ///
    /// # Errors
    /// If the input does not fit, the id is taken, a method cannot be had, or the engine takes no more runs.
    pub fn start(&self, request: StartRequest) -> Result<RunHandle, EngineError> {
        let again = request.attach.then(|| request.clone());
        match (self.inner.start_run(request, None), again) {
            // somebody else may have started it while this one looked
            (Err(EngineError::RunExists { .. }), Some(again)) => self.inner.start_run(again, None),
            (started, _) => started,
        }
    }

    /// The run called `run_id`, also one that has to be read from the journal.
    ///
    /// # Errors
    /// [`EngineError::RunNotFound`]; others if it cannot be read.
    pub fn get(&self, run_id: &str) -> Result<RunHandle, EngineError> {
        let run = self.inner.find_run(run_id)?;
        Ok(RunHandle { inner: self.inner.clone(), run })
    }

    /// The runs that `filter` lets through, in the order of their starts.
    #[must_use]
    pub fn list(&self, filter: &RunFilter) -> Vec<RunSummary> {
        let now = self.inner.ports.clock.now();
        let runs = self.inner.runs.lock().in_order();
        let wanted = |run: &Arc<RunCell>| filter.workflow.as_ref().is_none_or(|id| **id == *run.plan.id);
        runs.iter()
            .filter(|run| wanted(run))
            .map(|run| self.inner.summary(run, now))
            .filter(|summary| filter.status.is_none_or(|status| status == summary.status))
            .collect()
    }

    /// Asks a run to end. Twice is the same as once.
    ///
    /// # Errors
    /// [`EngineError::RunNotFound`]
    pub fn cancel(&self, run_id: &str, mode: CancelMode, reason: &str) -> Result<(), EngineError> {
        let run = self.get(run_id)?;
        run.cancel(mode, reason);
        Ok(())
    }

    /// Asks all open runs to end gracefully; returns how many there were.
    pub fn cancel_all(&self, reason: &str) -> usize {
        self.inner.cancel_open(CancelMode::Graceful, reason)
    }

    /// Blocks until no run is open, at most `timeout`. Returns whether that came true.
    #[must_use]
    pub fn wait_all(&self, timeout: Duration) -> bool {
        let until = later(timeout);
        let mut runs = self.inner.runs.lock();
        while runs.open > 0 {
            if self.inner.run_ended.wait_until(&mut runs, until).timed_out() {
                return runs.open == 0;
            }
        }
        true
    }

    /// Forgets a run that has ended.
    ///
    /// # Errors
    /// [`EngineError::RunNotFound`], or [`EngineError::RunOpen`] if it has not ended.
    pub fn forget(&self, run_id: &str) -> Result<(), EngineError> {
        let run = self.get(run_id)?;
        if !run.status().is_terminal() {
            return Err(EngineError::RunOpen(run_id.to_owned()));
        }
        self.inner.drop_ended(run_id);
        Ok(())
    }

    /// Takes no more runs, lets those that are open go on for the shutdown grace, then cancels them, then ends the
    /// threads. Threads stuck in calls that do not return are left behind. Blocks; twice is the same as once.
    pub fn shutdown(&self) {
        let inner = &self.inner;
        if inner.is_stopping.swap(true, Ordering::SeqCst) {
            return;
        }
        inner.schedules.stop();
        inner.put_all_away();
        inner.cancel_delayed();
        if !self.wait_all(inner.config.shutdown_grace) {
            self.cancel_all("the host is shutting down");
            if !self.wait_all(inner.config.cancel_grace.saturating_mul(2)) {
                inner.cancel_open(CancelMode::Kill, "the host is shutting down");
            }
        }
        inner.inline_lane.stop();
        inner.blocking_lane.stop();
        inner.timers.stop();
        inner.errands.stop();
        inner.watch.lock().is_stopped = true;
        inner.watch_wake.notify_all();
        let joins = std::mem::take(&mut *inner.joins.lock());
        let patience = Instant::now() + Duration::from_millis(500);
        while Instant::now() < patience && !joins.iter().all(JoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(1));
        }
        for join in joins.into_iter().filter(JoinHandle::is_finished) {
            inner.bury(join);
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("threads", &self.inner.threads).finish_non_exhaustive()
    }
}

impl Inner {
    /// A run that has ended leaves memory.
    pub(crate) fn drop_ended(&self, run_id: &str) {
        let mut runs = self.runs.lock();
        if runs.all.remove(run_id).is_some() {
            runs.finished.retain(|id| **id != *run_id);
        }
    }

    /// Starts a run, perhaps for a step of another one.
    pub(crate) fn start_run(
        self: &Arc<Self>,
        request: StartRequest,
        parent: Option<Parent>,
    ) -> Result<RunHandle, EngineError> {
        if self.is_stopping.load(Ordering::SeqCst) {
            return Err(EngineError::ShuttingDown);
        }
        self.check_writable()?;
        let StartRequest { run_id, plan, input, config, until, traceparent, document, attach, delay } =
            request;
        let delay = check_delay(delay)?;
        let traceparent = check_traceparent(traceparent)?;
        let until = until.map(|id| plan.find(&id).ok_or(EngineError::UnknownStep(id))).transpose()?;
        let input = plan.accept_input(input).map_err(EngineError::input)?;
        self.check_children(&plan)?;
        let methods = self.bind_methods(&plan)?;
        let is_chosen = run_id.is_some();
        let fresh = fresh_id();
        let id: Arc<str> = run_id.map_or_else(|| fresh.to_string().into(), Into::into);
        check_id(&id)?;
        let (high, low) = fresh.as_u64_pair();
        let mut start = Start {
            run_id: id.clone(),
            input,
            config,
            seed: high ^ low,
            host_concurrency: self.config.foreach_concurrency,
            until,
            history: self.config.history,
            parent,
            carried: None,
            key: None,
            queued: None,
            delayed_until: None,
        };
        if is_chosen && let Some(known) = self.known_start(document.as_ref(), &start, attach)? {
            return Ok(RunHandle { inner: self.clone(), run: known });
        }
        let now = self.ports.clock.now();
        start.delayed_until = delay.map(|delay| now.after(delay));
        let place = self.stand_in_line(&plan, &mut start, now)?;
        let seat = self.ask_for_seat(&plan, &mut start);
        let mut commands = Vec::new();
        let state = RunState::start(plan.clone(), start, now, &mut commands);
        let cell = RunCell::new(id, plan, Shared::new(state)).within(traceparent, self.ports.spans.as_ref());
        let run = Arc::new(cell.made_from(document.as_ref().map(|document| document.id)));
        run.bind(methods);
        self.enter_run(&run)?;
        self.tally.run_started();
        let durable = self.journal.as_ref().zip(document);
        let position = durable.map(|(journal, document)| self.begin_log(journal, &run, &document));
        self.launch(&run, commands);
        place.into_iter().for_each(|place| self.take_place_in_line(place, &run));
        seat.into_iter().for_each(|seat| self.take_seat(seat, &run));
        if let Some((journal, position)) = self.journal.as_ref().zip(position) {
            journal.wait(position);
        }
        Ok(RunHandle { inner: self.clone(), run })
    }

    pub(crate) fn bind_methods(
        &self,
        plan: &jackfield_core::plan::Plan,
    ) -> Result<Box<[Arc<dyn jackfield_core::ports::Method>]>, EngineError> {
        let bind = |used: &jackfield_core::plan::MethodUse| {
            let bound = self.ports.methods.bind(&used.plugin, &used.version, &used.method, used.isolation);
            bound.map_err(|failure| EngineError::Method {
                plugin: used.plugin.to_string(),
                version: used.version.to_string(),
                method: used.method.to_string(),
                failure: Box::new(failure),
            })
        };
        plan.methods.iter().map(bind).collect()
    }

    /// The run of this id, if it is in memory.
    pub(crate) fn known_run(&self, run_id: &str) -> Option<Arc<RunCell>> {
        Some(self.runs.lock().all.get(run_id)?.1.clone())
    }

    /// A run has come back into memory.
    pub(crate) fn enter_restored(&self, run: &Arc<RunCell>, nth: u64, has_ended: bool) {
        let mut runs = self.runs.lock();
        runs.started = runs.started.max(nth);
        runs.all.insert(run.id.clone(), (nth, run.clone()));
        if has_ended {
            runs.finished.push_back(run.id.clone());
            self.forget_oldest(&mut runs);
        } else {
            runs.open += 1;
        }
    }

    /// Keeps no more runs that have ended than there is room for.
    fn forget_oldest(&self, runs: &mut Runs) {
        while runs.finished.len() > self.config.finished_runs_max {
            if let Some(oldest) = runs.finished.pop_front() {
                runs.all.remove(&oldest);
            }
        }
    }

    /// Runs in memory that have not ended, in the order of their starts.
    pub(crate) fn open_runs(&self) -> Vec<Arc<RunCell>> {
        let mut runs = self.runs.lock().in_order();
        runs.retain(|run| !run.shared.lock().is_over);
        runs
    }

    fn enter_run(&self, run: &Arc<RunCell>) -> Result<(), EngineError> {
        let mut runs = self.runs.lock();
        // Asked under the lock under which a shutdown waits for open runs: it sees this one, or this one is refused.
        if self.is_stopping.load(Ordering::SeqCst) {
            return Err(EngineError::ShuttingDown);
        }
        if runs.open >= self.config.open_runs_max {
            return Err(EngineError::TooManyRuns(runs.open));
        }
        if let Some((_, known)) = runs.all.get(&run.id).cloned() {
            drop(runs);
            let status = known.shared.lock().status();
            return Err(EngineError::RunExists { id: run.id.to_string(), status });
        }
        runs.started += 1;
        let nth = runs.started;
        runs.all.insert(run.id.clone(), (nth, run.clone()));
        runs.open += 1;
        Ok(())
    }

    /// A run has ended: it stays readable until newer ones push it out.
    pub(crate) fn run_ended(self: &Arc<Self>, run: &Arc<RunCell>) {
        run.methods().iter().for_each(|method| method.released());
        self.tally.run_ended(run);
        let is_replaced = run.shared.lock().is_replaced();
        if !is_replaced {
            self.schedules.run_ended(&run.id);
        }
        run.ended.notify_all();
        run.changed.notify_all();
        run.changed_async.notify_waiters();
        if is_replaced {
            return;
        }
        self.leave_line(run);
        self.tell_parent(run);
        let mut runs = self.runs.lock();
        if !runs.all.get(&run.id).is_some_and(|(_, known)| Arc::ptr_eq(known, run)) {
            // the engine ends: it had left memory when its end was written
            return;
        }
        runs.open -= 1;
        runs.finished.push_back(run.id.clone());
        self.forget_oldest(&mut runs);
        if runs.open == 0 {
            self.run_ended.notify_all();
        }
    }

    fn cancel_open(self: &Arc<Self>, mode: CancelMode, reason: &str) -> usize {
        let runs = self.runs.lock().in_order();
        let handle = |run| RunHandle { inner: self.clone(), run };
        let open: Vec<_> = runs.into_iter().map(handle).filter(|run| !run.status().is_terminal()).collect();
        open.iter().for_each(|run| run.cancel(mode, reason));
        open.len()
    }

    fn timer_thread(self: Arc<Self>) {
        while let Some(due) = self.timers.next() {
            self.is_due(due);
        }
    }

    /// It is time for something.
    pub(crate) fn is_due(self: &Arc<Self>, due: Due) {
        match due {
            Due::Run(run, id) => {
                let Some(run) = run.upgrade() else { return };
                self.run_timer_due(&run, id);
            }
            Due::Deadline(run, key) => {
                let Some(run) = run.upgrade() else { return };
                let limit = run.shared.lock().running.get(&key).map(|running| running.limit);
                if let Some(limit) = limit {
                    self.abandon(&run, key, timed_out(limit));
                }
            }
            Due::Silence(run, key) => {
                let Some(run) = run.upgrade() else { return };
                self.look_for_pulse(&run, key);
            }
            Due::Grace(run, key) => {
                let Some(run) = run.upgrade() else { return };
                let message = "cancelled; it did not stop within its grace";
                self.abandon(&run, key, Failure::new(kind::CANCELLED, message));
            }
            Due::Rest(run, since) => self.put_off(Chore::Rest(run, since)),
            Due::Wake => self.put_off(Chore::Wake),
            Due::Rate(key) => self.rate_is_due(&key),
        }
    }

    /// Leaves to another thread what may have to wait for the store.
    fn put_off(&self, chore: Chore) {
        if let Some(journal) = &self.journal {
            journal.leave(chore);
        }
    }

    /// Adds an inline thread in place of one that is lost.
    pub(crate) fn add_inline_thread(self: &Arc<Self>) {
        if let Err(error) = self.spawn_inline_thread() {
            tracing::error!(%error, "could not replace a thread that is stuck in a call");
        }
    }

    /// A thread has ended.
    fn bury(&self, join: JoinHandle<()>) {
        if join.join().is_err() {
            self.tally.thread_lost();
            tracing::error!("a thread of the engine ended by a panic");
        }
    }

    fn spawn_inline_thread(self: &Arc<Self>) -> Result<(), EngineError> {
        let slot = Arc::new(Slot::default());
        self.slots.lock().push(slot.clone());
        self.spawn("jackfield-step", move |inner| inner.inline_thread(slot))
    }

    pub(crate) fn spawn(
        self: &Arc<Self>,
        name: &str,
        body: impl FnOnce(Arc<Self>) + Send + 'static,
    ) -> Result<(), EngineError> {
        let inner = self.clone();
        let join = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || body(inner))
            .map_err(|error| EngineError::Thread(error.to_string()))?;
        let mut joins = self.joins.lock();
        joins.extract_if(.., |join| join.is_finished()).for_each(|join| self.bury(join));
        joins.push(join);
        Ok(())
    }
}
