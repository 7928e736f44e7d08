//! Events and queues: what is sent before its taker comes is kept, and goes to whom it is meant for, once, in order.

use super::{on_each_engine, on_each_engine_with, output, step_of, wait_for_waiting, wait_until};
use jackfield::{CancelMode, Config, EventKind, RunOptions, RunStatus, StepStatus, Value, json};
use jackfield_tests::Bench;
use std::time::Duration;

fn document(mode: &str, steps: Value) -> Value {
    json!({ "id": "w", "mode": mode, "steps": steps })
}

fn wait(id: &str) -> Value {
    json!({ "id": id, "type": "wait_for_event", "event": "go" })
}

#[test]
fn an_event_after_its_wait_is_delivered_once_with_its_data() {
    on_each_engine(|bench| {
        let steps = json!([wait("a"), { "id": "b", "type": "wait_for_event", "event": "go", "timeout": "30ms", "critical": false }]);
        let run = bench.start(document("sequential", steps), json!({}));
        wait_for_waiting(&run, "a");
        assert_eq!(run.status(), RunStatus::Waiting);
        run.run.signal("other", json!("not this")).unwrap();
        run.run.signal("go", json!({ "n": 1 })).unwrap();
        let finished = run.finish().completed();
        assert_eq!(finished.step_output("a"), json!({ "n": 1 }));
        assert_eq!(&*finished.step_error("b").kind, "timeout");
    });
}

#[test]
fn an_event_before_its_wait_is_kept_for_the_first_wait_of_its_name() {
    on_each_engine(|bench| {
        let steps = json!([wait("hold"), { "id": "a", "type": "wait_for_event", "event": "early" },
            { "id": "b", "type": "wait_for_event", "event": "early" }]);
        let steps =
            json!({ "id": "w", "steps": steps, "output": ["${steps.a.output}", "${steps.b.output}"] });
        let run = bench.start(steps, json!({}));
        for n in 1..=2 {
            run.run.signal("early", json!(n)).unwrap();
        }
        run.run.signal("go", json!(null)).unwrap();
        assert_eq!(output(run), json!([1, 2]));
    });
}

#[test]
fn of_two_waits_the_first_takes_the_first_event_and_equal_events_are_two() {
    on_each_engine(|bench| {
        let run = bench.start(document("parallel", json!([wait("a"), wait("b")])), json!({}));
        wait_for_waiting(&run, "b");
        run.run.signal("go", json!("same")).unwrap();
        wait_until(|| step_of(&run.run, "a") == StepStatus::Completed);
        assert_eq!(step_of(&run.run, "b"), StepStatus::Waiting);
        run.run.signal("go", json!("same")).unwrap();
        assert_eq!(output(run), json!({ "a": "same", "b": "same" }));
    });
}

#[test]
fn an_event_that_no_filter_takes_stays_for_one_that_does() {
    on_each_engine(|bench| {
        let filtered = |id: &str, n: u32| json!({ "id": id, "type": "wait_for_event", "event": "go", "filter": format!("event.data.n == {n}") });
        let run =
            bench.start(document("parallel", json!([filtered("two", 2), filtered("three", 3)])), json!({}));
        wait_for_waiting(&run, "three");
        for n in [1, 3, 2] {
            run.run.signal("go", json!({ "n": n })).unwrap();
        }
        assert_eq!(output(run), json!({ "two": { "n": 2 }, "three": { "n": 3 } }));

        // the first one that fits, not the first one
        let steps = json!([wait("hold"), filtered("two", 2), { "id": "rest", "type": "wait_for_event", "event": "go" }]);
        let hold = json!({ "id": "w", "steps": steps, "output": ["${steps.two.output.n}", "${steps.rest.output.n}"] });
        let run = bench.start(hold, json!({}));
        for n in [0, 1, 2] {
            run.run.signal("go", json!({ "n": n })).unwrap();
        }
        assert_eq!(output(run), json!([2, 1]));
    });
}

#[test]
fn a_filter_that_cannot_be_evaluated_fails_its_step_and_leaves_the_event() {
    on_each_engine(|bench| {
        let steps = json!([
            { "id": "bad", "type": "wait_for_event", "event": "go", "filter": "event.data.missing == 1", "critical": false },
            wait("good")
        ]);
        let run = bench.start(document("parallel", steps), json!({}));
        wait_for_waiting(&run, "good");
        run.run.signal("go", json!({ "n": 1 })).unwrap();
        let finished = run.finish().completed();
        let error = finished.step_error("bad");
        assert_eq!(&*error.kind, "expression");
        assert!(error.message.contains("`filter`"), "{}", error.message);
        assert_eq!(finished.step_output("good"), json!({ "n": 1 }));
    });
}

#[test]
fn a_wait_that_was_cancelled_or_timed_out_does_not_eat_the_next_event() {
    on_each_engine(|bench| {
        let race = json!({ "id": "r", "type": "race", "steps": [wait("loser"), { "id": "clock", "type": "wait", "duration": "10ms" }] });
        let late = json!({ "id": "late", "type": "wait_for_event", "event": "go", "timeout": "10ms", "critical": false });
        let run = bench.start(document("sequential", json!([race, late, wait("next")])), json!({}));
        wait_for_waiting(&run, "next");
        run.run.signal("go", json!(7)).unwrap();
        let finished = run.finish().completed();
        assert_eq!(finished.step_status("loser"), StepStatus::Cancelled);
        assert_eq!(finished.step_output("next"), json!(7));
    });
}

#[test]
fn a_wait_that_timed_out_is_retried_and_takes_what_came_meanwhile() {
    on_each_engine(|bench| {
        let step = json!({ "id": "a", "type": "wait_for_event", "event": "go", "timeout": "20ms",
            "retry": { "max_attempts": 1000, "delay": "20ms", "backoff": "fixed" } });
        let run = bench.start(document("sequential", json!([step])), json!({}));
        run.wait_for(|event| event.event == EventKind::AttemptFailed);
        run.run.signal("go", json!("late")).unwrap();
        let finished = run.finish().completed();
        assert_eq!(finished.output(), "late");
        assert!(finished.step("a").attempts >= 2);
    });
}

#[test]
fn whoever_sends_to_an_unknown_or_ended_run_is_told() {
    on_each_engine(|bench| {
        let run =
            bench.start_with(document("sequential", json!([wait("a")])), json!({}), RunOptions::id("known"));
        let host = bench.host();
        let unknown = [host.signal("nobody", "go", json!(1)), host.send("nobody", "q", json!(1))];
        assert!(unknown.into_iter().all(|told| told.unwrap_err().to_string() == "no run `nobody`"));
        host.signal("known", "go", json!(1)).unwrap();
        assert_eq!(output(run), json!(1));
        let ended = [host.signal("known", "go", json!(1)), host.send("known", "q", json!(1))];
        let text = "run `known` has ended and is completed";
        assert!(ended.into_iter().all(|told| told.unwrap_err().to_string() == text));
    });
}

#[test]
fn a_name_that_is_empty_or_too_long_is_refused() {
    on_each_engine(|bench| {
        let run = bench.start(document("sequential", json!([wait("a")])), json!({}));
        for name in ["", &"x".repeat(257)] {
            let told = run.run.signal(name, json!(1)).unwrap_err().to_string();
            assert!(told.contains("1 to 256 bytes"), "{told}");
        }
        run.run.cancel(CancelMode::Kill, "done");
    });
}

#[test]
fn messages_before_their_receive_are_kept_first_in_first_out_and_queues_do_not_mix() {
    on_each_engine(|bench| {
        let receive = |id: &str, queue: &str| json!({ "id": id, "type": "receive", "queue": queue });
        let steps = json!([wait("hold"), receive("a", "left"), receive("b", "right"), receive("c", "left")]);
        let outputs = json!(["${steps.a.output}", "${steps.b.output}", "${steps.c.output}"]);
        let run = bench.start(json!({ "id": "w", "steps": steps, "output": outputs }), json!({}));
        for (queue, message) in [("left", 1), ("left", 2), ("right", 3)] {
            run.run.send(queue, json!(message)).unwrap();
        }
        // an event of the same name is something else
        run.run.signal("left", json!("event")).unwrap();
        run.run.signal("go", json!(null)).unwrap();
        assert_eq!(output(run), json!([1, 3, 2]));
    });
}

#[test]
fn several_messages_are_taken_at_once_at_least_one_at_most_so_many() {
    on_each_engine(|bench| {
        let take = |id: &str| json!({ "id": id, "type": "receive", "queue": "q", "max_messages": 3 });
        let steps = json!([wait("hold"), take("a"), take("b"), take("c")]);
        let outputs = json!(["${steps.a.output}", "${steps.b.output}", "${steps.c.output}"]);
        let run = bench.start(json!({ "id": "w", "steps": steps, "output": outputs }), json!({}));
        for n in 1..=4 {
            run.run.send("q", json!(n)).unwrap();
        }
        run.run.signal("go", json!(null)).unwrap();
        wait_for_waiting(&run, "c");
        run.run.send("q", json!(5)).unwrap();
        assert_eq!(output(run), json!([[1, 2, 3], [4], [5]]));
    });
}

#[test]
fn a_receive_that_was_beaten_by_a_timer_leaves_the_message_to_the_next() {
    on_each_engine(|bench| {
        let receive = |id: &str| json!({ "id": id, "type": "receive", "queue": "q" });
        let race = json!({ "id": "r", "type": "race", "steps": [{ "id": "clock", "type": "wait", "duration": 1 }, receive("first")] });
        let run = bench.start(document("sequential", json!([race, receive("second")])), json!({}));
        wait_for_waiting(&run, "second");
        run.run.send("q", json!("kept")).unwrap();
        assert_eq!(output(run), json!("kept"));
    });
}

#[test]
fn a_run_that_holds_too_much_refuses_the_sender_and_loses_nothing() {
    let small = |builder: jackfield::HostBuilder| {
        let mut config = Config::default();
        config.engine.unread_max = Some(3);
        builder.config(config)
    };
    on_each_engine_with(small, |bench| {
        let take = json!({ "id": "a", "type": "receive", "queue": "q", "max_messages": 10 });
        let run = bench.start_with(
            document("sequential", json!([wait("hold"), take])),
            json!({}),
            RunOptions::id("full"),
        );
        for n in 1..=3 {
            run.run.send("q", json!(n)).unwrap();
        }
        for told in [run.run.send("q", json!(4)), run.run.signal("x", json!(4))] {
            let told = told.unwrap_err().to_string();
            assert!(told.contains("run `full` holds 3 events and messages"), "{told}");
        }
        let other =
            json!({ "id": "v", "steps": [{ "id": "e", "type": "emit", "queue": "q", "to": "full" }] });
        assert_eq!(&*bench.run(other, json!({})).error().kind, "run.inbox_full");
        run.run.cancel(CancelMode::Kill, "seen enough");
        drop(run.finish());
    });
}

#[test]
fn a_paused_run_keeps_what_is_sent_until_it_goes_on() {
    on_each_engine(|bench| {
        let run = bench.start(document("parallel", json!([wait("a"), wait("b")])), json!({}));
        wait_for_waiting(&run, "b");
        run.run.pause("look").unwrap();
        for n in 1..=2 {
            run.run.signal("go", json!(n)).unwrap();
        }
        assert_eq!((step_of(&run.run, "a"), run.status()), (StepStatus::Waiting, RunStatus::Paused));
        run.run.resume().unwrap();
        assert_eq!(output(run), json!({ "a": 1, "b": 2 }));
    });
}

#[test]
fn emitting_reaches_the_run_that_is_named_and_fails_if_there_is_none() {
    on_each_engine(|bench| {
        let target =
            bench.start_with(document("sequential", json!([wait("a")])), json!({}), RunOptions::id("target"));
        let emit = |to: &str| {
            let emit = json!({ "id": "e", "type": "emit", "event": "go", "to": "${input.to}", "data": { "from": "${workflow.run_id}" } });
            bench.run_as("sender", emit, json!({ "to": to }))
        };
        assert_eq!(emit("target").completed().output(), &Value::Null);
        assert_eq!(output(target), json!({ "from": "sender" }));
        let ended = emit("target");
        assert_eq!(
            (&*ended.error().kind, &*ended.error().message),
            ("run.ended", "run `target` has ended and is completed")
        );
        let unknown = emit("nobody");
        assert_eq!((&*unknown.error().kind, &*unknown.error().message), ("run.not_found", "no run `nobody`"));
        assert_eq!(unknown.step_error("e").step, "e".into());
        let wrong = bench.run(
            json!({ "id": "v", "steps": [{ "id": "e", "type": "emit", "event": "go", "to": "${input}" }] }),
            json!({}),
        );
        assert_eq!(&*wrong.error().kind, "expression");
    });
}

#[test]
fn a_broadcast_reaches_every_open_run_that_waits_for_it_and_no_other() {
    on_each_engine(|bench| {
        let listener = document(
            "sequential",
            json!([wait("hold"), { "id": "a", "type": "wait_for_event", "event": "news" }]),
        );
        let runs: Vec<_> = (0..3).map(|_| bench.start(listener.clone(), json!({}))).collect();
        let deaf = bench.start(document("sequential", json!([wait("a")])), json!({}));
        let emit =
            json!({ "id": "v", "steps": [{ "id": "e", "type": "emit", "event": "news", "data": "extra" }] });
        let sent = bench.run(emit, json!({})).completed();
        assert!(sent.order_of(EventKind::EventReceived).is_empty());
        for run in &runs {
            run.run.signal("go", json!(null)).unwrap();
        }
        assert!(runs.into_iter().all(|run| output(run) == "extra"));
        deaf.run.signal("go", json!(null)).unwrap();
        assert!(
            deaf.finish()
                .events
                .iter()
                .all(|event| event.value != Some(json!({ "event": "news", "data": "extra" }).into()))
        );
    });
}

#[test]
fn two_runs_that_keep_writing_to_each_other_hold_up_nobody() {
    on_each_engine(|bench| {
        let player = json!({ "id": "w", "variables": { "n": 0 }, "steps": [
            { "id": "r", "type": "repeat", "until": "iteration == 500", "steps": [
                { "id": "take", "type": "receive", "queue": "ball" },
                { "id": "hit", "type": "emit", "queue": "ball", "to": "${input}", "data": "${steps.take.output + 1}", "critical": false }
            ], "output": "${steps.take.output}" }
        ] });
        let one = bench.start_with(player.clone(), json!("two"), RunOptions::id("one"));
        let two = bench.start_with(player, json!("one"), RunOptions::id("two"));
        one.run.send("ball", json!(1)).unwrap();
        assert_eq!((output(one), output(two)), (json!(999), json!(1000)));
    });
}

#[test]
fn every_event_of_a_fan_of_waits_finds_its_own() {
    on_each_engine(|bench| {
        let steps = json!([{ "id": "each", "type": "foreach", "items": "lists.range(200)", "max_concurrency": 0, "steps": [
            { "id": "a", "type": "wait_for_event", "event": "go", "filter": "event.data == item" }
        ] }]);
        let run = bench.start(document("sequential", steps), json!({}));
        for n in (0..200).rev() {
            run.run.signal("go", json!(n)).unwrap();
        }
        assert_eq!(output(run), json!((0..200).collect::<Vec<_>>()));
    });
}

#[test]
fn a_wait_for_an_event_that_never_comes_ends_with_the_run() {
    on_each_engine(|bench| {
        let mut document = document("sequential", json!([wait("a")]));
        document["timeout"] = json!("30ms");
        let finished = bench.run(document, json!({}));
        assert_eq!((finished.status(), &*finished.error().kind), (RunStatus::Failed, "timeout"));
        assert_eq!(finished.step_status("a"), StepStatus::Cancelled);
        assert!(finished.report.duration_ms < Duration::from_secs(30).as_secs_f64() * 1e3);
    });
}

trait RunAs {
    fn run_as(&self, id: &str, step: Value, input: Value) -> jackfield_tests::Finished;
}

impl RunAs for Bench {
    /// Runs one step under this id, which is free again afterwards.
    fn run_as(&self, id: &str, step: Value, input: Value) -> jackfield_tests::Finished {
        let document = json!({ "id": "s", "steps": [step] });
        let finished = self.start_with(document, input, RunOptions::id(id)).finish();
        self.host().delete(id).expect("it has ended");
        finished
    }
}
