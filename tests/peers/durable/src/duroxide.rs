//! duroxide on its SQLite provider.
//!
//! The provider has no settings: WAL, a pool of 5 connections, and `PRAGMA synchronous = WAL`, a word that SQLite does not know
//! and takes for NORMAL, so a loss of power may cost what was told to be done. What the runtime has are its polling (every
//! 100 ms by default) and how many orchestrations and activities are worked on at a time (2 and 2). Its client looks for
//! the end of a run every 5 ms at first and every 100 ms at last, which is not to be changed.

use crate::workload::{Sample, Size, median};
use anyhow::{Context, Result, anyhow, bail, ensure};
use duroxide::providers::sqlite::SqliteProvider;
use duroxide::runtime::registry::ActivityRegistry;
use duroxide::runtime::{ObservabilityConfig, Runtime, RuntimeOptions};
use duroxide::{ActivityContext, Client, OrchestrationContext, OrchestrationRegistry, OrchestrationStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Longer than any run takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// One pass on a new file, behind one run to warm up.
pub(crate) async fn measure(is_tuned: bool, size: Size) -> Result<Sample> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("runs.db");
    std::fs::File::create(&path)?;
    let url =
        format!("sqlite:{}", path.to_str().context("the directory for temporary files has a name in UTF-8")?);
    let store = Arc::new(SqliteProvider::new(&url, None).await?);
    let made = Arc::new(AtomicU64::new(0));
    let counted = made.clone();
    let noop = move |_: ActivityContext, _: String| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok(String::new()) }
    };
    let activities = ActivityRegistry::builder().register("noop", noop).build();
    let orchestrations = OrchestrationRegistry::builder().register("steps", steps).build();
    let runtime =
        Runtime::start_with_options(store.clone(), activities, orchestrations, options(is_tuned)).await;
    let client = Arc::new(Client::new(store));
    one_run(&client, "warm-up".to_owned(), Size { steps: 1, ..size }).await?;
    let before = made.load(Ordering::Relaxed);
    let begin = Instant::now();
    let mut took = Vec::new();
    let mut open = JoinSet::new();
    for nth in 0..size.runs {
        if open.len() >= size.at_once as usize {
            took.push(next(&mut open).await?);
        }
        let client = Arc::clone(&client);
        open.spawn(async move { one_run(&client, format!("run-{nth}"), size).await });
    }
    while !open.is_empty() {
        took.push(next(&mut open).await?);
    }
    let elapsed = begin.elapsed();
    runtime.shutdown(None).await;
    let made = all_made(made.load(Ordering::Relaxed) - before, size)?;
    Ok(Sample { run_ms: median(took), steps_per_s: made as f64 / elapsed.as_secs_f64() })
}

/// So many activities were made, which have to be those that were asked for.
fn all_made(made: u64, size: Size) -> Result<u64> {
    let wanted = size.steps_in_all();
    ensure!(made == wanted, "{made} activities were made instead of {wanted}");
    Ok(made)
}

/// Everything as it is by default, but for what is tuned. Its warnings (that the database is locked, many times a second) are
/// not printed, for they would go to where the report goes: the level becomes part of a filter that lets all of them through otherwise.
fn options(is_tuned: bool) -> RuntimeOptions {
    let observability = ObservabilityConfig {
        log_level: "error,duroxide=error".to_owned(),
        ..ObservabilityConfig::default()
    };
    let defaults = RuntimeOptions { observability, ..RuntimeOptions::default() };
    match is_tuned {
        false => defaults,
        true => RuntimeOptions {
            dispatcher_min_poll_interval: Duration::from_millis(5),
            orchestration_concurrency: 4,
            worker_concurrency: 8,
            ..defaults
        },
    }
}

/// The next run that ends.
async fn next(open: &mut JoinSet<Result<f64>>) -> Result<f64> {
    open.join_next().await.context("a run is under way")??
}

/// Starts a run and waits for its result; milliseconds.
async fn one_run(client: &Client, id: String, size: Size) -> Result<f64> {
    let input = format!("{} {}", size.steps, size.is_chain);
    let begin = Instant::now();
    let failed = |error: String| anyhow!("run `{id}`: {error}");
    client.start_orchestration(&*id, "steps", input).await.map_err(|error| failed(format!("{error:?}")))?;
    let status =
        client.wait_for_orchestration(&id, PATIENCE).await.map_err(|error| failed(format!("{error:?}")))?;
    match status {
        OrchestrationStatus::Completed { output, .. } if output == size.steps.to_string() => {
            Ok(begin.elapsed().as_secs_f64() * 1e3)
        }
        other => bail!("run `{id}` came to {other:?}"),
    }
}

/// So many activities, one after the other or at once; answers how many were made.
async fn steps(context: OrchestrationContext, input: String) -> Result<String, String> {
    let (steps, is_chain) = input.split_once(' ').ok_or("no input")?;
    let (steps, is_chain) = (steps.parse::<u32>(), is_chain == "true");
    let steps = steps.map_err(|error| error.to_string())?;
    if is_chain {
        let mut made = 0;
        for _ in 0..steps {
            context.schedule_activity("noop", "").await?;
            made += 1;
        }
        return Ok(made.to_string());
    }
    let all = (0..steps).map(|_| context.schedule_activity("noop", "")).collect();
    let made = context.join(all).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(made.len().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_activity_is_made_and_counted() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        for is_chain in [true, false] {
            let size = Size { runs: 2, at_once: 2, steps: 3, is_chain };
            let sample = runtime.block_on(measure(true, size)).unwrap();
            assert!(sample.run_ms > 0.0 && sample.steps_per_s > 0.0, "{sample:?}");
        }
    }

    #[test]
    fn a_wrong_number_of_activities_is_an_error() {
        let size = Size { runs: 2, at_once: 2, steps: 3, is_chain: true };
        assert_eq!(all_made(6, size).unwrap(), 6);
        for made in [5, 7] {
            let error = all_made(made, size).unwrap_err().to_string();
            assert_eq!(error, format!("{made} activities were made instead of 6"));
        }
    }
}
