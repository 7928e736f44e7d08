//! What one thread waits for and another one gives: the end of a call, or what becomes of state that goes over.

use jackfield_core::ports::Outcome;
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

pub(crate) struct Answer<T = Outcome> {
    given: Mutex<Option<T>>,
    is_there: AtomicBool,
    changed: Condvar,
}

impl<T> Default for Answer<T> {
    fn default() -> Self {
        Self { given: Mutex::new(None), is_there: AtomicBool::new(false), changed: Condvar::new() }
    }
}

impl<T> Answer<T> {
    pub(crate) fn give(&self, answer: T) {
        *self.given.lock() = Some(answer);
        self.is_there.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    pub(crate) fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Acquire)
    }

    /// Waits for it, and takes it.
    pub(crate) fn take(&self) -> T {
        let mut given = self.given.lock();
        loop {
            match given.take() {
                Some(answer) => return answer,
                None => self.changed.wait(&mut given),
            }
        }
    }

    /// The same; `None` if it is not there at that time.
    pub(crate) fn take_until(&self, until: Instant) -> Option<T> {
        let mut given = self.given.lock();
        loop {
            let answer = given.take();
            if answer.is_some() || self.changed.wait_until(&mut given, until).timed_out() {
                return answer.or_else(|| given.take());
            }
        }
    }
}
