//! From settled to ready: what a settled step means for those that wait for it, trigger rules and conditions.

use super::attempt::expression_failure;
use super::record::{Detail, InstanceIx, RecordKind};
use super::state::{Data, Early, NodePhase, Work, local};
use super::turn::Turn;
use crate::plan::{Mode, ScopeRole, StepIx, TriggerRule};
use std::sync::Arc;
use std::time::Duration;

/// How many of the declared dependencies ended how.
#[derive(Default)]
struct Tally {
    declared: u32,
    completed: u32,
    failed: u32,
    skipped: u32,
}

impl Turn<'_> {
    /// Tells the successors of a settled step.
    pub(crate) fn propagate(&mut self, at: InstanceIx, step: StepIx) {
        let plan = self.plan;
        let Data { instances, work, .. } = &mut *self.data;
        let Some(instance) = instances.get_mut(at.0 as usize).and_then(Option::as_deref_mut) else { return };
        if instance.stop.is_some() {
            return;
        }
        let phase = instance.nodes[local(plan, instance.scope, step)].phase;
        let edges = plan.successors(step);
        if edges.iter().any(|edge| edge.early) {
            return self.propagate_one_by_one(at, step, phase);
        }
        let is_reached = matches!(phase, NodePhase::Completed | NodePhase::Failed);
        let first = plan.scope(instance.scope).steps.start;
        for edge in edges {
            let node = &mut instance.nodes[(edge.to.0 - first) as usize];
            if node.settle_dependency(is_reached && edge.declared) {
                work.push_back(Work::Fire(at, edge.to));
            }
        }
    }

    /// The same where the rule of some successor may be decided early.
    fn propagate_one_by_one(&mut self, at: InstanceIx, step: StepIx, phase: NodePhase) {
        let plan = self.plan;
        let is_reached = matches!(phase, NodePhase::Completed | NodePhase::Failed);
        for edge in plan.successors(step) {
            if edge.early {
                self.propagate_early(at, *edge, phase == NodePhase::Completed);
                continue;
            }
            let Some(node) = self.data.node_mut(plan, at, edge.to) else { continue };
            if node.settle_dependency(is_reached && edge.declared) {
                self.data.work.push_back(Work::Fire(at, edge.to));
            }
        }
    }

    /// One dependency of a step whose rule may be decided before all have settled.
    fn propagate_early(&mut self, at: InstanceIx, edge: crate::plan::Edge, completed: bool) {
        let plan = self.plan;
        let wanted = match plan.step(edge.to).rule {
            TriggerRule::Completed(n) => n,
            _ => 1,
        };
        let Some(node) = self.data.node_mut(plan, at, edge.to) else { return };
        if node.phase != NodePhase::Pending {
            return;
        }
        let early = node.more().early.get_or_insert_with(|| Early {
            awaited_left: plan.awaited(edge.to),
            declared_left: u32::try_from(plan.declared(edge.to).len()).unwrap_or(u32::MAX),
            completed: 0,
        });
        early.awaited_left -= u32::from(edge.awaited);
        early.declared_left -= u32::from(edge.declared);
        early.completed += u32::from(edge.declared && completed);
        let is_met = early.completed >= wanted && early.awaited_left == 0;
        let is_out_of_reach = early.completed + early.declared_left < wanted;
        if is_met {
            self.data.work.push_back(Work::Fire(at, edge.to));
        } else if is_out_of_reach {
            let why = format!("{} can no longer be met", describe(plan.step(edge.to).rule));
            self.skip(at, edge.to, why);
        }
    }

    /// All that was waited for has settled: rule, condition, start.
    pub(crate) fn fire(&mut self, at: InstanceIx, step: StepIx) {
        let plan = self.plan;
        let Some(instance) = self.data.instance(at) else { return };
        let node = &instance.nodes[local(plan, instance.scope, step)];
        if instance.stop.is_some() || node.phase != NodePhase::Pending {
            return;
        }
        if instance.bound.dropped {
            return self.skip(at, step, "the pipeline's item was dropped by an earlier stage".into());
        }
        let is_reached = node.is_reached;
        let mode = plan.scope(instance.scope).mode;
        if is_reached && self.start_plain(at, step) {
            return;
        }
        let refusal = match plan.step(step).rule {
            // the rule of most steps is decided by a look at the node
            TriggerRule::NoneFailed if is_reached => None,
            TriggerRule::AnyCompleted | TriggerRule::Completed(_)
                if matches!(mode, Mode::Parallel | Mode::Conditional) =>
            {
                None
            }
            _ => self.rule_refuses(at, step),
        };
        if let Some(why) = refusal {
            return self.skip(at, step, why);
        }
        if let Some(when) = &self.plan.step(step).when {
            match when.evaluate_bool(&self.view(at, Some(step))) {
                Ok(true) => {}
                Ok(false) => {
                    let why = format!("when is false: {}", when.source());
                    return self.skip(at, step, why);
                }
                Err(error) => {
                    let failure = expression_failure("when", &error);
                    return self.fail_attempt(at, step, failure, Duration::ZERO);
                }
            }
        }
        self.start_attempt(at, step);
    }

    /// Why the trigger rule says no, if it does. All declared dependencies have settled.
    fn rule_refuses(&self, at: InstanceIx, step: StepIx) -> Option<String> {
        let declared = self.plan.declared(step);
        let rule = self.plan.step(step).rule;
        if declared.is_empty() || rule == TriggerRule::AllSettled {
            return None;
        }
        let mut tally = Tally::default();
        for dependency in declared {
            let phase =
                self.data.node(self.plan, at, *dependency).map_or(NodePhase::Pending, |node| node.phase);
            tally.declared += 1;
            match phase {
                NodePhase::Completed | NodePhase::Compensated => tally.completed += 1,
                NodePhase::Failed => tally.failed += 1,
                NodePhase::Skipped => tally.skipped += 1,
                _ => {}
            }
        }
        let is_met = match rule {
            TriggerRule::NoneFailed => tally.completed + tally.failed > 0,
            TriggerRule::AllCompleted => tally.completed == tally.declared,
            TriggerRule::AllSettled => true,
            TriggerRule::AnyFailed => tally.failed > 0,
            TriggerRule::AnyCompleted => tally.completed > 0,
            TriggerRule::Completed(n) => tally.completed >= n,
        };
        (!is_met).then(|| {
            let Tally { declared, completed, failed, skipped } = tally;
            format!(
                "{} is not met: of {declared} dependencies {completed} completed, {failed} failed, {skipped} were skipped",
                describe(rule)
            )
        })
    }

    /// The step does not run.
    pub(crate) fn skip(&mut self, at: InstanceIx, step: StepIx, why: String) {
        if self.mode(at) == Mode::Pipeline
            && let Some(instance) = self.data.instance_mut(at)
        {
            instance.bound.dropped = true;
        }
        self.note((at, step), RecordKind::StepSkipped, Duration::ZERO, Detail::Text(Arc::new(why.into())));
        self.settle(at, step, NodePhase::Skipped);
    }

    /// A step has come to its end: the one place where that is noted.
    pub(crate) fn settle(&mut self, at: InstanceIx, step: StepIx, phase: NodePhase) {
        let plan = self.plan;
        let Some(instance) = self.data.instance_mut(at) else { return };
        let scope = plan.scope(instance.scope);
        let is_pipeline = scope.mode == Mode::Pipeline;
        let node = &mut instance.nodes[local(plan, instance.scope, step)];
        node.phase = phase;
        instance.open -= 1;
        if phase == NodePhase::Completed {
            instance.last_completed = Some(step);
            if is_pipeline && !matches!(plan.step(step).action, crate::plan::Action::Set(_)) {
                instance.bound.previous = node.output.clone();
            }
        } else if phase == NodePhase::Failed && is_pipeline {
            instance.bound.dropped = true;
        }
        let is_over = instance.open == 0 && instance.active == 0;
        self.data.steps_settled += 1;
        self.data.steps_completed += u64::from(phase == NodePhase::Completed);
        self.data.work.push_back(Work::Propagate(at, step));
        if is_over {
            self.data.work.push_back(Work::Ended(at));
        }
        if scope.role == ScopeRole::Contest {
            self.contestant_settled(at, step);
        }
        if self.data.start.until == Some(step) {
            self.until_reached(at, step);
        }
    }
}

/// The rule as a document writes it.
fn describe(rule: TriggerRule) -> String {
    match rule {
        TriggerRule::NoneFailed => "trigger rule `none_failed`".into(),
        TriggerRule::AllCompleted => "trigger rule `all_completed`".into(),
        TriggerRule::AllSettled => "trigger rule `all_settled`".into(),
        TriggerRule::AnyFailed => "trigger rule `any_failed`".into(),
        TriggerRule::AnyCompleted => "trigger rule `any_completed`".into(),
        TriggerRule::Completed(n) => format!("trigger rule `completed: {n}`"),
    }
}
