//! The end of a call, for a thread that waits for it.

use jackfield_core::ports::Outcome;
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Default)]
pub(crate) struct Answer {
    outcome: Mutex<Option<Outcome>>,
    is_there: AtomicBool,
    given: Condvar,
}

impl Answer {
    pub(crate) fn give(&self, outcome: Outcome) {
        *self.outcome.lock() = Some(outcome);
        self.is_there.store(true, Ordering::Release);
        self.given.notify_one();
    }

    pub(crate) fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Acquire)
    }

    /// Waits for it, and takes it.
    pub(crate) fn take(&self) -> Outcome {
        let mut outcome = self.outcome.lock();
        loop {
            match outcome.take() {
                Some(outcome) => return outcome,
                None => self.given.wait(&mut outcome),
            }
        }
    }
}
