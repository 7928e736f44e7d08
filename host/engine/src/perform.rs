//! Facts in, commands out: the one place where a run's lock is held while its state changes.

use crate::engine::Inner;
use crate::listener::CallVoice;
use crate::run::{LaneKind, RunCell, Running, Shared};
use crate::timers::Due;
use jackfield_core::catalog::MethodKind;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::ports::{Call, Method, Outcome, StepAddress};
use jackfield_core::run::{CallCommand, CallKey, Command, Fact, RunState};
use jackfield_core::time::Timestamp;
use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Which calls a thread wants, and how many at most.
#[derive(Clone, Copy)]
pub(crate) struct Take {
    pub(crate) lane: LaneKind,
    pub(crate) max: usize,
}

/// What is to be done once the lock is free.
#[derive(Default)]
struct Afterwards {
    cancelled: Vec<CallKey>,
    is_inline_ready: bool,
    is_blocking_ready: bool,
    has_ended: bool,
}

impl Inner {
    /// Hands in facts and takes calls, under one lock.
    pub(crate) fn exchange(
        self: &Arc<Self>,
        run: &Arc<RunCell>,
        facts: &mut Vec<Fact>,
        take: Option<(Take, &mut VecDeque<CallCommand>)>,
    ) {
        let mut after = Afterwards::default();
        let mut shared = run.shared.lock();
        if shared.is_over {
            facts.clear();
            return;
        }
        if !facts.is_empty() {
            let now = self.ports.clock.now();
            for fact in facts.drain(..) {
                self.apply(run, &mut shared, now, fact, &mut after);
            }
            crate::spans::log_records(run, &mut shared);
        }
        if let Some((take, into)) = take {
            let threads = self.threads;
            let fair = shared.ready(take.lane).calls.len().div_ceil(threads).clamp(1, take.max);
            shared.take(take.lane, fair, into);
        }
        after.is_inline_ready = queue(&mut shared, LaneKind::Inline);
        after.is_blocking_ready = queue(&mut shared, LaneKind::Blocking);
        after.has_ended = shared.is_over;
        if run.watchers.load(Ordering::Relaxed) > 0 || after.has_ended {
            run.changed.notify_all();
            run.changed_async.notify_waiters();
        }
        drop(shared);
        self.go_on(run, after);
    }

    fn go_on(self: &Arc<Self>, run: &Arc<RunCell>, after: Afterwards) {
        if after.is_inline_ready {
            self.inline_lane.push(run.clone());
        }
        if after.is_blocking_ready && self.blocking_lane.push(run.clone()) {
            self.grow_pool();
        }
        if !after.cancelled.is_empty() {
            self.settle_unbegun(run, &after.cancelled);
        }
        if after.has_ended {
            self.run_ended(run);
        }
    }

    /// One fact and everything that the state machine asks for because of it.
    fn apply(
        self: &Arc<Self>,
        run: &Arc<RunCell>,
        shared: &mut Shared,
        now: Timestamp,
        fact: Fact,
        after: &mut Afterwards,
    ) {
        if shared.is_over {
            return;
        }
        let mut commands = std::mem::take(&mut shared.commands);
        let applied = catch_unwind(AssertUnwindSafe(|| shared.state.apply(now, fact, &mut commands)));
        match applied {
            Ok(()) => self.carry_out(run, shared, &mut commands, now, after),
            Err(panic) => {
                commands.clear();
                shared.break_down(&panic_text(&*panic));
                shared.timers.drain().for_each(|(_, ticket)| self.timers.cancel(ticket));
            }
        }
        shared.commands = commands;
    }

    fn carry_out(
        self: &Arc<Self>,
        run: &Arc<RunCell>,
        shared: &mut Shared,
        commands: &mut Vec<Command>,
        now: Timestamp,
        after: &mut Afterwards,
    ) {
        for command in commands.drain(..) {
            match command {
                Command::Call(call) => {
                    crate::spans::step_started(run, shared, &call);
                    let lane = match run.methods[call.method.0 as usize].kind() {
                        MethodKind::Blocking => LaneKind::Blocking,
                        MethodKind::Inline | MethodKind::Async | MethodKind::Stream => LaneKind::Inline,
                    };
                    shared.ready(lane).calls.push_back(call);
                }
                Command::CancelCall(key) => self.cancel_call(run, shared, key, after),
                Command::StartTimer { id, at } => {
                    let due = later(at.since(now));
                    let ticket = self.timers.set(due, Due::Run(Arc::downgrade(run), id));
                    shared.timers.insert(id, ticket);
                }
                Command::CancelTimer(id) => {
                    shared.timers.remove(&id).into_iter().for_each(|ticket| self.timers.cancel(ticket));
                }
                Command::Finish => {
                    shared.timers.drain().for_each(|(_, ticket)| self.timers.cancel(ticket));
                    shared.is_over = true;
                }
            }
        }
    }

    /// Starts a run's first commands, which came without a fact.
    pub(crate) fn launch(self: &Arc<Self>, run: &Arc<RunCell>, mut commands: Vec<Command>) {
        let mut after = Afterwards::default();
        let mut shared = run.shared.lock();
        let now = self.ports.clock.now();
        self.carry_out(run, &mut shared, &mut commands, now, &mut after);
        crate::spans::log_records(run, &mut shared);
        after.is_inline_ready = queue(&mut shared, LaneKind::Inline);
        after.is_blocking_ready = queue(&mut shared, LaneKind::Blocking);
        after.has_ended = shared.is_over;
        drop(shared);
        self.go_on(run, after);
    }

    /// Tells a call to stop. One that runs on a pool or answers by completion gets its grace; whether one of the
    /// inline lane has begun is found out once the run's lock is free.
    fn cancel_call(&self, run: &Arc<RunCell>, shared: &mut Shared, key: CallKey, after: &mut Afterwards) {
        let Some(running) = shared.running.get_mut(&key) else {
            run.cancel_epoch.fetch_add(1, Ordering::SeqCst);
            shared.dropped.insert(key);
            return after.cancelled.push(key);
        };
        running.call.cancelled.store(true, Ordering::Relaxed);
        if running.grace.is_none() {
            let due = later(self.config.cancel_grace);
            running.grace = Some(self.timers.set(due, Due::Grace(Arc::downgrade(run), key)));
        }
    }

    /// Reports the cancelled calls that no thread has begun; those that a thread is in are told to stop.
    fn settle_unbegun(self: &Arc<Self>, run: &Arc<RunCell>, cancelled: &[CallKey]) {
        let begun: HashSet<CallKey> = self.cancel_inline(run, cancelled);
        let failure = || Failure::new(kind::CANCELLED, "cancelled before it started");
        let mut facts: Vec<_> = cancelled
            .iter()
            .filter(|key| !begun.contains(key))
            .map(|key| Fact::Outcome {
                key: *key,
                duration: Duration::ZERO,
                outcome: Err(Box::new(failure())),
            })
            .collect();
        if !facts.is_empty() {
            self.exchange(run, &mut facts, None);
        }
    }

    /// Everything that one attempt needs, made outside the run's lock.
    pub(crate) fn prepare(&self, run: &RunCell, command: &CallCommand) -> Result<Call, Failure> {
        let parameters = RunState::render(&run.plan, command, &*self.ports.secrets)?;
        let address = StepAddress::new(&run.id, &command.path);
        let voice = CallVoice { listener: self.ports.listener.clone(), address: address.clone() };
        Ok(Call {
            parameters,
            address,
            attempt: command.key.attempt,
            timeout: command.timeout,
            deadline: command.timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            session: Arc::clone(&self.no_session),
            cancelled: Arc::new(AtomicBool::new(false)),
            listener: Arc::new(voice),
        })
    }

    /// Enters a call that goes on outside the inline threads. False if it was cancelled in the meantime.
    pub(crate) fn enter(
        &self,
        run: &Arc<RunCell>,
        key: CallKey,
        call: &Arc<Call>,
        method: &Arc<dyn Method>,
        lane: LaneKind,
    ) -> bool {
        let mut shared = run.shared.lock();
        if shared.is_over || shared.dropped.remove(&key) {
            return false;
        }
        let deadline = call.deadline.map(|at| self.timers.set(at, Due::Deadline(Arc::downgrade(run), key)));
        let limit = call.timeout.unwrap_or_default();
        let (call, method) = (call.clone(), method.clone());
        shared.running.insert(key, Running { call, method, lane, limit, deadline, grace: None });
        true
    }

    /// Reports what an entered call came to. False if it had been given up before.
    pub(crate) fn leave(
        self: &Arc<Self>,
        run: &Arc<RunCell>,
        (key, call, method): (CallKey, &Call, &dyn Method),
        duration: Duration,
        outcome: Outcome,
        take: Option<(Take, &mut VecDeque<CallCommand>)>,
    ) -> bool {
        let running = run.shared.lock().running.remove(&key);
        let Some(running) = running else {
            method.returned(call);
            return false;
        };
        running.deadline.into_iter().chain(running.grace).for_each(|ticket| self.timers.cancel(ticket));
        let mut facts = vec![Fact::Outcome { key, duration, outcome: outcome.map_err(Box::new) }];
        self.exchange(run, &mut facts, take);
        true
    }

    /// Gives a call up: it is reported as failed now, and whatever it still does will not count.
    pub(crate) fn abandon(self: &Arc<Self>, run: &Arc<RunCell>, key: CallKey, failure: Failure) {
        let Some(running) = run.shared.lock().running.remove(&key) else { return };
        running.deadline.into_iter().chain(running.grace).for_each(|ticket| self.timers.cancel(ticket));
        running.call.cancelled.store(true, Ordering::Relaxed);
        running.method.abandoned(&running.call);
        match running.lane {
            LaneKind::Blocking => self.replace_lost_thread(),
            LaneKind::Inline => self.async_call_ended(),
        }
        let mut facts =
            vec![Fact::Outcome { key, duration: Duration::ZERO, outcome: Err(Box::new(failure)) }];
        self.exchange(run, &mut facts, None);
    }
}

/// Marks the run as queued if it has calls that nobody will take otherwise.
fn queue(shared: &mut Shared, lane: LaneKind) -> bool {
    let ready = shared.ready(lane);
    let is_new = !ready.calls.is_empty() && !ready.is_queued;
    ready.is_queued |= is_new;
    is_new
}

/// So much later than now; some centuries from now if that is beyond what the clock can tell.
pub(crate) fn later(by: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(200 * 365 * 86_400);
    let now = Instant::now();
    now.checked_add(by.min(FAR)).unwrap_or(now)
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into())
}
