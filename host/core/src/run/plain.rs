//! The short way for steps that are nothing but a call, which most steps of large graphs are: the end of one and the
//! start of those that waited for it, in one pass over the tables. What it does is what `attempt.rs` and `trigger.rs`
//! do with such a step; whatever is not quite usual is left to them.

use super::record::{CallCommand, CallKey, Command, Detail, InstanceIx, Record, RecordKind};
use super::state::{Data, Instance, NodePhase, Work};
use super::turn::Turn;
use crate::payload::Payload;
use crate::plan::{Action, StepIx};
use crate::time::{Nanos, Timestamp};

impl Turn<'_> {
    /// Whether the short way is open to `step` at all.
    pub(crate) fn is_plain(&self, step: StepIx) -> bool {
        self.data.is_plain_run() && self.plan.plain(step).is_some()
    }

    /// The call of such a step answered.
    pub(crate) fn plain_outcome(&mut self, key: CallKey, duration: Nanos, result: Payload) {
        let CallKey { instance: at, step, attempt, .. } = key;
        let (plan, now) = (self.plan, self.now);
        let keeps_steps = self.data.keeps_steps();
        let Data { instances, history, work, in_flight, .. } = &mut *self.data;
        let Some(instance) = instances.get_mut(at.0 as usize).and_then(Option::as_deref_mut) else { return };
        let Some(node) = instance.nodes.get_mut((step.0 - instance.first) as usize) else { return };
        let is_usual = node.is_in_flight
            && node.attempts == attempt
            && node.phase == NodePhase::Running
            && instance.stop.is_none();
        if !is_usual {
            return self.outcome(key, duration.into(), Ok(result));
        }
        node.is_in_flight = false;
        node.phase = NodePhase::Completed;
        node.output = result;
        if keeps_steps {
            history.push(Record {
                at: now,
                duration,
                instance: at,
                step: Some(step),
                attempt,
                kind: RecordKind::StepCompleted,
                detail: Detail::Value(node.output.clone()),
            });
        }
        instance.active -= 1;
        instance.open -= 1;
        instance.last_completed = Some(step);
        *in_flight -= 1;
        for edge in plan.successors(step) {
            let node = &mut instance.nodes[(edge.to.0 - instance.first) as usize];
            if !node.settle_dependency(edge.declared) {
                continue;
            }
            match plan.plain(edge.to) {
                // whoever starts behind something that is queued already has to wait its turn
                Some(plain) if plain.is_constant && node.is_reached && work.is_empty() => {
                    let key = begin(instance, at, edge.to, now);
                    *in_flight += 1;
                    let command = CallCommand::plain(key, plain, instance.prefix.clone(), None);
                    self.commands.push(Command::Call(command));
                }
                _ => work.push_back(Work::Fire(at, edge.to)),
            }
        }
        if instance.open == 0 && instance.active == 0 {
            work.push_back(Work::Ended(at));
        }
        self.data.steps_settled += 1;
        self.data.steps_completed += 1;
    }

    /// Starts the call of such a step, which nothing speaks against. False if it is no such step after all.
    pub(crate) fn start_plain(&mut self, at: InstanceIx, step: StepIx) -> bool {
        let Some(plain) = self.plan.plain(step).filter(|_| self.data.is_plain_run()) else { return false };
        let inputs = match &self.plan.step(step).action {
            Action::Call(call) if !plain.is_constant => {
                Some(self.view(at, Some(step)).keep(call.parameters.references()))
            }
            _ => None,
        };
        let Some(instance) = self.data.instance_mut(at) else { return false };
        let key = begin(instance, at, step, self.now);
        let prefix = instance.prefix.clone();
        self.data.in_flight += 1;
        self.commands.push(Command::Call(CallCommand::plain(key, plain, prefix, inputs)));
        true
    }
}

/// Notes that the call of `step` is under way.
fn begin(instance: &mut Instance, at: InstanceIx, step: StepIx, now: Timestamp) -> CallKey {
    let node = &mut instance.nodes[(step.0 - instance.first) as usize];
    node.attempts += 1;
    node.phase = NodePhase::Running;
    node.attempt_start = now;
    node.is_in_flight = true;
    instance.active += 1;
    CallKey { instance: at, step, attempt: node.attempts, is_undo: false }
}
