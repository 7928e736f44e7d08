//! All timers of an engine in one ordered map, kept by one thread that sleeps until the first is due.

use crate::run::RunCell;
use jackfield_core::run::{CallKey, TimerId};
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// What time it is for timers; a simulation has a time of its own.
pub(crate) fn now() -> Instant {
    #[cfg(all(test, not(feature = "loom")))]
    if let Some(now) = crate::sim::now() {
        return now;
    }
    Instant::now()
}

/// What to do when time has come.
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Due {
    /// A timer of a run.
    Run(Weak<RunCell>, TimerId),
    /// An attempt has reached its deadline.
    Deadline(Weak<RunCell>, CallKey),
    /// An attempt could have been silent for too long.
    Silence(Weak<RunCell>, CallKey),
    /// An attempt that was told to stop has used up its grace.
    Grace(Weak<RunCell>, CallKey),
    /// A durable run may have waited long enough to leave memory; with how many batches it had come to rest.
    Rest(Weak<RunCell>, u64),
    /// Runs out of memory have timers that are due.
    Wake,
    /// More attempts that this key counts may begin.
    Rate(Arc<str>),
}

/// Names a timer, to take it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(Instant, u64);

#[derive(Default)]
struct State {
    due: BTreeMap<Ticket, Due>,
    count: u64,
    is_stopped: bool,
}

#[derive(Default)]
pub(crate) struct Timers {
    state: Mutex<State>,
    earlier: Condvar,
}

impl Timers {
    /// Timers that are set.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().due.len()
    }

    /// Sets a timer. It fires on the timer thread, never before `at`.
    pub(crate) fn set(&self, at: Instant, due: Due) -> Ticket {
        let mut state = self.state.lock();
        state.count += 1;
        let ticket = Ticket(at, state.count);
        let is_first = state.due.first_key_value().is_none_or(|(first, _)| ticket < *first);
        state.due.insert(ticket, due);
        drop(state);
        if is_first {
            self.earlier.notify_one();
        }
        ticket
    }

    /// Takes a timer that is due, if there is one.
    #[cfg(test)]
    pub(crate) fn try_next(&self) -> Option<Due> {
        let mut state = self.state.lock();
        let first = state.due.first_key_value().map(|(Ticket(at, _), _)| *at)?;
        if first > now() {
            return None;
        }
        state.due.pop_first().map(|(_, due)| due)
    }

    /// When the first timer is due.
    #[cfg(test)]
    pub(crate) fn first_due(&self) -> Option<Instant> {
        self.state.lock().due.first_key_value().map(|(Ticket(at, _), _)| *at)
    }

    /// Takes a timer back; nothing happens if it has fired.
    pub(crate) fn cancel(&self, ticket: Ticket) {
        self.state.lock().due.remove(&ticket);
    }

    /// Sleeps until a timer is due and takes it; `None` once stopped.
    pub(crate) fn next(&self) -> Option<Due> {
        let mut state = self.state.lock();
        loop {
            if state.is_stopped {
                return None;
            }
            match state.due.first_key_value().map(|(Ticket(at, _), _)| *at) {
                None => self.earlier.wait(&mut state),
                Some(at) if at <= now() => return state.due.pop_first().map(|(_, due)| due),
                Some(at) => _ = self.earlier.wait_until(&mut state, at),
            }
        }
    }

    pub(crate) fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.earlier.notify_all();
    }
}
