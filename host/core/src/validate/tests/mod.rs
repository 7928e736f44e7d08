//! Documents in, plans and findings out.

mod cycles;
mod document;
mod methods;
mod names;
mod plans;
mod scale;
mod variables;
mod warnings;

use super::{Compiled, Options, compile};
use crate::catalog::{Catalog, Method, MethodKind, Plugin, Unusable};
use crate::diagnostic::{Code, Finding};
use crate::model::{Dialect, parse};
use crate::payload::Payload;
use crate::plan::{Plan, StepIx};
use std::sync::Arc;

fn method(name: &str, pure: bool, schema: &str) -> Method {
    Method {
        name: name.into(),
        description: "".into(),
        kind: MethodKind::Inline,
        pure,
        idempotent: pure,
        serial: false,
        default_timeout: None,
        parameters: Payload::parse(schema).unwrap(),
        output: Payload::null(),
    }
}

fn plugin(name: &str, version: &str, methods: Vec<Method>) -> Arc<Plugin> {
    Arc::new(Plugin { name: name.into(), version: version.parse().unwrap(), description: "".into(), methods })
}

const LOAD_SCHEMA: &str = r#"{"type": "object", "required": ["path"], "additionalProperties": false,
    "properties": {"path": {"type": "string"}, "limit": {"type": "integer", "minimum": 1},
        "mode": {"enum": ["fast", "safe"]}, "nested": {"type": "object", "properties": {"flag": {"type": "boolean"}}},
        "either": {"anyOf": [{"type": "integer"}, {"type": "object", "required": ["a"]}]}}}"#;

fn catalog() -> Catalog {
    let load = || method("load", false, LOAD_SCHEMA);
    let unusable = |name: &str, version: Option<&str>, reason: &str, remedy: &str| Unusable {
        name: name.into(),
        version: version.map(|version| version.parse().unwrap()),
        reason: reason.into(),
        remedy: remedy.into(),
    };
    let usable = Catalog::new(vec![
        plugin("p", "1.0.0", vec![method("m", false, "null"), method("pure", true, "null")]),
        plugin("csv", "1.0.0", vec![load(), method("old", false, "null")]),
        plugin("csv", "1.4.0", vec![load()]),
        plugin("csv", "2.0.0", vec![load(), method("save", false, "null")]),
    ]);
    usable.with_unusable(vec![
        unusable("csv", Some("3.0.0"), "it needs ABI 2", "Update the host."),
        unusable("needy", Some("1.0.0"), "it requires `b ^1`, which is not there", "Add `b`."),
        unusable("needy", Some("2.0.0"), "it requires `b ^2`, which is not there", "Add `b`."),
        unusable("torn", None, "`torn.so` is truncated", "Copy it again."),
    ])
}

/// All findings of reading and compiling `document`, with the plan if there is one.
fn compiled(document: &str) -> Compiled {
    compiled_with(document, &Options::default())
}

fn compiled_with(document: &str, options: &Options) -> Compiled {
    let parsed = parse(document.as_bytes(), Dialect::Json);
    let workflow = parsed.workflow.unwrap_or_else(|| panic!("{:#?} in {document}", parsed.findings));
    let mut compiled = compile(&workflow, &catalog(), options);
    compiled.findings.extend(parsed.findings);
    compiled
}

/// The plan of a document that has no error.
pub(crate) fn plan(document: &str) -> Arc<Plan> {
    let compiled = compiled(document);
    compiled.plan.unwrap_or_else(|| panic!("{:#?} in {document}", compiled.findings))
}

fn step(plan: &Plan, id: &str) -> StepIx {
    plan.find(id).unwrap_or_else(|| panic!("no step {id}"))
}

fn codes(compiled: &Compiled) -> Vec<Code> {
    compiled.findings.iter().map(|finding| finding.code).collect()
}

/// The only finding of `document`.
fn only(document: &str) -> Finding {
    let mut compiled = compiled(document);
    assert_eq!(compiled.findings.len(), 1, "{:#?} in {document}", compiled.findings);
    compiled.findings.remove(0)
}

/// A workflow whose body has `mode` and `steps`, with `rest` (members, each followed by a comma) before them.
fn workflow(mode: &str, rest: &str, steps: &str) -> String {
    format!(r#"{{"id": "w", "mode": "{mode}", {rest} "steps": [{steps}]}}"#)
}

/// A call step with more members.
fn call(id: &str, more: &str) -> String {
    let comma = if more.is_empty() { "" } else { ", " };
    format!(r#"{{"id": "{id}", "plugin": "p", "method": "m"{comma}{more}}}"#)
}

/// Calls, one a pair of id and further members.
fn calls(steps: &[(&str, &str)]) -> String {
    steps.iter().map(|(id, more)| call(id, more)).collect::<Vec<_>>().join(", ")
}

/// What stands at the place of `finding`.
fn at<'d>(document: &'d str, finding: &Finding) -> &'d str {
    &document[finding.at as usize..]
}
