//! Facts in, commands out: the one place where a run's lock is held while its state changes.

use crate::crew::CHEAP_NS;
use crate::doors::Grant;
use crate::engine::Inner;
use crate::errands::Errand;
use crate::journal::Held;
use crate::run::{LaneKind, RunCell, Running, Shared};
use crate::timers::Due;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::payload::Payload;
use jackfield_core::ports::{Call, Method, Outcome, StepAddress};
use jackfield_core::run::{CallCommand, CallKey, Command, Fact, RunState};
use jackfield_core::time::{Nanos, Timestamp};
use jackfield_core::trace;
use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Longest time that an inline thread's outcomes are held back, and the work that it takes at a time.
pub(crate) const GRAIN_NS: u64 = 4_000;
/// Calls that an inline thread takes at a time at most.
pub(crate) const CHUNK_MAX: usize = 64;

/// What is to be done once the lock is free.
#[derive(Default)]
pub(crate) struct Afterwards {
    cancelled: Vec<CallKey>,
    /// Calls under way that have been told to stop.
    told: Vec<(Arc<Call>, Arc<dyn Method>)>,
    pub(crate) is_inline_ready: bool,
    pub(crate) is_blocking_ready: bool,
    pub(crate) has_ended: bool,
    /// Calls that have been let in, of any run.
    pub(crate) granted: Vec<Grant<Weak<RunCell>>>,
}

/// What an inline thread holds of a run while it works on it.
pub(crate) struct Share<'a> {
    pub(crate) outbox: &'a mut Vec<Fact>,
    pub(crate) chunk: &'a mut VecDeque<CallCommand>,
    /// Wall time.
    pub(crate) now: Timestamp,
    /// Since the last exchange.
    pub(crate) spent_ns: u64,
    pub(crate) is_first: bool,
    /// Take no more: another run's turn has come.
    pub(crate) is_last: bool,
}

impl Afterwards {
    /// Whether there is anything to do at all.
    pub(crate) fn is_nothing(&self) -> bool {
        let Self { cancelled, told, is_inline_ready, is_blocking_ready, has_ended, granted } = self;
        let is_ready = *is_inline_ready || *is_blocking_ready;
        cancelled.is_empty() && told.is_empty() && granted.is_empty() && !is_ready && !has_ended
    }
}

impl Inner {
    /// Hands in facts.
    pub(crate) fn exchange(self: &Arc<Self>, run: &Arc<RunCell>, facts: &mut Vec<Fact>) {
        let mut after = Afterwards::default();
        let mut shared = run.shared.lock();
        self.apply_all(run, &mut shared, self.ports.clock.now(), facts, &mut after);
        after.is_inline_ready = self.offer(&mut shared);
        drop(shared);
        self.go_on(run, after);
    }

    /// Hands in a thread's outcomes and takes calls, under one lock. The thread leaves the run if it gets none.
    pub(crate) fn exchange_share(self: &Arc<Self>, run: &Arc<RunCell>, share: Share<'_>) -> Afterwards {
        let mut after = Afterwards::default();
        let Share { outbox, chunk, now, spent_ns, is_first, is_last } = share;
        let mut shared = run.shared.lock();
        if is_first {
            let Shared { crew, inline, .. } = &mut *shared;
            crew.come(inline);
        }
        shared.crew.pace.note(spent_ns, outbox.len());
        // what was not begun goes back to the front, in order; taking it again skips what was cancelled
        shared.inline.put_back(chunk, |call| run.priority(call));
        self.apply_all(run, &mut shared, now, outbox, &mut after);
        if !is_last && !shared.is_over && !self.is_at_rest(&shared) {
            let fair = shared.inline.calls.len().div_ceil(self.threads).max(1);
            let worth = shared.crew.pace.steps_in(GRAIN_NS).min(CHUNK_MAX);
            let wanted = if shared.crew.pace.step_ns < CHEAP_NS { worth } else { fair.min(worth) };
            shared.take(run, LaneKind::Inline, wanted, chunk);
            if shared.careful.is_some() && self.record_begun(run, &mut shared, &mut after) {
                shared.take(run, LaneKind::Inline, wanted, chunk);
            }
        }
        // who is put away keeps its calls: threads that come for them would only get in each other's way
        let has_work = !shared.is_over && !self.is_at_rest(&shared);
        let Shared { crew, inline, .. } = &mut *shared;
        if chunk.is_empty() {
            crew.leave();
        }
        after.is_inline_ready = has_work && crew.is_help_wanted(inline, &self.inline_lane);
        if chunk.is_empty() {
            self.follow_seat(run, &mut shared);
        }
        after
    }

    /// Whether the run is to be put in the queue for another inline thread.
    pub(crate) fn offer(&self, shared: &mut Shared) -> bool {
        let has_work = !shared.is_over && !self.is_at_rest(shared);
        let Shared { crew, inline, .. } = shared;
        has_work && crew.is_help_wanted(inline, &self.inline_lane)
    }

    /// Hands in what a thread that sits in a slow body holds back, so that others can go on with it.
    pub(crate) fn relieve(
        self: &Arc<Self>,
        run: &Arc<RunCell>,
        facts: &mut Vec<Fact>,
        chunk: &mut VecDeque<CallCommand>,
    ) {
        let mut after = Afterwards::default();
        let mut shared = run.shared.lock();
        shared.inline.put_back(chunk, |call| run.priority(call));
        self.apply_all(run, &mut shared, self.ports.clock.now(), facts, &mut after);
        after.is_inline_ready = shared.inline.queue();
        drop(shared);
        self.go_on(run, after);
    }

    /// Takes a call that is to be made on the pool.
    pub(crate) fn take_blocking(self: &Arc<Self>, run: &Arc<RunCell>) -> Option<CallCommand> {
        let mut taken = VecDeque::new();
        let mut shared = run.shared.lock();
        shared.blocking.is_queued = false;
        let mut after = Afterwards::default();
        if !self.is_at_rest(&shared) {
            shared.take(run, LaneKind::Blocking, 1, &mut taken);
            if shared.careful.is_some() && self.record_begun(run, &mut shared, &mut after) && taken.is_empty()
            {
                shared.take(run, LaneKind::Blocking, 1, &mut taken);
            }
            after.is_blocking_ready = shared.blocking.queue();
        }
        drop(shared);
        self.go_on(run, after);
        taken.pop_front()
    }

    /// Applies facts and tells those who watch.
    pub(crate) fn apply_all(
        self: &Arc<Self>,
        run: &Arc<RunCell>,
        shared: &mut Shared,
        now: Timestamp,
        facts: &mut Vec<Fact>,
        after: &mut Afterwards,
    ) {
        if let Some(limited) = &mut shared.limited {
            self.give_back(limited, facts, after);
        }
        if shared.is_over || shared.is_evicted || facts.is_empty() {
            return facts.clear();
        }
        if let Some(log) = &mut shared.log {
            log.note(now, facts);
        }
        if let Some(careful) = &mut shared.careful {
            careful.forget(facts);
        }
        self.tally.times.note(run, facts);
        let mut commands = std::mem::take(&mut shared.commands);
        let applied = catch_unwind(AssertUnwindSafe(|| {
            facts.drain(..).for_each(|fact| shared.state.apply(now, fact, &mut commands));
        }));
        match applied {
            Ok(()) => {
                self.write_down(run, shared, now, &commands);
                self.carry_out(run, shared, &mut commands, now, after);
                self.follow_pause(run, shared, after);
            }
            Err(panic) => {
                commands.clear();
                shared.break_down(&panic_text(&*panic));
                self.leave_doors(shared, |_| true, after);
                shared.timers.drain().for_each(|(_, (ticket, _))| self.timers.cancel(ticket));
                self.write_breakdown(run, shared, now);
            }
        }
        shared.commands = commands;
        crate::spans::log_records(run, shared);
        after.is_blocking_ready = shared.blocking.queue();
        after.has_ended = shared.is_over && shared.log.is_none();
        self.note_rest(run, shared);
        if shared.log.is_none() && run.watchers.load(Ordering::Relaxed) > 0 {
            run.changed.notify_all();
            run.changed_async.notify_waiters();
        }
    }

    /// Does what the exchange asked for; without the run's lock.
    pub(crate) fn go_on(self: &Arc<Self>, run: &Arc<RunCell>, after: Afterwards) {
        if after.is_inline_ready {
            self.inline_lane.push(run.clone());
        }
        if after.is_blocking_ready && self.blocking_lane.push(run.clone()) {
            self.grow_pool();
        }
        for (call, method) in after.told {
            method.cancelled(&call);
        }
        if !after.cancelled.is_empty() {
            self.settle_unbegun(run, &after.cancelled);
        }
        if after.has_ended {
            self.run_ended(run);
        }
        if !after.granted.is_empty() {
            self.deliver(after.granted);
        }
    }

    /// Everything that the state machine asks for.
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
                    if let Some(log) = &mut shared.log
                        && self.must_wait(run, log, call.method, shared.blocked.is_some())
                    {
                        log.hold(Held::Call(call));
                        continue;
                    }
                    self.ready_call(run, shared, call, after);
                }
                Command::CancelCall(key) => self.cancel_call(run, shared, key, after),
                Command::Emit(emit) => self.run_errand(run, shared, Errand::Emit(emit)),
                Command::StartChild(child) => self.run_errand(run, shared, Errand::StartChild(child)),
                Command::CancelChild { run_id, mode } => {
                    self.run_errand(run, shared, Errand::CancelChild(run_id, mode));
                }
                Command::StandInLine => self.run_errand(run, shared, Errand::StandInLine),
                Command::StartTimer { id, at } => {
                    let ticket = self.set_run_timer(run, shared, (id, at), now);
                    shared.timers.insert(id, (ticket, at));
                }
                Command::CancelTimer(id) => {
                    let timer = shared.timers.remove(&id);
                    timer.into_iter().for_each(|(ticket, _)| self.timers.cancel(ticket));
                }
                Command::Continue(next) => self.run_errand(run, shared, Errand::Continue(next)),
                Command::Finish => {
                    self.leave_doors(shared, |_| true, after);
                    shared.timers.drain().for_each(|(_, (ticket, _))| self.timers.cancel(ticket));
                    // one that goes on as new is over when the next generation stands in its place
                    shared.is_over = !shared.state.is_continued();
                    if !shared.is_over {
                        self.errands.push(run, Errand::BeginNext);
                    }
                    if shared.log.as_ref().is_some_and(|log| log.owes) {
                        self.run_errand(run, shared, Errand::SettleEnd);
                    }
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
        after.is_inline_ready = self.offer(&mut shared);
        after.is_blocking_ready = shared.blocking.queue();
        after.has_ended = shared.is_over && shared.log.is_none();
        self.note_rest(run, &mut shared);
        drop(shared);
        self.go_on(run, after);
    }

    /// Tells a call to stop. One that runs on a pool or answers by completion gets its grace; whether one of the
    /// inline lane has begun is found out once the run's lock is free.
    fn cancel_call(&self, run: &Arc<RunCell>, shared: &mut Shared, key: CallKey, after: &mut Afterwards) {
        if let Some(limited) = &mut shared.limited
            && self.leave_door(limited, key).is_some()
        {
            return after.cancelled.push(key);
        }
        let Some(running) = shared.running.get_mut(&key) else {
            run.cancel_epoch.fetch_add(1, Ordering::SeqCst);
            shared.dropped.insert(key);
            return after.cancelled.push(key);
        };
        running.call.cancelled.store(true, Ordering::Relaxed);
        after.told.push((Arc::clone(&running.call), Arc::clone(&running.method)));
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
            .map(|key| Fact::Outcome { key: *key, duration: Nanos::ZERO, outcome: Err(Box::new(failure())) })
            .collect();
        if !facts.is_empty() {
            self.exchange(run, &mut facts);
        }
    }

    /// A call of a run, without what differs from attempt to attempt.
    pub(crate) fn blank_call(&self, cancelled: Arc<AtomicBool>) -> Call {
        Call {
            parameters: Payload::null(),
            address: StepAddress::default(),
            attempt: 0,
            timeout: None,
            deadline: None,
            session: Arc::clone(&self.no_session),
            cancelled,
            pulse: None,
            traceparent: String::new(),
            lineage: None,
            nested: AtomicU32::new(0),
            listener: Arc::clone(&self.voice),
        }
    }

    /// Fills in what one attempt needs; the call stands in its run already. Done outside the run's lock.
    pub(crate) fn fill(
        &self,
        run: &RunCell,
        command: &CallCommand,
        started: Instant,
        call: &mut Call,
    ) -> Result<(), Failure> {
        call.address.set_step(|text| command.push_path(&run.plan, text));
        call.attempt = command.key.attempt;
        *call.nested.get_mut() = 0;
        call.timeout = command.timeout();
        call.deadline = call.timeout.and_then(|timeout| started.checked_add(timeout));
        if !(run.context.is_empty() && call.traceparent.is_empty()) {
            trace::child(&run.context, &crate::traces::attempt(command.key), &mut call.traceparent);
        }
        let session = RunState::session(&run.plan, command)?;
        // the usual one is shared by all threads: it is left where it stands
        if !(session.is_empty() && call.session.is_empty()) {
            call.session = session.into();
        }
        RunState::render(&run.plan, command, &*self.ports.secrets, &mut call.parameters)
    }

    /// A call of its own for an attempt.
    pub(crate) fn prepare(&self, run: &RunCell, command: &CallCommand) -> Result<Call, Failure> {
        let mut call = self.blank_call(Arc::default());
        call.address.set_run(&run.id);
        self.fill(run, command, crate::timers::now(), &mut call)?;
        call.pulse = Self::pulse(run, command.key);
        Ok(call)
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
        let (limit, silence) = (call.timeout.unwrap_or_default(), self.await_pulse(run, key, call));
        let (call, method, started) = (call.clone(), method.clone(), crate::timers::now());
        let running = Running { call, method, lane, started, limit, deadline, grace: None, silence };
        shared.running.insert(key, running);
        true
    }

    /// Reports what an entered call came to. False if it had been given up before.
    pub(crate) fn leave(
        self: &Arc<Self>,
        run: &Arc<RunCell>,
        (key, call, method): (CallKey, &Call, &dyn Method),
        duration: Duration,
        outcome: Outcome,
    ) -> bool {
        let running = run.shared.lock().running.remove(&key);
        let Some(running) = running else {
            method.returned(call);
            return false;
        };
        running.tickets().for_each(|ticket| self.timers.cancel(ticket));
        let duration = duration.into();
        let mut facts = vec![Fact::Outcome { key, duration, outcome: outcome.map_err(Box::new) }];
        self.exchange(run, &mut facts);
        true
    }

    /// Gives a call up: it is reported as failed now, and whatever it still does will not count.
    pub(crate) fn abandon(self: &Arc<Self>, run: &Arc<RunCell>, key: CallKey, failure: Failure) {
        let Some(running) = run.shared.lock().running.remove(&key) else { return };
        running.tickets().for_each(|ticket| self.timers.cancel(ticket));
        running.call.cancelled.store(true, Ordering::Relaxed);
        running.method.abandoned(&running.call);
        match running.lane {
            LaneKind::Blocking => self.leave_pool(),
            LaneKind::Inline => self.async_call_ended(),
        }
        let duration = crate::timers::now().saturating_duration_since(running.started).into();
        let mut facts = vec![Fact::Outcome { key, duration, outcome: Err(Box::new(failure)) }];
        self.exchange(run, &mut facts);
    }
}

/// So much later than now; some centuries from now if that is beyond what the clock can tell.
pub(crate) fn later(by: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(200 * 365 * 86_400);
    let now = crate::timers::now();
    now.checked_add(by.min(FAR)).unwrap_or(now)
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into())
}
