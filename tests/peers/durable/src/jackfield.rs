//! Jackfield, by the benchmark that the command has.

use crate::workload::{Sample, Workload};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::path::Path;
use std::process::{Command, Stdio};

/// What `bench --json` prints, which it does only after it has found every step of every run in its history, completed once
/// and behind the step that it waits for.
#[derive(Deserialize)]
struct Measured {
    engine: String,
    steps: u32,
    runs: u32,
    steps_per_s: f64,
    /// Left out by a benchmark of one run.
    latency_us: Option<Latency>,
}

#[derive(Deserialize)]
struct Latency {
    p50: f64,
}

/// One pass, behind one to warm up.
pub(crate) fn measure(command: &Path, workload: Workload) -> Result<Sample> {
    let size = workload.size();
    let numbers = [("--steps", size.steps), ("--runs", size.runs), ("--concurrency", size.at_once)];
    let shape = if size.is_chain { "chain" } else { "fan" };
    let mut bench = Command::new(command);
    bench.args(["bench", "--engine", "sqlite", "--repeats", "1", "--json", "--shape", shape]);
    for (name, number) in numbers {
        bench.args([name, &number.to_string()]);
    }
    let made = "`cargo build --release -p jackfield-cli -p jackfield-plugin-echo` makes it";
    let output = bench
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{}`; {made}", command.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`jackfield bench` ended with {}: {said}", output.status);
    let measured: Measured = serde_json::from_slice(&output.stdout).context("`jackfield bench --json`")?;
    let made = (&*measured.engine, measured.runs, measured.steps);
    ensure!(made == ("sqlite", size.runs, size.steps), "`jackfield bench` measured {made:?}");
    let whole_ms = f64::from(size.steps) * 1e3 / measured.steps_per_s;
    let run_ms = measured.latency_us.map_or(whole_ms, |latency| latency.p50 / 1e3);
    Ok(Sample { run_ms, steps_per_s: measured.steps_per_s })
}
