//! Event streams: so many at a time, and none that outlives its token or the server.

use super::{Client, Gate, Refusal};
use crate::limits::Limits;
use crate::listen::until_closed;
use crate::problem::ProblemKind;
use crate::tokens::TokenHash;
use axum::body::Body;
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::stream::unfold;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked whether the token of a stream still counts.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// When somebody who found no place may try again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// The places for streams.
pub(super) struct Streams {
    max: usize,
    per_client_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_client: HashMap<Client, usize>,
}

/// A place, given back when it is dropped.
pub(super) struct Seat {
    streams: Arc<Streams>,
    client: Client,
}

impl Streams {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            max: limits.streams_max,
            per_client_max: limits.streams_per_client_max,
            taken: Mutex::default(),
        }
    }

    pub(super) fn take(self: &Arc<Self>, client: Client) -> Result<Seat, Refusal> {
        let mut taken = self.taken.lock();
        let (max, own) = (self.max, taken.by_client.get(&client).copied().unwrap_or(0));
        if own >= self.per_client_max {
            let detail = format!("this client has {own} event streams open, which is the most; close some");
            return Err(Refusal::later(ProblemKind::TooMany, detail, TRY_AGAIN));
        }
        if taken.all >= max {
            let detail = format!("the server has {max} event streams open, which is the most");
            return Err(Refusal::later(ProblemKind::Unavailable, detail, TRY_AGAIN));
        }
        taken.all += 1;
        *taken.by_client.entry(client).or_default() += 1;
        Ok(Seat { streams: self.clone(), client })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.streams.taken.lock();
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by_client.get_mut(&self.client) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by_client.remove(&self.client);
            }
        }
    }
}

/// The response with a stream that ends when the server closes or the token counts no more.
pub(super) fn ending(response: Response, seat: Seat, gate: Arc<Gate>, token: Option<TokenHash>) -> Response {
    let (parts, body) = response.into_parts();
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let closed = gate.closed.clone();
    let state = (body.into_data_stream(), ticks, closed, seat, gate);
    let chunks = unfold(state, move |(mut chunks, mut ticks, mut closed, seat, gate)| async move {
        let chunk = loop {
            tokio::select! {
                biased;
                () = until_closed(&mut closed) => return None,
                _ = ticks.tick() => {
                    let counts = |token| gate.book().is_ok_and(|book| book.holder_of(&token).is_ok());
                    if token.is_some_and(|token| !counts(token)) {
                        return None;
                    }
                }
                chunk = chunks.next() => break chunk?,
            }
        };
        Some((chunk, (chunks, ticks, closed, seat, gate)))
    });
    Response::from_parts(parts, Body::from_stream(chunks))
}
