//! A run as a pure state machine over an immutable plan.
//!
//! [`RunState::apply`] is the one transition: it takes a fact, appends it and what follows to the history, and
//! asks for effects by commands. It needs no clock and no chance: times come with facts, everything that must look
//! random is made from the seed of the start. Applying the same facts again gives the same state.

mod again;
mod attempt;
mod body;
mod child;
mod contest;
mod emit;
mod ending;
mod environment;
mod event;
mod foreach;
mod forget;
mod gate;
mod generation;
mod identity;
mod inbox;
mod limits;
mod pause;
mod plain;
mod queued;
mod receive;
mod record;
mod report;
mod retry;
mod session;
mod state;
mod status;
mod steps;
mod stop;
mod trigger;
mod turn;
mod undo;

#[cfg(test)]
mod tests;

pub use again::{Forked, Retried, Since};
pub use child::{Parent, child_failure};
pub use event::{Event, EventKind};
pub use generation::{Carried, Generation, Unread};
pub(crate) use identity::{mix, uuid};
pub(crate) use limits::key_fault;
pub use limits::{Needs, Rate};
pub use record::{
    CallCommand, CallKey, CancelMode, ChildCommand, Command, ContinueCommand, Detail, EmitCommand, Fact,
    Input, InputEnv, Inputs, InstanceIx, LogLine, Record, RecordKind, TimerId,
};
pub use report::{RunReport, StepReport, Stopping};
pub use state::{History, Start};
pub use status::{RunStatus, StepStatus, UnknownStatus};
pub use steps::StepRecords;

use crate::payload::Payload;
use crate::plan::{MethodIx, Plan, SharedPlan, StepIx};
use crate::time::Timestamp;
use ending::Phase;
use state::Data;
use turn::Turn;

/// One run.
#[derive(Clone, Debug)]
pub struct RunState {
    plan: SharedPlan,
    data: Data,
}

impl RunState {
    /// Starts a run; the first commands are appended to `commands`.
    #[must_use]
    pub fn start(plan: SharedPlan, start: Start, at: Timestamp, commands: &mut Vec<Command>) -> Self {
        let data = Data::new(&plan, start, at);
        let mut state = Self { plan, data };
        let due = state.data.start.delayed_until.filter(|due| *due > at);
        match (due, state.data.queued.clone()) {
            (Some(due), _) => state.turn(at, commands).wait_for_start(due),
            (None, Some(why)) => state.turn(at, commands).wait_in_line(&why),
            (None, None) => state.turn(at, commands).begin(),
        }
        state
    }

    /// Takes one fact. A fact that does not concern anything any more (a late outcome, a timer that was cancelled
    /// meanwhile, anything after the end) changes nothing; what is sent to a run between two generations is kept for the
    /// next.
    pub fn apply(&mut self, at: Timestamp, fact: Fact, commands: &mut Vec<Command>) {
        if self.data.phase == Phase::Done {
            return self.keep_for_next(fact);
        }
        if let Fact::Forked(forked) = fact {
            return self.fork(at, *forked, commands);
        }
        match self.data.queued {
            None => self.turn(at, commands).take(fact),
            Some(_) => self.turn(at, commands).take_queued(fact),
        }
    }

    fn turn<'a>(&'a mut self, now: Timestamp, commands: &'a mut Vec<Command>) -> Turn<'a> {
        Turn { plan: &self.plan, data: &mut self.data, commands, now }
    }

    /// The plan it follows.
    #[must_use]
    pub fn plan(&self) -> &SharedPlan {
        &self.plan
    }

    /// What it was started with.
    #[must_use]
    pub fn start_values(&self) -> &Start {
        &self.data.start
    }

    /// Where the run stands.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        match (&self.data.ending, self.data.phase) {
            (Some(ending), Phase::Done) => ending.status(),
            (None, _) if self.data.queued.is_some() && !(self.is_delayed() && self.is_paused()) => {
                RunStatus::Queued
            }
            (None, _) if self.data.pause.is_some() => RunStatus::Paused,
            (None, _) if self.data.in_flight == 0 && self.data.waiting > 0 => RunStatus::Waiting,
            _ => RunStatus::Running,
        }
    }

    /// Whether a run that has begun asks for nothing: it waits for time, for what others send, for the ends of runs that it has
    /// started, or to be resumed.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.data.phase != Phase::Done && self.data.in_flight == self.data.children_awaited
    }

    /// The output, once the run has completed.
    #[must_use]
    pub fn output(&self) -> Option<&Payload> {
        match (&self.data.ending, self.data.phase) {
            (Some(ending::Ending::Completed(output)), Phase::Done) => Some(output),
            _ => None,
        }
    }

    /// Events and messages that were sent to it and that no step has taken yet.
    #[must_use]
    pub fn unread(&self) -> u32 {
        self.data.inbox.unread()
    }

    /// The status that its steps have set, if any.
    #[must_use]
    pub fn custom_status(&self) -> Option<&Payload> {
        self.data.custom_status.as_ref()
    }

    /// How often its steps have set the status, over all generations.
    #[must_use]
    pub fn status_version(&self) -> u64 {
        self.data.status_version
    }

    /// What happened, oldest first, as far as it has not been [forgotten](Self::forget).
    #[must_use]
    pub fn history(&self) -> &[Record] {
        &self.data.history
    }

    /// Path of a step, such as `probe[3].fetch`.
    #[must_use]
    pub fn path(&self, instance: InstanceIx, step: StepIx) -> String {
        self.data.path(&self.plan, instance, step)
    }

    /// The step that an instance is a body of; `None` for what belongs to the run itself.
    #[must_use]
    pub fn owner(&self, instance: InstanceIx) -> Option<(InstanceIx, StepIx)> {
        let info = self.data.infos.get(instance.0 as usize)?;
        Some((info.parent?, self.plan.scope(info.scope).owner?))
    }

    /// Path of a call, such as `probe[3].fetch`; that of an undo ends in `.compensate`.
    #[must_use]
    pub fn call_path(&self, key: CallKey) -> String {
        let path = self.path(key.instance, key.step);
        if key.is_undo { path + ".compensate" } else { path }
    }

    /// Renders the parameters of a call into `parameters`.
    ///
    /// # Errors
    /// If their template cannot be evaluated; a failure of type `expression`.
    pub fn render(
        plan: &Plan,
        call: &CallCommand,
        secrets: &dyn crate::ports::Secrets,
        parameters: &mut Payload,
    ) -> Result<(), crate::failure::Failure> {
        attempt::render(plan, call, secrets, parameters)
    }

    /// The affinity key of a call, from what was kept for it; empty if it has none.
    ///
    /// # Errors
    /// `expression` if it cannot be evaluated or is no text of at most
    /// [`SESSION_BYTES_MAX`](crate::model::SESSION_BYTES_MAX) bytes.
    #[inline]
    pub fn session(plan: &Plan, call: &CallCommand) -> Result<Box<str>, crate::failure::Failure> {
        if plan.has_call_options { session::render(plan, call) } else { Ok("".into()) }
    }

    /// Whether an attempt of this call that was under way when the host ended is not made again.
    #[must_use]
    pub fn is_at_most_once(plan: &Plan, key: CallKey) -> bool {
        attempt::call_of(plan, key).is_some_and(crate::plan::Call::is_at_most_once)
    }

    /// Longest silence of the method of a call, if there is a limit.
    #[must_use]
    #[inline]
    pub fn heartbeat_timeout(plan: &Plan, key: CallKey) -> Option<std::time::Duration> {
        if plan.has_call_options { attempt::call_of(plan, key)?.heartbeat_timeout() } else { None }
    }

    /// The template of a call's parameters needs no inputs.
    #[must_use]
    pub fn method(plan: &Plan, key: CallKey) -> Option<MethodIx> {
        attempt::call_of(plan, key).map(|call| call.method)
    }
}
