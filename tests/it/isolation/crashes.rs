//! What ends a worker, and what comes of it.

use super::{bench, bench_with, over, over_both, put_witness, step, steps, wait_until_gone, with, workers};
use jackfield::{Config, RunStatus, StepStatus, Transport, Value, json};
use jackfield_tests::Bench;
use std::time::{Duration, Instant};

over_both!(
    whatever_ends_the_process_fails_the_step_with_the_culprit_and_the_next_call_works,
    printed_lines_tell_of_the_end_even_without_an_end_of_line,
    what_a_method_does_wrong_without_a_crash_has_the_same_type_as_in_process,
    an_endless_loop_ends_at_its_deadline_and_its_worker_after_the_grace,
    a_timeout_is_retried_in_another_worker,
    a_retry_after_a_crash_works,
    others_go_on_while_a_worker_crashes,
    too_many_crashes_quarantine_the_plugin_until_it_is_let_out,
    a_plugin_that_refuses_its_configuration_says_so,
);

/// Far longer than anything that waits for something else here.
const START_TIMEOUT: Duration = Duration::from_secs(60);

#[track_caller]
fn run_bad(bench: &Bench, bad: Value) -> jackfield::Failure {
    let document = json!({
        "id": "w",
        "steps": [
            with(step("before", "echo.echo"), "parameters", json!({ "n": 1 })),
            bad,
            step("after", "echo.noop"),
        ],
        "finally": [step("tidy_up", "echo.noop")],
    });
    let finished = bench.run(&document, json!({}));
    assert_eq!(finished.status(), RunStatus::Failed, "{:#?}", finished.report);
    assert_eq!(finished.step_output("before"), json!({ "n": 1 }));
    assert_eq!(finished.step_status("bad"), StepStatus::Failed);
    assert_eq!(finished.step_status("tidy_up"), StepStatus::Completed);
    finished.error().clone()
}

#[track_caller]
fn works(bench: &Bench) {
    let next = with(step("a", "fault.oversize"), "parameters", json!({ "bytes": 5 }));
    assert_eq!(bench.run(steps(vec![next]), json!({})).completed().output(), "xxx");
}

fn whatever_ends_the_process_fails_the_step_with_the_culprit_and_the_next_call_works(transport: Transport) {
    let bench = bench_with(&["echo", "fault"], over(transport, |_| ()));
    let cases = [
        ("segfault", json!({}), ("signal", json!(11)), "SIGSEGV", "about to write to address 8"),
        ("abort", json!({}), ("signal", json!(6)), "SIGABRT", "about to abort"),
        ("exit", json!({ "code": 0 }), ("exit_code", json!(0)), "exited with code 0", "about to exit"),
        ("exit", json!({ "code": 3 }), ("exit_code", json!(3)), "exited with code 3", "about to exit"),
        ("stack_overflow", json!({}), ("signal", json!(6)), "SIGABRT", "has overflowed its stack"),
    ];
    for (method, parameters, (detail, value), said, line) in cases {
        let bad = with(step("bad", &format!("fault.{method}")), "parameters", parameters);
        let failure = run_bad(&bench, bad);
        assert_eq!(&*failure.kind, "plugin.crash", "{failure:?}");
        assert!(failure.message.contains(said) && failure.message.contains("`fault "), "{}", failure.message);
        let details = failure.details.value();
        assert_eq!((&details["plugin"], &details[detail]), (&json!("fault"), &value), "{details:#}");
        let lines = details["last_lines"].as_array().expect("lines are an array");
        assert!(
            lines.iter().any(|it| it.as_str().expect("a line is text").contains(line)),
            "{line} in {details:#}"
        );
        works(&bench);
    }
}

fn printed_lines_tell_of_the_end_even_without_an_end_of_line(transport: Transport) {
    let bench = bench_with(&[], over(transport, |_| ()));
    put_witness(&bench, &[]);
    let finished = bench.run(steps(vec![step("a", "witness.print_and_crash")]), json!({}));
    let details = finished.error().details.value();
    assert_eq!(details["signal_name"], "SIGKILL");
    let mut lines: Vec<_> =
        details["last_lines"].as_array().expect("lines are an array").iter().map(Value::to_string).collect();
    lines.sort();
    assert_eq!(lines, ["\"a line on standard output\"", "\"a line without an end on standard error\""]);
}

fn what_a_method_does_wrong_without_a_crash_has_the_same_type_as_in_process(transport: Transport) {
    let bench = bench_with(
        &["echo", "fault"],
        over(transport, |config| config.loader.result_bytes_max = Some(100_000)),
    );
    let cases = [
        ("panic", json!({ "message": "boom" }), "plugin.panic", "boom"),
        ("invalid_json", json!({}), "validation", "no JSON"),
        ("wrong_schema", json!({}), "validation", "schema"),
        (
            "oversize",
            json!({ "bytes": 100_001 }),
            "payload.too_large",
            "returned 100001 bytes, the limit is 100000",
        ),
        ("error", json!({ "type": "disk.full", "message": "no room" }), "disk.full", "no room"),
    ];
    for (method, parameters, kind, part) in cases {
        let failure =
            run_bad(&bench, with(step("bad", &format!("fault.{method}")), "parameters", parameters));
        assert_eq!((&*failure.kind, failure.message.contains(part)), (kind, true), "{failure:?}");
    }
    assert_eq!(workers(bench.dir()).len(), 1, "none of this ends a worker");
    let most = with(step("a", "fault.oversize"), "parameters", json!({ "bytes": 100_000 }));
    assert_eq!(
        bench.run(steps(vec![most]), json!({})).completed().output().as_str().map(str::len),
        Some(99_998)
    );
}

fn an_endless_loop_ends_at_its_deadline_and_its_worker_after_the_grace(transport: Transport) {
    let bench = bench_with(&["echo", "fault"], over(transport, |_| ()));
    works(&bench);
    let endless = with(step("bad", "fault.busy_loop"), "timeout", "50ms");
    let begun = Instant::now();
    let failure = run_bad(&bench, endless);
    let taken = begun.elapsed();
    assert_eq!(&*failure.kind, "timeout");
    assert!(taken < Duration::from_millis(3 * 150), "it took {taken:?}");
    // what it was in takes no more calls, and the others do not wait for it
    works(&bench);
    super::wait_until("the worker that loops is gone", || workers(bench.dir()).len() <= 1);
    works(&bench);
}

fn a_timeout_is_retried_in_another_worker(transport: Transport) {
    // a worker that was not ready before its call was given up is kept for the next one, for this long
    let briefly = |config: &mut Config| config.isolation.workers.idle = Some(Duration::from_millis(100));
    let bench = bench_with(&["fault"], over(transport, briefly));
    let step = with(with(step("a", "fault.hang"), "timeout", "30ms"), "max_retries", 2);
    let finished = bench.run(steps(vec![step]), json!({}));
    assert_eq!((&*finished.error().kind, finished.error().attempts), ("timeout", 3));
    super::wait_until("the workers that hang are gone", || workers(bench.dir()).is_empty());
}

fn a_retry_after_a_crash_works(transport: Transport) {
    let bench = bench_with(&[], over(transport, |_| ()));
    put_witness(&bench, &[]);
    let step = with(step("a", "witness.crash_first"), "max_retries", 1);
    let finished = bench.run(steps(vec![step]), json!({})).completed();
    assert_eq!(finished.output()["attempt"], 2);
    assert_eq!(finished.step("a").attempts, 2);
}

fn others_go_on_while_a_worker_crashes(transport: Transport) {
    let bench = bench_with(&["echo", "fault"], over(transport, |_| ()));
    put_witness(&bench, &[]);
    let crash = |id: &str| with(step(id, "fault.segfault"), "critical", false);
    let mut all = vec![with(step("slow", "echo.sleep"), "parameters", json!({ "ms": 300 }))];
    all.extend((0..3).map(|nth| crash(&format!("crash{nth}"))));
    all.extend((0..20).map(|nth| step(&format!("other{nth}"), "witness.where")));
    let finished = bench.run(json!({ "id": "w", "mode": "parallel", "steps": all }), json!({})).completed();
    assert_eq!(finished.step_status("slow"), StepStatus::Completed);
    for nth in 0..20 {
        assert_eq!(finished.step_status(&format!("other{nth}")), StepStatus::Completed);
    }
    for nth in 0..3 {
        assert_eq!(&*finished.step_error(&format!("crash{nth}")).kind, "plugin.crash");
    }
}

fn too_many_crashes_quarantine_the_plugin_until_it_is_let_out(transport: Transport) {
    let bench = bench_with(
        &["echo", "fault"],
        over(transport, |config| config.isolation.workers.crash_budget = Some(2)),
    );
    for _ in 0..3 {
        assert_eq!(&*run_bad(&bench, step("bad", "fault.segfault")).kind, "plugin.crash");
    }
    // a run that is planned already finds out at its call, or is not started
    let workflow = steps(vec![step("a", "fault.error")]);
    let faults = bench.faults(&workflow);
    let refused = match bench.host().parse(&workflow.to_string()) {
        Ok(workflow) => {
            bench.host().start(&workflow, json!({})).err().expect("it is quarantined").to_string()
        }
        Err(_) => faults.the("JF0040").message.clone(),
    };
    for part in ["quarantined", "3 of its workers crashed within 1m", "SIGSEGV"] {
        assert!(refused.contains(part), "`{part}` in {refused}");
    }
    bench.host().rescan();
    let hint = bench.faults(&workflow).the("JF0040").hint.clone();
    assert!(hint.contains("jackfield plugin release fault"), "{hint}");
    let list = bench.cli(&["plugin", "list"]).exits(0);
    assert!(
        list.stderr.contains("[plugin.quarantined]") && list.stderr.contains("SIGSEGV"),
        "{}",
        list.stderr
    );
    assert!(!list.stdout.contains("fault"), "{}", list.stdout);
    let info = bench.cli(&["plugin", "info", "fault"]).exits(2);
    assert!(info.stderr.contains("3 of its workers crashed"), "{}", info.stderr);
    wait_until_gone(&bench);

    assert_eq!(bench.host().release_plugin("fault").expect("it was in quarantine").len(), 1);
    works(&bench);
    let again = bench.cli(&["plugin", "release", "fault"]).exits(2);
    assert!(again.stderr.contains("is not quarantined"), "{}", again.stderr);
}

#[test]
fn a_library_that_ends_whoever_loads_it_is_quarantined_by_first_contact() {
    let bench = bench(&["echo"]);
    put_witness(&bench, &[("CRASH_AT_LOAD", "1")]);
    bench.write("jackfield.toml", "");
    let info = bench.cli(&["plugin", "info", "witness"]).exits(2);
    for part in ["plugin `witness 1.0.0` is quarantined", "SIGSEGV", "the constructor was run"] {
        assert!(info.stderr.contains(part), "`{part}` in {}", info.stderr);
    }
    let list = bench.cli(&["plugin", "list"]).exits(0);
    assert!(list.stderr.contains("[plugin.quarantined]"), "{}", list.stderr);
    let document = steps(vec![step("a", "witness.where")]);
    let file = bench.write("w.json", document.to_string());
    let run = bench.cli(&["run", file.to_str().unwrap()]).exits(1);
    assert!(
        run.stderr.contains("quarantined") && run.stderr.contains("plugin release witness"),
        "{}",
        run.stderr
    );
    // let out, it is asked again
    let released = bench.cli(&["plugin", "release", "witness"]).exits(0);
    assert!(released.stderr.contains("witness 1.0.0"), "{}", released.stderr);
    let info = bench.cli(&["plugin", "info", "witness"]).exits(2);
    assert!(info.stderr.contains("the constructor was run"), "{}", info.stderr);
    // another file is another matter
    put_witness(&bench, &[]);
    let _ = bench.cli(&["plugin", "info", "witness"]).exits(0);
    assert_eq!(bench.run(&document, json!({})).completed().output()["attempt"], 1);
}

fn a_plugin_that_refuses_its_configuration_says_so(transport: Transport) {
    let bench = bench_with(
        &[],
        over(transport, |config| {
            let plugin = config.plugins.entry("witness".into()).or_default();
            plugin.config.insert("refuse".into(), true.into());
            config.isolation.workers.start_timeout = Some(START_TIMEOUT);
        }),
    );
    let begun = Instant::now();
    put_witness(&bench, &[]);
    let finished = bench.run(steps(vec![step("a", "witness.where")]), json!({}));
    let failure = finished.error();
    assert_eq!(&*failure.kind, "plugin.unavailable");
    assert!(failure.message.contains("it does not like its configuration"), "{}", failure.message);
    // it goes at once, and does not count as one that crashed: there is a new one for each call
    wait_until_gone(&bench);
    for _ in 0..20 {
        let finished = bench.run(steps(vec![step("a", "witness.where")]), json!({}));
        assert!(finished.error().message.contains("it does not like its configuration"), "{finished:?}");
    }
    assert!(begun.elapsed() < START_TIMEOUT, "{:?}", begun.elapsed());
}
