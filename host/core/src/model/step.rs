//! Steps: what every step has, and what each type does.

use super::{At, Body, Json, RetryField};
use indexmap::IndexMap;
use semver::VersionReq;
use std::time::Duration;

/// When a step's dependencies let it go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerRule {
    /// All settled, none failed critically, not all of them skipped.
    NoneFailed,
    /// All completed.
    AllCompleted,
    /// All settled, whatever they came to.
    AllSettled,
    /// All settled, at least one failed.
    AnyFailed,
    /// As soon as one completed.
    AnyCompleted,
    /// As soon as so many completed.
    Completed(u32),
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Byte offset of the step's opening brace.
    pub at: u32,
    /// Id.
    pub id: At<Box<str>>,
    /// Shown; the id if absent.
    pub name: Option<Box<str>>,
    /// Shown.
    pub description: Option<Box<str>>,
    /// The user's own.
    pub metadata: Option<Json>,
    /// Keys that begin with `x-`: the user's own.
    pub extra: Vec<(Box<str>, Json)>,
    /// Siblings to wait for.
    pub dependencies: Vec<At<Box<str>>>,
    /// Absent: by mode.
    pub trigger_rule: Option<At<TriggerRule>>,
    /// Condition.
    pub when: Option<At<Box<str>>>,
    /// `Some(None)` is `0`: no limit, whatever the defaults say.
    pub timeout: Option<Option<Duration>>,
    /// Retries.
    pub retry: Option<RetryField>,
    /// Absent: by defaults, then true.
    pub critical: Option<bool>,
    /// Catches in order.
    pub catch: Vec<Catch>,
    /// Undo of this step.
    pub compensate: Option<Box<Compensate>>,
    /// Template over `result`.
    pub output: Option<Json>,
    /// Custom status of the run, set when the step starts.
    pub status: Option<Json>,
    /// Order among ready calls; absent: that of the step around it, then of the run.
    pub priority: Option<At<u8>>,
    /// How many attempts may begin in a time, over all runs.
    pub rate_limit: Option<At<RateLimit>>,
    /// What the step does.
    pub action: Action,
}

/// `catch`.
#[derive(Clone, Debug, PartialEq)]
pub struct Catch {
    /// Byte offset of the opening brace.
    pub at: u32,
    /// Patterns of error types; `["*"]` if absent.
    pub errors: Option<Vec<Box<str>>>,
    /// Condition over the error.
    pub when: Option<At<Box<str>>>,
    /// Name of the error in `when`, `steps` and `output`; `error` if absent.
    pub bind: Option<At<Box<str>>>,
    /// Steps to run instead, sequential.
    pub steps: Vec<Step>,
    /// Output of the caught step.
    pub output: Option<Json>,
}

/// `compensate`: a call, with the fields of a call step that make sense for an undo.
#[derive(Clone, Debug, PartialEq)]
pub struct Compensate {
    /// Byte offset of the opening brace.
    pub at: u32,
    /// What is called.
    pub call: CallFields,
    /// Per attempt.
    pub timeout: Option<Option<Duration>>,
    /// Retries.
    pub retry: Option<RetryField>,
}

/// The fields of a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallFields {
    /// Plugin id.
    pub plugin: At<Box<str>>,
    /// Method name.
    pub method: At<Box<str>>,
    /// Version range.
    pub plugin_version: Option<At<VersionReq>>,
    /// Parameters; `{}` if absent.
    pub parameters: Option<Json>,
    /// Affinity key template.
    pub session: Option<Json>,
    /// Name of the pool that attempts need a place in.
    pub pool: Option<At<Box<str>>>,
    /// Isolation asked for.
    pub isolation: Option<At<Isolation>>,
    /// Performed by the durable engine.
    pub detached: Option<At<bool>>,
    /// Whether an attempt that was under way when the host ended is made again.
    pub delivery: Option<At<Delivery>>,
    /// Longest silence of the method.
    pub heartbeat_timeout: Option<At<Duration>>,
    /// Fields of streaming pipelines, by name. Performed by a later engine.
    pub streaming: Vec<(At<Box<str>>, Json)>,
}

impl CallFields {
    /// Lets a plugin and a method that are not there point at the object that lacks them.
    pub(super) fn place_at(&mut self, at: u32) {
        for name in [&mut self.plugin, &mut self.method] {
            if name.value.is_empty() {
                name.at = at;
            }
        }
    }
}

/// Where a call runs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// In the host's process.
    InProcess,
    /// In a worker process.
    Worker,
}

/// What a crash in the middle of a call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is made again.
    AtLeastOnce,
    /// It counts as failed.
    AtMostOnce,
}

/// `rate_limit`.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimit {
    /// Key template.
    pub key: Json,
    /// Length of the window.
    pub per: Duration,
    /// Starts in a window.
    pub count: u32,
}

/// What a step does, by its `type`.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Calls a plugin method.
    Call(Box<CallFields>),
    /// A body of its own.
    Group(Body),
    /// The first or all of the cases whose condition holds.
    Switch {
        /// In order.
        cases: Vec<Case>,
        /// What runs when no case holds.
        default: Option<Body>,
        /// Whether all cases that hold are taken; absent: the first.
        match_all: Option<bool>,
    },
    /// A body for every item.
    Foreach(Box<Foreach>),
    /// A body again and again.
    Repeat(Box<Repeat>),
    /// The first of its steps to complete wins.
    Race {
        /// The contestants.
        steps: Vec<Step>,
        /// How many win; 1 if absent.
        winners: Option<At<u32>>,
    },
    /// Writes variables.
    Set {
        /// Templates by name.
        variables: IndexMap<Box<str>, Json>,
    },
    /// A line in the run's log.
    Log {
        /// The line.
        message: Json,
        /// Info if absent.
        level: Option<LogLevel>,
        /// Data that goes with it.
        data: Option<Json>,
    },
    /// Time passes.
    Wait(Wait),
    /// Fails.
    Fail {
        /// Dotted type of the error, `type` in the document.
        kind: Option<Json>,
        /// What is wrong.
        message: Option<Json>,
        /// Data that goes with it.
        details: Option<Json>,
        /// Byte offset of the error's opening brace.
        at: u32,
    },
    /// Ends the run as completed.
    Return {
        /// Output of the run; null if absent.
        value: Option<Json>,
    },
    /// Waits for an event.
    WaitForEvent {
        /// Its name.
        event: At<Box<str>>,
        /// Condition over `event`.
        filter: Option<At<Box<str>>>,
    },
    /// Takes messages from a queue of the run.
    Receive {
        /// Its name.
        queue: At<Box<str>>,
        /// So many at most; 1 if absent, above 1 the output is an array.
        max_messages: Option<At<u32>>,
    },
    /// Sends an event or a message.
    Emit(Box<Emit>),
    /// Runs another workflow.
    Workflow(Box<ChildRun>),
    /// Goes on as the next generation of the run.
    ContinueAsNew {
        /// Its input; null if absent.
        input: Option<Json>,
        /// Range of versions of the workflow; the same version if absent.
        version: Option<At<VersionReq>>,
    },
}

/// `emit`.
#[derive(Clone, Debug, PartialEq)]
pub struct Emit {
    /// What is sent: an event or a message.
    pub channel: Channel,
    /// Name of the event or the queue.
    pub name: At<Box<str>>,
    /// Id of the run that it goes to; if absent, every open run that waits for it.
    pub to: Option<Json>,
    /// What goes with it; null if absent.
    pub data: Option<Json>,
}

/// What can be sent to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Events, which `wait_for_event` takes.
    Event,
    /// Messages in a queue, which `receive` takes.
    Queue,
}

/// `workflow`.
#[derive(Clone, Debug, PartialEq)]
pub struct ChildRun {
    /// Id of the workflow.
    pub workflow: At<Box<str>>,
    /// Range of its versions; the newest if absent.
    pub version: Option<At<VersionReq>>,
    /// Id of the run; a new one if absent.
    pub run_id: Option<Json>,
    /// Its input; null if absent.
    pub input: Option<Json>,
    /// Whether the step completes as soon as the run has started.
    pub detached: Option<At<bool>>,
    /// What becomes of it when this run ends first; absent: cancelled, or abandoned if it is detached.
    pub on_parent_close: Option<OnParentClose>,
}

/// `on_parent_close`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnParentClose {
    /// It is cancelled.
    Cancel,
    /// It goes on.
    Abandon,
}

/// `level` of a log step.
pub type LogLevel = crate::ports::LogLevel;

/// One case of a switch.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Name, unique in the switch.
    pub name: At<Box<str>>,
    /// Condition.
    pub when: At<Box<str>>,
    /// Body.
    pub body: Body,
}

/// `foreach`.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreach {
    /// Expression or literal array.
    pub items: Items,
    /// Name of the item in the body; `item` if absent.
    pub bind: Option<At<Box<str>>>,
    /// Name of the index in the body; `index` if absent.
    pub index_bind: Option<At<Box<str>>>,
    /// Above 1 the item is an array of so many.
    pub batch_size: Option<At<u32>>,
    /// Failures that are tolerated.
    pub tolerated: Option<Tolerance>,
    /// False starts no more.
    pub while_: Option<At<Box<str>>>,
    /// Body; its `max_concurrency` is the number of items at a time (1 if absent, 0 = host limit).
    pub body: Body,
}

/// `items`.
#[derive(Clone, Debug, PartialEq)]
pub enum Items {
    /// A CEL expression.
    Expression(At<Box<str>>),
    /// A literal array; its strings are templates.
    Literal(Json),
}

/// `tolerated_failures`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// So many.
    Count(u32),
    /// So many per cent of the items, 0 to 100.
    Percent(f64),
}

/// `repeat`.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeat {
    /// Go on while this holds.
    pub while_: Option<At<Box<str>>>,
    /// Go on until this holds.
    pub until: Option<At<Box<str>>>,
    /// 10,000 if absent.
    pub max_iterations: Option<u32>,
    /// Between two iterations.
    pub delay: Option<Duration>,
    /// Body.
    pub body: Body,
}

/// `wait`.
#[derive(Clone, Debug, PartialEq)]
pub enum Wait {
    /// So long: a duration, or a template that yields one.
    Duration(Json),
    /// Until a point in time (RFC 3339), or a template that yields one.
    Until(Json),
}
