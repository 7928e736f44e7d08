//! The workers of one plugin version: who gets which call. How many of them there are (`size`), what they say (`heard`),
//! what happens when one ends (`ends`), how they stand (`standing`) and state that goes over between versions (`handover`) stand in files of their own.

mod ends;
mod handover;
mod heard;
mod size;
mod standing;

use super::answer::Answer;
use super::clock::Clock;
use super::crash::Killed;
use super::offers;
use super::seats::{Assigned, Pending, Seats};
use crate::config::{SessionLimits, Transport, WorkerLimits, WorkerProgram};
use crate::handover::SavedState;
use crate::method::MethodFacts;
use crate::peers::Caller;
use crate::quarantine::Quarantine;
use crate::sessions::{Sessions, tell_of_loss};
use crate::spans::CallSpan;
use crate::store::Hash;
use ends::Restarts;
use handover::Trial;
use jackfield_core::catalog::MethodKind;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::ports::{Call, Completion, Outcome};
use jackfield_core::trace::SpanSink;
use jackfield_plugin_api::worker::{CallBody, Hello, Kind};
use parking_lot::{Condvar, Mutex, MutexGuard};
use semver::Version;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// What a pool is made of.
pub(crate) struct PoolSetup {
    pub(crate) plugin: Box<str>,
    pub(crate) version: Version,
    pub(crate) hash: Hash,
    pub(crate) hello: Hello,
    pub(crate) program: WorkerProgram,
    pub(crate) limits: WorkerLimits,
    pub(crate) transport: Transport,
    pub(crate) sessions: SessionLimits,
    pub(crate) caller: Arc<Caller>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) quarantine: Arc<Quarantine>,
    /// Where spans of calls go, if anywhere.
    pub(crate) spans: Option<Arc<dyn SpanSink>>,
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
    /// Methods that are bound for runs that have not ended.
    bound: usize,
    /// New runs get another file than this plugin's.
    is_replaced: bool,
    /// The state of another version, with which every worker begins.
    inherited: Option<SavedState>,
    /// Who waits for the first worker to take it.
    trial: Option<Trial>,
}

impl Pool {
    /// A pool whose workers begin with the state of another version, if there is one; `trial` is told how the first of them fares.
    fn make(
        setup: PoolSetup,
        methods: &[Arc<MethodFacts>],
        inheritance: Option<(SavedState, Trial)>,
    ) -> Arc<Self> {
        let of_methods = methods.iter().map(|facts| (facts.kind != MethodKind::Async, facts.is_serial));
        let sessions = Sessions::new(&setup.plugin, setup.sessions);
        let (seats, lanes) = Seats::new(of_methods, setup.limits.threads_max.max(1), sessions);
        let (inherited, trial) = inheritance.unzip();
        let state = State {
            inherited,
            trial,
            seats,
            restarts: Restarts::default(),
            is_start_ordered: false,
            is_idle_look_ordered: false,
            closed: None,
            bound: 0,
            is_replaced: false,
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

    pub(crate) fn new(setup: PoolSetup, methods: &[Arc<MethodFacts>]) -> Arc<Self> {
        Self::make(setup, methods, None)
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
        let (span, done) = self.traced(&call, &facts, done);
        let mut state = self.state.lock();
        if let Some(failure) = state.closed.clone() {
            drop(state);
            return done(Err(failure));
        }
        call.wait_turn();
        match state.seats.sessions.enter(&call) {
            Ok(session) => {
                let lane = self.lanes[facts.index as usize];
                state.seats.wait(lane, Pending { call, facts, done, session, span });
                self.move_on(state);
            }
            Err(_) => {
                let sessions = Arc::clone(&state.seats.sessions);
                drop(state);
                self.start_in_session(&sessions, call, facts, (done, span));
            }
        }
    }

    /// The span of a call, if it is wanted: it ends when the call does.
    fn traced(
        &self,
        call: &Call,
        facts: &MethodFacts,
        done: Completion,
    ) -> (Option<Arc<CallSpan>>, Completion) {
        let PoolSetup { spans, plugin, version, .. } = &self.setup;
        let Some(span) = CallSpan::to_worker(spans.as_ref(), call, (plugin, version, &facts.name)) else {
            return (None, done);
        };
        let own = Arc::clone(&span);
        let done = Box::new(move |outcome| {
            own.ended(&outcome);
            done(outcome);
        });
        (Some(span), done)
    }

    /// Makes a call once there is room for its session.
    fn start_in_session(
        &self,
        sessions: &Arc<Sessions<u64>>,
        call: Arc<Call>,
        facts: Arc<MethodFacts>,
        (done, span): (Completion, Option<Arc<CallSpan>>),
    ) {
        let (pool, waiting) = (self.me.clone(), Arc::clone(&call));
        let then = move |entered| {
            let entered = match (entered, pool.upgrade()) {
                (Ok(session), Some(pool)) => Ok((session, pool)),
                (Ok(_), None) => Err(host_has_ended()),
                (Err(failure), _) => Err(failure),
            };
            let (session, pool) = match entered {
                Ok(entered) => entered,
                Err(failure) => return done(Err(failure)),
            };
            let mut state = pool.state.lock();
            if let Some(failure) = state.closed.clone() {
                drop(state);
                return done(Err(failure));
            }
            let lane = pool.lanes[facts.index as usize];
            state.seats.wait(lane, Pending { call, facts, done, session: Some(session), span });
            pool.move_on(state);
        };
        sessions.wait(&waiting, Box::new(then));
    }

    fn sessions(&self) -> Arc<Sessions<u64>> {
        Arc::clone(&self.state.lock().seats.sessions)
    }

    /// Makes a call and waits for its outcome.
    pub(crate) fn call(&self, call: Arc<Call>, facts: Arc<MethodFacts>) -> Outcome {
        let answer = Arc::new(Answer::default());
        let own = Arc::clone(&answer);
        self.start(Arc::clone(&call), facts, Box::new(move |outcome| own.give(outcome)));
        if !answer.is_there() {
            let worker = self.state.lock().seats.worker_of(&call);
            if let Some(worker) = worker {
                worker.look_for(&answer, call.parameters.len(), self);
            }
        }
        answer.take()
    }

    /// The call is to stop.
    pub(crate) fn cancel(&self, call: &Call) {
        if !call.session.is_empty() && self.sessions().stop_waiting(call) {
            return;
        }
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
        let failure = host_has_ended();
        let mut state = self.state.lock();
        state.closed = Some(failure.clone());
        state.end_trial(Err("the host has ended its workers".into()));
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
        self.sessions().refuse_waiting(&failure);
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

    fn send(&self, Assigned { worker, id, call, facts, is_session_lost, span }: Assigned) {
        if is_session_lost {
            tell_of_loss(&call, "the worker that it was in");
        }
        call.beat(Instant::now);
        if let Err(failure) = offers::serves(&call, &worker, &self.setup) {
            return self.take_back((worker.id, id), &failure);
        }
        let below = span.map(|span| {
            span.is_sent(Some(worker.process.pid));
            span.traceparent()
        });
        let body = CallBody {
            method_index: facts.index,
            attempt: call.attempt,
            deadline_left_ns: deadline_left_ns(&call),
            method: &facts.name,
            idempotency_key: call.idempotency_key(),
            run_id_bytes: u32::try_from(call.run_id().len()).unwrap_or(u32::MAX),
            session: &call.session,
            traceparent: below.as_ref().unwrap_or(&call.traceparent),
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

    fn kill_if_stuck(&self, worker: u64, id: u64) {
        let state = self.state.lock();
        let (Some(seat), Some(call)) = (state.seats.all.get(&worker), state.seats.call(worker, id)) else {
            return;
        };
        seat.worker.kill(Killed::Stuck { step: call.step().to_owned() });
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

fn host_has_ended() -> Failure {
    Failure::new(kind::PLUGIN_UNAVAILABLE, "the host has ended its workers")
}

fn fail(calls: Vec<Pending>, failure: &Failure) {
    calls.into_iter().for_each(|pending| (pending.done)(Err(failure.clone())));
}

fn deadline_left_ns(call: &Call) -> u64 {
    let left = call.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    left.map_or(u64::MAX, |left| u64::try_from(left.as_nanos()).unwrap_or(u64::MAX - 1))
}
