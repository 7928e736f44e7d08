//! The document itself and what stands only there, and retry policies.

use super::{At, Json, Mode, Step};
use indexmap::IndexMap;
use semver::{Version, VersionReq};
use std::time::Duration;

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
    /// When runs start by themselves.
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

/// `schedule`, as written; absent fields have their defaults filled in by [`crate::schedule`].
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The whole object.
    pub json: Json,
    /// Times as a cron expression.
    pub cron: Option<At<Box<str>>>,
    /// Time between two starts.
    pub every: Option<At<Duration>>,
    /// `at`: one point in time.
    pub moment: Option<At<Box<str>>>,
    /// Name of an event.
    pub on_event: Option<At<Box<str>>>,
    /// Time zone of `cron`.
    pub timezone: Option<At<Box<str>>>,
    /// Template of the input.
    pub input: Option<Json>,
    /// Whether it is in force.
    pub enabled: Option<bool>,
    /// What happens when a run is open.
    pub overlap: Option<Overlap>,
    /// How far back missed starts are made up for.
    pub catch_up: Option<At<Duration>>,
    /// Delay of a start at most.
    pub jitter: Option<At<Duration>>,
}

/// What a schedule does when it is time for a run and an earlier one has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// No run starts.
    #[default]
    Skip,
    /// It starts when the earlier one has ended.
    Queue,
    /// It starts beside the earlier one.
    Allow,
    /// The earlier one is cancelled, then it starts.
    CancelRunning,
}

impl Overlap {
    /// The words for them, in order.
    pub(crate) const WORDS: &'static [&'static str] = &["skip", "queue", "allow", "cancel_running"];

    /// In the order of [`Self::WORDS`].
    pub(crate) const ALL: [Self; 4] = [Self::Skip, Self::Queue, Self::Allow, Self::CancelRunning];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }
}

/// `concurrency`.
#[derive(Clone, Debug, PartialEq)]
pub struct Concurrency {
    /// Expression that yields the key.
    pub key: At<Box<str>>,
    /// 1 if absent.
    pub limit: Option<u32>,
    /// Queue if absent.
    pub on_conflict: Option<OnConflict>,
    /// The object as written; its keys and types have been checked.
    pub json: Json,
}

/// What becomes of a run when there are as many with its key as there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// It waits for its turn.
    #[default]
    Queue,
    /// It is not started.
    Reject,
    /// The others are cancelled, and it begins when one of them has ended.
    CancelRunning,
}
