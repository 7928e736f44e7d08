//! `/runs`: what is done with kept runs besides starting and stopping them.

use crate::answer::{answer, body};
use crate::problem::Problem;
use crate::wire::Retry;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use jackfield::{Host, RunReport};

pub(crate) async fn retry(
    State(host): State<Host>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<RunReport>, Problem> {
    let Retry { from } = body(&bytes)?;
    answer(move || Ok(host.retry(&id, from.as_deref())?.report(0))).await
}
