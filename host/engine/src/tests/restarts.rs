//! What a restart finds: what was done, what was under way, and what is missing.

use super::durable::{after_crash, eventually, impatient};
use super::kit::Kit;
use super::lab::{Lab, PATIENCE};
use super::memory_store::{Content, MemoryStore};
use jackfield_core::journal::RunQuery;
use jackfield_core::run::RunStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs a document until `is_there`; what is written after that is lost. What there was, and the id of the run.
fn until(
    document: &str,
    is_there: impl Fn(&Lab, &crate::RunHandle) -> bool,
) -> (Content, Arc<str>, Arc<Kit>) {
    let store = Arc::new(MemoryStore::default());
    let lab = Lab::durable(impatient(), &store);
    let run = lab.start(document, "null");
    eventually("it comes that far", || is_there(&lab, &run));
    lab.engine.inner.wait_written(&run.run);
    store.set_room(Some(0));
    (store.content(), run.id().clone(), lab.kit.clone())
}

#[test]
fn a_wide_join_that_was_done_before_a_restart_goes_on_behind_it() {
    let items: Vec<_> = (0..1_024).map(|n| n.to_string()).collect();
    let document = r#"{"id":"w","steps":[
        {"id":"each","type":"foreach","items":"[ITEMS]","max_concurrency":0,
            "steps":[{"id":"one",@value,"parameters":{"value":"${item}"}}]},
        {"id":"ask","type":"wait_for_event","event":"go"},
        {"id":"count",@value,"parameters":{"value":"${size(steps.each.output)}"}}],
        "output":"${[steps.count.output, steps.each.output[1023]]}"}"#;
    let document = document.replace("ITEMS", &items.join(", "));
    let (content, id, _) = until(&document, |_, run| run.status() == RunStatus::Waiting);
    let (second, _store) = after_crash(content, Arc::default());
    second.engine.signal(&id, "go", jackfield_core::payload::Payload::null()).unwrap();
    let run = second.engine.get(&id).unwrap();
    assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
    assert_eq!(run.output().unwrap().as_str(), "[1024,1023]");
    assert_eq!(second.kit.order(), ["count"]);
}

#[test]
fn a_restart_within_a_delay_neither_forgets_attempts_nor_shortens_it() {
    let document = r#"{"id":"w","steps":[{"id":"a",@fail,"parameters":{},"retry":{"max_attempts":2,"delay":700,"backoff":"fixed"}}]}"#;
    let failed = |run: &crate::RunHandle| run.events(0).iter().any(|event| event.step.is_some());
    let begin = Instant::now();
    let (content, id, first) = until(document, |_, run| failed(run));
    assert_eq!(first.order(), ["a"]);
    let (second, _store) = after_crash(content, Arc::default());
    let run = second.engine.get(&id).unwrap();
    assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Failed));
    let attempts = second.kit.attempts("a");
    assert_eq!(attempts.iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [2]);
    let waited = attempts[0].at - begin;
    assert!(waited >= Duration::from_millis(700), "after {waited:?}");
    assert_eq!(run.report(10).error.unwrap().attempts, 2);
}

#[test]
fn now_and_uuid_are_the_same_when_a_call_is_made_again() {
    let document = r#"{"id":"w","steps":[{"id":"a",@value,"parameters":{"value":1}},
        {"id":"b",@gate,"parameters":{"at":"${now()}","id":"${uuid()}","value":"${steps.a.output}"},"timeout":0}]}"#;
    let (content, id, first) = until(document, |lab, _| !lab.kit.attempts("b").is_empty());
    let (second, _store) = after_crash(content, Arc::default());
    second.kit.open_gate();
    assert_eq!(second.engine.get(&id).unwrap().wait(Some(PATIENCE)), Some(RunStatus::Completed));
    let [before, after] = [&first, &second.kit].map(|kit| kit.attempts("b").remove(0));
    assert_eq!(before.parameters, after.parameters);
    assert_eq!(before.parameters["id"].as_str().map(str::len), Some(36));
}

#[test]
fn a_run_waits_for_a_plugin_that_is_missing_and_goes_on_once_it_is_there() {
    let document = r#"{"id":"w","steps":[{"id":"a",@value,"parameters":{"value":1}},
        {"id":"b",@gate,"parameters":{"value":2},"timeout":0}]}"#;
    let (content, id, _) = until(document, |lab, _| !lab.kit.attempts("b").is_empty());
    let kit = Arc::new(Kit::default());
    kit.set_missing(true);
    kit.open_gate();
    let (second, _store) = after_crash(content, kit.clone());
    let run = second.engine.get(&id).unwrap();
    let why = || {
        let found =
            second.engine.query(&RunQuery { limit: 1, ..RunQuery::default() }).unwrap().runs.remove(0);
        (found.standing.status, found.standing.reason.unwrap_or_default())
    };
    assert_eq!((run.status(), why().0), (RunStatus::Waiting, RunStatus::Waiting));
    assert!(why().1.starts_with("plugin.unavailable"), "{}", why().1);
    assert_eq!(second.engine.plugins_changed(), 0, "it is still not there");
    kit.set_missing(false);
    assert_eq!(second.engine.plugins_changed(), 1);
    assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
    assert_eq!(kit.order(), ["b"], "what had completed is not done again");
}
