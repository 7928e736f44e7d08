//! From the model (which has the words) and the plan (which has the edges of references) to a graph.

use super::notes::{call_name, catch_label, notes};
use super::{Block, Edge, EdgeKind, Graph, Node, shorten};
use crate::model::{Action, Body, Channel, Emit, Foreach, Items, Mode, Repeat, Step, Wait, Workflow};
use crate::plan::{Plan, StepIx};
use std::collections::HashMap;

/// Longest line of a node, in characters.
pub(super) const LINE_CHARS_MAX: usize = 48;

pub(super) fn graph(workflow: &Workflow, plan: Option<&Plan>) -> Graph {
    let edges = PlanEdges::new(plan, workflow.defaults.critical.unwrap_or(true));
    let body = &workflow.body;
    let mut blocks = vec![edges.block(String::new(), mode_of(body), &body.steps)];
    for (label, steps) in [("on failure", &workflow.on_failure), ("finally", &workflow.finally)] {
        if !steps.is_empty() {
            blocks.push(edges.block(label.to_owned(), Mode::Sequential, steps));
        }
    }
    let title = workflow.name.as_deref().unwrap_or(&workflow.id.value);
    let subtitle = format!("{} {}, {}", workflow.id.value, workflow.version(), mode_name(mode_of(body)));
    Graph { title: title.to_owned(), subtitle, blocks }
}

fn mode_of(body: &Body) -> Mode {
    body.mode.as_ref().map(|mode| mode.value).unwrap_or_default()
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Sequential => "sequential",
        Mode::Parallel => "parallel",
        Mode::Conditional => "conditional",
        Mode::Pipeline => "pipeline",
    }
}

/// The label of a body with its mode; sequential goes without saying.
fn caption(label: &str, mode: Mode) -> String {
    match (label, mode) {
        (label, Mode::Sequential) => label.to_owned(),
        ("", mode) => mode_name(mode).to_owned(),
        (label, mode) => format!("{label} ({})", mode_name(mode)),
    }
}

/// The edges of the plan, found by the ids of steps.
struct PlanEdges<'a> {
    plan: Option<&'a Plan>,
    by_id: HashMap<&'a str, StepIx>,
    default_critical: bool,
}

impl<'a> PlanEdges<'a> {
    fn new(plan: Option<&'a Plan>, default_critical: bool) -> Self {
        let steps = plan.into_iter().flat_map(|plan| &plan.steps).zip(0u32..);
        let by_id = steps.map(|(step, ix)| (&*step.id, StepIx(ix))).collect();
        Self { plan, by_id, default_critical }
    }

    fn block(&self, caption: String, mode: Mode, steps: &[Step]) -> Block {
        let edges = match mode {
            Mode::Sequential | Mode::Pipeline => in_order(steps),
            Mode::Parallel | Mode::Conditional => self.by_dependency(steps),
        };
        self.block_with(caption, edges, steps)
    }

    fn block_with(&self, caption: String, edges: Vec<Edge>, steps: &[Step]) -> Block {
        Block { caption, nodes: steps.iter().map(|step| self.node(step)).collect(), edges }
    }

    /// Declared dependencies, then those that come from references.
    fn by_dependency(&self, steps: &[Step]) -> Vec<Edge> {
        let positions = positions(steps);
        let mut edges = declared(steps, &positions);
        let Some(plan) = self.plan else { return edges };
        for (from, step) in steps.iter().enumerate() {
            let Some(&ix) = self.by_id.get(&*step.id.value) else { continue };
            for edge in plan.successors(ix).iter().filter(|edge| !edge.declared) {
                if let Some(&to) = positions.get(&*plan.step(edge.to).id) {
                    edges.push(Edge { from, to, kind: EdgeKind::Reference });
                }
            }
        }
        edges
    }

    fn node(&self, step: &Step) -> Node {
        let mut blocks = self.bodies(&step.action);
        for catch in step.catch.iter().filter(|catch| !catch.steps.is_empty()) {
            blocks.push(self.block(catch_label(catch), Mode::Sequential, &catch.steps));
        }
        let (kind, what) = describe(&step.action);
        let tolerant = !step.critical.unwrap_or(self.default_critical);
        let mut notes = notes(step);
        if tolerant {
            notes.push("may fail".to_owned());
        }
        Node {
            id: step.id.value.to_string(),
            kind,
            what: shorten(&what, LINE_CHARS_MAX),
            notes: notes.iter().map(|note| shorten(note, LINE_CHARS_MAX)).collect(),
            tolerant,
            blocks,
        }
    }

    fn bodies(&self, action: &Action) -> Vec<Block> {
        let of_body =
            |label: &str, body: &Body| self.block(caption(label, mode_of(body)), mode_of(body), &body.steps);
        match action {
            Action::Group(body) => vec![of_body("", body)],
            Action::Foreach(foreach) => vec![of_body("", &foreach.body)],
            Action::Repeat(repeat) => vec![of_body("", &repeat.body)],
            Action::Race { steps, .. } => vec![self.block_with(String::new(), Vec::new(), steps)],
            Action::Switch { cases, default, .. } => {
                let label = |name: &str, when: &str| shorten(&format!("{name}: {when}"), LINE_CHARS_MAX);
                let cases = cases.iter().map(|it| of_body(&label(&it.name.value, &it.when.value), &it.body));
                cases.chain(default.iter().map(|body| of_body("otherwise", body))).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn positions(steps: &[Step]) -> HashMap<&str, usize> {
    steps.iter().enumerate().map(|(ix, step)| (&*step.id.value, ix)).collect()
}

fn declared(steps: &[Step], positions: &HashMap<&str, usize>) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (to, step) in steps.iter().enumerate() {
        let from = step.dependencies.iter().filter_map(|id| positions.get(&*id.value));
        edges.extend(from.map(|&from| Edge { from, to, kind: EdgeKind::Dependency }));
    }
    edges
}

/// List order, and the declared dependencies that reach further back.
fn in_order(steps: &[Step]) -> Vec<Edge> {
    let mut edges: Vec<Edge> =
        (1..steps.len()).map(|to| Edge { from: to - 1, to, kind: EdgeKind::Order }).collect();
    let further = declared(steps, &positions(steps)).into_iter().filter(|edge| edge.from + 1 < edge.to);
    edges.extend(further);
    edges
}

fn describe(action: &Action) -> (&'static str, String) {
    match action {
        Action::Call(call) => ("call", call_name(call)),
        Action::Group(_) => ("group", String::new()),
        Action::Switch { match_all: Some(true), .. } => ("switch", "every case that holds".to_owned()),
        Action::Switch { .. } => ("switch", String::new()),
        Action::Foreach(foreach) => ("foreach", foreach_text(foreach)),
        Action::Repeat(repeat) => ("repeat", repeat_text(repeat)),
        Action::Race { winners, .. } => match winners.as_ref().map_or(1, |winners| winners.value) {
            1 => ("race", "the first to complete wins".to_owned()),
            winners => ("race", format!("the first {winners} to complete win")),
        },
        Action::Set { variables } => {
            ("set", variables.keys().map(|name| &**name).collect::<Vec<_>>().join(", "))
        }
        Action::Log { message, .. } => ("log", message.text.to_string()),
        Action::Wait(Wait::Duration(duration)) => ("wait", duration.text.trim_matches('"').to_owned()),
        Action::Wait(Wait::Until(time)) => ("wait", format!("until {}", time.text.trim_matches('"'))),
        Action::Fail { kind, .. } => {
            ("fail", kind.as_ref().map(|kind| kind.text.trim_matches('"').to_owned()).unwrap_or_default())
        }
        Action::Return { value } => {
            ("return", value.as_ref().map(|value| value.text.to_string()).unwrap_or_default())
        }
        Action::WaitForEvent { event, .. } => ("wait_for_event", event.value.to_string()),
        Action::Receive { queue, .. } => ("receive", queue.value.to_string()),
        Action::Emit(emit) => ("emit", emit_text(emit)),
        Action::Workflow(child) => ("workflow", child.workflow.value.to_string()),
        Action::ContinueAsNew { input, .. } => {
            ("continue_as_new", input.as_ref().map(|input| input.text.to_string()).unwrap_or_default())
        }
    }
}

fn foreach_text(foreach: &Foreach) -> String {
    let name = foreach.bind.as_ref().map_or("item", |name| &*name.value);
    let items = match &foreach.items {
        Items::Expression(expression) => &*expression.value,
        Items::Literal(json) => &*json.text,
    };
    format!("{name} in {items}")
}

fn repeat_text(repeat: &Repeat) -> String {
    match (&repeat.until, &repeat.while_) {
        (Some(until), _) => format!("until {}", until.value),
        (None, Some(condition)) => format!("while {}", condition.value),
        (None, None) => String::new(),
    }
}

fn emit_text(emit: &Emit) -> String {
    let what = match emit.channel {
        Channel::Event => "event",
        Channel::Queue => "message to queue",
    };
    let to = emit.to.as_ref().map(|to| format!(" to {}", to.text.trim_matches('"'))).unwrap_or_default();
    format!("{what} {}{to}", emit.name.value)
}
