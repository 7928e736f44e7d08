//! Many calls, of which one in a hundred ends its worker, beside healthy plugins in other workers and in this process:
//! every step has one outcome, and nothing is left behind.

use super::{bench_with, over, put_witness, step, wait_until_gone, with};
use jackfield::{History, StepStatus, Transport, Value, json};
use jackfield_tests::{Bench, Finished};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Calls of the plugin that crashes in one run; ten of them do.
const CALLS: usize = 1_000;
/// Calls of each healthy plugin in one run.
const HEALTHY: usize = 100;
/// How much more memory this process may have at the end than after the first runs.
const GROWTH_BYTES_MAX: u64 = 32 << 20;

fn document(crashes: usize) -> Value {
    let call = |nth: usize| match nth % (CALLS / crashes.max(1)) {
        0 if crashes > 0 => with(step(&format!("crash{nth}"), "fault.segfault"), "critical", false),
        _ => {
            let call =
                with(step(&format!("call{nth}"), "fault.oversize"), "parameters", json!({ "bytes": 20 }));
            with(call, "retry", json!({ "max_attempts": 50, "delay": "1ms", "backoff": "fixed" }))
        }
    };
    let mut steps: Vec<Value> = (0..CALLS).map(call).collect();
    for nth in 0..HEALTHY {
        steps.insert(nth * 11, step(&format!("witness{nth}"), "witness.where"));
        steps.insert(nth * 11 + 5, step(&format!("echo{nth}"), "echo.noop"));
    }
    json!({ "id": "w", "mode": "parallel", "steps": steps, "output": null })
}

/// What this process has open, its threads, and its resident memory.
fn own() -> (usize, usize, u64) {
    let count = |dir: &str| fs::read_dir(dir).expect("it is there").count();
    let pages = fs::read_to_string("/proc/self/statm").expect("it is there");
    let pages: u64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("it is a number");
    (count("/proc/self/fd"), count("/proc/self/task"), pages * 4096)
}

fn percentile_ms(mut durations: Vec<f64>, percent: usize) -> f64 {
    durations.sort_by(f64::total_cmp);
    durations.get(durations.len() * percent / 100).copied().unwrap_or_default()
}

/// Runs a document, and beside it runs of two healthy calls, one after the other, until it has ended; the milliseconds that the
/// calls to a worker of those took.
fn run_beside(bench: &Bench, document: &Value, paces: &mut Vec<f64>) -> Finished {
    let pace = json!({ "id": "pace", "steps": [step("worker", "witness.where"), step("here", "echo.noop")] });
    let has_ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| {
            let mut took = Vec::new();
            while !has_ended.load(Ordering::Relaxed) {
                let finished = bench.run(&pace, json!({})).completed();
                took.push(finished.report.steps["worker"].duration_ms.expect("it was called"));
            }
            took
        });
        let finished = bench.run(document, json!({}));
        has_ended.store(true, Ordering::Relaxed);
        paces.extend(beside.join().expect("healthy calls complete"));
        finished.completed()
    })
}

/// Runs so many calls over a transport; says what it found.
fn soak(transport: Transport, calls: usize) {
    let bench = bench_with(
        &["echo", "fault"],
        over(transport, |config| {
            config.isolation.workers.crash_budget = Some(u32::MAX);
            config.isolation.workers.idle = Some(Duration::from_millis(300));
            config.engine.finished_runs_max = Some(1);
            config.engine.history = Some(History::Full);
        }),
    );
    put_witness(&bench, &[]);
    let (crashing, calm) = (document(CALLS / 100), document(0));
    let (mut crashes, mut healthy, mut healthy_calm) = (0, Vec::new(), Vec::new());
    let mut before = None;
    let begun = Instant::now();
    let rounds = calls.div_ceil(CALLS).max(2);
    for round in 0..rounds {
        let finished = run_beside(&bench, &crashing, &mut healthy);
        for (path, report) in &finished.report.steps {
            let is_crash = path.starts_with("crash");
            let expected = if is_crash { StepStatus::Failed } else { StepStatus::Completed };
            assert_eq!(report.status, expected, "{path} {report:?}");
            crashes += usize::from(is_crash);
        }
        assert_eq!(finished.report.steps.len(), CALLS + 2 * HEALTHY, "each step has one outcome");
        drop(run_beside(&bench, &calm, &mut healthy_calm));
        if round == rounds / 10 {
            wait_until_gone(&bench);
            before = Some(own());
        }
    }
    let taken = begun.elapsed();
    wait_until_gone(&bench);
    let (descriptors, threads, bytes) = before.expect("there was a first round");
    super::wait_until("descriptors and threads are as many as before", || {
        let now = own();
        now.0 <= descriptors && now.1 <= threads
    });
    let grown = own().2.saturating_sub(bytes);
    #[expect(clippy::print_stdout, reason = "the figures of a soak are what it is run for")]
    {
        println!(
            "{transport:?}: {} calls, {crashes} crashes, and as many calls without, {:.1} s; descriptors {descriptors}, threads {threads}, memory {:.1} MiB, \
         grown by {:.1} MiB; {} healthy calls beside crashes p50 {:.2} ms, p99 {:.2} ms; {} without p50 {:.2} ms, p99 {:.2} ms",
            rounds * CALLS,
            taken.as_secs_f64(),
            bytes as f64 / f64::from(1 << 20),
            grown as f64 / f64::from(1 << 20),
            healthy.len(),
            percentile_ms(healthy.clone(), 50),
            percentile_ms(healthy, 99),
            healthy_calm.len(),
            percentile_ms(healthy_calm.clone(), 50),
            percentile_ms(healthy_calm, 99),
        );
    }
    assert!(grown < GROWTH_BYTES_MAX, "memory has grown by {grown} bytes");
}

#[test]
#[ignore = "takes minutes; counts what its process has open, so no other test may run in it"]
fn crashes_by_the_thousand_leave_nothing_behind() {
    let calls =
        std::env::var("JACKFIELD_SOAK_CALLS").map_or(100_000, |calls| calls.parse().expect("a number"));
    for transport in [Transport::Socket, Transport::SharedMemory] {
        soak(transport, calls);
    }
}

#[test]
fn a_short_soak_leaves_nothing_behind() {
    let name = "isolation::soak::crashes_by_the_thousand_leave_nothing_behind";
    let mut own = std::process::Command::new(std::env::current_exe().expect("it has a file"));
    own.args(["--exact", name, "--ignored", "--nocapture"]).env("JACKFIELD_SOAK_CALLS", "2000");
    let output = own.output().expect("it can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
