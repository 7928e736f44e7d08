//! `heartbeat_timeout`: a method that is silent for too long is given up like one that takes too long.

use super::{BOTH, bench, bench_with, step, steps};
use jackfield::{Isolation, json};
use std::time::{Duration, Instant};

#[test]
fn signs_of_life_keep_a_call_that_takes_longer_than_its_heartbeat_timeout() {
    for isolation in BOTH {
        let bench = bench(isolation, &["partner"]);
        let ways = ["live", "live_inline", "live_async"]
            .map(|method| ["heartbeat", "progress"].map(|by| (method, by)));
        let live = |(method, by)| {
            let parameters = json!({ "beat_ms": 4_500, "by": by });
            let limit = json!({ "heartbeat_timeout": "3s" });
            step(&format!("{method}_{by}"), &format!("partner.{method}"), parameters, limit)
        };
        let all: Vec<_> = ways.into_iter().flatten().map(live).collect();
        let document = json!({ "id": "w", "mode": "parallel", "steps": all });
        let finished = bench.run(&document, json!({})).completed();
        let outputs = finished.output().as_object().expect("it is the output of each step").values();
        assert_eq!(outputs.filter(|output| *output == "lived").count(), 6, "{isolation:?}");
    }
}

#[test]
fn silence_is_a_timeout_that_names_heartbeat_and_is_retried() {
    for isolation in BOTH {
        let bench = bench(isolation, &["partner"]);
        for method in ["live", "live_inline", "live_async"] {
            // what it logs is no sign of life
            let parameters = json!({ "beat_ms": 20_000, "by": "log" });
            let retried =
                json!({ "heartbeat_timeout": "60ms", "retry": { "max_attempts": 2, "delay": "1ms" } });
            let silent = step("a", &format!("partner.{method}"), parameters, retried);
            let begun = Instant::now();
            let finished = bench.run(steps(vec![silent]), json!({}));
            let error = finished.error();
            assert_eq!((&*error.kind, error.attempts), ("timeout", 2), "{isolation:?} {method} {error:?}");
            assert_eq!(&*error.message, "no heartbeat for 60ms (`heartbeat_timeout`)");
            assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        }
    }
}

#[test]
fn a_silent_call_is_told_to_stop() {
    for isolation in BOTH {
        let bench = bench(isolation, &["partner"]);
        let silent = |id: &str| {
            let limits = json!({ "heartbeat_timeout": "60ms", "critical": false });
            step(id, "partner.live", json!({ "beat_ms": 0, "silent_ms": 600_000 }), limits)
        };
        // more of them than there are instances: each can only be served if the one before has come back
        let all = (0..12).map(|nth| silent(&format!("s{nth}"))).collect();
        let finished = bench.run(steps(all), json!({})).completed();
        for nth in 0..12 {
            assert_eq!(&*finished.step_error(&format!("s{nth}")).kind, "timeout", "{isolation:?}");
        }
    }
}

#[test]
fn a_silent_call_that_does_not_stop_costs_its_worker() {
    let bench = bench_with(Isolation::Worker, &["fault"], |config| {
        config.engine.cancel_grace = Some(Duration::from_millis(200));
    });
    let silent = step("a", "fault.hang", json!({}), json!({ "heartbeat_timeout": "60ms" }));
    let finished = bench.run(steps(vec![silent]), json!({}));
    assert_eq!(&*finished.error().kind, "timeout");
    crate::isolation::wait_until("the worker that hangs is gone", || {
        crate::isolation::workers(bench.dir()).is_empty()
    });
}
