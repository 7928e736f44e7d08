//! The document as a whole: its own fields, and all faults at once.

use super::*;
use crate::model::Rollback;
use crate::plan::ScopeIx;
use std::time::Duration;

#[test]
fn absent_fields_of_a_document_have_their_defaults() {
    let plan = plan(&workflow("sequential", "", &call("a", "")));
    assert_eq!((&*plan.id, &*plan.name, plan.version.to_string().as_str()), ("w", "w", "0.0.0"));
    assert_eq!(plan.step(step(&plan, "a")).timeout, Some(Duration::from_secs(60)));
    assert_eq!(plan.step(step(&plan, "a")).retry, None);
    assert!(plan.step(step(&plan, "a")).critical);
    assert_eq!(plan.timeout, None);
    assert_eq!(plan.cleanup_timeout, Duration::from_secs(600));
    assert_eq!(plan.rollback, Rollback::OnFailure);
    assert_eq!((plan.max_concurrency, plan.on_failure, plan.finally), (None, None, None));
    assert!(plan.input_schema.is_none());
}

#[test]
fn fields_of_a_document_reach_the_plan() {
    let rest = r#""name": "Shown", "version": "1.2.3", "max_concurrency": 7, "timeout": "1m", "rollback": "never",
        "cleanup_timeout": "5s", "input_schema": {"type": "object"}, "output": "${input}",
        "on_failure": [{"id": "f", "plugin": "p", "method": "m"}],
        "finally": [{"id": "g", "plugin": "p", "method": "m"}],"#;
    let plan = plan(&workflow("parallel", rest, &call("a", "")));
    assert_eq!((&*plan.name, plan.version.to_string().as_str()), ("Shown", "1.2.3"));
    assert_eq!((plan.max_concurrency, plan.timeout), (Some(7), Some(Duration::from_secs(60))));
    assert_eq!((plan.rollback, plan.cleanup_timeout), (Rollback::Never, Duration::from_secs(5)));
    let schema = plan.input_schema.as_ref().unwrap().source();
    assert_eq!(*schema, serde_json::json!({ "type": "object" }));
    assert!(plan.scope(ScopeIx::ROOT).output.is_some());
    let (failure, finally) = (plan.on_failure.unwrap(), plan.finally.unwrap());
    assert_eq!(plan.step(step(&plan, "f")).scope, failure);
    assert_eq!(plan.step(step(&plan, "g")).scope, finally);
}

#[test]
fn every_kind_of_fault_is_reported_at_once_each_at_its_line() {
    let document = r#"{
  "id": "w", "mode": "parallel",
  "colour": "red",
  "steps": [
    {"id": "a", "plugin": "nope", "method": "m"},
    {"id": "b", "plugin": "p", "method": "mm"},
    {"id": "c", "plugin": "p", "method": "m",
      "plugin_version": "^9"},
    {"id": "d", "plugin": "csv", "method": "load",
      "parameters": {"path": 1}},
    {"id": "e", "plugin": "p", "method": "m",
      "when": "${true}"},
    {"id": "f", "plugin": "p", "method": "m",
      "dependencies": ["ghost"]},
    {"id": "g", "plugin": "p", "method": "m",
      "dependencies": ["h"]},
    {"id": "h", "plugin": "p", "method": "m",
      "parameters": "${steps.g.output}"},
    {"id": "i", "plugin": "p", "method": "m",
      "when": "inptu.x"},
    {"id": "j", "plugin": "p", "method": "m",
      "retry": "often"}
  ]
}"#;
    let compiled = compiled(document);
    assert!(compiled.plan.is_none());
    let line = |at: u32| document[..at as usize].lines().count();
    let mut found: Vec<_> = compiled.findings.iter().map(|found| (line(found.at), found.code)).collect();
    found.sort_unstable();
    let expected = [
        (3, Code::UnknownKey),
        (5, Code::UnknownPlugin),
        (6, Code::UnknownMethod),
        (8, Code::NoVersion),
        (10, Code::BadParameters),
        (12, Code::TemplateInExpression),
        (14, Code::UnknownStep),
        (16, Code::Cycle),
        (20, Code::UnknownName),
        (22, Code::UnknownPolicy),
    ];
    assert_eq!(found, expected, "{:#?}", compiled.findings);
}

#[test]
fn a_step_with_several_faults_reports_them_all() {
    let faulty = r#""when": "nothing", "output": "${result.x +}", "status": "${steps.ghost.output}",
        "catch": [{"when": "nowhere", "output": "${missing}"}],
        "compensate": {"plugin": "nope", "method": "m"}, "retry": "often", "dependencies": ["ghost"]"#;
    let compiled = compiled(&workflow("parallel", "", &call("a", faulty)));
    let mut found = codes(&compiled);
    found.sort_unstable();
    let expected = [
        Code::UnknownStep,
        Code::ExpressionSyntax,
        Code::UnknownName,
        Code::UnknownName,
        Code::UnknownName,
        Code::UnknownName,
        Code::UnknownPlugin,
        Code::UnknownPolicy,
    ];
    assert_eq!(found, expected, "{:#?}", compiled.findings);
}

#[test]
fn a_field_that_is_not_performed_is_reported_once() {
    let document = workflow("pipeline", "", &call("a", r#""buffer": 2"#));
    assert_eq!(only(&document).code, Code::NotSupported);
}

#[test]
fn findings_stand_in_the_order_of_the_document() {
    let steps =
        calls(&[("a", r#""dependencies": ["x"]"#), ("b", r#""when": "y""#), ("c", r#""retry": "z""#)]);
    let compiled = compiled(&workflow("parallel", "", &steps));
    let places: Vec<_> = compiled.findings.iter().map(|finding| finding.at).collect();
    assert_eq!(codes(&compiled), [Code::UnknownStep, Code::UnknownName, Code::UnknownPolicy]);
    assert!(places.is_sorted());
}

#[test]
fn an_input_schema_that_is_none_is_a_fault_at_the_bad_part() {
    let document = workflow("sequential", r#""input_schema": {"type": "objekt"},"#, &call("a", ""));
    let finding = only(&document);
    assert_eq!(finding.code, Code::BadSchema);
    assert!(at(&document, &finding).starts_with("\"objekt\""), "{finding:?}");
}

#[test]
fn a_syntax_fault_is_placed_inside_the_string_also_behind_escapes() {
    let document = workflow("sequential", "", &call("a", r#""when": "input.a == \"x\" && nothing""#));
    let finding = only(&document);
    assert_eq!(finding.code, Code::UnknownName);
    assert!(at(&document, &finding).starts_with("nothing\""), "{finding:?}");

    let document = workflow("sequential", "", &call("a", r#""parameters": {"x": ["t ${nothing}"]}"#));
    let finding = only(&document);
    assert!(at(&document, &finding).starts_with("nothing}"), "{finding:?}");
}

#[test]
fn config_keys_are_checked_if_the_host_knows_them() {
    let document = workflow("sequential", "", &call("a", r#""when": "config.regoin == 'x'""#));
    assert!(compiled(&document).plan.is_some());
    let options = Options { config_keys: Some(["region".into()].into()), pools: None };
    let compiled = compiled_with(&document, &options);
    assert_eq!(codes(&compiled), [Code::UnknownName]);
    assert_eq!(compiled.findings[0].hint, "Did you mean `config.region`?");
}
