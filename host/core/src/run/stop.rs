//! Stopping bodies: what runs in them is cancelled, what did not start never will.

pub(crate) use super::state::Stop as StopReason;

use super::record::{CallKey, Command, Detail, InstanceIx, RecordKind};
use super::state::{NodePhase, Work};
use super::turn::Turn;
use crate::failure::Failure;
use crate::plan::{Action, ScopeIx, StepIx};
use std::time::Duration;

impl Turn<'_> {
    /// Stops an instance for good. It ends once its calls in flight have reported; the first reason counts.
    pub(crate) fn stop_instance(&mut self, at: InstanceIx, reason: StopReason) {
        if self.data.infos[at.0 as usize].scope == ScopeIx::ROOT
            && let StopReason::Failed(failure) = reason
        {
            return self.end_run(super::ending::Ending::Failed(failure));
        }
        self.stop_steps(at, reason);
    }

    pub(crate) fn stop_steps(&mut self, at: InstanceIx, reason: StopReason) {
        let Some(instance) = self.data.instance_mut(at) else { return };
        if instance.stop.is_some() {
            return;
        }
        instance.stop = Some(reason);
        let open = std::mem::take(&mut instance.open);
        self.data.steps_settled += u64::from(open);
        self.data.infos[at.0 as usize].stopped = true;
        let steps = self.plan.scope(self.data.infos[at.0 as usize].scope).steps.clone();
        for step in steps.map(StepIx) {
            self.cancel_step(at, step);
        }
        if self.data.instance(at).is_some_and(|instance| instance.active == 0) {
            self.data.work.push_back(Work::Ended(at));
        }
    }

    /// Cancels one step of an instance that is being stopped.
    fn cancel_step(&mut self, at: InstanceIx, step: StepIx) {
        let plan = self.plan;
        let Some(node) = self.data.node_mut(plan, at, step) else { return };
        let phase = node.phase;
        if phase.is_settled() {
            return;
        }
        node.phase = NodePhase::Cancelled;
        // One that never started leaves no record; one that a limit held back between two attempts had started.
        if phase == NodePhase::Pending || (phase == NodePhase::Queued && node.attempts == 0) {
            return;
        }
        let (attempt, is_in_flight) = (node.attempts, node.is_in_flight);
        let elapsed = node.elapsed(self.now);
        let (timers, ticket, children) = node.more.as_mut().map_or_else(Default::default, |more| {
            let timers = [more.limit_timer.take(), more.pause_timer.take()];
            (timers, more.ticket.take(), more.children.clone())
        });
        self.data.waiting -= u32::from(phase == NodePhase::Waiting);
        timers.into_iter().for_each(|timer| self.stop_timer(timer));
        self.stop_listening(step, ticket);
        self.note((at, step), RecordKind::StepCancelled, elapsed, Detail::None);
        match &plan.step(step).action {
            _ if !is_in_flight => {}
            Action::Call(_) => {
                let key = CallKey { instance: at, step, attempt, is_undo: false };
                self.commands.push(Command::CancelCall(key));
            }
            Action::Workflow(child) => self.stop_child(at, step, child, false),
            _ => self.leave_operation(at, step),
        }
        for child in children {
            self.stop_steps(child, StopReason::Cancelled);
        }
    }

    pub(crate) fn has_children(&self, at: InstanceIx, step: StepIx) -> bool {
        let node = self.data.node(self.plan, at, step);
        node.and_then(|node| node.more.as_ref()).is_some_and(|more| !more.children.is_empty())
    }

    /// Ends the attempt of a structured step with `failure`: its bodies are stopped, and once they have gone the
    /// attempt has failed.
    pub(crate) fn abort_attempt(&mut self, at: InstanceIx, step: StepIx, failure: Failure) {
        self.stop_limit(at, step);
        let now = self.now;
        let Some(node) = self.data.node_mut(self.plan, at, step) else { return };
        let elapsed = node.elapsed(now);
        let more = node.more();
        if more.abort.is_some() {
            return;
        }
        let children = more.children.clone();
        if children.is_empty() {
            return self.fail_attempt(at, step, failure, elapsed);
        }
        more.abort = Some(Box::new(failure));
        for child in children {
            self.stop_steps(child, StopReason::Cancelled);
        }
    }

    /// The last body of an aborted attempt has gone.
    pub(crate) fn finish_abort(&mut self, at: InstanceIx, step: StepIx) {
        let now = self.now;
        let Some(node) = self.data.node_mut(self.plan, at, step) else { return };
        let elapsed: Duration = node.elapsed(now);
        let more = node.more();
        if more.children.is_empty()
            && let Some(failure) = more.abort.take()
        {
            self.fail_attempt(at, step, *failure, elapsed);
        }
    }
}
