//! How runs end: limits, clean-up, cancelling, and many at once.

use jackfield::{
    AppMethod, Call, CancelMode, Config, EventKind, MethodError, RunStatus, StepStatus, Value, json,
};
use jackfield_tests::{Bench, in_time};
use std::future::poll_fn;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

fn bench() -> Bench {
    Bench::new(&["echo", "fault"])
}

/// A bench that waits very long for calls that were told to stop.
fn patient_bench() -> (Bench, Receiver<&'static str>) {
    let (tell, told) = mpsc::channel();
    let until_told = AppMethod::blocking("until_told", move |call: &Call, _: Value| {
        let begin = Instant::now();
        while !call.is_cancelled() && begin.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(1));
        }
        // whether anybody still wants to know does not matter
        let _ = tell.send(if call.is_cancelled() { "told" } else { "never told" });
        Err::<(), _>(MethodError::new("stopped", "stopped"))
    });
    let bench = Bench::with(&["echo", "fault"], |builder| {
        let mut config = Config::default();
        config.engine.shutdown_grace = Some(Duration::ZERO);
        config.engine.cancel_grace = Some(Duration::from_secs(60));
        builder.config(config).app_method("app", "1.0.0", until_told)
    });
    (bench, told)
}

/// Calls that end only when so many are under way.
struct Meeting {
    missing: Mutex<(usize, Vec<Waker>)>,
}

impl Meeting {
    fn enter(&self) {
        let mut missing = self.missing.lock().expect("nobody panics");
        missing.0 -= 1;
        if missing.0 == 0 {
            missing.1.drain(..).for_each(Waker::wake);
        }
    }

    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        let mut missing = self.missing.lock().expect("nobody panics");
        if missing.0 == 0 {
            return Poll::Ready(());
        }
        missing.1.push(context.waker().clone());
        Poll::Pending
    }
}

fn sleep(id: &str, ms: u32) -> Value {
    json!({ "id": id, "plugin": "echo", "method": "sleep", "parameters": { "ms": ms } })
}

/// A step with an undo that echoes the step's id.
fn armed(id: &str) -> Value {
    let undo = json!({ "plugin": "echo", "method": "echo", "parameters": { "undo": id } });
    json!({ "id": id, "plugin": "echo", "method": "noop", "compensate": undo })
}

#[test]
fn a_run_that_takes_too_long_ends_as_failed_with_type_timeout() {
    in_time(|| {
        // these steps do not look whether they are to stop, and nothing waits for them
        let (bench, _) = patient_bench();
        let hang = |id| json!({ "id": id, "plugin": "fault", "method": "hang", "parameters": { "ms": 500 } });
        let steps = ["a", "b", "c", "d"].map(hang);
        let started = bench.start(json!({ "id": "w", "timeout": "50ms", "steps": steps }), json!({}));
        let finished = started.finish();
        assert_eq!((finished.status(), &*finished.error().kind), (RunStatus::Failed, "timeout"));
        assert!(finished.report.duration_ms < 100.0, "{}", finished.report.duration_ms);
    });
}

#[test]
fn completed_steps_are_undone_newest_first_and_one_that_cannot_be_stops_no_other() {
    let bench = bench();
    let stubborn = json!({ "id": "b", "plugin": "echo", "method": "noop",
        "compensate": { "plugin": "fault", "method": "error", "parameters": { "type": "undo.no" } } });
    let bad = json!({ "id": "bad", "plugin": "fault", "method": "error" });
    let document = json!({ "id": "w", "steps": [armed("a"), stubborn, armed("c"), bad] });
    let finished = bench.run(document, json!({}));
    assert_eq!(finished.status(), RunStatus::Failed);
    assert_eq!(finished.order_of(EventKind::StepCompensated), ["c", "a"]);
    assert_eq!(finished.order_of(EventKind::CompensationFailed), ["b"]);
    assert_eq!(finished.step_status("a"), StepStatus::Compensated);
    assert_eq!(&*finished.step_error("b").kind, "undo.no");
    let undone = finished.events.iter().find(|event| event.event == EventKind::StepCompensated);
    assert_eq!(
        undone.and_then(|event| event.value.as_ref()).expect("a result").value(),
        &json!({ "undo": "c" })
    );
}

#[test]
fn a_graceful_cancel_answers_at_once_undoes_and_never_ends_as_completed() {
    in_time(|| {
        let (begin, begun) = mpsc::channel();
        let deaf = AppMethod::blocking("deaf", move |_: &Call, _: Value| {
            begin.send(()).expect("the test waits for it");
            std::thread::sleep(Duration::from_secs(2));
            Ok::<_, MethodError>(())
        });
        let bench = Bench::with(&["echo"], |builder| {
            let mut config = Config::default();
            config.engine.cancel_grace = Some(Duration::from_millis(200));
            builder.config(config).app_method("app", "1.0.0", deaf)
        });
        let deaf = json!({ "id": "b", "plugin": "app", "method": "deaf" });
        let tell = json!({ "id": "tell", "plugin": "echo", "method": "echo",
        "parameters": { "b": "${steps.b.status}", "c": "${steps.c.status}" } });
        let steps = json!([armed("a"), deaf, sleep("c", 1)]);
        let document =
            json!({ "id": "w", "steps": steps, "finally": [tell], "on_failure": [armed("alert")] });
        let started = bench.start(document, json!({}));
        begun.recv_timeout(Duration::from_secs(10)).expect("the step begins");
        let begin = Instant::now();
        started.run.cancel(CancelMode::Graceful, "enough");
        started.run.cancel(CancelMode::Graceful, "again");
        assert!(begin.elapsed() < Duration::from_millis(50));
        let finished = started.finish();
        assert_eq!(finished.status(), RunStatus::Cancelled);
        assert_eq!(finished.step_status("c"), StepStatus::Cancelled);
        assert_eq!(finished.order_of(EventKind::StepCompensated), ["a"]);
        assert_eq!(finished.order_of(EventKind::CancelRequested).len(), 1);
        assert_eq!(finished.step_output("tell"), json!({ "b": "cancelled", "c": "cancelled" }));
        assert!(!finished.report.steps.contains_key("alert"), "a cancel is no failure");
        assert_eq!((&*finished.error().kind, &*finished.error().message), ("cancelled", "enough"));
        let unknown = bench.host().cancel("nobody", CancelMode::Graceful, "enough").unwrap_err();
        assert!(unknown.to_string().contains("`nobody`"), "{unknown}");
    });
}

#[test]
fn a_run_that_only_waits_says_so_and_a_kill_cleans_nothing_up() {
    let bench = bench();
    let wait = json!({ "id": "b", "type": "wait", "duration": "1h" });
    let document = json!({ "id": "w", "steps": [armed("a"), wait], "finally": [sleep("tidy_up", 1)] });
    let started = bench.start(document, json!({}));
    started.wait_for(|event| event.event == EventKind::StepStarted);
    assert_eq!(started.status(), RunStatus::Waiting);
    assert_eq!(started.run.report(10).current_steps, ["b"]);
    started.run.cancel(CancelMode::Kill, "now");
    let finished = started.finish();
    assert_eq!(finished.status(), RunStatus::Cancelled);
    assert_eq!(finished.step_status("a"), StepStatus::Completed);
    assert_eq!(finished.step_status("b"), StepStatus::Cancelled);
    assert!(!finished.report.steps.contains_key("tidy_up"));
}

#[test]
fn a_running_step_is_told_when_its_run_fails_or_is_cancelled() {
    let (bench, told) = patient_bench();
    let waits = json!({ "id": "waits", "plugin": "app", "method": "until_told" });
    let bad = json!({ "id": "bad", "plugin": "fault", "method": "error", "dependencies": ["first"] });
    let steps = json!([waits, sleep("first", 20), bad]);
    let failed = bench.run(json!({ "id": "w", "mode": "parallel", "steps": steps }), json!({}));
    assert_eq!((failed.status(), failed.step_status("waits")), (RunStatus::Failed, StepStatus::Cancelled));
    assert_eq!(told.recv_timeout(Duration::from_secs(5)), Ok("told"));
    let steps = json!([sleep("first", 20), waits]);
    let started = bench.start(json!({ "id": "w", "mode": "parallel", "steps": steps }), json!({}));
    started.wait_for(|event| event.event == EventKind::StepCompleted);
    started.run.cancel(CancelMode::Graceful, "enough");
    assert_eq!(started.finish().step_status("waits"), StepStatus::Cancelled);
    assert_eq!(told.recv_timeout(Duration::from_secs(5)), Ok("told"));
}

#[test]
fn nothing_is_retried_after_a_cancel_even_while_clean_up_takes_its_time() {
    let bench = bench();
    let retry = json!({ "max_attempts": 9, "backoff": "fixed", "delay": "100ms" });
    let flaky = json!({ "id": "a", "plugin": "echo", "method": "fail_times", "parameters": { "n": 9 },
        "retry": retry });
    let document = json!({ "id": "w", "steps": [flaky], "finally": [sleep("tidy_up", 400)] });
    let started = bench.start(document, json!({}));
    started.wait_for(|event| event.event == EventKind::AttemptFailed);
    started.run.cancel(CancelMode::Graceful, "enough");
    let report = started.run.report(10);
    assert_eq!((report.status, report.progress, report.total_steps), (RunStatus::Running, 0.5, 2));
    assert_eq!(report.current_steps, ["tidy_up"]);
    let finished = started.finish();
    assert_eq!(finished.step_status("a"), StepStatus::Cancelled);
    assert_eq!(finished.order_of(EventKind::AttemptFailed), ["a"]);
    assert_eq!(finished.step("a").attempts, 1);
}

#[test]
fn a_run_shows_where_it_stands_and_stays_readable() {
    let bench = bench();
    let steps = json!([
        { "id": "a", "plugin": "echo", "method": "echo", "parameters": { "x": 1 } },
        { "id": "never", "plugin": "echo", "method": "noop", "when": "input.go == 2" },
        sleep("b", 300),
        { "id": "c", "plugin": "echo", "method": "noop" }
    ]);
    let started = bench.start(json!({ "id": "w", "steps": steps }), json!({ "go": 1 }));
    started.wait_for(|event| event.event == EventKind::StepSkipped);
    let report = started.run.report(10);
    assert_eq!((report.status, report.progress), (RunStatus::Running, 0.5));
    assert_eq!(report.current_steps, ["b"]);
    assert_eq!((report.completed_steps, report.total_steps), (1, 4));
    let id = started.run.id().to_owned();
    let finished = started.finish().completed();
    assert_eq!((finished.report.progress, finished.report.completed_steps), (1.0, 3));
    assert_eq!(finished.step_output("a"), json!({ "x": 1 }));
    let again = bench.host().get(&id).expect("a run that has ended is still known");
    assert_eq!(again.step_output("a").expect("it is kept").value(), &json!({ "x": 1 }));
}

#[test]
fn a_thousand_runs_started_at_once_all_end_with_their_own_output() {
    let meeting = Arc::new(Meeting { missing: Mutex::new((1_000, Vec::new())) });
    let meet = AppMethod::asynchronous("meet", move |_: Arc<Call>, parameters: Value| {
        let meeting = meeting.clone();
        meeting.enter();
        async move {
            poll_fn(|context| meeting.poll(context)).await;
            Ok::<_, MethodError>(parameters)
        }
    });
    let bench = Bench::with(&[], |builder| builder.app_method("app", "1.0.0", meet));
    let document = json!({ "id": "w", "steps": [
        { "id": "a", "plugin": "app", "method": "meet", "parameters": { "n": "${input.n}" } }] });
    let workflow = bench.check(&document);
    let runs: Vec<_> = (0..1000)
        .map(|n| bench.host().start(&workflow, json!({ "n": n })).expect("the engine takes runs"))
        .collect();
    for (n, run) in runs.iter().enumerate() {
        assert!(run.wait(Some(Duration::from_secs(60))).is_some());
        assert_eq!(run.report(1).status, RunStatus::Completed);
        assert_eq!(run.report(1).output.value(), &json!({ "n": n }));
    }
}
