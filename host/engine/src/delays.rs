//! Runs whose time has not come. Other timers count time that passes; the start of a delayed run is a time of the clock, as those
//! of schedules are.

use crate::engine::Inner;
use crate::handle::RunHandle;
use crate::perform::later;
use crate::run::{RunCell, Shared};
use crate::timers::{Due, Ticket};
use jackfield_core::run::{CancelMode, Fact, TimerId};
use jackfield_core::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// The clock is looked at this often at least: it may have been set, or the machine have slept.
const LOOK_EVERY: Duration = Duration::from_secs(60);

impl Inner {
    /// Sets a timer of a run that is due at `at`.
    pub(crate) fn set_run_timer(
        &self,
        run: &Arc<RunCell>,
        shared: &Shared,
        (id, at): (TimerId, Timestamp),
        now: Timestamp,
    ) -> Ticket {
        let longest = if shared.state.is_delayed() { LOOK_EVERY } else { Duration::MAX };
        self.timers.set(later(at.since(now).min(longest)), Due::Run(Arc::downgrade(run), id))
    }

    /// A timer of a run has gone off.
    pub(crate) fn run_timer_due(self: &Arc<Self>, run: &Arc<RunCell>, id: TimerId) {
        {
            let mut shared = run.shared.lock();
            let timer = shared.timers.remove(&id);
            let now = self.ports.clock.now();
            let early = timer.map(|(_, at)| at).filter(|at| shared.state.is_delayed() && now < *at);
            if let Some(at) = early {
                let ticket = self.set_run_timer(run, &shared, (id, at), now);
                shared.timers.insert(id, (ticket, at));
                return;
            }
        }
        self.exchange(run, &mut vec![Fact::Timer(id)]);
    }

    /// The clock may have been set: runs begin whose time has come by that.
    pub(crate) fn look_at_delayed(self: &Arc<Self>) {
        if self.check_writable().is_err() {
            return;
        }
        for run in self.open_runs() {
            let timer = {
                let shared = run.shared.lock();
                let is_delayed = shared.state.is_delayed() && !shared.is_evicted;
                let timer = shared.timers.iter().next().filter(|_| is_delayed);
                timer.map(|(id, (ticket, _))| (*id, *ticket))
            };
            if let Some((id, ticket)) = timer {
                self.timers.cancel(ticket);
                self.run_timer_due(&run, id);
            }
        }
        self.wake_sleepers();
    }

    /// Runs that are lost with the engine are not waited for if their time has not come.
    pub(crate) fn cancel_delayed(self: &Arc<Self>) {
        let is_delayed = |run: &Arc<RunCell>| run.shared.lock().state.is_delayed();
        for run in self.open_runs().into_iter().filter(is_delayed) {
            let handle = RunHandle { inner: self.clone(), run };
            handle.cancel(CancelMode::Kill, "the host is shutting down");
        }
    }
}
