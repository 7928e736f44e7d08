//! The clock of the machine.

use jackfield_core::ports::Clock;
use jackfield_core::time::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Wall time as the system has it.
#[derive(Debug, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // a clock before 1970 is not set at all; zero is as good as any other time then
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::default().after(since_epoch)
    }
}
