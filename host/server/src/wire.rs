//! What goes over the wire besides what the facade has types for: one type for both ends.

use crate::formats;
use axum::http::HeaderMap;
use jackfield::diagnostic::Diagnostic;
use jackfield::graph::Graph;
use jackfield::{
    Backfilled, DocumentChange, Event, Isolation, Listing, Method, Payload, PlannedStart, Plugin,
    PluginProblem, PluginStanding, RunStatus, RunText, ScheduleInfo, SpanContext, Timestamp, Workers,
    WorkflowEntry,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A workflow document as it is sent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Its text.
    #[schemars(length(min = 1), extend("contentMediaType" = "application/json", "examples" = [formats::DOCUMENT]))]
    pub document: String,
    /// What messages call it, as a rule its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// It may have comments.
    #[serde(default)]
    pub jsonc: bool,
    /// Say what it would change, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What a run gets that is given none.
fn no_input() -> Payload {
    json!({}).into()
}

/// A length of time.
fn delay(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "anyOf": [
        { "type": "integer", "minimum": 0, "maximum": 36_500_u64 * 86_400_000 },
        { "type": "string", "pattern": formats::DURATION },
        { "type": "null" },
    ]})
}

/// How a run is started.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRun {
    /// The document, for a run of one that is not registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Document>,
    /// Range of versions, for a run of a registered workflow; the newest if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = formats::RANGE))]
    pub version: Option<String>,
    /// Its input.
    #[serde(default = "no_input")]
    pub input: Payload,
    /// Its id; a new one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = formats::ID))]
    pub run_id: Option<String>,
    /// Take a run of this id for it that has the same document and input.
    #[serde(default)]
    pub attach: bool,
    /// Step after which it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = formats::NAME))]
    pub until: Option<String>,
    /// W3C trace context that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = formats::TRACEPARENT))]
    pub traceparent: Option<String>,
    /// How long it waits before it begins: milliseconds, or a text such as `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "delay")]
    pub delay: Option<Value>,
}

impl StartRun {
    /// The same in the trace that the headers of the request name, unless it names one itself. A header that is none is as good as
    /// absent, as the standard has it.
    pub(crate) fn within(mut self, headers: &HeaderMap) -> Self {
        let said = || headers.get("traceparent")?.to_str().ok().filter(|it| SpanContext::parse(it).is_some());
        self.traceparent = self.traceparent.or_else(|| said().map(str::to_owned));
        self
    }
}

/// How a run is cancelled, or why it is paused.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// Why, for people.
    #[serde(default)]
    pub reason: String,
    /// At once and without clean-up.
    #[serde(default)]
    pub kill: bool,
}

/// From where a run that has ended goes on.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Path of the step to go back to; what the run failed with if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// Longest text of a saved run that is taken over the wire, with what surrounds it.
pub const SAVED_BYTES_MAX: usize = 256 << 20;

/// A run that was saved elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// What was written of it.
    pub saved: String,
    /// Its id here; its own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = formats::ID))]
    pub run_id: Option<String>,
}

/// How a new run is made of what another had done.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// Path of the step from which on it is on its own.
    pub at: String,
    /// Its input from there on; that of the other run if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Payload>,
    /// Its id; a new one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = formats::ID))]
    pub run_id: Option<String>,
}

/// An event or a message for a run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Letter {
    /// Name of the event or of the queue.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// What goes with it; `null` if absent.
    #[serde(default)]
    pub data: Payload,
}

/// An event for all who wait for it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishEvent {
    /// Its name.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// What goes with it; `null` if absent.
    #[serde(default)]
    pub data: Payload,
    /// What tells it from others: one that comes again with the same key arrives once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub key: Option<String>,
}

/// An event that has arrived.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PublishedEvent {
    /// The run that told it to all.
    pub run_id: String,
}

/// Which runs to forget.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prune {
    /// Those that ended before this time, RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub ended_before: String,
}

/// How many runs were forgotten.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Pruned {
    /// So many.
    pub deleted: u64,
}

/// A line in a list of runs.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunLine {
    /// Id of the run.
    pub run_id: String,
    /// Id of its workflow.
    pub workflow: String,
    /// Version of its workflow.
    pub version: String,
    /// Where it stands.
    pub status: RunStatus,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// When it ended, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// How long it took, in milliseconds; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<f64>,
    /// When it goes on by itself, if it waits and is not in memory; when it begins, if it is delayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<String>,
    /// Why it failed or waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Custom status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_status: Option<Value>,
}

impl From<&Listing> for RunLine {
    fn from(run: &Listing) -> Self {
        let Listing { run_id, workflow, version, started_at, standing, .. } = run;
        let took = |end: Timestamp| end.since(*started_at).as_secs_f64() * 1e3;
        Self {
            run_id: run_id.clone(),
            workflow: workflow.clone(),
            version: version.clone(),
            status: standing.status,
            started_at: started_at.to_rfc3339(),
            ended_at: standing.ended_at.map(Timestamp::to_rfc3339),
            duration_ms: standing.ended_at.map(took),
            due_at: standing.due_at.map(Timestamp::to_rfc3339),
            reason: standing.reason.clone(),
            custom_status: standing.custom_status.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        }
    }
}

/// A page of runs, newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct RunLines {
    /// The runs.
    pub runs: Vec<RunLine>,
    /// What to ask for as `cursor` to go on; `null` at the end.
    pub next: Option<String>,
}

/// Records of a run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Records {
    /// In order.
    pub records: Vec<Event>,
    /// Where the run stood before they were read.
    pub status: RunStatus,
}

/// Lines that methods of a run have logged and printed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LinesPage {
    /// In order.
    pub lines: Vec<RunText>,
    /// Number to go on with.
    pub next: u64,
    /// Where the run stood before they were read.
    pub status: RunStatus,
}

/// A registered workflow.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowLine {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// When it was registered, RFC 3339.
    pub registered_at: String,
    /// The document, where one workflow was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
}

impl From<&WorkflowEntry> for WorkflowLine {
    fn from(known: &WorkflowEntry) -> Self {
        Self {
            id: known.id.to_string(),
            version: known.version.to_string(),
            registered_at: known.registered_at.to_rfc3339(),
            document: None,
        }
    }
}

/// All registered workflows, by id, then by version, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowLines {
    /// The workflows.
    pub workflows: Vec<WorkflowLine>,
}

/// What became of a registration, or would.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Registration {
    /// Workflow id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// It was not registered before.
    pub is_new: bool,
    /// The version that the changes are counted from, if there is one.
    pub compared_with: Option<String>,
    /// What it changes of that version.
    pub changes: Vec<DocumentChange>,
    /// What is worth a look.
    pub warnings: Vec<Diagnostic>,
}

/// What is wrong with a document.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// It can run.
    pub valid: bool,
    /// Everything that there is to say.
    pub diagnostics: Vec<Diagnostic>,
}

/// A version of a plugin in a list.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PluginLine {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One sentence; may be empty.
    pub description: String,
    /// Names of its methods.
    pub methods: Vec<String>,
    /// `file`, or `application` for methods of the host application.
    pub source: &'static str,
    /// The file that it was found in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Where its calls are made, unless their step says otherwise.
    pub isolation: Isolation,
    /// Only runs that began with it still have it.
    pub draining: bool,
    /// Its workers.
    pub workers: Workers,
}

impl PluginLine {
    pub(crate) fn new(plugin: &Plugin, standing: Option<&PluginStanding>) -> Self {
        let line = Self {
            name: plugin.name.to_string(),
            version: plugin.version.to_string(),
            description: plugin.description.to_string(),
            methods: plugin.methods.iter().map(|method| method.name.to_string()).collect(),
            source: "application",
            file: None,
            isolation: Isolation::InProcess,
            draining: false,
            workers: Workers::default(),
        };
        match standing {
            Some(standing) => line.standing(standing),
            None => line,
        }
    }

    /// One that cannot be had any more.
    pub(crate) fn draining(standing: &PluginStanding) -> Self {
        let line = Self {
            name: standing.plugin.name.clone(),
            version: standing.plugin.version.to_string(),
            description: String::new(),
            methods: Vec::new(),
            source: "file",
            file: None,
            isolation: standing.isolation,
            draining: true,
            workers: Workers::default(),
        };
        line.standing(standing)
    }

    fn standing(self, standing: &PluginStanding) -> Self {
        Self {
            source: "file",
            file: Some(standing.file.display().to_string()),
            isolation: standing.isolation,
            workers: standing.workers.clone(),
            ..self
        }
    }
}

/// All plugins, and what cannot be used.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PluginLines {
    /// By name, newest version first; at last those that drain.
    pub plugins: Vec<PluginLine>,
    /// Files that cannot be used, quarantined plugins among them, and why.
    pub problems: Vec<PluginProblem>,
}

/// A version of a plugin with all of its methods.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PluginVersionInfo {
    /// Where it stands.
    #[serde(flatten)]
    pub line: PluginLine,
    /// Its methods with their schemas.
    pub details: Vec<Method>,
}

impl PluginVersionInfo {
    pub(crate) fn new(plugin: &Plugin, standing: Option<&PluginStanding>) -> Self {
        Self { line: PluginLine::new(plugin, standing), details: plugin.methods.clone() }
    }
}

/// A plugin.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PluginVersions {
    /// Newest first.
    pub versions: Vec<PluginVersionInfo>,
    /// What of it cannot be used, and why.
    pub problems: Vec<PluginProblem>,
    /// Why schemas are missing, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What was let out of quarantine.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Released {
    /// Names and versions.
    pub released: Vec<String>,
}

/// What a run follows.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RunDocument {
    /// Id of its workflow.
    pub workflow: String,
    /// Version of its workflow.
    pub version: String,
    /// The document that the present generation began with.
    pub document: String,
    /// A picture of it.
    pub graph: Graph,
}

/// A schedule to be made.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddSchedule {
    /// Id of the workflow.
    #[schemars(regex(pattern = formats::NAME))]
    pub workflow: String,
    /// Id of the schedule; that of the workflow if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Range of versions of which the newest is taken each time; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = formats::RANGE))]
    pub version: Option<String>,
    /// What a document would say under `schedule`.
    pub schedule: Payload,
}

/// How a run of a schedule is started now.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// What the event that it waits for would bring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Payload>,
}

/// For which time runs are started that were not.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backfill {
    /// From this time on, RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub from: String,
    /// Up to this time, RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub to: String,
}

/// All schedules, by id.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ScheduleLines {
    /// The schedules.
    pub schedules: Vec<ScheduleInfo>,
}

/// The next starts of a schedule.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Planned {
    /// In order.
    pub next: Vec<PlannedStart>,
}

/// Starts in the past.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Starts {
    /// In order.
    pub starts: Vec<Backfilled>,
}
