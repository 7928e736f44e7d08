//! `session`: calls with the same key go to the same instance of their plugin, wherever that runs.

use super::{BOTH, Heard, bench, bench_that_tells, bench_with, step, steps};
use jackfield::{CancelMode, Config, EventKind, Isolation, RunStatus, Value, json};
use jackfield_tests::{Bench, Finished};
use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `n` calls at a time in `keys` sessions, each of which takes a while.
fn counting(n: usize, keys: usize, more: Value) -> Value {
    let body = step("c", "partner.count", json!({ "ms": 5 }), more);
    let items: Vec<String> = (0..n).map(|nth| format!("k{}", nth % keys)).collect();
    json!({ "id": "w", "steps": [{
        "id": "all", "type": "foreach", "items": items, "max_concurrency": 0, "steps": [body],
    }] })
}

fn counted(finished: &Finished) -> Vec<(u64, u64)> {
    let rows = finished.output().as_array().expect("a foreach has a list");
    let number = |row: &Value, field: &str| row[field].as_u64().expect("it is a number");
    rows.iter().map(|row| (number(row, "pid"), number(row, "calls"))).collect()
}

fn workers(config: &mut Config, max: usize) {
    config.isolation.workers.max = Some(max);
}

#[test]
fn calls_of_a_session_stay_in_one_worker_and_sessions_are_spread_over_workers() {
    let bench = bench_with(Isolation::Worker, &["partner"], |config| {
        config.isolation.workers.min = Some(3);
        workers(config, 3);
    });
    crate::isolation::wait_until("all three workers take calls", || {
        let finished = bench.run(counting(30, 1, json!({})), json!({})).completed();
        counted(&finished).into_iter().map(|(pid, _)| pid).collect::<BTreeSet<_>>().len() == 3
    });
    let finished = bench.run(counting(60, 6, json!({ "session": "${item}" })), json!({})).completed();
    let rows = counted(&finished);
    let mut pids = Vec::new();
    for key in 0..6 {
        let of_key: Vec<_> = rows.iter().skip(key).step_by(6).collect();
        let mut calls: Vec<u64> = of_key.iter().map(|(_, calls)| *calls).collect();
        calls.sort_unstable();
        assert_eq!(calls, (1..=10).collect::<Vec<_>>(), "one instance has counted them all");
        assert!(of_key.iter().all(|(pid, _)| *pid == of_key[0].0), "{rows:?}");
        pids.push(of_key[0].0);
    }
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 3, "two sessions for each worker: {rows:?}");
}

#[test]
fn a_session_outlives_the_run_in_both_isolations() {
    for isolation in BOTH {
        let bench = bench(isolation, &["partner"]);
        for nth in 1..=3_u64 {
            let document = steps(vec![step("c", "partner.count", json!({}), json!({ "session": "s" }))]);
            let finished = bench.run(&document, json!({})).completed();
            assert_eq!(finished.output()["calls"], nth, "{isolation:?}");
        }
    }
}

#[test]
fn a_worker_that_ends_loses_its_sessions_and_the_run_is_told() {
    let heard = Arc::new(Heard::default());
    let bench = bench_that_tells(Isolation::Worker, &["partner"], &heard);
    let of = |id: &str, session: &str, crash_at: Value| {
        let parameters = json!({ "crash_at": crash_at });
        step(id, "partner.count", parameters, json!({ "session": session, "critical": false }))
    };
    let (none, two) = (Value::Null, json!(2));
    let document = steps(vec![
        of("first", "lost", none.clone()),
        of("crash", "lost", two),
        of("again", "lost", none.clone()),
        of("later", "lost", none),
    ]);
    let finished = bench.run(&document, json!({})).completed();
    assert_eq!(&*finished.step_error("crash").kind, "plugin.crash");
    let line = "session `lost` was lost with the worker that it was in; this call begins it anew";
    heard.wait_for(&format!("{} again {line}", finished.report.run_id));
    let calls = |id: &str| finished.step_output(id)["calls"].clone();
    assert_eq!([calls("first"), calls("again"), calls("later")], [json!(1), json!(1), json!(2)]);
}

/// A bench with room for so many sessions.
fn roomy(isolation: Isolation, max: usize, idle: Duration) -> Bench {
    bench_with(isolation, &["partner"], move |config| {
        let plugin = config.plugins.entry("partner".into()).or_default();
        (plugin.sessions.max, plugin.sessions.idle) = (Some(max), Some(idle));
    })
}

#[test]
fn a_call_without_room_for_its_session_waits_until_another_is_over() {
    let idle = Duration::from_millis(40);
    for isolation in BOTH {
        for method in ["partner.whoami", "partner.trace_async"] {
            let bench = roomy(isolation, 1, idle);
            let call = |id: &str| step(id, method, json!({}), json!({ "session": id }));
            let document =
                json!({ "id": "w", "mode": "parallel", "steps": [call("a"), call("b"), call("c")] });
            let begin = Instant::now();
            let finished = bench.run(document, json!({})).completed();
            assert!(begin.elapsed() >= 2 * idle, "each had the room for itself");
            if method == "partner.whoami" {
                let of = |id: &str| finished.step_output(id)["session"].clone();
                assert_eq!(["a", "b", "c"].map(of), ["a", "b", "c"].map(|id| json!(id)), "{isolation:?}");
            }
        }
    }
}

#[test]
fn a_call_that_waits_for_room_can_be_given_up_and_others_go_on() {
    for isolation in BOTH {
        let bench = roomy(isolation, 1, Duration::from_secs(3_600));
        let call = |id: &str, session: &str, more: Value| {
            let mut step =
                step(id, "partner.count", json!({}), json!({ "session": session, "critical": false }));
            for (name, value) in more.as_object().expect("it is an object") {
                step[name] = value.clone();
            }
            step
        };
        let all = vec![
            call("a", "one", json!({})),
            call("b", "two", json!({ "timeout": 50 })),
            call("c", "one", json!({})),
            call("d", "", json!({})),
        ];
        let finished = bench.run(steps(all), json!({})).completed();
        assert_eq!(&*finished.step_error("b").kind, "timeout", "{isolation:?}");
        assert_eq!(
            (finished.step_output("c")["calls"].clone(), &finished.output()["calls"]),
            (json!(2), &json!(1))
        );
        let started = bench.start(steps(vec![call("b", "two", json!({ "timeout": 0 }))]), json!({}));
        crate::isolation::wait_until("it waits", || started.run.report(9).current_steps == ["b"]);
        started.run.cancel(CancelMode::Graceful, "not wanted");
        assert_eq!(started.finish().status(), RunStatus::Cancelled);
    }
}

#[test]
fn an_inline_call_in_the_host_does_not_wait_for_room_and_says_what_the_limit_is() {
    let bench = roomy(Isolation::InProcess, 1, Duration::from_secs(3_600));
    let call = |id: &str| step(id, "partner.session", json!({}), json!({ "session": id, "critical": false }));
    let finished = bench.run(steps(vec![call("a"), call("b")]), json!({})).completed();
    let error = finished.step_error("b");
    assert_eq!(&*error.kind, "plugin.sessions_full");
    assert!(error.message.contains("has 1 sessions already"), "{}", error.message);
}

#[test]
fn a_host_that_begins_again_has_its_sessions_at_once() {
    let bench = Bench::new(&["partner"]);
    bench.write(
        "jackfield.toml",
        "[plugins.partner]\nisolation = \"worker\"\nsessions = { max = 1, idle = \"1h\" }\n",
    );
    let call = |id: &str| step(id, "partner.count", json!({}), json!({ "session": "s" }));
    let ask = json!({ "id": "ask", "type": "wait_for_event", "event": "go" });
    bench.write("w.json", steps(vec![call("a"), call("b"), ask, call("c")]).to_string());
    let mut first = bench.command(&["run", "w.json", "--durable", "--run-id", "r"]);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the command starts");
    crate::isolation::wait_until("it waits", || {
        let shown = bench.cli(&["runs", "show", "r", "--json"]);
        shown.code == 0 && shown.json()["steps"]["ask"]["status"] == "waiting"
    });
    first.kill().expect("it is there");
    first.wait().expect("it was killed");
    // another session would have to wait for an hour if that of the former host counted
    bench.cli(&["runs", "signal", "r", "go"]).exits(0).stdout.clear();
    let ended = bench.cli(&["runs", "wait", "r", "--json", "--timeout", "60"]).exits(0).json();
    let calls = |id: &str| ended["steps"][id]["output"]["calls"].clone();
    assert_eq!(["a", "b", "c"].map(calls), [json!(1), json!(2), json!(1)], "{ended}");
    let other =
        json!({ "id": "v", "steps": [step("a", "partner.count", json!({}), json!({ "session": "other" }))] });
    bench.write("v.json", other.to_string());
    let run = bench.cli(&["run", "v.json", "--durable", "--run-id", "q"]).exits(0).json();
    assert_eq!(run["calls"], 1);
}

#[test]
fn a_session_without_calls_ends_after_its_idle_time() {
    for isolation in BOTH {
        let bench = bench_with(isolation, &["partner"], |config| {
            config.loader.sessions.max = Some(1);
            config.loader.sessions.idle = Some(Duration::from_millis(20));
        });
        let call = |session: &str| {
            step(
                "c",
                "partner.session",
                json!({}),
                json!({
                    "session": session, "retry": { "max_attempts": 1000, "delay": "5ms", "backoff": "fixed", "errors": ["plugin.sessions_full"] },
                }),
            )
        };
        for session in ["one", "two", "three"] {
            let finished = bench.run(steps(vec![call(session)]), json!({})).completed();
            assert_eq!(finished.output(), session, "{isolation:?}");
        }
    }
}

#[test]
fn a_session_that_is_no_text_fails_the_step() {
    let bench = Bench::new(&["partner"]);
    let call = step("c", "partner.session", json!({}), json!({ "session": "${input}" }));
    let finished = bench.run(steps(vec![call]), json!({ "a": 1 }));
    assert_eq!(&*finished.error().kind, "expression");
    assert_eq!(&*finished.error().message, "`session`: a session is a text, not an object");
    assert!(finished.events.iter().all(|event| event.event != EventKind::StepCompleted));
}
