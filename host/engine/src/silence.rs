//! Calls that have to give signs of life (`heartbeat_timeout`): one that is silent for too long is given up.

use crate::engine::Inner;
use crate::run::RunCell;
use crate::timers::Due;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::ports::{Call, Pulse};
use jackfield_core::run::{CallKey, RunState};
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Inner {
    /// Signs of life of an attempt that begins now, if its step asks for them.
    pub(crate) fn pulse(run: &RunCell, key: CallKey) -> Option<Arc<Pulse>> {
        RunState::heartbeat_timeout(&run.plan, key).map(|limit| Arc::new(Pulse::new(limit, Instant::now())))
    }

    /// Sets the timer that looks for the next sign of life.
    pub(crate) fn await_pulse(
        &self,
        run: &Arc<RunCell>,
        key: CallKey,
        call: &Call,
    ) -> Option<crate::timers::Ticket> {
        let due = call.pulse.as_ref()?.due(Instant::now())?;
        Some(self.timers.set(due, Due::Silence(Arc::downgrade(run), key)))
    }

    /// An attempt could have been silent for too long: it is given up, or looked at again later.
    pub(crate) fn look_for_pulse(self: &Arc<Self>, run: &Arc<RunCell>, key: CallKey) {
        let mut shared = run.shared.lock();
        // a call that was told to stop has its grace, whatever it says
        let Some(running) = shared.running.get_mut(&key).filter(|running| running.grace.is_none()) else {
            return;
        };
        let Some(pulse) = running.call.pulse.clone() else { return };
        if is_silent(&pulse, Instant::now()) {
            drop(shared);
            return self.abandon(run, key, silent(pulse.limit()));
        }
        let call = Arc::clone(&running.call);
        running.silence = self.await_pulse(run, key, &call);
    }
}

/// Whether the last sign of life was too long ago.
pub(crate) fn is_silent(pulse: &Pulse, now: Instant) -> bool {
    pulse.due(now).is_some_and(|due| due <= now)
}

/// The failure of an attempt that was silent for too long.
pub(crate) fn silent(limit: Duration) -> Failure {
    let limit = jackfield_core::model::duration::display(limit);
    Failure::new(kind::TIMEOUT, format!("no heartbeat for {limit} (`heartbeat_timeout`)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_from_the_last_sign_of_life_and_not_while_a_call_waits() {
        let second = Duration::from_secs(1);
        let begun = Instant::now();
        let (later, pulse) = (begun + 10 * second, Pulse::new(second, begun));
        assert_eq!(pulse.due(later), Some(begun + second));
        pulse.wait();
        assert_eq!(pulse.due(later), Some(later + second));
        pulse.beat(begun + 3 * second);
        assert_eq!(pulse.due(later), Some(begun + 4 * second));
        assert_eq!(Pulse::new(Duration::MAX, begun).due(later), None);
    }
}
