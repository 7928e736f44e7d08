//! What passes between a method in a worker and the run that it belongs to.

use super::{bench_with, isolated, over, over_both, put_witness, step, steps, with, workers};
use jackfield::{Config, RunListener, RunStatus, Transport, Value, json};
use jackfield_tests::Bench;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl RunListener for Heard {
    fn log(&self, run: &str, step: &str, level: jackfield::LogLevel, message: &str, fields: &str) {
        self.0
            .lock()
            .expect("nobody panics with it")
            .push(format!("{run} {step} {level:?} {message} {fields}"));
    }

    fn progress(&self, run: &str, step: &str, fraction: f64, message: &str) {
        self.0.lock().expect("nobody panics with it").push(format!("{run} {step} {fraction} {message}"));
    }

    fn output_line(&self, run: &str, step: &str, is_stderr: bool, line: &str) {
        self.0.lock().expect("nobody panics with it").push(format!("{run} {step} {is_stderr} {line}"));
    }
}

over_both!(
    log_progress_and_output_lines_arrive_before_the_result,
    a_cancelled_call_hears_of_it_and_its_worker_stays,
    values_of_any_size_pass_in_both_directions,
    calls_are_in_flight_at_the_same_time_and_serial_ones_are_not,
);

/// Steps ask for its workers; without that it runs in this process.
fn echo_over(transport: Transport) -> impl FnOnce(&mut Config) {
    over(transport, move |config| {
        let echo = config.plugins.entry("echo".to_owned()).or_default();
        (echo.isolation, echo.transport) = (None, Some(transport));
    })
}

fn log_progress_and_output_lines_arrive_before_the_result(transport: Transport) {
    let heard = Arc::new(Heard::default());
    let listener = Arc::clone(&heard);
    let bench =
        Bench::with(&[], move |builder| builder.config(isolated(over(transport, |_| ()))).listener(listener));
    put_witness(&bench, &[]);
    let options = jackfield::RunOptions::id("r");
    let run = bench.start_with(steps(vec![step("a", "witness.tell")]), json!({}), options);
    let output = run.finish().completed().output().clone();
    let expected = ["r a Warn a log line {\"n\":1}", "r a 0.5 half", "r a true a printed line"];
    assert_eq!(*heard.0.lock().expect("nobody panics with it"), expected);
    assert_eq!(output["is_group"], true, "a worker is in a group of its own");
    assert_eq!(output["input_bytes"], 0, "its standard input is empty");
    assert_eq!(output["has_deadline"], true, "it knows its deadline");
    assert_eq!(output["parent"], std::process::id());
}

fn a_cancelled_call_hears_of_it_and_its_worker_stays(transport: Transport) {
    let heard = Arc::new(Heard::default());
    let listener = Arc::clone(&heard);
    let bench = Bench::with(&[], move |builder| {
        // there is room for one call: the next one is made when the cancelled one has returned
        let patient = isolated(over(transport, |config| {
            config.engine.cancel_grace = Some(Duration::from_secs(600));
            config.isolation.workers.threads_max = Some(1);
            config.isolation.workers.max = Some(1);
        }));
        builder.config(patient).listener(listener)
    });
    put_witness(&bench, &[]);
    let run = bench.start(steps(vec![step("a", "witness.until_cancelled")]), json!({}));
    super::wait_until("the call is in its worker", || {
        !heard.0.lock().expect("nobody panics with it").is_empty()
    });
    let before = workers(bench.dir());
    run.run.cancel(jackfield::CancelMode::Graceful, "enough");
    assert_eq!(run.finish().status(), RunStatus::Cancelled);
    let next = bench.run(steps(vec![step("a", "witness.where")]), json!({})).completed();
    assert!(before.iter().any(|pid| next.output()["pid"] == *pid), "{before:?} {:?}", next.output());
}

fn values_of_any_size_pass_in_both_directions(transport: Transport) {
    let bench = bench_with(&[], echo_over(transport));
    bench.put_file(jackfield_tests::bundled_plugin("echo"), "echo");
    for size in [0, 1, 1_000, 65_536, 3_000_000] {
        let text = "ä".repeat(size / 2);
        let echo = |method: &str| {
            let step = with(step("a", method), "isolation", "worker");
            with(step, "parameters", json!({ "text": "${input.text}" }))
        };
        for method in ["echo.echo", "echo.echo_async"] {
            let finished = bench.run(steps(vec![echo(method)]), json!({ "text": text })).completed();
            assert!(finished.output()["text"] == text.as_str(), "{method} {size}");
        }
    }
    assert!(!workers(bench.dir()).is_empty());
}

fn calls_are_in_flight_at_the_same_time_and_serial_ones_are_not(transport: Transport) {
    let bench = bench_with(&["echo"], echo_over(transport));
    put_witness(&bench, &[]);
    let sleep = |nth: usize| {
        let sleep = with(step(&format!("s{nth}"), "echo.sleep"), "isolation", "worker");
        with(sleep, "parameters", json!({ "ms": 200 }))
    };
    let parallel = |steps: Vec<Value>| json!({ "id": "w", "mode": "parallel", "steps": steps });
    let begun = Instant::now();
    let _ = bench.run(parallel((0..40).map(sleep).collect()), json!({})).completed();
    let taken = begun.elapsed();
    assert!(taken < Duration::from_millis(40 * 200 / 3), "{taken:?}");
    let serial = |nth: usize| step(&format!("s{nth}"), "witness.one_by_one");
    let finished = bench.run(parallel((0..12).map(serial).collect()), json!({})).completed();
    for nth in 0..12 {
        assert_eq!(finished.step_output(&format!("s{nth}"))["most"], 1);
    }
}
