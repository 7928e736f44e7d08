//! Very long and very wide documents, built as models: no stack overflow, no quadratic time.

use super::*;
use crate::model::{Action, At, Body, CallFields, Json, Mode, Step, Workflow};

const STEPS: u32 = if cfg!(debug_assertions) { 200_000 } else { 1_000_000 };

fn text(value: &str) -> At<Box<str>> {
    At { value: value.into(), at: 0 }
}

/// A model with `count` calls; `shape` gives each its dependencies and parameters.
fn model(mode: Mode, count: u32, shape: impl Fn(u32) -> (Vec<u32>, Option<String>)) -> Workflow {
    let source = workflow("sequential", "", &call("template", ""));
    let mut workflow = parse(source.as_bytes(), Dialect::Json).workflow.unwrap();
    let template = workflow.body.steps.remove(0);
    let Action::Call(fields) = &template.action else { panic!("no call") };
    let steps = (0..count).map(|n| {
        let (dependencies, parameters) = shape(n);
        let parameters = parameters.map(|text| Json { text: text.into(), at: 0 });
        Step {
            id: text(&format!("s{n}")),
            dependencies: dependencies.iter().map(|on| text(&format!("s{on}"))).collect(),
            action: Action::Call(Box::new(CallFields { parameters, ..CallFields::clone(fields) })),
            ..template.clone()
        }
    });
    workflow.body =
        Body { mode: Some(At { value: mode, at: 0 }), max_concurrency: None, steps: steps.collect() };
    workflow
}

fn plan_of(workflow: &Workflow) -> Arc<Plan> {
    let compiled = compile(workflow, &catalog(), &Options::default());
    compiled.plan.unwrap_or_else(|| panic!("{:#?}", compiled.findings.first()))
}

fn former(n: u32) -> Vec<u32> {
    n.checked_sub(1).into_iter().collect()
}

#[test]
fn a_long_chain_of_dependencies_becomes_a_plan() {
    for mode in [Mode::Parallel, Mode::Sequential] {
        let plan = plan_of(&model(mode, STEPS, |n| (former(n), None)));
        assert_eq!(plan.steps.len(), STEPS as usize);
        assert_eq!(plan.successors.len(), STEPS as usize - 1);
        assert_eq!(plan.successors(StepIx(STEPS - 2))[0].to, StepIx(STEPS - 1));
    }
}

#[test]
fn a_long_chain_of_references_becomes_a_plan() {
    let shape = |n: u32| (vec![], n.checked_sub(1).map(|former| format!("\"${{steps.s{former}.output}}\"")));
    let plan = plan_of(&model(Mode::Parallel, STEPS, shape));
    assert_eq!(plan.in_degree.iter().sum::<u32>(), STEPS - 1);
    assert_eq!(plan.refs.len(), STEPS as usize - 1);
}

#[test]
fn a_wide_fan_becomes_a_plan() {
    let plan = plan_of(&model(Mode::Parallel, STEPS, |n| (if n == 0 { vec![] } else { vec![0] }, None)));
    assert_eq!(plan.successors(StepIx(0)).len(), STEPS as usize - 1);
}

#[test]
fn a_cycle_around_everything_is_found_without_deep_recursion() {
    let workflow = model(Mode::Parallel, STEPS, |n| (vec![n.checked_sub(1).unwrap_or(STEPS - 1)], None));
    let compiled = compile(&workflow, &catalog(), &Options::default());
    assert_eq!(codes(&compiled), [Code::Cycle]);
    assert!(compiled.findings[0].message.len() < 1_000, "{}", compiled.findings[0].message.len());
}

#[test]
fn a_variable_that_every_step_of_a_chain_uses_takes_linear_time() {
    let mut workflow = model(Mode::Parallel, STEPS / 4, |n| (former(n), Some("\"${vars.v}\"".to_owned())));
    let value = Json { text: "1".into(), at: 0 };
    for step in workflow.body.steps.iter_mut().step_by(10) {
        step.action = Action::Set { variables: [("v".into(), value.clone())].into_iter().collect() };
    }
    assert_eq!(plan_of(&workflow).variables.len(), 1);
}
