//! Retries: how many, when, and of what.

use super::lab::{Lab, in_time, run_parallel, run_steps};
use jackfield_core::run::{CancelMode, EventKind, RunStatus};
use serde_json::json;
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);

fn retried(retry: &str, parameters: &str) -> super::lab::Ended {
    run_steps(&format!(r#"{{"id":"a",@fail,"critical":false,"retry":{retry},"parameters":{parameters}}}"#))
        .completed()
}

#[test]
fn max_retries_counts_after_the_first_attempt() {
    let lab = Lab::new();
    let ended = lab
        .run_with(
            r#"{"id":"w","defaults":{"retry":{"max_attempts":4,"backoff":"none"}},"steps":[{"id":"a",@fail}]}"#,
            "null",
        )
        .failed();
    assert_eq!(ended.step("a").attempts, 4);
    assert_eq!(ended.kit.attempts("a").iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(ended.steps_of(EventKind::AttemptFailed).len(), 3);
    assert_eq!(ended.error.as_ref().unwrap().attempts, 4);
    let ended = run_steps(r#"{"id":"a",@fail,"parameters":{"good":2},"max_retries":1}"#).completed();
    assert_eq!(ended.kit.gaps("a").len(), 1);
    assert!(ended.kit.gaps("a")[0] >= 1000 * MS, "the delay of max_retries is one second");
    assert!(ended.step("a").duration_ms >= Some(1000.0), "from its first attempt on: {:?}", ended.step("a"));
}

#[test]
fn success_on_a_later_attempt_is_success() {
    let ended = retried(r#"{"max_attempts":5,"backoff":"none"}"#, r#"{"good":3,"value":"at last"}"#);
    assert_eq!(ended.step("a").attempts, 3);
    assert_eq!(ended.output_of("a"), json!("at last"));
    assert_eq!(ended.step("a").error, None);
}

/// Every gap lies at or above what it should be, and not far above.
#[track_caller]
fn assert_gaps(gaps: &[Duration], expected: &[u32]) {
    assert_eq!(gaps.len(), expected.len());
    for (gap, wanted) in gaps.iter().zip(expected) {
        assert!(
            *gap >= MS * *wanted && *gap < MS * *wanted * 3 + 60 * MS,
            "{gaps:?} instead of {expected:?}"
        );
    }
}

#[test]
fn delays_follow_the_backoff_and_stay_under_the_longest() {
    let ended = retried(r#"{"max_attempts":4,"backoff":"fixed","delay":20}"#, "{}");
    assert_gaps(&ended.kit.gaps("a"), &[20, 20, 20]);
    let ended = retried(r#"{"max_attempts":4,"backoff":"linear","delay":20}"#, "{}");
    assert_gaps(&ended.kit.gaps("a"), &[20, 40, 60]);
    let ended = retried(r#"{"max_attempts":4,"delay":10,"multiplier":3}"#, "{}");
    assert_gaps(&ended.kit.gaps("a"), &[10, 30, 90]);
    let ended = retried(r#"{"max_attempts":4,"delay":20,"multiplier":10,"max_delay":40}"#, "{}");
    assert_gaps(&ended.kit.gaps("a"), &[20, 40, 40]);
    let ended = retried(r#"{"max_attempts":4,"backoff":"none"}"#, "{}");
    assert_gaps(&ended.kit.gaps("a"), &[0, 0, 0]);
}

#[test]
fn there_is_no_delay_after_the_last_attempt() {
    in_time(|| {
        let ended =
            retried(r#"{"max_attempts":2,"backoff":"exponential","delay":30,"multiplier":100}"#, "{}");
        assert!(ended.took < 2000 * MS, "{:?}", ended.took);
    });
}

#[test]
fn total_timeout_bounds_attempts_and_delays() {
    in_time(|| {
        let ended =
            retried(r#"{"max_attempts":1000,"backoff":"fixed","delay":20,"total_timeout":110}"#, "{}");
        let attempts = ended.step("a").attempts;
        assert!((2..=6).contains(&attempts), "{attempts}");
        assert!(ended.took < 400 * MS);
    });
}

#[test]
fn total_timeout_cuts_an_attempt_short() {
    let ended = run_steps(
        r#"{"id":"a",@sleep,"critical":false,"retry":{"max_attempts":3,"total_timeout":60},"parameters":{"ms":5000}}"#,
    )
    .completed();
    assert_eq!((ended.error_type("a"), ended.step("a").attempts), ("timeout", 1));
    assert_eq!(&*ended.step("a").error.as_ref().unwrap().message, "took longer than 60ms");
}

#[test]
fn only_named_types_are_retried() {
    for (errors, kind, attempts) in [
        (r#"["http.*"]"#, "http.503", 3),
        (r#"["http.*"]"#, "disk.full", 1),
        (r#"["*.full"]"#, "disk.very.full", 3),
        (r#"["a.b","c.d"]"#, "c.d", 3),
        (r#"["*"]"#, "anything", 3),
        (r#"["*"]"#, "validation", 1),
        (r#"["valid*"]"#, "validation", 1),
        (r#"["validation"]"#, "validation", 3),
        (r#"["*"]"#, "payload.too_large", 1),
        (r#"["payload.too_large"]"#, "payload.too_large", 3),
    ] {
        let retry = format!(r#"{{"max_attempts":3,"backoff":"none","errors":{errors}}}"#);
        let ended = retried(&retry, &format!(r#"{{"type":"{kind}"}}"#));
        assert_eq!(ended.step("a").attempts, attempts, "{errors} {kind}");
    }
}

#[test]
fn what_the_method_calls_hopeless_is_retried_only_by_name() {
    let parameters = r#"{"type":"x.y","retryable":false}"#;
    let ended = retried(r#"{"max_attempts":3,"backoff":"none"}"#, parameters);
    assert_eq!(ended.step("a").attempts, 1);
    let ended = retried(r#"{"max_attempts":3,"backoff":"none","errors":["x.y"]}"#, parameters);
    assert_eq!(ended.step("a").attempts, 3);
}

#[test]
fn a_retry_condition_sees_the_error() {
    let when = r#""when":"error.attempts < 2 && error.type == 'x.y'""#;
    let retry = format!(r#"{{"max_attempts":5,"backoff":"none",{when}}}"#);
    assert_eq!(retried(&retry, r#"{"type":"x.y"}"#).step("a").attempts, 2);
    assert_eq!(retried(&retry, r#"{"type":"x.z"}"#).step("a").attempts, 1);
}

#[test]
fn a_retry_condition_that_cannot_be_evaluated_is_the_failure() {
    let ended = retried(r#"{"max_attempts":5,"backoff":"none","when":"error.details.x > 1"}"#, "{}");
    assert_eq!((ended.error_type("a"), ended.step("a").attempts), ("expression", 1));
}

#[test]
fn a_structured_step_is_retried_as_a_whole() {
    let ended = run_steps(
        r#"{"id":"g","type":"group","retry":{"max_attempts":3,"backoff":"none"},"critical":false,"steps":[
            {"id":"x",@value},{"id":"y",@fail}]}"#,
    )
    .completed();
    assert_eq!(ended.kit.order(), ["x", "y", "x", "y", "x", "y"]);
    assert_eq!(ended.step("g").attempts, 3);
    assert_eq!(ended.error_type("g"), "plugin.error");
}

#[test]
fn a_step_that_fails_at_once_can_be_retried_very_often() {
    let ended = run_steps(
        r#"{"id":"a","type":"fail","error":{"type":"x.y"},"critical":false,
            "retry":{"max_attempts":20000,"backoff":"none"}}"#,
    )
    .completed();
    assert_eq!(ended.step("a").attempts, 20_000);
}

#[test]
fn no_delay_grows_out_of_none() {
    let ended = retried(r#"{"max_attempts":1200,"delay":0}"#, "{}");
    assert_eq!(ended.step("a").attempts, 1200);
}

#[test]
fn nothing_is_retried_after_a_cancel() {
    let lab = Lab::new();
    let run = lab.start(
        r#"{"id":"w","steps":[{"id":"a",@fail,"retry":{"max_attempts":9,"backoff":"fixed","delay":200}}]}"#,
        "null",
    );
    assert!(!run.wait_events(1, super::lab::PATIENCE).is_empty());
    assert_eq!(run.status(), RunStatus::Waiting);
    run.cancel(CancelMode::Graceful, "enough");
    let ended = lab.end(&run, Instant::now());
    assert_eq!(ended.status, RunStatus::Cancelled);
    assert_eq!(ended.statuses(), "a cancelled");
    assert_eq!(lab.kit.attempts("a").len(), 1);
}

#[test]
fn retries_of_one_step_hold_up_no_other() {
    let ended = run_parallel(
        r#"{"id":"a",@fail,"critical":false,"retry":{"max_attempts":2,"backoff":"fixed","delay":150}},
           {"id":"b",@value},{"id":"c",@value,"dependencies":["b"]}"#,
    )
    .completed();
    assert!(ended.place(EventKind::StepCompleted, "c") < ended.place(EventKind::StepFailed, "a"));
}

#[test]
fn a_named_policy_is_used() {
    let ended = super::lab::run(
        r#"{"id":"w","retry_policies":{"twice":{"max_attempts":2,"backoff":"none"}},
            "steps":[{"id":"a",@fail,"retry":"twice"}]}"#,
    )
    .failed();
    assert_eq!(ended.step("a").attempts, 2);
}
