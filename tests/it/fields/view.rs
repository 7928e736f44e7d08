//! What the records of a run say, without what differs from run to run: times, and the order of what is parallel.

use chrono::DateTime;
use jackfield::{EventKind, Value, json};
use jackfield_tests::Finished;
use std::collections::BTreeMap;

/// Longer than any hiccup of the machine, shorter than the waits that rows ask for.
const LONG_MS: i64 = 1_000;

/// `status`, `output`, `error`, `steps`, the rest below.
pub(super) fn of(run: &Finished) -> Value {
    let report = serde_json::to_value(&run.report).expect("a report is JSON");
    let mut steps = report["steps"].clone();
    for step in steps.as_object_mut().expect("steps are an object").values_mut() {
        let fields = step.as_object_mut().expect("a step is an object");
        fields.retain(|name, _| !["started_at", "duration_ms"].contains(&name.as_str()));
    }
    json!({
        "workflow": report["workflow"],
        "version": report["version"],
        "status": report["status"],
        "custom_status": report["custom_status"],
        "output": report["output"],
        "error": report["error"],
        "steps": steps,
        "ended": ended(run),
        "events": events(run),
        "pauses": pauses(run),
        "queued": queued(run),
        "log": log(run),
        "undone": undone(run),
    })
}

/// The steps in the order in which they ended, and how.
fn ended(run: &Finished) -> Vec<String> {
    use EventKind::{StepCancelled, StepCaught, StepCompensated, StepCompleted, StepFailed, StepSkipped};
    let ends = [StepCompleted, StepFailed, StepSkipped, StepCancelled, StepCaught, StepCompensated];
    let of_ends = run.events.iter().filter(|event| ends.contains(&event.event));
    of_ends.map(|event| event.step.as_deref().unwrap_or_default().to_owned()).collect()
}

/// What happened to each step and, under the empty path, to the run.
fn events(run: &Finished) -> BTreeMap<&str, Vec<Value>> {
    let mut events: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for event in &run.events {
        events.entry(event.step.as_deref().unwrap_or_default()).or_default().push(json!(event.event));
    }
    events
}

/// For each step the time between what happened to it: `short` or `long`.
fn pauses(run: &Finished) -> BTreeMap<&str, Vec<&'static str>> {
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    let mut pauses: BTreeMap<&str, Vec<&'static str>> = BTreeMap::new();
    for event in &run.events {
        let path = event.step.as_deref().unwrap_or_default();
        let at = DateTime::parse_from_rfc3339(&event.at).expect("events have times").timestamp_millis();
        if let Some(before) = last.insert(path, at) {
            pauses.entry(path).or_default().push(if at - before < LONG_MS { "short" } else { "long" });
        }
    }
    pauses
}

/// Why the run had to wait before it began, without the run that it waited for.
fn queued(run: &Finished) -> Vec<&str> {
    let queued = run.events.iter().filter(|event| event.event == EventKind::RunQueued);
    queued.filter_map(|event| event.message.as_deref()?.split_once('(')).map(|(_, why)| why).collect()
}

fn log(run: &Finished) -> Vec<Value> {
    let lines = run.events.iter().filter(|event| event.event == EventKind::Log);
    lines.map(|line| json!([line.level, line.message, line.value])).collect()
}

/// What the undo of each step answered.
fn undone(run: &Finished) -> BTreeMap<&str, Value> {
    let undone = run.events.iter().filter(|event| event.event == EventKind::StepCompensated);
    undone.map(|event| (event.step.as_deref().unwrap_or_default(), json!(event.value))).collect()
}
