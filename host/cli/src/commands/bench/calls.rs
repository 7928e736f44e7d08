//! Measures one method call through the loader, at several sizes, beside a Rust function that does the same work.

use super::PLUGIN;
use super::figures::{CallCost, Figures};
use super::job::Job;
use super::runs::nanos;
use super::spread::Spread;
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
    Ok(Figures { ns_per_step: costs.first().map(|cost| cost.loader_ns), calls: costs, ..Figures::default() })
}

fn measure_size(host: &Host, job: &Job, bytes: usize) -> Result<CallCost> {
    let frame = Payload::from(json!({ "text": "" })).len();
    let parameters = Payload::from(json!({ "text": "x".repeat(bytes - frame) }));
    let call = host.prepare_call(PLUGIN, "echo", parameters.clone())?;
    let times = job.graph.steps.min(BYTES_MAX / bytes);
    // through a trait object, as the loader's methods are called
    let direct: &dyn Fn(&[u8]) -> Vec<u8> = &<[u8]>::to_vec;
    let (mut loader_ns, mut direct_ns) = (Vec::new(), Vec::new());
    for nth in 0..=job.repeats {
        let (loader, direct) =
            (through_the_loader(&call, times)?, directly(direct, parameters.as_str(), times));
        // the first is the warm-up
        if nth > 0 {
            loader_ns.push(loader);
            direct_ns.push(direct);
        }
    }
    let spread = |figures| Spread::of(figures).context("nothing was measured");
    Ok(CallCost { bytes, loader_ns: spread(loader_ns)?, direct_ns: spread(direct_ns)? })
}

fn through_the_loader(call: &PreparedCall, times: usize) -> Result<f64> {
    let mut returned = 0;
    let mut last = Payload::null();
    let begun = Instant::now();
    for _ in 0..times {
        last = black_box(call).call()?;
        returned += last.len();
    }
    let elapsed = begun.elapsed();
    let given = call.parameters();
    ensure!(
        returned == times * given.len() && last.as_str() == given.as_str(),
        "`{PLUGIN}.echo` did not return its parameters each time"
    );
    Ok(nanos(elapsed) / times as f64)
}

fn directly(function: &dyn Fn(&[u8]) -> Vec<u8>, parameters: &str, times: usize) -> f64 {
    let begun = Instant::now();
    for _ in 0..times {
        drop(black_box(black_box(function)(black_box(parameters.as_bytes()))));
    }
    nanos(begun.elapsed()) / times as f64
}
