//! Many small runs of many shapes, started, cancelled and awaited by several threads at once: all of them end, each
//! attempt is made once, and nothing is at work afterwards.

use super::lab::{Lab, plan};
use super::random::Dice;
use crate::{Config, Engine, RunHandle, StartRequest};
use jackfield_core::payload::Payload;
use jackfield_core::plan::SharedPlan;
use jackfield_core::run::{CancelMode, RunStatus, StepStatus};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A run that has not ended after so long never will.
const STUCK_AFTER: Duration = Duration::from_secs(30);
/// Threads that start runs.
const STARTERS: u64 = 3;
/// Runs that a starter has open at a time.
const OPEN_MAX: usize = 8;
/// Shapes to choose from; planned once, because planning is not what is stressed.
const SHAPES: u64 = 48;

/// Inline, blocking, and answering by completion from another thread or on the spot.
const METHODS: [&str; 8] =
    ["value", "value", "value", "inline_sleep", "value_blocking", "sleep", "later", "at_once"];

/// One call; those that can take time take 0 to 3 ms.
fn call(dice: &mut Dice, id: &str) -> Value {
    let method = METHODS[dice.below(METHODS.len() as u64) as usize];
    let ms = if dice.chance(30) { dice.below(4) } else { 0 };
    json!({ "id": id, "plugin": "t", "method": method, "parameters": { "ms": ms, "value": id } })
}

/// A graph of steps with up to three dependencies each, some of them groups, foreachs and races.
fn document(seed: u64) -> String {
    let mut dice = Dice(seed);
    let count = 1 + dice.below(16);
    let mut steps = Vec::new();
    for nth in 0..count {
        let id = format!("s{nth}");
        let mut step = match dice.below(10) {
            0 => {
                let items = vec![nth; if dice.chance(50) { 5 } else { 100 }];
                let steps = [call(&mut dice, &format!("{id}a"))];
                json!({ "id": id, "type": "foreach", "items": items, "steps": steps })
            }
            1 => json!({ "id": id, "type": "race",
                "steps": [call(&mut dice, &format!("{id}a")), call(&mut dice, &format!("{id}b"))] }),
            2 => json!({ "id": id, "type": "group", "mode": "parallel",
                "steps": [call(&mut dice, &format!("{id}a")), call(&mut dice, &format!("{id}b"))] }),
            _ => call(&mut dice, &id),
        };
        let mut on: Vec<_> = (0..dice.below(4).min(nth)).map(|_| format!("s{}", dice.below(nth))).collect();
        on.sort_unstable();
        on.dedup();
        if !on.is_empty() {
            step["dependencies"] = json!(on);
        }
        steps.push(step);
    }
    let mut document = json!({ "id": "w", "mode": "parallel", "steps": steps });
    if dice.chance(60) {
        document["finally"] = json!([call(&mut dice, "f")]);
    }
    document.to_string()
}

/// What is to be told if a run does not end.
fn standstill(engine: &Engine, run: &RunHandle) -> String {
    let shared = run.run.shared.lock();
    let inside = format!(
        "inline {} ready, queued {}; blocking {} ready, queued {}; {} workers, {} under way, {} dropped",
        shared.inline.calls.len(),
        shared.inline.is_queued,
        shared.blocking.calls.len(),
        shared.blocking.is_queued,
        shared.crew.workers,
        shared.running.len(),
        shared.dropped.len(),
    );
    drop(shared);
    let open: Vec<_> =
        engine.list(&Default::default()).into_iter().filter(|run| !run.status.is_terminal()).collect();
    format!("{inside}\nopen runs: {open:#?}\n{:#?}\n{:#?}", run.report(100), run.events(0))
}

/// Starts runs until `until`; cancels some of them at random times, waits for all of them.
fn start_runs(lab: &Lab, shapes: &[SharedPlan], seed: u64, until: Instant, ended: &AtomicU64) {
    let mut dice = Dice(seed);
    let mut open: Vec<(RunHandle, u64, bool)> = Vec::new();
    while Instant::now() < until || !open.is_empty() {
        if open.len() < OPEN_MAX && Instant::now() < until {
            let shape = dice.below(SHAPES);
            let request = StartRequest::new(shapes[shape as usize].clone(), Payload::null());
            open.push((lab.engine.start(request).unwrap(), shape, false));
            if dice.chance(70) {
                continue;
            }
        }
        if open.is_empty() {
            break;
        }
        let chosen = dice.below(open.len() as u64) as usize;
        if dice.chance(30) {
            let mode = if dice.chance(50) { CancelMode::Graceful } else { CancelMode::Kill };
            open[chosen].0.cancel(mode, "enough");
            open[chosen].2 = true;
        } else {
            let (run, shape, is_cancelled) = open.swap_remove(chosen);
            let status = run.wait(Some(STUCK_AFTER));
            let Some(status) = status else {
                panic!("seed {seed}, shape {shape}: {}", standstill(&lab.engine, &run));
            };
            check(&run, status, is_cancelled, shape);
            ended.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn check(run: &RunHandle, status: RunStatus, is_cancelled: bool, shape: u64) {
    let report = run.report(usize::MAX);
    let expected = [RunStatus::Completed, RunStatus::Cancelled];
    assert!(expected[..=usize::from(is_cancelled)].contains(&status), "shape {shape}: {report:#?}");
    if status == RunStatus::Completed {
        let is_fine = |status| matches!(status, StepStatus::Completed | StepStatus::Cancelled);
        assert!(report.steps.values().all(|step| is_fine(step.status)), "shape {shape}: {report:#?}");
    }
    assert!(report.current_steps.is_empty(), "shape {shape}: {report:#?}");
}

/// No attempt is made twice, and none is begun once the clean-up of its run has begun.
fn check_attempts(all: &[(String, String, u32)]) {
    let (mut made, mut cleaned_up) = (HashSet::new(), HashSet::new());
    for attempt in all {
        let (run, step, _) = attempt;
        assert!(made.insert(attempt), "{attempt:?} was made twice");
        if step == "f" {
            cleaned_up.insert(run);
        } else {
            assert!(!cleaned_up.contains(run), "{attempt:?} was begun after the clean-up of its run");
        }
    }
}

/// Stresses an engine of so many threads for a while, and returns how many runs there were.
fn stress(threads: usize, seed: u64, time: Duration) -> u64 {
    // nothing is given up: each body stops when told to
    let config = Config {
        threads,
        blocking_threads_max: 3,
        async_calls_max: 4,
        cancel_grace: STUCK_AFTER,
        ..Config::default()
    };
    let lab = Lab::with(config);
    let shapes: Vec<_> = (0..SHAPES).map(|nth| plan(&document(seed ^ nth))).collect();
    let (ended, until) = (AtomicU64::new(0), Instant::now() + time);
    std::thread::scope(|scope| {
        for nth in 0..STARTERS {
            let (lab, shapes, ended) = (&lab, &shapes, &ended);
            scope.spawn(move || start_runs(lab, shapes, seed + 1_000 * nth, until, ended));
        }
    });
    assert!(lab.engine.wait_all(STUCK_AFTER));
    // a body that was told to stop may still be on its way out
    let patience = Instant::now() + STUCK_AFTER;
    while lab.kit.running() > 0 {
        assert!(Instant::now() < patience, "{} bodies still run", lab.kit.running());
        std::thread::sleep(Duration::from_millis(1));
    }
    check_attempts(&lab.kit.all_attempts());
    ended.into_inner()
}

fn stress_all(seed: u64, time: Duration) {
    for threads in [1, 2, 4] {
        let ended = stress(threads, seed, time);
        assert!(ended > 20, "only {ended} runs in {time:?} on {threads} threads");
    }
}

#[test]
fn many_runs_started_and_cancelled_at_once_all_end() {
    stress_all(1, Duration::from_millis(700));
}

#[test]
#[ignore = "takes a minute; `.ci/run` has it"]
fn many_runs_started_and_cancelled_at_once_all_end_for_a_minute() {
    for seed in 10..20 {
        stress_all(seed, Duration::from_secs(2));
    }
}
