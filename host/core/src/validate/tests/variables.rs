//! Where variables live, and who may use them at the same time.

use super::*;
use crate::plan::{Action, ScopeIx};

fn set(id: &str, name: &str, more: &str) -> String {
    let comma = if more.is_empty() { "" } else { ", " };
    format!(r#"{{"id": "{id}", "type": "set", "variables": {{"{name}": 1}}{comma}{more}}}"#)
}

fn read(id: &str, name: &str, more: &str) -> String {
    let comma = if more.is_empty() { "" } else { ", " };
    call(id, &format!(r#""parameters": {{"x": "${{vars.{name}}}"}}{comma}{more}"#))
}

fn group(id: &str, mode: &str, steps: &[String]) -> String {
    format!(r#"{{"id": "{id}", "type": "group", "mode": "{mode}", "steps": [{}]}}"#, steps.join(", "))
}

fn parallel(steps: &[String]) -> String {
    workflow("parallel", "", &steps.join(", "))
}

fn sequential(steps: &[String]) -> String {
    workflow("sequential", "", &steps.join(", "))
}

fn home(plan: &Plan, id: &str) -> (ScopeIx, u32) {
    let Action::Set(assignments) = &plan.step(step(plan, id)).action else { panic!("no set") };
    (assignments[0].scope, assignments[0].slot)
}

#[test]
fn a_variable_lives_in_the_outermost_scope_that_sets_or_declares_it() {
    let inner = group("g", "sequential", &[set("x", "v", ""), set("y", "w", ""), read("z", "w", "")]);
    let plan_of = |rest: &str, first: &str| {
        plan(&workflow("sequential", rest, &[set("a", first, ""), inner.clone()].join(", ")))
    };
    let plan = plan_of("", "v");
    assert_eq!(home(&plan, "x"), (ScopeIx::ROOT, 0));
    assert_eq!(home(&plan, "y"), (ScopeIx(1), 0));
    assert_eq!(plan.scope(ScopeIx(1)).variables, [Box::from("w")]);
    assert_eq!(plan.variables.len(), 1);
    assert!(plan.variables[0].is_none());
    let plan = plan_of(r#""variables": {"w": "${input.w}"},"#, "v");
    assert_eq!((home(&plan, "y"), home(&plan, "x")), ((ScopeIx::ROOT, 0), (ScopeIx::ROOT, 1)));
    assert!(plan.variables[0].is_some() && plan.variables[1].is_none());
}

#[test]
fn a_variable_of_an_inner_scope_is_unknown_outside() {
    let finding = only(&sequential(&[group("g", "sequential", &[set("x", "v", "")]), read("b", "v", "")]));
    assert_eq!(finding.code, Code::UnknownName);
    assert_eq!(finding.message, "variable `v` is set inside `g` and cannot be seen from here");
}

#[test]
fn uses_that_nothing_orders_conflict() {
    let conflict = |steps: &[String]| only(&parallel(steps));
    let finding = conflict(&[set("a", "v", ""), set("b", "v", "")]);
    assert_eq!(finding.code, Code::VariableConflict);
    assert_eq!(finding.message, "steps `a` and `b` both write the variable `v`, and nothing orders them");
    let finding = conflict(&[set("a", "v", ""), read("b", "v", "")]);
    assert_eq!(finding.message, "step `b` reads the variable `v` that `a` writes, and nothing orders them");
    let finding = conflict(&[read("a", "v", ""), set("b", "v", "")]);
    assert_eq!(finding.message, "step `a` reads the variable `v` that `b` writes, and nothing orders them");
}

#[test]
fn uses_that_dependencies_order_do_not_conflict() {
    let after = |id: &str| format!(r#""dependencies": ["{id}"]"#);
    let accepted = [
        parallel(&[set("a", "v", ""), set("b", "v", &after("a")), read("c", "v", &after("b"))]),
        parallel(&[set("a", "v", ""), call("m", &after("a")), read("c", "v", &after("m"))]),
        parallel(&[set("a", "v", ""), read("b", "v", &after("a")), read("c", "v", &after("a"))]),
        parallel(&[read("b", "v", ""), set("a", "v", r#""when": "steps.b.output.ok""#)]),
        parallel(&[
            set("a", "v", ""),
            group("g", "parallel", &[read("x", "v", "")])
                .replace(r#""type": "group""#, r#""type": "group", "dependencies": ["a"]"#),
        ]),
        sequential(&[set("a", "v", ""), read("b", "v", ""), set("c", "v", "")]),
    ];
    for document in accepted {
        let compiled = compiled(&document);
        assert!(compiled.plan.is_some(), "{:#?} in {document}", compiled.findings);
    }
}

#[test]
fn a_reader_between_two_writers_must_be_ordered_with_both() {
    let after = |id: &str| format!(r#""dependencies": ["{id}"]"#);
    let finding =
        only(&parallel(&[set("a", "v", ""), set("b", "v", &after("a")), read("c", "v", &after("a"))]));
    assert_eq!(finding.message, "step `c` reads the variable `v` that `b` writes, and nothing orders them");
}

#[test]
fn a_dependency_that_is_not_awaited_orders_nothing() {
    let early = r#""dependencies": ["a", "m"], "trigger_rule": "any_completed""#;
    let finding = only(&parallel(&[set("a", "v", ""), call("m", ""), read("b", "v", early)]));
    assert_eq!(finding.code, Code::VariableConflict);
}

#[test]
fn a_use_inside_a_body_counts_for_the_enclosing_step() {
    let finding = only(&parallel(&[set("a", "v", ""), group("g", "sequential", &[read("x", "v", "")])]));
    assert_eq!(finding.message, "step `x` reads the variable `v` that `a` writes, and nothing orders them");
    assert_eq!(finding.hint, "Let `g` depend on `a`, or the other way round.");
}

#[test]
fn only_sequential_bodies_write_outer_variables() {
    let inner = set("x", "v", "");
    let declared = |step: &str| workflow("sequential", r#""variables": {"v": 0},"#, step);
    let foreach = |limit: &str| {
        declared(&format!(r#"{{"id": "f", "type": "foreach", "items": [1, 2], {limit} "steps": [{inner}]}}"#))
    };
    let case = |more: &str| {
        let cases = format!(r#"[{{"name": "c", "when": "input.a", "steps": [{inner}]}}]"#);
        declared(&format!(r#"{{"id": "s", "type": "switch", {more} "cases": {cases}}}"#))
    };
    let nested = group("g", "sequential", std::slice::from_ref(&inner));
    let refused = [
        foreach(r#""max_concurrency": 2,"#),
        foreach(r#""max_concurrency": 0,"#),
        declared(&group("g", "parallel", std::slice::from_ref(&inner))),
        declared(&group("h", "conditional", std::slice::from_ref(&nested))),
        declared(&format!(r#"{{"id": "r", "type": "race", "steps": [{inner}]}}"#)),
        case(r#""match": "all","#),
    ];
    for document in refused {
        assert_eq!(only(&document).code, Code::VariableConflict, "{document}");
    }
    let repeat = format!(r#"{{"id": "r", "type": "repeat", "until": "vars.v == 1", "steps": [{inner}]}}"#);
    for document in
        [foreach(""), foreach(r#""max_concurrency": 1,"#), declared(&nested), case(""), declared(&repeat)]
    {
        let compiled = compiled(&document);
        assert!(compiled.plan.is_some(), "{:#?} in {document}", compiled.findings);
    }
}

#[test]
fn a_body_may_do_with_its_own_variables_as_it_likes() {
    let steps = [set("x", "v", ""), read("y", "v", "")].join(", ");
    let foreach = format!(
        r#"{{"id": "f", "type": "foreach", "items": [1], "max_concurrency": 9, "steps": [{steps}]}}"#
    );
    assert!(compiled(&sequential(&[foreach])).plan.is_some());
}
