//! What a pause means for calls that are ready: nobody takes them until the run goes on. Those that a thread has begun
//! end as they would.

use crate::run::{LaneKind, RunCell, Shared};
use jackfield_core::run::CallCommand;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;

/// Calls that a pause keeps from being taken.
#[derive(Default)]
pub(crate) struct Parked {
    is_paused: bool,
    inline: VecDeque<CallCommand>,
    blocking: VecDeque<CallCommand>,
}

impl Shared {
    /// Parks calls if the run has been paused, and lets them go again if it has been resumed or ends.
    pub(crate) fn follow_pause(&mut self, run: &RunCell) {
        let is_paused = self.state.is_paused();
        if std::mem::replace(&mut self.parked.is_paused, is_paused) == is_paused {
            return;
        }
        if is_paused {
            // threads hand back what they have taken and not begun
            run.cancel_epoch.fetch_add(1, Ordering::SeqCst);
            return self.park(run);
        }
        for lane in [LaneKind::Inline, LaneKind::Blocking] {
            let mut parked = std::mem::take(self.parked.lane(lane));
            self.ready(lane).put_back(&mut parked, |call| run.priority(call));
        }
    }

    /// Whether ready calls are put aside.
    pub(crate) fn is_parking(&self) -> bool {
        self.parked.is_paused
    }

    /// Puts ready calls aside while the run is paused. Undoing that has begun goes on.
    pub(crate) fn park(&mut self, run: &RunCell) {
        if !self.parked.is_paused {
            return;
        }
        for lane in [LaneKind::Inline, LaneKind::Blocking] {
            let ready = self.ready(lane).calls.take_all();
            let (undoing, mut rest): (VecDeque<_>, VecDeque<_>) =
                ready.into_iter().partition(|call| call.key.is_undo);
            undoing.into_iter().for_each(|call| self.push_ready(run, call));
            // what a thread hands back is older than what nobody had taken
            let parked = self.parked.lane(lane);
            rest.append(parked);
            *parked = rest;
        }
    }
}

impl Parked {
    fn lane(&mut self, lane: LaneKind) -> &mut VecDeque<CallCommand> {
        match lane {
            LaneKind::Inline => &mut self.inline,
            LaneKind::Blocking => &mut self.blocking,
        }
    }
}
