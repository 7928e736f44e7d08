//! Runs of other workflows that steps start. The run says which and waits for its end as for that of a call; the engine
//! starts it, tells how it ended, and cancels it when asked to.

use super::ending::Phase;
use super::identity;
use super::record::{CallKey, CancelMode, ChildCommand, Command, Detail, InstanceIx, RecordKind};
use super::turn::Turn;
use crate::failure::Failure;
use crate::payload::Payload;
use crate::plan::{Action, ChildRun, OnParentClose, StepIx};
use std::sync::Arc;
use std::time::Duration;

/// What a run was started by.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Parent {
    /// Id of the run that started it.
    pub run_id: Arc<str>,
    /// The attempt of the step there.
    pub key: CallKey,
    /// The step there has completed without waiting for the end.
    pub is_detached: bool,
    /// Which generation of that run.
    #[serde(default = "first_generation")]
    pub generation: u32,
    /// How many runs stand above it.
    pub depth: u32,
}

/// For parents that were written before there were generations.
const fn first_generation() -> u32 {
    1
}

impl Turn<'_> {
    pub(crate) fn start_child(&mut self, at: InstanceIx, step: StepIx, child: &ChildRun) {
        let parts = self
            .run_id_of(at, step, "run_id", child.run_id.as_ref())
            .and_then(|run_id| Ok((run_id, self.field_of(at, step, "input", child.input.as_ref())?)));
        let (run_id, input) = match parts {
            Ok(parts) => parts,
            Err(failure) => return self.fail_attempt(at, step, failure, Duration::ZERO),
        };
        let run_id = run_id.unwrap_or_else(|| self.fresh_run_id(at, step));
        let (id, workflow) = (Payload::string(&run_id), Payload::string(&child.workflow));
        let about = Payload::object([("run_id", &id), ("workflow", &workflow)]);
        self.note((at, step), RecordKind::StepStarted, Duration::ZERO, Detail::Value(about));
        self.start_limit(at, step);
        let Some(key) = self.begin_operation(at, step) else { return };
        if let Some(node) = self.data.node_mut(self.plan, at, step) {
            node.more().child = Some(run_id.clone());
        }
        self.data.children_awaited += u32::from(!child.is_detached);
        self.commands.push(Command::StartChild(Box::new(ChildCommand {
            key,
            run_id,
            workflow: child.workflow.clone(),
            version: child.version.clone(),
            own: child.own.clone(),
            input,
            is_detached: child.is_detached,
        })));
    }

    /// An id that no other attempt of any step has, the same whenever the same facts are applied.
    fn fresh_run_id(&self, at: InstanceIx, step: StepIx) -> Arc<str> {
        let attempts = self.data.node(self.plan, at, step).map_or(0, |node| node.attempts);
        let seed = identity::mix(self.view(at, Some(step)).seed, u64::from(attempts));
        crate::expr::uuid_text(identity::uuid(seed, 0)).into()
    }

    /// The outcome of an attempt that is no call has come, or is not waited for any more.
    pub(crate) fn child_left(&mut self, step: StepIx) {
        if matches!(&self.plan.step(step).action, Action::Workflow(child) if !child.is_detached) {
            self.data.children_awaited -= 1;
        }
    }

    /// The attempt of a step that has a run of its own under way is to end: stops that run, unless this one ends and it is
    /// to be let go. The end of a run that is stopped is still waited for, unless the attempt has been given up by itself.
    pub(crate) fn stop_child(&mut self, at: InstanceIx, step: StepIx, child: &ChildRun, is_given_up: bool) {
        let is_closing = !is_given_up && (self.data.phase != Phase::Running || self.data.is_killed);
        let is_let_go = is_closing && child.close == OnParentClose::Abandon;
        let run_id = self.data.node(self.plan, at, step).and_then(|node| node.more.as_ref()?.child.clone());
        if let Some(run_id) = run_id.filter(|_| !is_let_go) {
            let mode = if self.data.is_killed { CancelMode::Kill } else { CancelMode::Graceful };
            self.commands.push(Command::CancelChild { run_id, mode });
        }
        if is_let_go || is_given_up || self.data.is_killed {
            self.leave_operation(at, step);
        }
    }

    /// A detached run has started: it is cancelled when this one ends, if that was asked for.
    pub(crate) fn child_detached(&mut self, at: InstanceIx, step: StepIx) {
        let plan = self.plan;
        let Action::Workflow(child) = &plan.step(step).action else { return };
        if child.is_detached && child.close == OnParentClose::Cancel {
            let node = self.data.node(plan, at, step);
            let run_id = node.and_then(|node| node.more.as_ref()?.child.clone());
            self.data.followers.extend(run_id);
        }
    }

    /// The run ends, and with it those that follow it.
    pub(crate) fn stop_followers(&mut self) {
        let mode = if self.data.is_killed { CancelMode::Kill } else { CancelMode::Graceful };
        let followers = std::mem::take(&mut self.data.followers).into_iter();
        self.commands.extend(followers.map(|run_id| Command::CancelChild { run_id, mode }));
    }
}

/// What a step fails with because the run that it started did.
#[must_use]
pub fn child_failure(run_id: &str, error: &Failure) -> Failure {
    let details = serde_json::json!({
        "run_id": run_id, "step": error.step, "attempts": error.attempts, "details": error.details.value(),
    });
    Failure {
        details: Payload::encode(&details),
        retryable: error.retryable,
        ..Failure::new(&error.kind, error.message.clone())
    }
}
