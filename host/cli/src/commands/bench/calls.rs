//! Measures one method call through the loader, at several sizes, beside a Rust function that does the same work.

use super::PLUGIN;
use super::figures::{CallCost, Figures};
use super::job::Job;
use super::runs::nanos;
use super::spread::{Spread, percentile};
use anyhow::{Context, Result, ensure};
use jackfield::{Host, Payload, PreparedCall, json};
use std::hint::black_box;
use std::time::Instant;

/// Bytes of parameters and result. The first is the one that stands for all.
const SIZES: [usize; 3] = [200, 64 * 1024, 1024 * 1024];
/// Bytes that the calls of a repeat return together, at most; large results would take long otherwise.
const BYTES_MAX: usize = 64 << 20;

/// Measures calls of `echo.echo`, which returns its parameters.
pub(crate) fn measure(host: &Host, job: &Job) -> Result<Figures> {
    let costs: Vec<CallCost> =
        SIZES.into_iter().map(|bytes| measure_size(host, job, bytes)).collect::<Result<_>>()?;
    let first = costs.first();
    Ok(Figures {
        ns_per_step: first.map(|cost| cost.loader_ns),
        latency_us: first.and_then(|cost| cost.latency_us),
        calls: costs,
        ..Figures::default()
    })
}

fn measure_size(host: &Host, job: &Job, bytes: usize) -> Result<CallCost> {
    let frame = Payload::from(json!({ "text": "" })).len();
    let parameters = Payload::from(json!({ "text": "x".repeat(bytes - frame) }));
    let call = host.prepare_call(PLUGIN, "echo", parameters.clone())?;
    let times = job.graph.steps.min(BYTES_MAX / bytes);
    // through a trait object, as the loader's methods are called
    let direct: &dyn Fn(&[u8]) -> Vec<u8> = &<[u8]>::to_vec;
    let (mut loader_ns, mut direct_ns, mut p50, mut p99) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for nth in 0..=job.repeats {
        let (loader, direct) =
            (through_the_loader(&call, times)?, directly(direct, parameters.as_str(), times));
        // the first is the warm-up
        if nth > 0 {
            loader_ns.push(loader.mean_ns);
            direct_ns.push(direct);
            p50.extend(loader.p50_p99_us.map(|it| it.0));
            p99.extend(loader.p50_p99_us.map(|it| it.1));
        }
    }
    let latency_us = Spread::of(p50).zip(Spread::of(p99));
    let spread = |figures| Spread::of(figures).context("nothing was measured");
    Ok(CallCost { bytes, loader_ns: spread(loader_ns)?, direct_ns: spread(direct_ns)?, latency_us })
}

/// What a repeat came to.
struct Pass {
    mean_ns: f64,
    /// Of calls into a worker.
    p50_p99_us: Option<(f64, f64)>,
}

fn through_the_loader(call: &PreparedCall, times: usize) -> Result<Pass> {
    let mut each_us = Vec::with_capacity(if call.runs_in_worker() { times } else { 0 });
    let mut returned = 0;
    let mut last = Payload::null();
    let begun = Instant::now();
    let mut before = begun;
    for _ in 0..times {
        last = black_box(call).call()?;
        returned += last.len();
        if call.runs_in_worker() {
            let now = Instant::now();
            each_us.push(nanos(now - before) / 1e3);
            before = now;
        }
    }
    let mean_ns = nanos(begun.elapsed()) / times as f64;
    let given = call.parameters();
    ensure!(
        returned == times * given.len() && last.as_str() == given.as_str(),
        "`{PLUGIN}.echo` did not return its parameters each time"
    );
    each_us.sort_by(f64::total_cmp);
    let p50_p99_us = call.runs_in_worker().then(|| (percentile(&each_us, 50), percentile(&each_us, 99)));
    Ok(Pass { mean_ns, p50_p99_us })
}

fn directly(function: &dyn Fn(&[u8]) -> Vec<u8>, parameters: &str, times: usize) -> f64 {
    let begun = Instant::now();
    for _ in 0..times {
        drop(black_box(black_box(function)(black_box(parameters.as_bytes()))));
    }
    nanos(begun.elapsed()) / times as f64
}
