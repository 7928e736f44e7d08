//! A workflow as a picture: as SVG, as input for Graphviz or Mermaid, or as an indented tree of text.

mod build;
mod dot;
mod mermaid;
mod notes;
mod svg;
#[cfg(test)]
mod tests;
mod text;

pub use svg::SVG_STEPS_MAX;

use crate::Error;
use crate::model;
use crate::plan::Plan;
use serde::Serialize;

/// What [`Graph::render`] produces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A picture of its own, light or dark as the viewer likes it.
    Svg,
    /// Input for Graphviz.
    Dot,
    /// Input for Mermaid.
    Mermaid,
    /// A tree for terminals.
    Text,
}

/// Steps and what relates them, as far as a picture shows it.
/// As JSON it is `{title, subtitle, blocks: [{caption, nodes: [{id, kind, what, notes, tolerant, blocks}], edges: [{from, to, kind}]}]}`,
/// where `from` and `to` are positions in `nodes`, and a node of a structured step has blocks of its own.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Graph {
    title: String,
    subtitle: String,
    /// The document's steps, then `on_failure` and `finally` if it has them.
    blocks: Vec<Block>,
}

/// One body.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
struct Block {
    /// What it is the body of, and its mode if that is not the default; empty if there is nothing to say.
    caption: String,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
struct Node {
    id: String,
    /// The type as the format names it.
    kind: &'static str,
    /// What it does in a few words: `csv.load`, `for file in input.files`.
    what: String,
    /// What else governs it, one fact each.
    notes: Vec<String>,
    /// Its failure is only recorded.
    tolerant: bool,
    blocks: Vec<Block>,
}

/// Positions of two nodes in their block, and why they are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
struct Edge {
    from: usize,
    to: usize,
    kind: EdgeKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum EdgeKind {
    /// One after the other in list order.
    Order,
    /// A declared dependency.
    Dependency,
    /// The output is read.
    Reference,
}

impl Graph {
    /// The picture of a document. Without a plan (of a document with faults) it lacks the edges that come from
    /// references in expressions.
    #[must_use]
    pub fn new(workflow: &model::Workflow, plan: Option<&Plan>) -> Self {
        build::graph(workflow, plan)
    }

    /// The picture in one of the formats, with a line break at the end.
    ///
    /// # Errors
    /// If it is to be SVG and the workflow has more than [`SVG_STEPS_MAX`] steps.
    pub fn render(&self, format: Format) -> Result<String, Error> {
        match format {
            Format::Svg => svg::render(self),
            Format::Dot => Ok(dot::render(self)),
            Format::Mermaid => Ok(mermaid::render(self)),
            Format::Text => Ok(text::render(self)),
        }
    }

    fn step_count(&self) -> usize {
        self.blocks.iter().map(Block::step_count).sum()
    }
}

impl Block {
    fn step_count(&self) -> usize {
        let inner = |node: &Node| node.blocks.iter().map(Self::step_count).sum::<usize>();
        self.nodes.iter().map(|node| 1 + inner(node)).sum()
    }
}

impl Node {
    /// Type and work in one line.
    fn summary(&self) -> String {
        match (self.kind, self.what.as_str()) {
            ("call", what) => what.to_owned(),
            (kind, "") => kind.to_owned(),
            (kind, what) => format!("{kind} {what}"),
        }
    }
}

/// Cuts a text for display, at a character.
fn shorten(text: &str, chars_max: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= chars_max {
        return flat;
    }
    flat.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()
}

/// Text for XML and HTML: what has a meaning there, and characters that may not occur, replaced.
fn escape_xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c if c.is_control() && !matches!(c, '\n' | '\t') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
