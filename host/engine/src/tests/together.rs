//! What runs do to each other happens once, wherever a crash comes between.

use super::durable::{after_crash, eventually, impatient};
use super::lab::{Lab, PATIENCE};
use super::memory_store::MemoryStore;
use jackfield_core::run::{CancelMode, RunStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CHILD: &str =
    r#"{"id":"child","version":"1.0.0","steps":[{"id":"hold","type":"wait","duration":"1h"}]}"#;

/// Starts `documents` one after the other, each under its own id, and ends the host after every write in turn. `check` looks
/// at what the next host makes of it; how many crashes there were. It is over when `is_done` before the host ends.
fn crash_after_every_write(
    documents: &[&str],
    is_done: impl Fn(&Lab) -> bool,
    check: impl Fn(&Lab, usize),
) -> usize {
    for crashes in documents.len() + 1.. {
        let store = Arc::new(MemoryStore::default());
        store.set_room(Some(crashes));
        let first = Lab::durable(impatient(), &store);
        first.register(CHILD);
        let begun: Vec<_> = documents
            .iter()
            .map(|document| {
                let mut request = first.request(document, "null");
                let id = document.split('"').nth(3).unwrap().to_owned();
                request.run_id = Some(id);
                let engine = first.engine.clone();
                let starting = std::thread::spawn(move || drop(engine.start(request)));
                eventually("the start is handed in", || {
                    starting.is_finished() || store.writes().len() >= crashes
                });
                starting
            })
            .collect();
        let begin = Instant::now();
        while store.writes().len() < crashes && !is_done(&first) {
            assert!(begin.elapsed() < PATIENCE, "neither done nor full after {crashes} writes");
            std::thread::sleep(Duration::from_micros(200));
        }
        let is_last = store.writes().len() < crashes;
        let (second, _kept) = after_crash(store.content(), first.kit.clone());
        second.register(CHILD);
        check(&second, crashes);
        store.set_room(None);
        first.engine.cancel_all("the test is over");
        begun.into_iter().for_each(|starting| starting.join().unwrap());
        if is_last {
            return crashes;
        }
    }
    0
}

fn status(lab: &Lab, id: &str) -> Option<RunStatus> {
    lab.engine.get(id).ok().map(|run| run.status())
}

#[test]
fn a_run_that_is_to_end_with_another_does_so_over_a_crash_at_any_write() {
    let parent = r#"{"id":"parent","steps":[
        {"id":"start","type":"workflow","workflow":"child","run_id":"follower","detached":true,"on_parent_close":"cancel",
            "retry":{"max_attempts":1000,"delay":5}},
        {"id":"a",@value_blocking,"parameters":{"value":1}}]}"#;
    let is_done = |lab: &Lab| {
        let [parent, child] = ["parent", "follower"].map(|id| status(lab, id));
        parent == Some(RunStatus::Completed) && child == Some(RunStatus::Cancelled)
    };
    let crashes = crash_after_every_write(&[parent], is_done, |lab, crashes| {
        let ends = |id| lab.engine.get(id).unwrap().wait(Some(PATIENCE));
        assert_eq!(ends("parent"), Some(RunStatus::Completed), "after {crashes} writes");
        eventually(&format!("the child is there after {crashes} writes"), || {
            status(lab, "follower").is_some()
        });
        assert_eq!(ends("follower"), Some(RunStatus::Cancelled), "after {crashes} writes");
    });
    assert!(crashes > 4, "{crashes}");
}

#[test]
fn what_is_emitted_arrives_once_over_a_crash_at_any_write() {
    let listener = r#"{"id":"listener","steps":[
        {"id":"a","type":"receive","queue":"q"},{"id":"b","type":"receive","queue":"q"},{"id":"c","type":"receive","queue":"q"}],
        "output":"${[steps.a.output, steps.b.output, steps.c.output]}"}"#;
    let sender = r#"{"id":"sender","steps":[
        {"id":"a","type":"emit","queue":"q","to":"listener","data":1},
        {"id":"x",@value_blocking,"parameters":{"value":1}},
        {"id":"b","type":"emit","queue":"q","data":2},
        {"id":"c","type":"emit","queue":"q","to":"listener","data":3}]}"#;
    let is_done =
        |lab: &Lab| ["listener", "sender"].iter().all(|id| status(lab, id) == Some(RunStatus::Completed));
    let crashes = crash_after_every_write(&[listener, sender], is_done, |lab, crashes| {
        if status(lab, "sender").is_none() {
            return lab.engine.cancel("listener", CancelMode::Kill, "nobody sends").unwrap();
        }
        for id in ["sender", "listener"] {
            let ended = lab.engine.get(id).unwrap().wait(Some(PATIENCE));
            assert_eq!(ended, Some(RunStatus::Completed), "{id} after {crashes} writes");
        }
        let output = lab.engine.get("listener").unwrap().output().unwrap();
        assert_eq!(output.as_str(), "[1,2,3]", "after {crashes} writes");
    });
    assert!(crashes > 5, "{crashes}");
}
