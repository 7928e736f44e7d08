//! A queue of runs that have calls ready for one kind of thread. Runs take turns, so that a wide one starves nobody.

use crate::run::RunCell;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

#[derive(Default)]
struct State {
    runs: VecDeque<Arc<RunCell>>,
    sleepers: usize,
    is_stopped: bool,
}

#[derive(Default)]
pub(crate) struct Lane {
    state: Mutex<State>,
    more: Condvar,
}

/// What a thread that asked for work gets.
pub(crate) enum Next {
    Run(Arc<RunCell>),
    /// Nothing came within the time it was willing to wait.
    Idle,
    Stopped,
}

impl Lane {
    /// Puts a run at the end of the queue and wakes a thread for it. Returns whether more runs wait than threads do.
    pub(crate) fn push(&self, run: Arc<RunCell>) -> bool {
        let mut state = self.state.lock();
        state.runs.push_back(run);
        let is_short = state.runs.len() > state.sleepers;
        let has_sleeper = state.sleepers > 0;
        drop(state);
        if has_sleeper {
            self.more.notify_one();
        }
        is_short
    }

    /// Whether runs wait for a thread.
    pub(crate) fn has_runs(&self) -> bool {
        !self.state.lock().runs.is_empty()
    }

    /// Takes the run whose turn it is; waits at most `patience` for one (for ever if `None`).
    pub(crate) fn next(&self, patience: Option<Duration>) -> Next {
        let mut state = self.state.lock();
        loop {
            if let Some(run) = state.runs.pop_front() {
                return Next::Run(run);
            }
            if state.is_stopped {
                return Next::Stopped;
            }
            state.sleepers += 1;
            let is_late = match patience {
                None => {
                    self.more.wait(&mut state);
                    false
                }
                Some(patience) => self.more.wait_for(&mut state, patience).timed_out(),
            };
            state.sleepers -= 1;
            if is_late && state.runs.is_empty() && !state.is_stopped {
                return Next::Idle;
            }
        }
    }

    pub(crate) fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.more.notify_all();
    }
}
