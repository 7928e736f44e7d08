//! How much runs at a time.

use super::lab::{Lab, run};
use jackfield_core::run::StepStatus;

fn fan(count: usize, method: &str, ms: u32) -> String {
    let step = |n| format!(r#"{{"id":"s{n}",@{method},"parameters":{{"ms":{ms}}}}}"#);
    (0..count).map(step).collect::<Vec<_>>().join(",")
}

#[test]
fn max_concurrency_of_the_document_bounds_calls_at_any_depth() {
    let ended = run(&format!(
        r#"{{"id":"w","mode":"parallel","max_concurrency":3,"steps":[
            {},{{"id":"g","type":"group","mode":"parallel","steps":[
                {{"id":"x",@later,"parameters":{{"ms":20}}}},{{"id":"y",@later,"parameters":{{"ms":20}}}}]}}]}}"#,
        fan(8, "later", 20)
    ))
    .completed();
    assert_eq!(ended.kit.peak(), 3);
}

#[test]
fn max_concurrency_of_a_group_bounds_what_is_inside_only() {
    let inner = r#"{"id":"f","type":"foreach","items":"[1,2,3,4,5,6]","max_concurrency":6,"steps":[
        {"id":"x",@later,"parameters":{"ms":30}}]}"#;
    let ended = run(&format!(
        r#"{{"id":"w","mode":"parallel","steps":[
            {{"id":"g","type":"group","mode":"parallel","max_concurrency":2,"steps":[{inner}]}}]}}"#
    ))
    .completed();
    assert_eq!(ended.kit.peak(), 2);
    let ended = run(&format!(
        r#"{{"id":"w","mode":"parallel","steps":[{},
            {{"id":"g","type":"group","mode":"parallel","max_concurrency":2,"steps":[{inner}]}}]}}"#,
        fan(4, "later", 60)
    ))
    .completed();
    assert!(ended.kit.peak() > 4, "{}", ended.kit.peak());
}

#[test]
fn held_back_calls_start_in_the_order_of_coming() {
    let ended = run(&format!(
        r#"{{"id":"w","mode":"parallel","max_concurrency":1,"steps":[{}]}}"#,
        fan(30, "later", 1)
    ))
    .completed();
    let expected: Vec<_> = (0..30).map(|n| format!("s{n}")).collect();
    assert_eq!(ended.kit.order(), expected);
}

#[test]
fn a_step_that_waits_for_its_next_attempt_takes_no_place() {
    let ended = run(r#"{"id":"w","mode":"parallel","max_concurrency":1,"steps":[
            {"id":"a",@fail,"critical":false,"retry":{"max_attempts":2,"backoff":"fixed","delay":80}},
            {"id":"b",@value}]}"#)
    .completed();
    assert_eq!(ended.kit.order(), ["a", "b", "a"]);
}

#[test]
fn a_held_back_call_never_starts_when_its_run_has_failed() {
    let ended = run(r#"{"id":"w","mode":"parallel","max_concurrency":1,"steps":[
            {"id":"bad",@later,"parameters":{"ms":10,"fails":true}},{"id":"held",@value}]}"#)
    .failed();
    assert_eq!(ended.kit.order(), ["bad"]);
    assert_eq!((ended.is("held"), ended.step("held").attempts), (StepStatus::Cancelled, 0));
}

#[test]
fn cancelled_calls_give_their_places_back() {
    let ended = run(
        r#"{"id":"w","mode":"parallel","max_concurrency":2,"steps":[
            {"id":"r","type":"race","critical":false,"steps":[
                {"id":"a",@later,"parameters":{"ms":5000}},{"id":"b",@later,"parameters":{"ms":10}}]},
            {"id":"c",@value,"dependencies":["r"]},
            {"id":"g","type":"group","dependencies":["c"],"timeout":40,"critical":false,"mode":"parallel","steps":[
                {"id":"d",@later,"parameters":{"ms":5000}},{"id":"e",@later,"parameters":{"ms":5000}},
                {"id":"f",@later,"parameters":{"ms":5000}}]},
            {"id":"h",@later,"dependencies":["g"]},{"id":"i",@later,"dependencies":["g"]}]}"#,
    )
    .completed();
    assert_eq!((ended.is("h"), ended.is("i")), (StepStatus::Completed, StepStatus::Completed));
}

#[test]
fn blocking_and_async_calls_of_all_runs_have_limits() {
    let config = crate::Config { blocking_threads_max: 2, async_calls_max: 3, ..Default::default() };
    for (method, peak) in [("sleep", 2), ("later", 3)] {
        let lab = Lab::with(config.clone());
        let document = format!(r#"{{"id":"w","mode":"parallel","steps":[{}]}}"#, fan(8, method, 10));
        let runs: Vec<_> = (0..3).map(|_| lab.start(&document, "null")).collect();
        for run in runs {
            lab.end(&run, std::time::Instant::now()).completed();
        }
        assert_eq!(lab.kit.peak(), peak, "{method}");
    }
}

#[test]
fn async_calls_that_answer_at_once_never_pile_up_on_the_stack() {
    let lab = Lab::with(crate::Config { async_calls_max: 1, ..Default::default() });
    let steps: Vec<_> = (0..30_000).map(|n| format!(r#"{{"id":"s{n}",@at_once}}"#)).collect();
    let slow = r#"{"id":"first",@later,"parameters":{"ms":200}}"#;
    let document = format!(r#"{{"id":"w","mode":"parallel","steps":[{slow},{}]}}"#, steps.join(","));
    let ended = lab.run_with(&document, "null").completed();
    assert_eq!(ended.completed_steps, 30_001);
}

#[test]
fn cancelling_many_waiting_async_calls_never_piles_up_on_the_stack() {
    let lab = Lab::with(crate::Config { async_calls_max: 1, ..Default::default() });
    let steps: Vec<_> = (0..30_000).map(|n| format!(r#"{{"id":"s{n}",@at_once}}"#)).collect();
    let slow = r#"{"id":"first",@later,"parameters":{"ms":300,"fails":true}}"#;
    let document = format!(r#"{{"id":"w","mode":"parallel","steps":[{slow},{}]}}"#, steps.join(","));
    lab.run_with(&document, "null").failed();
    let ended = lab.run_with(r#"{"id":"w","steps":[{"id":"a",@later}]}"#, "null").completed();
    assert_eq!(ended.completed_steps, 1);
}
