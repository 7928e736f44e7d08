//! How the workers of a pool stand.

use super::Pool;
use crate::standing::{WorkerStanding, Workers, memory_bytes};
use crate::worker::seats::{Phase, Seat};

impl Pool {
    /// A snapshot. The memory of the processes is read without holding anything up.
    pub(crate) fn standing(&self) -> Workers {
        let mut standing = {
            let state = self.state.lock();
            let limits = &self.setup.limits;
            let (crashes, recent_crashes) = state.restarts.crashes(limits.crash_window);
            Workers {
                workers: state.seats.all.values().map(of_seat).collect(),
                waiting: state.seats.waiting_count(),
                calls: state.seats.calls_ever,
                crashes,
                recent_crashes,
                crash_budget: limits.crash_budget,
            }
        };
        for worker in &mut standing.workers {
            worker.memory_bytes = memory_bytes(worker.pid);
        }
        standing
    }
}

fn of_seat(seat: &Seat) -> WorkerStanding {
    let phase = match seat.phase {
        Phase::Starting => "starting",
        Phase::Restoring => "restoring",
        Phase::Ready => "ready",
        Phase::Leaving => "leaving",
    };
    WorkerStanding {
        pid: seat.worker.process.pid,
        phase,
        in_flight: seat.calls.len(),
        calls: seat.served,
        memory_bytes: None,
    }
}
