//! Runs that are kept: what was written down is what happened, and is enough to go on.

use super::kit::Kit;
use super::lab::{Ended, Lab, PATIENCE, in_time};
use super::memory_store::{Content, MemoryStore};
use crate::{Config, EngineError};
use jackfield_core::journal::RunQuery;
use jackfield_core::run::{CancelMode, EventKind, RunStatus};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A run read back from `store` looks as it did in the engine that ran it, whether or not all of it is in memory.
pub(crate) fn check_what_is_kept(store: &Arc<MemoryStore>, ended: &Ended) {
    for records_kept in [Config::default().records_kept, 2] {
        check_what_is_read(store, ended, records_kept);
    }
}

fn check_what_is_read(store: &Arc<MemoryStore>, ended: &Ended, records_kept: usize) {
    let config = Config { records_kept, ..Config::default() };
    let later = Lab::durable_with(config, store, ended.kit.clone());
    let run = later.engine.get(&ended.run_id).unwrap();
    let text = |value: &dyn erased::Json| value.json();
    assert_eq!(text(&run.report(usize::MAX)), text(&ended.report));
    let mut events = Vec::new();
    while let more = run.events(events.len() as u64)
        && !more.is_empty()
    {
        events.extend(more);
    }
    assert_eq!(text(&events), text(&ended.events));
}

mod erased {
    pub(crate) trait Json {
        fn json(&self) -> serde_json::Value;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> serde_json::Value {
            serde_json::to_value(self).unwrap()
        }
    }
}

/// A host that ends between two writes: its engine is left alone with a store that takes nothing any more, and another
/// one begins with what there was.
pub(crate) fn after_crash(content: Content, kit: Arc<Kit>) -> (Lab, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::holding(content));
    (Lab::durable_with(Config::default(), &store, kit), store)
}

/// An engine that is about to die waits for nothing.
pub(crate) fn impatient() -> Config {
    Config { shutdown_grace: Duration::from_millis(1), ..Config::default() }
}

/// Runs a document; then once more for every write with a host that ends right after it.
fn crash_after_every_write(document: &str) -> usize {
    let whole = Arc::new(MemoryStore::default());
    let ended = Lab::durable(Config::default(), &whole).run_with(document, "null");
    let mut crashes = 0;
    loop {
        crashes += 1;
        let store = Arc::new(MemoryStore::default());
        store.set_room(Some(crashes));
        let first = Lab::durable(impatient(), &store);
        let request = first.request(document, "null");
        let engine = first.engine.clone();
        let begun = std::thread::spawn(move || engine.start(request));
        let is_full = || store.writes().len() >= crashes;
        let begin = Instant::now();
        while !is_full() && begin.elapsed() < PATIENCE {
            let over = begun.is_finished()
                && first.engine.list(&Default::default()).iter().all(|run| run.status.is_terminal());
            if over {
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        let is_last = !is_full();
        // what is written after this is lost
        let (second, kept) = after_crash(store.content(), first.kit.clone());
        let runs = second.engine.query(&RunQuery { limit: 10, ..RunQuery::default() }).unwrap().runs;
        assert_eq!(runs.len(), 1, "after {crashes} writes");
        let run = second.engine.get(&runs[0].run_id).unwrap();
        assert_eq!(run.wait(Some(PATIENCE)), Some(ended.status), "after {crashes} writes");
        let report = run.report(usize::MAX);
        let output = |value: &Value| value.to_string().replace(&*runs[0].run_id, "RUN");
        assert_eq!(
            output(report.output.value()),
            output(ended.report.output.value()).replace(&*ended.run_id, "RUN"),
            "after {crashes} writes"
        );
        assert_eq!(
            report.steps.iter().map(|(path, step)| (path, step.status)).collect::<BTreeMap<_, _>>(),
            ended.steps.iter().map(|(path, step)| (path, step.status)).collect::<BTreeMap<_, _>>(),
            "after {crashes} writes"
        );
        drop((second, kept));
        store.set_room(None);
        if let Ok(Ok(run)) = begun.join() {
            run.cancel(CancelMode::Kill, "the test is over");
        }
        if is_last {
            return crashes;
        }
    }
}

#[test]
fn a_run_goes_on_after_a_crash_at_any_write() {
    let chain = r#"{"id":"w","steps":[{"id":"a",@value,"parameters":{"value":1}},
        {"id":"b",@value_blocking,"parameters":{"value":"${steps.a.output + 1}"}},
        {"id":"c",@later,"parameters":{"ms":1,"value":"${steps.b.output + 1}"}}],
        "output":"${steps.c.output}"}"#;
    assert!(crash_after_every_write(chain) >= 4);
    let wide = r#"{"id":"w","mode":"parallel","steps":[
        {"id":"each","type":"foreach","items":"[1, 2, 3, 4]","max_concurrency":2,
            "steps":[{"id":"one",@value_blocking,"parameters":{"value":"${item * 2}"}}]},
        {"id":"pick","type":"switch","dependencies":["each"],"cases":[
            {"name":"big","when":"size(steps.each.output) > 3","steps":[{"id":"x",@value,"parameters":{"value":"big"}}]}]},
        {"id":"again","type":"repeat","until":"iteration == 3","steps":[{"id":"y",@value,"parameters":{"value":"${iteration}"}}]}]}"#;
    assert!(crash_after_every_write(wide) >= 4);
    let failing = r#"{"id":"w","steps":[{"id":"a",@value,"parameters":{"value":1},
            "compensate":{"plugin":"t","method":"value_blocking","parameters":{"value":"undone"}}},
        {"id":"b",@fail_blocking,"parameters":{},"retry":{"max_attempts":3,"delay":1}}],
        "finally":[{"id":"f",@value,"parameters":{"value":2}}]}"#;
    assert!(crash_after_every_write(failing) >= 4);
}

#[test]
fn a_run_that_goes_on_as_new_is_there_once_after_a_crash_at_any_write() {
    let counter = r#"{"id":"w","steps":[
        {"id":"n",@value_blocking,"parameters":{"value":"${input == null ? 1 : input + 1}"}},
        {"id":"bye","type":"return","when":"steps.n.output == 3","value":"${steps.n.output}"},
        {"id":"again","type":"continue_as_new","input":"${steps.n.output}"}]}"#;
    // the result that a run goes on as new with may be written together with the next generation, or before it
    assert!(crash_after_every_write(counter) >= 5);
}

/// Waits until `is_so`.
#[track_caller]
pub(crate) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn nothing_that_depends_on_a_step_happens_before_its_result_lasts() {
    let store = Arc::new(MemoryStore::default());
    let lab = Lab::durable(Config::default(), &store);
    // the start is written, nothing else is
    store.set_room(Some(1));
    let run = lab.start(
        r#"{"id":"w","steps":[{"id":"a",@value,"parameters":{"value":1}},{"id":"b",@value,"parameters":{"value":2}}]}"#,
        "null",
    );
    eventually("the first step runs", || lab.kit.order() == ["a"]);
    eventually("writing fails", || lab.engine.journal_stats().unwrap().errors > 1);
    assert_eq!(lab.kit.order(), ["a"], "the second waits for the result of the first to last");
    assert!(run.events(0).iter().all(|event| event.step.is_none()), "and nobody is told of it");
    assert_eq!(run.status(), RunStatus::Running);
    // there is room again: it goes on by itself
    store.set_room(None);
    assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
    assert_eq!(lab.kit.order(), ["a", "b"]);
    assert!(lab.engine.journal_stats().unwrap().error.is_none());
}

#[test]
fn a_start_is_acknowledged_once_it_lasts_and_an_end_told_once_it_does() {
    let store = Arc::new(MemoryStore::default());
    let lab = Lab::durable(Config::default(), &store);
    store.set_room(Some(0));
    let request = lab.request(r#"{"id":"w","steps":[{"id":"a",@value,"parameters":{"value":1}}]}"#, "null");
    let engine = lab.engine.clone();
    let start = std::thread::spawn(move || engine.start(request).unwrap());
    eventually("writing fails", || lab.engine.journal_stats().unwrap().errors > 1);
    assert!(!start.is_finished(), "not acknowledged");
    store.set_room(Some(1));
    let run = start.join().unwrap();
    eventually("the step has run", || lab.kit.order() == ["a"]);
    assert_eq!(run.wait(Some(Duration::from_millis(50))), None, "its end does not last yet");
    assert_eq!((run.status(), run.output()), (RunStatus::Running, None));
    store.set_room(None);
    assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
    assert_eq!(run.output().unwrap().as_str(), "1");
}

#[test]
fn a_waiting_run_leaves_memory_and_comes_back_when_its_timer_is_due() {
    in_time(|| {
        let store = Arc::new(MemoryStore::default());
        let config = Config { evict_after: Duration::from_millis(20), ..Config::default() };
        let lab = Lab::durable(config.clone(), &store);
        let document = r#"{"id":"w","steps":[{"id":"a",@value,"parameters":{"value":1}},
        {"id":"nap","type":"wait","duration":600},{"id":"b",@value,"parameters":{"value":"${steps.a.output + 1}"}}]}"#;
        let begin = Instant::now();
        let id = lab.start(document, "null").id().clone();
        let in_memory = |lab: &Lab| lab.engine.list(&Default::default()).len();
        eventually("it leaves memory", || in_memory(&lab) == 0);
        assert!(begin.elapsed() < Duration::from_millis(600), "it left while it waited");
        let line = lab.engine.query(&RunQuery { limit: 1, ..RunQuery::default() }).unwrap().runs.remove(0);
        assert_eq!((&*line.run_id, line.standing.status), (&*id, RunStatus::Waiting));
        eventually("it comes back", || lab.kit.order() == ["a", "b"]);
        let took = begin.elapsed();
        assert!(took >= Duration::from_millis(600), "not before its time: {took:?}");
        let run = lab.engine.get(&id).unwrap();
        assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
        assert_eq!(run.output().unwrap().as_str(), "2");
    });
}

/// Waits for an event, and returns what it brings.
fn listener(event: &str) -> String {
    format!(
        r#"{{"id":"l","steps":[{{"id":"go","type":"wait_for_event","event":"{event}"}}],"output":"${{steps.go.output}}"}}"#
    )
}

#[test]
fn an_event_for_all_reaches_runs_that_have_left_memory() {
    in_time(|| {
        let store = Arc::new(MemoryStore::default());
        let config = Config { evict_after: Duration::from_millis(20), ..Config::default() };
        let lab = Lab::durable(config, &store);
        let [told, other] = ["go", "stay"].map(|event| lab.start(&listener(event), "null").id().clone());
        let in_memory = || lab.engine.list(&Default::default());
        eventually("they leave memory", || in_memory().is_empty());
        let query = RunQuery { statuses: vec![RunStatus::Waiting], limit: 9, ..RunQuery::default() };
        assert_eq!(lab.engine.query(&query).unwrap().runs.len(), 2, "they are listed as waiting");
        let emit = r#"{"id":"e","steps":[{"id":"tell","type":"emit","event":"go","data":7}]}"#;
        assert_eq!(lab.start(emit, "null").wait(Some(PATIENCE)), Some(RunStatus::Completed));
        assert!(in_memory().iter().all(|run| *run.run_id != *other), "it was not meant");
        let run = lab.engine.get(&told).unwrap();
        assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
        assert_eq!(run.output().unwrap().as_str(), "7");
        // one that has come back is not found twice, and the other one still is
        lab.engine.signal(&other, "stay", jackfield_core::payload::Payload::encode(&8)).unwrap();
        let run = lab.engine.get(&other).unwrap();
        assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
        assert_eq!(lab.engine.query(&query).unwrap().runs.len(), 0);
    });
}

#[test]
fn a_run_out_of_memory_stops_waiting_for_an_event_in_time() {
    in_time(|| {
        let store = Arc::new(MemoryStore::default());
        let config = Config { evict_after: Duration::from_millis(20), ..Config::default() };
        let lab = Lab::durable(config, &store);
        let document = r#"{"id":"l","steps":[{"id":"go","type":"wait_for_event","event":"go","timeout":600,"max_retries":0}]}"#;
        let begin = Instant::now();
        let id = lab.start(document, "null").id().clone();
        eventually("it leaves memory", || lab.engine.list(&Default::default()).is_empty());
        assert!(begin.elapsed() < Duration::from_millis(600), "it left while it waited");
        // asking for it would bring it back
        let query = RunQuery { statuses: vec![RunStatus::Failed], limit: 9, ..RunQuery::default() };
        eventually("it comes back", || !lab.engine.query(&query).unwrap().runs.is_empty());
        assert!(begin.elapsed() >= Duration::from_millis(600), "not before its time");
        assert_eq!(lab.engine.get(&id).unwrap().status(), RunStatus::Failed);
    });
}

#[test]
fn too_many_waiting_runs_leave_memory_before_their_time() {
    in_time(|| {
        let store = Arc::new(MemoryStore::default());
        let config =
            Config { evict_after: Duration::from_secs(3_600), resting_runs_max: 2, ..Config::default() };
        let lab = Lab::durable(config, &store);
        let ids: Vec<_> = (0..6).map(|_| lab.start(&listener("go"), "null").id().clone()).collect();
        eventually("four leave memory", || lab.engine.list(&Default::default()).len() == 2);
        for id in ids {
            lab.engine.signal(&id, "go", jackfield_core::payload::Payload::encode(&1)).unwrap();
            assert_eq!(lab.engine.get(&id).unwrap().wait(Some(PATIENCE)), Some(RunStatus::Completed));
        }
    });
}

#[test]
fn a_timer_keeps_its_time_over_a_restart_whether_it_was_due_before_or_not() {
    in_time(|| {
        for nap in [50, 400] {
            let store = Arc::new(MemoryStore::default());
            let first = Lab::durable(impatient(), &store);
            let document = format!(
                r#"{{"id":"w","steps":[{{"id":"nap","type":"wait","duration":{nap}}},{{"id":"b",@value,"parameters":{{"value":1}}}}]}}"#
            );
            let begin = Instant::now();
            let id = first.start(&document, "null").id().clone();
            // it may have been due while no host was there
            store.set_room(Some(0));
            let content = store.content();
            std::thread::sleep(Duration::from_millis(100));
            let (second, _store) = after_crash(content, Arc::default());
            let run = second.engine.get(&id).unwrap();
            assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
            assert!(begin.elapsed() >= Duration::from_millis(nap), "not before its time");
            assert_eq!(second.kit.order(), ["b"]);
            let events = run.events(0);
            let naps = events.iter().filter(|event| event.step.as_deref() == Some("nap"));
            assert_eq!(naps.count(), 2, "started once and completed once: {events:#?}");
            store.set_room(None);
        }
    });
}

#[test]
fn an_id_is_started_once_and_whoever_means_the_same_run_can_attach() {
    let store = Arc::new(MemoryStore::default());
    let lab = Lab::durable(Config::default(), &store);
    let document = r#"{"id":"w","steps":[{"id":"a",@value,"parameters":{"value":1}}]}"#;
    let request = |lab: &Lab, input: &str, attach| crate::StartRequest {
        run_id: Some("mine".into()),
        attach,
        ..lab.request(document, input)
    };
    let run = lab.engine.start(request(&lab, "{\"a\": 1}", false)).unwrap();
    assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
    for later in [Some(Lab::durable_with(Config::default(), &store, lab.kit.clone())), None] {
        let lab = later.as_ref().unwrap_or(&lab);
        let refused = lab.engine.start(request(lab, "{\"a\": 1}", false)).unwrap_err();
        assert_eq!(refused.to_string(), "run `mine` exists already and is completed");
        let same = lab.engine.start(request(lab, "{\"a\":1}", true)).unwrap();
        assert_eq!(same.status(), RunStatus::Completed);
        let other = lab.engine.start(request(lab, "{\"a\":2}", true)).unwrap_err();
        assert!(matches!(other, EngineError::RunExists { .. }), "{other}");
    }
    assert_eq!(lab.kit.order(), ["a"]);
}

#[test]
fn what_was_running_is_made_again_with_its_attempt_and_key_and_what_had_completed_is_not() {
    let store = Arc::new(MemoryStore::default());
    let first = Lab::durable(Config::default(), &store);
    let document = r#"{"id":"w","mode":"parallel","steps":[{"id":"a",@value,"parameters":{"value":1}},
        {"id":"b",@fail_blocking,"parameters":{"good":2,"value":5},"retry":{"max_attempts":2,"delay":0},"dependencies":["a"]},
        {"id":"c",@gate,"parameters":{},"dependencies":["b"]}]}"#;
    let id = first.start(document, "null").id().clone();
    eventually("the last step runs", || first.kit.order() == ["a", "b", "b", "c"]);
    store.set_room(Some(0));
    let (second, _store) = after_crash(store.content(), Arc::default());
    eventually("only that one is made again", || second.kit.order() == ["c"]);
    assert_eq!(second.kit.attempts("c")[0].attempt, 1, "an attempt that was cut short counts once");
    second.kit.open_gate();
    let run = second.engine.get(&id).unwrap();
    assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
    assert_eq!(json!(run.report(9).steps["b"].attempts), json!(2));
    first.kit.open_gate();
    store.set_room(None);
}

#[test]
fn shutting_down_puts_runs_away_and_they_go_on_with_the_next_engine() {
    in_time(|| {
        let store = Arc::new(MemoryStore::default());
        let config = Config { shutdown_grace: Duration::from_millis(200), ..Config::default() };
        let first = Lab::durable(config, &store);
        let waiting = r#"{"id":"w","steps":[{"id":"nap","type":"wait","duration":"1h"}]}"#;
        let busy = r#"{"id":"v","steps":[{"id":"a",@gate,"parameters":{}},{"id":"b",@value,"parameters":{"value":7}}]}"#;
        let quick = r#"{"id":"u","steps":[{"id":"s",@sleep,"parameters":{"ms":50}},{"id":"t",@value,"parameters":{"value":7}}]}"#;
        let ids: Vec<_> = [waiting, busy, quick].map(|it| first.start(it, "null").id().clone()).into();
        eventually("calls are under way", || first.kit.order().len() == 2);
        let begin = Instant::now();
        first.engine.shutdown();
        assert!(begin.elapsed() < PATIENCE / 2, "it does not wait for what waits");
        assert_eq!(first.kit.attempts("t").len(), 0, "no step starts any more");
        let second = Lab::durable_with(Config::default(), &store, Arc::default());
        second.kit.open_gate();
        for id in &ids[1..] {
            let run = second.engine.get(id).unwrap();
            assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed), "{:?}", run.report(9));
            assert_eq!(run.output().unwrap().as_str(), "7");
        }
        assert_eq!(second.kit.attempts("s").len(), 0, "it ended within the grace, and that was written");
        assert_eq!(second.engine.get(&ids[0]).unwrap().status(), RunStatus::Waiting);
    });
}

#[test]
fn a_run_whose_calls_keep_ending_its_host_is_paused_until_somebody_resumes_it() {
    let config = Config { recoveries_max: 3, ..impatient() };
    let document = r#"{"id":"w","mode":"parallel","steps":[
        {"id":"a",@value,"parameters":{"value":1}},{"id":"b",@gate,"parameters":{},"dependencies":["a"],"timeout":0},
        {"id":"nap","type":"wait","duration":1}]}"#;
    let mut content = Content::default();
    let calls_of_b = |kit: &Kit| kit.order().iter().filter(|id| **id == "b").count();
    let mut id: Option<Arc<str>> = None;
    let mut crash = |content: Content, resumes: bool| {
        let store = Arc::new(MemoryStore::holding(content));
        let lab = Lab::durable_with(config.clone(), &store, Arc::default());
        let run = match &id {
            None => lab.start(document, "null"),
            Some(id) => lab.engine.get(id).unwrap(),
        };
        id = Some(run.id().clone());
        if resumes {
            run.resume().unwrap();
        }
        eventually("it is called or held", || calls_of_b(&lab.kit) > 0 || run.status() == RunStatus::Paused);
        let was = (calls_of_b(&lab.kit), run.status() == RunStatus::Paused);
        let records = run.run.shared.lock().state.record_count();
        eventually("what is written is told", || run.events(0).len() == records);
        // what it does from here on is lost
        store.set_room(Some(0));
        (store.content(), was, run.events(0))
    };
    for nth in 0..4 {
        let (next, was, events) = crash(std::mem::take(&mut content), false);
        content = next;
        assert_eq!(was, (1, false), "start {nth}");
        let told = events.iter().filter(|event| event.event == EventKind::RunRecovered);
        assert_eq!(told.count(), nth, "start {nth}");
    }
    for _ in 0..2 {
        let (next, was, events) = crash(std::mem::take(&mut content), false);
        content = next;
        assert_eq!(was, (0, true), "it has been tried often enough");
        let why = events.iter().find_map(|event| event.message.clone()).expect("it is said why");
        assert!(why.contains("ended out of order 3 times in a row") && why.contains("(b)"), "{why}");
    }
    let (content, was, _) = crash(content, true);
    assert_eq!(was, (1, false), "it is tried again, and counted anew");
    let (second, _store) = after_crash(content, Arc::default());
    second.kit.open_gate();
    let run = second.engine.get(&id.unwrap()).unwrap();
    assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
}

#[test]
fn an_end_that_is_written_while_the_engine_ends_is_written_and_breaks_nothing() {
    let store = Arc::new(MemoryStore::default());
    let lab = Lab::durable(Config { shutdown_grace: PATIENCE, ..Config::default() }, &store);
    // the start is written, the end is not
    store.set_room(Some(1));
    let run = lab.start(r#"{"id":"w","steps":[{"id":"a",@value,"parameters":{"value":1}}]}"#, "null");
    eventually("the step has run and its end is not written", || {
        lab.kit.order() == ["a"] && lab.engine.journal_stats().unwrap().errors > 0
    });
    let id = run.id().clone();
    let engine = lab.engine.clone();
    let ending = std::thread::spawn(move || engine.shutdown());
    eventually("the run has left memory", || lab.engine.list(&Default::default()).is_empty());
    store.set_room(None);
    ending.join().unwrap();
    drop(lab);
    let later = Lab::durable_with(Config::default(), &store, Arc::default());
    assert_eq!(later.engine.get(&id).unwrap().status(), RunStatus::Completed);
    assert!(later.kit.order().is_empty(), "nothing is done again");
}

#[test]
fn runs_that_start_at_once_are_all_kept() {
    let store = Arc::new(MemoryStore::default());
    let lab = Lab::durable(Config::default(), &store);
    let document = r#"{"id":"w","steps":[{"id":"a",@value,"parameters":{"value":1}}]}"#;
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let run = lab.start(document, "null");
                    assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
                }
            });
        }
    });
    assert_eq!(lab.engine.query(&RunQuery { limit: 1_000, ..RunQuery::default() }).unwrap().runs.len(), 800);
}

#[test]
fn an_event_that_was_acknowledged_is_there_after_a_crash_and_is_taken_once() {
    let store = Arc::new(MemoryStore::default());
    let first = Lab::durable(impatient(), &store);
    let document = r#"{"id":"w","steps":[{"id":"gate",@gate,"parameters":{}},
        {"id":"ask","type":"wait_for_event","event":"approved"},
        {"id":"b",@value,"parameters":{"value":"${steps.ask.output.by}"}}]}"#;
    let run = first.start(document, "null");
    // early: no step waits for it yet
    run.signal("approved", jackfield_core::payload::Payload::trusted(r#"{"by":"ann"}"#)).unwrap();
    let content = store.content();
    store.set_room(Some(0));
    let (second, _store) = after_crash(content, Arc::default());
    second.kit.open_gate();
    let again = second.engine.get(run.id()).unwrap();
    assert_eq!(again.wait(Some(PATIENCE)), Some(RunStatus::Completed));
    assert_eq!(again.output().unwrap().as_str(), "\"ann\"");
    first.kit.open_gate();
    store.set_room(None);
}

#[test]
fn a_child_is_started_once_over_a_crash_and_its_end_reaches_the_parent() {
    let child = r#"{"id":"c","steps":[{"id":"one",@gate,"parameters":{}},{"id":"two",@value,"parameters":{"value":"${input.n + 1}"}}]}"#;
    let parent = r#"{"id":"p","steps":[{"id":"call","type":"workflow","workflow":"c","input":{"n":4}},
        {"id":"b",@value,"parameters":{"value":"${steps.call.output * 2}"}}]}"#;
    let store = Arc::new(MemoryStore::default());
    let first = Lab::durable(impatient(), &store);
    first.register(child);
    let run = first.start(parent, "null");
    eventually("the child runs", || first.kit.order() == ["one"]);
    store.set_room(Some(0));
    let content = store.content();
    let second_store = Arc::new(MemoryStore::holding(content));
    // the workflow need not be registered any more: the child is there
    let second = Lab::durable_with(Config::default(), &second_store, Arc::default());
    eventually("the child goes on", || second.kit.order() == ["one"]);
    second.kit.open_gate();
    let again = second.engine.get(run.id()).unwrap();
    assert_eq!(again.wait(Some(PATIENCE)), Some(RunStatus::Completed));
    assert_eq!(again.output().unwrap().as_str(), "10");
    assert_eq!(second.kit.order(), ["one", "two", "b"]);
    let runs = second.engine.query(&RunQuery { limit: 10, ..RunQuery::default() }).unwrap().runs;
    assert_eq!(runs.len(), 2, "{runs:?}");
    first.kit.open_gate();
    store.set_room(None);
}

#[test]
fn a_pause_lasts_over_a_restart() {
    let store = Arc::new(MemoryStore::default());
    let first = Lab::durable(impatient(), &store);
    let document =
        r#"{"id":"w","steps":[{"id":"a",@gate,"parameters":{}},{"id":"b",@value,"parameters":{"value":3}}]}"#;
    let run = first.start(document, "null");
    eventually("the first step runs", || first.kit.order() == ["a"]);
    run.pause("lunch").unwrap();
    first.kit.open_gate();
    eventually("it ends", || run.events(0).iter().any(|event| event.event == EventKind::StepCompleted));
    assert_eq!((run.status(), first.kit.order().len()), (RunStatus::Paused, 1), "nothing starts");
    first.engine.shutdown();
    let second = Lab::durable_with(Config::default(), &store, Arc::default());
    let again = second.engine.get(run.id()).unwrap();
    assert_eq!(again.status(), RunStatus::Paused);
    again.resume().unwrap();
    assert_eq!(again.wait(Some(PATIENCE)), Some(RunStatus::Completed));
    assert_eq!(second.kit.order(), ["b"]);
}

#[test]
fn shutting_down_does_not_wait_for_calls_that_nobody_has_begun() {
    in_time(|| {
        let store = Arc::new(MemoryStore::default());
        let config = Config { shutdown_grace: PATIENCE, ..Config::default() };
        let first = Lab::durable(config, &store);
        let steps: Vec<String> = (0..3_000)
            .map(|nth| format!(r#"{{"id":"s{nth}",@value,"parameters":{{"value":{nth}}}}}"#))
            .collect();
        let document = format!(r#"{{"id":"w","mode":"parallel","steps":[{}]}}"#, steps.join(","));
        let run = first.start(&document, "null");
        let begin = Instant::now();
        first.engine.shutdown();
        assert!(begin.elapsed() < PATIENCE / 2, "it waited for calls that nobody makes");
        assert!(first.kit.order().len() < 3_000, "some calls were left");
        let second = Lab::durable_with(Config::default(), &store, Arc::default());
        assert_eq!(second.engine.get(run.id()).unwrap().wait(Some(PATIENCE)), Some(RunStatus::Completed));
    });
}
