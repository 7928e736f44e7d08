//! Calls that are made at most once.

use super::durable::{after_crash, eventually};
use super::lab::{Lab, PATIENCE, run};
use super::memory_store::MemoryStore;
use crate::Config;
use jackfield_core::run::{EventKind, RunStatus};
use std::sync::Arc;

#[test]
fn the_start_of_each_attempt_is_recorded_before_it_is_made() {
    let ended = run(r#"{"id":"w","mode":"parallel","steps":[
        {"id":"a",@value,"parameters":{"value":1},"delivery":"at_most_once"},
        {"id":"b",@value_blocking,"parameters":{"value":2},"delivery":"at_most_once"},
        {"id":"c",@later,"parameters":{"ms":1,"value":3},"delivery":"at_most_once"},
        {"id":"d",@fail_blocking,"parameters":{"good":2,"value":4},"delivery":"at_most_once","retry":{"max_attempts":2,"delay":0}},
        {"id":"e",@value,"parameters":{"value":5}}],
        "output":"${[steps.a.output, steps.b.output, steps.c.output, steps.d.output, steps.e.output]}"}"#)
    .completed();
    assert_eq!(ended.output_json(), serde_json::json!([1, 2, 3, 4, 5]));
    let mut started = ended.steps_of(EventKind::StepStarted);
    started.sort_unstable();
    assert_eq!(started, ["a", "b", "c", "d", "d"]);
    assert!(ended.place(EventKind::StepStarted, "b") < ended.place(EventKind::StepCompleted, "b"));
}

#[test]
fn an_attempt_that_was_under_way_at_a_crash_is_not_made_again_and_its_step_fails_as_interrupted() {
    let store = Arc::new(MemoryStore::default());
    let first = Lab::durable(Config::default(), &store);
    let document = r#"{"id":"w","steps":[
        {"id":"pay",@gate,"parameters":{},"delivery":"at_most_once","retry":{"max_attempts":3,"delay":0},
            "catch":[{"errors":["interrupted"],"output":"${error.attempts}"}]}],"output":"${steps.pay.output}"}"#;
    let id = first.start(document, "null").id().clone();
    eventually("the call runs", || first.kit.order() == ["pay"]);
    store.set_room(Some(0));
    let (second, _store) = after_crash(store.content(), Arc::default());
    let run = second.engine.get(&id).unwrap();
    assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
    assert_eq!(run.output().unwrap().as_str(), "1");
    assert_eq!(second.kit.order(), Vec::<String>::new());
    store.set_room(None);
    first.kit.open_gate();
}

#[test]
fn one_that_had_not_begun_at_a_crash_is_made() {
    let store = Arc::new(MemoryStore::default());
    let config = Config { blocking_threads_max: 1, ..Config::default() };
    let first = Lab::durable(config, &store);
    let document = r#"{"id":"w","mode":"parallel","steps":[{"id":"first",@gate,"parameters":{}},
        {"id":"pay",@value_blocking,"parameters":{"value":7},"delivery":"at_most_once"}]}"#;
    let id = first.start(document, "null").id().clone();
    eventually("the pool is taken", || first.kit.order() == ["first"]);
    store.set_room(Some(0));
    let (second, _store) = after_crash(store.content(), Arc::default());
    second.kit.open_gate();
    let run = second.engine.get(&id).unwrap();
    assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
    assert_eq!(run.step_output("pay").unwrap().as_str(), "7");
    store.set_room(None);
    first.kit.open_gate();
}
