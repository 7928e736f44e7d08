//! What is compared of two runs: where they and their steps stand, outputs and errors, never times.

use jackfield_tests::crash::Effects;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How what may differ after a crash begins, by example.
const MAY_DIFFER: &[(&str, &[&str])] = &[
    // what a run sends arrives at least once, as the effects of calls do
    ("messages.json", &["output", "notes: output"]),
    // the size of a file to which lines are appended
    ("data-processing.json", &["audit: output"]),
    ("purchase-approval.json", &["ask: output", "remind: output", "tell: output"]),
    // how often it is made within its time limit is a matter of time
    ("timeout.json", &["slow_poll["]),
];

/// Whether a crash may change this fact of an example.
pub(super) fn may_differ(name: &str, what: &str) -> bool {
    let begins = |facts: &[&str]| facts.iter().any(|fact| what.starts_with(fact));
    MAY_DIFFER.iter().any(|(example, facts)| *example == name && begins(facts))
}

/// An example that nothing happened to.
pub(super) struct Reference {
    /// What of it is the same each time.
    pub(super) facts: BTreeMap<String, Value>,
    /// What it called.
    pub(super) effects: Effects,
}

/// A result document line by line.
pub(super) fn facts(report: &Value) -> BTreeMap<String, Value> {
    let error = |of: &Value| match &of["error"] {
        Value::Null => Value::Null,
        error => json!({ "type": error["type"], "step": error["step"], "attempts": error["attempts"] }),
    };
    let mut facts = BTreeMap::new();
    for name in ["status", "output", "custom_status"] {
        facts.insert(name.to_owned(), report[name].clone());
    }
    facts.insert("error".to_owned(), error(report));
    for (path, step) in report["steps"].as_object().into_iter().flatten() {
        for name in ["status", "attempts", "output"] {
            facts.insert(format!("{path}: {name}"), step[name].clone());
        }
        facts.insert(format!("{path}: error"), error(step));
    }
    facts
}
