//! Which names mean something where.

use super::*;

const ROOT_STEPS: &str = r#"{"id": "a", "plugin": "p", "method": "m"}, "#;

/// A sequence of `a` and then `step`.
fn after_a(step: &str) -> String {
    workflow("sequential", r#""variables": {"v": 1},"#, &format!("{ROOT_STEPS}{step}"))
}

fn assert_accepted(document: &str) {
    let compiled = compiled(document);
    assert!(compiled.plan.is_some(), "{:#?} in {document}", compiled.findings);
}

fn assert_refused(document: &str, code: Code) {
    let compiled = compiled(document);
    assert!(codes(&compiled).contains(&code), "{:#?} in {document}", compiled.findings);
}

/// `name` in `field` of a call step `b`.
fn in_field(field: &str, name: &str) -> String {
    let template = format!("${{{name}}}");
    let more = match field {
        "when" => format!(r#""when": "{name} == 1""#),
        "parameters" => format!(r#""parameters": {{"x": "{template}"}}"#),
        "output" => format!(r#""output": "{template}""#),
        "status" => format!(r#""status": "{template}""#),
        "catch.when" => format!(r#""catch": [{{"as": "why", "when": "{name} == 1", "output": 1}}]"#),
        "catch.output" => format!(r#""catch": [{{"as": "why", "output": "{template}"}}]"#),
        "retry.when" => format!(r#""retry": {{"when": "{name} == 1"}}"#),
        "compensate" => {
            format!(r#""compensate": {{"plugin": "p", "method": "m", "parameters": {{"x": "{template}"}}}}"#)
        }
        _ => unreachable!("no field {field}"),
    };
    after_a(&call("b", &more))
}

#[test]
fn each_field_of_a_step_sees_its_own_names() {
    let everywhere = [
        "input.x",
        "vars.v",
        "steps.a.output.x",
        "steps.a.status",
        "workflow.run_id",
        "workflow.id",
        "config.key",
    ];
    let fields =
        ["when", "parameters", "output", "status", "catch.when", "catch.output", "retry.when", "compensate"];
    for field in fields {
        for name in everywhere {
            assert_accepted(&in_field(field, name));
        }
        let table = [
            ("result", vec!["output"], Code::UnknownName),
            ("error.type", vec!["retry.when"], Code::UnknownName),
            ("why.type", vec!["catch.when", "catch.output"], Code::UnknownName),
            ("steps.b.output", vec!["output", "catch.when", "catch.output", "compensate"], Code::NotUpstream),
            ("secret('s')", vec!["parameters", "compensate"], Code::UnknownName),
            ("item", vec![], Code::UnknownName),
            ("prev", vec![], Code::UnknownName),
            ("iteration", vec![], Code::UnknownName),
            ("nothing", vec![], Code::UnknownName),
            ("steps.a.outptu", vec![], Code::UnknownName),
            ("steps.ghost.output", vec![], Code::UnknownName),
            ("vars.ghost", vec![], Code::UnknownName),
            ("workflow.ghost", vec![], Code::UnknownName),
        ];
        for (name, allowed, code) in table {
            let document = in_field(field, name);
            if allowed.contains(&field) {
                assert_accepted(&document);
            } else {
                assert_refused(&document, code);
            }
        }
    }
}

#[test]
fn inner_steps_are_invisible_outside_and_the_message_says_where_they_are() {
    let group = r#"{"id": "g", "type": "group", "steps": [{"id": "x", "plugin": "p", "method": "m"}]}"#;
    let finding = only(&after_a(&format!(r#"{group}, {}"#, call("b", r#""when": "steps.x.output.ok""#))));
    assert_eq!(finding.code, Code::UnknownName);
    assert_eq!(finding.message, "step `x` is inside `g` and cannot be seen from here");
    assert_eq!(finding.hint, "Let `g` hand it out in its `output`, and read `steps.g.output`.");
}

#[test]
fn a_structured_step_sees_its_body_in_output_but_not_in_when_or_items() {
    let body = r#""steps": [{"id": "x", "plugin": "p", "method": "m"}]"#;
    let with =
        |kind: &str, more: &str| after_a(&format!(r#"{{"id": "s", "type": "{kind}", {more}, {body}}}"#));
    assert_accepted(&with("group", r#""output": "${steps.x.output}""#));
    assert_accepted(&with("group", r#""output": "${result}""#));
    assert_accepted(&with(
        "foreach",
        r#""items": [1], "output": {"i": "${item}", "x": "${steps.x.output}"}"#,
    ));
    assert_accepted(&with("repeat", r#""until": "steps.x.output.done || iteration > 3""#));
    assert_accepted(&with("repeat", r#""while": "steps.x.status == 'completed'""#));
    assert_accepted(&with("race", r#""output": "${result.winner}""#));
    assert_refused(&with("group", r#""when": "steps.x.output.ok""#), Code::UnknownName);
    assert_refused(&with("foreach", r#""items": "steps.x.output""#), Code::UnknownName);
    assert_refused(&with("repeat", r#""until": "input.x", "when": "iteration > 1""#), Code::UnknownName);
    assert_refused(&with("foreach", r#""items": [1], "when": "item == 1""#), Code::UnknownName);
}

#[test]
fn the_output_of_a_switch_sees_the_steps_of_its_cases() {
    let switch = |more: &str| {
        after_a(&format!(
            r#"{{"id": "s", "type": "switch", {more} "cases": [
                {{"name": "one", "when": "input.a", "steps": [{{"id": "x", "plugin": "p", "method": "m"}}]}},
                {{"name": "two", "when": "input.b", "steps": [{{"id": "y", "plugin": "p", "method": "m"}}]}}]}}"#
        ))
    };
    assert_accepted(&switch(r#""output": ["${steps.x.output}", "${steps.y.output}"],"#));
    assert_accepted(&switch(r#""match": "all", "output": "${result.one}","#));
    assert_refused(&switch(r#""match": "all", "output": "${steps.x.output}","#), Code::UnknownName);
}

#[test]
fn bodies_bind_their_names_under_the_names_given() {
    let foreach = |more: &str, name: &str| {
        after_a(&format!(
            r#"{{"id": "f", "type": "foreach", "items": [1], {more} "steps": [
                {{"id": "g", "type": "group", "steps": [{}]}}]}}"#,
            call("x", &format!(r#""parameters": {{"x": "${{{name}}}"}}"#))
        ))
    };
    assert_accepted(&foreach("", "item"));
    assert_accepted(&foreach("", "index"));
    assert_accepted(&foreach(r#""as": "file", "index_as": "nth","#, "file.path"));
    assert_accepted(&foreach(r#""as": "file", "index_as": "nth","#, "nth"));
    assert_accepted(&foreach(r#""as": "file", "while": "file != 3","#, "file"));
    assert_refused(&foreach(r#""as": "file","#, "item"), Code::UnknownName);
    assert_refused(&foreach("", "iteration"), Code::UnknownName);
}

#[test]
fn a_catch_binds_the_error_for_its_steps_and_its_output() {
    let catch = |bind: &str, name: &str| {
        let inner = call(
            "k",
            &format!(r#""parameters": ["${{{name}}}", "${{steps.b.error}}", "${{steps.a.output}}"]"#),
        );
        let more = format!(
            r#""catch": [{{{bind} "steps": [{inner}], "output": ["${{{name}}}", "${{steps.k.output}}"]}}]"#
        );
        after_a(&call("b", &more))
    };
    assert_accepted(&catch("", "error.message"));
    assert_accepted(&catch(r#""as": "why","#, "why.message"));
    assert_refused(&catch(r#""as": "why","#, "error.message"), Code::UnknownName);
}

#[test]
fn clean_up_sees_the_whole_document_and_on_failure_the_error() {
    let rest = |list: &str, name: &str| {
        let steps = calls(&[("u", &format!(r#""parameters": "${{{name}}}""#)), ("t", "")]);
        workflow("parallel", &format!(r#""{list}": [{steps}],"#), &call("a", ""))
    };
    assert_accepted(&rest("on_failure", "steps.a.output"));
    assert_accepted(&rest("finally", "steps.a.status"));
    assert_accepted(&rest("on_failure", "error.message"));
    assert_refused(&rest("finally", "error.message"), Code::UnknownName);
    assert_refused(&rest("finally", "steps.t.output"), Code::NotUpstream);
    let seen = workflow(
        "parallel",
        r#""finally": [{"id": "f", "plugin": "p", "method": "m"}],"#,
        &call("a", r#""when": "steps.f.output""#),
    );
    assert_refused(&seen, Code::UnknownName);
}

#[test]
fn prev_is_known_in_stages_and_in_what_is_inside_them() {
    let inner = call("x", r#""parameters": "${prev}""#);
    let group = format!(r#"{{"id": "g", "type": "group", "steps": [{inner}]}}"#);
    assert_accepted(&workflow(
        "pipeline",
        "",
        &format!(r#"{}, {group}"#, call("a", r#""when": "prev.x == 1""#)),
    ));
    assert_refused(&workflow("pipeline", r#""output": "${prev}","#, &call("a", "")), Code::UnknownName);
}

#[test]
fn contestants_cannot_read_each_other() {
    let steps = calls(&[("x", ""), ("y", r#""when": "steps.x.output.ok""#)]);
    let finding = only(&after_a(&format!(r#"{{"id": "r", "type": "race", "steps": [{steps}]}}"#)));
    assert_eq!(finding.code, Code::NotUpstream);
    assert_eq!(finding.message, "`y` and `x` compete and cannot read each other");
}

#[test]
fn a_step_inside_a_body_cannot_read_the_step_that_encloses_it() {
    let inner = call("x", r#""when": "steps.g.output.ok""#);
    let finding = only(&after_a(&format!(r#"{{"id": "g", "type": "group", "steps": [{inner}]}}"#)));
    assert_eq!(finding.code, Code::NotUpstream);
}

#[test]
fn named_policies_see_no_steps() {
    let with = |when: &str| {
        let rest = format!(r#""retry_policies": {{"net": {{"when": "{when}"}}}},"#);
        workflow("sequential", &rest, &calls(&[("a", ""), ("b", r#""retry": "net""#)]))
    };
    assert_accepted(&with("error.type == 'timeout' && input.retry"));
    assert_refused(&with("steps.a.output.ok"), Code::UnknownName);
}

#[test]
fn hints_name_the_nearest_and_the_right_form() {
    let hint = |name: &str| only(&in_field("when", name)).hint;
    assert_eq!(hint("inptu.x"), "Did you mean `input`?");
    assert_eq!(hint("a.output"), "For the step write `steps.a.output`.");
    assert_eq!(hint("v"), "For the variable write `vars.v`.");
    assert_eq!(hint("steps.a.outptu"), "Did you mean `steps.a.output`?");
    assert_eq!(hint("workflow.runid"), "Did you mean `workflow.run_id`?");
    let document =
        workflow("sequential", r#""variables": {"total": 1},"#, &call("b", r#""when": "vars.totl > 1""#));
    assert_eq!(only(&document).hint, "Did you mean `vars.total`?");
}

#[test]
fn a_template_in_a_condition_is_a_fault_with_the_right_form_as_hint() {
    let document = after_a(&call("b", r#""when": "${steps.a.output.ok}""#));
    let finding = only(&document);
    assert_eq!(finding.code, Code::TemplateInExpression);
    assert_eq!(finding.hint, "Write \"steps.a.output.ok\".");
    assert!(at(&document, &finding).starts_with("${"));
}
