//! A run that had ended goes back and on: to where it stood before what it failed with, or before a step began.
//!
//! Whoever holds the facts applies them once more up to that point and hands the state in; what has happened since stays in
//! the history, as something that does not count any more.

use super::record::{CallKey, Command, Detail, Fact, InstanceIx, RecordKind};
use super::state::{InstanceInfo, TimerKind};
use super::{RunState, RunStatus};
use crate::failure::{Failure, kind};
use crate::payload::Payload;
use crate::plan::{Action, OnParentClose, StepIx};
use crate::time::{Nanos, Timestamp};
use std::ops::Range;

/// A wish that a run goes back and on. It is kept among the facts of the run, whose numbers it names, and is applied by
/// [`RunState::go_back`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retried {
    /// So many facts of the run, counted from its start, still stand.
    pub keep: u64,
    /// The first fact behind them ended the attempt of this step: it is taken for one that another follows.
    pub failed: Option<(InstanceIx, StepIx)>,
    /// Path of the step that somebody named.
    pub from: Option<Box<str>>,
}

/// A run was made from another one: what it did up to here, that one did.
#[derive(Clone, Debug)]
pub struct Forked {
    /// Id of the other run.
    pub run_id: Box<str>,
    /// Path of the step from which on it is on its own.
    pub at: Box<str>,
    /// The input that it goes on with; that of the other run if absent.
    pub input: Option<Payload>,
}

/// With what a run goes back and on.
#[derive(Debug)]
pub struct Since<'a> {
    /// The wish.
    pub retried: &'a Retried,
    /// What ended the attempt that another is to follow.
    pub failed: Option<Fact>,
    /// What came later and still stands: results of calls that were under way, and what was sent to the run.
    pub kept: Vec<Fact>,
}

/// Records that do not count any more.
pub(crate) type Superseded = Vec<Range<usize>>;

impl RunState {
    /// Goes back to `earlier`, which is this run after the first `keep` facts, and on from there. Bodies and timers get other
    /// names than those that there were meanwhile.
    pub fn go_back(&mut self, at: Timestamp, earlier: Self, since: Since<'_>, commands: &mut Vec<Command>) {
        let kept = earlier.data.history.len();
        let former = std::mem::replace(self, earlier);
        let about = about(&former, since.retried, kept);
        let data = &mut self.data;
        data.superseded.push(kept..former.data.history.len());
        data.history = former.data.history;
        for info in &former.data.infos[data.infos.len()..] {
            data.infos.push(InstanceInfo { is_superseded: true, ..*info });
            data.instances.push(None);
        }
        data.next_timer = former.data.next_timer;
        data.status_version = former.data.status_version;
        self.turn(at, commands).note_run(RecordKind::RunRetried, Detail::Value(about));
        if self.data.queued.is_some() {
            return;
        }
        self.renew_limits(at, commands);
        self.turn(at, commands).take(Fact::Resume);
        if let Some(failed) = since.failed {
            self.data.again = since.retried.failed;
            self.turn(at, commands).take(failed);
            self.data.again = None;
        }
        for fact in since.kept {
            self.turn(at, commands).take(fact);
        }
        self.start_children_again(at, |close| close != OnParentClose::Abandon, commands);
    }

    /// From here on this run is another one than that which the facts before are of.
    pub(crate) fn fork(&mut self, at: Timestamp, forked: Forked, commands: &mut Vec<Command>) {
        let Forked { run_id, at: step, input } = forked;
        let data = &mut self.data;
        if let Some(input) = input {
            data.start.input = input;
        }
        // what looks random must not look the same in both
        let own = data.start.run_id.bytes().map(u64::from);
        data.start.seed = own.fold(data.start.seed, super::identity::mix);
        data.followers.clear();
        let about = Payload::encode(&serde_json::json!({ "run_id": run_id, "at": step }));
        self.turn(at, commands).note_run(RecordKind::RunForked, Detail::Value(about));
        if self.data.queued.is_some() {
            return;
        }
        self.renew_limits(at, commands);
        self.turn(at, commands).take(Fact::Resume);
        self.start_children_again(at, |_| true, commands);
    }

    /// Whether a step has begun and not settled.
    #[must_use]
    pub fn is_under_way(&self, instance: InstanceIx, step: StepIx) -> bool {
        use super::state::NodePhase::{Queued, Running, Waiting};
        let node = self.data.node(&self.plan, instance, step);
        node.is_some_and(|node| matches!(node.phase, Queued | Running | Waiting))
    }

    /// What has a limit has all of it again: the run did not run meanwhile.
    fn renew_limits(&mut self, at: Timestamp, commands: &mut Vec<Command>) {
        let plan = self.plan.clone();
        let mut turn = self.turn(at, commands);
        let timer = turn.data.run_timer.take();
        if let Some(limit) = plan.timeout.filter(|_| timer.is_some()) {
            turn.stop_timer(timer);
            turn.data.run_timer = Some(turn.start_timer(TimerKind::Run, limit));
        }
        let mut limits: Vec<_> = turn.data.timers.iter().map(|(id, kind)| (*id, *kind)).collect();
        limits.sort_by_key(|(id, _)| *id);
        for (_, kind) in limits {
            if let TimerKind::Limit(instance, step) = kind {
                turn.stop_limit(instance, step);
                turn.start_limit(instance, step);
            }
        }
    }

    /// Runs that steps had started were cancelled when this one ended, or are another one's: their steps start others.
    fn start_children_again(
        &mut self,
        at: Timestamp,
        is_lost: impl Fn(OnParentClose) -> bool,
        commands: &mut Vec<Command>,
    ) {
        let plan = self.plan.clone();
        let mut keys = Vec::new();
        for (ix, instance) in self.data.instances.iter().enumerate() {
            let Some(instance) = instance else { continue };
            for (node, step) in instance.nodes.iter().zip(instance.first..) {
                let is_gone =
                    |action: &Action| matches!(action, Action::Workflow(child) if is_lost(child.close));
                if node.is_in_flight && is_gone(&plan.step(StepIx(step)).action) {
                    let instance = InstanceIx(u32::try_from(ix).unwrap_or(u32::MAX));
                    let attempt = node.attempts;
                    keys.push(CallKey { instance, step: StepIx(step), attempt, is_undo: false });
                }
            }
        }
        for key in keys {
            let failure = Failure::new(kind::CANCELLED, "the run that it had started is not there any more");
            let outcome = Err(Box::new(failure));
            self.data.again = Some((key.instance, key.step));
            self.turn(at, commands).take(Fact::Outcome { key, duration: Nanos::ZERO, outcome });
            self.data.again = None;
        }
    }

    /// The place of a completed step among those that can still be undone, in the order of completion; `None` if it cannot be.
    #[must_use]
    pub fn undo_order(&self, instance: InstanceIx, step: StepIx) -> Option<usize> {
        self.data.armed.iter().position(|armed| armed.instance == instance && armed.step == step)
    }

    /// Where in the history a record still counts.
    pub(crate) fn counts(&self, nth: usize) -> bool {
        !self.data.superseded.iter().any(|range| range.contains(&nth))
    }
}

/// What is said of a run that goes back.
fn about(former: &RunState, retried: &Retried, kept: usize) -> Payload {
    let status = former.status();
    let error = former.error().filter(|_| status == RunStatus::Failed);
    Payload::encode(&serde_json::json!({
        "from": retried.from,
        "was": status,
        "error": error,
        "back_to": kept,
    }))
}
