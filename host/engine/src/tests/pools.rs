//! Calls that need a place in a pool of the host.

use super::durable::impatient;
use super::lab::{Lab, PATIENCE};
use super::memory_store::MemoryStore;
use super::stopping::wait_until;
use crate::{Config, RunHandle};
use jackfield_core::run::{CancelMode, RunReport, RunStatus, StepStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn with_pool(limit: u32) -> Config {
    Config { pools: [("gpu".into(), limit)].into(), ..Config::default() }
}

/// With a journal and without.
fn each(config: &Config, test: impl Fn(&Lab)) {
    let labs = [Lab::with(config.clone()), Lab::durable(config.clone(), &Arc::default())];
    for lab in &labs {
        test(lab);
        lab.kit.open_gate();
        assert!(lab.engine.wait_all(PATIENCE));
        wait_until(|| lab.engine.inner.doors.lock().is_at_rest());
    }
}

fn call(method: &str, more: &str) -> String {
    format!(r#"{{"id":"w","steps":[{{"id":"a",@{method},"pool":"gpu"{more}}}]}}"#)
}

/// What a run came to. Others may be under way, so nothing is read back yet.
fn done(run: &RunHandle, status: RunStatus) -> RunReport {
    assert_eq!(run.wait(Some(PATIENCE)), Some(status), "{:#?}", run.report(100));
    run.report(100)
}

fn completed(run: &RunHandle) -> RunReport {
    done(run, RunStatus::Completed)
}

fn reason(run: &RunHandle, step: &str) -> Option<String> {
    let report = run.report(100);
    let step = &report.steps[step];
    step.reason.clone().filter(|_| step.status == StepStatus::Waiting)
}

fn waits(run: &RunHandle, step: &str) -> bool {
    reason(run, step).is_some()
}

#[test]
fn a_pool_limits_attempts_over_all_runs_and_who_waits_says_so() {
    each(&with_pool(2), |lab| {
        let runs: Vec<_> = (0..4).map(|_| lab.start(&call("gate", ""), "null")).collect();
        wait_until(|| lab.kit.running() == 2);
        let others = || runs.iter().filter(|run| run.status() == RunStatus::Waiting).collect::<Vec<_>>();
        wait_until(|| others().len() == 2);
        let others = others();
        for run in &others {
            assert_eq!(reason(run, "a").as_deref(), Some("waits for a place in pool `gpu` (limit 2)"));
        }
        lab.kit.open_gate();
        for run in &runs {
            completed(run);
        }
        assert_eq!(lab.kit.peak(), 2);
    });
}

#[test]
fn bodies_of_a_foreach_retries_and_undos_need_their_places_too() {
    for method in ["fail", "fail_blocking", "fail_later"] {
        each(&with_pool(1), |lab| {
            let document = format!(
                r#"{{"id":"w","mode":"parallel","defaults":{{"pool":"gpu"}},"steps":[
                {{"id":"f","type":"foreach","items":"[1,2,3,4,5]","max_concurrency":0,"steps":[
                    {{"id":"x",@{method},"parameters":{{"good":2,"ms":2}},"retry":{{"max_attempts":3,"delay":1}},
                      "compensate":{{@sleep,"parameters":{{"ms":2}}}}}}]}},
                {{"id":"g","type":"group","dependencies":["f"],"steps":[{{"id":"end","type":"fail","error":{{"type":"t","message":"m"}}}}]}}]}}"#
            );
            let runs: Vec<_> = (0..3).map(|_| lab.start(&document, "null")).collect();
            for run in &runs {
                let ended = done(run, RunStatus::Failed);
                assert_eq!(ended.steps["f[3].x"].status, StepStatus::Compensated);
            }
            assert_eq!(lab.kit.peak(), 1);
            assert_eq!(lab.kit.order().len(), 3 * 15);
        });
    }
}

#[test]
fn a_pool_that_this_host_does_not_have_is_waited_for_and_holds_back_nothing_else() {
    each(&with_pool(1), |lab| {
        let race = r#"{"id":"w","mode":"parallel","steps":[{"id":"r","type":"race","steps":[
            {"id":"a",@value,"pool":"tpu"},{"id":"t","type":"wait","duration":"30ms"}]},
            {"id":"b",@value,"pool":"gpu","parameters":{"value":1}}]}"#;
        let ended = completed(&lab.start(race, "null"));
        assert_eq!(ended.steps["r"].output.as_ref().unwrap().value()["winner"], "t");
        assert_eq!(lab.kit.order(), ["b"]);
        let run = lab.start(&call("value", "").replace("gpu", "tpu"), "null");
        let why = "waits for a place in pool `tpu`, which this host does not have";
        wait_until(|| reason(&run, "a").as_deref() == Some(why));
        assert_eq!(run.status(), RunStatus::Waiting);
        run.cancel(CancelMode::Graceful, "enough");
        assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Cancelled));
        let limited = lab.start(
            &call("value", r#","pool":"tpu""#)
                .replace(r#""pool":"gpu","#, "")
                .replace(r#"{"id":"w","#, r#"{"id":"w","timeout":"30ms","#),
            "null",
        );
        assert_eq!(limited.wait(Some(PATIENCE)), Some(RunStatus::Failed));
    });
}

#[test]
fn the_time_of_an_attempt_counts_from_when_it_has_got_its_place() {
    each(&with_pool(1), |lab| {
        let first = lab.start(&call("gate", ""), "null");
        wait_until(|| lab.kit.running() == 1);
        let limits = r#","timeout":"1s","retry":{"max_attempts":2,"backoff":"none","total_timeout":"1s"},"parameters":{"good":2}"#;
        let second = lab.start(&call("fail_later", limits), "null");
        wait_until(|| waits(&second, "a"));
        std::thread::sleep(Duration::from_millis(1_200));
        lab.kit.open_gate();
        let ended = completed(&second);
        assert_eq!(ended.steps["a"].attempts, 2);
        assert!(ended.steps["a"].duration_ms.unwrap() < 1_000.0, "{:?}", ended.steps["a"]);
        completed(&first);
    });
}

#[test]
fn the_priority_of_runs_decides_who_is_next() {
    each(&with_pool(1), |lab| {
        let first = lab.start(&call("gate", ""), "null");
        wait_until(|| lab.kit.running() == 1);
        let start = |id: &str, priority: u32| {
            let document =
                call("value", "").replace(r#"{"id":"w","#, &format!(r#"{{"id":"w","priority":{priority},"#));
            let request = lab.request(&document, "null");
            let run = lab.engine.start(crate::StartRequest { run_id: Some(id.into()), ..request }).unwrap();
            wait_until(|| waits(&run, "a"));
            run
        };
        let runs = [start("low", 1), start("high", 9), start("middle", 5)];
        lab.kit.open_gate();
        for run in runs.iter().chain([&first]) {
            completed(run);
        }
        let order: Vec<_> = lab.kit.all_attempts().into_iter().map(|(run, ..)| run).skip(1).collect();
        assert_eq!(order, ["high", "middle", "low"]);
    });
}

#[test]
fn a_paused_run_leaves_its_place_to_others() {
    each(&with_pool(1), |lab| {
        let first = lab.start(&call("gate", ""), "null");
        wait_until(|| lab.kit.running() == 1);
        // others that need no place do not wait for one
        assert_eq!(
            lab.start(r#"{"id":"o","steps":[{"id":"a",@value}]}"#, "null").wait(Some(PATIENCE)),
            Some(RunStatus::Completed)
        );
        let paused = lab.start(&call("value", ""), "null");
        wait_until(|| waits(&paused, "a"));
        paused.pause("later").unwrap();
        let other = lab.start(&call("value", ""), "null");
        lab.kit.open_gate();
        completed(&first);
        completed(&other);
        assert_eq!(paused.status(), RunStatus::Paused);
        assert_eq!(paused.report(10).steps["a"].reason, None);
        paused.resume().unwrap();
        completed(&paused);
    });
}

#[test]
fn a_call_that_was_told_to_stop_keeps_its_place_until_it_returns_or_is_given_up() {
    let config = Config { cancel_grace: Duration::from_millis(50), ..with_pool(1) };
    each(&config, |lab| {
        let first = lab.start(&call("gate", ""), "null");
        wait_until(|| lab.kit.running() == 1);
        let second = lab.start(&call("value", ""), "null");
        first.cancel(CancelMode::Kill, "enough");
        assert_eq!(first.wait(Some(PATIENCE)), Some(RunStatus::Cancelled));
        completed(&second);
        assert_eq!(lab.kit.abandoned(), 1, "the place became free when the call was given up");
    });
}

#[test]
fn who_waits_for_a_place_does_so_after_a_restart() {
    let store = Arc::new(MemoryStore::default());
    let first = Lab::durable(impatient(), &store);
    let run = first.start(&call("value", ""), "null");
    wait_until(|| waits(&run, "a"));
    let (id, kit) = (run.id().clone(), first.kit.clone());
    drop((run, first));
    let without = Lab::durable_with(impatient(), &store, kit.clone());
    let run = without.engine.get(&id).unwrap();
    wait_until(|| waits(&run, "a"));
    drop((run, without));
    let lab = Lab::durable_with(with_pool(1), &store, kit);
    let run = lab.engine.get(&id).unwrap();
    let ended = lab.end(&run, Instant::now()).completed();
    assert_eq!(ended.step("a").attempts, 1);
    assert_eq!(lab.kit.order(), ["a"]);
}
