//! Many clients that follow a run, and some beside them that take nothing of what they asked for.

use super::super::figures::{Delay, Streams};
use super::super::job::Job;
use super::super::spread::percentile;
use super::client::{Client, Records, Told};
use super::process::Served;
use super::register;
use crate::printer::Printer;
use anyhow::{Context, Result, ensure};
use hyper::Method;
use jackfield::{Timestamp, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;

/// How often something happens in the run that is followed, and how far these lie apart.
const TICKS: u32 = 15;
const TICK_MS: u32 = 100;
/// Outputs of the run that slow clients have asked for, and their size: some megabytes, more than lie on their way.
const LARGE: u32 = 150;
const LARGE_BYTES: u32 = 64 << 10;

/// The delays of all records without slow clients, then with them.
pub(crate) async fn measure(
    served: &Served,
    client: &mut Client,
    job: &Job,
    printer: &Printer,
) -> Result<Option<Streams>> {
    if job.streams == 0 {
        return Ok(None);
    }
    register(
        client,
        &repeating("bench_ticks", TICKS, &format!(r#""sleep","parameters":{{"ms":{TICK_MS}}}"#)),
    )
    .await?;
    let large = format!(r#""produce","parameters":{{"bytes":{LARGE_BYTES}}}"#);
    register(client, &repeating("bench_large", LARGE, &large)).await?;
    printer.note(&format!("{} clients follow a run", job.streams));
    let alone = follow(served, client, job.streams).await?;
    let mut beside = None;
    if job.slow > 0 {
        printer.note(&format!("the same beside {} clients that read nothing", job.slow));
        let large = start(client, "bench_large?wait=60s").await?;
        let mut slow = Vec::with_capacity(job.slow);
        for _ in 0..job.slow {
            slow.push(Client::connect_narrow(served.address).await?.records(&large).await?);
        }
        beside = Some(follow(served, client, job.streams).await?);
        drop(slow);
    }
    Ok(Some(Streams { clients: job.streams, slow: job.slow, alone, beside }))
}

/// A workflow that calls a method of `echo` so many times, one after the other.
fn repeating(id: &str, times: u32, call: &str) -> String {
    let call = format!(r#"{{"id":"tick","plugin":"echo","method":{call}}}"#);
    let repeat = format!(
        r#"{{"id":"r","type":"repeat","max_iterations":{times},"until":"iteration >= {times}","steps":[{call}]}}"#
    );
    format!(r#"{{"dsl":"1","id":"{id}","steps":[{repeat}],"output":null}}"#)
}

async fn start(client: &mut Client, workflow: &str) -> Result<String> {
    let (id, query) = workflow.split_once('?').unwrap_or((workflow, ""));
    let path = format!("/api/v1/workflows/{id}/runs?{query}");
    let told: Value = serde_json::from_slice(&client.ask(Method::POST, &path, b"{}".to_vec()).await?)?;
    told["run_id"].as_str().map(str::to_owned).context("a started run has no id")
}

/// How late its records reach each of `clients`, which have to get every record once, in order, and then the end.
async fn follow(served: &Served, client: &mut Client, clients: usize) -> Result<Delay> {
    let body = serde_json::to_vec(&json!({ "delay": "500ms" }))?;
    let told = client.ask(Method::POST, "/api/v1/workflows/bench_ticks/runs", body).await?;
    let told: Value = serde_json::from_slice(&told)?;
    let run = told["run_id"].as_str().context("a started run has no id")?;
    let mut crowd = JoinSet::new();
    for _ in 0..clients {
        let records = Client::connect(served.address).await?.records(run).await?;
        crowd.spawn(take_all(records));
    }
    let (mut late, mut counts) = (Vec::new(), Vec::new());
    while let Some(taken) = crowd.join_next().await {
        let (count, delays) = taken.context("a client broke off")??;
        counts.push(count);
        late.extend(delays);
    }
    let records = *counts.first().context("nobody followed")?;
    ensure!(counts.iter().all(|it| *it == records), "some clients got more records than others");
    late.sort_by(f64::total_cmp);
    let max = late.last().copied().unwrap_or_default();
    Ok(Delay { records, p50_ms: percentile(&late, 50), p99_ms: percentile(&late, 99), max_ms: max })
}

/// How many records there were, and how long each took from when it was made, in milliseconds. Of those that were there before
/// the stream, nothing.
async fn take_all(mut records: Records) -> Result<(u64, Vec<f64>)> {
    let (mut late, mut next) = (Vec::new(), 0);
    let begun = now();
    loop {
        match records.next().await?.context("the stream ended before its run")? {
            Told::End(status) => {
                ensure!(status == "completed", "the run that was followed is {status}");
                return Ok((next, late));
            }
            Told::Record(record) => {
                ensure!(record.seq == next, "record {} came instead of {next}", record.seq);
                next += 1;
                let made = Timestamp::from_rfc3339(&record.at).context("a record has no time")?;
                if made > begun {
                    late.push(now().since(made).as_secs_f64() * 1_000.0);
                }
            }
        }
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
