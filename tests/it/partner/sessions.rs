//! `session`: calls with the same key go to the same instance of their plugin, wherever that runs.

use super::{BOTH, Heard, bench, bench_that_tells, bench_with, step, steps};
use jackfield::{Config, EventKind, Isolation, Value, json};
use jackfield_tests::{Bench, Finished};
use std::collections::BTreeSet;
use std::sync::Arc;

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

#[test]
fn a_session_that_finds_no_room_is_an_error_that_names_the_limit() {
    for isolation in BOTH {
        let bench = bench_with(isolation, &["partner"], |config| config.loader.sessions.max = Some(2));
        let call = |id: &str, session: &str| {
            step(id, "partner.count", json!({}), json!({ "session": session, "critical": false }))
        };
        let all =
            vec![call("a", "one"), call("b", "two"), call("c", "three"), call("d", "one"), call("e", "")];
        let finished = bench.run(steps(all), json!({})).completed();
        let error = finished.step_error("c");
        assert_eq!(&*error.kind, "plugin.sessions_full", "{isolation:?}");
        assert!(error.message.contains("has 2 sessions already"), "{}", error.message);
        assert_eq!(
            (finished.step_output("d")["calls"].clone(), &finished.output()["calls"]),
            (json!(2), &json!(1))
        );
    }
}

#[test]
fn a_session_without_calls_ends_after_its_idle_time() {
    for isolation in BOTH {
        let bench = bench_with(isolation, &["partner"], |config| {
            config.loader.sessions.max = Some(1);
            config.loader.sessions.idle = Some(std::time::Duration::from_millis(20));
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
