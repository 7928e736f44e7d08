//! `repeat`.

use super::lab::{in_time, run_steps};
use serde_json::json;
use std::time::Duration;

#[test]
fn until_ends_it_and_the_last_output_is_its_output() {
    let ended = run_steps(
        r#"{"id":"r","type":"repeat","until":"steps.a.output >= 3","steps":[
            {"id":"a",@value,"parameters":{"value":"${iteration}"}}]}"#,
    )
    .completed();
    assert_eq!(ended.output_of("r"), json!(3));
    assert_eq!(ended.kit.order(), ["r[1].a", "r[2].a", "r[3].a"]);
}

#[test]
fn while_goes_on_as_long_as_it_holds() {
    let ended = run_steps(
        r#"{"id":"r","type":"repeat","while":"iteration < 4","steps":[
            {"id":"a",@value,"parameters":{"value":"${iteration}"}}]}"#,
    )
    .completed();
    assert_eq!(ended.output_of("r"), json!(4));
}

#[test]
fn too_many_iterations_fail() {
    let ended = run_steps(
        r#"{"id":"r","type":"repeat","while":"true","max_iterations":5,"steps":[{"id":"a",@value}]}"#,
    )
    .failed();
    assert_eq!(ended.run_error(), "repeat.too_many_iterations");
    assert_eq!(ended.kit.order().len(), 5);
}

#[test]
fn the_delay_lies_between_iterations() {
    in_time(|| {
        let ended = run_steps(
        r#"{"id":"r","type":"repeat","while":"iteration < 3","delay":"40ms","steps":[{"id":"a",@value}]}"#,
    )
    .completed();
        assert!(ended.took >= Duration::from_millis(80), "{:?}", ended.took);
        assert!(ended.took < Duration::from_millis(300), "there is none after the last: {:?}", ended.took);
    });
}

#[test]
fn a_failure_in_the_body_or_in_the_condition_is_the_steps_failure() {
    let ended = run_steps(
        r#"{"id":"r","type":"repeat","while":"true","critical":false,"steps":[
                {"id":"a",@fail,"parameters":{"type":"x.y"}}]},
           {"id":"q","type":"repeat","until":"steps.b.output.nothing","critical":false,"steps":[{"id":"b",@value}]}"#,
    )
    .completed();
    assert_eq!((ended.error_type("r"), ended.error_type("q")), ("x.y", "expression"));
    assert!(ended.step("q").error.as_ref().unwrap().message.starts_with("`until`"));
}

#[test]
fn many_iterations_of_steps_that_take_no_call_end() {
    let ended = run_steps(
        r#"{"id":"r","type":"repeat","while":"iteration < 10000","steps":[
            {"id":"a","type":"log","message":"x"}]}"#,
    )
    .completed();
    assert_eq!(ended.completed_steps, 10_001);
}
