//! Sequential, parallel, conditional and pipeline mode.

use super::lab::{Lab, in_time, run, run_parallel, run_steps};
use jackfield_core::run::{EventKind, RunStatus, StepStatus};
use serde_json::json;
use std::time::{Duration, Instant};

#[test]
fn sequential_steps_run_in_list_order_one_at_a_time() {
    let ended = run_steps(
        r#"{"id":"c",@sleep,"parameters":{"ms":5}},{"id":"a",@value},{"id":"b",@later,"parameters":{"ms":5}}"#,
    )
    .completed();
    assert_eq!(ended.kit.order(), ["c", "a", "b"]);
    assert_eq!(ended.kit.peak(), 1);
}

#[test]
fn a_sequential_body_puts_out_what_its_last_completed_step_did() {
    let ended = run_steps(
        r#"{"id":"a",@value,"parameters":{"value":1}},{"id":"b",@value,"parameters":{"value":2}},
           {"id":"c",@value,"when":"false"}"#,
    )
    .completed();
    assert_eq!(ended.output_json(), json!(2));
}

#[test]
fn a_join_waits_for_all_branches_and_sees_their_outputs() {
    let ended = run_parallel(
        r#"{"id":"join",@value,"dependencies":["a","b"],
            "parameters":{"value":["${steps.a.output.x}","${steps.b.output.x}"]}},
           {"id":"a",@sleep,"parameters":{"ms":20,"value":{"x":1}}},
           {"id":"b",@value,"parameters":{"value":{"x":2}}}"#,
    )
    .completed();
    assert_eq!(ended.output_of("join"), json!([1, 2]));
    assert_eq!(ended.output_json(), json!({"join": [1, 2], "a": {"x": 1}, "b": {"x": 2}}));
    assert_eq!(ended.kit.order().last().unwrap(), "join");
}

#[test]
fn independent_steps_overlap() {
    in_time(|| {
        let steps: Vec<_> =
            (0..20).map(|n| format!(r#"{{"id":"s{n}",@later,"parameters":{{"ms":60}}}}"#)).collect();
        let ended = run_parallel(&steps.join(",")).completed();
        assert!(ended.took < Duration::from_millis(600), "{:?}", ended.took);
        assert!(ended.kit.peak() > 10, "{}", ended.kit.peak());
    });
}

#[test]
fn ready_steps_start_in_list_order() {
    let lab = Lab::with(crate::Config { threads: 1, ..Default::default() });
    let ids: Vec<String> = (0..200).map(|n| format!("s{n}")).collect();
    let steps: Vec<_> = ids.iter().map(|id| format!(r#"{{"id":"{id}",@value}}"#)).collect();
    let document = format!(r#"{{"id":"w","mode":"parallel","steps":[{}]}}"#, steps.join(","));
    lab.run_with(&document, "null").completed();
    assert_eq!(lab.kit.order(), ids);
}

#[test]
fn a_reference_is_a_dependency() {
    let ended = run_parallel(
        r#"{"id":"b",@value,"parameters":{"value":"${steps.a.output}"}},
           {"id":"a",@sleep,"parameters":{"ms":10,"value":7}}"#,
    )
    .completed();
    assert_eq!(ended.output_of("b"), json!(7));
}

#[test]
fn in_conditional_mode_a_skipped_step_takes_its_branch_along_and_a_join_can_name_another_rule() {
    let ended = run(r#"{"id":"w","mode":"conditional","steps":[
            {"id":"yes",@value,"when":"true"},
            {"id":"no",@value,"when":"false"},
            {"id":"after_no",@value,"dependencies":["no"]},
            {"id":"after_after_no",@value,"dependencies":["after_no"]},
            {"id":"plain",@value,"dependencies":["yes","no"]},
            {"id":"join",@value,"dependencies":["yes","after_no"],"trigger_rule":"none_failed"}]}"#)
    .completed();
    assert_eq!(
        ended.statuses(),
        "yes completed, no skipped, after_no skipped, after_after_no skipped, plain skipped, join completed"
    );
    let reason = ended.step("no").reason.clone().unwrap();
    assert_eq!(reason, "when is false: false");
    let reason = ended.step("plain").reason.clone().unwrap();
    assert_eq!(
        reason,
        "trigger rule `all_completed` is not met: of 2 dependencies 1 completed, 0 failed, 1 were skipped"
    );
}

#[test]
fn a_stage_takes_the_former_ones_output_and_set_passes_it_on() {
    let ended = Lab::new()
        .run_with(
            r#"{"id":"w","mode":"pipeline","variables":{"seen":0},"steps":[
                {"id":"a",@value,"parameters":{"value":"${prev + 1}"}},
                {"id":"keep","type":"set","variables":{"seen":"${prev}"}},
                {"id":"b",@value,"parameters":{"value":"${prev * 10}"}}],
                "output":{"seen":"${vars.seen}","last":"${steps.b.output}"}}"#,
            "4",
        )
        .completed();
    assert_eq!(ended.output_json(), json!({"seen": 5, "last": 50}));
}

#[test]
fn a_stage_whose_condition_is_false_drops_the_item() {
    let ended = Lab::new()
        .run_with(
            r#"{"id":"w","mode":"pipeline","steps":[
                {"id":"a",@value,"parameters":{"value":"${prev}"}},
                {"id":"b",@value,"when":"prev > 5"},
                {"id":"c",@value,"parameters":{"value":1}}]}"#,
            "4",
        )
        .completed();
    assert_eq!(ended.statuses(), "a completed, b skipped, c skipped");
    assert_eq!(ended.output_json(), json!(null));
    assert!(ended.step("c").reason.as_ref().unwrap().contains("dropped"));
}

#[test]
fn a_stage_that_fails_without_being_critical_drops_the_item_too() {
    let ended = run(r#"{"id":"w","mode":"pipeline","steps":[
            {"id":"a",@fail,"critical":false},{"id":"b",@value,"parameters":{"value":1}}]}"#)
    .completed();
    assert_eq!(ended.statuses(), "a failed, b skipped");
}

#[test]
fn a_critical_failure_stops_siblings_and_later_steps_and_names_the_step() {
    in_time(|| {
        let ended = run_parallel(
        r#"{"id":"slow",@sleep,"parameters":{"ms":10000}},
           {"id":"bad",@sleep,"parameters":{"ms":30,"fails":true,"type":"disk.full","message":"no space left"}},
           {"id":"later",@value,"dependencies":["slow"]}"#,
    )
    .failed();
        assert_eq!(ended.statuses(), "slow cancelled, bad failed, later cancelled");
        let error = ended.error.as_ref().unwrap();
        assert_eq!((&*error.kind, &*error.message, &*error.step), ("disk.full", "no space left", "bad"));
        assert_eq!(error.attempts, 1);
        assert!(ended.took < Duration::from_secs(3));
    });
}

#[test]
fn a_failure_that_is_not_critical_is_recorded_and_seen_by_dependents() {
    let ended = run_parallel(
        r#"{"id":"bad",@fail,"critical":false,"parameters":{"type":"x.y"}},
           {"id":"next",@value,"dependencies":["bad"],"parameters":{"value":
             ["${steps.bad.status}","${steps.bad.output}","${steps.bad.error.type}","${steps.bad.attempts}"]}}"#,
    )
    .completed();
    assert_eq!(ended.output_of("next"), json!(["failed", null, "x.y", 1]));
    assert_eq!(ended.error_type("bad"), "x.y");
}

#[test]
fn a_critical_failure_inside_a_group_is_the_groups_failure() {
    let ended = run_steps(
        r#"{"id":"g","type":"group","critical":false,"mode":"parallel","steps":[
                {"id":"x",@fail,"parameters":{"type":"x.y"}},
                {"id":"slow",@sleep,"parameters":{"ms":10000}}]},
           {"id":"after",@value,"parameters":{"value":"${steps.g.error.step}"}}"#,
    )
    .completed();
    assert_eq!(ended.statuses(), "g failed, after completed, x failed, slow cancelled");
    assert_eq!(ended.output_of("after"), json!("x"));
    assert_eq!(ended.error_type("g"), "x.y");
}

#[test]
fn a_failure_inside_a_group_that_is_not_critical_leaves_the_group_alone() {
    let ended = run_steps(
        r#"{"id":"g","type":"group","steps":[
                {"id":"x",@fail,"critical":false},{"id":"y",@value,"parameters":{"value":3}}]}"#,
    )
    .completed();
    assert_eq!(ended.output_of("g"), json!(3));
}

#[test]
fn a_chain_of_many_steps_and_a_wide_fan_end() {
    for mode in ["sequential", "parallel"] {
        let steps: Vec<_> = (0..20_000).map(|n| format!(r#"{{"id":"s{n}",@value}}"#)).collect();
        let document = format!(r#"{{"id":"w","mode":"{mode}","output":1,"steps":[{}]}}"#, steps.join(","));
        let ended = run(&document).completed();
        assert_eq!(ended.completed_steps, 20_000);
    }
}

#[test]
fn a_small_run_ends_while_a_wide_one_keeps_all_threads_busy() {
    let lab = Lab::with(crate::Config { threads: 1, ..Default::default() });
    let steps: Vec<_> =
        (0..2_000).map(|n| format!(r#"{{"id":"s{n}",@inline_sleep,"parameters":{{"ms":1}}}}"#)).collect();
    let wide =
        lab.start(&format!(r#"{{"id":"wide","mode":"parallel","steps":[{}]}}"#, steps.join(",")), "null");
    while lab.kit.order().is_empty() {
        std::thread::yield_now();
    }
    let begin = Instant::now();
    let small = lab
        .start(r#"{"id":"small","steps":[{"id":"x",@value},{"id":"y",@value},{"id":"z",@value}]}"#, "null");
    lab.end(&small, begin).completed();
    assert_eq!(wide.status(), RunStatus::Running);
    wide.cancel(jackfield_core::run::CancelMode::Kill, "enough");
}

#[test]
fn a_slow_body_holds_back_nobody() {
    let lab = Lab::with(crate::Config { threads: 1, ..Default::default() });
    let run = lab.start(
        r#"{"id":"w","mode":"parallel","steps":[{"id":"quick",@value},
            {"id":"slow",@spin,"parameters":{"ms":400}}]}"#,
        "null",
    );
    while lab.kit.running() == 0 {
        std::thread::yield_now();
    }
    let events = run.wait_events(1, Duration::from_millis(300));
    assert_eq!(events.first().map(|event| event.event), Some(EventKind::StepCompleted));
    assert_eq!(run.report(9).steps["slow"].status, StepStatus::Running);
}
