//! The process that owns the journal, asked over its socket or over TCP.

use super::ServerAddress;
use anyhow::{Context, Result, anyhow};
use jackfield::{
    Backfilled, Error, PlannedStart, RunQuery, RunReport, ScheduleInfo, TextQuery, Timestamp, Triggered,
};
use jackfield_server::wire::{
    AddSchedule, Backfill, Document, Fork, Import, LinesPage, Planned, Prune, Pruned, Records, Registration,
    RunLines, ScheduleLines, StartRun, Starts, Trigger, Verdict, WorkflowLine, WorkflowLines,
};
use jackfield_server::{Problem, ProblemKind, SocketAddress};
use reqwest::{Client, Method};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// What a request waits for at most at a time; longer waits are several requests.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How long anything else may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Characters of names in paths that stand for themselves.
const PLAIN: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

pub(crate) struct Remote {
    runtime: Runtime,
    client: Client,
    /// What paths of the API are added to.
    base: String,
    token: Option<String>,
    /// What messages call it.
    name: String,
    /// Keeps the way to the socket open.
    _address: Option<SocketAddress>,
}

/// No query.
const NOTHING: &[(&str, String)] = &[];
/// No body.
const EMPTY: Option<&()> = None;

impl Remote {
    /// The process that listens on the socket in `data_dir`, if there is one.
    pub(crate) fn find(data_dir: &Path) -> Result<Option<Self>> {
        let Some(address) = SocketAddress::find(data_dir) else { return Ok(None) };
        super::server::use_tls();
        // there is no TLS on a socket, and looking for what the system trusts takes time
        let builder = Client::builder().no_proxy().tls_certs_only([]);
        #[cfg(unix)]
        let builder = builder.unix_socket(address.path());
        #[cfg(windows)]
        let builder = builder.windows_named_pipe(address.path());
        Ok(Some(Self {
            runtime: runtime()?,
            client: builder.build().context("cannot make an HTTP client")?,
            base: "http://localhost/api/v1".to_owned(),
            token: None,
            name: "the process that owns the journal".to_owned(),
            _address: Some(address),
        }))
    }

    /// A server. Nothing is asked of it yet.
    pub(crate) fn connect(server: &ServerAddress) -> Result<Self> {
        Ok(Self {
            runtime: runtime()?,
            client: server.client()?,
            base: format!("{}/api/v1", server.url()),
            token: server.token().map(|token| format!("Bearer {token}")),
            name: format!("the server at {}", server.url()),
            _address: None,
        })
    }

    fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&impl Serialize>,
    ) -> Result<T> {
        let bytes = self.ask_bytes(method, path, query, body)?;
        serde_json::from_slice(&bytes)
            .with_context(|| format!("the answer to `{path}` is not what was expected"))
    }

    fn ask_bytes(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&impl Serialize>,
    ) -> Result<Vec<u8>> {
        let mut url = format!("{}{path}", self.base);
        if !query.is_empty() {
            let pairs = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
            url = format!("{url}?{pairs}");
        }
        let mut request = self.client.request(method, url).timeout(PATIENCE);
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        if let Some(body) = body {
            let text = serde_json::to_vec(body).context("the request cannot be written")?;
            request = request.header("content-type", "application/json").body(text);
        }
        let answered = self.runtime.block_on(async {
            let response = request.send().await?;
            let status = response.status();
            Ok::<_, reqwest::Error>((status, response.bytes().await?))
        });
        let (status, bytes) = answered.with_context(|| format!("{} does not answer", self.name))?;
        if status.is_success() {
            return Ok(bytes.into());
        }
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Err(Refused(problem).into()),
            Err(_) => Err(anyhow!(
                "{} answered {status} to `{path}`, which is not how Jackfield answers",
                self.name
            )),
        }
    }

    /// As [`Self::ask`] for a document: its faults are shown as if it had been checked here.
    fn ask_about<T: DeserializeOwned>(
        &self,
        path: &str,
        document: Option<&Document>,
        body: &impl Serialize,
    ) -> Result<T> {
        self.ask(Method::POST, path, NOTHING, Some(body)).map_err(|error| {
            let refused = error.downcast_ref::<Refused>().map(|refused| &refused.0);
            match (refused.filter(|problem| problem.code == ProblemKind::InvalidDocument), document) {
                (Some(problem), Some(document)) => {
                    let name = document.name.as_deref().unwrap_or("workflow");
                    Error::invalid_document(
                        name,
                        document.document.as_str().into(),
                        problem.diagnostics.clone(),
                    )
                    .into()
                }
                _ => error,
            }
        })
    }

    pub(super) fn report(&self, run_id: &str, steps_max: usize) -> Result<RunReport> {
        let query = [("steps_max", steps_max.to_string())];
        self.ask(Method::GET, &run_path(run_id, ""), &query, EMPTY)
    }

    pub(super) fn wait(&self, run_id: &str, patience: Duration) -> Result<bool> {
        let until = Instant::now().checked_add(patience);
        loop {
            let left = until.map_or(WAIT_MAX, |until| until.saturating_duration_since(Instant::now()));
            let wait = left.min(WAIT_MAX).as_millis().to_string();
            let query = [("steps_max", "0".to_owned()), ("wait", wait)];
            let report: RunReport = self.ask(Method::GET, &run_path(run_id, ""), &query, EMPTY)?;
            if report.status.is_terminal() || left.is_zero() {
                return Ok(report.status.is_terminal());
            }
        }
    }

    pub(super) fn records(
        &self,
        run_id: &str,
        generation: Option<u32>,
        from: u64,
        patience: Duration,
    ) -> Result<Records> {
        let wait = patience.min(WAIT_MAX).as_millis().to_string();
        let mut query = vec![("from", from.to_string()), ("wait", wait)];
        query.extend(generation.map(|generation| ("generation", generation.to_string())));
        self.ask(Method::GET, &run_path(run_id, "/history"), &query, EMPTY)
    }

    pub(super) fn lines(&self, run_id: &str, asked: &TextQuery, patience: Duration) -> Result<LinesPage> {
        let wait = patience.min(WAIT_MAX).as_millis().to_string();
        let mut query = vec![("from", asked.from.to_string()), ("wait", wait)];
        query.extend(asked.step.iter().map(|step| ("step", step.clone())));
        self.ask(Method::GET, &run_path(run_id, "/logs"), &query, EMPTY)
    }

    pub(super) fn act(&self, run_id: &str, what: &str, body: &impl Serialize) -> Result<()> {
        self.ask_bytes(Method::POST, &run_path(run_id, &format!("/{what}")), NOTHING, Some(body)).map(drop)
    }

    pub(super) fn start(&self, workflow: &str, request: &StartRun) -> Result<RunReport> {
        let path = match &request.document {
            Some(_) => "/runs".to_owned(),
            None => format!("/workflows/{}/runs", escaped(workflow)),
        };
        self.ask_about(&path, request.document.as_ref(), request)
    }

    pub(super) fn list(&self, asked: &RunQuery) -> Result<RunLines> {
        let mut query = vec![("limit", asked.limit.to_string())];
        query.extend(asked.statuses.iter().map(|status| ("status", status.to_string())));
        query.extend(asked.workflow.iter().map(|workflow| ("workflow", workflow.clone())));
        query.extend(asked.since.map(|since| ("since", since.to_rfc3339())));
        query.extend(asked.text.iter().map(|text| ("q", text.clone())));
        query.extend(asked.before.map(|before| ("cursor", before.0.to_string())));
        self.ask(Method::GET, "/runs", &query, EMPTY)
    }

    pub(super) fn export(&self, run_id: &str) -> Result<String> {
        let saved = self.ask_bytes(Method::GET, &run_path(run_id, "/export"), NOTHING, EMPTY)?;
        String::from_utf8(saved).context("the saved run is no text")
    }

    pub(super) fn fork(&self, run_id: &str, fork: &Fork) -> Result<RunReport> {
        self.ask(Method::POST, &run_path(run_id, "/fork"), NOTHING, Some(fork))
    }

    pub(super) fn import(&self, import: &Import) -> Result<RunReport> {
        self.ask(Method::POST, "/runs/import", NOTHING, Some(import))
    }

    pub(super) fn delete(&self, run_id: &str) -> Result<()> {
        self.ask_bytes(Method::DELETE, &run_path(run_id, ""), NOTHING, EMPTY).map(drop)
    }

    pub(super) fn prune(&self, before: Timestamp) -> Result<u64> {
        let body = Prune { ended_before: before.to_rfc3339() };
        self.ask(Method::POST, "/runs/prune", NOTHING, Some(&body)).map(|pruned: Pruned| pruned.deleted)
    }

    pub(super) fn workflows(&self) -> Result<WorkflowLines> {
        self.ask(Method::GET, "/workflows", NOTHING, EMPTY)
    }

    pub(super) fn workflow(&self, id: &str, range: Option<&str>) -> Result<WorkflowLine> {
        let query: Vec<_> = range.map(|range| ("version", range.to_owned())).into_iter().collect();
        self.ask(Method::GET, &format!("/workflows/{}", escaped(id)), &query, EMPTY)
    }

    pub(super) fn schedules(&self) -> Result<Vec<ScheduleInfo>> {
        self.ask(Method::GET, "/schedules", NOTHING, EMPTY).map(|lines: ScheduleLines| lines.schedules)
    }

    pub(super) fn schedule(&self, id: &str) -> Result<ScheduleInfo> {
        self.ask(Method::GET, &schedule_path(id, ""), NOTHING, EMPTY)
    }

    pub(super) fn add_schedule(&self, added: &AddSchedule) -> Result<ScheduleInfo> {
        let shown = Document {
            document: added.schedule.as_str().to_owned(),
            name: Some("schedule".to_owned()),
            jsonc: false,
            dry_run: false,
        };
        self.ask_about("/schedules", Some(&shown), added)
    }

    pub(super) fn remove_schedule(&self, id: &str) -> Result<()> {
        self.ask_bytes(Method::DELETE, &schedule_path(id, ""), NOTHING, EMPTY).map(drop)
    }

    pub(super) fn act_on_schedule(&self, id: &str, what: &str, body: &impl Serialize) -> Result<()> {
        self.ask_bytes(Method::POST, &schedule_path(id, &format!("/{what}")), NOTHING, Some(body)).map(drop)
    }

    pub(super) fn trigger(&self, id: &str, trigger: &Trigger) -> Result<Triggered> {
        self.ask(Method::POST, &schedule_path(id, "/trigger"), NOTHING, Some(trigger))
    }

    pub(super) fn next_starts(&self, id: &str, count: u16) -> Result<Vec<PlannedStart>> {
        let query = [("count", count.to_string())];
        self.ask(Method::GET, &schedule_path(id, "/next"), &query, EMPTY).map(|planned: Planned| planned.next)
    }

    pub(super) fn backfill(&self, id: &str, from: Timestamp, to: Timestamp) -> Result<Vec<Backfilled>> {
        let body = Backfill { from: from.to_rfc3339(), to: to.to_rfc3339() };
        let path = schedule_path(id, "/backfill");
        self.ask(Method::POST, &path, NOTHING, Some(&body)).map(|made: Starts| made.starts)
    }

    pub(super) fn register(&self, document: &Document) -> Result<Registration> {
        self.ask_about("/workflows", Some(document), document)
    }

    pub(crate) fn validate(&self, document: &Document) -> Result<Verdict> {
        self.ask(Method::POST, "/workflows/validate", NOTHING, Some(document))
    }

    pub(super) fn unregister(&self, id: &str, version: Option<&str>) -> Result<()> {
        let query: Vec<_> = version.map(|version| ("version", version.to_owned())).into_iter().collect();
        let path = format!("/workflows/{}", escaped(id));
        self.ask_bytes(Method::DELETE, &path, &query, EMPTY).map(drop)
    }
}

fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn run_path(run_id: &str, rest: &str) -> String {
    format!("/runs/{}{rest}", escaped(run_id))
}

fn schedule_path(id: &str, rest: &str) -> String {
    format!("/schedules/{}{rest}", escaped(id))
}

fn escaped(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, PLAIN).to_string()
}

/// What the other process said; it reads as if it had been found out here.
#[derive(Debug)]
struct Refused(Problem);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl std::error::Error for Refused {}
