//! The bounded pool for `blocking` methods. Threads come when calls wait and go after a while without any; one that
//! is stuck in a call that was given up no longer counts, and ends when the call returns.

use crate::engine::Inner;
use crate::inline::{guarded, panicked};
use crate::lane::{Lane, Next};
use crate::limits::Begin;
use crate::run::{LaneKind, RunCell};
use crate::sync::{AtomicUsize, Ordering};
use jackfield_core::failure::Failure;
use jackfield_core::ports::{Call, Completion, Method, Outcome};
use jackfield_core::run::{CallCommand, CallKey, Fact};
use jackfield_core::time::Nanos;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Threads of the pool that count.
#[derive(Default)]
pub(crate) struct Places(AtomicUsize);

impl Places {
    /// Takes a place for a thread if fewer than `limit` are taken.
    pub(crate) fn take(&self, limit: usize) -> bool {
        let one_more = |count| (count < limit).then_some(count + 1);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
    }

    /// Gives a place back. Returns whether a run waits that was pushed while the place was still taken: nobody but
    /// the caller knows that a thread may be started for it.
    pub(crate) fn leave<R>(&self, lane: &Lane<R>) -> bool {
        self.0.fetch_sub(1, Ordering::SeqCst);
        lane.has_runs_now()
    }
}

/// How long a thread of the pool waits for a call before it ends.
const IDLE_MAX: Duration = Duration::from_secs(10);

impl Inner {
    /// Adds a thread if the pool has room.
    pub(crate) fn grow_pool(self: &Arc<Self>) {
        if !self.pool_places.take(self.config.blocking_threads_max.max(1)) {
            return;
        }
        let inner = self.clone();
        let spawned =
            std::thread::Builder::new().name("jackfield-blocking".into()).spawn(move || inner.pool_thread());
        if let Err(error) = spawned {
            self.pool_places.leave(&self.blocking_lane);
            tracing::error!(%error, "could not start a thread for blocking calls");
        }
    }

    /// A thread ends, or is stuck in a call that was given up: another one may take its place.
    pub(crate) fn leave_pool(self: &Arc<Self>) {
        if self.pool_places.leave(&self.blocking_lane) {
            self.grow_pool();
        }
    }

    fn pool_thread(self: Arc<Self>) {
        loop {
            match self.blocking_lane.next(Some(IDLE_MAX)) {
                Next::Run(run) => {
                    if !self.serve(&run) {
                        return;
                    }
                }
                Next::Idle | Next::Stopped => {
                    return self.leave_pool();
                }
            }
        }
    }

    /// Makes one call of a run and lets the next run have its turn. False if the thread was given up.
    pub(crate) fn serve(self: &Arc<Self>, run: &Arc<RunCell>) -> bool {
        let Some(command) = self.take_blocking(run) else { return true };
        self.make_blocking(run, &command)
    }

    fn make_blocking(self: &Arc<Self>, run: &Arc<RunCell>, command: &CallCommand) -> bool {
        if run.plan.has_limits && !self.begins(run, command) {
            return true;
        }
        let (key, started) = (command.key, Instant::now());
        let method = run.method(command.method);
        let call = match self.prepare(run, command) {
            Ok(call) => Arc::new(call),
            Err(failure) => {
                self.report(run, key, Err(failure));
                return true;
            }
        };
        if !self.enter(run, key, &call, method, LaneKind::Blocking) {
            return true;
        }
        let span = crate::spans::attempt(run, &call);
        let outcome = guarded(&**method, &call);
        drop(span);
        self.leave(run, (key, &call, &**method), started.elapsed(), outcome)
    }

    /// Whether a limited call is to be made by the thread that has taken it.
    fn begins(self: &Arc<Self>, run: &Arc<RunCell>, command: &CallCommand) -> bool {
        match self.begin_call(run, command) {
            Begin::Now => return true,
            Begin::Not(after) => self.go_on(run, after),
            Begin::Never(failure) => self.report(run, command.key, Err(failure)),
        }
        false
    }

    /// Reports the outcome of a call that was never begun.
    pub(crate) fn report(
        self: &Arc<Self>,
        run: &Arc<RunCell>,
        key: CallKey,
        outcome: Result<jackfield_core::payload::Payload, Failure>,
    ) {
        let outcome = outcome.map_err(Box::new);
        self.exchange(run, &mut vec![Fact::Outcome { key, duration: Nanos::ZERO, outcome }]);
    }

    /// Starts an `async` call, or lets it wait while too many are in flight.
    pub(crate) fn start_async(self: &Arc<Self>, run: &Arc<RunCell>, command: CallCommand) {
        self.async_calls.lock().queue.push_back(AsyncCall { run: run.clone(), command });
        self.launch_waiting();
    }

    /// Launches `async` calls while there is room. One thread at a time does so: a call that answers while it is
    /// being launched makes room that this loop sees, so that nothing piles up on the stack.
    fn launch_waiting(self: &Arc<Self>) {
        let mut calls = self.async_calls.lock();
        if calls.is_launching {
            return;
        }
        calls.is_launching = true;
        while calls.in_flight < self.config.async_calls_max.max(1) {
            let Some(next) = calls.queue.pop_front() else { break };
            calls.in_flight += 1;
            drop(calls);
            self.launch_async(next);
            calls = self.async_calls.lock();
        }
        calls.is_launching = false;
    }

    fn launch_async(self: &Arc<Self>, AsyncCall { run, command }: AsyncCall) {
        if run.plan.has_limits && !self.begins(&run, &command) {
            return self.async_call_ended();
        }
        let (key, started) = (command.key, Instant::now());
        let method = run.method(command.method).clone();
        let call = match self.prepare(&run, &command) {
            Ok(call) => Arc::new(call),
            Err(failure) => {
                self.report(&run, key, Err(failure));
                return self.async_call_ended();
            }
        };
        if !self.enter(&run, key, &call, &method, LaneKind::Inline) {
            return self.async_call_ended();
        }
        let _span = crate::spans::attempt(&run, &call);
        let answer =
            Answer { inner: self.clone(), run, key, call: call.clone(), method: method.clone(), started };
        let answer = Arc::new(Mutex::new(Some(answer)));
        let done = answer.clone();
        let done: Completion = Box::new(move |outcome| Answer::give(&done, outcome));
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| method.start(call, done))) {
            Answer::give(&answer, Err(panicked(&*panic)));
        }
    }

    /// An `async` call has come to its end or was given up: one that waits may start.
    pub(crate) fn async_call_ended(self: &Arc<Self>) {
        self.async_calls.lock().in_flight -= 1;
        self.launch_waiting();
    }
}

/// An `async` call that waits for others to end.
pub(crate) struct AsyncCall {
    run: Arc<RunCell>,
    command: CallCommand,
}

/// `async` calls of all runs.
#[derive(Default)]
pub(crate) struct AsyncCalls {
    in_flight: usize,
    queue: VecDeque<AsyncCall>,
    /// A thread is in `launch_waiting`.
    is_launching: bool,
}

impl AsyncCalls {
    /// Calls beyond the limit.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }
}

/// The one answer that an `async` call owes.
struct Answer {
    inner: Arc<Inner>,
    run: Arc<RunCell>,
    key: CallKey,
    call: Arc<Call>,
    method: Arc<dyn Method>,
    started: Instant,
}

impl Answer {
    fn give(answer: &Mutex<Option<Self>>, outcome: Outcome) {
        let Some(answer) = answer.lock().take() else { return };
        answer.hand_in(outcome);
    }

    fn hand_in(&self, outcome: Outcome) {
        let whole = (self.key, &*self.call, &*self.method);
        if self.inner.leave(&self.run, whole, self.started.elapsed(), outcome) {
            self.inner.async_call_ended();
        }
    }
}
