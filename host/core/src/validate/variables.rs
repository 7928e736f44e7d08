//! Where variables live. One that the document declares, or that a step of its body sets, lives in the root scope;
//! any other in the outermost scope around the `set` in which a step sets it.

use super::context::Context;
use super::expressions::Site;
use super::layout::{Layout, index};
use crate::expr::Template;
use crate::model::{Action, Workflow};
use crate::plan::ScopeIx;
use std::collections::HashMap;

/// All variables of a document.
#[derive(Default)]
pub(super) struct Variables<'w> {
    slots: HashMap<(ScopeIx, &'w str), u32>,
    names: HashMap<ScopeIx, Vec<&'w str>>,
    elsewhere: HashMap<&'w str, ScopeIx>,
}

impl<'w> Variables<'w> {
    pub(super) fn of(workflow: &'w Workflow, layout: &Layout<'w>) -> Self {
        let mut found = Self::default();
        for name in workflow.variables.keys() {
            found.add(ScopeIx::ROOT, name);
        }
        // parents stand before their children, so an outer home is known before an inner `set` is seen
        for node in &layout.steps {
            let Action::Set { variables } = &node.step.action else { continue };
            for name in variables.keys() {
                if found.home(layout, node.scope, name).is_none() {
                    found.add(node.scope, name);
                }
            }
        }
        found
    }

    fn add(&mut self, scope: ScopeIx, name: &'w str) {
        let names = self.names.entry(scope).or_default();
        self.slots.insert((scope, name), index(names.len()));
        self.elsewhere.entry(name).or_insert(scope);
        names.push(name);
    }

    /// The scope and slot of the variable that `name` means in `scope`.
    pub(super) fn home(&self, layout: &Layout<'_>, scope: ScopeIx, name: &str) -> Option<(ScopeIx, u32)> {
        if self.slots.is_empty() {
            return None;
        }
        let homes = layout
            .outwards(scope, None)
            .filter_map(|(around, _)| self.slots.get(&(around, name)).map(|slot| (around, *slot)));
        homes.last()
    }

    /// A scope that has a variable of this name, wherever it is.
    pub(super) fn elsewhere(&self, name: &str) -> Option<ScopeIx> {
        self.elsewhere.get(name).copied()
    }

    /// The variables that live in `scope`, by slot.
    pub(super) fn names(&self, scope: ScopeIx) -> &[&'w str] {
        self.names.get(&scope).map_or(&[], Vec::as_slice)
    }
}

/// The initial values of the root scope's variables, by slot.
pub(super) fn initial_values(context: &mut Context<'_, '_>) -> Option<Vec<Option<Template>>> {
    let workflow = context.workflow;
    let variables = context.variables;
    let mut complete = true;
    let mut values = Vec::new();
    for name in variables.names(ScopeIx::ROOT) {
        let value = workflow.variables.get(*name).map(|json| context.template(json, Site::before_run()));
        complete &= value.as_ref().is_none_or(Option::is_some);
        values.push(value.flatten());
    }
    complete.then_some(values)
}
