//! `/runs`: what is done with kept runs besides starting and stopping them.

use crate::answer::{answer, blocking, body};
use crate::problem::Problem;
use crate::runs::{Shown, started};
use crate::wire::{Fork, Import, Retry};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jackfield::{Host, RunReport};

pub(crate) async fn retry(
    State(host): State<Host>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<RunReport>, Problem> {
    let Retry { from } = body(&bytes)?;
    answer(move || Ok(host.retry(&id, from.as_deref())?.report(0))).await
}

pub(crate) async fn export(State(host): State<Host>, Path(id): Path<String>) -> Result<Response, Problem> {
    let saved = blocking(move || host.export(&id)).await?;
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], saved).into_response())
}

pub(crate) async fn import(State(host): State<Host>, bytes: Bytes) -> Result<Response, Problem> {
    let Import { saved, run_id } = body(&bytes)?;
    let run = blocking(move || host.import(&saved, run_id.as_deref())).await?;
    started(run, Shown::at_once()).await
}

pub(crate) async fn fork(
    State(host): State<Host>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let Fork { at, input, run_id } = body(&bytes)?;
    let run = blocking(move || host.fork(&id, &at, input, run_id.as_deref())).await?;
    started(run, Shown::at_once()).await
}
