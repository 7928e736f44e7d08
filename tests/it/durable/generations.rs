//! Runs that go on as new, and the custom status that outlives their generations.

use super::{on_each_engine, output, wait_for_waiting, wait_until};
use jackfield::{CancelMode, EventKind, RunOptions, RunStatus, Value, json};
use jackfield_tests::Bench;
use std::time::Duration;

fn again(input: Value) -> Value {
    json!({ "id": "again", "type": "continue_as_new", "input": input })
}

/// Counts up to `input.to`, a generation for each number.
fn counter(id: &str) -> Value {
    json!({ "id": id, "steps": [
        { "id": "note", "plugin": "echo", "method": "echo", "parameters": { "n": "${input.n}" }, "status": { "n": "${input.n}" } },
        { "id": "bye", "type": "return", "when": "input.n >= input.to", "value": { "last": "${input.n}" } },
        again(json!({ "n": "${input.n + 1}", "to": "${input.to}" }))
    ] })
}

#[test]
fn five_generations_are_one_run_with_the_output_of_the_last() {
    on_each_engine(|bench| {
        let run = bench.start_with(counter("w"), json!({ "n": 1, "to": 5 }), RunOptions::id("one"));
        let handle = run.run.clone();
        let finished = run.finish().completed();
        assert_eq!(finished.output(), &json!({ "last": 5 }));
        assert_eq!(handle.generation(), 5);
        // the history is that of the last generation alone, the status counts over all
        assert_eq!(finished.events[0].event, EventKind::RunStarted);
        assert_eq!(finished.order_of(EventKind::RunStarted).len(), 1);
        assert_eq!(finished.report.custom_status, Some(json!({ "n": 5 }).into()));
        assert_eq!(handle.custom_status().version, 5);
        assert_eq!(bench.host().list(&jackfield::RunFilter::default()).len(), 1);
        assert_eq!(bench.host().get("one").expect("it is kept").status(), RunStatus::Completed);
    });
}

#[test]
fn former_generations_are_read_back_and_the_oldest_are_forgotten() {
    let bench = Bench::with(&["echo"], |builder| builder.engine(jackfield::Engine::durable()));
    let run = bench.start_with(counter("w"), json!({ "n": 1, "to": 13 }), RunOptions::id("one"));
    assert_eq!(output(run), json!({ "last": 13 }));
    let host = bench.host();
    let number = |generation| {
        let run = host.generation("one", generation).map_err(|error| error.to_string())?;
        let records = run.wait_records(0, Duration::ZERO);
        let status = records.iter().find(|record| record.event == EventKind::StatusSet).expect("it was set");
        assert_eq!(run.report(0).generation, generation);
        Ok::<_, String>(status.value.clone().expect("it has one").value()["n"].clone())
    };
    assert_eq!(number(3), Ok(json!(3)));
    assert_eq!((number(12), number(13)), (Ok(json!(12)), Ok(json!(13))));
    let missing = "run `one` has no generation 2 that is kept; its newest is 13".to_owned();
    assert_eq!(number(2), Err(missing));
    host.delete("one").expect("it has ended");
    assert!(host.generation("one", 12).is_err());
}

#[test]
fn a_thousand_generations_without_anything_to_wait_for_hold_up_nobody() {
    on_each_engine(|bench| {
        let steps = json!([
            { "id": "bye", "type": "return", "when": "input >= 1000", "value": "${input}" },
            again(json!("${input + 1}"))
        ]);
        let run = bench.start(json!({ "id": "w", "steps": steps }), json!(1));
        assert_eq!(output(run), json!(1000));
    });
}

#[test]
fn what_was_sent_and_not_taken_goes_on_with_the_run() {
    on_each_engine(|bench| {
        let bot = json!({ "id": "bot", "steps": [
            { "id": "msg", "type": "receive", "queue": "inbox" },
            { "id": "bye", "type": "return", "when": "steps.msg.output == 'bye'", "value": "${input}" },
            { "id": "news", "type": "wait_for_event", "event": "news", "filter": "event.data.of == steps.msg.output" },
            again(json!(["${input}", "${steps.msg.output}", "${steps.news.output.n}"]))
        ] });
        let run = bench.start(bot, json!("start"));
        for n in [2, 1] {
            run.run.signal("news", json!({ "of": format!("m{n}"), "n": n })).expect("it is open");
        }
        for message in ["m1", "m2", "bye"] {
            run.run.send("inbox", json!(message)).expect("it is open");
        }
        assert_eq!(output(run), json!([["start", "m1", 1], "m2", 2]));
    });
}

#[test]
fn what_is_sent_between_two_generations_is_not_lost() {
    on_each_engine(|bench| {
        let steps = json!([
            { "id": "msg", "type": "receive", "queue": "inbox" },
            { "id": "bye", "type": "return", "when": "size(input) == 300", "value": "${input}" },
            again(json!("${input + [steps.msg.output]}"))
        ]);
        let run = bench.start(json!({ "id": "w", "steps": steps }), json!([]));
        for n in 0..=300 {
            run.run.send("inbox", json!(n)).expect("it is open");
        }
        assert_eq!(output(run), json!((0..300).collect::<Vec<_>>()));
    });
}

#[test]
fn a_parent_gets_the_output_of_the_last_generation_of_its_child() {
    on_each_engine(|bench| {
        bench.host().register(&bench.check(counter("count"))).expect("it is new");
        let step =
            json!({ "id": "c", "type": "workflow", "workflow": "count", "input": { "n": 1, "to": 4 } });
        let finished = bench.run(json!({ "id": "parent", "steps": [step] }), json!({})).completed();
        assert_eq!(finished.output(), &json!({ "last": 4 }));
    });
}

#[test]
fn a_run_stays_on_its_version_until_it_asks_for_another() {
    on_each_engine(|bench| {
        let version = |version: &str, range: Value| {
            let mut next = again(json!(2));
            if !range.is_null() {
                next["version"] = range;
            }
            let steps = json!([
                { "id": "hold", "type": "wait_for_event", "event": "go", "when": "input == 1" },
                { "id": "bye", "type": "return", "when": "input == 2", "value": "${workflow.version}" }, next
            ]);
            json!({ "id": "w", "version": version, "steps": steps })
        };
        let register = |document: Value| bench.host().register(&bench.check(document)).expect("it is new");
        register(version("2.0.0", json!(null)));
        for (range, ends_on) in [(json!(null), "1.0.0"), (json!("*"), "2.0.0"), (json!("^2"), "2.0.0")] {
            let run = bench.start(version("1.0.0", range), json!(1));
            wait_for_waiting(&run, "hold");
            run.run.signal("go", json!(null)).expect("it is open");
            assert_eq!(output(run), ends_on);
        }
        let run = bench.start(version("1.0.0", json!("^7")), json!(1));
        run.run.signal("go", json!(null)).expect("it is open");
        let finished = run.finish();
        assert_eq!((&*finished.error().kind, &*finished.error().step), ("workflow.not_found", "again"));
    });
}

#[test]
fn an_input_that_does_not_fit_fails_the_step_and_can_be_caught() {
    on_each_engine(|bench| {
        let schema = json!({ "type": "object", "properties": { "n": { "type": "integer", "default": 3 } } });
        let mut step = again(json!("no object"));
        step["catch"] = json!([{ "errors": ["validation"], "output": "kept" }]);
        let caught = bench.run(json!({ "id": "w", "input_schema": schema, "steps": [step] }), json!({}));
        assert_eq!(caught.completed().output(), "kept");
        // defaults are filled in for the next generation, too
        let steps = json!([{ "id": "bye", "type": "return", "when": "has(input.end)", "value": "${input.n}" }, again(json!({ "end": true }))]);
        let run = bench.start(json!({ "id": "v", "input_schema": schema, "steps": steps }), json!({}));
        assert_eq!(output(run), json!(3));
    });
}

#[test]
fn what_runs_beside_is_cancelled_and_nothing_is_undone_or_cleaned_up() {
    on_each_engine(|bench| {
        let undo = json!({ "plugin": "echo", "method": "noop" });
        let document = json!({ "id": "w", "mode": "parallel", "steps": [
            { "id": "done", "plugin": "echo", "method": "noop", "compensate": undo, "when": "input == 1" },
            { "id": "beside", "type": "wait", "duration": "1h", "when": "input == 1" },
            { "id": "again", "type": "continue_as_new", "input": 2, "dependencies": ["done"], "when": "input == 1" }
        ], "finally": [{ "id": "tidy", "type": "emit", "queue": "tidied", "to": "listener", "data": "${input}" }] });
        let take = json!({ "id": "take", "type": "receive", "queue": "tidied" });
        let listener =
            bench.start_with(json!({ "id": "l", "steps": [take] }), json!({}), RunOptions::id("listener"));
        let run = bench.start(document, json!(1));
        let mut records = run.run.records();
        let finished = run.finish().completed();
        assert!(finished.report.duration_ms < 60_000.0);
        // only the end of the run itself is one that `finally` belongs to
        assert_eq!(output(listener), json!(2));
        let mut seen = Vec::new();
        assert!(read(&mut records, &mut seen));
        assert!(!seen.contains(&(EventKind::StepCompensated, "done".to_owned())));
    });
}

/// Reads what there is; whether the stream has ended.
fn read(records: &mut jackfield::Records, seen: &mut Vec<(EventKind, String)>) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        let next = std::pin::pin!(records.next());
        match next.poll(&mut context) {
            std::task::Poll::Ready(Some(event)) => {
                seen.push((event.event, event.step.as_deref().unwrap_or_default().to_owned()));
            }
            std::task::Poll::Ready(None) => return true,
            std::task::Poll::Pending => return false,
        }
    }
}

#[test]
fn a_stream_of_records_goes_on_with_the_next_generation() {
    on_each_engine(|bench| {
        let hold = json!({ "id": "hold", "type": "wait_for_event", "event": "go" });
        let bye = json!({ "id": "bye", "type": "return", "when": "input == 2", "value": null });
        let run = bench.start(json!({ "id": "w", "steps": [hold, bye, again(json!(2))] }), json!(1));
        wait_for_waiting(&run, "hold");
        let mut records = run.run.records();
        let mut seen = Vec::new();
        assert!(!read(&mut records, &mut seen));
        run.run.signal("go", json!(null)).expect("it is open");
        wait_until(|| run.run.generation() == 2);
        wait_for_waiting(&run, "hold");
        run.run.signal("go", json!(null)).expect("it is open");
        drop(run.finish().completed());
        assert!(read(&mut records, &mut seen));
        let of_run: Vec<_> = seen.iter().filter(|(_, step)| step.is_empty()).map(|(kind, _)| *kind).collect();
        assert_eq!(of_run.iter().filter(|kind| **kind == EventKind::RunStarted).count(), 2);
        assert!(of_run.contains(&EventKind::RunContinued));
        assert_eq!(of_run.last(), Some(&EventKind::RunCompleted));
    });
}

#[test]
fn a_cancel_reaches_whichever_generation_is_there() {
    on_each_engine(|bench| {
        let endless = json!({ "id": "w", "steps": [{ "id": "tick", "type": "wait", "duration": 1 }, again(json!("${input + 1}"))] });
        let run = bench.start(endless, json!(1));
        wait_until(|| run.run.generation() > 3);
        run.run.cancel(CancelMode::Graceful, "enough");
        let finished = run.finish();
        assert_eq!((finished.status(), &*finished.error().message), (RunStatus::Cancelled, "enough"));
    });
}

fn setting(values: &[Value]) -> Value {
    let step = |(n, value): (usize, &Value)| json!({ "id": format!("s{n}"), "type": "set", "variables": { "x": 1 }, "status": value });
    json!({ "id": "w", "steps": values.iter().enumerate().map(step).collect::<Vec<_>>() })
}

#[test]
fn the_custom_status_counts_how_often_it_was_set_and_the_last_one_wins() {
    on_each_engine(|bench| {
        let run = bench.start(setting(&[json!("a"), json!({ "b": 1 })]), json!({})).run;
        drop(run.wait(Some(super::PATIENCE)).expect("it ends"));
        let status = run.custom_status();
        assert_eq!((status.version, status.value.value()), (2, &json!({ "b": 1 })));
        // nothing more is to come
        assert_eq!(run.wait_status(2, super::PATIENCE), None);
        assert_eq!(run.wait_status(1, super::PATIENCE), Some(status));
    });
}

#[test]
fn whoever_waits_for_the_status_wakes_up_when_it_is_set_or_time_is_up() {
    on_each_engine(|bench| {
        let hold = json!({ "id": "hold", "type": "wait_for_event", "event": "go", "status": "waiting" });
        let next = json!({ "id": "next", "type": "wait_for_event", "event": "go", "status": "gone on" });
        let run = bench.start(json!({ "id": "w", "steps": [hold, next] }), json!({}));
        let first = run.run.wait_status(0, super::PATIENCE).expect("it is set at the start");
        assert_eq!((first.version, first.value.value()), (1, &json!("waiting")));
        assert_eq!(run.run.wait_status(1, Duration::from_millis(20)), None);
        let waiter = {
            let run = run.run.clone();
            std::thread::spawn(move || run.wait_status(1, super::PATIENCE))
        };
        run.run.signal("go", json!(null)).expect("it is open");
        let second = waiter.join().expect("it returns").expect("it is set");
        assert_eq!((second.version, second.value.value()), (2, &json!("gone on")));
        run.run.cancel(CancelMode::Kill, "done");
    });
}

#[test]
fn a_status_of_more_than_256_kib_fails_its_step() {
    on_each_engine(|bench| {
        let fits = |len: usize| {
            let run = bench.run(setting(&[json!("${input}")]), json!("x".repeat(len)));
            (run.status(), run.report.error.map(|error| error.kind.to_string()))
        };
        assert_eq!(fits(256 * 1024 - 2), (RunStatus::Completed, None));
        assert_eq!(fits(256 * 1024 - 1), (RunStatus::Failed, Some("payload.too_large".to_owned())));
    });
}
