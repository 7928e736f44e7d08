//! `switch`.

use super::lab::{Ended, Lab};
use serde_json::json;

fn switch(fields: &str, input: &str) -> Ended {
    Lab::new().run_with(
        &format!(
            r#"{{"id":"w","steps":[{{"id":"s","type":"switch",{fields}"cases":[
                {{"name":"big","when":"input > 100","steps":[{{"id":"b",@value,"parameters":{{"value":"B"}}}}]}},
                {{"name":"odd","when":"input % 2 == 1","steps":[{{"id":"o",@value,"parameters":{{"value":"O"}}}}]}}]}},
               {{"id":"after",@value,"parameters":{{"value":["${{steps.s.case}}","${{steps.s.output}}"]}}}}]}}"#
        ),
        input,
    )
}

const DEFAULT: &str = r#""default":{"steps":[{"id":"d",@value,"parameters":{"value":"D"}}]},"#;

#[test]
fn the_first_case_that_holds_is_taken() {
    assert_eq!(switch("", "101").completed().output_of("after"), json!(["big", "B"]));
    assert_eq!(switch("", "7").completed().output_of("after"), json!(["odd", "O"]));
}

#[test]
fn the_default_is_taken_if_none_holds() {
    assert_eq!(switch(DEFAULT, "8").completed().output_of("after"), json!(["default", "D"]));
    assert_eq!(switch(DEFAULT, "7").completed().output_of("after"), json!(["odd", "O"]));
}

#[test]
fn without_a_default_nothing_happens_if_none_holds() {
    let ended = switch("", "8").completed();
    assert_eq!(ended.output_of("after"), json!([null, null]));
    assert_eq!(ended.statuses(), "s completed, after completed");
}

#[test]
fn all_cases_that_hold_are_taken_with_match_all() {
    let all = r#""match":"all","#;
    let ended = switch(all, "101").completed();
    assert_eq!(ended.output_of("after"), json!([["big", "odd"], {"big": "B", "odd": "O"}]));
    assert_eq!(switch(all, "7").completed().output_of("after"), json!([["odd"], {"odd": "O"}]));
    let ended = switch(&format!("{all}{DEFAULT}"), "8").completed();
    assert_eq!(ended.output_of("after"), json!([["default"], {"default": "D"}]));
}

#[test]
fn a_failure_in_one_of_several_cases_stops_the_others() {
    let ended = Lab::new()
        .run_with(
            r#"{"id":"w","steps":[{"id":"s","type":"switch","match":"all","cases":[
                {"name":"x","when":"input == 1","steps":[{"id":"bad",@fail,"parameters":{"type":"x.y"}}]},
                {"name":"y","when":"input == 1","steps":[{"id":"slow",@sleep,"parameters":{"ms":5000}}]}]}]}"#,
            "1",
        )
        .failed();
    assert_eq!(ended.statuses(), "s failed, bad failed, slow cancelled");
    assert_eq!(ended.run_error(), "x.y");
}

#[test]
fn a_case_that_cannot_be_decided_fails_the_switch() {
    let ended = switch("", r#""text""#).failed();
    assert_eq!(ended.run_error(), "expression");
    assert!(ended.error.as_ref().unwrap().message.starts_with("`cases[0].when`"));
}
