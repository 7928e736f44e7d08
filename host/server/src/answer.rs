//! What all answers have in common.

use crate::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use jackfield::{EngineStats, Host};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest time that a request may ask to wait; who wants more asks again.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);

/// Does something that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, jackfield::Error> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Problem::from),
        Err(panic) => {
            Err(Problem::new(crate::ProblemKind::Internal, format!("the request broke off: {panic}")))
        }
    }
}

/// The same with the answer as JSON.
pub(crate) async fn answer<T: Serialize + Send + 'static>(
    work: impl FnOnce() -> Result<T, jackfield::Error> + Send + 'static,
) -> Result<Json<T>, Problem> {
    blocking(work).await.map(Json)
}

/// The body as JSON; an empty one is `{}`.
pub(crate) fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { bytes };
    let reader = &mut serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut *reader);
    let value = read.map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.inner());
        match path.as_str() {
            "." => Problem::bad_request(format!("the body is not what is expected: {inner}")),
            path => Problem::bad_request(format!("the body is not what is expected at `{path}`: {inner}")),
        }
    })?;
    reader
        .end()
        .map_err(|error| Problem::bad_request(format!("the body goes on behind its end: {error}")))?;
    Ok(value)
}

/// A length of time in a query, such as `30s`.
pub(crate) fn length(name: &str, text: Option<&str>) -> Result<Duration, Problem> {
    let Some(text) = text else { return Ok(Duration::ZERO) };
    let parsed = match text.parse::<i64>() {
        Ok(millis) => jackfield::model::duration::from_millis(millis),
        Err(_) => jackfield::model::duration::parse(text),
    };
    parsed
        .map(|wanted| wanted.min(WAIT_MAX))
        .map_err(|why| Problem::bad_request(format!("`{name}={text}`: {why}")))
}

pub(crate) async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Whether runs can be started: the journal takes what is written.
pub(crate) async fn readyz(State(host): State<Host>) -> Result<Json<Value>, Problem> {
    match host.stats().journal.and_then(|journal| journal.error) {
        None => Ok(Json(json!({ "status": "ready" }))),
        Some(error) => {
            let detail = format!("the journal cannot be written: {error}");
            Err(Problem::new(crate::ProblemKind::Unavailable, detail))
        }
    }
}

pub(crate) async fn stats(State(host): State<Host>) -> Result<Json<EngineStats>, Problem> {
    answer(move || Ok(host.stats())).await
}
