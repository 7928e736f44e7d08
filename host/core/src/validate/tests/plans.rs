//! The shape of plans: tables, edges, policies.

use super::*;
use crate::plan::{Action, Backoff, Edge, Mode, ScopeIx, ScopeRole, TriggerRule};
use std::time::Duration;

fn edges(plan: &Plan, id: &str) -> Vec<(String, bool, bool)> {
    let named = |edge: &Edge| (plan.step(edge.to).id.to_string(), edge.declared, edge.awaited);
    plan.successors(step(plan, id)).iter().map(named).collect()
}

#[test]
fn steps_of_a_scope_are_contiguous_and_parents_stand_before_their_children() {
    let document = workflow(
        "sequential",
        r#""finally": [{"id": "z", "plugin": "p", "method": "m"}],"#,
        r#"{"id": "g", "type": "group", "steps": [{"id": "r", "type": "race", "steps": [
                {"id": "x", "plugin": "p", "method": "m"}, {"id": "y", "plugin": "p", "method": "m"}]}]},
           {"id": "s", "type": "switch", "cases": [
                {"name": "one", "when": "input.a", "steps": [{"id": "c", "plugin": "p", "method": "m"}]}],
              "default": {"mode": "parallel", "steps": [{"id": "d", "plugin": "p", "method": "m"}]},
              "catch": [{"output": 1}, {"steps": [{"id": "k", "plugin": "p", "method": "m"}]}]}"#,
    );
    let plan = plan(&document);
    let roles: Vec<_> = plan.scopes.iter().map(|scope| scope.role).collect();
    let expected = [
        ScopeRole::Root,
        ScopeRole::Finally,
        ScopeRole::Group,
        ScopeRole::Case(0),
        ScopeRole::Case(1),
        ScopeRole::Catch(0),
        ScopeRole::Catch(1),
        ScopeRole::Contest,
    ];
    assert_eq!(roles, expected);
    let ids: Vec<_> = plan.steps.iter().map(|step| &*step.id).collect();
    assert_eq!(ids, ["g", "s", "z", "r", "c", "d", "k", "x", "y"]);
    for (ix, scope) in plan.scopes.iter().enumerate() {
        for step in scope.steps.clone() {
            assert_eq!(plan.steps[step as usize].scope.0 as usize, ix);
        }
        if let Some(parent) = scope.parent {
            assert!((parent.0 as usize) < ix);
            assert_eq!(plan.step(scope.owner.unwrap()).scope, parent);
        }
    }
    assert_eq!(plan.scopes[4].mode, Mode::Parallel);
    let Action::Switch(switch) = &plan.step(step(&plan, "s")).action else { panic!("no switch") };
    assert_eq!((switch.cases[0].body, switch.default), (ScopeIx(3), Some(ScopeIx(4))));
    let catches = &plan.step(step(&plan, "s")).extras.as_ref().unwrap().catch;
    assert_eq!(catches.iter().map(|catch| catch.body).collect::<Vec<_>>(), [ScopeIx(5), ScopeIx(6)]);
}

#[test]
fn a_sequence_is_a_chain_and_keeps_what_is_declared() {
    let plan = plan(&workflow(
        "sequential",
        "",
        &calls(&[("a", ""), ("b", ""), ("c", r#""dependencies": ["a", "b"]"#)]),
    ));
    assert_eq!(edges(&plan, "a"), [("b".to_owned(), false, true)]);
    assert_eq!(edges(&plan, "b"), [("c".to_owned(), true, true)]);
    assert_eq!(edges(&plan, "c"), []);
    assert_eq!(plan.in_degree, [0, 1, 1]);
    assert_eq!(plan.declared(step(&plan, "c")), [step(&plan, "a"), step(&plan, "b")]);
}

#[test]
fn references_make_edges_that_rules_do_not_count() {
    let steps = calls(&[
        ("a", ""),
        ("b", ""),
        ("c", r#""dependencies": ["a"], "parameters": {"x": "${steps.a.output}", "y": "${steps.b.output}"}"#),
    ]);
    let plan = plan(&workflow("parallel", "", &steps));
    assert_eq!(edges(&plan, "a"), [("c".to_owned(), true, true)]);
    assert_eq!(edges(&plan, "b"), [("c".to_owned(), false, true)]);
    assert_eq!(plan.declared(step(&plan, "c")), [step(&plan, "a")]);
    assert_eq!(plan.in_degree, [0, 0, 2]);
}

#[test]
fn early_rules_await_only_what_is_read() {
    for rule in [r#""any_completed""#, r#"{"completed": 1}"#] {
        let last = format!(
            r#""dependencies": ["a", "b"], "trigger_rule": {rule},
                "parameters": {{"x": "${{steps.b.output}}", "y": "${{steps.d.output}}"}}"#
        );
        let plan = plan(&workflow("parallel", "", &calls(&[("a", ""), ("b", ""), ("d", ""), ("c", &last)])));
        assert_eq!(edges(&plan, "a"), [("c".to_owned(), true, false)]);
        assert_eq!(edges(&plan, "b"), [("c".to_owned(), true, true)]);
        assert_eq!(edges(&plan, "d"), [("c".to_owned(), false, true)]);
        assert_eq!(plan.awaited(step(&plan, "c")), 2);
    }
}

#[test]
fn a_reference_from_inside_a_body_is_an_edge_to_the_enclosing_step() {
    let inner = call("x", r#""when": "steps.a.output.ok""#);
    let group = format!(r#"{{"id": "g", "type": "group", "mode": "parallel", "steps": [{inner}]}}"#);
    let plan = plan(&workflow("parallel", "", &[group, call("a", "")].join(", ")));
    assert_eq!(edges(&plan, "a"), [("g".to_owned(), false, true)]);
    assert_eq!(plan.in_degree[step(&plan, "x").0 as usize], 0);
}

#[test]
fn successors_stand_in_list_order() {
    let after = r#""dependencies": ["a"]"#;
    let plan =
        plan(&workflow("parallel", "", &calls(&[("d", after), ("a", ""), ("c", after), ("b", after)])));
    let order: Vec<_> = edges(&plan, "a").into_iter().map(|(id, ..)| id).collect();
    assert_eq!(order, ["d", "c", "b"]);
}

#[test]
fn the_mode_decides_the_default_rule() {
    let after = r#""dependencies": ["a"]"#;
    let explicit = r#""dependencies": ["a"], "trigger_rule": "all_settled""#;
    let rules = |mode| {
        let plan = plan(&workflow(mode, "", &calls(&[("a", ""), ("b", after), ("c", explicit)])));
        [plan.step(step(&plan, "b")).rule, plan.step(step(&plan, "c")).rule]
    };
    assert_eq!(rules("sequential"), [TriggerRule::NoneFailed, TriggerRule::AllSettled]);
    assert_eq!(rules("parallel"), [TriggerRule::NoneFailed, TriggerRule::AllSettled]);
    assert_eq!(rules("conditional"), [TriggerRule::AllCompleted, TriggerRule::AllSettled]);
}

#[test]
fn timeouts_are_merged_with_the_defaults_for_calls_only() {
    let steps = [
        call("plain", ""),
        call("own", r#""timeout": 5"#),
        call("none", r#""timeout": 0"#),
        call("undone", r#""compensate": {"plugin": "p", "method": "m"}"#),
        r#"{"id": "g", "type": "group", "steps": [{"id": "deep", "plugin": "p", "method": "m"}]}"#.to_owned(),
    ];
    let with = |rest: &str| plan(&workflow("sequential", rest, &steps.join(", ")));
    let timeout = |plan: &Plan, id: &str| plan.step(step(plan, id)).timeout;
    let seconds = |s| Some(Duration::from_secs(s));
    let plan = with(r#""defaults": {"timeout": "20s"},"#);
    assert_eq!((timeout(&plan, "plain"), timeout(&plan, "deep")), (seconds(20), seconds(20)));
    assert_eq!((timeout(&plan, "own"), timeout(&plan, "none")), (Some(Duration::from_millis(5)), None));
    assert_eq!(timeout(&plan, "g"), None);
    let undone = plan.step(step(&plan, "undone")).extras.as_ref().unwrap();
    assert_eq!(undone.compensate.as_ref().unwrap().timeout, seconds(20));
    assert_eq!(timeout(&with(r#""defaults": {"timeout": 0},"#), "plain"), None);
    assert_eq!(timeout(&with(""), "plain"), seconds(60));
}

#[test]
fn retries_are_merged_and_their_defaults_filled_in() {
    let rest = r#""retry_policies": {"net": {"max_attempts": 4, "backoff": "linear", "errors": ["http.5*"]}},
        "defaults": {"retry": "net"}, "finally": [{"id": "f", "plugin": "p", "method": "m"}],"#;
    let steps = [
        call("inherited", ""),
        call("counted", r#""max_retries": 2"#),
        call("once", r#""max_retries": 0"#),
        call("inline", r#""retry": {}"#),
        r#"{"id": "g", "type": "group", "steps": [{"id": "x", "plugin": "p", "method": "m"}]}"#.to_owned(),
    ];
    let plan = plan(&workflow("sequential", rest, &steps.join(", ")));
    let retry = |id: &str| plan.step(step(&plan, id)).retry.map(|ix| &plan.retries[ix.0 as usize]);
    for id in ["inherited", "x", "f"] {
        let net = retry(id).unwrap();
        assert_eq!((net.max_attempts, net.backoff), (4, Backoff::Linear));
        assert_eq!(net.errors, [Box::from("http.5*")]);
    }
    let counted = retry("counted").unwrap();
    assert_eq!(
        (counted.max_attempts, counted.backoff, counted.delay),
        (3, Backoff::Fixed, Duration::from_secs(1))
    );
    assert!(retry("once").is_none() && retry("g").is_none());
    let inline = retry("inline").unwrap();
    assert_eq!(
        (inline.max_attempts, inline.backoff, inline.delay),
        (3, Backoff::Exponential, Duration::from_secs(1))
    );
    assert_eq!((inline.multiplier, inline.jitter, inline.max_delay), (2.0, 0.0, Duration::from_secs(3600)));
    assert_eq!(inline.errors, [Box::from("*")]);
    assert!(inline.total_timeout.is_none() && inline.when.is_none());
}

#[test]
fn criticality_is_inherited_by_every_step() {
    let steps =
        [call("own", r#""critical": true"#), r#"{"id": "l", "type": "log", "message": "x"}"#.to_owned()];
    let plan = plan(&workflow("sequential", r#""defaults": {"critical": false},"#, &steps.join(", ")));
    assert!(plan.step(step(&plan, "own")).critical);
    assert!(!plan.step(step(&plan, "l")).critical);
}

#[test]
fn a_foreach_takes_one_item_at_a_time_unless_told_otherwise() {
    let limit = |more: &str| {
        let steps = format!(
            r#"{{"id": "f", "type": "foreach", "items": [1], {more} "steps": [{{"id": "x", "plugin": "p", "method": "m"}}]}}"#
        );
        let plan = plan(&workflow("sequential", "", &steps));
        let Action::Foreach(foreach) = &plan.step(step(&plan, "f")).action else { panic!("no foreach") };
        foreach.max_concurrency
    };
    assert_eq!(limit(""), Some(1));
    assert_eq!(limit(r#""max_concurrency": 0,"#), None);
    assert_eq!(limit(r#""max_concurrency": 16,"#), Some(16));
}

#[test]
fn an_output_of_a_structured_step_is_that_of_its_body() {
    let body = r#""steps": [{"id": "x", "plugin": "p", "method": "m"}], "output": "${steps.x.output}""#;
    for step in [
        format!(r#"{{"id": "s", "type": "group", {body}}}"#),
        format!(r#"{{"id": "s", "type": "foreach", "items": [1], {body}}}"#),
        format!(r#"{{"id": "s", "type": "repeat", "until": "true == input", {body}}}"#),
        format!(r#"{{"id": "s", "type": "race", {body}}}"#),
    ] {
        let plan = plan(&workflow("sequential", "", &step));
        assert!(plan.scope(ScopeIx(1)).output.is_some(), "{step}");
        assert!(plan.steps[0].extras.as_ref().is_none_or(|extras| extras.output.is_none()), "{step}");
    }
}

/// Who is asked about before the output of `id` is not of use any more; nothing if it is for as long as its body lives.
fn readers(plan: &Plan, id: &str) -> Option<Vec<String>> {
    let mut readers = Vec::new();
    let is_lasting = plan.outputs.is_needed(step(plan, id), |reader| {
        readers.push(plan.step(reader).id.to_string());
        true
    });
    (!is_lasting).then_some(readers)
}

#[test]
fn it_is_known_who_reads_the_output_of_a_step() {
    let reads = |ids: &[&str]| {
        let list: Vec<_> = ids.iter().map(|id| format!(r#""{id}": "${{steps.{id}.output}}""#)).collect();
        format!(r#""parameters": {{{}}}"#, list.join(", "))
    };
    let inner = call("inner", &reads(&["a"]));
    let undone = r#""compensate": {"plugin": "p", "method": "m", "parameters": {"it": "${steps.u.output}"}}"#;
    let steps = [
        call("a", ""),
        call("b", &reads(&["a"])),
        format!(r#"{{"id": "g", "type": "group", "steps": [{inner}]}}"#),
        call("c", r#""parameters": {"status": "${steps.b.status}"}"#),
        call("u", undone),
        call("last", ""),
    ];
    let finally = format!(r#""finally": [{}],"#, call("z", &reads(&["c"])));
    let of_list = plan(&workflow("sequential", &finally, &steps.join(",")));
    let some = |ids: &[&str]| Some(ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
    assert_eq!(readers(&of_list, "a"), some(&["b", "g"]), "in a body, it is the step that has the body");
    assert_eq!(readers(&of_list, "b"), some(&[]), "its status is no output");
    assert_eq!(readers(&of_list, "c"), None, "clean-up comes at the end");
    assert_eq!(readers(&of_list, "u"), None, "it may be undone at any time");
    assert_eq!(readers(&of_list, "last"), some(&[]));

    let steps = [call("a", ""), call("b", &reads(&["a"]))].join(",");
    let all = plan(&workflow("parallel", "", &steps));
    assert_eq!((readers(&all, "a"), readers(&all, "b")), (None, None), "the body puts out all of them");
    let one = plan(&workflow("parallel", r#""output": "${steps.b.output}","#, &steps));
    assert_eq!((readers(&one, "a"), readers(&one, "b")), (some(&["b"]), None));
}
