//! `race`.

use super::lab::{in_time, run_steps};
use jackfield_core::run::{EventKind, StepStatus};
use serde_json::json;
use std::time::Duration;

#[test]
fn the_first_to_complete_wins_and_the_others_are_cancelled() {
    in_time(|| {
        let ended = run_steps(
            r#"{"id":"r","type":"race","steps":[
            {"id":"slow",@sleep,"parameters":{"ms":5000}},
            {"id":"quick",@sleep,"parameters":{"ms":20,"value":"Q"}},
            {"id":"g","type":"group","steps":[{"id":"x",@later,"parameters":{"ms":5000}}]}]}"#,
        )
        .completed();
        assert_eq!(ended.output_of("r"), json!({"winner": "quick", "index": 1, "value": "Q"}));
        assert_eq!(
            ended.statuses(),
            "r completed, slow cancelled, quick completed, g cancelled, x cancelled"
        );
        assert!(ended.took < Duration::from_secs(1));
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(ended.kit.stopped(), 2);
    });
}

#[test]
fn several_winners_are_listed_in_the_order_of_arrival() {
    let ended = run_steps(
        r#"{"id":"r","type":"race","winners":2,"steps":[
            {"id":"a",@later,"parameters":{"ms":60,"value":"A"}},
            {"id":"b",@later,"parameters":{"ms":5,"value":"B"}},
            {"id":"c",@later,"parameters":{"ms":5000}}]}"#,
    )
    .completed();
    assert_eq!(
        ended.output_of("r"),
        json!([{"winner": "b", "index": 1, "value": "B"}, {"winner": "a", "index": 0, "value": "A"}])
    );
}

#[test]
fn a_failure_only_eliminates_its_contestant() {
    let ended = run_steps(
        r#"{"id":"r","type":"race","steps":[{"id":"a",@fail},{"id":"b",@later,"parameters":{"ms":20,"value":1}}]}"#,
    )
    .completed();
    assert_eq!(ended.output_of("r")["winner"], json!("b"));
    assert_eq!(ended.is("a"), StepStatus::Failed);
}

#[test]
fn a_race_without_enough_contestants_left_fails_with_the_last_error() {
    let ended = run_steps(
        r#"{"id":"r","type":"race","critical":false,"steps":[
            {"id":"a",@later,"parameters":{"ms":30,"fails":true,"type":"the.last"}},
            {"id":"b",@fail,"parameters":{"type":"the.first"}}]},
           {"id":"q","type":"race","winners":2,"critical":false,"steps":[
            {"id":"c",@value},{"id":"d",@fail,"parameters":{"type":"x.y"}}]},
           {"id":"n","type":"race","critical":false,"steps":[{"id":"e",@value,"when":"false"}]}"#,
    )
    .completed();
    assert_eq!(ended.error_type("r"), "the.last");
    assert_eq!(ended.error_type("q"), "x.y");
    assert_eq!(ended.is("n"), StepStatus::Failed);
    assert!(ended.step("n").error.as_ref().unwrap().message.contains("no contestant is left"));
}

#[test]
fn what_a_loser_had_completed_is_undone_and_what_the_winner_did_is_not() {
    let ended = run_steps(
        r#"{"id":"r","type":"race","steps":[
            {"id":"lose","type":"group","steps":[
                {"id":"x",@value,"compensate":{"plugin":"t","method":"value","parameters":{"value":"undo x"}}},
                {"id":"y",@later,"parameters":{"ms":5000}}]},
            {"id":"win","type":"group","steps":[
                {"id":"z",@value,"compensate":{"plugin":"t","method":"value"}},
                {"id":"v",@later,"parameters":{"ms":40}}]}]},
           {"id":"after",@value}"#,
    )
    .completed();
    assert_eq!(ended.is("x"), StepStatus::Compensated);
    assert_eq!(ended.is("z"), StepStatus::Completed);
    assert_eq!(ended.steps_of(EventKind::StepCompensated), ["x"]);
    assert!(ended.place(EventKind::StepCompensated, "x") < ended.place(EventKind::StepCompleted, "r"));
    let order = ended.kit.order();
    assert_eq!(&order[order.len() - 2..], ["x.compensate", "after"]);
}

#[test]
fn a_loser_that_does_not_stop_holds_nobody_up() {
    in_time(|| {
        let ended = run_steps(
            r#"{"id":"r","type":"race","steps":[{"id":"deaf",@deaf,"parameters":{"ms":1000}},
            {"id":"quick",@later,"parameters":{"ms":10}}]},{"id":"after",@value}"#,
        )
        .completed();
        assert!(ended.took < Duration::from_millis(500), "{:?}", ended.took);
    });
}

#[test]
fn a_race_can_be_retried_and_have_a_template() {
    let ended = run_steps(
        r#"{"id":"r","type":"race","output":"${result.winner}","retry":{"max_attempts":2,"backoff":"none"},"steps":[
            {"id":"a",@fail},{"id":"b",@later,"parameters":{"fails":true}}]}"#,
    )
    .failed();
    assert_eq!(ended.step("r").attempts, 2);
    let ended =
        run_steps(r#"{"id":"r","type":"race","output":"${result.winner}","steps":[{"id":"a",@value}]}"#)
            .completed();
    assert_eq!(ended.output_of("r"), json!("a"));
}

#[test]
fn an_inner_race_that_was_won_leaves_no_error_behind() {
    let ended = run_steps(
        r#"{"id":"outer","type":"race","winners":2,"critical":false,"steps":[
            {"id":"inner","type":"race","steps":[{"id":"a",@fail,"parameters":{"type":"inner"}},
                {"id":"b",@later,"parameters":{"ms":10}}]},
            {"id":"c",@fail,"parameters":{"type":"outer","good":9}},
            {"id":"d",@later,"when":"false"}]}"#,
    )
    .completed();
    assert_eq!(ended.error_type("outer"), "outer");
}
