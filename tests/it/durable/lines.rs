//! Runs that share a key wait for each other.

use super::{on_each_engine, on_each_engine_with, output, wait_until};
use jackfield::{CancelMode, Config, Run, RunOptions, RunStatus, Value, json};
use jackfield_tests::{Bench, Started};

/// A run that lasts until it gets a message, one at a time for each value of `input.key`.
fn held(concurrency: Value) -> Value {
    let hold = json!({ "id": "hold", "type": "receive", "queue": "go" });
    let mut document = json!({ "id": "w", "steps": [hold], "output": "${steps.hold.output}", "concurrency": { "key": "input.key" } });
    for (name, value) in concurrency.as_object().expect("it is an object") {
        match name.as_str() {
            "priority" => document["priority"] = value.clone(),
            _ => document["concurrency"][name] = value.clone(),
        }
    }
    document
}

fn start(bench: &Bench, concurrency: Value, key: &str, id: &str) -> Started {
    bench.start_with(held(concurrency), json!({ "key": key }), RunOptions::id(id))
}

fn go(run: &Run) {
    run.send("go", json!("gone")).expect("it is open");
}

#[test]
fn runs_with_the_same_key_take_turns_and_others_do_not_wait() {
    on_each_engine(|bench| {
        let [a, b, other] =
            [("k", "a"), ("k", "b"), ("other", "c")].map(|(key, id)| start(bench, json!({}), key, id));
        assert_eq!([&a, &b, &other].map(|run| run.run.status() == RunStatus::Queued), [false, true, false]);
        let report = b.run.report(10);
        assert_eq!(
            report.queued_for.as_deref(),
            Some("the end of run `a` (concurrency key `k`, priority 5)")
        );
        // what is sent to a run that has not begun is there when it does
        go(&b.run);
        assert_eq!(b.run.status(), RunStatus::Queued);
        go(&a.run);
        assert_eq!(output(a), "gone");
        let b = b.finish().completed();
        assert_eq!(b.output(), "gone");
        let kinds: Vec<_> = b.events.iter().map(|event| json!(event.event)).collect();
        assert_eq!(kinds[..3], ["run_queued", "message_received", "run_started"].map(|kind| json!(kind)));
        go(&other.run);
        assert_eq!(output(other), "gone");
    });
}

#[test]
fn as_many_runs_as_the_limit_says_are_under_way() {
    on_each_engine(|bench| {
        let runs = ["a", "b", "c"].map(|id| start(bench, json!({ "limit": 2 }), "k", id));
        let queued = || runs.iter().filter(|run| run.run.status() == RunStatus::Queued).count();
        assert_eq!(queued(), 1);
        go(&runs[1].run);
        wait_until(|| queued() == 0);
        for run in [&runs[0], &runs[2]] {
            go(&run.run);
        }
        for run in runs {
            assert_eq!(output(run), "gone");
        }
    });
}

#[test]
fn a_run_too_many_is_refused_if_the_workflow_says_so() {
    on_each_engine(|bench| {
        let reject = json!({ "on_conflict": "reject" });
        let first = start(bench, reject.clone(), "k", "a");
        let workflow = bench.check(held(reject));
        let again = || bench.host().start_with(&workflow, json!({ "key": "k" }), RunOptions::id("b"));
        let refused = again().map(drop).expect_err("there is one already").to_string();
        assert_eq!(refused, "run `a` has the concurrency key `k` already; wait for its end, or cancel it");
        assert!(bench.host().get("b").is_err(), "nothing of it is left");
        go(&first.run);
        assert_eq!(output(first), "gone");
        let second = again().expect("there is room now");
        go(&second);
        assert_eq!(
            second.wait(Some(super::PATIENCE)).map(|outcome| outcome.status),
            Some(RunStatus::Completed)
        );
    });
}

#[test]
fn a_new_run_displaces_those_before_it_if_the_workflow_says_so() {
    on_each_engine(|bench| {
        let runs =
            ["a", "b", "c"].map(|id| start(bench, json!({ "on_conflict": "cancel_running" }), "k", id));
        let [a, b, c] = runs;
        for (displaced, by) in [(a, "b"), (b, "c")] {
            let ended = displaced.finish();
            let why = format!("run `{by}` takes its place (concurrency key `k`)");
            assert_eq!((ended.status(), &*ended.error().message), (RunStatus::Cancelled, &*why));
        }
        go(&c.run);
        assert_eq!(output(c), "gone");
    });
}

#[test]
fn a_queued_run_can_be_cancelled_and_nothing_of_it_runs() {
    on_each_engine(|bench| {
        let [a, b, c] = ["a", "b", "c"].map(|id| start(bench, json!({}), "k", id));
        b.run.cancel(CancelMode::Graceful, "not wanted");
        let ended = b.finish();
        assert_eq!((ended.status(), &*ended.error().message), (RunStatus::Cancelled, "not wanted"));
        assert!(ended.report.steps.is_empty(), "{:?}", ended.report.steps);
        go(&a.run);
        assert_eq!(output(a), "gone");
        go(&c.run);
        assert_eq!(output(c), "gone");
    });
}

#[test]
fn the_highest_priority_is_next_and_every_eighth_place_goes_to_who_waited_longest() {
    on_each_engine(|bench| {
        let first = start(bench, json!({}), "k", "first");
        let low = start(bench, json!({ "priority": 1 }), "k", "low");
        let mut queued: Vec<_> =
            (0..9).map(|n| start(bench, json!({ "priority": 5 + n % 3 }), "k", &format!("r{n}"))).collect();
        queued.push(low);
        go(&first.run);
        let mut order = Vec::new();
        while !queued.is_empty() {
            let begun = |run: &Started| run.run.status() != RunStatus::Queued;
            wait_until(|| queued.iter().any(begun));
            let run = queued.remove(queued.iter().position(begun).expect("there is one"));
            order.push(run.run.id().to_owned());
            go(&run.run);
            assert_eq!(output(run), "gone");
        }
        assert_eq!(order, ["r2", "r5", "r8", "r1", "r4", "r7", "r0", "low", "r3", "r6"]);
        assert_eq!(output(first), "gone");
    });
}

#[test]
fn a_key_that_cannot_be_had_is_an_error_at_the_start() {
    on_each_engine(|bench| {
        let start = |key: &str, input: Value| {
            let mut document = held(json!({}));
            document["concurrency"]["key"] = key.into();
            let started = bench.host().start(&bench.check(document), input);
            started.map(drop).expect_err("there is no key").to_string()
        };
        let missing = start("input.nobody", json!({}));
        assert!(missing.contains("workflow `w`: concurrency.key") || missing.contains("nobody"), "{missing}");
        let list = start("input.key", json!({ "key": [1] }));
        assert!(list.contains("expected a text, a number or a bool of at most 256 bytes"), "{list}");
    });
}

#[test]
fn a_chain_of_generations_keeps_its_place() {
    on_each_engine(|bench| {
        let chain = json!({ "id": "w", "concurrency": { "key": "'k'" }, "steps": [
            { "id": "bye", "type": "return", "when": "input == 5", "value": "${input}" },
            { "id": "nap", "type": "wait", "duration": 1 },
            { "id": "again", "type": "continue_as_new", "input": "${input + 1}" }
        ] });
        let runs = [1, 4].map(|n| bench.start(chain.clone(), json!(n)));
        assert_eq!(runs[1].run.status(), RunStatus::Queued);
        let [first, second] = runs.map(Started::finish);
        assert_eq!((first.output(), second.output()), (&json!(5), &json!(5)));
    });
}

#[test]
fn no_more_runs_than_the_configuration_says_are_under_way() {
    let limited = |builder: jackfield::HostBuilder| {
        let mut config = Config::default();
        config.engine.runs_under_way_max = Some(1);
        builder.config(config)
    };
    on_each_engine_with(limited, |bench| {
        let sleep = json!({ "id": "s", "plugin": "echo", "method": "sleep", "parameters": { "ms": 60_000 } });
        let busy =
            bench.start_with(json!({ "id": "busy", "steps": [sleep] }), json!({}), RunOptions::id("busy"));
        let other = start(bench, json!({}), "k", "other");
        assert_eq!(other.run.status(), RunStatus::Queued);
        let why = "a place among the runs under way, which are 1 at a time (priority 5)";
        assert_eq!(other.run.report(9).queued_for.as_deref(), Some(why));
        busy.run.cancel(CancelMode::Kill, "to make room");
        go(&other.run);
        assert_eq!(output(other), "gone");
    });
}
