//! Many clients that start runs.

use super::super::figures::Latency;
use super::super::runs::nanos;
use super::client::Client;
use super::latency;
use super::process::Served;
use anyhow::{Context, Result, ensure};
use hyper::Method;
use jackfield::Value;
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long the last run may take after it was started.
const PATIENCE: Duration = Duration::from_secs(300);

/// So many runs are started, by so many clients of which each waits for the answer before it starts the next.
pub(crate) struct Starts<'a> {
    pub(crate) served: &'a Served,
    pub(crate) count: usize,
    pub(crate) at_a_time: usize,
}

/// What came of it.
pub(crate) struct Pass {
    /// From the first request to the last answer.
    pub(crate) started: Duration,
    /// To the end of the last run.
    pub(crate) ended: Duration,
    /// Of a start.
    pub(crate) latency: Latency,
    pub(crate) ids: Vec<String>,
}

#[derive(Deserialize)]
struct Started {
    run_id: String,
}

impl Starts<'_> {
    pub(crate) async fn go(&self) -> Result<Pass> {
        let mut watcher = Client::connect(self.served.address).await?;
        let before = ended(&mut watcher).await?;
        let next = Arc::new(AtomicUsize::new(0));
        let mut clients = Vec::with_capacity(self.at_a_time);
        for _ in 0..self.at_a_time {
            clients.push(Client::connect(self.served.address).await?);
        }
        let begun = Instant::now();
        let mut crowd = JoinSet::new();
        for client in clients {
            crowd.spawn(start_on(client, next.clone(), self.count));
        }
        let (mut took, mut ids) = (Vec::with_capacity(self.count), Vec::with_capacity(self.count));
        while let Some(done) = crowd.join_next().await {
            for (id, time) in done.context("a client broke off")?? {
                ids.push(id);
                took.push(time);
            }
        }
        let started = begun.elapsed();
        while ended(&mut watcher).await? < before + self.count as u64 {
            ensure!(begun.elapsed() < started + PATIENCE, "runs that were started do not end");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(Pass { started, ended: begun.elapsed(), latency: latency(took), ids })
    }
}

async fn start_on(mut client: Client, next: Arc<AtomicUsize>, count: usize) -> Result<Vec<(String, f64)>> {
    let mut done = Vec::new();
    while next.fetch_add(1, Ordering::Relaxed) < count {
        let begun = Instant::now();
        let told = client.ask(Method::POST, "/api/v1/workflows/bench/runs", b"{}".to_vec()).await?;
        let took = nanos(begun.elapsed()) / 1_000.0;
        let Started { run_id } = serde_json::from_slice(&told)?;
        done.push((run_id, took));
    }
    Ok(done)
}

/// Runs that have ended since the server began.
async fn ended(client: &mut Client) -> Result<u64> {
    let told: Value = serde_json::from_slice(&client.get("/api/v1/stats").await?)?;
    ["completed", "failed", "cancelled"]
        .into_iter()
        .map(|status| told["runs"][status].as_u64().context("the server does not count its runs"))
        .sum()
}

/// Every run has completed, with all of its steps.
pub(crate) async fn check(client: &mut Client, ids: &[String], steps: usize) -> Result<()> {
    for id in ids {
        let told: Value =
            serde_json::from_slice(&client.get(&format!("/api/v1/runs/{id}?steps_max=0")).await?)?;
        let is_done = told["status"] == "completed" && told["completed_steps"] == steps;
        ensure!(is_done, "run `{id}` is {} with {} steps", told["status"], told["completed_steps"]);
    }
    Ok(())
}
