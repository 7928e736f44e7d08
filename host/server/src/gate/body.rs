//! Bodies: read whole before anything is done with them, within limits of size and time.

use super::Refusal;
use crate::limits::Limits;
use crate::problem::{Problem, ProblemKind};
use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use futures_util::StreamExt;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Bytes that give a body another second to come.
const BYTES_A_SECOND: usize = 1 << 20;

/// The request with its body in memory.
pub(super) async fn read(request: Request, limits: &Limits) -> Result<Request, Refusal> {
    read_at_most(request, limits.body_bytes_max, limits).await
}

pub(super) async fn read_at_most(request: Request, max: usize, limits: &Limits) -> Result<Request, Refusal> {
    let (parts, body) = request.into_parts();
    let said = axum::body::HttpBody::size_hint(&body);
    if said.lower() > max as u64 {
        return Err(too_large(max));
    }
    if said.exact() == Some(0) {
        return Ok(Request::from_parts(parts, Body::empty()));
    }
    let bytes = collect(body.into_data_stream(), max, limits.body_timeout).await?;
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

async fn collect(mut chunks: BodyDataStream, max: usize, patience: Duration) -> Result<Vec<u8>, Refusal> {
    let begun = Instant::now();
    let mut bytes = Vec::new();
    loop {
        let bonus = Duration::from_secs((bytes.len() / BYTES_A_SECOND) as u64);
        match timeout_at(begun + patience + bonus, chunks.next()).await {
            Err(_) => {
                let detail = format!(
                    "the body took longer than {} to come",
                    jackfield::model::duration::display(patience)
                );
                return Err(Problem::new(ProblemKind::Timeout, detail).into());
            }
            Ok(None) => return Ok(bytes),
            Ok(Some(Err(error))) => {
                return Err(Problem::bad_request(format!("the body broke off: {error}")).into());
            }
            Ok(Some(Ok(chunk))) if bytes.len() + chunk.len() > max => return Err(too_large(max)),
            Ok(Some(Ok(chunk))) => bytes.extend_from_slice(&chunk),
        }
    }
}

fn too_large(max: usize) -> Refusal {
    Problem::new(ProblemKind::TooLarge, format!("the body has more than {max} bytes, which is the most here"))
        .into()
}
