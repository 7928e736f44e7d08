//! `/runs`

use crate::answer::{answer, blocking, body, length};
use crate::formats;
use crate::problem::{Problem, ProblemKind};
use crate::wire::{Letter, Prune, Pruned, Records, RunDocument, RunLine, RunLines, StartRun, Stop};
use crate::workflows::check;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jackfield::{
    CancelMode, Host, Run, RunNo, RunOptions, RunQuery, RunReport, RunStatus, Timestamp, Workflow,
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// Steps in a result document where the request does not say.
const STEPS_MAX: usize = 10_000;
/// Lines of a page where the request does not say.
const LIMIT: usize = 50;

/// A query that was understood, or why it was not.
pub(crate) type Asked<T> = Result<Query<T>, QueryRejection>;

pub(crate) fn asked<T>(query: Asked<T>) -> Result<T, Problem> {
    query.map(|Query(query)| query).map_err(|rejected| Problem::bad_request(rejected.body_text()))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShowQuery {
    /// Steps in the result document at most; 10,000 if absent.
    steps_max: Option<usize>,
    /// How long to wait for the end of the run at most, such as `30s`; up to 60 s.
    #[schemars(regex(pattern = formats::DURATION))]
    wait: Option<String>,
}

/// What of a run is to be shown, and after how long.
pub(crate) struct Shown {
    steps_max: usize,
    wait: Duration,
}

impl Shown {
    /// As it is, without steps.
    pub(crate) const fn at_once() -> Self {
        Self { steps_max: 0, wait: Duration::ZERO }
    }

    pub(crate) fn asked(query: Asked<ShowQuery>) -> Result<Self, Problem> {
        let ShowQuery { steps_max, wait } = asked(query)?;
        Ok(Self { steps_max: steps_max.unwrap_or(STEPS_MAX), wait: length("wait", wait.as_deref())? })
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryQuery {
    /// Number of the first record.
    #[serde(default)]
    from: u64,
    /// A former generation of the run; the present one if absent.
    generation: Option<u32>,
    /// How long to wait for a record at most, such as `30s`; up to 60 s.
    #[schemars(regex(pattern = formats::DURATION))]
    wait: Option<String>,
}

pub(crate) async fn list(
    State(host): State<Host>,
    RawQuery(query): RawQuery,
) -> Result<Json<RunLines>, Problem> {
    let query = run_query(query.as_deref().unwrap_or_default())?;
    answer(move || {
        let page = host.query(&query)?;
        let runs = page.runs.iter().map(RunLine::from).collect();
        Ok(RunLines { runs, next: page.next.map(|next| next.0.to_string()) })
    })
    .await
}

/// What [`run_query`] understands, for the description.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is read by `run_query`")]
pub(crate) struct ListQuery {
    /// Only runs that stand in one of these.
    status: Option<Vec<RunStatus>>,
    /// Only runs of this workflow.
    workflow: Option<String>,
    /// Only runs that began at this time or later, RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    since: Option<String>,
    /// Only runs whose id, workflow, reason or custom status contains this text.
    q: Option<String>,
    /// Runs in the page at most; 50 if absent.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// What the page before gave as `next`.
    #[schemars(regex(pattern = formats::CURSOR))]
    cursor: Option<String>,
}

/// `status` may stand there more than once, which no map can say.
fn run_query(text: &str) -> Result<RunQuery, Problem> {
    let mut query = RunQuery { limit: LIMIT, ..RunQuery::default() };
    for (name, value) in form_urlencoded::parse(text.as_bytes()).into_owned() {
        let wrong = |why: &str| Problem::bad_request(format!("`{name}={value}`: {why}"));
        match name.as_str() {
            "status" => {
                for word in value.split(',') {
                    query
                        .statuses
                        .push(word.parse::<RunStatus>().map_err(|error| wrong(&error.to_string()))?);
                }
            }
            "workflow" => query.workflow = Some(value),
            "since" => {
                let time = Timestamp::from_rfc3339(&value);
                query.since =
                    Some(time.ok_or_else(|| wrong("no point in time, such as 2026-01-31T08:00:00Z"))?);
            }
            "q" => query.text = Some(value),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=1000).contains(limit));
                query.limit = limit.ok_or_else(|| wrong("not a number from 1 to 1000"))?;
            }
            "cursor" => {
                query.before =
                    Some(RunNo(value.parse().map_err(|_| wrong("no cursor; take one from `next`"))?));
            }
            _ => {
                return Err(wrong(
                    "there is no such filter; there are status, workflow, since, q, limit and cursor",
                ));
            }
        }
    }
    Ok(query)
}

pub(crate) async fn start(
    State(host): State<Host>,
    query: Asked<ShowQuery>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let shown = Shown::asked(query)?;
    let request = body::<StartRun>(&bytes)?.within(&headers);
    if request.document.is_none() {
        let detail = "a run needs a `document`; registered workflows are run at `/workflows/{id}/runs`";
        return Err(Problem::bad_request(detail));
    }
    if request.version.is_some() {
        let detail = "`version` is for registered workflows; the document has its own";
        return Err(Problem::bad_request(detail));
    }
    let run = blocking(move || start_in(&host, "", request, |_| ())).await?;
    started(run, shown).await
}

/// Starts a run of the document of `request`, or, if it has none, of the registered workflow `id`. `seen` gets the workflow before
/// that.
///
/// # Errors
/// If the document is invalid or nothing is registered; as [`Host::start_with`].
pub fn start_in(
    host: &Host,
    id: &str,
    request: StartRun,
    seen: impl FnOnce(&Workflow),
) -> Result<Run, jackfield::Error> {
    let StartRun { document, version, input, run_id, attach, until, traceparent, delay } = request;
    let delay = delay.as_ref().map(|delay| {
        jackfield::model::duration::of_json(delay).map_err(|why| {
            jackfield::Error::Setup(format!("`delay` is {delay}, which {why}; give one such as 10s"))
        })
    });
    let delay = delay.transpose()?;
    let workflow = match (document, version) {
        (Some(document), _) => check(host, &document)?,
        (None, range) => {
            host.workflow(id, range.as_deref().map(crate::workflows::parse_range).transpose()?.as_ref())?
        }
    };
    seen(&workflow);
    let mut options = RunOptions::default();
    options.run_id = run_id;
    options.until = until;
    options.traceparent = traceparent;
    options.attach = attach;
    options.delay = delay;
    host.start_with(&workflow, input, options)
}

/// The answer to a start: where the run is, and how it stands after the time that the caller wants to wait.
pub(crate) async fn started(run: Run, shown: Shown) -> Result<Response, Problem> {
    let id = run.id().to_owned();
    let report = report_of(run, shown).await?;
    let mut response = (StatusCode::CREATED, Json(report)).into_response();
    // ids are printable; one that does not fit a header goes without
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/runs/{id}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

async fn report_of(run: Run, shown: Shown) -> Result<RunReport, Problem> {
    let Shown { steps_max, wait } = shown;
    if wait > Duration::ZERO {
        // whether it has ended by then stands in the report
        let _ = tokio::time::timeout(wait, run.outcome()).await;
    }
    blocking(move || Ok(run.report(steps_max))).await
}

async fn run_of(host: &Host, id: &str) -> Result<Run, Problem> {
    let (host, id) = (host.clone(), id.to_owned());
    blocking(move || host.get(&id)).await
}

pub(crate) async fn show(
    State(host): State<Host>,
    Path(id): Path<String>,
    query: Asked<ShowQuery>,
) -> Result<Json<RunReport>, Problem> {
    let shown = Shown::asked(query)?;
    report_of(run_of(&host, &id).await?, shown).await.map(Json)
}

pub(crate) async fn history(
    State(host): State<Host>,
    Path(id): Path<String>,
    query: Asked<HistoryQuery>,
) -> Result<Json<Records>, Problem> {
    let query = asked(query)?;
    let wait = length("wait", query.wait.as_deref())?;
    let run = match query.generation {
        None => run_of(&host, &id).await?,
        Some(generation) => blocking(move || host.generation(&id, generation)).await?,
    };
    // looked at before the records, so that whoever reads on misses none of an ended run
    let status = run.status();
    let mut next = None;
    if wait > Duration::ZERO {
        next = tokio::time::timeout(wait, run.next_records(query.from)).await.ok();
    }
    let records = match next {
        Some(records) => records,
        None => blocking(move || Ok(run.wait_records(query.from, Duration::ZERO))).await?,
    };
    Ok(Json(Records { records, status }))
}

pub(crate) async fn document(
    State(host): State<Host>,
    Path(id): Path<String>,
) -> Result<Json<RunDocument>, Problem> {
    let run = run_of(&host, &id).await?;
    let found = blocking(move || {
        let (document, graph) = (run.document()?, run.graph()?);
        let report = run.report(0);
        Ok(document.zip(graph).map(|(document, graph)| RunDocument {
            workflow: report.workflow,
            version: report.version,
            document: document.to_string(),
            graph,
        }))
    });
    let missing = || {
        Problem::new(
            ProblemKind::NotFound,
            format!("the document of run `{id}` is not kept: it runs in memory"),
        )
    };
    found.await?.map(Json).ok_or_else(missing)
}

/// Does something with a run, and answers with how it stands then.
async fn act(
    host: Host,
    id: String,
    act: impl FnOnce(&Run) -> Result<(), jackfield::Error> + Send + 'static,
) -> Result<Json<RunReport>, Problem> {
    answer(move || {
        let run = host.get(&id)?;
        act(&run)?;
        Ok(run.report(0))
    })
    .await
}

pub(crate) async fn cancel(
    State(host): State<Host>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<RunReport>, Problem> {
    let Stop { reason, kill } = body(&bytes)?;
    let mode = if kill { CancelMode::Kill } else { CancelMode::Graceful };
    act(host, id, move |run| {
        run.cancel(mode, &reason);
        Ok(())
    })
    .await
}

pub(crate) async fn pause(
    State(host): State<Host>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<RunReport>, Problem> {
    let Stop { reason, kill } = body(&bytes)?;
    if kill {
        return Err(Problem::bad_request("`kill` is for cancelling"));
    }
    act(host, id, move |run| run.pause(&reason)).await
}

pub(crate) async fn resume(
    State(host): State<Host>,
    Path(id): Path<String>,
) -> Result<Json<RunReport>, Problem> {
    act(host, id, Run::resume).await
}

pub(crate) async fn signal(
    State(host): State<Host>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<RunReport>, Problem> {
    let Letter { name, data } = body(&bytes)?;
    act(host, id, move |run| run.signal(&name, data)).await
}

pub(crate) async fn send(
    State(host): State<Host>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<RunReport>, Problem> {
    let Letter { name, data } = body(&bytes)?;
    act(host, id, move |run| run.send(&name, data)).await
}

pub(crate) async fn delete(State(host): State<Host>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    blocking(move || host.delete(&id)).await.map(|()| StatusCode::NO_CONTENT)
}

pub(crate) async fn prune(State(host): State<Host>, bytes: Bytes) -> Result<Json<Pruned>, Problem> {
    let Prune { ended_before } = body(&bytes)?;
    let Some(before) = Timestamp::from_rfc3339(&ended_before) else {
        let detail =
            format!("`ended_before`: `{ended_before}` is no point in time, such as 2026-01-31T08:00:00Z");
        return Err(Problem::bad_request(detail));
    };
    answer(move || Ok(Pruned { deleted: host.prune(before)? })).await
}
