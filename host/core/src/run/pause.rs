//! Pausing: no step starts until the run goes on. What is under way ends as it would, the limits on it and on the run
//! count on, and undoing that has begun goes on. A run that is ending is not held up any more: cancelling lifts a pause.

use super::record::{Detail, InstanceIx, RecordKind, TimerId};
use super::state::{TimerKind, Work};
use super::turn::Turn;
use super::{RunState, ending::Phase};
use std::sync::Arc;

/// What waits for a paused run to go on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pause {
    /// Steps that would have started, in order.
    held: Vec<Work>,
    /// Timers that came due meanwhile, in order.
    due: Vec<TimerId>,
}

impl RunState {
    /// Whether it has been paused from outside and neither been resumed nor begun to end since.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.data.pause.is_some()
    }

    /// Whether its end has begun: what still runs is clean-up, or nothing.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.data.phase != Phase::Running
    }
}

impl Turn<'_> {
    /// Twice is the same as once.
    pub(crate) fn pause_run(&mut self, reason: &str) {
        if self.data.phase != Phase::Running || self.data.pause.is_some() {
            return;
        }
        self.data.pause = Some(Box::default());
        self.note_run(RecordKind::RunPaused, Detail::Text(Arc::new(reason.into())));
    }

    pub(crate) fn resume_run(&mut self) {
        let Some(pause) = self.data.pause.take() else { return };
        self.note_run(RecordKind::RunResumed, Detail::None);
        self.data.work.extend(pause.held);
        if self.data.has_gates {
            let instances = u32::try_from(self.data.infos.len()).unwrap_or(u32::MAX);
            let gates = (0..instances).map(InstanceIx);
            gates.for_each(|ix| self.fill_gate(ix));
        }
        self.offer_unread();
        pause.due.into_iter().for_each(|timer| self.timer(timer));
    }

    /// Keeps work that would start a step until the run goes on; hands back any other.
    pub(crate) fn hold_back(&mut self, work: Work) -> Option<Work> {
        match (&mut self.data.pause, work) {
            (Some(pause), work @ (Work::Fire(..) | Work::Attempt(..))) => {
                pause.held.push(work);
                None
            }
            (_, work) => Some(work),
        }
    }

    /// Whether a timer that is due has to wait for the run to go on, because something would start by it.
    pub(crate) fn holds_timer(&mut self, id: TimerId) -> bool {
        let starts_something = matches!(
            self.data.timers.get(&id),
            Some(TimerKind::Start | TimerKind::Wait(..) | TimerKind::Retry(..) | TimerKind::Iterate(..))
        );
        match &mut self.data.pause {
            Some(pause) if starts_something => {
                pause.due.push(id);
                true
            }
            _ => false,
        }
    }
}
