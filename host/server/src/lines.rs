//! `/runs/{id}/logs`: what the methods of a run log and print, as a page or as it comes.

use crate::answer::{blocking, length};
use crate::problem::Problem;
use crate::runs::{Asked, asked};
use crate::wire::LinesPage;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use jackfield::{Host, Run, RunText, TextQuery};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::{Duration, Instant};

/// How often is looked whether there is something new: well below what a person notices.
const LOOK: Duration = Duration::from_millis(20);
/// Lines of a page where the request does not say, and that a follower is given at a time.
const LIMIT: usize = 1_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinesQuery {
    /// Number of the first line, unless `Last-Event-ID` says another.
    from: Option<u64>,
    /// Only lines of this step and of what is in it.
    step: Option<String>,
    /// Lines in the page at most; 1,000 if absent.
    #[schemars(range(min = 1, max = 10_000))]
    limit: Option<usize>,
    /// How long to wait for a line at most, such as `30s`; up to 60 s.
    wait: Option<String>,
    /// Whether lines are sent as they come, as server-sent events, until the run has ended.
    #[serde(default)]
    follow: bool,
}

pub(crate) async fn lines(
    State(host): State<Host>,
    Path(id): Path<String>,
    query: Asked<LinesQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let LinesQuery { from, step, limit, wait, follow } = asked(query)?;
    let wait = length("wait", wait.as_deref())?;
    let limit = limit.unwrap_or(LIMIT);
    if !(1..=10_000).contains(&limit) {
        return Err(Problem::bad_request(format!("`limit={limit}`: not a number from 1 to 10000")));
    }
    let last = headers.get("last-event-id").map(|value| {
        let text = value.to_str().unwrap_or_default();
        text.parse::<u64>()
            .map(|last| last.saturating_add(1))
            .map_err(|_| Problem::bad_request(format!("Last-Event-ID `{text}` is no number of a line")))
    });
    let query = TextQuery { from: last.transpose()?.or(from).unwrap_or(0), step, limit };
    let (asked_host, asked_id) = (host.clone(), id.clone());
    let run = blocking(move || asked_host.get(&asked_id)).await?;
    let mut reader = Reader { host, id, run, query };
    if !follow {
        return Ok(Json(reader.next(wait).await?).into_response());
    }
    // a run whose lines are not kept is refused before the stream begins
    let first = reader.next(Duration::ZERO).await?;
    let follower = Follower { reader, waiting: first.lines.into(), is_over: false };
    Ok(Sse::new(unfold(follower, Follower::go_on)).keep_alive(KeepAlive::default()).into_response())
}

/// Reads the lines of one run one after the other.
struct Reader {
    host: Host,
    id: String,
    run: Run,
    query: TextQuery,
}

impl Reader {
    /// The next lines, at least one unless the run has ended or `patience` is over.
    async fn next(&mut self, patience: Duration) -> Result<LinesPage, Problem> {
        let until = Instant::now() + patience;
        loop {
            // looked at before the lines, so that whoever reads on misses none of an ended run
            let (status, mark) = (self.run.status(), self.host.lines_mark(&self.id));
            let (host, id, query) = (self.host.clone(), self.id.clone(), self.query.clone());
            let found = blocking(move || host.run_lines(&id, &query)).await?;
            // there may be more, of other steps than the one that is asked for
            let has_moved = found.next > self.query.from;
            self.query.from = found.next;
            let is_over = status.is_terminal() && !has_moved;
            if !found.lines.is_empty() || is_over || Instant::now() >= until {
                return Ok(LinesPage { lines: found.lines, next: found.next, status });
            }
            while !has_moved
                && self.host.lines_mark(&self.id) == mark
                && !self.run.status().is_terminal()
                && Instant::now() < until
            {
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// Where one follower stands. It is asked for more when the client has taken what it was given.
struct Follower {
    reader: Reader,
    waiting: VecDeque<RunText>,
    is_over: bool,
}

impl Follower {
    /// The next event; after the last line one called `end` with the status, then nothing.
    async fn go_on(mut self) -> Option<(Result<Sent, Infallible>, Self)> {
        loop {
            if self.is_over {
                return None;
            }
            if let Some(line) = self.waiting.pop_front() {
                let text = serde_json::to_string(&line).unwrap_or_default();
                let sent = Sent::default().id(line.seq.to_string()).event("line").data(text);
                return Some((Ok(sent), self));
            }
            match self.reader.next(crate::answer::WAIT_MAX).await {
                Ok(page) if page.lines.is_empty() && page.status.is_terminal() => {
                    self.is_over = true;
                    return Some((Ok(Sent::default().event("end").data(page.status.as_str())), self));
                }
                Ok(page) => self.waiting = page.lines.into(),
                // the run was deleted, perhaps
                Err(problem) => {
                    self.is_over = true;
                    return Some((Ok(Sent::default().event("error").data(problem.detail)), self));
                }
            }
        }
    }
}
