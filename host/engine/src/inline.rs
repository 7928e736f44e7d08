//! The engine's own threads: they make `inline` calls one after the other and start `async` ones.
//!
//! A thread's outcomes and the calls it has taken stand in its slot, under a lock that it never holds while a body
//! runs. So whatever a slow body would hold back can be handed in on its behalf, and if a body does not return by
//! its deadline the whole slot is taken over by a new thread.

use crate::engine::Inner;
use crate::lane::Next;
use crate::perform::{Take, panic_text};
use crate::run::{LaneKind, RunCell};
use jackfield_core::catalog::MethodKind;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::ports::{Call, Method, Outcome};
use jackfield_core::run::{CallCommand, CallKey, Fact};
use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Calls that a thread takes at a time at most, and outcomes that it holds back at most.
const CHUNK_MAX: usize = 64;
/// Longest time that an outcome is held back.
const HOLD_MAX: Duration = Duration::from_micros(4);
/// How long a thread stays with one run while others wait for a thread.
const TURN_MAX: Duration = Duration::from_micros(500);
/// How often the watchdog looks while threads are busy.
const WATCH_TICK: Duration = Duration::from_millis(2);

#[derive(Default)]
pub(crate) struct Slot {
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

struct Current {
    key: CallKey,
    started: Instant,
    deadline: Option<Instant>,
    call: Arc<Call>,
    method: Arc<dyn Method>,
    told: Option<Instant>,
}

/// What a thread does next.
enum Turn {
    Call(Box<CallCommand>),
    /// Hand in, take more.
    Exchange,
}

impl Inner {
    /// Body of an inline thread.
    pub(crate) fn inline_thread(self: Arc<Self>, slot: Arc<Slot>) {
        while let Next::Run(run) = self.inline_lane.next(None) {
            run.shared.lock().inline.is_queued = false;
            self.watch_begin();
            if !self.work(&run, &slot) {
                return;
            }
            self.watch_end();
        }
    }

    /// Works on one run while it has calls for this thread, until another run's turn has come. False if the thread
    /// was given up.
    fn work(self: &Arc<Self>, run: &Arc<RunCell>, slot: &Slot) -> bool {
        let mut flushed = Instant::now();
        let turn_ends = flushed + TURN_MAX;
        slot.local.lock().run = Some(run.clone());
        self.refill(run, slot, CHUNK_MAX);
        loop {
            match slot.turn(run, flushed, turn_ends) {
                Turn::Exchange => {
                    let is_over = Instant::now() >= turn_ends && self.inline_lane.has_runs();
                    if !self.refill(run, slot, if is_over { 0 } else { CHUNK_MAX }) {
                        slot.local.lock().run = None;
                        return true;
                    }
                    flushed = Instant::now();
                }
                Turn::Call(command) => {
                    if !self.make(run, slot, *command) {
                        return false;
                    }
                }
            }
        }
    }

    /// Hands in outcomes and takes up to `max` calls. False if there is nothing to do.
    fn refill(self: &Arc<Self>, run: &Arc<RunCell>, slot: &Slot, max: usize) -> bool {
        let (mut facts, mut chunk) = {
            let mut local = slot.local.lock();
            (std::mem::take(&mut local.outbox), std::mem::take(&mut local.chunk))
        };
        let epoch = run.cancel_epoch.load(Ordering::SeqCst);
        if !chunk.is_empty() {
            // What was not begun goes back to the front, in order; taking it again skips what was cancelled.
            let mut shared = run.shared.lock();
            while let Some(call) = chunk.pop_back() {
                shared.inline.calls.push_front(call);
            }
        }
        let take = Some(Take { lane: LaneKind::Inline, max }).filter(|_| max > 0);
        self.exchange(run, &mut facts, take.map(|take| (take, &mut chunk)));
        let mut local = slot.local.lock();
        local.epoch = epoch;
        local.outbox = facts;
        local.chunk = chunk;
        !local.chunk.is_empty()
    }

    /// Makes one call. False if it was given up meanwhile, and this thread with it.
    fn make(self: &Arc<Self>, run: &Arc<RunCell>, slot: &Slot, command: CallCommand) -> bool {
        let key = command.key;
        let method = run.methods[command.method.0 as usize].clone();
        if method.kind() != MethodKind::Inline {
            self.start_async(run, command);
            return true;
        }
        let started = Instant::now();
        let call = match self.prepare(run, &command) {
            Ok(call) => Arc::new(call),
            Err(failure) => {
                slot.finish(key, started, Err(failure));
                return true;
            }
        };
        let _span = crate::spans::attempt(run, &call);
        if !slot.begin(run, key, started, &call, &method) {
            // Cancelled between taking and beginning.
            let failure = Failure::new(kind::CANCELLED, "cancelled before it started");
            slot.finish(key, started, Err(failure));
            return true;
        }
        let outcome = guarded(&*method, &call);
        let goes_on = slot.finish(key, started, outcome);
        if !goes_on {
            method.returned(&call);
        }
        goes_on
    }

    /// Tells inline calls of `run` to stop; returns those of `keys` that a thread is in right now.
    pub(crate) fn cancel_inline(&self, run: &Arc<RunCell>, keys: &[CallKey]) -> HashSet<CallKey> {
        let slots = self.slots.lock().clone();
        let mut begun = HashSet::new();
        for slot in slots {
            let mut local = slot.local.lock();
            let is_same = local.run.as_ref().is_some_and(|own| Arc::ptr_eq(own, run));
            let Some(current) = local.current.as_mut().filter(|_| is_same) else { continue };
            if keys.contains(&current.key) {
                current.call.cancelled.store(true, Ordering::Relaxed);
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
        for slot in slots {
            let now = Instant::now();
            let mut local = slot.local.lock();
            let Some(run) = local.run.clone() else { continue };
            let grace = self.config.cancel_grace;
            let verdict = local.current.as_ref().and_then(|current| current.verdict(now, grace));
            let is_slow = local.current.as_ref().is_some_and(|current| now - current.started > WATCH_TICK);
            if !is_slow {
                continue;
            }
            let mut facts = std::mem::take(&mut local.outbox);
            let mut chunk = std::mem::take(&mut local.chunk);
            let lost = verdict.and_then(|failure| Some((local.current.take()?, failure)));
            local.is_lost = lost.is_some();
            drop(local);
            if let Some((current, failure)) = lost {
                current.call.cancelled.store(true, Ordering::Relaxed);
                current.method.abandoned(&current.call);
                let duration = now - current.started;
                facts.push(Fact::Outcome { key: current.key, duration, outcome: Err(Box::new(failure)) });
                self.slots.lock().retain(|other| !Arc::ptr_eq(other, &slot));
                self.watch_end();
                self.add_inline_thread();
            }
            if facts.is_empty() && chunk.is_empty() {
                continue;
            }
            let mut shared = run.shared.lock();
            while let Some(call) = chunk.pop_back() {
                shared.inline.calls.push_front(call);
            }
            drop(shared);
            self.exchange(&run, &mut facts, None);
        }
    }

    /// Body of the watchdog thread; it sleeps while nothing runs.
    pub(crate) fn watchdog(self: Arc<Self>) {
        loop {
            let mut watch = self.watch.lock();
            while watch.busy == 0 && !watch.is_stopped {
                self.watch_wake.wait(&mut watch);
            }
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
        if watch.busy == 1 {
            self.watch_wake.notify_one();
        }
    }

    fn watch_end(&self) {
        self.watch.lock().busy -= 1;
    }
}

impl Current {
    /// Why the call is to be given up, if it is.
    fn verdict(&self, now: Instant, grace: Duration) -> Option<Failure> {
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Some(timed_out(self.call.timeout.unwrap_or_default()));
        }
        let told = self.told?;
        (now - told > grace)
            .then(|| Failure::new(kind::CANCELLED, "cancelled; it did not stop within its grace"))
    }
}

impl Slot {
    /// The next call of the chunk, unless it is time to hand in.
    fn turn(&self, run: &RunCell, flushed: Instant, turn_ends: Instant) -> Turn {
        let mut local = self.local.lock();
        let now = Instant::now();
        let is_late = !local.outbox.is_empty() && (now - flushed > HOLD_MAX || now >= turn_ends);
        let is_stale = local.epoch != run.cancel_epoch.load(Ordering::SeqCst);
        if is_late || is_stale || local.outbox.len() >= CHUNK_MAX {
            return Turn::Exchange;
        }
        local.chunk.pop_front().map_or(Turn::Exchange, |call| Turn::Call(Box::new(call)))
    }

    fn begin(
        &self,
        run: &RunCell,
        key: CallKey,
        started: Instant,
        call: &Arc<Call>,
        method: &Arc<dyn Method>,
    ) -> bool {
        let mut local = self.local.lock();
        if local.epoch != run.cancel_epoch.load(Ordering::SeqCst) && run.shared.lock().dropped.contains(&key)
        {
            return false;
        }
        let (call, method) = (call.clone(), method.clone());
        local.current = Some(Current { key, started, deadline: call.deadline, call, method, told: None });
        true
    }

    /// Keeps an outcome for the next exchange. False if the slot was taken over.
    fn finish(&self, key: CallKey, started: Instant, outcome: Outcome) -> bool {
        let mut local = self.local.lock();
        if local.is_lost {
            return false;
        }
        local.current = None;
        local.outbox.push(Fact::Outcome {
            key,
            duration: started.elapsed(),
            outcome: outcome.map_err(Box::new),
        });
        true
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
