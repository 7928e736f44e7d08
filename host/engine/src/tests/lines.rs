//! Runs that wait for each other, over restarts.

use super::durable::{after_crash, eventually};
use super::lab::{Lab, PATIENCE};
use super::memory_store::MemoryStore;
use crate::Config;
use jackfield_core::run::RunStatus;
use std::sync::Arc;
use std::time::Duration;

const HELD: &str = r#"{"id":"w","concurrency":{"key":"'k'"},"steps":[{"id":"hold",@gate,"parameters":{}}]}"#;

fn start(lab: &Lab, id: &str) {
    let mut request = lab.request(HELD, "null");
    request.run_id = Some(id.to_owned());
    lab.engine.start(request).unwrap();
}

fn statuses(lab: &Lab) -> Vec<RunStatus> {
    ["a", "b", "c"].iter().map(|id| lab.engine.get(id).unwrap().status()).collect()
}

#[test]
fn a_line_is_the_same_after_a_crash_and_after_an_orderly_end() {
    let store = Arc::new(MemoryStore::default());
    let grace = Config { shutdown_grace: Duration::from_millis(20), ..Config::default() };
    let first = Lab::durable_with(grace.clone(), &store, Arc::default());
    ["a", "b", "c"].iter().for_each(|id| start(&first, id));
    eventually("the first one runs", || first.kit.order() == ["hold"]);
    let in_line = [RunStatus::Running, RunStatus::Queued, RunStatus::Queued];
    assert_eq!(statuses(&first), in_line);
    store.set_room(Some(0));

    let (second, kept) = after_crash(store.content(), Arc::default());
    eventually("it runs again", || second.kit.order() == ["hold"]);
    assert_eq!(statuses(&second), in_line);
    second.kit.open_gate();
    eventually("all have ended", || statuses(&second) == [RunStatus::Completed; 3]);
    assert_eq!(second.kit.order().len(), 3);
    drop((second, kept));
    store.set_room(None);

    first.engine.shutdown();
    let third = Lab::durable_with(Config::default(), &store, Arc::default());
    eventually("it runs again", || third.kit.order() == ["hold"]);
    assert_eq!(statuses(&third), in_line);
    third.kit.open_gate();
    let last = third.engine.get("c").unwrap();
    assert_eq!(last.wait(Some(PATIENCE)), Some(RunStatus::Completed));
    first.kit.open_gate();
}

#[test]
fn whoever_has_heard_that_a_run_ended_can_retry_another_of_its_key() {
    let store = Arc::new(MemoryStore::default());
    let lab = Lab::durable(Config::default(), &store);
    let document = |step: &str| format!(r#"{{"id":"w","concurrency":{{"key":"'k'"}},"steps":[{step}]}}"#);
    let failing = lab.start(&document(r#"{"id":"a",@fail,"parameters":{}}"#), "null");
    assert_eq!(failing.wait(Some(PATIENCE)), Some(RunStatus::Failed));
    for _ in 0..100 {
        let other = lab.start(&document(r#"{"id":"b",@value,"parameters":{"value":1}}"#), "null");
        assert_eq!(other.wait(Some(PATIENCE)), Some(RunStatus::Completed));
        let again = lab.engine.retry(failing.id(), None).unwrap();
        assert_eq!(again.wait(Some(PATIENCE)), Some(RunStatus::Failed));
    }
}
