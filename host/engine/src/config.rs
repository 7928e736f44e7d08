//! What an engine is made of and what a run is started with.

use crate::journal::Document;
use crate::listener::RunListener;
use crate::workflows::Compile;
use jackfield_core::payload::Payload;
use jackfield_core::plan::SharedPlan;
use jackfield_core::ports::{Clock, Methods, Secrets};
use jackfield_core::run::History;
use jackfield_core::trace::SpanSink;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Sizes and times of an engine.
#[derive(Clone, Debug)]
pub struct Config {
    /// Threads for `inline` methods; 0 = one per core.
    pub threads: usize,
    /// Threads for `blocking` methods at most; 64 by default. Calls beyond that wait.
    pub blocking_threads_max: usize,
    /// `async` calls in flight at most, over all runs; 10,000 by default. Calls beyond that wait.
    pub async_calls_max: usize,
    /// Bodies of a foreach at a time where the document says 0; 1,024 by default.
    pub foreach_concurrency: u32,
    /// How long a call that was told to stop may take to do so before it is given up; 2 s by default.
    pub cancel_grace: Duration,
    /// How long runs may go on when the engine shuts down; 10 s by default.
    pub shutdown_grace: Duration,
    /// Finished runs kept for readers; the oldest go first; 10,000 by default.
    pub finished_runs_max: usize,
    /// Runs that have not ended at most; 1,000,000 by default.
    pub open_runs_max: usize,
    /// Runs under way at a time at most; none, which is the default, for no limit. More are queued by the priority of their
    /// workflows. Runs that only wait are not counted, see `docs/runs.md`.
    pub runs_under_way_max: usize,
    /// Events and messages that one run holds before its steps have taken them at most; 10,000 by default. Whoever sends
    /// more is refused.
    pub unread_max: u32,
    /// How often in a row a host may end out of order while calls of a durable run are under way before the run is paused;
    /// 10 by default, 0 = as often as it happens.
    pub recoveries_max: u32,
    /// How many records of a durable run are in memory at least; 10,000 by default. Older ones are read from the journal when
    /// somebody asks for them, and with them the outputs that no later step can read leave memory.
    pub records_kept: usize,
    /// How deep runs may start runs by steps of type `workflow`; 32 by default.
    pub nesting_max: u32,
    /// What runs keep of what has happened in them; everything by default.
    pub history: History,
    /// Former generations of a durable run that can still be read; 10 by default. Older ones are forgotten when the next one
    /// begins.
    pub generations_kept: u32,
    /// How long a durable run waits in memory before it is put away until something happens; 5 s by default.
    pub evict_after: Duration,
    /// Durable runs that wait in memory until then at most; 10,000 by default. Further ones are put away soon, unless somebody
    /// holds them.
    pub resting_runs_max: usize,
    /// Whether schedules start runs by themselves; yes by default. Otherwise they can be changed and triggered, and what they
    /// have to start is left to the next engine on the same journal.
    pub fires_schedules: bool,
    /// Values for `config.<key>` in the runs of schedules.
    pub run_values: Arc<BTreeMap<Box<str>, Payload>>,
    /// Pools of this host: how many attempts of the calls that name one may be under way at a time, over all runs. Calls that
    /// name another one wait.
    pub pools: BTreeMap<Box<str>, u32>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            threads: 0,
            blocking_threads_max: 64,
            async_calls_max: 10_000,
            foreach_concurrency: 1_024,
            cancel_grace: Duration::from_secs(2),
            shutdown_grace: Duration::from_secs(10),
            finished_runs_max: 10_000,
            open_runs_max: 1_000_000,
            runs_under_way_max: 0,
            unread_max: 10_000,
            recoveries_max: 10,
            records_kept: 10_000,
            nesting_max: 32,
            history: History::Full,
            generations_kept: 10,
            evict_after: Duration::from_secs(5),
            resting_runs_max: 10_000,
            fires_schedules: true,
            run_values: Arc::default(),
            pools: BTreeMap::new(),
        }
    }
}

/// What an engine needs from outside.
#[derive(Clone)]
pub struct Ports {
    /// Methods to call.
    pub methods: Arc<dyn Methods>,
    /// Values of secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// What methods say while they run.
    pub listener: Arc<dyn RunListener>,
    /// Where the spans of runs go; without it none are made.
    pub spans: Option<Arc<dyn SpanSink>>,
    /// Makes plans of workflows that a store keeps; without it they cannot be run.
    pub compile: Option<Compile>,
}

/// What a run is started with.
#[derive(Clone, Debug)]
pub struct StartRequest {
    /// Its id; a new UUIDv7 if absent.
    pub run_id: Option<String>,
    /// What it follows.
    pub plan: SharedPlan,
    /// Its input; checked against the document's schema, defaults filled in.
    pub input: Payload,
    /// Values for `config.<key>`.
    pub config: Arc<BTreeMap<Box<str>, Payload>>,
    /// Id of the step after which the run ends.
    pub until: Option<String>,
    /// W3C trace context that the run is part of.
    pub traceparent: Option<String>,
    /// The document of the plan: needed, and a reason, to keep the run in the journal of a durable engine; and needed to
    /// tell, for `attach`, whether a run in memory was started with the same one.
    pub document: Option<Document>,
    /// If a run of this id exists that was started with the same document and input, that one is meant, whenever it is to
    /// begin.
    pub attach: bool,
    /// How long it is to wait before it begins, by the clock of the engine, also over restarts. Until then it is
    /// [queued](jackfield_core::run::RunStatus::Queued), and stands in no line.
    pub delay: Option<Duration>,
}

impl StartRequest {
    /// A request with a fresh id, no configuration and no early end.
    #[must_use]
    pub fn new(plan: SharedPlan, input: Payload) -> Self {
        Self {
            run_id: None,
            plan,
            input,
            config: Arc::default(),
            until: None,
            traceparent: None,
            document: None,
            attach: false,
            delay: None,
        }
    }
}
