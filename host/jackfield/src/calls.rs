//! All calls that a document makes, at any depth.

use jackfield_core::model::{Action, CallFields, Step, Workflow};

/// The calls in the order of the document.
pub(crate) fn calls(workflow: &Workflow) -> Vec<&CallFields> {
    let mut calls = Vec::new();
    for steps in [&workflow.body.steps, &workflow.on_failure, &workflow.finally] {
        collect(steps, &mut calls);
    }
    calls
}

fn collect<'a>(steps: &'a [Step], calls: &mut Vec<&'a CallFields>) {
    for step in steps {
        if let Action::Call(call) = &step.action {
            calls.push(call);
        }
        calls.extend(step.compensate.iter().map(|undo| &undo.call));
        for inner in bodies(&step.action) {
            collect(inner, calls);
        }
        for catch in &step.catch {
            collect(&catch.steps, calls);
        }
    }
}

fn bodies(action: &Action) -> Vec<&[Step]> {
    match action {
        Action::Group(body) => vec![&body.steps],
        Action::Foreach(foreach) => vec![&foreach.body.steps],
        Action::Repeat(repeat) => vec![&repeat.body.steps],
        Action::Race { steps, .. } => vec![steps],
        Action::Switch { cases, default, .. } => {
            let cases = cases.iter().map(|case| &*case.body.steps);
            cases.chain(default.iter().map(|body| &*body.steps)).collect()
        }
        _ => Vec::new(),
    }
}
