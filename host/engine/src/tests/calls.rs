//! What methods do to a run, and what a run does to methods.

use super::lab::{Lab, run_steps};
use jackfield_core::run::RunStatus;
use serde_json::json;
use std::time::Instant;

#[test]
fn a_method_that_panics_fails_its_step_and_nothing_else() {
    let lab = Lab::with(crate::Config { threads: 1, ..Default::default() });
    let ended =
        lab.run_with(r#"{"id":"w","steps":[{"id":"a",@panic,"critical":false},{"id":"b",@value}]}"#, "null");
    assert_eq!(ended.error_type("a"), "plugin.panic");
    assert!(ended.step("a").error.as_ref().unwrap().message.contains("on purpose"));
    ended.completed();
}

#[test]
fn an_async_method_that_panics_while_it_starts_fails_its_step() {
    let lab = Lab::with(crate::Config { threads: 1, ..Default::default() });
    let ended = lab
        .run_with(
            r#"{"id":"w","steps":[{"id":"a",@panic_start,"critical":false},{"id":"b",@later}]}"#,
            "null",
        )
        .completed();
    assert_eq!(ended.error_type("a"), "plugin.panic");
}

#[test]
fn attempts_carry_their_number_and_key() {
    let ended = run_steps(
        r#"{"id":"f","type":"foreach","items":"[1]","steps":[{"id":"a",@fail,"parameters":{"good":2},
            "retry":{"max_attempts":2,"backoff":"none"}}]}"#,
    )
    .completed();
    let seen = ended.kit.attempts("f[0].a");
    assert_eq!(seen.iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_thousand_runs_at_once_all_end_and_do_not_mix() {
    let lab = Lab::new();
    let document = r#"{"id":"w","variables":{"n":0},"steps":[
        {"id":"a",@value,"parameters":{"value":"${input}"}},
        {"id":"s","type":"set","variables":{"n":"${steps.a.output + 1}"}},
        {"id":"b",@later,"parameters":{"value":"${vars.n}"}}]}"#;
    let runs: Vec<_> = (0..1000).map(|n| lab.start(document, &n.to_string())).collect();
    assert!(lab.engine.wait_all(super::lab::PATIENCE));
    for (n, run) in runs.iter().enumerate() {
        assert_eq!(run.status(), RunStatus::Completed);
        assert_eq!(run.output().unwrap().value(), &json!(n + 1));
    }
    let listed = lab.engine.list(&crate::RunFilter::default());
    assert_eq!(listed.len(), 1000);
    assert!(listed.iter().zip(&runs).all(|(line, run)| line.run_id == *run.id()));
}

#[test]
fn finished_runs_stay_readable_until_newer_ones_push_them_out() {
    let lab = Lab::with(crate::Config { finished_runs_max: 3, ..Default::default() });
    let runs: Vec<_> = (0..6)
        .map(|_| {
            let run = lab.start(r#"{"id":"w","steps":[{"id":"a",@value}]}"#, "null");
            lab.end(&run, Instant::now());
            // a run counts as ended a moment after its waiters wake up
            assert!(lab.engine.wait_all(super::lab::PATIENCE));
            run.id().to_string()
        })
        .collect();
    let kept: Vec<_> =
        lab.engine.list(&crate::RunFilter::default()).iter().map(|line| line.run_id.to_string()).collect();
    assert_eq!(kept, runs[3..]);
    assert!(lab.engine.get(&runs[0]).is_err());
    lab.engine.forget(&runs[4]).unwrap();
    assert!(lab.engine.get(&runs[4]).is_err());
    assert!(lab.engine.forget("nothing").unwrap_err().to_string().contains("`nothing`"));
}

#[test]
fn a_run_id_is_used_once() {
    let lab = Lab::new();
    let start = |id: &str| {
        let plan = super::lab::plan(r#"{"id":"w","steps":[{"id":"a",@value}]}"#);
        let mut request = crate::StartRequest::new(plan, jackfield_core::payload::Payload::null());
        request.run_id = Some(id.into());
        lab.engine.start(request)
    };
    let first = start("mine").unwrap();
    lab.end(&first, Instant::now());
    assert_eq!(start("mine").unwrap_err().to_string(), "run `mine` exists already and is completed");
    assert!(start("").is_err());
    assert!(start("a\nb").is_err());
}
