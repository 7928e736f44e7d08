//! An immutable, index-based plan: what a document says, checked and resolved, in the shape that runs need.
//!
//! All steps of all bodies stand in one table; the steps of one body (a scope) are contiguous and in list order.
//! Successors and declared dependencies are CSR arrays over that table. Nothing here is changed by a run.

mod admission;
mod call;
mod input;
mod outputs;
mod outward;
mod plain;

pub use admission::{Concurrency, OnConflict};
pub use call::{Call, CallOptions, RateLimit};
pub use input::InputSchema;
pub use outputs::Outputs;
pub use outward::{Channel, ChildRun, ContinueAsNew, Emit, OnParentClose, OwnRun, Receive, WaitForEvent};
pub use plain::Plain;
pub(crate) use plain::limit_ns;

use crate::catalog::MethodKind;
pub use crate::expr::RefIx;
use crate::expr::{Expression, Template};
use crate::model::Isolation;
pub use crate::model::{Backoff, LogLevel, Mode, Rollback, Tolerance, TriggerRule};
use crate::schedule::Spec;
use semver::{Version, VersionReq};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Index of a step in [`Plan::steps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct StepIx(pub u32);

/// Index of a scope in [`Plan::scopes`]; 0 is the document's own body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeIx(pub u32);

/// Index of a method in [`Plan::methods`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodIx(pub u32);

/// Index of a retry policy in [`Plan::retries`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RetryIx(pub u32);

impl ScopeIx {
    /// The document's own body.
    pub const ROOT: Self = Self(0);
}

/// A workflow, ready to run.
#[derive(Debug)]
pub struct Plan {
    /// Workflow id.
    pub id: Box<str>,
    /// Workflow version.
    pub version: Version,
    /// Shown name.
    pub name: Box<str>,
    /// All scopes; parents stand before their children.
    pub scopes: Vec<Scope>,
    /// All steps.
    pub steps: Vec<Step>,
    /// Start of each step's range in `successors`; one more entry than steps.
    pub successor_starts: Vec<u32>,
    /// What waits for each step.
    pub successors: Vec<Edge>,
    /// Start of each step's range in `declared`; one more entry than steps.
    pub declared_starts: Vec<u32>,
    /// Declared dependencies of each step: those that trigger rules count.
    pub declared: Vec<StepIx>,
    /// What a run needs of the steps that are nothing but a call, by step.
    pub plain: Box<[Option<Plain>]>,
    /// How many edges lead to each step: it is looked at when so many have been settled. In sequential and
    /// pipeline scopes the list predecessor is the one edge, whatever is declared.
    pub in_degree: Vec<u32>,
    /// References of all expressions and templates.
    pub refs: Vec<Ref>,
    /// Which steps read whose output.
    pub outputs: Outputs,
    /// How many awaited edges lead to each step whose trigger rule can fire early (`any_completed`, `completed`)
    /// in a parallel or conditional scope.
    pub awaited: std::collections::HashMap<StepIx, u32>,
    /// Whether any call has [`CallOptions`]; where none has, a run does not look for them at every call.
    pub has_call_options: bool,
    /// Methods that calls use, resolved to one version each.
    pub methods: Vec<MethodUse>,
    /// Retry policies, defaults filled in.
    pub retries: Vec<Retry>,
    /// Initial variables of the root scope, by slot: `None` for those that only `set` steps give a value.
    pub variables: Vec<Option<Template>>,
    /// What the input must be like; anything if absent.
    pub input_schema: Option<InputSchema>,
    /// Limit of the run, clean-up not counted.
    pub timeout: Option<Duration>,
    /// Whether compensations run.
    pub rollback: Rollback,
    /// Steps after a failure.
    pub on_failure: Option<ScopeIx>,
    /// Steps at every end.
    pub finally: Option<ScopeIx>,
    /// Limit of all clean-up together.
    pub cleanup_timeout: Duration,
    /// Attempts of call steps at a time; `None` = the host's limit.
    pub max_concurrency: Option<u32>,
    /// Events and queues that some step waits for.
    pub listens: BTreeSet<(Channel, Arc<str>)>,
    /// How many runs that share a key may be under way.
    pub concurrency: Option<Box<Concurrency>>,
    /// Order among queued runs: 9 first, 0 last.
    pub priority: u8,
    /// The priorities of steps, if they are not all that of the run: by step, inherited ones filled in.
    pub step_priorities: Option<Box<[u8]>>,
    /// Some call is made at most once.
    pub has_at_most_once: bool,
    /// Some call needs a place in a pool or has a rate limit.
    pub has_limits: bool,
    /// Workflows that steps run, each with its range of versions.
    pub children: Vec<(Arc<str>, Option<VersionReq>)>,
    /// When runs start by themselves, once the workflow is registered.
    pub schedule: Option<Arc<Spec>>,
}

impl Plan {
    /// What waits for `step`, in list order.
    #[must_use]
    pub fn successors(&self, step: StepIx) -> &[Edge] {
        let ix = step.0 as usize;
        &self.successors[self.successor_starts[ix] as usize..self.successor_starts[ix + 1] as usize]
    }

    /// The dependencies that `step` declares.
    #[must_use]
    pub fn declared(&self, step: StepIx) -> &[StepIx] {
        let ix = step.0 as usize;
        &self.declared[self.declared_starts[ix] as usize..self.declared_starts[ix + 1] as usize]
    }

    /// The step called `id`.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<StepIx> {
        let at = self.steps.iter().position(|step| &*step.id == id)?;
        u32::try_from(at).ok().map(StepIx)
    }

    /// How many awaited edges lead to `step`, if its trigger rule can fire early; else 0.
    #[must_use]
    pub fn awaited(&self, step: StepIx) -> u32 {
        self.awaited.get(&step).copied().unwrap_or(0)
    }

    /// The step at `ix`.
    #[must_use]
    pub fn step(&self, ix: StepIx) -> &Step {
        &self.steps[ix.0 as usize]
    }

    /// What a run needs of `step`, if it is nothing but a call.
    #[must_use]
    pub fn plain(&self, step: StepIx) -> Option<Plain> {
        self.plain[step.0 as usize]
    }

    /// The scope at `ix`.
    #[must_use]
    pub fn scope(&self, ix: ScopeIx) -> &Scope {
        &self.scopes[ix.0 as usize]
    }
}

/// An edge to a step that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The step that waits.
    pub to: StepIx,
    /// It declares the dependency: trigger rules count it.
    pub declared: bool,
    /// It must be settled before the step starts, whatever the trigger rule says: a reference, or every
    /// dependency of a rule that waits for all.
    pub awaited: bool,
    /// The rule of the step may be decided before all its dependencies have settled.
    pub early: bool,
}

/// A body: the document's, a structured step's, a case's, a catch's, `on_failure` or `finally`.
#[derive(Debug)]
pub struct Scope {
    /// The structured step that owns it; `None` for the document's body, `on_failure` and `finally`. The latter two
    /// see the steps and variables of the document's body, which has ended by then.
    pub owner: Option<StepIx>,
    /// The scope that `owner` stands in.
    pub parent: Option<ScopeIx>,
    /// What kind of body it is.
    pub role: ScopeRole,
    /// Its steps.
    pub steps: Range<u32>,
    /// How they relate.
    pub mode: Mode,
    /// Call attempts at a time inside this scope, at any depth; `None` = no limit of its own. (For a foreach body
    /// the limit on items stands in [`Foreach`].)
    pub max_concurrency: Option<u32>,
    /// Template of the body output; `None` = by mode. It sees the steps of the body and, as [`Ref::LocalResult`],
    /// what the output by mode would be. A switch that takes one case has its output in the scope of every case.
    /// In a catch: the catch's output.
    pub output: Option<Template>,
    /// Variables that live in instances of this scope, by slot: names for display.
    pub variables: Vec<Box<str>>,
}

/// What a scope is the body of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeRole {
    /// The document.
    Root,
    /// A group.
    Group,
    /// A case of a switch, by position; the default case is one past the last.
    Case(u32),
    /// An item of a foreach.
    Item,
    /// An iteration of a repeat.
    Iteration,
    /// The contestants of a race.
    Contest,
    /// A catch of a step, by position; may have no steps.
    Catch(u32),
    /// `on_failure` of the document.
    OnFailure,
    /// `finally` of the document.
    Finally,
}

/// One step. What few steps have stands behind one pointer.
#[derive(Debug)]
pub struct Step {
    /// Id as in the document.
    pub id: Box<str>,
    /// The scope it stands in.
    pub scope: ScopeIx,
    /// Failure fails the scope.
    pub critical: bool,
    /// When dependencies let it go; the mode's default is filled in.
    pub rule: TriggerRule,
    /// Limit of an attempt.
    pub timeout: Option<Duration>,
    /// Retries; `None` = one attempt.
    pub retry: Option<RetryIx>,
    /// Condition.
    pub when: Option<Box<Expression>>,
    /// What it does.
    pub action: Action,
    /// What few steps have.
    pub extras: Option<Box<Extras>>,
}

impl Step {
    /// Whether attempts of its call, or of its undo, are made at most once.
    pub(crate) fn is_at_most_once(&self) -> bool {
        let own = matches!(&self.action, Action::Call(call) if call.is_at_most_once());
        let undo = self.extras.as_ref().and_then(|extras| extras.compensate.as_ref());
        own || undo.is_some_and(|undo| undo.call.is_at_most_once())
    }
}

/// What few steps have.
#[derive(Debug, Default)]
pub struct Extras {
    /// Catches in order.
    pub catch: Vec<Catch>,
    /// Undo.
    pub compensate: Option<Compensate>,
    /// Template over `result`.
    pub output: Option<Template>,
    /// Custom status of the run, set when the step starts.
    pub status: Option<Template>,
}

/// A catch. Its steps and output are a scope, which may have no steps; the error is bound in that scope.
#[derive(Debug)]
pub struct Catch {
    /// Patterns of error types.
    pub errors: Vec<Box<str>>,
    /// Condition; sees the error as [`Ref::LocalError`].
    pub when: Option<Expression>,
    /// Steps and output.
    pub body: ScopeIx,
}

impl Step {
    /// Whether its call or that of its undo has [`CallOptions`].
    #[must_use]
    pub fn has_call_options(&self) -> bool {
        let own = matches!(&self.action, Action::Call(call) if call.options.is_some());
        let undo = || self.extras.as_ref().and_then(|extras| extras.compensate.as_ref());
        own || undo().is_some_and(|undo| undo.call.options.is_some())
    }
}

/// An undo.
#[derive(Debug)]
pub struct Compensate {
    /// What is called.
    pub call: Call,
    /// Limit of an attempt.
    pub timeout: Option<Duration>,
    /// Retries.
    pub retry: Option<RetryIx>,
}

/// A method resolved to one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodUse {
    /// Plugin id.
    pub plugin: Box<str>,
    /// The version that this plan uses.
    pub version: Version,
    /// Method name.
    pub method: Box<str>,
    /// How it is called.
    pub kind: MethodKind,
    /// Where the step wants it to run; `None` leaves it to the host.
    pub isolation: Option<Isolation>,
    /// Declared free of side effects.
    pub pure: bool,
    /// Limit of an attempt where the document sets none.
    pub default_timeout: Option<Duration>,
}

/// What a step does. Structured and rare ones stand behind a pointer.
#[derive(Debug)]
pub enum Action {
    /// Calls a method.
    Call(Call),
    /// Runs a body.
    Group(ScopeIx),
    /// Runs bodies by conditions.
    Switch(Box<Switch>),
    /// Runs a body for every item.
    Foreach(Box<Foreach>),
    /// Runs a body again and again.
    Repeat(Box<Repeat>),
    /// Lets the steps of a scope compete.
    Race {
        /// The contestants.
        body: ScopeIx,
        /// How many win.
        winners: u32,
    },
    /// Writes variables.
    Set(Vec<Assignment>),
    /// Writes a line.
    Log(Box<Log>),
    /// Waits so long: a template that yields a duration.
    WaitFor(Box<Template>),
    /// Waits until then: a template that yields a point in time.
    WaitUntil(Box<Template>),
    /// Fails.
    Fail(Box<Fail>),
    /// Ends the run as completed with this output.
    Return(Box<Template>),
    /// Waits for an event.
    WaitForEvent(Box<WaitForEvent>),
    /// Takes messages.
    Receive(Box<Receive>),
    /// Sends an event or a message.
    Emit(Box<Emit>),
    /// Runs another workflow.
    Workflow(Box<ChildRun>),
    /// Goes on as the next generation of the run.
    ContinueAsNew(Box<ContinueAsNew>),
}

/// `switch`.
#[derive(Debug)]
pub struct Switch {
    /// Cases in order.
    pub cases: Vec<Case>,
    /// What runs if none holds.
    pub default: Option<ScopeIx>,
    /// Run every case that holds, not only the first.
    pub match_all: bool,
}

/// One case.
#[derive(Debug)]
pub struct Case {
    /// Name.
    pub name: Box<str>,
    /// Condition.
    pub when: Expression,
    /// Body.
    pub body: ScopeIx,
}

/// `foreach`.
#[derive(Debug)]
pub struct Foreach {
    /// Where items come from.
    pub items: Items,
    /// Bodies at a time; `None` = the host's limit.
    pub max_concurrency: Option<u32>,
    /// Items in a batch; 1 = the item itself is bound.
    pub batch_size: u32,
    /// Failures tolerated.
    pub tolerated: Tolerance,
    /// Checked before each start; sees item and index of the candidate as [`Ref::LocalItem`] and [`Ref::LocalIndex`].
    pub while_: Option<Expression>,
    /// Body.
    pub body: ScopeIx,
}

/// `items`.
#[derive(Debug)]
pub enum Items {
    /// An expression.
    Expression(Expression),
    /// A literal array with templates in it.
    Literal(Template),
}

/// `repeat`. The conditions are evaluated in the body instance that has just ended, so the body runs at least once.
#[derive(Debug)]
pub struct Repeat {
    /// Go on while this holds.
    pub while_: Option<Expression>,
    /// Go on until this holds.
    pub until: Option<Expression>,
    /// More than this fails the step.
    pub max_iterations: u32,
    /// Between two iterations.
    pub delay: Duration,
    /// Body.
    pub body: ScopeIx,
}

/// One variable written.
#[derive(Debug)]
pub struct Assignment {
    /// Name.
    pub name: Box<str>,
    /// The scope in whose instances it lives: that of the `set` or one around it.
    pub scope: ScopeIx,
    /// Slot in that scope.
    pub slot: u32,
    /// Value.
    pub value: Template,
}

/// `log`.
#[derive(Debug)]
pub struct Log {
    /// Text.
    pub message: Template,
    /// Severity.
    pub level: LogLevel,
    /// Fields.
    pub data: Option<Template>,
}

/// `fail`.
#[derive(Debug)]
pub struct Fail {
    /// Type; `fail` if absent.
    pub kind: Option<Template>,
    /// Message.
    pub message: Option<Template>,
    /// Details.
    pub details: Option<Template>,
}

/// A retry policy with defaults filled in.
#[derive(Debug)]
pub struct Retry {
    /// Counting the first.
    pub max_attempts: u32,
    /// Before the second attempt.
    pub delay: Duration,
    /// Growth.
    pub backoff: Backoff,
    /// For exponential growth.
    pub multiplier: f64,
    /// Longest delay.
    pub max_delay: Duration,
    /// 0 to 1: a delay is shortened by up to this share of itself.
    pub jitter: f64,
    /// Over all attempts and delays.
    pub total_timeout: Option<Duration>,
    /// Patterns of error types.
    pub errors: Vec<Box<str>>,
    /// Condition; sees the error as [`Ref::LocalError`].
    pub when: Option<Expression>,
}

/// What an expression can refer to. Scopes are found from where the expression is evaluated by going outwards.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ref {
    /// `input`
    Input,
    /// `vars.x`: a slot of an enclosing scope.
    Variable {
        /// Where it lives.
        scope: ScopeIx,
        /// Which of that scope's.
        slot: u32,
    },
    /// `steps.x.<attribute>`: a step of this or an enclosing scope, or of the structured step's own body.
    Step {
        /// Which step.
        step: StepIx,
        /// What of it.
        attribute: StepAttribute,
    },
    /// `result`: the raw result of the step whose `output` is evaluated.
    LocalResult,
    /// The error in `retry.when` and `catch.when`.
    LocalError,
    /// The item in `while` of a foreach.
    LocalItem,
    /// The index in `while` of a foreach.
    LocalIndex,
    /// `event` in the filter of a `wait_for_event`: `{name, data}`.
    LocalEvent,
    /// The error bound by a catch scope, or `error` of `on_failure`.
    Error(ScopeIx),
    /// The item of a foreach body.
    Item(ScopeIx),
    /// The index of a foreach body.
    Index(ScopeIx),
    /// `iteration` of a repeat body, counted from 1.
    Iteration(ScopeIx),
    /// `prev` in a pipeline scope: the former stage's output, or the input before the first stage.
    Previous(ScopeIx),
    /// `workflow.id`
    WorkflowId,
    /// `workflow.version`
    WorkflowVersion,
    /// `workflow.run_id`
    RunId,
    /// `workflow.started_at`, RFC 3339
    StartedAt,
    /// `config.<key>`
    Config(Box<str>),
}

/// What of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepAttribute {
    /// Its output; `null` until it completed.
    Output,
    /// Its status as a word.
    Status,
    /// Its error object; `null` if it did not fail.
    Error,
    /// Attempts made.
    Attempts,
    /// The case that a switch took.
    Case,
}

/// A plan that many runs share.
pub type SharedPlan = Arc<Plan>;
