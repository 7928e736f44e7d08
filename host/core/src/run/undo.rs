//! Compensation: undos are armed when steps complete and run newest first, one at a time.

use super::attempt::timeout_failure;
use super::record::{CallCommand, CallKey, Command, Detail, Inputs, InstanceIx, Record, RecordKind};
use super::retry::{allows, delay};
use super::state::{NodePhase, TimerKind};
use super::turn::Turn;
use super::{environment::View, identity};
use crate::failure::Failure;
use crate::payload::Payload;
use crate::plan::{Compensate, StepIx};
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// The undo of a completed step. What its parameters refer to was kept when the step completed.
#[derive(Clone, Debug)]
pub(crate) struct Armed {
    pub(crate) instance: InstanceIx,
    pub(crate) step: StepIx,
    pub(crate) inputs: Inputs,
}

/// A sequence of undos under way.
#[derive(Clone, Debug)]
pub(crate) struct Undo {
    /// The next one is the last.
    pub(crate) entries: Vec<Armed>,
    pub(crate) current: Option<Armed>,
    pub(crate) attempts: u32,
    pub(crate) first_start: Timestamp,
    /// When the present attempt was asked for.
    pub(crate) asked: Timestamp,
    /// A call is in flight.
    pub(crate) is_calling: bool,
    pub(crate) after: After,
}

/// What goes on when all undos are through.
#[derive(Clone, Debug)]
pub(crate) enum After {
    /// The next attempt of a structured step.
    Retry { at: InstanceIx, step: StepIx, due: Timestamp },
    /// The end of a race.
    Race { at: InstanceIx, step: StepIx, output: Payload, elapsed: Duration },
    /// The end of the run.
    Cleanup,
}

impl Turn<'_> {
    /// Arms the undo of a step that has just completed.
    pub(crate) fn arm(&mut self, at: InstanceIx, step: StepIx) {
        let Some(undo) = compensate_of(self.plan, step) else { return };
        let inputs = self.view(at, Some(step)).keep_call(&undo.call);
        self.data.armed.push(Armed { instance: at, step, inputs });
    }

    /// Undoes what completed inside the bodies of `step`. False if there is nothing to undo.
    pub(crate) fn undo_body(&mut self, at: InstanceIx, step: StepIx, after: After) -> bool {
        self.undo_where(|turn, armed| turn.data.belongs_to(turn.plan, armed.instance, at, step), after)
    }

    /// Undoes everything armed that `is_meant` picks, newest first. False if there is nothing to undo.
    pub(crate) fn undo_where(&mut self, is_meant: impl Fn(&Self, &Armed) -> bool, after: After) -> bool {
        let all = std::mem::take(&mut self.data.armed);
        let (entries, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|armed| is_meant(self, armed));
        self.data.armed = rest;
        if entries.is_empty() {
            return false;
        }
        let undo = Undo {
            entries,
            current: None,
            attempts: 0,
            first_start: self.now,
            asked: self.now,
            is_calling: false,
            after,
        };
        self.data.undos.push(Some(undo));
        self.next_undo(self.data.undos.len() - 1);
        true
    }

    /// Goes on with the next entry, or with what comes after the last.
    fn next_undo(&mut self, ix: usize) {
        let now = self.now;
        let Some(undo) = &mut self.data.undos[ix] else { return };
        undo.current = undo.entries.pop();
        undo.attempts = 0;
        undo.first_start = now;
        if undo.current.is_some() {
            return self.undo_call(ix);
        }
        let after = undo.after.clone();
        self.data.undos[ix] = None;
        match after {
            After::Retry { at, step, due } => self.retry_at(at, step, due),
            After::Race { at, step, output, elapsed } => {
                let node = self.data.node(self.plan, at, step);
                if node.is_some_and(|node| node.phase == NodePhase::Running) {
                    self.complete_attempt(at, step, output, elapsed);
                }
            }
            After::Cleanup => {}
        }
    }

    /// Asks for the call of the current entry.
    pub(crate) fn undo_call(&mut self, ix: usize) {
        let plan = self.plan;
        let now = self.now;
        let Some(Some(undo)) = self.data.undos.get_mut(ix) else { return };
        let Some(armed) = &undo.current else { return };
        let Some(spec) = compensate_of(plan, armed.step) else { return };
        undo.attempts += 1;
        undo.is_calling = true;
        undo.asked = now;
        let key =
            CallKey { instance: armed.instance, step: armed.step, attempt: undo.attempts, is_undo: true };
        let total = spec.retry.and_then(|retry| plan.retries[retry.0 as usize].total_timeout);
        let left = total.map(|total| total.saturating_sub(now.since(undo.first_start)));
        let timeout = match (spec.timeout, left) {
            (Some(own), Some(left)) => Some(own.min(left)),
            (own, left) => own.or(left),
        };
        let inputs = armed.inputs.clone();
        let prefix = self.data.prefix(plan, Some(key.instance));
        let prefix = (!prefix.is_empty()).then(|| prefix.into());
        self.data.in_flight += 1;
        let command = CallCommand::new(key, spec.call.method, timeout, prefix, Some(inputs));
        self.commands.push(Command::Call(command));
    }

    /// What the call of an undo came to.
    pub(crate) fn undo_outcome(
        &mut self,
        key: CallKey,
        duration: Duration,
        outcome: Result<Payload, Box<Failure>>,
    ) {
        let is_it = |undo: &Undo| {
            let current = undo.current.as_ref();
            undo.is_calling
                && undo.attempts == key.attempt
                && current.is_some_and(|armed| armed.instance == key.instance && armed.step == key.step)
        };
        let found = self.data.undos.iter().position(|undo| undo.as_ref().is_some_and(is_it));
        self.data.in_flight = self.data.in_flight.saturating_sub(1);
        let Some(ix) = found else { return };
        let is_limited = || compensate_of(self.plan, key.step).is_some_and(|undo| undo.call.is_limited());
        let waited = if self.plan.has_limits && is_limited() {
            let asked = self.data.undos[ix].as_ref().map_or(self.now, |undo| undo.asked);
            super::limits::began(asked, self.now, duration).since(asked)
        } else {
            Duration::ZERO
        };
        if let Some(undo) = &mut self.data.undos[ix] {
            undo.is_calling = false;
            undo.first_start = undo.first_start.after(waited);
        }
        match outcome {
            Ok(result) => {
                if let Some(node) = self.data.node_mut(self.plan, key.instance, key.step) {
                    node.phase = NodePhase::Compensated;
                }
                self.note_undo(key, duration, RecordKind::StepCompensated, Detail::Value(result));
                self.next_undo(ix);
            }
            Err(failure) => self.undo_failed(ix, key, duration, *failure),
        }
    }

    fn undo_failed(&mut self, ix: usize, key: CallKey, duration: Duration, mut failure: Failure) {
        failure.step = self.data.path(self.plan, key.instance, key.step).into();
        failure.attempts = key.attempt;
        let delay = self.undo_delay(ix, key, &failure);
        let failure = Arc::new(failure);
        if let Some(delay) = delay {
            self.note_undo(key, duration, RecordKind::AttemptFailed, Detail::Failure(failure));
            self.start_timer(TimerKind::UndoRetry(ix), delay);
            return;
        }
        self.note_undo(key, duration, RecordKind::CompensationFailed, Detail::Failure(failure));
        self.next_undo(ix);
    }

    fn undo_delay(&self, ix: usize, key: CallKey, failure: &Failure) -> Option<Duration> {
        let retry = &self.plan.retries[compensate_of(self.plan, key.step)?.retry?.0 as usize];
        let undo = self.data.undos[ix].as_ref()?;
        let view = View::new(self.plan, self.data, InstanceIx(0), Some(key.step), self.now);
        // A condition that cannot be evaluated allows no further attempt; the failure itself is what counts.
        if undo.attempts >= retry.max_attempts || !allows(retry, failure, &view).unwrap_or(false) {
            return None;
        }
        let delay =
            delay(retry, undo.attempts, identity::share(identity::mix(view.seed, u64::from(key.attempt))));
        let spent = self.now.since(undo.first_start);
        retry.total_timeout.is_none_or(|total| spent + delay < total).then_some(delay)
    }

    pub(crate) fn note_undo(&mut self, key: CallKey, duration: Duration, kind: RecordKind, detail: Detail) {
        let (at, instance, step) = (self.now, key.instance, Some(key.step));
        self.data.record(Record {
            at,
            duration: duration.into(),
            instance,
            step,
            attempt: key.attempt,
            kind,
            detail,
        });
    }

    /// Gives up all undos under way: their calls are cancelled, their results will not count.
    pub(crate) fn abandon_undos(&mut self) {
        for ix in 0..self.data.undos.len() {
            let Some(undo) = self.data.undos[ix].take() else { continue };
            let entries = undo.entries.iter().chain(&undo.current);
            let failure = Arc::new(timeout_failure(self.plan.cleanup_timeout));
            let keys: Vec<_> = entries
                .map(|armed| CallKey {
                    instance: armed.instance,
                    step: armed.step,
                    attempt: undo.attempts,
                    is_undo: true,
                })
                .collect();
            for key in keys.iter().rev() {
                let detail = Detail::Failure(failure.clone());
                self.note_undo(*key, Duration::ZERO, RecordKind::CompensationFailed, detail);
            }
            if let (true, Some(key)) = (undo.is_calling, keys.last()) {
                self.commands.push(Command::CancelCall(*key));
            }
        }
    }
}

/// The compensation that a step declares.
pub(crate) fn compensate_of(plan: &crate::plan::Plan, step: StepIx) -> Option<&Compensate> {
    plan.step(step).extras.as_ref()?.compensate.as_ref()
}
