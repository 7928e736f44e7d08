//! What every run does, step by step, told by its records.

use super::{on_each_engine, on_each_engine_with, output, step_of, wait_for_waiting, wait_until};
use jackfield::{EventKind, MethodError, RunFilter, RunOptions, RunStatus, StepStatus, Value, json};
use jackfield_tests::Finished;
use std::collections::BTreeSet;
use std::time::Duration;

fn echo(id: &str, parameters: Value) -> Value {
    json!({ "id": id, "plugin": "echo", "method": "echo", "parameters": parameters })
}

fn fault(id: &str, method: &str, parameters: Value) -> Value {
    json!({ "id": id, "plugin": "fault", "method": method, "parameters": parameters })
}

fn with(mut step: Value, fields: Value) -> Value {
    for (name, value) in fields.as_object().expect("it is an object") {
        step[name] = value.clone();
    }
    step
}

fn ways(run: &Finished, path: &str) -> Vec<EventKind> {
    run.events_of(path).iter().map(|event| event.event).collect()
}

#[test]
fn one_step_and_its_output_are_the_run() {
    on_each_engine(|bench| {
        let document = json!({ "id": "w", "steps": [echo("hello", json!({ "text": "Hello, ${input.name}" }))],
            "output": "${steps.hello.output.text}" });
        let run = bench.run(document, json!({ "name": "X" })).completed();
        assert_eq!(run.output(), "Hello, X");
        assert_eq!(ways(&run, "hello"), [EventKind::StepCompleted]);
    });
}

#[test]
fn only_the_branch_that_is_taken_is_in_the_records() {
    on_each_engine(|bench| {
        let cases = json!([
            { "name": "big", "when": "steps.n.output.n > 5", "steps": [echo("many", json!({}))] },
            { "name": "small", "when": "true", "steps": [echo("few", json!({}))] },
        ]);
        let document = json!({ "id": "w", "steps": [echo("n", json!({ "n": "${input}" })),
            { "id": "which", "type": "switch", "cases": cases }] });
        for (n, taken, left) in [(6, "many", "few"), (5, "few", "many")] {
            let run = bench.run(document.clone(), json!(n)).completed();
            assert_eq!(run.step_status(taken), StepStatus::Completed);
            assert!(run.events_of(left).is_empty(), "{left}: {:#?}", run.events);
        }
    });
}

#[test]
fn a_loop_feeds_each_call_with_what_came_before_it() {
    on_each_engine(|bench| {
        let add = echo("add", json!({ "n": "${vars.n + 1}" }));
        let keep = json!({ "id": "keep", "type": "set", "variables": { "n": "${steps.add.output.n}" } });
        let document = json!({ "id": "w", "variables": { "n": 0 }, "output": "${vars.n}", "steps": [
            { "id": "loop", "type": "repeat", "until": "vars.n == 20", "steps": [add, keep] }] });
        let run = bench.run(document, json!({})).completed();
        assert_eq!(run.output(), 20);
        let expected: Vec<_> = (1..=20).map(|n| format!("loop[{n}].add")).collect();
        let done = run.order_of(EventKind::StepCompleted);
        assert_eq!(done.into_iter().filter(|path| path.ends_with("add")).collect::<Vec<_>>(), expected);
    });
}

#[test]
fn what_is_caught_is_made_good_and_what_was_done_is_undone_once() {
    on_each_engine(|bench| {
        let bad = fault("bad", "error", json!({ "type": "no.luck" }));
        let caught = with(
            bad.clone(),
            json!({ "catch": [{ "errors": ["no.*"], "steps": [echo("good", json!({ "ok": 1 }))], "output": "${steps.good.output}" }] }),
        );
        let run = bench.run(json!({ "id": "w", "steps": [caught] }), json!({})).completed();
        assert_eq!(run.output(), &json!({ "ok": 1 }));

        let debit =
            with(echo("debit", json!({})), json!({ "compensate": { "plugin": "echo", "method": "echo" } }));
        let ship = with(bad, json!({ "id": "ship" }));
        let run = bench.run(json!({ "id": "w", "steps": [debit.clone(), ship.clone()] }), json!({}));
        assert_eq!((run.status(), &*run.error().kind), (RunStatus::Failed, "no.luck"));
        assert_eq!(run.order_of(EventKind::StepCompensated), ["debit"]);

        let debit =
            with(debit, json!({ "method": "error", "plugin": "fault", "parameters": { "type": "poor" } }));
        let run = bench.run(json!({ "id": "w", "steps": [debit, ship] }), json!({}));
        assert_eq!((run.status(), &*run.error().kind), (RunStatus::Failed, "poor"));
        assert!(run.events_of("ship").is_empty() && run.order_of(EventKind::StepCompensated).is_empty());
    });
}

#[test]
fn a_run_that_fails_at_once_says_so_and_calls_nothing() {
    on_each_engine(|bench| {
        let stop =
            json!({ "id": "stop", "type": "fail", "error": { "type": "not.today", "message": "come back" } });
        let run = bench.run(json!({ "id": "w", "steps": [stop, echo("never", json!({}))] }), json!({}));
        assert_eq!(
            (run.status(), &*run.error().kind, &*run.error().message),
            (RunStatus::Failed, "not.today", "come back")
        );
        assert!(run.events_of("never").is_empty());
    });
}

#[test]
fn a_method_that_panics_or_answers_nonsense_fails_its_step_and_nothing_else() {
    on_each_engine(|bench| {
        let soft = |id: &str, method: &str, parameters| {
            with(fault(id, method, parameters), json!({ "critical": false }))
        };
        let document = json!({ "id": "w", "mode": "parallel", "steps": [
            soft("panic", "panic", json!({ "message": "out of wits" })), soft("cut", "invalid_json", json!({})),
            soft("lie", "wrong_schema", json!({})),
            json!({ "id": "odd", "type": "set", "variables": { "x": "${input.no.such.field}" }, "critical": false }),
            echo("well", json!({ "n": 1 })) ] });
        let run = bench.run(document, json!({})).completed();
        assert_eq!(run.step_output("well"), json!({ "n": 1 }));
        assert!(run.step_error("panic").message.contains("out of wits"), "{:?}", run.step_error("panic"));
        let kinds = ["panic", "cut", "lie", "odd"].map(|step| run.step_error(step).kind.to_string());
        assert!(kinds[0].ends_with("panic") && kinds[3] == "expression", "{kinds:?}");
        assert!(kinds[1..3].iter().all(|kind| kind == "validation"), "{kinds:?}");
    });
}

/// A method that says how often it was called with what.
fn counting(builder: jackfield::HostBuilder) -> jackfield::HostBuilder {
    let calls = std::sync::atomic::AtomicU64::new(0);
    builder.method("app", "1.0.0", "count", move |value: Value| {
        let nth = calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        // the first to come is the last to go
        std::thread::sleep(Duration::from_millis(20_u64.saturating_sub(nth * 10)));
        Ok::<_, MethodError>(json!({ "nth": nth, "value": value }))
    })
}

#[test]
fn equal_calls_each_get_their_own_answer() {
    on_each_engine_with(counting, |bench| {
        let call =
            |id: &str| json!({ "id": id, "plugin": "app", "method": "count", "parameters": { "same": 1 } });
        let document = json!({ "id": "w", "mode": "parallel", "steps": [call("a"), call("b"), call("c")] });
        let run = bench.run(document, json!({})).completed();
        let outputs = ["a", "b", "c"].map(|step| run.step_output(step));
        assert!(outputs.iter().all(|output| output["value"] == json!({ "same": 1 })), "{outputs:?}");
        let answers: BTreeSet<_> = outputs.iter().map(|output| output["nth"].as_u64()).collect();
        assert_eq!(answers, (0..3).map(Some).collect(), "no answer is given twice");
    });
}

#[test]
fn a_join_lists_results_in_the_order_of_the_document_and_one_failure_takes_none_away() {
    on_each_engine(|bench| {
        let sleep = |id: &str, ms: u64| json!({ "id": id, "plugin": "echo", "method": "sleep", "parameters": { "ms": ms } });
        let body = json!([sleep("nap", 0), echo("n", json!({ "n": "${item}" })),
            { "id": "odd", "type": "fail", "when": "item == 2", "error": { "type": "two", "message": "" } },
            { "id": "last", "type": "set", "variables": {} , "output": "${steps.n.output.n}" }]);
        let body = {
            let mut body = body;
            body[0]["parameters"]["ms"] = json!("${(4 - item) * 10}");
            body
        };
        let each = json!({ "id": "each", "type": "foreach", "items": "[1, 2, 3]", "max_concurrency": 0, "tolerated_failures": 1, "steps": body });
        let run = bench.run(json!({ "id": "w", "steps": [each] }), json!({})).completed();
        assert_eq!(run.output(), &json!([1, null, 3]));
        let done: Vec<_> = run
            .order_of(EventKind::StepCompleted)
            .into_iter()
            .filter(|path| path.ends_with(".n"))
            .map(str::to_owned)
            .collect();
        assert_eq!(done.len(), 3);
        assert_eq!(&*run.step_error("each[1].odd").kind, "two");
    });
}

#[test]
fn a_timer_that_beats_a_call_wins_and_the_call_is_told_to_stop() {
    on_each_engine(|bench| {
        let steps = json!([{ "id": "slow", "plugin": "echo", "method": "sleep", "parameters": { "ms": 600_000 } },
            { "id": "clock", "type": "wait", "duration": 20 }]);
        let race = json!({ "id": "who", "type": "race", "steps": steps, "output": "${result.winner}" });
        let run = bench.run(json!({ "id": "w", "steps": [race] }), json!({})).completed();
        assert_eq!((run.output(), run.step_status("slow")), (&json!("clock"), StepStatus::Cancelled));
        // one that had won before the other began is the winner, however often it is looked at
        let steps = json!([echo("first", json!({})), echo("second", json!({}))]);
        let race = json!({ "id": "who", "type": "race", "steps": steps, "output": "${result.winner}" });
        let run = bench.run(json!({ "id": "w", "steps": [race] }), json!({})).completed();
        let first = run.order_of(EventKind::StepCompleted)[0].to_owned();
        assert_eq!(run.output(), &json!(first));
        assert_eq!(bench.host().get(&run.report.run_id).unwrap().report(10).output.value(), &json!(first));
    });
}

#[test]
fn what_is_under_way_when_a_run_returns_is_cancelled_and_what_had_ended_is_not() {
    on_each_engine(|bench| {
        let document = json!({ "id": "w", "mode": "parallel", "steps": [
            { "id": "slow", "plugin": "echo", "method": "sleep", "parameters": { "ms": 600_000 } },
            echo("quick", json!({})),
            { "id": "nap", "type": "wait", "duration": "10m" },
            { "id": "bye", "type": "return", "value": 7, "dependencies": ["quick"] } ] });
        let run = bench.run(document, json!({})).completed();
        assert_eq!(run.output(), 7);
        let cancelled: BTreeSet<_> = run.order_of(EventKind::StepCancelled).into_iter().collect();
        assert_eq!(cancelled, ["nap", "slow"].into());
    });
}

#[test]
fn timers_fire_in_the_order_of_their_times_and_count_from_their_beginning() {
    on_each_engine(|bench| {
        let nap = |id: &str, ms: u64| json!({ "id": id, "type": "wait", "duration": ms });
        let document = json!({ "id": "w", "mode": "parallel", "steps": [nap("late", 60), nap("now", 0), nap("soon", 20)] });
        let run = bench.run(document, json!({})).completed();
        assert_eq!(run.order_of(EventKind::StepCompleted), ["now", "soon", "late"]);
        let run =
            bench.run(json!({ "id": "w", "steps": [nap("a", 40), nap("b", 40)] }), json!({})).completed();
        for step in ["a", "b"] {
            let took = run.step(step).duration_ms.expect("it ended");
            assert!(took >= 40.0, "{step} took {took} ms");
        }
        assert!(run.report.duration_ms >= 80.0, "the second counts from the end of the first");
    });
}

#[test]
fn starting_an_id_again_is_refused_and_names_its_state_and_any_other_text_is_an_id() {
    on_each_engine(|bench| {
        let workflow = bench
            .check(json!({ "id": "w", "steps": [{ "id": "ask", "type": "wait_for_event", "event": "go" }] }));
        for id in ["one", "a::b::1", "ü/%"] {
            let run = bench.host().start_with(&workflow, json!({}), RunOptions::id(id)).unwrap();
            let again =
                bench.host().start_with(&workflow, json!({ "other": 1 }), RunOptions::id(id)).err().unwrap();
            assert!(again.to_string().contains(&format!("run `{id}` exists already and is")), "{again}");
            let same = bench.host().start_with(&workflow, json!({}), RunOptions::id(id).attach()).unwrap();
            assert_eq!(same.id(), run.id());
            run.signal("go", json!(id)).unwrap();
            let outcome = run.wait(Some(super::PATIENCE)).unwrap();
            assert_eq!(outcome.output.value(), &json!(id));
        }
        let empty = bench.host().start_with(&workflow, json!({}), RunOptions::id("")).err().unwrap();
        assert!(empty.to_string().contains("id"), "{empty}");
    });
}

#[test]
fn waiting_tells_an_end_or_that_time_is_up_and_nothing_else() {
    on_each_engine(|bench| {
        assert!(bench.host().get("nobody").err().unwrap().to_string().contains("no run `nobody`"));
        let run = bench.start(
            json!({ "id": "w", "steps": [{ "id": "ask", "type": "wait_for_event", "event": "go" }] }),
            json!({}),
        );
        assert!(run.run.wait(Some(Duration::from_millis(5))).is_none());
        wait_for_waiting(&run, "ask");
        assert!(!run.status().is_terminal());
        run.run.signal("go", json!(1)).unwrap();
        let id = run.run.id().to_owned();
        assert_eq!(output(run), 1);
        assert_eq!(bench.host().get(&id).unwrap().status(), RunStatus::Completed);
    });
}

#[test]
fn a_variable_is_read_as_it_was_written_last() {
    on_each_engine(|bench| {
        let set = |id: &str, value: &str| json!({ "id": id, "type": "set", "variables": { "n": value } });
        let document = json!({ "id": "w", "variables": { "n": 1 }, "output": "${vars.n}",
            "steps": [set("a", "${vars.n + 1}"), set("b", "${vars.n * 10}")] });
        assert_eq!(bench.run(document, json!({})).completed().output(), 20);
    });
}

#[test]
fn a_burst_of_starts_that_displace_each_other_is_one_run_with_the_last_input() {
    on_each_engine(|bench| {
        let document = json!({ "id": "w", "concurrency": { "key": "'k'", "on_conflict": "cancel_running" },
            "steps": [{ "id": "settle", "type": "wait", "duration": 300 }, echo("act", json!({ "n": "${input}" }))] });
        let runs: Vec<_> = (0..5).map(|n| bench.start(document.clone(), json!(n))).collect();
        let ended: Vec<_> = runs.into_iter().map(jackfield_tests::Started::finish).collect();
        let (last, others) = ended.split_last().unwrap();
        assert_eq!(last.output(), &json!({ "n": 4 }));
        for run in others {
            assert_eq!((run.status(), run.events_of("act").len()), (RunStatus::Cancelled, 0));
        }
    });
}

/// Numbers follow each other, the end comes once and last, and nothing ends that has not begun.
fn check_records(run: &Finished) {
    let numbers: Vec<_> = run.events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    let is_end = |kind: EventKind| {
        matches!(kind, EventKind::RunCompleted | EventKind::RunFailed | EventKind::RunCancelled)
    };
    let ends: Vec<_> = run.events.iter().filter(|event| is_end(event.event)).map(|event| event.seq).collect();
    assert_eq!(ends, [numbers.len() as u64 - 1]);
    assert_eq!(run.events[0].event, EventKind::RunStarted);
    let mut settled = BTreeSet::new();
    for event in &run.events {
        let Some(step) = event.step.clone() else { continue };
        let ends = [
            EventKind::StepCompleted,
            EventKind::StepFailed,
            EventKind::StepSkipped,
            EventKind::StepCancelled,
        ];
        let is_end = ends.contains(&event.event);
        assert!(!settled.contains(&step), "{step} goes on after its end: {:#?}", run.events);
        if is_end {
            settled.insert(step);
        }
    }
    for (path, step) in &run.report.steps {
        // one that never began has no record
        let is_settled = matches!(step.status, StepStatus::Completed | StepStatus::Failed);
        assert!(!is_settled || settled.contains(&**path), "the end of {path} is not told: {:#?}", run.events);
    }
}

#[test]
fn records_are_numbered_and_have_one_end_whatever_happens() {
    on_each_engine(|bench| {
        let soft = with(fault("soft", "error", json!({})), json!({ "critical": false }));
        let ways = [
            json!({ "id": "w", "mode": "parallel", "steps": [echo("a", json!({})), echo("b", json!({})), soft] }),
            json!({ "id": "w", "steps": [echo("a", json!({})), fault("bad", "error", json!({})), echo("c", json!({}))],
                "on_failure": [echo("f", json!({}))], "finally": [echo("l", json!({}))] }),
            json!({ "id": "w", "steps": [{ "id": "e", "type": "foreach", "items": "[1,2,3]", "max_concurrency": 2,
                "steps": [echo("x", json!({})), { "id": "n", "type": "wait", "duration": 1 }] }] }),
            json!({ "id": "w", "timeout": 20, "steps": [{ "id": "n", "type": "wait", "duration": "1h" }] }),
        ];
        for document in ways {
            check_records(&bench.run(document, json!({})));
        }
    });
}

#[test]
fn twenty_runs_at_a_time_all_end_and_are_counted_once() {
    on_each_engine(|bench| {
        let document = json!({ "id": "w", "steps": [echo("a", json!({ "n": "${input}" })), echo("b", json!("${steps.a.output}"))] });
        for round in 0..5 {
            let runs: Vec<_> =
                (0..20).map(|n| bench.start(document.clone(), json!(round * 20 + n))).collect();
            for (n, run) in runs.into_iter().enumerate() {
                assert_eq!(output(run)["n"], json!(round * 20 + n));
            }
        }
        let completed = RunFilter { status: Some(RunStatus::Completed), ..RunFilter::default() };
        wait_until(|| bench.host().list(&completed).len() == 100);
        assert_eq!(bench.host().list(&RunFilter::default()).len(), 100);
    });
}

#[test]
fn what_a_host_has_done_is_counted_once() {
    on_each_engine(|bench| {
        let soft = with(fault("soft", "error", json!({})), json!({ "critical": false }));
        let _ = bench.run(json!({ "id": "w", "steps": [echo("a", json!({})), soft] }), json!({})).completed();
        let _ = bench.run(
            json!({ "id": "w", "steps": [fault("bad", "error", json!({})), echo("never", json!({}))] }),
            json!({}),
        );
        let again =
            json!({ "id": "again", "type": "continue_as_new", "when": "input < 3", "input": "${input + 1}" });
        let _ = bench.run(json!({ "id": "w", "steps": [again] }), json!(1)).completed();
        let open = bench.start(
            json!({ "id": "w", "steps": [{ "id": "ask", "type": "wait_for_event", "event": "go" }] }),
            json!({}),
        );
        wait_for_waiting(&open, "ask");
        let stats = bench.host().stats();
        let runs = &stats.runs;
        assert_eq!(
            (runs.started, runs.completed, runs.failed, runs.cancelled, runs.continued),
            (4, 2, 1, 0, 2),
            "{stats:#?}"
        );
        assert_eq!(runs.in_memory.get("waiting"), Some(&1), "{stats:#?}");
        assert_eq!(
            (stats.steps.settled, stats.steps.completed, stats.threads_lost),
            (2 + 2 + 3, 1 + 2, 0),
            "{stats:#?}"
        );
        open.run.cancel(jackfield::CancelMode::Kill, "enough");
        assert_eq!(open.finish().status(), RunStatus::Cancelled);
        let runs = bench.host().stats().runs;
        assert_eq!((runs.started, runs.completed + runs.failed + runs.cancelled), (4, 4), "{runs:#?}");
        assert_eq!(bench.host().stats().journal.is_some(), bench.host().journal_stats().is_some());
    });
}

#[test]
fn a_step_that_is_skipped_or_waits_is_told_as_such_while_the_run_goes_on() {
    on_each_engine(|bench| {
        let document = json!({ "id": "w", "steps": [with(echo("no", json!({})), json!({ "when": "false" })),
            { "id": "ask", "type": "wait_for_event", "event": "go" }] });
        let run = bench.start(document, json!({}));
        wait_for_waiting(&run, "ask");
        assert_eq!(step_of(&run.run, "no"), StepStatus::Skipped);
        assert_eq!(run.status(), RunStatus::Waiting);
        run.run.signal("go", json!(null)).unwrap();
        let _ = run.finish().completed();
    });
}
