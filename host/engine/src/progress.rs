//! The custom status of a run, and waiting for the next one.

use crate::handle::{RunHandle, Watching};
use crate::perform::later;
use jackfield_core::payload::Payload;
use std::time::Duration;

/// What steps have set by `status`.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomStatus {
    /// How often it has been set, over all generations of the run; 0 if never.
    pub version: u64,
    /// The value; null if there is none.
    pub value: Payload,
}

impl RunHandle {
    /// The custom status as it is now.
    #[must_use]
    pub fn custom_status(&self) -> CustomStatus {
        let cell = self.cell();
        let shared = cell.shared.lock();
        CustomStatus {
            version: shared.state.status_version(),
            value: shared.state.custom_status().cloned().unwrap_or_default(),
        }
    }

    /// Blocks until the custom status has been set since its version was `after`; the newest one. `None` if the run has
    /// ended without that, or if `timeout` has passed.
    #[must_use]
    pub fn wait_status(&self, after: u64, timeout: Duration) -> Option<CustomStatus> {
        let until = later(timeout);
        loop {
            let cell = self.cell();
            let _watching = Watching::new(&cell);
            let mut shared = cell.shared.lock();
            while shared.state.status_version() <= after && !shared.is_over {
                if cell.changed.wait_until(&mut shared, until).timed_out() {
                    break;
                }
            }
            let is_new = shared.state.status_version() > after;
            let is_over = shared.is_over;
            drop(shared);
            if is_new {
                return Some(self.custom_status());
            }
            if !is_over || self.cell_after(&cell).is_none() {
                return None;
            }
        }
    }
}
