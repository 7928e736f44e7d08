//! Runs that become long: what has happened long ago leaves memory.

use super::RunState;
use super::record::{Record, RecordKind};
use super::state::{NodePhase, local};
use crate::payload::Payload;
use crate::plan::StepIx;

impl RunState {
    /// How many records there are, forgotten ones included.
    #[must_use]
    pub fn record_count(&self) -> usize {
        self.data.forgotten + self.data.history.len()
    }

    /// How many of them have been forgotten: those with lower numbers than this.
    #[must_use]
    pub fn forgotten(&self) -> usize {
        self.data.forgotten
    }

    /// The records from number `from` on that have not been forgotten.
    #[must_use]
    pub fn history_from(&self, from: usize) -> &[Record] {
        let kept = from.saturating_sub(self.data.forgotten).min(self.data.history.len());
        &self.data.history[kept..]
    }

    /// Forgets the records before number `before`, and the outputs of their steps that nothing can read any more. The
    /// caller has them elsewhere. A run that went back forgets nothing.
    pub fn forget(&mut self, before: usize) {
        let count = before.saturating_sub(self.data.forgotten).min(self.data.history.len());
        if count == 0 || !self.data.superseded.is_empty() {
            return;
        }
        let mut gone: Vec<_> = self.data.history.drain(..count).collect();
        self.data.forgotten += count;
        // room was made for all steps when their body began
        let room = self.data.history.len() + count;
        self.data.history.shrink_to(room.saturating_mul(2));
        gone.retain(|record| record.kind == RecordKind::StepCompleted);
        for record in gone {
            self.forget_output(&record);
        }
    }

    /// The output of a step that has settled, if its body still lives and nothing can read it any more.
    fn forget_output(&mut self, record: &Record) {
        let (plan, data) = (&self.plan, &mut self.data);
        let slot = data.instances.get_mut(record.instance.0 as usize);
        let (Some(step), Some(instance)) = (record.step, slot.and_then(Option::as_deref_mut)) else { return };
        let at = |step: StepIx| local(plan, instance.scope, step);
        let is_settled = |step| instance.nodes[at(step)].phase.is_settled();
        let is_needed = instance.last_completed == Some(step)
            || instance.nodes[at(step)].phase != NodePhase::Completed
            || plan.outputs.is_needed(step, is_settled);
        if !is_needed {
            instance.nodes[local(plan, instance.scope, step)].output = Payload::null();
        }
    }
}
