//! One call at a time: for methods that say `serial`.

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::time::Instant;

type Job = Box<dyn FnOnce() + Send>;

/// Lets one call through; threads wait, asynchronous calls queue up.
#[derive(Default)]
pub(crate) struct Serial {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    is_busy: bool,
    queue: VecDeque<Job>,
    /// A thread is inside a job that it began. Whoever leaves meanwhile lets it begin the next one, so that jobs which
    /// end at once do not pile up on the stack.
    is_beginning: bool,
    has_left: bool,
}

/// The right to be the one call; given back when dropped.
pub(crate) struct Turn<'a>(&'a Serial);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Serial {
    /// Waits for the turn of this thread; `None` if it did not come before `deadline`.
    pub(crate) fn enter(&self, deadline: Option<Instant>) -> Option<Turn<'_>> {
        let mut state = self.state.lock();
        while state.is_busy {
            match deadline {
                None => self.freed.wait(&mut state),
                Some(deadline) => {
                    if self.freed.wait_until(&mut state, deadline).timed_out() && state.is_busy {
                        return None;
                    }
                }
            }
        }
        state.is_busy = true;
        Some(Turn(self))
    }

    /// Runs `job` at its turn: now, or when those before it have left. The job's end must call [`Serial::leave`].
    pub(crate) fn enqueue(&self, job: Job) {
        let mut state = self.state.lock();
        if state.is_busy {
            state.queue.push_back(job);
            return;
        }
        state.is_busy = true;
        self.run(state, job);
    }

    /// Ends a turn and lets the next one in.
    pub(crate) fn leave(&self) {
        let mut state = self.state.lock();
        if state.is_beginning {
            state.has_left = true;
            return;
        }
        match state.queue.pop_front() {
            Some(job) => self.run(state, job),
            None => self.free(state),
        }
    }

    fn run<'a>(&'a self, mut state: MutexGuard<'a, State>, mut job: Job) {
        loop {
            (state.is_beginning, state.has_left) = (true, false);
            MutexGuard::unlocked(&mut state, job);
            state.is_beginning = false;
            if !state.has_left {
                return;
            }
            match state.queue.pop_front() {
                Some(next) => job = next,
                None => return self.free(state),
            }
        }
    }

    fn free(&self, mut state: MutexGuard<'_, State>) {
        state.is_busy = false;
        drop(state);
        self.freed.notify_one();
    }
}
