//! `/workflows`

use crate::answer::{answer, blocking, body};
use crate::formats;
use crate::problem::Problem;
use crate::runs::{Asked, ShowQuery, Shown, asked, start_in, started};
use crate::wire::{Document, Registration, StartRun, Verdict, WorkflowLine, WorkflowLines};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jackfield::graph::Graph;
use jackfield::{Dialect, EngineError, Host, Version, VersionReq, Workflow};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionQuery {
    /// A version, or a range of versions where one is looked for, such as `^1.2`.
    #[schemars(regex(pattern = formats::RANGE))]
    version: Option<String>,
}

/// Checks a document that was sent.
pub(crate) fn check(host: &Host, sent: &Document) -> Result<Workflow, jackfield::Error> {
    let name = sent.name.as_deref().unwrap_or("workflow");
    host.parse_as(name, &sent.document, dialect(sent))
}

fn dialect(sent: &Document) -> Dialect {
    if sent.jsonc { Dialect::Jsonc } else { Dialect::Json }
}

/// A range of versions.
///
/// # Errors
/// A sentence if it is none.
pub(crate) fn parse_range(text: &str) -> Result<VersionReq, jackfield::Error> {
    let wrong =
        |error| jackfield::Error::Setup(format!("`{text}` is no range of versions, such as ^1.2: {error}"));
    text.parse().map_err(wrong)
}

pub(crate) async fn list(State(host): State<Host>) -> Result<Json<WorkflowLines>, Problem> {
    answer(move || Ok(WorkflowLines { workflows: host.workflows().iter().map(WorkflowLine::from).collect() }))
        .await
}

pub(crate) async fn register(
    State(host): State<Host>,
    bytes: Bytes,
) -> Result<(StatusCode, Json<Registration>), Problem> {
    let sent: Document = body(&bytes)?;
    let registration = blocking(move || register_in(&host, &sent)).await?;
    let status = if registration.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(registration)))
}

/// Registers a document, or says what that would come to.
///
/// # Errors
/// As [`Host::register`], and if the document is invalid.
pub fn register_in(host: &Host, sent: &Document) -> Result<Registration, jackfield::Error> {
    let workflow = check(host, sent)?;
    let (compared_with, changes) = match host.compare(&workflow) {
        Some((version, changes)) => (Some(version.to_string()), changes),
        None => (None, Vec::new()),
    };
    let is_new = match sent.dry_run {
        false => host.register(&workflow)?,
        true => host.can_register(&workflow)?,
    };
    Ok(Registration {
        id: workflow.id().to_owned(),
        version: workflow.version().to_string(),
        is_new,
        compared_with,
        changes,
        warnings: workflow.warnings().to_vec(),
    })
}

pub(crate) async fn validate(State(host): State<Host>, bytes: Bytes) -> Result<Json<Verdict>, Problem> {
    let sent: Document = body(&bytes)?;
    answer(move || match check(&host, &sent) {
        Ok(workflow) => Ok(Verdict { valid: true, diagnostics: workflow.warnings().to_vec() }),
        Err(error) => match error.invalid() {
            Some(invalid) => Ok(Verdict { valid: false, diagnostics: invalid.diagnostics.clone() }),
            None => Err(error),
        },
    })
    .await
}

pub(crate) async fn show(
    State(host): State<Host>,
    Path(id): Path<String>,
    query: Asked<VersionQuery>,
) -> Result<Json<WorkflowLine>, Problem> {
    let range = asked(query)?.version.as_deref().map(parse_range).transpose()?;
    answer(move || find(&host, &id, range.as_ref())).await
}

/// The picture of a registered workflow.
pub(crate) async fn graph(
    State(host): State<Host>,
    Path(id): Path<String>,
    query: Asked<VersionQuery>,
) -> Result<Json<Graph>, Problem> {
    let range = asked(query)?.version.as_deref().map(parse_range).transpose()?;
    answer(move || {
        let found = find(&host, &id, range.as_ref())?;
        // without its plugins, so that there is a picture also while they are missing
        jackfield::sketch(&id, found.document.as_deref().unwrap_or_default(), Dialect::Jsonc)
            .map(|(graph, _)| graph)
    })
    .await
}

/// The picture of a document that was sent, also of one with faults.
pub(crate) async fn draw(bytes: Bytes) -> Result<Json<Graph>, Problem> {
    let sent: Document = body(&bytes)?;
    answer(move || {
        let name = sent.name.as_deref().unwrap_or("workflow");
        jackfield::sketch(name, &sent.document, dialect(&sent)).map(|(graph, _)| graph)
    })
    .await
}

/// The newest registered version within a range, with its document.
///
/// # Errors
/// If there is none.
pub fn find(host: &Host, id: &str, range: Option<&VersionReq>) -> Result<WorkflowLine, jackfield::Error> {
    let known = host.workflows();
    let of_id = || known.iter().filter(|known| &*known.id == id);
    let fits = |version: &Version| range.is_none_or(|range| range.matches(version));
    match (of_id().rfind(|known| fits(&known.version)), range) {
        (Some(found), _) => {
            Ok(WorkflowLine { document: Some(found.document.to_string()), ..WorkflowLine::from(found) })
        }
        (None, Some(range)) if of_id().next().is_some() => {
            Err(EngineError::NoWorkflowVersion { id: id.to_owned(), range: range.to_string() }.into())
        }
        (None, _) => Err(EngineError::WorkflowNotFound(id.to_owned()).into()),
    }
}

pub(crate) async fn remove(
    State(host): State<Host>,
    Path(id): Path<String>,
    query: Asked<VersionQuery>,
) -> Result<StatusCode, Problem> {
    let version = asked(query)?.version;
    let parse = |text: &String| {
        text.parse::<Version>()
            .map_err(|error| Problem::bad_request(format!("`{text}` is no version, such as 1.2.0: {error}")))
    };
    let version = version.as_ref().map(parse).transpose()?;
    blocking(move || host.unregister(&id, version.as_ref())).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn start(
    State(host): State<Host>,
    Path(id): Path<String>,
    query: Asked<ShowQuery>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let shown = Shown::asked(query)?;
    let request = body::<StartRun>(&bytes)?.within(&headers);
    if request.document.is_some() {
        return Err(Problem::bad_request(
            "the workflow is registered; a run of a `document` starts at `/runs`",
        ));
    }
    let run = blocking(move || start_in(&host, &id, request, |_| ())).await?;
    started(run, shown).await
}
