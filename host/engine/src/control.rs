//! What callers want of a run besides its end: pausing it and letting it go on.

use crate::engine::{Engine, Inner};
use crate::error::EngineError;
use crate::handle::RunHandle;
use crate::perform::Afterwards;
use crate::run::{RunCell, Shared};
use jackfield_core::run::{Fact, RunStatus};
use std::sync::Arc;

impl Inner {
    /// Hands in a fact to the present generation of a run if it, as it stands at that moment, admits that.
    pub(crate) fn exchange_if(
        self: &Arc<Self>,
        run: &Arc<RunCell>,
        fact: Fact,
        admits: impl FnOnce(&Shared) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let run = self.exchange_latest(run, fact, admits)?;
        self.wait_written(&run);
        Ok(())
    }

    /// The same without waiting until it lasts; the generation that took it.
    pub(crate) fn exchange_latest(
        self: &Arc<Self>,
        run: &Arc<RunCell>,
        fact: Fact,
        admits: impl FnOnce(&Shared) -> Result<(), EngineError>,
    ) -> Result<Arc<RunCell>, EngineError> {
        let latest = |run: &Arc<RunCell>| self.latest(run);
        let (run, after) = self.exchange_quietly(run, latest, fact, admits)?;
        self.go_on(&run, after);
        Ok(run)
    }

    /// The same, and what it asks for is still to be done. `latest` finds the present generation.
    pub(crate) fn exchange_quietly(
        self: &Arc<Self>,
        run: &Arc<RunCell>,
        latest: impl Fn(&Arc<RunCell>) -> Arc<RunCell>,
        fact: Fact,
        admits: impl FnOnce(&Shared) -> Result<(), EngineError>,
    ) -> Result<(Arc<RunCell>, Afterwards), EngineError> {
        let mut run = run.clone();
        let mut after = Afterwards::default();
        let mut shared = run.shared.lock();
        while shared.is_replaced() {
            drop(shared);
            let next = latest(&run);
            if Arc::ptr_eq(&next, &run) {
                let id = run.id.to_string();
                return Err(EngineError::RunEnded { id, status: RunStatus::Continued });
            }
            run = next;
            shared = run.shared.lock();
        }
        if shared.is_evicted {
            return Err(EngineError::ShuttingDown);
        }
        if shared.is_over {
            return Err(EngineError::RunEnded { id: run.id.to_string(), status: shared.status() });
        }
        admits(&shared)?;
        self.apply_all(&run, &mut shared, self.ports.clock.now(), &mut vec![fact], &mut after);
        after.is_inline_ready = self.offer(&mut shared);
        drop(shared);
        Ok((run, after))
    }
}

impl RunHandle {
    /// Lets no more steps start until the run is resumed; those under way end as they would. Limits on them and on the
    /// run count on; timers that come due meanwhile fire when the run goes on. Twice is the same as once.
    ///
    /// # Errors
    /// [`EngineError::RunEnded`], or [`EngineError::RunStopping`] if what is left of the run is clean-up.
    pub fn pause(&self, reason: &str) -> Result<(), EngineError> {
        self.inner.exchange_if(&self.run, Fact::Pause { reason: reason.into() }, |shared| {
            let is_stopping = shared.state.is_ending();
            if is_stopping { Err(EngineError::RunStopping(self.run.id.to_string())) } else { Ok(()) }
        })
    }

    /// Lets a paused run go on. Nothing happens if it is not paused.
    ///
    /// # Errors
    /// [`EngineError::RunEnded`]
    pub fn resume(&self) -> Result<(), EngineError> {
        self.inner.exchange_if(&self.run, Fact::Resume, |_| Ok(()))
    }
}

impl Engine {
    /// As [`RunHandle::pause`], by the id of the run.
    ///
    /// # Errors
    /// [`EngineError::RunNotFound`], and those of [`RunHandle::pause`].
    pub fn pause(&self, run_id: &str, reason: &str) -> Result<(), EngineError> {
        known(self, run_id)?.pause(reason)
    }

    /// As [`RunHandle::resume`], by the id of the run.
    ///
    /// # Errors
    /// [`EngineError::RunNotFound`], [`EngineError::RunEnded`]
    pub fn resume(&self, run_id: &str) -> Result<(), EngineError> {
        known(self, run_id)?.resume()
    }
}

/// The run of this id.
pub(crate) fn known(engine: &Engine, run_id: &str) -> Result<RunHandle, EngineError> {
    engine.get(run_id)
}
