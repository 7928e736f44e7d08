//! A topological order of all steps, and the cycles that stand in its way. Iterative throughout: a chain of a million
//! steps takes no stack.

use super::edges::Edges;
use super::layout::{Layout, index};
use crate::diagnostic::{Code, Finding};
use crate::plan::StepIx;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{HashMap, VecDeque};

/// Most steps of a cycle that its message names.
const PATH_SHOWN_MAX: usize = 32;
/// Most references that its hint explains.
const READS_SHOWN_MAX: usize = 4;

/// In which order steps can run.
pub(super) struct Order {
    /// Position of each step; `u32::MAX` for those in or behind a cycle.
    position: Vec<u32>,
}

impl Order {
    /// Orders the steps and reports every cycle once.
    pub(super) fn of(layout: &Layout<'_>, edges: &Edges, findings: &mut Vec<Finding>) -> Self {
        let mut waiting = edges.in_degree.clone();
        let mut position = vec![u32::MAX; waiting.len()];
        let mut ready: Vec<StepIx> =
            (0..).map(StepIx).zip(&waiting).filter(|(_, n)| **n == 0).map(|(ix, _)| ix).collect();
        let mut next = 0;
        while next < ready.len() {
            let step = ready[next];
            position[step.0 as usize] = index(next);
            next += 1;
            for edge in edges.successors(step) {
                let left = &mut waiting[edge.to.0 as usize];
                *left -= 1;
                if *left == 0 {
                    ready.push(edge.to);
                }
            }
        }
        let order = Self { position };
        if next < waiting.len() {
            report_cycles(layout, edges, &order, findings);
        }
        order
    }

    /// Where `step` stands in the order; `None` in or behind a cycle.
    pub(super) fn position(&self, step: StepIx) -> Option<u32> {
        Some(self.position[step.0 as usize]).filter(|position| *position != u32::MAX)
    }
}

fn report_cycles(layout: &Layout<'_>, edges: &Edges, order: &Order, findings: &mut Vec<Finding>) {
    let left = (0..index(layout.steps.len())).map(StepIx).filter(|step| order.position(*step).is_none());
    let mut graph = DiGraph::<StepIx, ()>::new();
    let nodes: HashMap<StepIx, NodeIndex> = left.map(|step| (step, graph.add_node(step))).collect();
    for (step, node) in &nodes {
        for edge in edges.successors(*step) {
            if let Some(to) = nodes.get(&edge.to) {
                graph.add_edge(*node, *to, ());
            }
        }
    }
    for component in kosaraju_scc(&graph) {
        let mut members: Vec<_> = component.into_iter().map(|node| graph[node]).collect();
        if members.len() > 1 {
            members.sort_unstable();
            findings.push(cycle(layout, edges, &members));
        }
    }
}

/// The finding about the shortest cycle through the first of `members`, which all reach each other.
fn cycle(layout: &Layout<'_>, edges: &Edges, members: &[StepIx]) -> Finding {
    let path = shortest(edges, members);
    let is_read = |pair: &&[StepIx]| !edges.declared(pair[0]).contains(&pair[1]);
    let mut hint = String::from("Each waits for the next; remove one of the dependencies.");
    for pair in path.windows(2).filter(is_read).take(READS_SHOWN_MAX) {
        let (reader, source) = (layout.id(pair[0]), layout.id(pair[1]));
        hint.push_str(&format!(" `{reader}` waits for `{source}` because it reads it."));
    }
    Finding {
        code: Code::Cycle,
        at: place(layout, edges, path[0], path[1]),
        message: format!("steps wait for each other: `{}`", written(layout, &path)),
        hint,
    }
}

/// The ids on `path`; of a very long one the middle is left out.
fn written(layout: &Layout<'_>, path: &[StepIx]) -> String {
    let join = |part: &[StepIx]| part.iter().map(|step| layout.id(*step)).collect::<Vec<_>>().join(" -> ");
    if path.len() <= PATH_SHOWN_MAX {
        return join(path);
    }
    let (start, end) = (&path[..PATH_SHOWN_MAX / 2], &path[path.len() - PATH_SHOWN_MAX / 2..]);
    format!("{} -> ... {} more ... -> {}", join(start), path.len() - PATH_SHOWN_MAX, join(end))
}

/// From the first member along what each waits for back to the first.
fn shortest(edges: &Edges, members: &[StepIx]) -> Vec<StepIx> {
    let first = members[0];
    let mut waits_for_first = None;
    // breadth first along the edges: `towards[x]` is the step that x waits for on the shortest way from `first`
    let mut towards: HashMap<StepIx, StepIx> = HashMap::new();
    let mut queue = VecDeque::from([first]);
    'search: while let Some(step) = queue.pop_front() {
        for edge in edges.successors(step) {
            if edge.to == first {
                waits_for_first = Some(step);
                break 'search;
            }
            if members.binary_search(&edge.to).is_ok() && !towards.contains_key(&edge.to) {
                towards.insert(edge.to, step);
                queue.push_back(edge.to);
            }
        }
    }
    let mut path = vec![first];
    let mut at = waits_for_first;
    while let Some(step) = at.filter(|step| *step != first) {
        path.push(step);
        at = towards.get(&step).copied();
    }
    path.push(first);
    path
}

/// Where the dependency of `step` on `source` is written.
fn place(layout: &Layout<'_>, edges: &Edges, step: StepIx, source: StepIx) -> u32 {
    let node = layout.node(step).step;
    let declared = node.dependencies.iter().find(|id| *id.value == *layout.id(source)).map(|id| id.at);
    let read =
        || edges.read_by(step).iter().find(|awaited| awaited.source == source).map(|awaited| awaited.at);
    declared.or_else(read).unwrap_or(node.id.at)
}
