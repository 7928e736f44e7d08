//! Workflows that are registered: kept by a journal, found by id and range, never changed under a version.

use super::lab::{Lab, expand, plan};
use super::memory_store::MemoryStore;
use crate::{Config, EngineError};
use std::sync::Arc;

fn version(number: &str, message: &str) -> String {
    format!(r#"{{"id":"w","version":"{number}","steps":[{{"id":"s","type":"log","message":"{message}"}}]}}"#)
}

fn versions(lab: &Lab) -> Vec<String> {
    lab.engine.workflows().iter().map(|known| format!("{} {}", known.id, known.version)).collect()
}

#[test]
fn what_was_registered_is_known_after_a_restart_and_what_was_removed_is_not() {
    let store = Arc::new(MemoryStore::default());
    let first = Lab::durable(Config::default(), &store);
    ["1.0.0", "1.5.0", "2.0.0"].iter().for_each(|number| first.register(&version(number, "x")));
    let removed = "2.0.0".parse().unwrap();
    first.engine.unregister("w", Some(&removed)).unwrap();
    let gone = first.engine.unregister("w", Some(&removed));
    assert!(matches!(gone, Err(EngineError::NoWorkflowVersion { .. })), "{gone:?}");
    drop(first);

    let later = Lab::durable(Config::default(), &store);
    assert_eq!(versions(&later), ["w 1.0.0", "w 1.5.0"]);
    let found = later.engine.workflow("w", Some(&"<1.5".parse().unwrap())).unwrap();
    assert_eq!((found.version.to_string().as_str(), &*found.document), ("1.0.0", &*version("1.0.0", "x")));
    later.engine.unregister("w", None).unwrap();
    drop(later);
    assert!(versions(&Lab::durable(Config::default(), &store)).is_empty());
}

#[test]
fn a_version_keeps_its_document_over_restarts_and_the_same_one_again_is_fine() {
    let store = Arc::new(MemoryStore::default());
    let register = |lab: &Lab, text: &str| lab.engine.register(&expand(text), plan(text));
    let (one, other) = (version("1.0.0", "one"), version("1.0.0", "other"));
    let first = Lab::durable(Config::default(), &store);
    assert!(register(&first, &one).unwrap());
    assert!(!register(&first, &one).unwrap());
    drop(first);
    let later = Lab::durable(Config::default(), &store);
    assert!(!register(&later, &one).unwrap());
    let conflict = register(&later, &other);
    assert!(matches!(conflict, Err(EngineError::WorkflowConflict { .. })), "{conflict:?}");
}

#[test]
fn a_child_that_was_registered_before_a_restart_can_be_run_after_it() {
    let store = Arc::new(MemoryStore::default());
    Lab::durable(Config::default(), &store).register(&version("1.0.0", "x"));
    let parent = r#"{"id":"p","steps":[{"id":"c","type":"workflow","workflow":"w"}]}"#;
    let later = Lab::durable(Config::default(), &store);
    let ended = later.run_with(parent, "null");
    assert_eq!(ended.report.status.as_str(), "completed", "{:?}", ended.report.error);
}
