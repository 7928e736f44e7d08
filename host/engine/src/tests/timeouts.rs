//! Limits of attempts, structured steps and runs.

use super::lab::{Lab, in_time, run, run_parallel, run_steps};
use jackfield_core::run::{EventKind, StepStatus};
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);

#[test]
fn an_attempt_that_does_not_return_ends_at_its_deadline_whatever_kind_it_is() {
    in_time(|| {
        for method in ["deaf", "spin", "deaf_later", "sleep", "later"] {
            let lab = Lab::new();
            let ended = lab
            .run_with(
                &format!(
                    r#"{{"id":"w","steps":[{{"id":"a",@{method},"timeout":50,"parameters":{{"ms":700}}}}]}}"#
                ),
                "null",
            )
            .failed();
            assert!(ended.took >= 50 * MS && ended.took < 200 * MS, "{method}: {:?}", ended.took);
            let error = ended.error.as_ref().unwrap();
            assert_eq!((&*error.kind, &*error.message), ("timeout", "took longer than 50ms"), "{method}");
            assert_eq!(lab.kit.abandoned(), 1, "{method}");
            let patience = Instant::now() + 5000 * MS;
            while lab.kit.returned() == 0 && Instant::now() < patience {
                std::thread::sleep(MS);
            }
            assert_eq!(lab.kit.returned(), 1, "{method} is told when the call came back");
        }
    });
}

#[test]
fn a_timeout_counts_as_a_failed_attempt_and_is_retried() {
    in_time(|| {
        for method in ["deaf", "spin", "deaf_later"] {
            let ended = run_steps(&format!(
                r#"{{"id":"a",@{method},"timeout":40,"retry":{{"max_attempts":3,"backoff":"none"}},
                "parameters":{{"ms":400}}}}"#
            ))
            .failed();
            assert_eq!(ended.step("a").attempts, 3, "{method}");
            assert_eq!(ended.steps_of(EventKind::AttemptFailed).len(), 2);
            assert!(ended.took < 380 * MS, "{method}: {:?}", ended.took);
        }
    });
}

#[test]
fn threads_lost_in_calls_are_replaced() {
    in_time(|| {
        let lab = Lab::with(crate::Config { threads: 1, blocking_threads_max: 1, ..Default::default() });
        let ended = lab
            .run_with(
                r#"{"id":"w","steps":[
                {"id":"a",@spin,"timeout":30,"critical":false,"parameters":{"ms":1500}},
                {"id":"b",@value},
                {"id":"c",@deaf,"timeout":30,"critical":false,"parameters":{"ms":1500}},
                {"id":"d",@value_blocking}]}"#,
                "null",
            )
            .completed();
        assert_eq!(ended.statuses(), "a failed, b completed, c failed, d completed");
        assert!(ended.took < 1000 * MS);
    });
}

#[test]
fn a_timeout_of_zero_is_none_and_the_default_can_be_set_for_the_document() {
    let ended = run(r#"{"id":"w","defaults":{"timeout":30},"steps":[
            {"id":"a",@sleep,"timeout":0,"parameters":{"ms":80}},
            {"id":"b",@sleep,"critical":false,"parameters":{"ms":5000}}]}"#)
    .completed();
    assert_eq!(ended.is("a"), StepStatus::Completed);
    assert_eq!(ended.error_type("b"), "timeout");
}

#[test]
fn a_structured_step_that_takes_too_long_is_stopped_retried_and_failed() {
    in_time(|| {
        let ended = run_steps(
        r#"{"id":"g","type":"group","timeout":50,"critical":false,"retry":{"max_attempts":2,"backoff":"none"},
            "steps":[{"id":"x",@value},{"id":"y",@sleep,"parameters":{"ms":5000}},{"id":"z",@value}]}"#,
    )
    .completed();
        assert_eq!((ended.error_type("g"), ended.step("g").attempts), ("timeout", 2));
        assert_eq!(ended.is("y"), StepStatus::Cancelled);
        assert_eq!(ended.is("z"), StepStatus::Cancelled);
        assert_eq!(ended.kit.stopped(), 2);
        assert!(ended.took < 400 * MS);
    });
}

#[test]
fn a_structured_step_waits_for_the_grace_of_its_body_and_no_longer() {
    in_time(|| {
        let lab = Lab::with(crate::Config { cancel_grace: 100 * MS, ..Default::default() });
        for method in ["deaf", "spin", "deaf_later"] {
            let begin = Instant::now();
            let ended = lab
                .run_with(
                    &format!(
                        r#"{{"id":"w","steps":[{{"id":"g","type":"group","timeout":50,"critical":false,
                        "steps":[{{"id":"y",@{method},"parameters":{{"ms":1000}}}}]}}]}}"#
                    ),
                    "null",
                )
                .completed();
            let took = begin.elapsed();
            assert!(took >= 150 * MS && took < 500 * MS, "{method}: {took:?}");
            assert_eq!(ended.error_type("g"), "timeout");
        }
    });
}

#[test]
fn waits_can_time_out() {
    in_time(|| {
        let ended = run_steps(
            r#"{"id":"a","type":"wait","duration":"1h","timeout":30,"critical":false,
            "retry":{"max_attempts":2,"backoff":"none"}},
           {"id":"r","type":"repeat","while":"true","delay":"1h","timeout":30,"critical":false,
            "steps":[{"id":"x",@value}]}"#,
        )
        .completed();
        assert_eq!((ended.error_type("a"), ended.step("a").attempts), ("timeout", 2));
        assert_eq!(ended.error_type("r"), "timeout");
        assert!(ended.took < 500 * MS);
    });
}

#[test]
fn a_run_that_takes_too_long_fails_as_timeout() {
    in_time(|| {
        for method in ["sleep", "later", "inline_sleep"] {
            let steps: Vec<_> =
                (0..4).map(|n| format!(r#"{{"id":"s{n}",@{method},"parameters":{{"ms":500}}}}"#)).collect();
            let ended = run(&format!(r#"{{"id":"w","timeout":50,"steps":[{}]}}"#, steps.join(","))).failed();
            assert_eq!(ended.run_error(), "timeout", "{method}");
            assert!(ended.took < 150 * MS, "{method}: {:?}", ended.took);
            assert_eq!(ended.statuses(), "s0 cancelled, s1 cancelled, s2 cancelled, s3 cancelled");
            let patience = Instant::now() + 400 * MS;
            while ended.kit.stopped() == 0 && Instant::now() < patience {
                std::thread::sleep(MS);
            }
            assert_eq!(ended.kit.stopped(), 1, "{method} was told to stop");
        }
    });
}

#[test]
fn clean_up_is_not_counted_by_the_limit_of_the_run() {
    let ended = run(r#"{"id":"w","timeout":80,"steps":[{"id":"a",@value}],
            "finally":[{"id":"f",@sleep,"parameters":{"ms":150}}]}"#)
    .completed();
    assert_eq!(ended.is("f"), StepStatus::Completed);
}

#[test]
fn time_spent_in_a_queue_is_not_time_of_an_attempt() {
    let lab = Lab::with(crate::Config {
        blocking_threads_max: 1,
        async_calls_max: 1,
        threads: 1,
        ..Default::default()
    });
    for method in ["sleep", "later", "inline_sleep"] {
        let steps: Vec<_> = (0..6)
            .map(|n| format!(r#"{{"id":"s{n}",@{method},"timeout":120,"parameters":{{"ms":40}}}}"#))
            .collect();
        let document = format!(r#"{{"id":"w","mode":"parallel","steps":[{}]}}"#, steps.join(","));
        lab.run_with(&document, "null").completed();
    }
    let ended = run_parallel(r#"{"id":"a",@value}"#).completed();
    assert_eq!(ended.completed_steps, 1);
}
