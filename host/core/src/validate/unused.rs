//! Calls without side effects whose output nobody reads.

use super::calls::Calls;
use super::context::Context;
use super::edges::Edges;
use super::layout::Layout;
use super::steps::is_critical;
use crate::diagnostic::Code;
use crate::model::{Mode, Workflow};
use crate::plan::{MethodIx, ScopeRole, StepIx};

/// Warns of them. A step that others depend on may be there to be waited for, and is left alone.
pub(super) fn check(
    layout: &Layout<'_>,
    calls: &Calls<'_, '_>,
    edges: &Edges,
    called: &[(StepIx, MethodIx)],
    context: &mut Context<'_, '_>,
) {
    for (ix, method) in called {
        let step = layout.node(*ix).step;
        let has_consequences = !step.catch.is_empty() || step.compensate.is_some() || step.status.is_some();
        if !calls.method_use(*method).pure
            || context.uses.is_read[ix.0 as usize]
            || has_consequences
            || edges.successors(*ix).iter().any(|edge| edge.declared)
            || is_in_body_output(context.workflow, layout, *ix)
        {
            continue;
        }
        let message =
            format!("nothing reads the output of `{}`, and its method has no side effects", step.id.value);
        let hint = "Remove the step, or let a step that needs its success depend on it.";
        context.report(Code::UnusedOutput, step.id.at, message, hint);
    }
}

/// Whether the output of `step` is, or may become, part of what its body puts out.
fn is_in_body_output(workflow: &Workflow, layout: &Layout<'_>, step: StepIx) -> bool {
    let scope = layout.scope(layout.node(step).scope);
    let owner_output = scope.owner.and_then(|owner| layout.node(owner).step.output.as_ref());
    let is_catch = matches!(scope.role, ScopeRole::Catch(_));
    let template = scope.output.or(owner_output.filter(|_| !is_catch));
    if matches!(scope.role, ScopeRole::OnFailure | ScopeRole::Finally) {
        return false;
    }
    let position = (step.0 - scope.steps.start) as usize;
    // a later stage takes it as `prev`
    let is_taken_on = scope.mode == Mode::Pipeline && position + 1 < scope.list.len();
    if scope.role == ScopeRole::Contest || is_taken_on {
        return true;
    }
    if let Some(template) = template {
        return template.text.contains("result");
    }
    match scope.mode {
        Mode::Parallel | Mode::Conditional | Mode::Pipeline => true,
        Mode::Sequential => {
            let mut later = scope.list[position + 1..].iter();
            // a later step that cannot but complete replaces the output
            !later.any(|later| {
                later.when.is_none() && later.dependencies.is_empty() && is_critical(workflow, later)
            })
        }
    }
}
