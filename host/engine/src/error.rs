//! What an engine refuses.

use jackfield_core::failure::Failure;
use jackfield_core::journal::{Damage, StoreError};
use jackfield_core::run::RunStatus;

/// A place in a run's input that does not fit the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFault {
    /// JSON pointer; empty for the whole input.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// Why the engine did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No such run.
    #[error("no run `{0}`")]
    RunNotFound(String),
    /// The id is taken.
    #[error("run `{id}` exists already and is {status}")]
    RunExists {
        /// The id.
        id: String,
        /// Where that run stands.
        status: RunStatus,
    },
    /// The run has or keeps no such generation.
    #[error("run `{id}` has no generation {generation} that is kept; its newest is {newest}")]
    GenerationNotFound {
        /// Its id.
        id: String,
        /// The number asked for.
        generation: u32,
        /// That of the present one.
        newest: u32,
    },
    /// As many runs as there may be share the key, and the workflow says `on_conflict: reject`.
    #[error("run `{run}` has the concurrency key `{key}` already; wait for its end, or cancel it")]
    KeyTaken {
        /// The key.
        key: String,
        /// One of the runs that have it.
        run: String,
    },
    /// The key of a run cannot be had.
    #[error("workflow `{workflow}`: {why}")]
    BadKey {
        /// Id of the workflow.
        workflow: String,
        /// What is wrong.
        why: String,
    },
    /// A run id that cannot be used.
    #[error(
        "run id `{0}` must have 1 to 256 printable characters and be neither `.` nor `..`, which paths cannot name"
    )]
    BadRunId(String),
    /// The run would begin too late.
    #[error("the delay of a run is at most 36,500 days")]
    DelayTooLong,
    /// A trace context that is none.
    #[error(
        "traceparent `{text}`: {fault}; one looks like `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`"
    )]
    BadTraceparent {
        /// What was given.
        text: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The run has not ended.
    #[error("run `{0}` has not ended")]
    RunOpen(String),
    /// The run has ended.
    #[error("run `{id}` has ended and is {status}")]
    RunEnded {
        /// Its id.
        id: String,
        /// How it ended.
        status: RunStatus,
    },
    /// A text that a run cannot be made from.
    #[error(transparent)]
    Saved(#[from] jackfield_core::journal::SavedError),
    /// The run has completed: there is nothing to go back for.
    #[error("run `{0}` has completed; only a run that failed or was cancelled is retried")]
    RunCompleted(String),
    /// The run failed as it began.
    #[error("run `{0}` ended before any step of it had begun; start another one")]
    NothingToRetry(String),
    /// The run was started by a step of another one, which has taken note of its end.
    #[error("run `{id}` was started by run `{parent}`; retry that one")]
    RunOfAnother {
        /// Its id.
        id: String,
        /// The run that started it.
        parent: String,
    },
    /// A run cannot go back to a step that it never came to.
    #[error("run `{id}` never began a step `{step}`; `jackfield runs show {id}` names those that it did")]
    StepNotBegun {
        /// Id of the run.
        id: String,
        /// Path of the step.
        step: String,
    },
    /// A run cannot go back to its clean-up.
    #[error("step `{step}` of run `{id}` belongs to its clean-up; name one that the clean-up was for")]
    StepOfCleanup {
        /// Id of the run.
        id: String,
        /// Path of the step.
        step: String,
    },
    /// The step began when the run was retried, with the input that there was.
    #[error(
        "step `{step}` of run `{id}` began when the run was retried; another input needs a step that began otherwise"
    )]
    InputTooLate {
        /// Id of the run.
        id: String,
        /// Path of the step.
        step: String,
    },
    /// What a run would go on from is not there any more.
    #[error("step `{step}` of run `{id}` has been undone since; go back to it, or to one before it")]
    StepUndone {
        /// Id of the run.
        id: String,
        /// Path of the step.
        step: String,
    },
    /// The run is being cancelled or has failed, and what is left to do is clean-up.
    #[error("run `{0}` is being stopped, and its clean-up cannot be paused; wait for its end")]
    RunStopping(String),
    /// The run holds as many events and messages as it may.
    #[error(
        "run `{id}` holds {limit} events and messages that no step has taken, which is the limit; let it take some, or \
         raise `unread_max`"
    )]
    InboxFull {
        /// Its id.
        id: String,
        /// The limit.
        limit: u32,
    },
    /// A name of an event or a queue that cannot be used.
    #[error("the name `{0}` of an event or a queue must have 1 to 256 bytes")]
    BadName(String),
    /// The input does not fit the document's schema.
    #[error("the input does not fit the workflow's input_schema: {}", join(.0))]
    Input(Vec<InputFault>),
    /// A method of the plan cannot be had any more.
    #[error("method `{plugin}.{method}` of version {version} cannot be called: {}", .failure.message)]
    Method {
        /// Plugin id.
        plugin: String,
        /// Its version.
        version: String,
        /// The method.
        method: String,
        /// Why.
        failure: Box<Failure>,
    },
    /// `until` names no step.
    #[error("the workflow has no step `{0}` to stop after")]
    UnknownStep(String),
    /// Too many open runs.
    #[error("{0} runs are open, which is the limit; wait for some to end or raise `open_runs_max`")]
    TooManyRuns(usize),
    /// The engine does not take runs any more.
    #[error("the engine is shutting down")]
    ShuttingDown,
    /// No such workflow.
    #[error("no workflow `{0}` is registered")]
    WorkflowNotFound(String),
    /// No version of the workflow is in the range.
    #[error("no version of workflow `{id}` that satisfies `{range}` is registered")]
    NoWorkflowVersion {
        /// Workflow id.
        id: String,
        /// The range.
        range: String,
    },
    /// A run started a run that started a run, and so on.
    #[error(
        "runs have started each other {limit} deep, which is the limit; a workflow that runs itself needs a way out"
    )]
    TooDeep {
        /// The limit.
        limit: u32,
    },
    /// Another document stands under this id and version.
    #[error(
        "workflow `{id}` version {version} is registered with another document; give the new one a new version"
    )]
    WorkflowConflict {
        /// Workflow id.
        id: String,
        /// Its version.
        version: String,
    },
    /// A registered workflow cannot run at the moment, as a rule because a plugin of it is missing.
    #[error("workflow `{id}` version {version} cannot run with the plugins that there are: {why}")]
    WorkflowUnusable {
        /// Workflow id.
        id: String,
        /// Its version.
        version: String,
        /// What is wrong.
        why: String,
    },
    /// No such schedule.
    #[error("no schedule `{0}`")]
    ScheduleNotFound(String),
    /// The id of a schedule is taken.
    #[error("a schedule `{0}` exists already; remove it first, or give this one another id")]
    ScheduleExists(String),
    /// An id of a schedule that cannot be used.
    #[error(
        "schedule id `{0}` must have 1 to 128 printable characters without spaces and `@`, and be neither `.` nor `..`"
    )]
    BadScheduleId(String),
    /// It comes and goes with a workflow.
    #[error(
        "schedule `{0}` stands in the document of its workflow; pause it, or register a version of the workflow without it"
    )]
    ScheduleInDocument(String),
    /// A run has not ended, and the schedule skips starts then.
    #[error("schedule `{id}` skips starts while a run has not ended, and run `{run}` has not")]
    ScheduleBusy {
        /// The schedule.
        id: String,
        /// Its run.
        run: String,
    },
    /// A schedule has as many starts to make as it may.
    #[error(
        "schedule `{id}` has {limit} starts to make, which is the limit; wait for some, or cancel its open run"
    )]
    ScheduleFull {
        /// The schedule.
        id: String,
        /// The limit.
        limit: usize,
    },
    /// The input of a run cannot be made.
    #[error("the input of schedule `{id}` cannot be made: {why}")]
    ScheduleInput {
        /// The schedule.
        id: String,
        /// What went wrong.
        why: String,
    },
    /// Its time has passed.
    #[error("schedule `{id}` would start nothing: {at} has passed")]
    SchedulePast {
        /// The schedule.
        id: String,
        /// Its time.
        at: String,
    },
    /// Data for a schedule that waits for no event.
    #[error(
        "schedule `{0}` waits for no event, so its runs take no data; what they begin with is its `input`"
    )]
    ScheduleNoData(String),
    /// Times that cannot be made up for.
    #[error("schedule `{id}` cannot be backfilled: {why}")]
    BadBackfill {
        /// The schedule.
        id: String,
        /// Why.
        why: String,
    },
    /// The journal refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal cannot be written at the moment.
    #[error("the journal cannot be written at the moment: {0}")]
    Journal(String),
    /// Runs live in memory.
    #[error("runs of this host live in memory, where nothing is kept; build it on a journal")]
    NoJournal,
    /// The journal was opened to be looked at.
    #[error("the journal was opened for reading only")]
    ReadOnly,
    /// What the journal keeps of a run is damaged.
    #[error("run `{run}` cannot be read: {why}")]
    Damaged {
        /// Its id.
        run: String,
        /// What is wrong.
        why: String,
    },
    /// What the journal keeps is damaged.
    #[error("the journal is damaged: {0}")]
    Damage(#[from] Damage),
    /// The operating system gave no thread.
    #[error("could not start a thread: {0}")]
    Thread(String),
}

/// All faults in one line.
fn join(faults: &[InputFault]) -> String {
    let line = |fault: &InputFault| format!("at `{}`: {}", fault.pointer, fault.message);
    faults.iter().map(line).collect::<Vec<_>>().join("; ")
}
