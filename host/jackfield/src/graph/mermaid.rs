//! Input for Mermaid: a flowchart with a subgraph for every body.

use super::{Block, EdgeKind, Graph, Node};
use std::fmt::Write;

pub(super) fn render(graph: &Graph) -> String {
    let mut writer = Writer { out: String::from("flowchart TD\n"), next: 0 };
    for block in &graph.blocks {
        if block.caption.is_empty() {
            writer.block(1, block);
        } else {
            writer.subgraph(1, &block.caption, block);
        }
    }
    writer.out
}

struct Writer {
    out: String,
    /// Number of the next node or subgraph.
    next: usize,
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

    fn subgraph(&mut self, depth: usize, caption: &str, block: &Block) {
        let number = self.number();
        let caption = if caption.is_empty() { " " } else { caption };
        self.line(depth, &format!("subgraph n{number}[{}]", quote(&[caption])));
        self.block(depth + 1, block);
        self.line(depth, "end");
    }

    fn block(&mut self, depth: usize, block: &Block) {
        let numbers: Vec<usize> = block.nodes.iter().map(|node| self.node(depth, node)).collect();
        for edge in &block.edges {
            let arrow = if edge.kind == EdgeKind::Reference { "-.->" } else { "-->" };
            self.line(depth, &format!("n{} {arrow} n{}", numbers[edge.from], numbers[edge.to]));
        }
    }

    fn node(&mut self, depth: usize, node: &Node) -> usize {
        let summary = node.summary();
        let lines: Vec<&str> =
            [&node.id, &summary].into_iter().chain(&node.notes).map(String::as_str).collect();
        let label = quote(&lines);
        let number = self.number();
        match node.blocks.as_slice() {
            [] => self.line(depth, &format!("n{number}[{label}]")),
            [only] if only.caption.is_empty() => {
                self.line(depth, &format!("subgraph n{number}[{label}]"));
                self.block(depth + 1, only);
                self.line(depth, "end");
            }
            blocks => {
                self.line(depth, &format!("subgraph n{number}[{label}]"));
                for block in blocks {
                    self.subgraph(depth + 1, &block.caption, block);
                }
                self.line(depth, "end");
            }
        }
        if node.tolerant && node.blocks.is_empty() {
            self.line(depth, &format!("style n{number} stroke-dasharray: 4 3"));
        }
        number
    }
}

/// Lines as one label. Mermaid has no escapes but entities, written with `#` for `&`.
fn quote(lines: &[&str]) -> String {
    let mut label = String::from("\"");
    for (ix, line) in lines.iter().enumerate() {
        if ix > 0 {
            label.push_str("<br>");
        }
        for c in line.chars() {
            match c {
                '"' | '#' | '<' | '>' | '&' | '`' | '\\' | ';' | '[' | ']' | '{' | '}' => {
                    // writing into a string cannot fail
                    let _ = write!(label, "#{};", c as u32);
                }
                c if c.is_control() => label.push(' '),
                c => label.push(c),
            }
        }
    }
    label.push('"');
    label
}
