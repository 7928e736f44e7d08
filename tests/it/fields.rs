//! Every field of the format changes what happens.
//!
//! The rows in `fixtures/fields` are told apart by the names of the fields in the JSON Schema that the product
//! prints: a field without a row fails, and so does a row without a field. A row is a document, one change to it,
//! and what comes of the change: other records, a refusal, a fault, or nothing but that people see it.

mod names;
mod planned;
mod row;
mod view;

use jackfield::{HostBuilder, MethodError, Value, json};
use jackfield_tests::{Bench, workspace};
use row::Row;
use std::collections::BTreeSet;
use std::fs;

/// Rows tried at the same time: most of them wait.
const THREADS: usize = 8;

#[test]
fn each_field_of_the_schema_has_a_row_and_each_row_a_field() {
    let schema = fs::read_to_string(workspace::root().join("docs/workflow-1.schema.json"));
    let schema = serde_json::from_str(&schema.expect("the schema is committed")).expect("it is JSON");
    let fields = names::of_schema(&schema);
    assert!(fields.len() > 150, "only {} fields found: {fields:#?}", fields.len());
    let rows: BTreeSet<String> =
        FILES.iter().flat_map(|file| rows(file)).flat_map(|row| row.fields.0).collect();
    let without_row: Vec<_> = fields.difference(&rows).collect();
    let without_field: Vec<_> = rows.difference(&fields).collect();
    assert!(without_row.is_empty(), "fields without a row: {without_row:#?}");
    assert!(without_field.is_empty(), "rows for fields that are not in the schema: {without_field:#?}");
}

const FILES: [&str; 8] =
    ["document", "schedule", "step", "retry", "call", "structured", "outward", "refused"];

#[test]
fn fields_of_the_document_change_what_happens() {
    check("document");
}

#[test]
fn fields_of_schedules_change_what_happens() {
    check("schedule");
}

#[test]
fn fields_of_every_step_change_what_happens() {
    check("step");
}

#[test]
fn fields_of_retry_policies_change_what_happens() {
    check("retry");
}

#[test]
fn fields_of_calls_change_what_happens() {
    check("call");
}

#[test]
fn fields_of_the_other_types_change_what_happens() {
    check("structured");
}

#[test]
fn fields_of_types_that_reach_other_runs_change_what_happens() {
    check("outward");
}

#[test]
fn fields_that_are_not_performed_or_have_no_meaning_are_refused() {
    check("refused");
}

/// Two versions of a plugin of the application, whose methods answer which it is.
fn with_app(builder: HostBuilder) -> HostBuilder {
    let which = |answer: &'static str| move |_: Value| Ok::<_, MethodError>(answer);
    let app = builder.method("app", "1.0.0", "which", which("one"));
    app.method("app", "2.0.0", "which", which("two")).method("app", "2.0.0", "echo", which("app"))
}

/// Workflows for steps that run one: one answers with what it is, one waits for a message, one is
/// gone on to.
fn register(bench: &Bench) {
    let output =
        json!({ "input": "${input}", "version": "${workflow.version}", "run_id": "${workflow.run_id}" });
    let set = json!([{ "id": "s", "type": "set", "variables": { "x": 1 } }]);
    let tell = |version| json!({ "id": "tell", "version": version, "steps": set, "output": output });
    let hold = json!({ "id": "hold", "steps": [{ "id": "r", "type": "receive", "queue": "q" }] });
    let steps = json!([{ "id": "r", "type": "return", "value": "${workflow.version}" }]);
    let onward = json!({ "id": "onward", "version": "2.0.0", "steps": steps });
    for document in [tell("1.0.0"), tell("2.0.0"), hold, onward] {
        bench.host().register(&bench.check(document)).expect("it is new");
    }
}

fn rows(file: &str) -> Vec<Row> {
    let path = workspace::root().join(format!("tests/fixtures/fields/{file}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Tries the rows of a file and reports all that do not hold.
fn check(file: &str) {
    let rows = rows(file);
    // a run of the same id on each side has the same random numbers
    let benches = ["before", "after"].map(|_| Bench::with(&["echo", "fault", "partner"], with_app));
    benches.iter().for_each(register);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let part = |thread: usize| {
            let (rows, benches) = (&rows, &benches);
            scope.spawn(move || {
                let own = rows.iter().enumerate().skip(thread).step_by(THREADS);
                own.filter_map(|(index, row)| row.check(index, benches).err()).collect::<Vec<_>>()
            })
        };
        let threads: Vec<_> = (0..THREADS).map(part).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a row is no panic")).collect()
    });
    assert!(wrong.is_empty(), "{} of {} rows do not hold:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}
