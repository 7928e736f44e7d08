//! The laid out graph as SVG text. Colour only repeats what words and line styles say.

use super::layout::{BlockBox, EdgeLine, GraphBox, NodeBox};
use super::metrics::{CAPTION_HEIGHT, GAP, LINE_HEIGHT, NOTE_SIZE, PADDING, text_width};
use crate::graph::{Block, EdgeKind, Graph, Node, escape_xml};
use std::fmt::Write;

// no custom properties: many viewers do not know them
const STYLE: &str = "
text { font-family: system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; font-size: 11.5px; fill: #5b6475; }
.title { font-size: 17px; font-weight: 600; fill: #1f2430; }
.id { font-size: 13px; font-weight: 600; fill: #1f2430; }
.what { fill: #1f2430; }
.paper { fill: #ffffff; }
.step { fill: #f4f6fa; stroke: #8a93a5; }
.tolerant { stroke-dasharray: 5 3; }
.body { fill: #ffffff; stroke: #8a93a5; stroke-opacity: 0.5; stroke-dasharray: 2 3; }
.edge { fill: none; stroke: #8a93a5; stroke-width: 1.4; }
.reference { stroke-dasharray: 5 4; }
.tip { fill: #8a93a5; }
.call { fill: #2f6fd0; } .flow { fill: #7a4fc4; } .data { fill: #2b8a5b; } .end { fill: #c0452f; }
@media (prefers-color-scheme: dark) {
  text { fill: #a3acbd; } .title, .id, .what { fill: #e8ebf2; } .paper, .body { fill: #14171e; }
  .step { fill: #1e232d; stroke: #6d7687; } .body, .edge { stroke: #6d7687; } .tip { fill: #6d7687; }
  .call { fill: #6ea3f5; } .flow { fill: #b08cf0; } .data { fill: #63c294; } .end { fill: #f08a76; }
}
";
/// Space around everything.
const MARGIN: f64 = 20.0;
/// Height of title and subtitle.
const TITLE_HEIGHT: f64 = 50.0;
const LEGEND: [(&str, &str); 3] = [
    ("edge", "waits for"),
    ("edge reference", "reads its output"),
    ("tolerant", "may fail: the failure is only recorded"),
];
const LEGEND_HEIGHT: f64 = 34.0;

pub(super) fn document(graph: &Graph, boxes: &GraphBox) -> String {
    let legend = LEGEND.iter().map(|(_, text)| text_width(text, NOTE_SIZE) + 56.0).sum();
    let title = text_width(&graph.title, 17.0).max(text_width(&graph.subtitle, NOTE_SIZE));
    let width = boxes.width.max(legend).max(title) + 2.0 * MARGIN;
    let height = boxes.height + TITLE_HEIGHT + LEGEND_HEIGHT + 2.0 * MARGIN;
    let mut pen = Pen { out: String::new() };
    pen.put(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n"
    ));
    pen.put(format_args!("<title>{}</title>\n<style>{STYLE}</style>\n", escape_xml(&graph.title)));
    pen.put(format_args!("<rect class=\"paper\" width=\"{width:.0}\" height=\"{height:.0}\"/>\n"));
    pen.text("title", MARGIN, MARGIN + 16.0, &graph.title);
    pen.text("", MARGIN, MARGIN + 34.0, &graph.subtitle);
    for (block, (top, laid_out)) in graph.blocks.iter().zip(&boxes.blocks) {
        let top = MARGIN + TITLE_HEIGHT + top;
        if !block.caption.is_empty() {
            pen.rect("body", MARGIN, top, laid_out.width, laid_out.height);
        }
        pen.block(block, laid_out, MARGIN, top);
    }
    pen.legend(MARGIN, height - MARGIN);
    pen.out.push_str("</svg>\n");
    pen.out
}

struct Pen {
    out: String,
}

impl Pen {
    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // writing into a string cannot fail
        let _ = self.out.write_fmt(text);
    }

    fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        self.put(format_args!("<text{class} x=\"{x:.1}\" y=\"{y:.1}\">{}</text>\n", escape_xml(text)));
    }

    fn rect(&mut self, class: &str, x: f64, y: f64, width: f64, height: f64) {
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\"/>\n"
        ));
    }

    fn block(&mut self, block: &Block, laid_out: &BlockBox, x: f64, y: f64) {
        if !block.caption.is_empty() {
            self.text("", x + PADDING, y + CAPTION_HEIGHT - 4.0, &block.caption);
        }
        for edge in &laid_out.edges {
            self.edge(edge, x, y);
        }
        for (node, place) in block.nodes.iter().zip(&laid_out.nodes) {
            self.node(node, place, x + place.x, y + place.y);
        }
    }

    fn node(&mut self, node: &Node, place: &NodeBox, x: f64, y: f64) {
        let class = if node.tolerant { "step tolerant" } else { "step" };
        self.put(format_args!("<g><title>{}</title>\n", escape_xml(&tooltip(node))));
        self.rect(class, x, y, place.width, place.height);
        let bar = place.height - 8.0;
        self.put(format_args!(
            "<rect class=\"{}\" x=\"{:.1}\" y=\"{:.1}\" width=\"3\" height=\"{bar:.1}\" rx=\"1.5\"/>\n",
            family(node.kind),
            x + 4.0,
            y + 4.0
        ));
        let left = x + PADDING + 4.0;
        let mut line = y + PADDING + 8.0;
        self.text("id", left, line, &node.id);
        line += LINE_HEIGHT;
        self.text("what", left, line, &node.summary());
        for note in &node.notes {
            line += LINE_HEIGHT;
            self.text("", left, line, note);
        }
        self.out.push_str("</g>\n");
        for (block, (left, top, laid_out)) in node.blocks.iter().zip(&place.blocks) {
            self.rect("body", x + left, y + top, laid_out.width, laid_out.height);
            self.block(block, laid_out, x + left, y + top);
        }
    }

    /// A smooth line through the points, with a tip at its end.
    fn edge(&mut self, edge: &EdgeLine, x: f64, y: f64) {
        let points: Vec<(f64, f64)> = edge.points.iter().map(|(px, py)| (px + x, py + y)).collect();
        let [first, .., last] = points.as_slice() else { return };
        let class = if edge.kind == EdgeKind::Reference { "edge reference" } else { "edge" };
        let end = (last.0, last.1 - 6.0);
        let mut path = format!("M{:.1},{:.1}", first.0, first.1);
        let mut from = *first;
        for (ix, point) in points.iter().enumerate().skip(1) {
            let to = if ix + 1 == points.len() { end } else { *point };
            let middle = (from.1 + to.1) / 2.0;
            let (x1, x2) = (from.0, to.0);
            // writing into a string cannot fail
            let _ = write!(path, " C{x1:.1},{middle:.1} {x2:.1},{middle:.1} {:.1},{:.1}", to.0, to.1);
            from = to;
        }
        self.put(format_args!("<path class=\"{class}\" d=\"{path}\"/>\n"));
        let (tx, ty) = *last;
        self.put(format_args!("<path class=\"tip\" d=\"M{tx:.1},{ty:.1} l-4,-7 l8,0 z\"/>\n"));
    }

    fn legend(&mut self, left: f64, baseline: f64) {
        let mut x = left;
        for (class, text) in LEGEND {
            if class == "tolerant" {
                self.rect("step tolerant", x, baseline - 11.0, 24.0, 14.0);
            } else {
                let y = baseline - 4.0;
                self.put(format_args!("<path class=\"{class}\" d=\"M{x:.1},{y:.1} h24\"/>\n"));
            }
            self.text("", x + 30.0, baseline, text);
            x += text_width(text, NOTE_SIZE) + 28.0 + GAP;
        }
    }
}

/// Colour by what kind of work it is.
fn family(kind: &str) -> &'static str {
    match kind {
        "call" | "workflow" => "call",
        "set" | "log" | "emit" | "receive" => "data",
        "fail" | "return" | "continue_as_new" => "end",
        _ => "flow",
    }
}

fn tooltip(node: &Node) -> String {
    let lines = [node.id.clone(), node.summary()].into_iter().chain(node.notes.iter().cloned());
    lines.collect::<Vec<_>>().join("\n")
}
