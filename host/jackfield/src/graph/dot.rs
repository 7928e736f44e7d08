//! Input for Graphviz: bodies are clusters, structured steps are the first node of theirs.

use super::{Block, Edge, EdgeKind, Graph, Node};
use std::fmt::Write;

pub(super) fn render(graph: &Graph) -> String {
    let mut writer = Writer { out: String::new(), next: 0 };
    writer.line(0, "digraph workflow {");
    writer.line(1, &format!("label={}; labelloc=t; compound=true; rankdir=TB;", quote(&graph.title)));
    writer.line(1, "node [shape=box, style=rounded, fontname=\"sans-serif\"];");
    writer.line(1, "graph [style=rounded, fontname=\"sans-serif\"];");
    for block in &graph.blocks {
        if block.caption.is_empty() {
            writer.block(1, block);
        } else {
            writer.cluster(1, &block.caption, block);
        }
    }
    writer.line(0, "}");
    writer.out
}

struct Writer {
    out: String,
    /// Number of the next node or cluster.
    next: usize,
}

/// How edges reach a step: its node, and its cluster if it has one.
struct Port {
    node: usize,
    cluster: Option<usize>,
}

impl Writer {
    fn line(&mut self, depth: usize, text: &str) {
        // writing into a string cannot fail
        let _ = writeln!(self.out, "{}{text}", "  ".repeat(depth));
    }

    fn number(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    fn cluster(&mut self, depth: usize, caption: &str, block: &Block) {
        let number = self.number();
        self.line(depth, &format!("subgraph cluster_{number} {{"));
        self.line(depth + 1, &format!("label={}; style=\"rounded,dashed\";", quote(caption)));
        self.block(depth + 1, block);
        self.line(depth, "}");
    }

    fn block(&mut self, depth: usize, block: &Block) {
        let ports: Vec<Port> = block.nodes.iter().map(|node| self.node(depth, node)).collect();
        for edge in &block.edges {
            self.edge(depth, edge, &ports);
        }
    }

    fn node(&mut self, depth: usize, node: &Node) -> Port {
        let lines = [node.id.clone(), node.summary()].into_iter().chain(node.notes.iter().cloned());
        let label = quote(&lines.collect::<Vec<_>>().join("\n"));
        let style = if node.tolerant { ", style=\"rounded,dashed\"" } else { "" };
        let number = self.number();
        if node.blocks.is_empty() {
            self.line(depth, &format!("n{number} [label={label}{style}];"));
            return Port { node: number, cluster: None };
        }
        self.line(depth, &format!("subgraph cluster_{number} {{"));
        self.line(depth + 1, "label=\"\";");
        self.line(depth + 1, &format!("n{number} [label={label}{style}];"));
        for block in &node.blocks {
            self.cluster(depth + 1, &block.caption, block);
        }
        self.line(depth, "}");
        Port { node: number, cluster: Some(number) }
    }

    fn edge(&mut self, depth: usize, edge: &Edge, ports: &[Port]) {
        let (from, to) = (&ports[edge.from], &ports[edge.to]);
        let mut attributes = Vec::new();
        if edge.kind == EdgeKind::Reference {
            attributes.push("style=dashed".to_owned());
        }
        attributes.extend(from.cluster.map(|cluster| format!("ltail=cluster_{cluster}")));
        attributes.extend(to.cluster.map(|cluster| format!("lhead=cluster_{cluster}")));
        let list =
            if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) };
        self.line(depth, &format!("n{} -> n{}{list};", from.node, to.node));
    }
}

fn quote(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}
