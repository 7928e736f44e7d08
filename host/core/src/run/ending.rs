//! How a run ends. What runs is stopped, its grace is waited for if something has to be cleaned up, then
//! compensation, `on_failure` and `finally` follow in this order; none of them changes the status any more.

use super::attempt::timeout_failure;
use super::generation::Next;
use super::record::{Command, Detail, InstanceIx, RecordKind};
use super::state::{Bound, NodePhase, Stop, TimerKind};
use super::status::RunStatus;
use super::turn::Turn;
use super::undo::After;
use crate::failure::{Failure, kind};
use crate::payload::Payload;
use crate::plan::{Mode, Rollback, ScopeIx, StepIx};
use std::sync::Arc;

/// What a run comes to.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    Completed(Payload),
    Failed(Arc<Failure>),
    Cancelled(Arc<Box<str>>),
    /// The next generation goes on.
    Continued(Box<Next>),
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not ending.
    Running,
    /// Waiting for calls that were cancelled.
    Draining,
    /// Compensating.
    Undoing,
    /// `on_failure` runs.
    OnFailure,
    /// `finally` runs.
    Finally,
    /// Over.
    Done,
}

impl Ending {
    pub(crate) fn status(&self) -> RunStatus {
        match self {
            Self::Completed(_) => RunStatus::Completed,
            Self::Failed(_) => RunStatus::Failed,
            Self::Cancelled(_) => RunStatus::Cancelled,
            Self::Continued(_) => RunStatus::Continued,
        }
    }
}

impl Turn<'_> {
    /// The document's body came to its end by itself.
    pub(crate) fn body_completed(&mut self, root: InstanceIx) {
        match self.body_output(root) {
            Ok(output) => self.end_run(Ending::Completed(output)),
            Err(failure) => self.fail_run(failure),
        }
    }

    pub(crate) fn fail_run(&mut self, failure: Failure) {
        self.end_run(Ending::Failed(Arc::new(failure)));
    }

    pub(crate) fn return_from_run(&mut self, value: Payload) {
        self.end_run(Ending::Completed(value));
    }

    pub(crate) fn cancel_run(&mut self, reason: Arc<Box<str>>) {
        self.end_run(Ending::Cancelled(reason));
    }

    pub(crate) fn run_timed_out(&mut self) {
        let limit = self.plan.timeout.unwrap_or_default();
        self.fail_run(Failure { retryable: false, ..timeout_failure(limit) });
    }

    /// The step that the caller wanted to stop after has settled.
    pub(crate) fn until_reached(&mut self, at: InstanceIx, step: StepIx) {
        let Some(node) = self.data.node(self.plan, at, step) else { return };
        let failure = node.more.as_ref().and_then(|more| more.failure.clone());
        let ending = match (node.phase, failure) {
            (NodePhase::Failed, Some(failure)) => Ending::Failed(failure),
            _ => Ending::Completed(node.output.clone()),
        };
        self.end_run(ending);
    }

    /// Begins the end; the first reason counts.
    pub(crate) fn end_run(&mut self, ending: Ending) {
        if self.data.phase != Phase::Running {
            return;
        }
        let timer = self.data.run_timer.take();
        self.stop_timer(timer);
        self.data.pause = None;
        self.data.ending = Some(ending);
        self.data.phase = Phase::Draining;
        if self.data.instance(InstanceIx(0)).is_some_and(|root| root.open > 0) {
            self.note_run(RecordKind::Stopping, Detail::None);
        }
        self.stop_steps(InstanceIx(0), Stop::Cancelled);
        if !self.needs_cleanup() && self.data.undos.iter().all(Option::is_none) {
            self.finish();
        }
    }

    fn needs_cleanup(&self) -> bool {
        if self.is_continuing() {
            return false;
        }
        let is_failed = matches!(self.data.ending, Some(Ending::Failed(_)));
        self.wants_rollback() || (is_failed && self.plan.on_failure.is_some()) || self.plan.finally.is_some()
    }

    /// The run does not end but begins again: nothing is cleaned up.
    fn is_continuing(&self) -> bool {
        matches!(self.data.ending, Some(Ending::Continued(_)))
    }

    fn wants_rollback(&self) -> bool {
        let is_bad = matches!(self.data.ending, Some(Ending::Failed(_) | Ending::Cancelled(_)));
        is_bad && self.plan.rollback == Rollback::OnFailure && !self.data.armed.is_empty()
    }

    /// Takes the end one phase further, as far as it goes now. Called at the end of every turn.
    pub(crate) fn continue_ending(&mut self) {
        loop {
            let is_quiet = self.data.in_flight == 0 && self.data.undos.iter().all(Option::is_none);
            match self.data.phase {
                Phase::Draining if is_quiet => {
                    self.start_timer(TimerKind::Cleanup, self.plan.cleanup_timeout);
                    self.data.phase = Phase::Undoing;
                    if self.wants_rollback() {
                        self.undo_where(|_, _| true, After::Cleanup);
                    }
                }
                Phase::Undoing if is_quiet => {
                    self.data.phase = Phase::OnFailure;
                    let is_failed = matches!(self.data.ending, Some(Ending::Failed(_)));
                    let Some(scope) = self.plan.on_failure.filter(|_| is_failed) else {
                        self.start_finally();
                        continue;
                    };
                    return self.spawn_cleanup(scope);
                }
                _ => return,
            }
        }
    }

    fn start_finally(&mut self) {
        self.data.phase = Phase::Finally;
        match self.plan.finally.filter(|_| !self.is_continuing()) {
            Some(scope) => self.spawn_cleanup(scope),
            None => self.finish(),
        }
    }

    fn spawn_cleanup(&mut self, scope: ScopeIx) {
        let error = match &self.data.ending {
            Some(Ending::Failed(failure)) => failure.to_payload(),
            _ => Payload::null(),
        };
        let mut bound = Bound { error, ..Bound::default() };
        if self.plan.scope(scope).mode == Mode::Pipeline {
            bound.previous = self.data.start.input.clone();
        }
        self.spawn(scope, Some(InstanceIx(0)), bound);
    }

    /// `on_failure` or `finally` has ended, well or badly.
    pub(crate) fn cleanup_body_ended(&mut self, at: InstanceIx) {
        self.data.drop_instance(at);
        match self.data.phase {
            Phase::OnFailure => self.start_finally(),
            Phase::Finally => self.finish(),
            _ => {}
        }
    }

    /// Clean-up took too long: whatever is left of it is given up.
    pub(crate) fn cleanup_timed_out(&mut self) {
        let limit = crate::model::duration::display(self.plan.cleanup_timeout);
        let text = format!("clean-up took longer than {limit} and was given up");
        self.note_run(RecordKind::CleanupAbandoned, Detail::Text(Arc::new(text.into())));
        self.stop_everything();
        self.finish();
    }

    /// Ends the run at once, without clean-up.
    pub(crate) fn kill_run(&mut self, reason: Arc<Box<str>>) {
        if self.data.phase != Phase::Running {
            let text = "clean-up was given up because the run was killed";
            self.note_run(RecordKind::CleanupAbandoned, Detail::Text(Arc::new(text.into())));
        }
        self.data.pause = None;
        self.data.is_killed = true;
        self.data.ending.get_or_insert(Ending::Cancelled(reason));
        self.stop_everything();
        self.finish();
    }

    fn stop_everything(&mut self) {
        self.abandon_undos();
        for ix in 0..self.data.instances.len() {
            self.stop_steps(InstanceIx(u32::try_from(ix).unwrap_or(u32::MAX)), Stop::Cancelled);
        }
        self.data.work.clear();
    }

    pub(crate) fn finish(&mut self) {
        self.data.phase = Phase::Done;
        let (kind, detail) = match self.data.ending.clone() {
            Some(Ending::Completed(output)) => (RecordKind::RunCompleted, Detail::Value(output)),
            Some(Ending::Failed(failure)) => (RecordKind::RunFailed, Detail::Failure(failure)),
            Some(Ending::Cancelled(reason)) => (RecordKind::RunCancelled, Detail::Text(reason)),
            Some(Ending::Continued(next)) => (RecordKind::RunContinued, Detail::Value(next.input)),
            None => {
                let failure = Failure::new(kind::INTERNAL, "the run ended without a reason");
                (RecordKind::RunFailed, Detail::Failure(Arc::new(failure)))
            }
        };
        self.note_run(kind, detail);
        self.data.timers.clear();
        self.data.armed.clear();
        self.data.undos.clear();
        self.data.instances.clear();
        self.data.work.clear();
        self.data.waiting = 0;
        if !self.is_continuing() {
            self.stop_followers();
        }
        self.commands.push(Command::Finish);
    }
}
