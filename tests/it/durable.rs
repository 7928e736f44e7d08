//! What runs do whichever engine performs them. The numbers in `docs/durable-cases.md` say which case of the list of
//! behaviours a test stands for.

mod basics;
mod children;
mod command;
#[cfg(unix)]
mod control;
#[cfg(unix)]
mod crashes;
mod delays;
mod detached;
#[cfg(unix)]
mod examples;
mod generations;
mod lines;
mod messages;
#[cfg(unix)]
mod paged;
mod pools;
#[cfg(unix)]
mod saved;
mod schedules;
#[cfg(unix)]
mod served;

use jackfield::{Engine, HostBuilder, Run, StepStatus, Value};
use jackfield_tests::{Bench, Started};
use std::time::{Duration, Instant};

/// How long a test waits for something that ought to happen at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// The engines that all of this holds for. Each is made with a bench of its own.
const ENGINES: &[fn() -> Engine] = &[Engine::memory, Engine::durable];

/// Tries `test` on every engine.
fn on_each_engine(test: impl Fn(&Bench)) {
    on_each_engine_with(|builder| builder, test);
}

/// The same on hosts with something of the test's own.
fn on_each_engine_with(setup: fn(HostBuilder) -> HostBuilder, test: impl Fn(&Bench)) {
    for engine in ENGINES {
        test(&Bench::with(&["echo", "fault"], move |builder| setup(builder.engine(engine()))));
    }
}

/// Waits until something holds.
#[track_caller]
fn wait_until(mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < patience, "it never came true");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Where a step of a run stands.
fn step_of(run: &Run, path: &str) -> StepStatus {
    run.report(1_000).steps.get(path).map_or(StepStatus::Pending, |step| step.status)
}

/// Waits until a step waits.
#[track_caller]
fn wait_for_waiting(started: &Started, path: &str) {
    wait_until(|| step_of(&started.run, path) == StepStatus::Waiting);
}

/// The output of the run, which has to complete.
#[track_caller]
fn output(started: Started) -> Value {
    started.finish().completed().output().clone()
}
