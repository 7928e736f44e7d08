//! State that goes over between the workers of two versions of a plugin (`jf.state/1`): one worker of the older version hands it
//! over, every worker of the newer one begins with it, and if the first cannot, nothing comes of the newer one.

use super::heard::Ended;
use super::{Pool, PoolSetup, State};
use crate::handover::{SavedState, too_large};
use crate::instances::reason;
use crate::method::MethodFacts;
use crate::worker::answer::Answer;
use crate::worker::crash::Crash;
use crate::worker::seats::{Asked, AskedFor, Handed, Phase, Seat};
use crate::worker::talk::Worker;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::model::duration;
use jackfield_plugin_api::worker::{BrokenFrame, Kind};
use parking_lot::MutexGuard;
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Instant;

/// What is told whether the first worker takes the state.
pub(crate) type Trial = Arc<Answer<Handed<bool>>>;

impl State {
    /// Tells whoever waits how the first worker fared with the state. A pool whose first worker did not do it is of no use.
    pub(super) fn end_trial(&mut self, end: Handed<bool>) {
        let Some(trial) = self.trial.take() else { return };
        if let Err(reason) = &end {
            self.closed.get_or_insert_with(|| Failure::new(kind::PLUGIN_UNAVAILABLE, reason.clone()));
        }
        trial.give(end);
    }

    /// A worker is gone. If that was while it took the state, those after it begin without.
    pub(super) fn worker_gone(&mut self, phase: Phase, crash: &Crash<'_>) {
        self.end_trial(Err(format!("its worker {}", crash.what())));
        if phase == Phase::Restoring {
            self.disinherit(crash.plugin, &crash.what());
        }
    }

    fn disinherit(&mut self, plugin: &str, reason: &str) {
        if self.inherited.take().is_some() && self.closed.is_none() {
            tracing::warn!(
                plugin,
                reason,
                "a worker did not take the state of the older version, as others had; those after it begin without"
            );
        }
    }

    /// The worker whose state goes over: of those that can be called the one that has had the most calls.
    fn best_to_ask(&mut self) -> Option<&mut Seat> {
        let can_answer = |seat: &&mut Seat| {
            seat.phase == Phase::Ready || (seat.phase == Phase::Leaving && !seat.calls.is_empty())
        };
        let seats = self.seats.all.values_mut().filter(can_answer);
        seats.max_by_key(|seat| (seat.takes_calls(), seat.served, Reverse(seat.worker.id)))
    }
}

impl Pool {
    /// A pool whose workers begin with the state of another version. It has one at once, and tells how that fares.
    pub(crate) fn beginning_with(
        setup: PoolSetup,
        methods: &[Arc<MethodFacts>],
        saved: SavedState,
    ) -> (Arc<Self>, Trial) {
        let trial = Trial::default();
        (Self::make(setup, methods, Some((saved, Arc::clone(&trial)))), trial)
    }

    /// Waits until the first worker has taken the state; false if the plugin takes none. A pool where that does not work is closed.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn end_of(&self, trial: &Answer<Handed<bool>>) -> Handed<bool> {
        // a worker that takes longer is ended; this is for a process that cannot even be started
        let patience = self.setup.limits.start_timeout + self.setup.limits.grace;
        let late = || Err(format!("no worker was there within {}", duration::display(patience)));
        let end = trial.take_until(Instant::now() + patience).unwrap_or_else(late);
        if end.is_err() {
            self.close();
        }
        end
    }

    /// The state of this version: that of the worker that has had the most calls, or, without any, that with which the next one
    /// would begin. `None` if it hands none over.
    pub(crate) fn save_state(&self) -> Option<Handed<SavedState>> {
        let answer = Arc::new(Answer::default());
        let (patience, plugin) = (self.setup.limits.start_timeout, &*self.setup.plugin);
        let mut state = self.state.lock();
        if state.closed.is_some() {
            return None;
        }
        let used = state.seats.all.values().filter(|seat| seat.served > 0).count();
        let id = state.seats.next_call();
        let Some(seat) = state.best_to_ask() else { return state.inherited.clone().map(Ok) };
        let worker = Arc::clone(&seat.worker);
        if !worker.features().state {
            tracing::warn!(
                plugin,
                "its worker program is older than its host and cannot be asked for its state"
            );
            return None;
        }
        if seat.asked.is_some() {
            return Some(Err("it has not answered since it was asked before".into()));
        }
        seat.asked = Some(Asked { id, what: AskedFor::Save(Arc::clone(&answer)) });
        drop(state);
        worker.tell(Kind::SaveState, id);
        let late = || Err(format!("it did not answer within {}", duration::display(patience)));
        let saved = answer.take_until(Instant::now() + patience).unwrap_or_else(late).transpose()?;
        if used > 1 && saved.is_ok() {
            tracing::warn!(plugin, workers = used, "of several workers the state of one goes over");
        }
        Some(saved.map(SavedState::from))
    }

    /// Has a worker that is open begin with the state of another version.
    pub(super) fn restore(
        &self,
        mut state: MutexGuard<'_, State>,
        worker: &Arc<Worker>,
        inherited: &SavedState,
    ) -> Result<(), BrokenFrame> {
        if !worker.features().state {
            // the others are of the same program
            state.inherited = None;
            state.end_trial(Ok(false));
            self.take_in(state, worker.id);
            return Ok(());
        }
        let id = state.seats.next_call();
        if let Some(seat) = state.seats.all.get_mut(&worker.id) {
            seat.phase = Phase::Restoring;
            seat.asked = Some(Asked { id, what: AskedFor::Restore });
        }
        drop(state);
        if let Err(too_long) = worker.send(Kind::RestoreState, id, inherited, None) {
            self.not_restored(self.state.lock(), worker.id, too_long.to_string());
        }
        Ok(())
    }

    /// A worker has answered something that is no call.
    ///
    /// # Errors
    /// If it was not asked that.
    pub(super) fn answered(
        &self,
        mut state: MutexGuard<'_, State>,
        worker: u64,
        id: u64,
        ended: Ended,
    ) -> Result<(), BrokenFrame> {
        let seat = state.seats.all.get_mut(&worker);
        let Some(Asked { what, .. }) = seat.and_then(|seat| seat.asked.take_if(|asked| asked.id == id))
        else {
            return Err(BrokenFrame::Body("it ends a call that it does not have"));
        };
        let said = match ended {
            Ended::Call(Ok(buffer)) => Ok(Some(buffer)),
            Ended::Call(Err(fault)) => Err(reason(&fault)),
            Ended::TooLarge(bytes) => Err(too_large(bytes, self.setup.hello.result_bytes_max)),
            Ended::NoState => Ok(None),
        };
        match (what, said) {
            (AskedFor::Save(answer), said) => {
                drop(state);
                answer.give(said.map(|buffer| Some(buffer?.as_bytes().to_vec())));
            }
            (AskedFor::Restore, Ok(taken)) => {
                if taken.is_none() {
                    state.inherited = None;
                }
                state.end_trial(Ok(taken.is_some()));
                self.take_in(state, worker);
            }
            (AskedFor::Restore, Err(reason)) => self.not_restored(state, worker, reason),
        }
        Ok(())
    }

    /// A worker that could not take the state is not called.
    fn not_restored(&self, mut state: MutexGuard<'_, State>, worker: u64, reason: String) {
        if let Some(seat) = state.seats.all.get_mut(&worker) {
            seat.phase = Phase::Leaving;
        }
        state.end_trial(Err(reason.clone()));
        state.disinherit(&self.setup.plugin, &reason);
        self.retire(&mut state, worker);
        self.move_on(state);
    }
}
