//! Variables that two steps use at the same time, one of them writing.

use super::context::{Access, Context};
use super::edges::Edges;
use super::layout::Layout;
use super::order::Order;
use super::variables::Variables;
use crate::diagnostic::Code;
use crate::model::{Action, Mode};
use crate::plan::{ScopeIx, ScopeRole, StepIx};

/// Reports a `set` that writes a variable of an outer scope from where several could do so at once.
pub(super) fn check_writer(context: &mut Context<'_, '_>, step: StepIx, home: ScopeIx, name: &str, at: u32) {
    let layout = context.layout;
    let within = layout.outwards(layout.node(step).scope, Some(step)).map(|(scope, _)| scope);
    let Some(concurrent) =
        within.take_while(|scope| *scope != home).find(|scope| is_concurrent(layout, *scope))
    else {
        return;
    };
    let owner = layout.describe(concurrent);
    let message = format!(
        "step `{}` writes the variable `{name}` of an outer scope, but what is in {owner} runs at the same time",
        layout.id(step)
    );
    let hint = "Only sequential bodies write outer variables; hand the value out as an output instead.";
    context.report(Code::VariableConflict, at, message, hint);
}

/// Whether more than one step can be active in `scope` and its like.
fn is_concurrent(layout: &Layout<'_>, scope: ScopeIx) -> bool {
    let node = layout.scope(scope);
    if !matches!(node.mode, Mode::Sequential | Mode::Pipeline) {
        return true;
    }
    let action = node.owner.map(|owner| &layout.node(owner).step.action);
    match (node.role, action) {
        (ScopeRole::Item, Some(Action::Foreach(foreach))) => {
            foreach.body.max_concurrency.as_ref().is_some_and(|limit| limit.value != 1)
        }
        (ScopeRole::Case(_), Some(Action::Switch { match_all, .. })) => match_all.unwrap_or(false),
        _ => false,
    }
}

/// Reports uses of variables that no dependency orders. Takes time in proportion to the steps between the uses of
/// each variable.
pub(super) fn check(
    layout: &Layout<'_>,
    variables: &Variables<'_>,
    edges: &Edges,
    order: &Order,
    context: &mut Context<'_, '_>,
) {
    let mut accesses = std::mem::take(&mut context.uses.accesses);
    accesses.retain(|access| order.position(access.step).is_some());
    if !accesses.iter().any(|access| access.writes) {
        return;
    }
    let rank = |access: &Access| (access.scope, access.slot, order.position(access.step), !access.writes);
    accesses.sort_by_key(rank);
    let mut reach = Reach::new(layout, edges, order);
    for uses in accesses.chunk_by(|a, b| (a.scope, a.slot) == (b.scope, b.slot)) {
        let name = variables.names(uses[0].scope)[uses[0].slot as usize];
        for (writer, other) in unordered(uses, &mut reach) {
            report(layout, context, name, &writer, &other);
        }
    }
}

/// Pairs of uses, the first writing, that nothing orders. `uses` are of one variable, in topological order.
fn unordered(uses: &[Access], reach: &mut Reach<'_>) -> Vec<(Access, Access)> {
    let writers: Vec<usize> = (0..uses.len()).filter(|ix| is_first_write(uses, *ix)).collect();
    let mut found = Vec::new();
    for (nth, writer) in writers.iter().enumerate() {
        let former = nth.checked_sub(1).map(|former| writers[former]);
        let before = former.map_or(0, |former| former + 1)..*writer;
        let after = writer + 1..writers.get(nth + 1).map_or(uses.len(), |next| next + 1);
        let write = &uses[*writer];
        // every use between two writes must come after the one and before the other
        if let Some(last) = uses[after.clone()].last() {
            reach.forward(write.step, last.step);
            found.extend(
                uses[after].iter().filter(|other| !reach.reached(other.step)).map(|other| (*write, *other)),
            );
        }
        if let Some(first) = uses[before.clone()].first() {
            reach.backward(write.step, first.step);
            found.extend(
                uses[before].iter().filter(|other| !reach.reached(other.step)).map(|other| (*write, *other)),
            );
        }
    }
    found
}

/// Whether `ix` writes and is the first use in its step that does.
fn is_first_write(uses: &[Access], ix: usize) -> bool {
    uses[ix].writes && (ix == 0 || !uses[ix - 1].writes || uses[ix - 1].step != uses[ix].step)
}

fn report(layout: &Layout<'_>, context: &mut Context<'_, '_>, name: &str, writer: &Access, other: &Access) {
    let (first, second) = (layout.id(writer.user), layout.id(other.user));
    let message = if other.writes {
        format!("steps `{first}` and `{second}` both write the variable `{name}`, and nothing orders them")
    } else {
        format!("step `{second}` reads the variable `{name}` that `{first}` writes, and nothing orders them")
    };
    let (one, two) = (layout.id(writer.step), layout.id(other.step));
    let hint = if layout.scope(writer.scope).role == ScopeRole::Contest {
        "Contestants of a race cannot share a variable.".to_owned()
    } else {
        format!("Let `{two}` depend on `{one}`, or the other way round.")
    };
    context.report(Code::VariableConflict, other.at, message, hint);
}

/// Which steps a step can be reached from, or reaches, along edges that are waited for.
struct Reach<'r> {
    edges: &'r Edges,
    order: &'r Order,
    predecessor_starts: Vec<u32>,
    predecessors: Vec<StepIx>,
    /// The search in which a step was last seen.
    seen: Vec<u32>,
    search: u32,
    stack: Vec<StepIx>,
}

impl<'r> Reach<'r> {
    fn new(layout: &Layout<'_>, edges: &'r Edges, order: &'r Order) -> Self {
        let count = layout.steps.len();
        let mut starts = vec![0_u32; count + 1];
        let awaited = edges.successors.iter().filter(|edge| edge.awaited);
        for edge in awaited {
            starts[edge.to.0 as usize + 1] += 1;
        }
        for ix in 1..starts.len() {
            starts[ix] += starts[ix - 1];
        }
        let mut next = starts.clone();
        let mut predecessors = vec![StepIx(0); starts[count] as usize];
        for from in (0..super::layout::index(count)).map(StepIx) {
            for edge in edges.successors(from).iter().filter(|edge| edge.awaited) {
                let place = &mut next[edge.to.0 as usize];
                predecessors[*place as usize] = from;
                *place += 1;
            }
        }
        let seen = vec![0; count];
        Self { edges, order, predecessor_starts: starts, predecessors, seen, search: 0, stack: Vec::new() }
    }

    fn reached(&self, step: StepIx) -> bool {
        self.seen[step.0 as usize] == self.search
    }

    /// Marks what `from` reaches, as far as it stands no later than `last`.
    fn forward(&mut self, from: StepIx, last: StepIx) {
        let (edges, order) = (self.edges, self.order);
        let end = order.position(last);
        self.start(from);
        while let Some(step) = self.stack.pop() {
            for edge in edges.successors(step).iter().filter(|edge| edge.awaited) {
                if order.position(edge.to).is_some_and(|position| Some(position) <= end) {
                    self.visit(edge.to);
                }
            }
        }
    }

    /// Marks what reaches `from`, as far as it stands no earlier than `first`.
    fn backward(&mut self, from: StepIx, first: StepIx) {
        let start = self.order.position(first);
        self.start(from);
        while let Some(step) = self.stack.pop() {
            let ix = step.0 as usize;
            for at in self.predecessor_starts[ix]..self.predecessor_starts[ix + 1] {
                let former = self.predecessors[at as usize];
                if self.order.position(former) >= start {
                    self.visit(former);
                }
            }
        }
    }

    fn start(&mut self, from: StepIx) {
        self.search += 1;
        self.stack.clear();
        self.visit(from);
    }

    fn visit(&mut self, step: StepIx) {
        let seen = &mut self.seen[step.0 as usize];
        if *seen != self.search {
            *seen = self.search;
            self.stack.push(step);
        }
    }
}
