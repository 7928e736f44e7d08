//! A tree for terminals: one line per step; arrows name what a step waits for.

use super::{Block, EdgeKind, Graph, Node};

pub(super) fn render(graph: &Graph) -> String {
    let mut out = String::new();
    line(&mut out, &[&graph.subtitle]);
    for block in &graph.blocks {
        if !block.caption.is_empty() {
            line(&mut out, &[&block.caption, ":"]);
        }
        tree(&mut out, block, "");
    }
    out
}

fn tree(out: &mut String, block: &Block, indent: &str) {
    let width = block.nodes.iter().map(|node| node.id.chars().count()).max().unwrap_or(0);
    for (ix, node) in block.nodes.iter().enumerate() {
        let last = ix + 1 == block.nodes.len();
        let (branch, below) = if last { ("└─", "   ") } else { ("├─", "│  ") };
        let follows = block.edges.iter().any(|edge| edge.to == ix && edge.kind == EdgeKind::Order);
        let (arrow, gap) = if follows { ("→ ", 0) } else { (" ", 1) };
        let padding = " ".repeat(gap + width - node.id.chars().count());
        let notes: String = node.notes.iter().map(|note| format!("  [{note}]")).collect();
        let after = waits_for(block, ix);
        let summary = node.summary();
        line(out, &[indent, branch, arrow, &node.id, &padding, "  ", &summary, &notes, &after]);
        bodies(out, node, &format!("{indent}{below}"));
    }
}

fn bodies(out: &mut String, node: &Node, indent: &str) {
    for (ix, block) in node.blocks.iter().enumerate() {
        if block.caption.is_empty() {
            tree(out, block, indent);
            continue;
        }
        let last = ix + 1 == node.blocks.len();
        let (branch, below) = if last { ("└╴", "   ") } else { ("├╴", "│  ") };
        line(out, &[indent, branch, " ", &block.caption]);
        tree(out, block, &format!("{indent}{below}"));
    }
}

/// Names of the steps that the one at `ix` waits for; those it only reads are in round brackets.
fn waits_for(block: &Block, ix: usize) -> String {
    let names: Vec<String> = block
        .edges
        .iter()
        .filter(|edge| edge.to == ix && edge.kind != EdgeKind::Order)
        .map(|edge| match edge.kind {
            EdgeKind::Reference => format!("({})", block.nodes[edge.from].id),
            _ => block.nodes[edge.from].id.clone(),
        })
        .collect();
    if names.is_empty() { String::new() } else { format!("  ← {}", names.join(", ")) }
}

fn line(out: &mut String, parts: &[&str]) {
    let start = out.len();
    out.extend(parts.iter().copied());
    out.truncate(start.max(out.trim_end_matches(' ').len()));
    out.push('\n');
}
