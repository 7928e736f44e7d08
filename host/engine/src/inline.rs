//! The engine's own threads: they make `inline` calls one after the other and start `async` ones.
//!
//! A thread's outcomes and the calls it has taken stand in its slot, under a lock that it never holds while a body
//! runs. So whatever a slow body would hold back can be handed in on its behalf, and if a body does not return by
//! its deadline the whole slot is taken over by a new thread.

use crate::engine::Inner;
use crate::lane::Next;
use crate::limits::Begin;
use crate::perform::{CHUNK_MAX, GRAIN_NS, Share, panic_text};
use crate::run::RunCell;
use crate::silence::{is_silent, silent};
use jackfield_core::catalog::MethodKind;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::payload::Payload;
use jackfield_core::plan::MethodIx;
use jackfield_core::ports::{Call, Method, Outcome, Pulse};
use jackfield_core::run::{CallCommand, CallKey, Fact};
use jackfield_core::time::{Nanos, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a thread stays with one run while others wait for a thread.
const TURN_NS: u64 = 500_000;
/// The wall clock is asked again after so long; in between, times are counted from its last answer.
const WALL_AGE_NS_MAX: u64 = 1_000_000;
/// An exchange of so few outcomes takes less time than it takes to look at the clock a few times.
const SHORT_EXCHANGE: usize = 4;
/// How often the watchdog looks while threads are busy.
const WATCH_TICK: Duration = Duration::from_millis(2);
/// So many looks in a row without a busy thread, and the watchdog sleeps until there is one.
const IDLE_LOOKS_MAX: u32 = 50;

/// A thread's place. The thread holds its lock except while a body runs.
#[derive(Default)]
pub(crate) struct Slot {
    /// Address of the run that the thread works on, to be compared without the lock; 0 if there is none.
    at_work_on: AtomicUsize,
    /// Tells the body that runs to stop.
    cancelled: Arc<AtomicBool>,
    local: Mutex<Local>,
}

#[derive(Default)]
struct Local {
    run: Option<Arc<RunCell>>,
    epoch: u64,
    chunk: VecDeque<CallCommand>,
    outbox: Vec<Fact>,
    current: Option<Current>,
    /// Another thread has taken over.
    is_lost: bool,
}

/// The body that runs.
struct Current {
    key: CallKey,
    method: MethodIx,
    started: Instant,
    timeout: Option<Duration>,
    told: Option<Instant>,
    pulse: Option<Arc<Pulse>>,
}

/// How a thread stands with the run that it works on.
struct Turn<'a> {
    run: &'a Arc<RunCell>,
    slot: &'a Slot,
    local: MutexGuard<'a, Local>,
    /// When the turn began; the times below are nanoseconds since then.
    begun: Instant,
    /// The clock is read once a step: the end of one is the start of the next.
    now: u64,
    exchanged: u64,
    /// When other runs get their turn; put off as long as there are none.
    ends: u64,
    /// Wall time at some time not long ago.
    wall: (u64, Timestamp),
}

impl Inner {
    /// Body of an inline thread.
    pub(crate) fn inline_thread(self: Arc<Self>, slot: Arc<Slot>) {
        let mut call = self.blank_call(slot.cancelled.clone());
        while let Next::Run(run) = self.inline_lane.next(None) {
            if !self.inline_turn(&run, &slot, &mut call) {
                return;
            }
        }
    }

    /// Serves a run whose turn it is. False if the thread was given up.
    pub(crate) fn inline_turn(self: &Arc<Self>, run: &Arc<RunCell>, slot: &Slot, call: &mut Call) -> bool {
        self.watch_begin();
        let is_kept = self.work(run, slot, call);
        if is_kept {
            self.watch_end();
        }
        is_kept
    }

    /// Works on one run while it has calls for this thread, until another run's turn has come. False if the thread
    /// was given up.
    fn work(self: &Arc<Self>, run: &Arc<RunCell>, slot: &Slot, call: &mut Call) -> bool {
        call.address.set_run(&run.id);
        slot.at_work_on.store(Arc::as_ptr(run).addr(), Ordering::SeqCst);
        let wall = (0, self.ports.clock.now());
        let local = slot.local.lock();
        let mut turn =
            Turn { run, slot, local, begun: crate::timers::now(), now: 0, exchanged: 0, ends: TURN_NS, wall };
        turn.local.run = Some(run.clone());
        let mut is_first = true;
        loop {
            if is_first || turn.is_due() {
                self.hand_over(&mut turn, std::mem::take(&mut is_first));
                if turn.local.chunk.is_empty() {
                    // an exchange that brings nothing takes this thread out of the run
                    turn.local.run = None;
                    call.parameters = Payload::null();
                    slot.at_work_on.store(0, Ordering::SeqCst);
                    return true;
                }
                continue;
            }
            let Some(command) = turn.local.chunk.pop_front() else { continue };
            if !self.make(&mut turn, call, command) {
                return false;
            }
        }
    }

    /// Hands in outcomes and takes calls.
    fn hand_over(self: &Arc<Self>, turn: &mut Turn<'_>, is_first: bool) {
        let is_over = turn.now >= turn.ends;
        let is_last = is_over && self.inline_lane.has_runs();
        if is_over {
            turn.ends = turn.now + TURN_NS;
        }
        if turn.now - turn.wall.0 > WALL_AGE_NS_MAX {
            turn.wall = (turn.now, self.ports.clock.now());
        }
        let epoch = turn.run.cancel_epoch.load(Ordering::SeqCst);
        let local = &mut *turn.local;
        let is_short = local.outbox.len() <= SHORT_EXCHANGE;
        let share = Share {
            outbox: &mut local.outbox,
            chunk: &mut local.chunk,
            now: Timestamp(turn.wall.1.0.saturating_add(turn.now - turn.wall.0)),
            spent_ns: turn.now - turn.exchanged,
            is_first,
            is_last,
        };
        let after = self.exchange_share(turn.run, share);
        local.epoch = epoch;
        let is_quiet = after.is_nothing();
        if !is_quiet {
            let run = turn.run;
            MutexGuard::unlocked(&mut turn.local, || self.go_on(run, after));
        }
        if !(is_short && is_quiet) {
            turn.read_clock();
        }
        turn.exchanged = turn.now;
    }

    /// Makes one call. False if it was given up meanwhile, and this thread with it.
    fn make(self: &Arc<Self>, turn: &mut Turn<'_>, call: &mut Call, command: CallCommand) -> bool {
        let (run, key, started_ns) = (turn.run, command.key, turn.now);
        if run.kind(command.method) != MethodKind::Inline {
            MutexGuard::unlocked(&mut turn.local, || self.start_async(run, command));
            turn.read_clock();
            return true;
        }
        if run.plan.has_limits {
            match self.begin_call(run, &command) {
                Begin::Now => {}
                Begin::Not(after) => {
                    MutexGuard::unlocked(&mut turn.local, || self.go_on(run, after));
                    return true;
                }
                Begin::Never(failure) => {
                    let outcome = Err(Box::new(failure));
                    turn.local.outbox.push(Fact::Outcome { key, duration: Nanos::ZERO, outcome });
                    return true;
                }
            }
        }
        let started = turn.begun + Duration::from_nanos(started_ns);
        let method = &**run.method(command.method);
        turn.slot.cancelled.store(false, Ordering::Relaxed);
        let (timeout, told) = (command.timeout(), None);
        call.pulse = Self::pulse(run, key);
        let pulse = call.pulse.clone();
        turn.local.current = Some(Current { key, method: command.method, started, timeout, told, pulse });
        let outcome = MutexGuard::unlocked(&mut turn.local, || {
            self.fill(run, &command, started, call)?;
            let _span = crate::spans::attempt(run, call);
            guarded(method, call)
        });
        turn.read_clock();
        if turn.local.is_lost {
            method.returned(call);
            return false;
        }
        turn.local.current = None;
        let duration = Nanos(turn.now - started_ns);
        let outcome = outcome.map_err(Box::new);
        turn.local.outbox.push(Fact::Outcome { key, duration, outcome });
        true
    }

    /// Tells inline calls of `run` to stop; returns those of `keys` that a thread is in right now.
    pub(crate) fn cancel_inline(&self, run: &Arc<RunCell>, keys: &[CallKey]) -> HashSet<CallKey> {
        let slots = self.slots.lock().clone();
        let mut begun = HashSet::new();
        for slot in slots {
            if slot.at_work_on.load(Ordering::SeqCst) != Arc::as_ptr(run).addr() {
                continue;
            }
            let mut local = slot.local.lock();
            let is_same = local.run.as_ref().is_some_and(|own| Arc::ptr_eq(own, run));
            let Some(current) = local.current.as_mut().filter(|_| is_same) else { continue };
            if keys.contains(&current.key) {
                slot.cancelled.store(true, Ordering::Relaxed);
                current.told.get_or_insert_with(Instant::now);
                begun.insert(current.key);
            }
        }
        begun
    }

    /// Looks after busy inline threads: hands in what slow bodies hold back, takes over from those that do not
    /// return in time.
    pub(crate) fn watch_slots(self: &Arc<Self>) {
        let slots = self.slots.lock().clone();
        for slot in slots.iter().filter(|slot| slot.at_work_on.load(Ordering::SeqCst) != 0) {
            let now = Instant::now();
            let mut local = slot.local.lock();
            let Some(run) = local.run.clone() else { continue };
            let Some(current) = &local.current else { continue };
            if now - current.started <= WATCH_TICK {
                continue;
            }
            let verdict = current.verdict(now, self.config.cancel_grace);
            let mut facts = std::mem::take(&mut local.outbox);
            let mut chunk = std::mem::take(&mut local.chunk);
            let lost = verdict.and_then(|failure| Some((local.current.take()?, failure)));
            local.is_lost = lost.is_some();
            if let Some((current, failure)) = lost {
                slot.cancelled.store(true, Ordering::Relaxed);
                let duration = (now - current.started).into();
                // under the slot's lock, so that the method hears of it before it hears that the call returned
                self.give_up(&run, slot, &current);
                facts.push(Fact::Outcome { key: current.key, duration, outcome: Err(Box::new(failure)) });
            }
            drop(local);
            self.relieve(&run, &mut facts, &mut chunk);
        }
    }

    /// A thread is stuck in a call: it is left to itself, and another one takes its place.
    fn give_up(self: &Arc<Self>, run: &Arc<RunCell>, slot: &Arc<Slot>, current: &Current) {
        let mut call = self.blank_call(slot.cancelled.clone());
        call.address.set_run(&run.id);
        let mut shared = run.shared.lock();
        shared.crew.workers -= 1;
        let path = shared.state.call_path(current.key);
        drop(shared);
        call.address.set_step(|text| text.push_str(&path));
        call.attempt = current.key.attempt;
        run.method(current.method).abandoned(&call);
        self.slots.lock().retain(|other| !Arc::ptr_eq(other, slot));
        self.watch_end();
        self.add_inline_thread();
    }

    /// Body of the watchdog thread; it sleeps while nothing runs.
    pub(crate) fn watchdog(self: Arc<Self>) {
        let mut idle_looks = 0;
        loop {
            let mut watch = self.watch.lock();
            idle_looks = if watch.busy == 0 { idle_looks + 1 } else { 0 };
            while idle_looks > IDLE_LOOKS_MAX && watch.busy == 0 && !watch.is_stopped {
                watch.is_asleep = true;
                self.watch_wake.wait(&mut watch);
            }
            watch.is_asleep = false;
            if watch.is_stopped {
                return;
            }
            self.watch_wake.wait_for(&mut watch, WATCH_TICK);
            drop(watch);
            self.watch_slots();
        }
    }

    fn watch_begin(&self) {
        let mut watch = self.watch.lock();
        watch.busy += 1;
        if watch.is_asleep {
            self.watch_wake.notify_one();
        }
    }

    fn watch_end(&self) {
        self.watch.lock().busy -= 1;
    }
}

impl Turn<'_> {
    fn read_clock(&mut self) {
        let spent = crate::timers::now().saturating_duration_since(self.begun);
        self.now = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
    }

    /// Whether outcomes are to be handed in, or calls to be taken, before anything else.
    fn is_due(&self) -> bool {
        let held = self.local.outbox.len();
        self.local.chunk.is_empty()
            || held >= CHUNK_MAX
            || held > 0 && (self.now - self.exchanged > GRAIN_NS || self.now >= self.ends)
            || self.local.epoch != self.run.cancel_epoch.load(Ordering::SeqCst)
    }
}

impl Current {
    /// Why the call is to be given up, if it is.
    fn verdict(&self, now: Instant, grace: Duration) -> Option<Failure> {
        if self.timeout.is_some_and(|timeout| now - self.started >= timeout) {
            return Some(timed_out(self.timeout.unwrap_or_default()));
        }
        let Some(told) = self.told else {
            let pulse = self.pulse.as_ref().filter(|pulse| is_silent(pulse, now))?;
            return Some(silent(pulse.limit()));
        };
        (now - told > grace)
            .then(|| Failure::new(kind::CANCELLED, "cancelled; it did not stop within its grace"))
    }
}

/// A call whose panic, should it come through, is a failure of the step and not of the thread.
pub(crate) fn guarded(method: &dyn Method, call: &Call) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| method.call(call))).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// The failure of a method that panicked.
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    Failure::new(kind::PLUGIN_PANIC, format!("the method panicked: {}", panic_text(panic)))
}

/// The failure of an attempt that reached its deadline.
pub(crate) fn timed_out(limit: Duration) -> Failure {
    let limit = jackfield_core::model::duration::display(limit);
    Failure::new(kind::TIMEOUT, format!("took longer than {limit}"))
}
