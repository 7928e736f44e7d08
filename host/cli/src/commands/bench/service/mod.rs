//! Measures a server: a process of its own, to which this one is a crowd of clients over TCP.

mod client;
mod process;
mod starts;
mod streams;

use super::PLUGIN;
use super::document::document;
use super::figures::{Figures, Latency, PageCost, Service};
use super::job::Job;
use super::kernel::Process;
use super::runs::nanos;
use super::spread::{Spread, percentile};
use crate::printer::Printer;
use crate::settings::Settings;
use anyhow::{Context, Result, ensure};
use client::Client;
use hyper::Method;
use jackfield::{Value, json};
use process::Served;
use starts::Starts;
use std::time::{Duration, Instant};

/// How long a server without anything to do is looked at.
const IDLE: Duration = Duration::from_secs(2);
/// Runs that are started and waited for one after the other, in each repeat.
const WAITED_FOR: usize = 500;
/// How often a page is asked for in a repeat.
const PAGES: usize = 20;

/// Starts a server, has it do nothing, then everything that is measured, and looks at each run.
pub(crate) fn measure(settings: &Settings, job: &Job, printer: &Printer) -> Result<Figures> {
    let served = Served::start(settings, job)?;
    printer.note(&format!("a server of its own listens on {}", served.address));
    let process = Process(served.pid());
    let idle = look_at_idle(process);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = runtime.block_on(measure_on(&served, job, printer));
    let (mut figures, mut service) = measured.with_context(|| served.last_words())?;
    (service.idle_bytes, service.idle_cpu_percent) = idle;
    service.resident_bytes = process.resident_bytes().map(|bytes| bytes as f64);
    figures.service = Some(service);
    Ok(figures)
}

async fn measure_on(served: &Served, job: &Job, printer: &Printer) -> Result<(Figures, Service)> {
    let mut client = Client::connect(served.address).await?;
    check_plugin(&mut client).await?;
    register(&mut client, &document(&job.graph, job.work)).await?;
    printer.note("warming up");
    Starts { served, count: job.runs.min(200), at_a_time: job.concurrency.min(200) }.go().await?;
    let mut repeats = Vec::with_capacity(job.repeats);
    for nth in 1..=job.repeats {
        printer.note(&format!("repeat {nth} of {}", job.repeats));
        let pass = Starts { served, count: job.runs, at_a_time: job.concurrency }.go().await?;
        starts::check(&mut client, &pass.ids, job.graph.steps).await?;
        repeats.push((pass, wait_for_some(&mut client).await?));
    }
    let pages = pages(&mut client, job).await?;
    let streams = streams::measure(served, &mut client, job, printer).await?;
    let steps = job.steps_in_all() as f64;
    let of = |figure: &dyn Fn(&(starts::Pass, Latency)) -> f64| Spread::of(repeats.iter().map(figure));
    let figures = Figures {
        ns_per_step: of(&|(pass, _)| nanos(pass.ended) / steps),
        latency_us: of(&|(_, waited)| waited.p50).zip(of(&|(_, waited)| waited.p99)),
        pages,
        ..Figures::default()
    };
    let service = Service {
        starts_per_s: of(&|(pass, _)| job.runs as f64 / pass.started.as_secs_f64()),
        start_us: of(&|(pass, _)| pass.latency.p50).zip(of(&|(pass, _)| pass.latency.p99)),
        streams,
        ..Service::default()
    };
    Ok((figures, service))
}

/// What it holds and does when it has nothing to do.
fn look_at_idle(process: Process) -> (Option<f64>, Option<f64>) {
    // what comes before the first request may end
    std::thread::sleep(IDLE / 2);
    let (before, begun) = (process.cpu_time(), Instant::now());
    std::thread::sleep(IDLE);
    let spent = process.cpu_time().zip(before).map(|(now, before)| now.saturating_sub(before));
    let percent = spent.map(|spent| spent.as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0);
    (process.resident_bytes().map(|bytes| bytes as f64), percent)
}

async fn check_plugin(client: &mut Client) -> Result<()> {
    let found = client.get("/api/v1/plugins").await?;
    let found: Value = serde_json::from_slice(&found)?;
    let is_there = found["plugins"].as_array().is_some_and(|all| all.iter().any(|it| it["name"] == PLUGIN));
    ensure!(
        is_there,
        "`bench` calls the plugin `{PLUGIN}`, which the server has not found; name its directory with `--plugin-path`"
    );
    Ok(())
}

async fn register(client: &mut Client, document: &str) -> Result<()> {
    let body = serde_json::to_vec(&json!({ "document": document }))?;
    client.ask(Method::POST, "/api/v1/workflows", body).await?;
    Ok(())
}

/// What one client sees that starts a run and has its result with the same answer, over and over.
async fn wait_for_some(client: &mut Client) -> Result<Latency> {
    let mut took = Vec::with_capacity(WAITED_FOR);
    for _ in 0..WAITED_FOR {
        let begun = Instant::now();
        let told = client.ask(Method::POST, "/api/v1/workflows/bench/runs?wait=30s", b"{}".to_vec()).await?;
        took.push(nanos(begun.elapsed()) / 1_000.0);
        let report: Value = serde_json::from_slice(&told)?;
        ensure!(report["status"] == "completed", "a run that was waited for is {}", report["status"]);
    }
    Ok(latency(took))
}

fn latency(mut took: Vec<f64>) -> Latency {
    took.sort_by(f64::total_cmp);
    Latency { p50: percentile(&took, 50), p99: percentile(&took, 99) }
}

/// Pages of the list of all these runs.
async fn pages(client: &mut Client, job: &Job) -> Result<Vec<PageCost>> {
    let wanted = job.runs.min(50);
    let mut pages = Vec::new();
    for (pick, query, lines) in [
        ("newest", "", wanted),
        ("of the workflow", "?workflow=bench", wanted),
        ("failed", "?status=failed", 0),
        ("with a text that is nowhere", "?q=no+such+text", 0),
    ] {
        let mut took = Vec::with_capacity(PAGES * job.repeats);
        for _ in 0..PAGES * job.repeats {
            let begun = Instant::now();
            let told = client.get(&format!("/api/v1/runs{query}")).await?;
            took.push(nanos(begun.elapsed()) / 1e6);
            let told: Value = serde_json::from_slice(&told)?;
            let found = told["runs"].as_array().map_or(0, Vec::len);
            ensure!(found >= lines && (lines > 0 || found == 0), "the page `{pick}` has {found} lines");
        }
        pages.push(PageCost { pick, lines, ms: Spread::of(took).context("nothing was measured")? });
    }
    Ok(pages)
}
