//! `foreach`.

use super::lab::{Ended, Lab, in_time, run_steps};
use jackfield_core::run::StepStatus;
use serde_json::json;

/// A foreach with these fields over these items, in the step `f`.
fn each(fields: &str, steps: &str, items: &str) -> Ended {
    Lab::new().run_with(
        &format!(
            r#"{{"id":"w","steps":[{{"id":"f","type":"foreach","items":"input",{fields}"critical":false,
                "steps":[{steps}]}}]}}"#
        ),
        items,
    )
}

const ECHO: &str = r#"{"id":"a",@value,"parameters":{"value":["${item}","${index}"]}}"#;

#[test]
fn outputs_stand_in_the_order_of_the_items() {
    let steps = r#"{"id":"a",@later,"parameters":{"ms":"${item}","value":"${item}"}}"#;
    let ended = each(r#""max_concurrency":4,"#, steps, "[40,1,20,5]").completed();
    assert_eq!(ended.output_of("f"), json!([40, 1, 20, 5]));
    assert_eq!(ended.step("f[2].a").output.as_ref().unwrap().value(), &json!(20));
}

#[test]
fn the_window_bounds_how_many_bodies_run() {
    for (window, peak) in [("", 1), (r#""max_concurrency":3,"#, 3), (r#""max_concurrency":0,"#, 8)] {
        let steps = r#"{"id":"a",@later,"parameters":{"ms":30}}"#;
        let ended = each(window, steps, "[1,2,3,4,5,6,7,8]").completed();
        assert_eq!(ended.kit.peak(), peak, "{window}");
    }
}

#[test]
fn items_are_bound_by_their_names() {
    let steps = r#"{"id":"a",@value,"parameters":{"value":"${who}-${place}"}}"#;
    let ended = each(r#""as":"who","index_as":"place","#, steps, r#"["x","y"]"#).completed();
    assert_eq!(ended.output_of("f"), json!(["x-0", "y-1"]));
}

#[test]
fn batches_are_arrays() {
    let ended = each(r#""batch_size":2,"#, ECHO, "[1,2,3,4,5]").completed();
    assert_eq!(ended.output_of("f"), json!([[[1, 2], 0], [[3, 4], 1], [[5], 2]]));
}

#[test]
fn no_items_give_no_outputs() {
    assert_eq!(each("", ECHO, "[]").completed().output_of("f"), json!([]));
}

#[test]
fn literal_items_may_hold_templates() {
    let ended = run_steps(
        r#"{"id":"f","type":"foreach","items":[1,"${1 + 1}",{"x":"${3}"}],"steps":[
            {"id":"a",@value,"parameters":{"value":"${item}"}}]}"#,
    )
    .completed();
    assert_eq!(ended.output_of("f"), json!([1, 2, {"x": 3}]));
}

#[test]
fn what_is_no_list_fails() {
    let ended = each("", ECHO, r#""text""#).completed();
    assert_eq!(ended.error_type("f"), "expression");
}

const SOME_FAIL: &str =
    r#"{"id":"a",@fail,"parameters":{"good":"${item ? 1 : 9}","value":"${index}","type":"x.y"}}"#;

#[test]
fn tolerated_failures_leave_null_and_a_list() {
    for tolerated in ["2", r#""50%""#] {
        let fields = format!(r#""tolerated_failures":{tolerated},"#);
        let ended = Lab::new()
            .run_with(
                &format!(
                    r#"{{"id":"w","steps":[{{"id":"f","type":"foreach","items":"input",{fields}"steps":[{SOME_FAIL}]}},
                       {{"id":"after",@value,"parameters":{{"value":"${{steps.f.error.map(e, [e.index, e.error.type])}}"}}}}]}}"#
                ),
                "[true,false,true,false]",
            )
            .completed();
        assert_eq!(ended.output_of("f"), json!([0, null, 2, null]));
        assert_eq!(ended.output_of("after"), json!([[1, "x.y"], [3, "x.y"]]));
        assert_eq!(ended.is("f[1].a"), StepStatus::Failed);
    }
}

#[test]
fn too_many_failures_fail_the_step_and_stop_the_rest() {
    let ended = each(r#""tolerated_failures":1,"#, SOME_FAIL, "[false,true,false,true]").completed();
    let error = ended.step("f").error.as_ref().unwrap();
    assert_eq!(&*error.kind, "foreach.too_many_failures");
    assert_eq!(error.details.value()[1]["index"], json!(2));
    assert_eq!(ended.kit.order(), ["f[0].a", "f[1].a", "f[2].a"]);
    let ended = each(r#""tolerated_failures":"49%","#, SOME_FAIL, "[false,true,false,true]").completed();
    assert_eq!(ended.error_type("f"), "foreach.too_many_failures");
}

#[test]
fn a_failure_beyond_the_tolerance_cancels_what_runs() {
    in_time(|| {
        let steps = r#"{"id":"a",@later,"parameters":{"ms":"${item}","fails":"${item < 10}"}}"#;
        let ended = each(r#""max_concurrency":3,"#, steps, "[5000,1,5000,1]").completed();
        assert_eq!(ended.is("f[0].a"), StepStatus::Cancelled);
        assert_eq!(ended.is("f[2].a"), StepStatus::Cancelled);
        assert!(ended.took < std::time::Duration::from_secs(1));
    });
}

#[test]
fn a_body_whose_own_steps_are_not_critical_does_not_fail() {
    let steps = r#"{"id":"a",@fail,"critical":false},{"id":"b",@value,"parameters":{"value":"${index}"}}"#;
    assert_eq!(each("", steps, "[1,2]").completed().output_of("f"), json!([0, 1]));
}

#[test]
fn while_starts_no_more() {
    let ended = each(r#""while":"item < 3 && index < 9","#, ECHO, "[1,2,3,1]").completed();
    assert_eq!(ended.output_of("f"), json!([[1, 0], [2, 1]]));
}

#[test]
fn while_sees_what_bodies_have_written() {
    let ended = Lab::new()
        .run_with(
            r#"{"id":"w","variables":{"sum":0},"steps":[{"id":"f","type":"foreach","items":"input",
                "while":"vars.sum < 5","steps":[{"id":"s","type":"set","variables":{"sum":"${vars.sum + item}"}}]}],
                "output":"${vars.sum}"}"#,
            "[1,2,3,4]",
        )
        .completed();
    assert_eq!(ended.output_json(), json!(6));
}

#[test]
fn foreach_nests_and_paths_tell_where() {
    let steps = r#"{"id":"g","type":"foreach","items":"item","as":"inner","index_as":"j","steps":[
        {"id":"a",@value,"parameters":{"value":"${inner + index * 100 + j * 10}"}}]}"#;
    let ended = each("", steps, "[[1,2],[3]]").completed();
    assert_eq!(ended.output_of("f"), json!([[1, 12], [103]]));
    assert_eq!(ended.output_of("f[0].g[1].a"), json!(12));
    assert_eq!(ended.kit.order(), ["f[0].g[0].a", "f[0].g[1].a", "f[1].g[0].a"]);
}

#[test]
fn a_body_has_a_mode_and_an_output_template() {
    let ended = run_steps(
        r#"{"id":"f","type":"foreach","items":"[1,2]","mode":"parallel","steps":[
                {"id":"a",@value,"parameters":{"value":"${item}"}},{"id":"b",@value}]}"#,
    )
    .completed();
    assert_eq!(ended.output_of("f"), json!([{"a": 1, "b": null}, {"a": 2, "b": null}]));
}

#[test]
fn many_items_end() {
    let items = json!((0..50_000).collect::<Vec<_>>()).to_string();
    let steps = r#"{"id":"a",@value,"parameters":{"value":"${item}"}}"#;
    let ended = each(r#""max_concurrency":0,"#, steps, &items).completed();
    assert_eq!(ended.output_of("f")[49_999], json!(49_999));
    let ended = each("", ECHO, &json!(vec![0; 100_001]).to_string()).completed();
    assert_eq!(ended.error_type("f"), "expression");
}

#[test]
fn many_tolerated_failures_end() {
    let items = json!(vec![0; 20_000]).to_string();
    let fields = r#""max_concurrency":0,"tolerated_failures":"100%","#;
    let ended = each(fields, r#"{"id":"a",@fail}"#, &items).completed();
    assert_eq!(ended.is("f"), StepStatus::Completed);
}
