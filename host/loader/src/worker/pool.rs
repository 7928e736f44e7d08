//! The workers of one plugin version: who gets which call, when there are more or fewer of them, and what happens when one
//! ends.

use super::answer::outcome;
use super::clock::Clock;
use super::crash::{Crash, Killed};
use super::offers;
use super::process::{self, End};
use super::seats::{Assigned, InFlight, Pending, Phase, Seat, Seats};
use super::talk::{Worker, listen};
use super::ungranted;
use crate::config::{SessionLimits, WorkerLimits, WorkerProgram};
use crate::method::{MethodFacts, log};
use crate::peers::Caller;
use crate::quarantine::Quarantine;
use crate::sessions::{Sessions, tell_of_loss};
use crate::store::Hash;
use jackfield_core::catalog::MethodKind;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::ports::{Call, Completion};
use jackfield_plugin_api::worker::{
    Body, BrokenFrame, CallBody, Hello, Kind, LineBody, LogBody, NO_CALL, PROTOCOL, ProgressBody,
    REFUSED_BY_SANDBOX, Ready, Refusal,
};
use parking_lot::{Condvar, Mutex, MutexGuard};
use semver::Version;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// The longest pause before a worker is started again.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// The first pause; the start after the first crash does not wait.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// What a pool is made of.
pub(crate) struct PoolSetup {
    pub(crate) plugin: Box<str>,
    pub(crate) version: Version,
    pub(crate) hash: Hash,
    pub(crate) hello: Hello,
    pub(crate) program: WorkerProgram,
    pub(crate) limits: WorkerLimits,
    pub(crate) sessions: SessionLimits,
    pub(crate) caller: Arc<Caller>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) quarantine: Arc<Quarantine>,
}

pub(crate) struct Pool {
    setup: PoolSetup,
    /// The lane of each method.
    lanes: Box<[usize]>,
    state: Mutex<State>,
    /// A worker has ended.
    emptied: Condvar,
    me: Weak<Self>,
}

struct State {
    seats: Seats,
    restarts: Restarts,
    /// A worker is to be started soon.
    is_start_ordered: bool,
    is_idle_look_ordered: bool,
    /// Why no worker is started any more.
    closed: Option<Failure>,
}

/// Crashes and the pauses after them.
#[derive(Default)]
struct Restarts {
    /// Within the window, the oldest first.
    crashes: VecDeque<Instant>,
    /// Crashes since the last call that ended well.
    in_a_row: u32,
    not_before: Option<Instant>,
}

impl Pool {
    pub(crate) fn new(setup: PoolSetup, methods: &[Arc<MethodFacts>]) -> Arc<Self> {
        let of_methods = methods.iter().map(|facts| (facts.kind != MethodKind::Async, facts.is_serial));
        let sessions = Sessions::new(&setup.plugin, setup.sessions);
        let (seats, lanes) = Seats::new(of_methods, setup.limits.threads_max.max(1), sessions);
        let state = State {
            seats,
            restarts: Restarts::default(),
            is_start_ordered: false,
            is_idle_look_ordered: false,
            closed: None,
        };
        let pool = Arc::new_cyclic(|me| Self {
            setup,
            lanes,
            state: Mutex::new(state),
            emptied: Condvar::new(),
            me: me.clone(),
        });
        pool.grow(&mut pool.state.lock());
        pool
    }

    /// The plugin as it calls others.
    pub(crate) fn caller(&self) -> &Arc<Caller> {
        &self.setup.caller
    }

    /// Bytes of a frame that carries a result.
    pub(crate) fn result_frame_bytes_max(&self) -> u32 {
        u32::try_from(self.setup.hello.result_bytes_max).unwrap_or(u32::MAX)
    }

    /// Whether no worker is started any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed.is_some()
    }

    /// Makes a call; `done` is called with its outcome, from any thread.
    pub(crate) fn start(&self, call: Arc<Call>, facts: Arc<MethodFacts>, done: Completion) {
        let mut state = self.state.lock();
        if let Some(failure) = state.closed.clone() {
            drop(state);
            return done(Err(failure));
        }
        let lane = self.lanes[facts.index as usize];
        let session = match state.seats.sessions.enter(&call) {
            Ok(session) => session,
            Err(full) => {
                drop(state);
                return done(Err(full));
            }
        };
        call.wait_turn();
        state.seats.wait(lane, Pending { call, facts, done, session });
        self.move_on(state);
    }

    /// The call is to stop.
    pub(crate) fn cancel(&self, call: &Call) {
        let mut state = self.state.lock();
        if let Some(pending) = state.seats.take_waiting_call(call) {
            drop(state);
            let failure = Failure::new(kind::CANCELLED, "cancelled before it started");
            return (pending.done)(Err(failure));
        }
        let told = state.seats.place(call).and_then(|place| Some((place, state.seats.tell(place)?)));
        drop(state);
        if let Some(((_, id), (worker, _, true))) = told {
            worker.tell(Kind::Cancel, id);
        }
    }

    /// The engine has given the call up: it is told to stop, and if it does not, its worker is ended.
    pub(crate) fn abandon(&self, call: &Call) {
        self.cancel(call);
        let mut state = self.state.lock();
        let Some((worker, id)) = state.seats.place(call) else { return };
        state.seats.abandon((worker, id));
        let Some((_, told, _)) = state.seats.tell((worker, id)) else { return };
        // others wait for this one's worker, perhaps
        self.move_on(state);
        self.at(told + self.setup.limits.grace, move |pool| pool.kill_if_stuck(worker, id));
    }

    /// Ends all workers at once and waits until they are gone. Calls that were in them fail.
    pub(crate) fn close(&self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        let failure = Failure::new(kind::PLUGIN_UNAVAILABLE, "the host has ended its workers");
        let mut state = self.state.lock();
        state.closed = Some(failure.clone());
        let waiting = state.seats.take_waiting();
        state.seats.all.values().for_each(|seat| seat.worker.kill(Killed::HostEnds));
        let until = Instant::now() + PATIENCE;
        while !state.seats.all.is_empty() {
            if self.emptied.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        drop(state);
        fail(waiting, &failure);
    }

    /// What a worker says. Called by the thread that listens to it.
    ///
    /// # Errors
    /// If it may not say that.
    pub(crate) fn heard(
        &self,
        worker: &Arc<Worker>,
        kind: Kind,
        call: u64,
        body: Vec<u8>,
    ) -> Result<(), BrokenFrame> {
        if kind.is_end() {
            return self.call_ended(worker, kind, call, body);
        }
        if kind.is_telling() {
            return self.told(worker, kind, call, &body);
        }
        match kind {
            Kind::Ready => {
                let ready = Ready::decode(&body)?;
                if ready.protocol != PROTOCOL {
                    return Err(BrokenFrame::Body("it is of another protocol"));
                }
                ungranted::warn(&self.setup.plugin, &ready.unenforced);
                worker.learn(&ready.features);
                self.ready(worker)
            }
            Kind::Refused => {
                self.refused(&Refusal::decode(&body)?);
                Ok(())
            }
            Kind::CallMethod => {
                let asked = self.state.lock().seats.asked(worker.id, call);
                super::asked::call_method(&self.setup.caller, worker, asked, &body)
            }
            _ => Err(BrokenFrame::Body("only a host says that")),
        }
    }

    fn ready(&self, worker: &Worker) -> Result<(), BrokenFrame> {
        let mut state = self.state.lock();
        let Some(seat) = state.seats.all.get_mut(&worker.id) else { return Ok(()) };
        if seat.phase != Phase::Starting {
            return Err(BrokenFrame::Body("it says twice that it is ready"));
        }
        seat.phase = Phase::Ready;
        seat.idle_since = Instant::now();
        self.move_on(state);
        Ok(())
    }

    fn refused(&self, refusal: &Refusal) {
        let Refusal { code, reason } = refusal;
        let plugin = &self.setup.plugin;
        let reason = crate::error::refusal_line(code, reason);
        let message = format!("plugin `{plugin}` does not start: {reason} [{code}]");
        let failure = Failure { retryable: false, ..Failure::new(kind::PLUGIN_UNAVAILABLE, message) };
        let failure = match &**code {
            REFUSED_BY_SANDBOX => failure,
            _ => ungranted::explain(&self.setup.hello, failure),
        };
        let waiting = self.state.lock().seats.take_waiting();
        fail(waiting, &failure);
    }

    fn call_ended(&self, worker: &Worker, kind: Kind, id: u64, body: Vec<u8>) -> Result<(), BrokenFrame> {
        let mut state = self.state.lock();
        let Some(InFlight { pending, .. }) = state.seats.finish(worker.id, id) else {
            return Err(BrokenFrame::Body("it ends a call that it does not have"));
        };
        state.restarts.in_a_row = 0;
        self.retire(&mut state, worker.id);
        self.move_on(state);
        let Pending { facts, done, .. } = pending;
        let (outcome, broken) = outcome(&facts, kind, body);
        done(outcome.map_err(|failure| {
            if kind == Kind::Failed { ungranted::explain(&self.setup.hello, failure) } else { failure }
        }));
        broken.map_or(Ok(()), Err)
    }

    fn told(&self, worker: &Worker, kind: Kind, id: u64, body: &[u8]) -> Result<(), BrokenFrame> {
        let call = self.state.lock().seats.call(worker.id, id);
        if kind == Kind::Log {
            let LogBody { level, message, fields } = LogBody::decode(body)?;
            worker.note(message);
            match (call, id) {
                (Some(call), _) => log(&call, level, message, fields),
                (None, NO_CALL) => {
                    crate::instances::log_of_instance(&self.setup.plugin, level, message, fields)
                }
                // it has ended, and nobody listens any more
                (None, _) => {}
            }
            return Ok(());
        }
        let Some(call) = call else { return Ok(()) };
        match kind {
            Kind::Progress => {
                let ProgressBody { fraction, message } = ProgressBody::decode(body)?;
                call.beat(Instant::now);
                call.listener.progress(&call, fraction, message);
            }
            Kind::Output => {
                let LineBody { is_stderr, line } = LineBody::decode(body)?;
                worker.note(line);
                call.listener.output_line(&call, is_stderr, line);
            }
            Kind::Heartbeat => call.beat(Instant::now),
            _ => {}
        }
        Ok(())
    }

    /// A worker is gone. Called by the thread that listened to it.
    pub(crate) fn ended(&self, worker: &Worker, end: End) {
        let mut state = self.state.lock();
        let Some((phase, calls)) = state.seats.unseat(worker.id) else { return };
        let crash = Crash {
            plugin: &self.setup.plugin,
            version: &self.setup.version,
            pid: worker.process.pid,
            killed: worker.killed(),
            end,
            lines: worker.last_lines(),
            calls: calls.len(),
        };
        let is_expected = match crash.killed {
            Some(Killed::HostEnds | Killed::Lingering) => true,
            _ => phase == Phase::Leaving && calls.is_empty(),
        };
        let (failure, mut failed) = (ungranted::explain(&self.setup.hello, crash.failure()), calls);
        let mut quarantined = None;
        if !is_expected {
            tracing::warn!(
                plugin = crash.plugin,
                pid = crash.pid,
                calls = crash.calls,
                "a worker {}",
                crash.what()
            );
            let is_alone = !state.seats.all.values().any(Seat::takes_calls);
            if phase == Phase::Starting && is_alone {
                // whoever waits would wait for the next one that does the same
                failed.extend(state.seats.take_waiting());
            }
            // a call that does not return is its step's failure already, and no crash
            if !matches!(crash.killed, Some(Killed::Stuck { .. })) {
                quarantined = self.count_crash(&mut state, &crash);
            }
        }
        self.emptied.notify_all();
        self.move_on(state);
        let Some((reason, of_waiting, waiting)) = quarantined else { return fail(failed, &failure) };
        // first, so that whoever hears of the crash finds the plugin quarantined
        let (plugin, version) = (&self.setup.plugin, &self.setup.version);
        self.setup.quarantine.add(self.setup.hash, plugin, version, &reason);
        fail(failed, &failure);
        fail(waiting, &of_waiting);
    }

    /// Counts a crash; if it was one too many, no worker is started any more.
    fn count_crash(&self, state: &mut State, crash: &Crash<'_>) -> Option<(String, Failure, Vec<Pending>)> {
        let WorkerLimits { crash_budget, crash_window, .. } = self.setup.limits;
        let now = Instant::now();
        let Restarts { crashes, in_a_row, not_before } = &mut state.restarts;
        crashes.retain(|at| now.duration_since(*at) < crash_window);
        crashes.push_back(now);
        *in_a_row += 1;
        *not_before = pause(*in_a_row).map(|pause| now + pause);
        if crashes.len() <= crash_budget as usize {
            return None;
        }
        let window = jackfield_core::model::duration::display(crash_window);
        let reason = format!(
            "{} of its workers crashed within {window}; the last one {}",
            crashes.len(),
            crash.what()
        );
        let failure = crate::quarantine::failure(&self.setup.plugin, &self.setup.version, &reason);
        state.closed = Some(failure.clone());
        let waiting = state.seats.take_waiting();
        let workers: Vec<u64> = state.seats.all.keys().copied().collect();
        workers.into_iter().for_each(|worker| self.retire(state, worker));
        Some((reason, failure, waiting))
    }

    /// Lets a worker go if it has nothing to do and is not to be given anything any more.
    fn retire(&self, state: &mut State, worker: u64) {
        let recycle_after = self.setup.limits.recycle_after;
        let Some(seat) = state.seats.all.get_mut(&worker) else { return };
        let is_used_up =
            recycle_after > 0 && seat.served >= recycle_after && !state.seats.sessions.is_at(worker);
        if seat.phase == Phase::Ready && is_used_up {
            seat.phase = Phase::Leaving;
        }
        if state.closed.is_some() && seat.phase == Phase::Ready {
            seat.phase = Phase::Leaving;
        }
        if seat.phase == Phase::Leaving && seat.calls.is_empty() {
            seat.worker.tell(Kind::Shutdown, NO_CALL);
            self.at(Instant::now() + self.setup.limits.grace, move |pool| pool.kill_if_lingering(worker));
        }
    }

    /// Gives calls that wait to workers, and orders workers if there are too few.
    fn move_on(&self, mut state: MutexGuard<'_, State>) {
        let mut assigned = Vec::new();
        while let Some(call) = state.seats.assign() {
            assigned.push(call);
        }
        self.grow(&mut state);
        self.order_idle_look(&mut state);
        drop(state);
        assigned.into_iter().for_each(|call| self.send(call));
    }

    fn send(&self, Assigned { worker, id, call, facts, is_session_lost }: Assigned) {
        if is_session_lost {
            tell_of_loss(&call, "the worker that it was in");
        }
        call.beat(Instant::now);
        if let Err(failure) = offers::serves(&call, &worker, &self.setup) {
            return self.take_back((worker.id, id), &failure);
        }
        let body = CallBody {
            method_index: facts.index,
            attempt: call.attempt,
            deadline_left_ns: deadline_left_ns(&call),
            method: &facts.name,
            idempotency_key: call.idempotency_key(),
            run_id_bytes: u32::try_from(call.run_id().len()).unwrap_or(u32::MAX),
            session: &call.session,
            traceparent: &call.traceparent,
            params: "",
        };
        let mut head = Vec::with_capacity(160);
        body.encode_head(&mut head);
        if let Err(too_long) = worker.send(Kind::Call, id, &head, Some(&call.parameters)) {
            let message = format!("the parameters do not fit into a worker's frame: {too_long}");
            let failure = Failure { retryable: false, ..Failure::new(kind::PAYLOAD_TOO_LARGE, message) };
            return self.take_back((worker.id, id), &failure);
        }
        // whoever cancelled it before it was sent could not tell the worker
        if call.is_cancelled() {
            worker.tell(Kind::Cancel, id);
        }
    }

    /// A call that was given to a worker, but not sent to it, fails.
    fn take_back(&self, (worker, id): (u64, u64), failure: &Failure) {
        let ended = self.state.lock().seats.finish(worker, id);
        fail(ended.map(|ended| ended.pending).into_iter().collect(), failure);
    }

    /// Orders another worker if one is needed and may be had.
    fn grow(&self, state: &mut State) {
        let WorkerLimits { min, max, .. } = self.setup.limits;
        let max = max.max(1);
        if state.is_start_ordered || state.closed.is_some() {
            return;
        }
        let all = || state.seats.all.values();
        let taking = all().filter(|seat| seat.takes_calls()).count();
        // a crash is to take as few calls along as can be
        let is_one_shared = all().any(|seat| seat.takes_calls() && seat.calls.len() > 1);
        let is_one_starting = all().any(|seat| seat.phase == Phase::Starting);
        let has_work = state.seats.is_anything_waiting() || is_one_shared;
        let is_wanted = taking < min || (has_work && !is_one_starting);
        // workers that wait for calls that were given up are not used, but there are not more and more of them
        let is_allowed = taking < max && all().count() < max * 2 && !is_one_starting;
        if is_wanted && is_allowed {
            state.is_start_ordered = true;
            let at = state.restarts.not_before.unwrap_or_else(Instant::now);
            self.at(at, |pool| pool.start_worker());
        }
    }

    /// Starts a worker. On the clock's thread.
    fn start_worker(&self) {
        if self.state.lock().closed.is_some() {
            return;
        }
        let started = process::start(&self.setup.program, &self.setup.hello.sandbox.grant);
        let mut state = self.state.lock();
        state.is_start_ordered = false;
        let id = state.seats.next_worker();
        let worker = started.and_then(|started| Worker::new(id, started)).and_then(|(worker, ears)| {
            let pool = self.me.upgrade().ok_or(std::io::ErrorKind::NotFound)?;
            let own = Arc::clone(&worker);
            let listener = std::thread::Builder::new().name("jackfield-worker".into());
            listener.spawn(move || listen(&own, ears, &pool))?;
            Ok(worker)
        });
        match worker {
            Ok(worker) => {
                state.seats.seat(Arc::clone(&worker));
                if state.closed.is_some() {
                    worker.kill(Killed::HostEnds);
                }
                drop(state);
                self.greet(&worker);
            }
            Err(error) => {
                let program = self.setup.program.path.display();
                let message = format!(
                    "plugin `{}`: no worker process could be started from `{program}`: {error}",
                    self.setup.plugin
                );
                let waiting = state.seats.take_waiting();
                drop(state);
                fail(waiting, &Failure::new(kind::PLUGIN_UNAVAILABLE, message));
            }
        }
    }

    fn greet(&self, worker: &Arc<Worker>) {
        // a hello fits into a frame, unless the configuration is beyond all measure: then the worker never gets ready
        let _ = worker.send(Kind::Hello, NO_CALL, &self.setup.hello.encode(), None);
        let id = worker.id;
        self.at(Instant::now() + self.setup.limits.start_timeout, move |pool| {
            let state = pool.state.lock();
            if let Some(seat) = state.seats.all.get(&id).filter(|seat| seat.phase == Phase::Starting) {
                seat.worker.kill(Killed::StartTimeout);
            }
        });
    }

    fn kill_if_stuck(&self, worker: u64, id: u64) {
        let state = self.state.lock();
        let (Some(seat), Some(call)) = (state.seats.all.get(&worker), state.seats.call(worker, id)) else {
            return;
        };
        seat.worker.kill(Killed::Stuck { step: call.step().to_owned() });
    }

    fn kill_if_lingering(&self, worker: u64) {
        if let Some(seat) = self.state.lock().seats.all.get(&worker) {
            seat.worker.kill(Killed::Lingering);
        }
    }

    fn order_idle_look(&self, state: &mut State) {
        if state.is_idle_look_ordered || state.closed.is_some() {
            return;
        }
        let idle = || state.seats.all.values().filter(|seat| seat.is_idle());
        if idle().count() == 0 || state.seats.all.len() <= self.setup.limits.min {
            return;
        }
        let first = idle().map(|seat| seat.idle_since).min();
        let Some(at) = first.and_then(|first| first.checked_add(self.setup.limits.idle)) else { return };
        state.is_idle_look_ordered = true;
        // not again and again while calls come and go
        self.at(at.max(Instant::now() + self.setup.limits.idle / 8), Self::look_for_idle);
    }

    fn look_for_idle(&self) {
        let mut state = self.state.lock();
        state.is_idle_look_ordered = false;
        let WorkerLimits { min, idle, .. } = self.setup.limits;
        let too_many = state.seats.all.len().saturating_sub(min);
        let sessions = &state.seats.sessions;
        let is_over = |seat: &Seat| {
            seat.is_idle() && seat.idle_since.elapsed() >= idle && !sessions.is_at(seat.worker.id)
        };
        let over: Vec<u64> = state
            .seats
            .all
            .iter()
            .filter(|(_, seat)| is_over(seat))
            .map(|(id, _)| *id)
            .take(too_many)
            .collect();
        for id in over {
            if let Some(seat) = state.seats.all.get_mut(&id) {
                seat.phase = Phase::Leaving;
            }
            self.retire(&mut state, id);
        }
        self.order_idle_look(&mut state);
    }

    /// Does something later, if the pool is still there.
    fn at(&self, time: Instant, task: impl FnOnce(&Self) + Send + 'static) {
        let pool = self.me.clone();
        self.setup.clock.at(time, move || {
            if let Some(pool) = pool.upgrade() {
                task(&pool);
            }
        });
    }
}

/// How long to wait before the next start, after so many crashes in a row.
fn pause(in_a_row: u32) -> Option<Duration> {
    let doubled = in_a_row.checked_sub(2)?;
    Some(PAUSE_MIN.saturating_mul(1 << doubled.min(16)).min(PAUSE_MAX))
}

fn fail(calls: Vec<Pending>, failure: &Failure) {
    calls.into_iter().for_each(|pending| (pending.done)(Err(failure.clone())));
}

fn deadline_left_ns(call: &Call) -> u64 {
    let left = call.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    left.map_or(u64::MAX, |left| u64::try_from(left.as_nanos()).unwrap_or(u64::MAX - 1))
}
