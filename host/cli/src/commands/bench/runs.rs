//! Measures runs of a graph.

use super::document::document;
use super::figures::{Figures, Latency};
use super::job::Job;
use super::load::{Load, Pass};
use super::spread::{Spread, percentile};
use super::verify::Expected;
use super::{kernel, memory, metg, spin};
use crate::args::{BenchEngine, Shape};
use crate::printer::Printer;
use anyhow::Result;
use jackfield::Host;
use jackfield::model::duration;
use std::time::{Duration, Instant};

/// Memory is measured over so many steps at least, so that what else moves counts for little,
const MEMORY_STEPS_MIN: usize = 100_000;
/// unless that takes longer than this.
const MEMORY_TIME_MAX: Duration = Duration::from_millis(200);

/// Warms up, measures memory, then time, and checks every run.
pub(crate) fn measure(host: &Host, job: &Job, printer: &Printer) -> Result<Figures> {
    let workflow = host.parse(&document(&job.graph, job.work))?;
    let load = Load { host, workflow: &workflow, runs: job.runs, concurrency: job.concurrency };
    let expected = Expected { graph: &job.graph, work: job.work, kept: job.history };
    printer.note("warming up");
    let bytes_per_step = memory_of(&load, &expected, job.steps_in_all())?;
    let mut repeats = Vec::with_capacity(job.repeats);
    for nth in 1..=job.repeats {
        printer.note(&format!("repeat {nth} of {}", job.repeats));
        repeats.push(repeat(&load, &expected, job)?);
    }
    let metg = match job.shape {
        Shape::Stencil => {
            printer.note("looking for the smallest body with half of the ideal");
            let found = metg::find(host, job)?;
            if found.is_none() {
                let longest = duration::display(metg::BODY_MAX);
                printer
                    .note(&format!("not even bodies of {longest} reach half of the ideal: there is no METG"));
            }
            found
        }
        _ => None,
    };
    let spread = |figure: fn(&Repeat) -> Option<f64>| Spread::of(repeats.iter().filter_map(figure));
    let latency = |figure: fn(&Latency) -> f64| Spread::of(repeats.iter().map(|it| figure(&it.latency)));
    let p50_p99 = latency(|it| it.p50).zip(latency(|it| it.p99)).filter(|_| job.runs > 1);
    Ok(Figures {
        ns_per_step: spread(|it| Some(it.ns_per_step)),
        bytes_per_step,
        efficiency: spread(|it| it.efficiency),
        efficiency_of_ideal: spread(|it| it.efficiency_of_ideal),
        metg_us: metg,
        written_per_step: match job.engine {
            BenchEngine::Memory => None,
            BenchEngine::Sqlite => spread(|it| it.written_per_step),
        },
        latency_us: p50_p99,
        ..Figures::default()
    })
}

/// What one repeat showed.
struct Repeat {
    ns_per_step: f64,
    efficiency: Option<f64>,
    efficiency_of_ideal: Option<f64>,
    latency: Latency,
    written_per_step: Option<f64>,
}

fn repeat(load: &Load<'_>, expected: &Expected<'_>, job: &Job) -> Result<Repeat> {
    let body = job.work.body;
    let bare = || match body.is_zero() {
        true => Ok(None),
        false => spin::body_ns(body, job.threads, job.steps_in_all()).map(Some),
    };
    // right before and right behind the runs, so that both meet the machine in the same mood
    let before = bare()?;
    let unwritten = kernel::written_bytes();
    let pass = load.go()?;
    let written = unwritten.zip(kernel::written_bytes()).map(|(before, behind)| behind - before);
    let bare_ns = before.zip(bare()?).map(|(before, behind)| f64::midpoint(before, behind));
    let elapsed_ns = nanos(pass.elapsed);
    let mut latencies: Vec<f64> = pass.latencies.iter().map(|it| nanos(*it) / 1_000.0).collect();
    latencies.sort_by(f64::total_cmp);
    expected.check(&pass.runs)?;
    load.forget(pass.runs);
    Ok(Repeat {
        ns_per_step: elapsed_ns / job.steps_in_all() as f64,
        efficiency: bare_ns.map(|bare_ns| job.ideal_ns(bare_ns) / elapsed_ns),
        efficiency_of_ideal: bare_ns.map(|_| job.ideal_ns(nanos(body)) / elapsed_ns),
        written_per_step: written.map(|bytes| bytes as f64 / job.steps_in_all() as f64),
        latency: Latency { p50: percentile(&latencies, 50), p99: percentile(&latencies, 99) },
    })
}

/// How much memory finished runs hold, per step. The first pass warms everything up.
fn memory_of(load: &Load<'_>, expected: &Expected<'_>, steps: usize) -> Result<Option<f64>> {
    let warm_up = load.go()?;
    let (before, begun) = (memory::allocated_bytes(), Instant::now());
    let mut passes: Vec<Pass> = vec![load.go()?];
    while passes.len() * steps < MEMORY_STEPS_MIN && begun.elapsed() < MEMORY_TIME_MAX {
        passes.push(load.go()?);
    }
    let after = memory::allocated_bytes();
    let steps_kept = passes.len() * steps;
    for pass in passes.into_iter().chain([warm_up]) {
        expected.check(&pass.runs)?;
        load.forget(pass.runs);
    }
    let grown = before.zip(after).map(|(before, after)| after.saturating_sub(before));
    Ok(grown.map(|bytes| bytes as f64 / steps_kept as f64))
}

pub(crate) fn nanos(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}
