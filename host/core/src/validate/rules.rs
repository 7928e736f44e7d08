//! Trigger rules that can never be met.

use super::layout::{Layout, StepNode};
use super::steps::is_critical;
use crate::diagnostic::{Code, Finding};
use crate::model::{TriggerRule, Workflow};

pub(super) fn check(workflow: &Workflow, layout: &Layout<'_>, findings: &mut Vec<Finding>) {
    for node in &layout.steps {
        let Some(rule) = &node.step.trigger_rule else { continue };
        if rule.value == TriggerRule::AnyFailed && depends_on_critical_only(workflow, layout, node) {
            findings.push(Finding {
                code: Code::NeverFires,
                at: rule.at,
                message: format!(
                    "step `{}` waits for a failure, but all that it depends on is critical and would fail the whole \
                     scope",
                    node.step.id.value
                ),
                hint: "Write \"critical\": false at the step whose failure it handles.".to_owned(),
            });
        }
    }
}

/// Whether there are dependencies, all of them known and critical.
fn depends_on_critical_only(workflow: &Workflow, layout: &Layout<'_>, node: &StepNode<'_>) -> bool {
    let mut dependencies = node.step.dependencies.iter().map(|id| layout.find(&id.value));
    !node.step.dependencies.is_empty()
        && dependencies.all(|found| found.is_some_and(|ix| is_critical(workflow, layout.node(ix).step)))
}
