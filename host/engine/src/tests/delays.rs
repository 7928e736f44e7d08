//! Runs that begin later than they are started.

use super::durable::{after_crash, eventually, impatient};
use super::kit::Kit;
use super::lab::{Lab, PATIENCE, in_time, ports};
use super::memory_store::MemoryStore;
use crate::{Config, Engine, EngineError, Ports, RunHandle};
use jackfield_core::journal::{Listing, RunQuery};
use jackfield_core::ports::Clock;
use jackfield_core::run::{CancelMode, EventKind, RunStatus};
use jackfield_core::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const STEP: &str = r#"{"id":"w","steps":[{"id":"a",@value,"parameters":{"value":1}}]}"#;
const HOUR: Duration = Duration::from_secs(3_600);

fn start(lab: &Lab, document: &str, id: &str, delay: Duration) -> RunHandle {
    let request = crate::StartRequest {
        run_id: Some(id.to_owned()),
        delay: Some(delay),
        ..lab.request(document, r#"{"key":"k"}"#)
    };
    lab.engine.start(request).unwrap()
}

fn line(lab: &Lab) -> Listing {
    lab.engine.query(&RunQuery { limit: 1, ..RunQuery::default() }).unwrap().runs.remove(0)
}

fn in_memory(lab: &Lab) -> usize {
    lab.engine.list(&Default::default()).len()
}

/// In memory, and with a journal.
fn on_both(test: impl Fn(&Lab)) {
    test(&Lab::new());
    test(&Lab::durable(Config::default(), &Arc::default()));
}

#[test]
fn a_delayed_run_is_known_at_once_and_begins_at_its_time() {
    on_both(|lab| {
        let (begin, delay) = (Instant::now(), Duration::from_millis(100));
        let run = start(lab, STEP, "r", delay);
        let report = run.report(9);
        if begin.elapsed() < delay {
            assert_eq!((report.status, lab.kit.order().len()), (RunStatus::Queued, 0));
            let until = report.delayed_until.expect("it says until when");
            assert_eq!(report.queued_for, Some(format!("its start at {until}")));
            let line = line(lab);
            assert_eq!(line.standing.reason, Some(format!("waits for its start at {until}")));
            assert_eq!(line.standing.due_at.map(|due| due.to_rfc3339()), Some(until));
        }
        let ended = lab.end(&run, begin).completed();
        assert!(begin.elapsed() >= delay, "not before its time");
        assert_eq!(ended.report.delayed_until, None);
        let kinds: Vec<_> = ended.events.iter().take(2).map(|event| event.event).collect();
        assert_eq!(kinds, [EventKind::RunQueued, EventKind::RunStarted]);
    });
}

#[test]
fn what_is_wrong_with_a_delayed_run_is_said_at_its_start() {
    on_both(|lab| {
        let refused = |document: &str, input: &str, delay| {
            let request = crate::StartRequest { delay: Some(delay), ..lab.request(document, input) };
            lab.engine.start(request).map(drop).unwrap_err()
        };
        let typed = r#"{"id":"w","input_schema":{"type":"object"},"steps":[{"id":"a",@value,"parameters":{"value":1}}]}"#;
        assert!(matches!(refused(typed, "7", HOUR), EngineError::Input(_)));
        let keyed = r#"{"id":"w","concurrency":{"key":"input.nobody"},"steps":[{"id":"a",@value,"parameters":{"value":1}}]}"#;
        assert!(matches!(refused(keyed, "{}", HOUR), EngineError::BadKey { .. }));
        assert!(matches!(refused(STEP, "{}", HOUR * 24 * 36_501), EngineError::DelayTooLong));
        assert_eq!(in_memory(lab), 0);
        start(lab, STEP, "r", HOUR);
        let again = crate::StartRequest { run_id: Some("r".into()), ..lab.request(STEP, r#"{"key":"k"}"#) };
        let taken = lab.engine.start(again.clone()).map(drop).unwrap_err();
        assert!(matches!(taken, EngineError::RunExists { status: RunStatus::Queued, .. }), "{taken}");
        if lab.store.is_some() {
            let meant = lab.engine.start(crate::StartRequest { attach: true, ..again }).unwrap();
            assert_eq!((meant.status(), in_memory(lab)), (RunStatus::Queued, 1));
        }
    });
}

#[test]
fn a_delayed_run_that_is_cancelled_never_begins() {
    on_both(|lab| {
        for mode in [CancelMode::Graceful, CancelMode::Kill] {
            let run = start(lab, STEP, "r", Duration::from_millis(50));
            run.cancel(mode, "not wanted");
            assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Cancelled));
            // later than its time would have been
            let other = start(lab, STEP, "other", Duration::from_millis(100));
            assert_eq!(other.wait(Some(PATIENCE)), Some(RunStatus::Completed));
            let runs: Vec<_> = lab.kit.all_attempts().into_iter().map(|(run, ..)| run).collect();
            assert!(!runs.contains(&"r".to_owned()), "{runs:?}");
            let kinds: Vec<_> = run.events(0).iter().map(|event| event.event).collect();
            assert_eq!(kinds, [EventKind::RunQueued, EventKind::CancelRequested, EventKind::RunCancelled]);
            for id in ["r", "other"] {
                eventually("it can be forgotten", || match lab.store.is_some() {
                    true => lab.engine.delete(id).is_ok(),
                    false => lab.engine.forget(id).is_ok(),
                });
                assert!(lab.engine.get(id).is_err());
            }
        }
    });
}

#[test]
fn a_delayed_run_that_is_paused_begins_when_it_is_resumed_and_not_before_its_time() {
    on_both(|lab| {
        let run = start(lab, STEP, "r", Duration::from_millis(30));
        run.pause("lunch").unwrap();
        let other = start(lab, STEP, "other", Duration::from_millis(60));
        assert_eq!(other.wait(Some(PATIENCE)), Some(RunStatus::Completed));
        assert_eq!(run.status(), RunStatus::Paused, "its time has come, and it is held");
        assert_eq!(lab.kit.order().len(), 1);
        run.resume().unwrap();
        assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
        // resumed before its time
        let early = start(lab, STEP, "early", HOUR);
        early.pause("lunch").unwrap();
        assert_eq!(early.status(), RunStatus::Paused);
        early.resume().unwrap();
        assert_eq!((early.status(), lab.kit.order().len()), (RunStatus::Queued, 2));
        early.cancel(CancelMode::Kill, "the test is over");
    });
}

#[test]
fn a_delayed_run_leaves_memory_and_comes_back_at_its_time() {
    in_time(|| {
        let config = Config { evict_after: Duration::from_millis(10), ..Config::default() };
        let lab = Lab::durable(config, &Arc::default());
        let keyed = r#"{"id":"w","concurrency":{"key":"input.key"},"steps":[{"id":"a",@value,"parameters":{"value":1}}]}"#;
        for document in [STEP, keyed] {
            let (begin, delay) = (Instant::now(), Duration::from_millis(500));
            let id = lab
                .start(r#"{"id":"v","steps":[{"id":"n","type":"log","message":"m"}]}"#, "null")
                .id()
                .to_string();
            drop(start(&lab, document, &format!("after {id}"), delay));
            let only_ended =
                || lab.engine.list(&Default::default()).iter().all(|run| run.status.is_terminal());
            eventually("it leaves memory", only_ended);
            assert!(begin.elapsed() < delay, "it left while it waited");
            let line = line(&lab);
            assert_eq!(line.standing.status, RunStatus::Queued);
            assert!(line.standing.due_at.is_some() && line.standing.reason.is_some(), "{line:?}");
            let begun = || lab.kit.all_attempts().iter().any(|(run, ..)| *run == line.run_id);
            eventually("it begins", begun);
            assert!(begin.elapsed() >= delay, "not before its time");
            let run = lab.engine.get(&line.run_id).unwrap();
            assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
        }
    });
}

/// A clock that stands still until it is put forward.
struct StandingClock(AtomicU64);

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[test]
fn the_time_of_a_delayed_run_is_that_of_the_clock() {
    for (is_durable, evict_after) in [(false, HOUR), (true, HOUR), (true, Duration::from_millis(1))] {
        let (clock, kit, store) =
            (Arc::new(StandingClock(AtomicU64::new(1 << 60))), Arc::<Kit>::default(), Arc::default());
        let ports = Ports { clock: clock.clone(), ..ports(&kit) };
        let config = Config { evict_after, ..Config::default() };
        let engine = match is_durable {
            true => Engine::durable(config, ports, Arc::<MemoryStore>::clone(&store)),
            false => Engine::new(config, ports),
        };
        let lab = Lab { engine: engine.unwrap(), kit, store: is_durable.then_some(store) };
        start(&lab, STEP, "soon", Duration::from_millis(1));
        start(&lab, STEP, "late", HOUR);
        // of a wait, time that passes counts
        let nap = r#"{"id":"n","steps":[{"id":"nap","type":"wait","duration":60}]}"#;
        assert_eq!(lab.start(nap, "null").wait(Some(PATIENCE)), Some(RunStatus::Completed));
        assert_eq!(lab.kit.order().len(), 0, "the clock stands still");
        let hour = u64::try_from(HOUR.as_nanos()).unwrap();
        for (forward, begun) in [(hour / 2, vec!["soon"]), (hour, vec!["soon", "late"])] {
            clock.0.fetch_add(forward, Ordering::SeqCst);
            lab.engine.clock_changed();
            let runs = || lab.kit.all_attempts().into_iter().map(|(run, ..)| run).collect::<Vec<_>>();
            eventually("it begins", || runs() == begun);
        }
        drop(lab);
    }
}

#[test]
fn delayed_runs_are_not_brought_into_memory_by_a_restart() {
    let store = Arc::new(MemoryStore::default());
    let config = Config { evict_after: Duration::from_millis(1), ..Config::default() };
    let first = Lab::durable(config, &store);
    for nth in 0..300 {
        start(&first, STEP, &format!("r{nth}"), HOUR);
    }
    eventually("they leave memory", || in_memory(&first) == 0);
    first.engine.shutdown();
    let second = Lab::durable_with(Config::default(), &store, Arc::default());
    assert_eq!(in_memory(&second), 0);
    assert_eq!(second.engine.get("r299").unwrap().status(), RunStatus::Queued);
    assert_eq!(in_memory(&second), 1);
}

#[test]
fn a_delayed_run_keeps_its_time_over_a_crash_and_an_orderly_end() {
    in_time(|| {
        for (delay, is_orderly) in [(50, false), (400, false), (50, true), (400, true)] {
            let delay = Duration::from_millis(delay);
            let store = Arc::new(MemoryStore::default());
            let first = Lab::durable(impatient(), &store);
            let begin = Instant::now();
            start(&first, STEP, "r", delay);
            if is_orderly {
                first.engine.shutdown();
            }
            let content = store.content();
            store.set_room(Some(0));
            std::thread::sleep(Duration::from_millis(100));
            // nobody asks for it
            let (second, _store) = after_crash(content, Arc::default());
            eventually("it begins", || second.kit.order() == ["a"]);
            assert!(begin.elapsed() >= delay, "not before its time");
            let run = second.engine.get("r").unwrap();
            assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
            assert_eq!(second.kit.order(), ["a"], "once");
            store.set_room(None);
        }
    });
}

#[test]
fn a_waiting_run_goes_on_by_itself_after_an_orderly_end() {
    let store = Arc::new(MemoryStore::default());
    let first = Lab::durable(impatient(), &store);
    let nap = r#"{"id":"w","steps":[{"id":"nap","type":"wait","duration":200},{"id":"a",@value,"parameters":{"value":1}}]}"#;
    let run = first.start(nap, "null");
    eventually("it waits", || run.status() == RunStatus::Waiting);
    first.engine.shutdown();
    let second = Lab::durable_with(Config::default(), &store, Arc::default());
    eventually("it goes on, and nobody has asked for it", || second.kit.order() == ["a"]);
}

/// A run that lasts until the gate is open, one at a time for each key.
fn held(on_conflict: &str) -> String {
    let limits = format!(r#"{{"key":"input.key","on_conflict":"{on_conflict}"}}"#);
    format!(r#"{{"id":"w","concurrency":{limits},"steps":[{{"id":"hold",@gate,"parameters":{{}}}}]}}"#)
}

#[test]
fn a_delayed_run_stands_in_line_only_when_its_time_has_come() {
    on_both(|lab| {
        let late = start(lab, &held("queue"), "late", Duration::from_millis(150));
        let first = start(lab, &held("queue"), "first", Duration::ZERO);
        let second = start(lab, &held("queue"), "second", Duration::ZERO);
        assert_eq!([&first, &second].map(RunHandle::status), [RunStatus::Running, RunStatus::Queued]);
        eventually("its time comes", || late.report(9).delayed_until.is_none());
        assert_eq!(late.status(), RunStatus::Queued);
        assert_eq!(late.report(9).queued_for.as_deref(), Some("a place (concurrency key `k`, priority 5)"));
        lab.kit.open_gate();
        for run in [&first, &second, &late] {
            assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
        }
        let order: Vec<_> = lab.kit.all_attempts().into_iter().map(|(run, ..)| run).collect();
        assert_eq!(order, ["first", "second", "late"]);
    });
}

#[test]
fn a_delayed_run_that_finds_its_key_taken_is_cancelled_or_displaces_as_its_workflow_says() {
    on_both(|lab| {
        let first = start(lab, &held("reject"), "first", Duration::ZERO);
        let late = start(lab, &held("reject"), "late", Duration::from_millis(1));
        assert_eq!(late.wait(Some(PATIENCE)), Some(RunStatus::Cancelled));
        let why = late.report(9).error.unwrap().message;
        assert_eq!(&*why, "run `first` has the concurrency key `k` already");
        let over = start(lab, &held("cancel_running"), "over", Duration::from_millis(1));
        assert_eq!(first.wait(Some(PATIENCE)), Some(RunStatus::Cancelled));
        eventually("it has the place", || over.status() == RunStatus::Running);
        over.cancel(CancelMode::Kill, "the test is over");
    });
}

#[test]
fn shutting_down_does_not_wait_for_runs_in_memory_whose_time_has_not_come() {
    let lab = Lab::new();
    let run = start(&lab, STEP, "r", HOUR);
    let begin = Instant::now();
    lab.engine.shutdown();
    assert!(begin.elapsed() < Duration::from_secs(8), "it waited for an hour to pass");
    assert_eq!(run.status(), RunStatus::Cancelled);
}
