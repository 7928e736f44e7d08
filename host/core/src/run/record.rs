//! What goes into the state machine (facts), what it keeps (records) and what it asks for (commands).
//!
//! A fact comes from outside: an outcome, a timer, a wish to cancel. Facts are all a journal has to keep, because
//! everything else follows from them. The history holds the facts and what followed, in order, for whoever looks.

use crate::expr::{Env, Operand, RefIx};
use crate::failure::Failure;
use crate::payload::Payload;
use crate::plan::{Channel, MethodIx, OwnRun, Plain, Plan, StepIx, limit_ns};
use crate::ports::LogLevel;
use crate::time::{Nanos, Timestamp};
use smallvec::SmallVec;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

/// An instance of a scope in a run. Never reused within a run; 0 is the document's own body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct InstanceIx(pub u32);

/// One attempt of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct CallKey {
    /// Where.
    pub instance: InstanceIx,
    /// Which step.
    pub step: StepIx,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The step's own call, or its undo.
    pub is_undo: bool,
}

/// A timer of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId(pub u64);

/// How a run is to be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CancelMode {
    /// Running steps are stopped, completed ones compensated, `finally` runs.
    Graceful,
    /// Everything stops at once; no clean-up.
    Kill,
}

/// What happened outside.
#[derive(Clone, Debug)]
pub enum Fact {
    /// An attempt ended.
    Outcome {
        /// Which.
        key: CallKey,
        /// How long it took.
        duration: Nanos,
        /// What it came to.
        outcome: Result<Payload, Box<Failure>>,
    },
    /// A run that was queued may begin.
    Admitted,
    /// An attempt of a call that is made at most once is about to begin.
    Began(CallKey),
    /// A timer is due.
    Timer(TimerId),
    /// Somebody wants the run to end.
    Cancel {
        /// How.
        mode: CancelMode,
        /// Why, for people.
        reason: Arc<str>,
    },
    /// Somebody wants no more steps to start for now.
    Pause {
        /// Why, for people.
        reason: Arc<str>,
    },
    /// A paused run is to go on.
    Resume,
    /// The host had ended out of order while calls of the run were under way: they are about to be made again.
    Recovered,
    /// The run, which had ended, goes back and on. Only [`super::RunState::go_back`] can apply it.
    Retried(Box<super::Retried>),
    /// From here on the run is another one than that which the facts before are of.
    Forked(Box<super::Forked>),
    /// An event or a message was sent to the run. It is kept until a step takes it, so whoever reports it sees to it
    /// that they do not become too many, see [`super::RunState::unread`].
    Sent {
        /// Which of the two.
        channel: Channel,
        /// Name of the event or the queue.
        name: Arc<str>,
        /// What goes with it.
        data: Payload,
    },
}

/// What is to be done outside.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make a call and report its outcome.
    Call(CallCommand),
    /// Stop an attempt; its outcome is still to be reported, at the latest after the grace.
    CancelCall(CallKey),
    /// Send something to other runs and report what came of it as the outcome of the attempt: null, or a failure if it
    /// could not be delivered. It is made once an attempt, and asked for again if a restart came between.
    Emit(Box<EmitCommand>),
    /// Start another run and report what came of it as the outcome of the attempt: its output or what it failed with,
    /// once it has ended; `{run_id}` at once if it is detached; a failure if it cannot be started. If a restart came
    /// between, and a run of this id with this one as parent is there already, it is that run.
    StartChild(Box<ChildCommand>),
    /// Find the version that the next generation is to follow, check its input, make everything ready for it, and report
    /// `{version}` as the outcome of the attempt; a failure if that cannot be. Once this generation has ended as
    /// `continued`, the next is to begin, see [`super::RunState::next_generation`].
    Continue(Box<ContinueCommand>),
    /// Ask a run that this one started to end, if it has not.
    CancelChild {
        /// Its id.
        run_id: Arc<str>,
        /// How.
        mode: CancelMode,
    },
    /// The run may begin as far as time goes: report [`Fact::Admitted`] once it has a place among those that are under way.
    /// If a restart came between, see [`super::RunState::is_queued`].
    StandInLine,
    /// Report when it is time.
    StartTimer {
        /// Its name.
        id: TimerId,
        /// When.
        at: Timestamp,
    },
    /// Not needed any more.
    CancelTimer(TimerId),
    /// The run has ended: nothing more will be asked for.
    Finish,
}

/// Something to send to other runs.
#[derive(Clone, Debug)]
pub struct EmitCommand {
    /// Which attempt.
    pub key: CallKey,
    /// An event or a message.
    pub channel: Channel,
    /// Name of the event or the queue.
    pub name: Arc<str>,
    /// The run that it goes to; `None` = every open run whose plan waits for it.
    pub to: Option<Arc<str>>,
    /// What goes with it.
    pub data: Payload,
}

/// A generation to make ready.
#[derive(Clone, Debug)]
pub struct ContinueCommand {
    /// Which attempt.
    pub key: CallKey,
    /// Its input, not checked.
    pub input: Payload,
    /// Range of versions of the workflow; `None` = the same version.
    pub version: Option<semver::VersionReq>,
}

/// A run to start.
#[derive(Clone, Debug)]
pub struct ChildCommand {
    /// Which attempt.
    pub key: CallKey,
    /// Its id.
    pub run_id: Arc<str>,
    /// Id of the workflow.
    pub workflow: Arc<str>,
    /// Range of its versions; `None` = the newest.
    pub version: Option<semver::VersionReq>,
    /// The workflow itself, if it is not one that is registered.
    pub own: Option<Arc<OwnRun>>,
    /// Its input.
    pub input: Payload,
    /// Nobody waits for its end.
    pub is_detached: bool,
}

/// A call to make. Small, because it is moved from hand to hand.
#[derive(Clone, Debug)]
pub struct CallCommand {
    /// Which attempt.
    pub key: CallKey,
    /// Which method.
    pub method: MethodIx,
    /// Limit of this attempt, in nanoseconds.
    timeout_ns: Option<NonZeroU64>,
    /// What calls of constant parameters outside of every foreach and repeat do without.
    more: Option<Box<CallMore>>,
}

#[derive(Clone, Debug)]
struct CallMore {
    /// What stands before the step's id in its path, for every foreach and repeat around it.
    prefix: Option<Arc<str>>,
    /// What its parameters are made from.
    inputs: Inputs,
}

impl CallCommand {
    pub(crate) fn new(
        key: CallKey,
        method: MethodIx,
        timeout: Option<Duration>,
        prefix: Option<Arc<str>>,
        inputs: Option<Inputs>,
    ) -> Self {
        let has_more = prefix.is_some() || inputs.is_some();
        let more = has_more.then(|| Box::new(CallMore { prefix, inputs: inputs.unwrap_or_default() }));
        Self { key, method, timeout_ns: timeout.map(limit_ns), more }
    }

    /// The first attempt of a step that is nothing but a call.
    pub(crate) fn plain(
        key: CallKey,
        plain: Plain,
        prefix: Option<Arc<str>>,
        inputs: Option<Inputs>,
    ) -> Self {
        let more = match (prefix, inputs) {
            (None, None) => None,
            (prefix, inputs) => Some(Box::new(CallMore { prefix, inputs: inputs.unwrap_or_default() })),
        };
        Self { key, method: plain.method, timeout_ns: plain.timeout_ns, more }
    }

    /// Limit of this attempt.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout_ns.map(|limit| Duration::from_nanos(limit.get()))
    }

    /// Appends the path of the step in the run; that of an undo ends in `.compensate`.
    pub fn push_path(&self, plan: &Plan, into: &mut String) {
        let prefix = self.more.as_ref().and_then(|more| more.prefix.as_deref());
        into.push_str(prefix.unwrap_or_default());
        into.push_str(&plan.step(self.key.step).id);
        if self.key.is_undo {
            into.push_str(".compensate");
        }
    }

    /// What the parameters are made from; nothing if they are constant.
    pub(crate) fn inputs(&self) -> Option<&Inputs> {
        self.more.as_ref().map(|more| &more.inputs)
    }
}

/// Values for the references of a template, taken when the call became ready; rendering needs nothing else of
/// the run and is done outside its lock.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// One for each reference of the template, in order.
    pub values: SmallVec<[Input; 1]>,
    /// What `now()` answers.
    pub now: Timestamp,
    /// What `uuid()` is made from.
    pub seed: u64,
}

/// One such value.
#[derive(Clone, Debug)]
pub enum Input {
    /// `null`
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// JSON.
    Json(Payload),
}

impl Input {
    /// Keeps what `operand` says.
    pub(crate) fn keep(operand: Operand<'_>) -> Self {
        match operand {
            Operand::Null => Self::Null,
            Operand::Bool(value) => Self::Bool(value),
            Operand::Int(value) => Self::Int(value),
            Operand::Text(text) => Self::Json(Payload::encode(&text)),
            Operand::Json(payload) => Self::Json(payload.clone()),
        }
    }
}

/// Inputs as an environment. Secrets come from the performer.
pub struct InputEnv<'a> {
    /// The values.
    pub inputs: &'a Inputs,
    /// Which of them is that of the template's first reference.
    pub first: usize,
    /// Resolves secrets.
    pub secrets: &'a dyn crate::ports::Secrets,
}

impl Env for InputEnv<'_> {
    fn operand(&self, _: RefIx, nth: usize) -> Operand<'_> {
        match self.inputs.values.get(self.first + nth) {
            None | Some(Input::Null) => Operand::Null,
            Some(Input::Bool(value)) => Operand::Bool(*value),
            Some(Input::Int(value)) => Operand::Int(*value),
            Some(Input::Json(payload)) => Operand::Json(payload),
        }
    }

    fn now(&self) -> Timestamp {
        self.inputs.now
    }

    fn uuid(&self, nth: u32) -> [u8; 16] {
        super::identity::uuid(self.inputs.seed, nth)
    }

    fn secret(&self, name: &str) -> Result<Arc<str>, String> {
        self.secrets.get(name)
    }
}

/// One entry of the history.
#[derive(Clone, Debug)]
pub struct Record {
    /// When it was recorded.
    pub at: Timestamp,
    /// How long what ended had taken; zero where nothing ended.
    pub duration: Nanos,
    /// Where.
    pub instance: InstanceIx,
    /// Which step; `None` for the run itself.
    pub step: Option<StepIx>,
    /// Attempts made so far.
    pub attempt: u32,
    /// What.
    pub kind: RecordKind,
    /// More about it.
    pub detail: Detail,
}

/// What a record says.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// The run was accepted and waits for its turn or its time; detail: what for.
    RunQueued,
    /// The run started; detail: input.
    RunStarted,
    /// A structured or waiting step started an attempt.
    StepStarted,
    /// A call answered and its step has an `output` template: the raw result.
    CallAnswered,
    /// The step completed; detail: output.
    StepCompleted,
    /// An attempt failed and another follows; detail: failure.
    AttemptFailed,
    /// The failure of the step was caught and its catch starts; detail: failure.
    StepCaught,
    /// The step failed for good; detail: failure.
    StepFailed,
    /// The step did not run; detail: why.
    StepSkipped,
    /// The step was stopped.
    StepCancelled,
    /// An attempt of an undo that is made at most once is about to begin.
    CompensationStarted,
    /// The undo of the step succeeded; detail: its result.
    StepCompensated,
    /// The undo of the step failed for good; detail: failure.
    CompensationFailed,
    /// A line of a `log` step; detail: message and data.
    Log,
    /// The custom status of the run changed; detail: the status.
    StatusSet,
    /// An event was sent to the run; detail: its name and its data.
    EventReceived,
    /// A message was sent to the run; detail: its queue and its data.
    MessageReceived,
    /// No more steps start; detail: why.
    RunPaused,
    /// Steps start again.
    RunResumed,
    /// The host had ended out of order while calls were under way, which are made again.
    RunRecovered,
    /// The run, which had ended, goes back to where it stood earlier, and on; detail: what it had ended with, and the number
    /// of the first record that does not count any more.
    RunRetried,
    /// All before this was done by another run, of which this one was made; detail: its id, and at which step.
    RunForked,
    /// Somebody asked to cancel; detail: reason.
    CancelRequested,
    /// Running steps are being stopped and clean-up begins.
    Stopping,
    /// Clean-up took too long and was given up; detail: why.
    CleanupAbandoned,
    /// The run completed; detail: output.
    RunCompleted,
    /// The run failed; detail: failure.
    RunFailed,
    /// The run was cancelled; detail: reason.
    RunCancelled,
    /// The run goes on as its next generation; detail: the input of that.
    RunContinued,
}

/// What a record holds besides.
#[derive(Clone, Debug)]
pub enum Detail {
    /// Nothing.
    None,
    /// A value.
    Value(Payload),
    /// A failure.
    Failure(Arc<Failure>),
    /// A sentence.
    Text(Arc<Box<str>>),
    /// A line of a `log` step.
    Line(Arc<LogLine>),
}

impl Detail {
    /// The value, if it is one.
    #[must_use]
    pub fn value(&self) -> Option<&Payload> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }
}

/// A line of a `log` step.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// Severity.
    pub level: LogLevel,
    /// Text.
    pub message: Box<str>,
    /// Fields.
    pub data: Payload,
}
