//! Tests that look at the clock, and a clock that tests set.

use jackfield::{Clock, Timestamp};
use std::sync::Mutex;
use std::time::Duration;

/// A clock that stands still until it is put forward. Its host is to be told: [`jackfield::Host::clock_changed`].
#[derive(Debug)]
pub struct SetClock(Mutex<Timestamp>);

impl SetClock {
    /// A clock that stands at this time, RFC 3339.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn at(time: &str) -> Self {
        Self(Mutex::new(Timestamp::from_rfc3339(time).expect("it is a time")))
    }

    /// Puts it forward.
    ///
    /// # Panics
    /// Never: nobody panics with it in hand.
    pub fn put_forward(&self, by: Duration) {
        let mut now = self.0.lock().expect("nobody panics with it");
        *now = now.after(by);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("nobody panics with it")
    }
}

/// Runs a test that holds something against the clock, again if it fails: a machine that is busy with other things
/// makes it late now and then, a defect every time. Five tries.
pub fn in_time(test: impl Fn()) {
    for _ in 1..5 {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(&test)).is_ok() {
            return;
        }
    }
    test();
}
