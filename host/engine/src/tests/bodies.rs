//! Groups and what bodies put out and see.

use super::lab::{run, run_steps};
use serde_json::json;

#[test]
fn a_group_puts_out_by_its_mode_or_its_template() {
    let ended = run_steps(
        r#"{"id":"s","type":"group","steps":[{"id":"a",@value,"parameters":{"value":1}},
                {"id":"b",@value,"parameters":{"value":2}}]},
           {"id":"p","type":"group","mode":"parallel","steps":[{"id":"c",@value,"parameters":{"value":3}},
                {"id":"d",@value,"when":"false"}]},
           {"id":"t","type":"group","output":{"sum":"${steps.e.output + 1}"},"steps":[
                {"id":"e",@value,"parameters":{"value":4}}]},
           {"id":"all",@value,"parameters":{"value":
                ["${steps.s.output}","${steps.p.output}","${steps.t.output.sum}"]}}"#,
    )
    .completed();
    assert_eq!(ended.output_of("all"), json!([2, {"c": 3, "d": null}, 5]));
}

#[test]
fn inner_steps_see_outer_ones_and_the_order_follows_from_it() {
    let ended = run(
        r#"{"id":"w","mode":"parallel","steps":[
            {"id":"g","type":"group","steps":[{"id":"x",@value,"parameters":{"value":"${steps.late.output}"}}]},
            {"id":"late",@sleep,"parameters":{"ms":20,"value":9}}]}"#,
    )
    .completed();
    assert_eq!(ended.output_of("g"), json!(9));
}

#[test]
fn a_pipeline_inside_a_body_begins_with_the_input_of_the_run() {
    let ended = super::lab::Lab::new()
        .run_with(
            r#"{"id":"w","steps":[{"id":"g","type":"group","mode":"pipeline","steps":[
                {"id":"x",@value,"parameters":{"value":"${prev + 1}"}}]}]}"#,
            "41",
        )
        .completed();
    assert_eq!(ended.output_json(), json!(42));
}

#[test]
fn bodies_nest_deep() {
    let mut steps = r#"{"id":"x",@value,"parameters":{"value":1}}"#.to_owned();
    for n in 0..30 {
        steps = format!(r#"{{"id":"g{n}","type":"group","steps":[{steps}]}}"#);
    }
    assert_eq!(run_steps(&steps).completed().output_json(), json!(1));
}
