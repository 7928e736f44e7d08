//! Who makes a run's ready calls: how threads come to the run, hand calls back, leave it and ask for help.

use crate::lane::Lane;
use jackfield_core::line::Line;
use std::collections::VecDeque;

/// Steps that take less are not worth a second thread: handing them over costs more.
pub(crate) const CHEAP_NS: u64 = 150;
/// What waking a thread costs: it is woken when so much work has been left lying.
const WAKE_NS: u64 = 40_000;

/// Calls of one lane that nobody has taken.
pub(crate) struct Ready<C> {
    pub(crate) calls: Line<C>,
    /// The run stands in the lane's queue.
    pub(crate) is_queued: bool,
}

/// The inline threads of a run.
#[derive(Default)]
pub(crate) struct Crew {
    /// Threads that are at work on the run; each looks for calls once more before it leaves.
    pub(crate) workers: u32,
    pub(crate) pace: Pace,
}

/// How fast inline threads get on with a run, and what has been left lying meanwhile.
pub(crate) struct Pace {
    /// Time for one step, all that the engine does for it included: a moving mean.
    pub(crate) step_ns: u64,
    /// Work that was there for threads that slept.
    pub(crate) owed_ns: u64,
}

impl<C> Default for Ready<C> {
    fn default() -> Self {
        Self { calls: Line::default(), is_queued: false }
    }
}

impl<C> Ready<C> {
    /// Calls that are taken in the order of their coming, or by priority.
    pub(crate) fn new(is_ranked: bool) -> Self {
        Self { calls: Line::new(is_ranked), is_queued: false }
    }

    /// Puts what was taken and not begun back to the front, in order.
    pub(crate) fn put_back(&mut self, chunk: &mut VecDeque<C>, priority: impl Fn(&C) -> u8) {
        while let Some(call) = chunk.pop_back() {
            self.calls.push_front(call, &priority);
        }
    }

    /// Whether the run is to be put in the queue, because it has calls and does not stand there; from now on it
    /// counts as queued.
    pub(crate) fn queue(&mut self) -> bool {
        let is_new = !self.calls.is_empty() && !self.is_queued;
        self.is_queued |= is_new;
        is_new
    }
}

impl Crew {
    /// A thread has taken the run out of the queue and goes to work on it.
    pub(crate) fn come<C>(&mut self, ready: &mut Ready<C>) {
        self.workers += 1;
        ready.is_queued = false;
    }

    /// A worker has looked for calls and got none: it leaves.
    pub(crate) fn leave(&mut self) {
        self.workers -= 1;
    }

    /// Whether the run is to be put in the queue for another thread; from then on it counts as queued. Without a
    /// worker it is as soon as there is a call, otherwise if that is worth its cost.
    pub(crate) fn is_help_wanted<C, R>(&mut self, ready: &mut Ready<C>, lane: &Lane<R>) -> bool {
        if ready.calls.is_empty() || ready.is_queued {
            return false;
        }
        let Self { pace, workers } = self;
        let is_worth_it = if *workers == 0 || lane.has_spinner() {
            *workers == 0 || pace.step_ns >= CHEAP_NS
        } else if lane.has_sleeper() {
            if pace.step_ns >= CHEAP_NS {
                let lying = (ready.calls.len() as u64).saturating_mul(pace.step_ns);
                pace.owed_ns = pace.owed_ns.saturating_add(lying);
            }
            pace.owed_ns >= WAKE_NS
        } else {
            pace.step_ns >= CHEAP_NS
        };
        if is_worth_it {
            pace.owed_ns = 0;
            ready.is_queued = true;
        }
        is_worth_it
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self { step_ns: 1_000, owed_ns: 0 }
    }
}

impl Pace {
    /// So many steps took so long.
    pub(crate) fn note(&mut self, spent_ns: u64, steps: usize) {
        if let Some(each) = spent_ns.checked_div(steps as u64) {
            self.step_ns = (self.step_ns.saturating_mul(3).saturating_add(each)) / 4;
        }
    }

    /// So many steps of the present kind fill such a time; at least one.
    pub(crate) fn steps_in(&self, time_ns: u64) -> usize {
        usize::try_from(time_ns / self.step_ns.max(1)).unwrap_or(usize::MAX).max(1)
    }
}
