//! Signs of life of one attempt (`heartbeat_timeout`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// In place of the last sign of life, of a call that has not come to its method yet.
const WAITING: u64 = u64::MAX;

/// When the method of one attempt last gave a sign of life. Shared by whoever hears of one and whoever looks for it.
///
/// While a call waits for its turn its method cannot say anything, and nothing counts as silence.
#[derive(Debug)]
pub struct Pulse {
    limit: Duration,
    begun: Instant,
    /// Nanoseconds since `begun`, or [`WAITING`].
    last_ns: AtomicU64,
}

impl Pulse {
    /// Of an attempt that begins at `begun` and may be silent for `limit` at most.
    #[must_use]
    pub fn new(limit: Duration, begun: Instant) -> Self {
        Self { limit, begun, last_ns: AtomicU64::new(0) }
    }

    /// Longest silence.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// There is a sign of life.
    pub fn beat(&self, now: Instant) {
        let since = now.saturating_duration_since(self.begun).as_nanos();
        let since = u64::try_from(since).unwrap_or(WAITING - 1);
        self.last_ns.store(since, Ordering::Relaxed);
    }

    /// The call waits for its turn, until the next [`Pulse::beat`].
    pub fn wait(&self) {
        self.last_ns.store(WAITING, Ordering::Relaxed);
    }

    /// When the method will have been silent for too long if it says nothing more; `None` if that is beyond what the clock
    /// can tell. Of a call that waits: the limit from `now`.
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<Instant> {
        match self.last_ns.load(Ordering::Relaxed) {
            WAITING => now.checked_add(self.limit),
            last => self.begun.checked_add(Duration::from_nanos(last))?.checked_add(self.limit),
        }
    }
}
