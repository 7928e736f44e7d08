//! How many sessions may have an interpreter at the same time.

use jackfield_plugin_api::{Context, Error};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The limit, and who is within it.
#[derive(Debug)]
pub(crate) struct Seats {
    max: usize,
    taken: Mutex<usize>,
    freed: Condvar,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
}

impl Seats {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: Mutex::new(0), freed: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// `python.at_capacity` once `patience` is over, `cancelled`.
    pub(crate) fn take(self: &Arc<Self>, ctx: &Context, patience: Duration) -> Result<Seat, Error> {
        let until = Instant::now() + patience;
        let seats = Arc::clone(self);
        let _told = ctx.on_cancel(move || {
            drop(seats.lock());
            seats.freed.notify_all();
        });
        let mut taken = self.lock();
        while *taken >= self.max {
            if ctx.is_cancelled() {
                return Err(Error::cancelled());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let message = format!(
                    "at capacity: {} sessions have an interpreter, which is as many as `sessions_max` allows, and none became free \
                     within {} ms. Close one, or allow more",
                    self.max,
                    patience.as_millis()
                );
                return Err(Error::new("python.at_capacity", message));
            }
            taken = self.freed.wait_timeout(taken, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *taken += 1;
        Ok(Seat { seats: Arc::clone(self) })
    }

    pub(crate) fn taken(&self) -> usize {
        *self.lock()
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        *self.seats.lock() -= 1;
        // one of those who wait may have been cancelled, so all are told
        self.seats.freed.notify_all();
    }
}
