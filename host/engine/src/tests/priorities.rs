//! Which of the calls that are ready start first.

use super::lab::{Lab, run};
use crate::Config;
use std::time::Instant;

/// One thread of each kind.
fn narrow() -> Lab {
    Lab::with(Config { threads: 1, blocking_threads_max: 1, async_calls_max: 1, ..Config::default() })
}

#[test]
fn ready_calls_start_by_priority_and_among_equals_in_list_order() {
    for method in ["inline_sleep", "sleep"] {
        let step =
            |id: &str, more: &str| format!(r#"{{"id":"{id}",@{method},"parameters":{{"ms":1}}{more}}}"#);
        let group = |id: &str, priority: u32, inner: &str| {
            format!(
                r#"{{"id":"{id}","type":"group","mode":"parallel","priority":{priority},"steps":[{inner}]}}"#
            )
        };
        let steps = [
            step("a", ""),
            step("b", r#","priority":9"#),
            step("c", r#","priority":0"#),
            group("g", 8, &[step("x", ""), step("y", r#","priority":1"#)].join(",")),
            step("d", ""),
            step("e", r#","priority":9"#),
        ];
        let lab = narrow();
        let document =
            format!(r#"{{"id":"w","mode":"parallel","priority":4,"steps":[{}]}}"#, steps.join(","));
        let ended = lab.end(&lab.start(&document, "null"), Instant::now()).completed();
        assert_eq!(ended.kit.order(), ["b", "e", "x", "a", "d", "y", "c"]);
    }
}

#[test]
fn who_waits_for_a_limit_of_the_run_is_let_in_by_priority() {
    let step = |id: &str, more: &str| format!(r#"{{"id":"{id}",@later{more}}}"#);
    let steps = [
        step("a", ""),
        step("b", r#","priority":9"#),
        step("c", r#","dependencies":["b"],"priority":7"#),
        step("d", r#","priority":1"#),
        step("e", ""),
    ];
    let ended =
        run(&format!(r#"{{"id":"w","mode":"parallel","max_concurrency":1,"steps":[{}]}}"#, steps.join(",")));
    assert_eq!(ended.completed().kit.order(), ["b", "c", "a", "e", "d"]);
}

#[test]
fn a_low_priority_makes_progress_while_higher_ones_keep_coming() {
    let step = |n: u32| format!(r#"{{"id":"s{n}",@later,"priority":9}}"#);
    let steps: Vec<_> = (0..30).map(step).collect();
    let ended = run(&format!(
        r#"{{"id":"w","mode":"parallel","max_concurrency":1,"steps":[{{"id":"low",@later,"priority":0}},{}]}}"#,
        steps.join(",")
    ))
    .completed();
    let place = ended.kit.order().iter().position(|step| step == "low").unwrap();
    assert!(place < 9, "{place}");
}

#[test]
fn a_call_of_higher_priority_gets_a_place_in_a_pool_first_whatever_run_it_is_of() {
    let lab = Lab::with(Config { pools: [("gpu".into(), 1)].into(), ..Config::default() });
    let first = lab.start(r#"{"id":"w","steps":[{"id":"a",@gate,"pool":"gpu"}]}"#, "null");
    super::stopping::wait_until(|| lab.kit.running() == 1);
    let start = |step: &str| {
        let document = format!(r#"{{"id":"w","priority":5,"steps":[{{{step},@value,"pool":"gpu"}}]}}"#);
        let run = lab.start(&document, "null");
        super::stopping::wait_until(|| run.status() == jackfield_core::run::RunStatus::Waiting);
        run
    };
    let runs =
        [start(r#""id":"low","priority":1"#), start(r#""id":"usual""#), start(r#""id":"high","priority":8"#)];
    lab.kit.open_gate();
    for run in runs.iter().chain([&first]) {
        lab.end(run, Instant::now()).completed();
    }
    assert_eq!(lab.kit.order(), ["a", "high", "usual", "low"]);
}
