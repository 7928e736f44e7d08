//! Dependencies: unknown ones, those that point the wrong way, cycles, and rules that never fire.

use super::*;

fn depends_on(id: &str) -> String {
    format!(r#""dependencies": ["{id}"]"#)
}

#[test]
fn an_unknown_dependency_names_both_steps_and_the_nearest() {
    let document = workflow("parallel", "", &calls(&[("load", ""), ("save", &depends_on("laod"))]));
    let finding = only(&document);
    assert_eq!(finding.code, Code::UnknownStep);
    assert_eq!(finding.message, "step `save` depends on `laod`, which does not exist");
    assert_eq!(finding.hint, "Did you mean `load`?");
    assert!(at(&document, &finding).starts_with("\"laod\""));
}

#[test]
fn a_dependency_on_a_step_of_another_body_says_where_it_stands() {
    let group = |inner: &str| format!(r#"{{"id": "g", "type": "group", "steps": [{inner}]}}"#);
    let document = workflow("parallel", "", &[group(&call("x", "")), call("y", &depends_on("x"))].join(", "));
    let finding = only(&document);
    assert_eq!(finding.code, Code::UnknownStep);
    assert_eq!(finding.message, "step `y` depends on `x`, which stands in another body: in `g`");
    assert_eq!(finding.hint, "Depend on `g`, which `x` is inside of.");

    let document = workflow("parallel", "", &[call("x", ""), group(&call("y", &depends_on("x")))].join(", "));
    let finding = only(&document);
    assert_eq!(finding.code, Code::UnknownStep);
    assert_eq!(finding.hint, "Let `g` depend on it; inside, `steps.x` can be read.");
}

#[test]
fn a_self_dependency_is_a_cycle() {
    for mode in ["sequential", "parallel", "conditional"] {
        let finding = only(&workflow(mode, "", &call("a", &depends_on("a"))));
        assert_eq!(finding.code, Code::Cycle);
        assert_eq!(finding.message, "step `a` depends on itself: `a -> a`");
    }
}

#[test]
fn cycles_are_named_with_their_path() {
    let pair = calls(&[("a", &depends_on("b")), ("b", &depends_on("a"))]);
    assert_eq!(only(&workflow("parallel", "", &pair)).message, "steps wait for each other: `a -> b -> a`");

    let three = calls(&[("a", &depends_on("b")), ("b", &depends_on("c")), ("c", &depends_on("a"))]);
    let document = workflow("conditional", "", &three);
    let finding = only(&document);
    assert_eq!(finding.code, Code::Cycle);
    assert_eq!(finding.message, "steps wait for each other: `a -> b -> c -> a`");
    assert!(at(&document, &finding).starts_with("\"b\""));
}

#[test]
fn a_cycle_through_an_expression_is_found_and_says_so() {
    let steps =
        calls(&[("a", r#""when": "steps.c.output.ok""#), ("b", &depends_on("a")), ("c", &depends_on("b"))]);
    let document = workflow("parallel", "", &steps);
    let finding = only(&document);
    assert_eq!(finding.code, Code::Cycle);
    assert_eq!(finding.message, "steps wait for each other: `a -> c -> b -> a`");
    assert!(finding.hint.ends_with("`a` waits for `c` because it reads it."), "{}", finding.hint);
    assert!(at(&document, &finding).starts_with("\"steps.c"), "{finding:?}");
}

#[test]
fn a_cycle_through_a_reference_inside_a_body_counts_for_the_enclosing_step() {
    let inner = call("x", r#""parameters": {"v": "${steps.b.output}"}"#);
    let group = format!(r#"{{"id": "g", "type": "group", "steps": [{inner}]}}"#);
    let finding = only(&workflow("parallel", "", &[group, call("b", &depends_on("g"))].join(", ")));
    assert_eq!(finding.message, "steps wait for each other: `g -> b -> g`");
}

#[test]
fn two_cycles_are_two_findings_and_what_is_behind_them_is_none() {
    let steps = calls(&[
        ("a", &depends_on("b")),
        ("b", &depends_on("a")),
        ("c", &depends_on("d")),
        ("d", &depends_on("c")),
        ("e", &depends_on("a")),
    ]);
    assert_eq!(codes(&compiled(&workflow("parallel", "", &steps))), [Code::Cycle, Code::Cycle]);
}

#[test]
fn in_a_sequence_dependencies_and_references_point_backwards() {
    let document = workflow("sequential", "", &calls(&[("a", &depends_on("b")), ("b", "")]));
    let finding = only(&document);
    assert_eq!(finding.code, Code::ForwardDependency);
    assert!(at(&document, &finding).starts_with("\"b\""));

    let document = workflow("sequential", "", &calls(&[("a", r#""when": "steps.b.output.x""#), ("b", "")]));
    let finding = only(&document);
    assert_eq!(finding.code, Code::NotUpstream);
    assert_eq!(finding.message, "step `b` runs after `a` and cannot be read here");
    assert!(at(&document, &finding).starts_with("steps.b"));
}

#[test]
fn a_rule_that_waits_for_a_failure_of_critical_steps_never_fires() {
    let waiting = r#""dependencies": ["a", "b"], "trigger_rule": "any_failed""#;
    let steps = |a: &str| calls(&[("a", a), ("b", ""), ("c", waiting)]);
    let document = workflow("parallel", "", &steps(""));
    let finding = only(&document);
    assert_eq!(finding.code, Code::NeverFires);
    assert!(at(&document, &finding).starts_with("\"any_failed\""));
    assert!(compiled(&workflow("parallel", "", &steps(r#""critical": false"#))).plan.is_some());
    assert!(
        compiled(&workflow("parallel", r#""defaults": {"critical": false},"#, &steps(""))).plan.is_some()
    );
}

#[test]
fn a_rule_that_asks_for_more_steps_than_there_are_never_fires() {
    let rule = |n: u32| format!(r#""dependencies": ["a", "b"], "trigger_rule": {{"completed": {n}}}"#);
    let document = |n| workflow("parallel", "", &calls(&[("a", ""), ("b", ""), ("c", &rule(n))]));
    assert!(compiled(&document(2)).plan.is_some());
    assert_eq!(only(&document(3)).code, Code::NeverFires);
    assert_eq!(only(&document(0)).code, Code::BadValue);
}
