//! The workflow document, format 1, as a typed value. Parsing keeps for every step and every string that can be
//! wrong in itself the byte offset where it stands, so that later passes can point at it.

use indexmap::IndexMap;
use semver::{Version, VersionReq};
use std::time::Duration;

/// A value and the byte offset in the document where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Byte offset of its first character (for a string: of the opening quote).
    pub at: u32,
}

/// A piece of JSON as it stands in the document: a template or plain data.
#[derive(Clone, Debug, PartialEq)]
pub struct Json {
    /// The JSON text as written, comments of a `.jsonc` file blanked out.
    pub text: Box<str>,
    /// Byte offset of its first character.
    pub at: u32,
}

/// How the steps of a body relate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// One after the other in list order.
    #[default]
    Sequential,
    /// By their dependencies.
    Parallel,
    /// By their dependencies; a skipped step takes what depends on it along.
    Conditional,
    /// Each takes the former one's output.
    Pipeline,
}

/// The whole document.
#[derive(Clone, Debug, PartialEq)]
pub struct Workflow {
    /// `$schema`, as written.
    pub schema: Option<Box<str>>,
    /// `dsl`, as written.
    pub dsl: Option<Box<str>>,
    /// Id.
    pub id: At<Box<str>>,
    /// Version; 0.0.0 if absent, see [`Workflow::version`].
    pub version: Option<Version>,
    /// Shown; the id if absent.
    pub name: Option<Box<str>>,
    /// Shown.
    pub description: Option<Box<str>>,
    /// The user's own.
    pub metadata: Option<Json>,
    /// Keys that begin with `x-`: the user's own.
    pub extra: Vec<(Box<str>, Json)>,
    /// Steps and how they relate.
    pub body: Body,
    /// Version ranges of plugins for the whole run.
    pub requires: IndexMap<Box<str>, At<VersionReq>>,
    /// JSON Schema of the input.
    pub input_schema: Option<Json>,
    /// Initial variables: name -> template.
    pub variables: IndexMap<Box<str>, Json>,
    /// Defaults for steps.
    pub defaults: Defaults,
    /// Named retry policies.
    pub retry_policies: IndexMap<Box<str>, Retry>,
    /// Output template.
    pub output: Option<Json>,
    /// Limit of the whole run, clean-up not counted.
    pub timeout: Option<Duration>,
    /// Whether compensations run; on failure if absent.
    pub rollback: Option<Rollback>,
    /// Steps after a failure.
    pub on_failure: Vec<Step>,
    /// Steps at every end.
    pub finally: Vec<Step>,
    /// Limit of all clean-up together; 10 minutes if absent.
    pub cleanup_timeout: Option<Duration>,
    /// Performed by the durable engine.
    pub schedule: Option<Schedule>,
    /// Performed by the durable engine.
    pub concurrency: Option<Concurrency>,
    /// Performed by the durable engine.
    pub priority: Option<At<u8>>,
}

impl Workflow {
    /// The version, 0.0.0 if the document gives none.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version.clone().unwrap_or(Version::new(0, 0, 0))
    }
}

/// When compensations run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rollback {
    /// When the run fails or is cancelled gracefully.
    #[default]
    OnFailure,
    /// Never.
    Never,
}

/// Steps and how they relate: the document's own, and that of every structured step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// Mode; sequential if absent.
    pub mode: Option<At<Mode>>,
    /// `max_concurrency` as written; what it means depends on where it stands.
    pub max_concurrency: Option<At<u32>>,
    /// Steps in list order.
    pub steps: Vec<Step>,
}

/// `defaults`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defaults {
    /// For call steps at any depth; zero is no limit.
    pub timeout: Option<Duration>,
    /// For call steps at any depth.
    pub retry: Option<RetryField>,
    /// For every step.
    pub critical: Option<bool>,
    /// Performed by the durable engine.
    pub session: Option<Json>,
    /// Performed by the durable engine.
    pub pool: Option<At<Box<str>>>,
}

/// `max_retries` or `retry` as written.
#[derive(Clone, Debug, PartialEq)]
pub enum RetryField {
    /// `max_retries`: retries after the first attempt, one second apart.
    MaxRetries(u32),
    /// `retry: "name"`.
    Named(At<Box<str>>),
    /// `retry: {..}`.
    Policy(Box<Retry>),
}

/// A retry policy as written; absent fields have their defaults filled in when a plan is made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retry {
    /// Counting the first; 3 if absent.
    pub max_attempts: Option<u32>,
    /// 1 s if absent.
    pub delay: Option<Duration>,
    /// Exponential if absent.
    pub backoff: Option<Backoff>,
    /// 2 if absent.
    pub multiplier: Option<f64>,
    /// 1 h if absent.
    pub max_delay: Option<Duration>,
    /// 0 to 1; 0 if absent.
    pub jitter: Option<f64>,
    /// Over all attempts and delays.
    pub total_timeout: Option<Duration>,
    /// Patterns of error types; `["*"]` if absent.
    pub errors: Option<Vec<Box<str>>>,
    /// Condition over `error`.
    pub when: Option<At<Box<str>>>,
}

/// How the delay grows from attempt to attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backoff {
    /// No delay at all.
    None,
    /// Always `delay`.
    Fixed,
    /// `delay` times the number of the failed attempt.
    Linear,
    /// `delay` times `multiplier` to the power of failed attempts less one.
    #[default]
    Exponential,
}

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
    /// Performed by the durable engine.
    pub priority: Option<At<u8>>,
    /// Performed by the durable engine.
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
#[derive(Clone, Debug, PartialEq)]
pub struct CallFields {
    /// Plugin id.
    pub plugin: At<Box<str>>,
    /// Method name.
    pub method: At<Box<str>>,
    /// Version range.
    pub plugin_version: Option<At<VersionReq>>,
    /// Parameters; `{}` if absent.
    pub parameters: Option<Json>,
    /// Affinity key template. Performed by a later engine.
    pub session: Option<Json>,
    /// Pool name. Performed by a later engine.
    pub pool: Option<At<Box<str>>>,
    /// Isolation asked for.
    pub isolation: Option<At<Isolation>>,
    /// Performed by the durable engine.
    pub detached: Option<At<bool>>,
    /// Performed by the durable engine.
    pub delivery: Option<At<Delivery>>,
    /// Performed by a later engine.
    pub heartbeat_timeout: Option<At<Duration>>,
    /// Fields of streaming pipelines, by name. Performed by a later engine.
    pub streaming: Vec<(At<Box<str>>, Json)>,
}

/// Where a call runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    Switch { cases: Vec<Case>, default: Option<Body>, match_all: Option<bool> },
    /// A body for every item.
    Foreach(Box<Foreach>),
    /// A body again and again.
    Repeat(Box<Repeat>),
    /// The first of its steps to complete wins.
    Race { steps: Vec<Step>, winners: Option<At<u32>> },
    /// Writes variables.
    Set { variables: IndexMap<Box<str>, Json> },
    /// A line in the run's log.
    Log { message: Json, level: Option<LogLevel>, data: Option<Json> },
    /// Time passes.
    Wait(Wait),
    /// Fails.
    Fail { kind: Option<Json>, message: Option<Json>, details: Option<Json>, at: u32 },
    /// Ends the run as completed.
    Return { value: Option<Json> },
    /// A type that a later engine performs; its fields as written, all of them known to the format.
    Later { kind: At<LaterKind>, fields: Vec<(At<Box<str>>, Json)> },
}

/// Types of format 1 that need the durable engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaterKind {
    /// `wait_for_event`
    WaitForEvent,
    /// `receive`
    Receive,
    /// `emit`
    Emit,
    /// `workflow`
    Workflow,
    /// `continue_as_new`
    ContinueAsNew,
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

/// `schedule`, as written. Performed by the durable engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The object as written; its keys and types have been checked.
    pub json: Json,
}

/// `concurrency`, as written. Performed by the durable engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Concurrency {
    /// The object as written; its keys and types have been checked.
    pub json: Json,
}
