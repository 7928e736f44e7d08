//! Runs that wait because as many are under way as may be.

use super::durable::{after_crash, eventually, impatient};
use super::kit::Kit;
use super::lab::{Lab, PATIENCE};
use super::memory_store::MemoryStore;
use crate::{Config, RunHandle, StartRequest};
use jackfield_core::payload::Payload;
use jackfield_core::run::{CancelMode, RunStatus};
use std::sync::Arc;
use std::time::Duration;

const HELD: &str = r#"{"id":"h","steps":[{"id":"hold",@gate,"parameters":{}}]}"#;
const TEXT: &str = "a place among the runs under way, which are 1 at a time (priority 5)";

fn config(runs_under_way_max: usize) -> Config {
    Config { runs_under_way_max, ..Config::default() }
}

/// In memory, and with a journal.
fn on_both(limit: usize, test: impl Fn(&Lab)) {
    test(&Lab::with(config(limit)));
    test(&Lab::durable(config(limit), &Arc::default()));
}

fn start(lab: &Lab, document: &str, id: &str) -> RunHandle {
    let request = StartRequest { run_id: Some(id.to_owned()), ..lab.request(document, r#"{"key":"k"}"#) };
    lab.engine.start(request).unwrap()
}

fn end(run: &RunHandle) -> Option<RunStatus> {
    run.wait(Some(PATIENCE))
}

fn runs_in_order(kit: &Kit) -> Vec<String> {
    kit.all_attempts().into_iter().map(|(run, ..)| run).collect()
}

#[test]
fn no_more_runs_are_under_way_than_may_be_and_the_others_are_queued() {
    on_both(2, |lab| {
        let runs: Vec<_> = (0..5).map(|nth| start(lab, HELD, &format!("r{nth}"))).collect();
        let of = |status| runs.iter().filter(|run| run.status() == status).count();
        assert_eq!((of(RunStatus::Running), of(RunStatus::Queued)), (2, 3));
        let why = runs[2].report(9).queued_for;
        assert_eq!(why, Some(TEXT.replace("are 1", "are 2")));
        // one that is cancelled leaves the line, one whose id is taken does not come into it
        runs[3].cancel(CancelMode::Graceful, "not wanted");
        assert_eq!(end(&runs[3]), Some(RunStatus::Cancelled));
        for taken in ["r0", "r2"] {
            let again = StartRequest { run_id: Some(taken.into()), ..lab.request(HELD, "null") };
            assert!(lab.engine.start(again).is_err());
        }
        assert_eq!((of(RunStatus::Running), of(RunStatus::Queued)), (2, 2));
        eventually("both are held", || lab.kit.order().len() == 2);
        lab.kit.open_gate();
        for nth in [0, 1, 2, 4] {
            assert_eq!(end(&runs[nth]), Some(RunStatus::Completed));
        }
        assert_eq!((lab.kit.peak(), lab.kit.order().len()), (2, 4));
    });
}

#[test]
fn the_highest_priority_is_next_and_every_eighth_seat_goes_to_who_waited_longest() {
    on_both(1, |lab| {
        let first = start(lab, HELD, "first");
        eventually("it runs", || lab.kit.order().len() == 1);
        let quick = |priority: u32, id: &str| {
            let text = r#"{"id":"wN","priority":N,"steps":[{"id":"a",@value,"parameters":{"value":1}}]}"#;
            start(lab, &text.replace('N', &priority.to_string()), id)
        };
        let mut queued = vec![quick(1, "low")];
        queued.extend((0..9).map(|nth| quick(5 + nth % 3, &format!("r{nth}"))));
        lab.kit.open_gate();
        for run in queued.iter().chain([&first]) {
            assert_eq!(end(run), Some(RunStatus::Completed));
        }
        let order = ["first", "r2", "r5", "r8", "r1", "r4", "r7", "r0", "low", "r3", "r6"];
        assert_eq!(runs_in_order(&lab.kit), order);
    });
}

#[test]
fn a_run_that_waits_gives_its_seat_back_and_goes_on_without_waiting_for_one() {
    on_both(1, |lab| {
        let asking = r#"{"id":"a","steps":[{"id":"ask","type":"wait_for_event","event":"go"},{"id":"hold",@gate,"parameters":{}}]}"#;
        let paused = start(lab, asking, "paused");
        paused.pause("lunch").unwrap();
        let asks = start(lab, asking, "asks");
        eventually("it waits", || asks.status() == RunStatus::Waiting);
        let busy = start(lab, HELD, "busy");
        eventually("it has the seat", || busy.status() == RunStatus::Running);
        let late = start(lab, HELD, "late");
        assert_eq!(late.status(), RunStatus::Queued);
        asks.signal("go", Payload::null()).unwrap();
        eventually("it goes on beside the other", || runs_in_order(&lab.kit).contains(&"asks".to_owned()));
        assert_eq!([&busy, &late].map(RunHandle::status), [RunStatus::Running, RunStatus::Queued]);
        lab.kit.open_gate();
        for run in [&asks, &busy, &late] {
            assert_eq!(end(run), Some(RunStatus::Completed));
        }
        assert_eq!(paused.status(), RunStatus::Paused);
    });
}

#[test]
fn a_paused_run_with_calls_that_nobody_has_begun_gives_its_seat_back() {
    on_both(1, |lab| {
        let two = r#"{"id":"t","steps":[{"id":"hold",@gate,"parameters":{}},{"id":"b",@value,"parameters":{"value":1}}]}"#;
        let first = start(lab, two, "first");
        eventually("it runs", || lab.kit.order().len() == 1);
        let second = start(lab, two, "second");
        first.pause("lunch").unwrap();
        assert_eq!(second.status(), RunStatus::Queued, "a call of the first is under way");
        lab.kit.open_gate();
        assert_eq!(end(&second), Some(RunStatus::Completed));
        assert_eq!(first.status(), RunStatus::Paused);
        first.resume().unwrap();
        assert_eq!(end(&first), Some(RunStatus::Completed));
    });
}

#[test]
fn a_run_that_another_waits_for_needs_no_seat_and_lends_that_of_the_other() {
    on_both(1, |lab| {
        // `top` waits for `middle`, which waits for `low`; beside that `low` needs an event of a run that nobody waits for
        let sender = r#"{"id":"sender","steps":[{"id":"tell","type":"emit","event":"go","to":"${input.to}","data":1}]}"#;
        let low = r#"{"id":"low","mode":"parallel","steps":[
            {"id":"other","type":"workflow","workflow":"sender","detached":true,"input":{"to":"${workflow.run_id}"}},
            {"id":"ask","type":"wait_for_event","event":"go"}]}"#;
        let middle = r#"{"id":"middle","steps":[{"id":"c","type":"workflow","workflow":"low","input":{}}]}"#;
        let top = r#"{"id":"top","steps":[{"id":"c","type":"workflow","workflow":"middle","input":{}}]}"#;
        [sender, low, middle].iter().for_each(|document| lab.register(document));
        let runs = ["one", "two", "three"].map(|id| start(lab, top, id));
        for run in &runs {
            assert_eq!(end(run), Some(RunStatus::Completed), "{:#?}", run.report(99));
        }
    });
}

#[test]
fn a_delayed_run_and_one_of_a_line_wait_for_a_seat_when_their_turn_has_come() {
    on_both(1, |lab| {
        let keyed = r#"{"id":"k","concurrency":{"key":"input.key"},"steps":[{"id":"ask","type":"wait_for_event","event":"go"}]}"#;
        let has_key = start(lab, keyed, "has key");
        eventually("it waits", || has_key.status() == RunStatus::Waiting);
        let in_line = start(lab, keyed, "in line");
        let busy = start(lab, HELD, "busy");
        eventually("it has the seat", || busy.status() == RunStatus::Running);
        let delay = Some(Duration::from_millis(1));
        let late = lab.engine.start(StartRequest { delay, ..lab.request(HELD, "null") }).unwrap();
        eventually("its time has come", || late.report(9).queued_for.as_deref() == Some(TEXT));
        assert!(in_line.report(9).queued_for.unwrap().contains("the end of run `has key`"));
        has_key.cancel(CancelMode::Kill, "to make room");
        eventually("its turn has come", || in_line.report(9).queued_for.as_deref() == Some(TEXT));
        lab.kit.open_gate();
        assert_eq!([&busy, &late].map(end), [Some(RunStatus::Completed); 2]);
        eventually("it has begun", || in_line.status() == RunStatus::Waiting);
        in_line.signal("go", Payload::null()).unwrap();
        assert_eq!(end(&in_line), Some(RunStatus::Completed));
    });
}

#[test]
fn runs_that_wait_for_a_seat_do_so_after_a_crash_too() {
    let store = Arc::new(MemoryStore::default());
    let limited = Config { runs_under_way_max: 1, ..impatient() };
    let first = Lab::durable(limited.clone(), &store);
    let runs: Vec<_> = ["a", "b", "c"].iter().map(|id| start(&first, HELD, id)).collect();
    eventually("the first one runs", || first.kit.order() == ["hold"]);
    let content = store.content();
    store.set_room(Some(0));
    let again = Arc::new(MemoryStore::holding(content));
    let second = Lab::durable(limited, &again);
    eventually("it runs again", || second.kit.order() == ["hold"]);
    let statuses = |lab: &Lab| ["a", "b", "c"].map(|id| lab.engine.get(id).unwrap().status());
    assert_eq!(statuses(&second), [RunStatus::Running, RunStatus::Queued, RunStatus::Queued]);
    // without a limit nobody waits any more
    let (third, _kept) = after_crash(again.content(), Arc::default());
    eventually("all run", || third.kit.running() == 3);
    second.kit.open_gate();
    eventually("all have ended", || statuses(&second) == [RunStatus::Completed; 3]);
    assert_eq!(runs_in_order(&second.kit), ["a", "b", "c"]);
    drop(runs);
    store.set_room(None);
}

#[test]
fn runs_that_end_as_soon_as_they_begin_take_turns_in_any_number() {
    let quick = r#"{"id":"q","concurrency":{"key":"'k'"},"steps":[{"id":"n","type":"log","message":"m"}]}"#;
    let first_of_key =
        r#"{"id":"q","concurrency":{"key":"'k'"},"steps":[{"id":"hold",@gate,"parameters":{}}]}"#;
    for (limit, first, quick) in
        [(1, HELD, r#"{"id":"q","steps":[{"id":"n","type":"log","message":"m"}]}"#), (0, first_of_key, quick)]
    {
        let lab = Lab::with(config(limit));
        start(&lab, first, "first");
        eventually("it runs", || lab.kit.order().len() == 1);
        let runs: Vec<_> = (0..3_000).map(|nth| start(&lab, quick, &format!("r{nth}"))).collect();
        lab.kit.open_gate();
        for run in &runs {
            assert_eq!(end(run), Some(RunStatus::Completed));
        }
    }
}
