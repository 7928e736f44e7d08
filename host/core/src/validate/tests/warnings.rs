//! Warnings, and where there must be none.

use super::*;

fn pure(id: &str, more: &str) -> String {
    call(id, more).replace(r#""method": "m""#, r#""method": "pure""#)
}

fn document(mode: &str, rest: &str, steps: &[String]) -> String {
    workflow(mode, rest, &steps.join(", "))
}

#[test]
fn a_constant_condition_is_a_warning_and_the_plan_stands() {
    for condition in ["true", "false", "1 < 2"] {
        let document = workflow("sequential", "", &call("a", &format!(r#""when": "{condition}""#)));
        let compiled = compiled(&document);
        assert_eq!(codes(&compiled), [Code::ConstantCondition], "{condition}");
        assert!(compiled.plan.is_some());
    }
}

#[test]
fn a_condition_that_is_never_a_bool_is_an_error() {
    let compiled = compiled(&workflow("sequential", "", &call("a", r#""when": "'yes'""#)));
    assert_eq!(codes(&compiled), [Code::WrongType]);
    assert!(compiled.plan.is_none());
}

#[test]
fn a_case_behind_one_that_always_holds_is_unreachable() {
    let switch = |more: &str| {
        let case = |name: &str, when: &str| {
            format!(
                r#"{{"name": "{name}", "when": "{when}", "steps": [{}]}}"#,
                call(&format!("in_{name}"), "")
            )
        };
        let cases = [case("one", "input.a"), case("two", "true"), case("three", "input.b")].join(", ");
        workflow("sequential", "", &format!(r#"{{"id": "s", "type": "switch", {more} "cases": [{cases}]}}"#))
    };
    let found = codes(&compiled(&switch("")));
    assert_eq!(found, [Code::ConstantCondition, Code::UnreachableCase]);
    assert_eq!(codes(&compiled(&switch(r#""match": "all","#))), [Code::ConstantCondition]);
}

#[test]
fn an_output_that_nobody_reads_is_a_warning_if_the_method_is_pure() {
    let unused = [
        document("sequential", "", &[pure("a", ""), call("b", "")]),
        document("sequential", r#""output": 1,"#, &[pure("a", "")]),
        document("parallel", r#""output": "${steps.b.output}","#, &[pure("a", ""), call("b", "")]),
        document(
            "sequential",
            r#""finally": [{"id": "f", "plugin": "p", "method": "pure"}],"#,
            &[call("b", "")],
        ),
    ];
    for document in unused {
        let compiled = compiled(&document);
        assert_eq!(codes(&compiled), [Code::UnusedOutput], "{document}");
        assert!(compiled.plan.is_some());
    }
}

#[test]
fn an_output_that_may_be_used_is_no_warning() {
    let after = r#""dependencies": ["a"]"#;
    let used = [
        document("sequential", "", &[call("b", ""), pure("a", "")]),
        document("sequential", "", &[pure("a", ""), call("b", r#""when": "input.x""#)]),
        document("sequential", "", &[pure("a", ""), call("b", r#""critical": false"#)]),
        document("sequential", "", &[pure("a", ""), call("b", after)]),
        document("sequential", "", &[pure("a", ""), call("b", r#""parameters": "${steps.a.output}""#)]),
        document("sequential", r#""output": "${steps.a.status}","#, &[pure("a", "")]),
        document("parallel", "", &[pure("a", ""), call("b", "")]),
        document("pipeline", "", &[pure("a", ""), call("b", "")]),
        document("sequential", "", &[call("a", ""), call("b", "")]),
        document(
            "sequential",
            "",
            &[format!(r#"{{"id": "r", "type": "race", "steps": [{}]}}"#, pure("a", ""))],
        ),
    ];
    for document in used {
        assert_eq!(codes(&compiled(&document)), [], "{document}");
    }
}
