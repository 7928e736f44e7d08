//! From dependencies and references to arrays of edges.

use super::context::{Awaited, Context};
use super::layout::{Layout, index};
use super::names::did_you_mean;
use super::steps::rule;
use crate::diagnostic::{Code, nearest};
use crate::model::{At, Mode, TriggerRule};
use crate::plan::{Edge, ScopeIx, ScopeRole, StepIx};
use std::collections::HashMap;

/// The edges of all scopes, as the plan keeps them.
#[derive(Default)]
pub(super) struct Edges {
    pub(super) successor_starts: Vec<u32>,
    pub(super) successors: Vec<Edge>,
    pub(super) declared_starts: Vec<u32>,
    pub(super) declared: Vec<StepIx>,
    pub(super) in_degree: Vec<u32>,
    pub(super) awaited: HashMap<StepIx, u32>,
    /// What references made, sorted, each pair once.
    pub(super) references: Vec<Awaited>,
}

impl Edges {
    pub(super) fn of(layout: &Layout<'_>, context: &mut Context<'_, '_>) -> Self {
        let mut edges = Self { references: std::mem::take(&mut context.uses.awaited), ..Self::default() };
        edges.references.sort_unstable();
        edges.references.dedup_by_key(|awaited| (awaited.step, awaited.source));
        edges.declare(layout, context);
        let listed = edges.list(layout);
        edges.index(layout.steps.len(), &listed);
        edges
    }

    /// What waits for `step`.
    pub(super) fn successors(&self, step: StepIx) -> &[Edge] {
        let ix = step.0 as usize;
        &self.successors[self.successor_starts[ix] as usize..self.successor_starts[ix + 1] as usize]
    }

    /// What `step` declares.
    pub(super) fn declared(&self, step: StepIx) -> &[StepIx] {
        let ix = step.0 as usize;
        &self.declared[self.declared_starts[ix] as usize..self.declared_starts[ix + 1] as usize]
    }

    /// What `step` reads without declaring it or not.
    pub(super) fn read_by(&self, step: StepIx) -> &[Awaited] {
        let start = self.references.partition_point(|awaited| awaited.step < step);
        let len = self.references[start..].partition_point(|awaited| awaited.step == step);
        &self.references[start..start + len]
    }

    fn declare(&mut self, layout: &Layout<'_>, context: &mut Context<'_, '_>) {
        self.declared_starts.reserve(layout.steps.len() + 1);
        self.declared_starts.push(0);
        for (ix, node) in (0..).map(StepIx).zip(&layout.steps) {
            for id in &node.step.dependencies {
                let found = resolve(layout, context, ix, id);
                self.declared.extend(found);
            }
            self.declared_starts.push(index(self.declared.len()));
        }
    }

    /// All edges with the step that they leave, in the order of the steps that wait.
    fn list(&mut self, layout: &Layout<'_>) -> Vec<(StepIx, Edge)> {
        let mut listed = Vec::with_capacity(self.declared.len().max(layout.steps.len()));
        let mut next_reference = 0;
        for scope in layout.scope_indices() {
            let node = layout.scope(scope);
            let in_order = matches!(node.mode, Mode::Sequential | Mode::Pipeline);
            for step in layout.steps_of(scope) {
                if in_order {
                    if step.0 > node.steps.start {
                        let former = StepIx(step.0 - 1);
                        let declared = self.declared(step).contains(&former);
                        listed.push((former, Edge { to: step, declared, awaited: true, early: false }));
                    }
                    continue;
                }
                // steps are visited in the order of the table, and so are the sorted references
                while self.references.get(next_reference).is_some_and(|awaited| awaited.step < step) {
                    next_reference += 1;
                }
                let read =
                    self.references[next_reference..].iter().take_while(|awaited| awaited.step == step);
                self.list_step(
                    step,
                    read.map(|awaited| awaited.source),
                    rule(layout.node(step).step, node.mode),
                    &mut listed,
                );
            }
        }
        self.awaited = count_awaited(layout, &listed);
        listed
    }

    fn list_step(
        &self,
        step: StepIx,
        read: impl Iterator<Item = StepIx> + Clone,
        rule: TriggerRule,
        listed: &mut Vec<(StepIx, Edge)>,
    ) {
        let declared = self.declared(step);
        let waits_for_all = !is_early(rule);
        for source in declared {
            let awaited = waits_for_all || read.clone().any(|read| read == *source);
            listed.push((*source, Edge { to: step, declared: true, awaited, early: !waits_for_all }));
        }
        for source in read.filter(|source| !declared.contains(source)) {
            listed.push((source, Edge { to: step, declared: false, awaited: true, early: !waits_for_all }));
        }
    }

    fn index(&mut self, steps: usize, listed: &[(StepIx, Edge)]) {
        let mut starts = vec![0_u32; steps + 1];
        self.in_degree = vec![0; steps];
        for (from, edge) in listed {
            starts[from.0 as usize + 1] += 1;
            self.in_degree[edge.to.0 as usize] += 1;
        }
        for ix in 1..starts.len() {
            starts[ix] += starts[ix - 1];
        }
        let mut next = starts.clone();
        self.successors =
            vec![Edge { to: StepIx(0), declared: false, awaited: false, early: false }; listed.len()];
        for (from, edge) in listed {
            let place = &mut next[from.0 as usize];
            self.successors[*place as usize] = *edge;
            *place += 1;
        }
        self.successor_starts = starts;
    }
}

/// Whether `rule` can be met before all dependencies have settled.
fn is_early(rule: TriggerRule) -> bool {
    matches!(rule, TriggerRule::AnyCompleted | TriggerRule::Completed(_))
}

fn count_awaited(layout: &Layout<'_>, listed: &[(StepIx, Edge)]) -> HashMap<StepIx, u32> {
    let mut counts = HashMap::new();
    for (_, edge) in listed.iter().filter(|(_, edge)| edge.awaited) {
        let node = layout.node(edge.to);
        if node.step.trigger_rule.as_ref().is_some_and(|rule| is_early(rule.value))
            && matches!(layout.scope(node.scope).mode, Mode::Parallel | Mode::Conditional)
        {
            *counts.entry(edge.to).or_insert(0) += 1;
        }
    }
    counts
}

/// The sibling that the dependency `id` of `step` means, if it may be one.
fn resolve(
    layout: &Layout<'_>,
    context: &mut Context<'_, '_>,
    step: StepIx,
    id: &At<Box<str>>,
) -> Option<StepIx> {
    let node = layout.node(step);
    let scope = layout.scope(node.scope);
    if id.value.is_empty() || scope.mode == Mode::Pipeline || scope.role == ScopeRole::Contest {
        // found and reported when the document was read
        return None;
    }
    let (name, own) = (&*id.value, &*node.step.id.value);
    let Some(found) = layout.find(name) else {
        let guess = nearest(name, layout.steps_of(node.scope).map(|sibling| layout.id(sibling)));
        let message = format!("step `{own}` depends on `{name}`, which does not exist");
        context.report(Code::UnknownStep, id.at, message, did_you_mean("", guess));
        return None;
    };
    if layout.node(found).scope != node.scope {
        let (message, hint) = not_a_sibling(layout, step, found);
        context.report(Code::UnknownStep, id.at, message, hint);
        return None;
    }
    if found == step {
        let message = format!("step `{own}` depends on itself: `{own} -> {own}`");
        context.report(Code::Cycle, id.at, message, "Remove the dependency.");
        return None;
    }
    if scope.mode == Mode::Sequential && found > step {
        let message = format!("step `{own}` depends on `{name}`, which comes later in the sequence");
        let hint = format!("Move `{name}` before `{own}`, or choose the mode `parallel`.");
        context.report(Code::ForwardDependency, id.at, message, hint);
        return None;
    }
    Some(found)
}

fn not_a_sibling(layout: &Layout<'_>, step: StepIx, found: StepIx) -> (String, String) {
    let (own, name) = (layout.id(step), layout.id(found));
    let (from, home) = (layout.node(step).scope, layout.node(found).scope);
    let message = format!(
        "step `{own}` depends on `{name}`, which stands in another body: in {}",
        layout.describe(home)
    );
    let hint = match (enclosing(layout, found, from), enclosing(layout, step, home)) {
        (Some(sibling), _) => format!("Depend on `{}`, which `{name}` is inside of.", layout.id(sibling)),
        (None, Some(outer)) if outer != found => {
            format!("Let `{}` depend on it; inside, `steps.{name}` can be read.", layout.id(outer))
        }
        _ => "Dependencies are among the steps of one body.".to_owned(),
    };
    (message, hint)
}

/// The step of `scope` that encloses `step`.
fn enclosing(layout: &Layout<'_>, step: StepIx, scope: ScopeIx) -> Option<StepIx> {
    layout.anchor(layout.node(step).scope, Some(step), scope).and_then(|anchor| anchor.step)
}
