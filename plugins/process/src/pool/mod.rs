//! `pool`: requests to long-lived workers. This module is the method; `shared` holds queue and workers, `worker` is one of them,
//! `answer` what they say.

mod answer;
mod shared;
mod worker;

use crate::Config;
use crate::program::{length, parameters};
use jackfield_plugin_api::prelude::*;
use serde_json::value::RawValue;
use shared::{Pool, Spec};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::oneshot;

/// Requests that wait unless a pool says otherwise.
const QUEUE_MAX: usize = 1_000;

parameters! {
    /// A request, and the workers that may answer it. Calls that name the same program with the same settings share a pool.
    Request {
        /// What a worker is asked, any JSON value. Without it the workers are started as far as `min` asks for, and the answer
        /// tells how the pool is.
        #[schemars(with = "Option<serde_json::Value>")]
        request: Option<Box<RawValue>>,
        /// Workers that are started at once with the first call of the pool, and replaced when they end.
        #[serde(default)]
        #[schemars(range(max = 256))]
        min: u16,
        /// Workers at most; one per core if absent.
        #[schemars(range(min = 1, max = 256))]
        max: Option<u16>,
        /// Requests after which a worker is replaced by a new one; never if absent.
        #[schemars(range(min = 1))]
        recycle_after: Option<u64>,
        /// Requests that may wait for a worker; one more is refused.
        queue_max: Option<usize>,
        /// Limit of waiting and answering in milliseconds; none if absent. A worker that is at the request then is killed.
        timeout_ms: Option<u64>,
        /// Empty requests that workers have to answer: before the first other one, and when they have been idle.
        health: Option<Health>,
    }
}

/// How workers are asked whether they are well. The question is an empty frame, and so is the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Health {
    /// How long an idle worker is left alone, in milliseconds.
    #[serde(default = "every_ms")]
    #[schemars(range(min = 1))]
    every_ms: u64,
    /// How long it may take to answer, in milliseconds. Then it is killed.
    #[serde(default = "patience_ms")]
    #[schemars(range(min = 1))]
    timeout_ms: u64,
    /// How long a new worker may take to be ready and answer, in milliseconds.
    #[serde(default = "start_ms")]
    #[schemars(range(min = 1))]
    start_ms: u64,
}

fn every_ms() -> u64 {
    30_000
}

fn patience_ms() -> u64 {
    5_000
}

fn start_ms() -> u64 {
    60_000
}

/// The pools of an instance of the plugin. They end with it.
#[derive(Default)]
pub(crate) struct Pools(Mutex<HashMap<Spec, Arc<Pool>>>);

impl Pools {
    /// The pool that is made so; a new one if there is none and nothing is wrong with it.
    fn get(&self, spec: Spec) -> Result<Arc<Pool>, Error> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&spec) {
            return Ok(Arc::clone(pool));
        }
        spec.check()?;
        let pool = Pool::new(spec.clone());
        pools.insert(spec, Arc::clone(&pool));
        Ok(pool)
    }
}

impl Drop for Pools {
    fn drop(&mut self) {
        let pools = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        pools.values().for_each(|pool| pool.close());
    }
}

/// What the method does: either is ready when the promise is kept.
type Promise = oneshot::Receiver<Result<Vec<u8>, Error>>;

/// Puts the request into the queue at once, on the caller's thread; what it returns waits for the answer.
pub(crate) fn pool(ctx: Context, p: Request) -> Pin<Box<dyn Future<Output = Result<RawJson, Error>> + Send>> {
    let timeout = p.timeout_ms.map(length);
    let asked = ask(&ctx, p);
    Box::pin(async move {
        let (pool, ticket, promise) = asked?;
        let kept = tokio::select! {
            biased;
            kept = promise => kept,
            () = ctx.cancelled() => {
                pool.give_up(ticket);
                return Err(Error::cancelled());
            }
            () = passed(timeout) => {
                pool.give_up(ticket);
                let ms = timeout.unwrap_or_default().as_millis();
                return Err(Error::new("process.timeout", format!("no worker answered within {ms} ms")));
            }
        };
        // dropped unanswered when the pool ends
        let frame = kept.unwrap_or_else(|_| Err(Error::cancelled()))?;
        Ok(RawJson::new(frame))
    })
}

async fn passed(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::poll_fn(|_| Poll::Pending).await,
    }
}

fn ask(ctx: &Context, mut p: Request) -> Result<(Arc<Pool>, u64, Promise), Error> {
    let config = ctx.config::<Config>().ok_or_else(|| Error::new("internal", "the plugin has no pools"))?;
    let request = p.request.take();
    let pool = config.pools.get(Spec::of(p))?;
    let (done, promise) = oneshot::channel();
    let ticket = match request {
        Some(request) => pool.ask(Box::<str>::from(request).into_boxed_bytes(), done)?,
        None => pool.tell(done),
    };
    Ok((pool, ticket, promise))
}
