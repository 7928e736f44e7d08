//! `/runs/{id}/stream`: the records of a run as they come, as server-sent events.

use crate::answer::blocking;
use crate::problem::Problem;
use crate::runs::{Asked, asked};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use futures_core::Stream;
use futures_util::stream::unfold;
use jackfield::{Event, Host, Run};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::VecDeque;
use std::convert::Infallible;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamQuery {
    /// Number of the first record, unless `Last-Event-ID` says another.
    from: Option<u64>,
}

/// Where one listener stands. It is asked for more when the client has taken what it was given, so that a slow one
/// holds up nobody and nothing piles up for it.
struct Listener {
    run: Run,
    next: u64,
    waiting: VecDeque<Event>,
    has_ended: bool,
}

pub(crate) async fn stream(
    State(host): State<Host>,
    Path(id): Path<String>,
    query: Asked<StreamQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, Problem> {
    let StreamQuery { from } = asked(query)?;
    let last = headers.get("last-event-id").map(|value| {
        let text = value.to_str().unwrap_or_default();
        text.parse::<u64>()
            .map(|last| last.saturating_add(1))
            .map_err(|_| Problem::bad_request(format!("Last-Event-ID `{text}` is no number of a record")))
    });
    let next = last.transpose()?.or(from).unwrap_or(0);
    let run = blocking(move || host.get(&id)).await?;
    let listener = Listener { run, next, waiting: VecDeque::new(), has_ended: false };
    Ok(Sse::new(unfold(listener, Listener::go_on)).keep_alive(KeepAlive::default()))
}

impl Listener {
    /// The next event; after the last record one called `end` with the status, then nothing.
    async fn go_on(mut self) -> Option<(Result<Sent, Infallible>, Self)> {
        if self.has_ended {
            return None;
        }
        if self.waiting.is_empty() {
            self.waiting = self.run.next_records(self.next).await.into();
        }
        let sent = match self.waiting.pop_front() {
            Some(record) => {
                self.next = record.seq + 1;
                let text = serde_json::to_string(&record).unwrap_or_default();
                Sent::default().id(record.seq.to_string()).event("record").data(text)
            }
            None => {
                self.has_ended = true;
                Sent::default().event("end").data(self.run.status().as_str())
            }
        };
        Some((Ok(sent), self))
    }
}
