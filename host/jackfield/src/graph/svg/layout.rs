//! Where everything goes. Bodies are laid out from the inside out: a structured step is a box as large as its
//! bodies need, so each body is a flat graph. Edges never leave a body.

use super::metrics::{
    CAPTION_HEIGHT, CORNER, GAP, ID_SIZE, LINE_HEIGHT, NOTE_SIZE, PADDING, ROW_GAP, WIDTH_MIN, text_width,
};
use crate::graph::{Block, EdgeKind, Graph, Node};
use dagre::graph::{Graph as Layout, GraphOptions};
use dagre::{EdgeLabel, LayoutOptions, NodeLabel};

/// A body with everything in it, relative to its own upper left corner.
pub(super) struct BlockBox {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) nodes: Vec<NodeBox>,
    pub(super) edges: Vec<EdgeLine>,
}

/// A step, relative to the corner of the body it stands in.
pub(super) struct NodeBox {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    /// The bodies and where they stand inside the step.
    pub(super) blocks: Vec<(f64, f64, BlockBox)>,
}

/// An edge as a chain of points, relative to the corner of the body.
pub(super) struct EdgeLine {
    pub(super) points: Vec<(f64, f64)>,
    pub(super) kind: EdgeKind,
}

/// The bodies of the document, one below the other: position of each and the whole size.
pub(super) struct GraphBox {
    pub(super) blocks: Vec<(f64, BlockBox)>,
    pub(super) width: f64,
    pub(super) height: f64,
}

pub(super) fn graph(graph: &Graph) -> GraphBox {
    let mut boxes = GraphBox { blocks: Vec::new(), width: 0.0, height: 0.0 };
    for block in &graph.blocks {
        let laid_out = self::block(block);
        if !boxes.blocks.is_empty() {
            boxes.height += GAP;
        }
        let top = boxes.height;
        boxes.width = boxes.width.max(laid_out.width);
        boxes.height += laid_out.height;
        boxes.blocks.push((top, laid_out));
    }
    boxes
}

fn block(block: &Block) -> BlockBox {
    let mut nodes: Vec<NodeBox> = block.nodes.iter().map(node).collect();
    let mut layout =
        Layout::with_options(GraphOptions { directed: true, multigraph: false, compound: false });
    for (ix, node) in nodes.iter().enumerate() {
        let label = NodeLabel { width: node.width, height: node.height, ..NodeLabel::default() };
        layout.set_node(ix.to_string(), Some(label));
    }
    for edge in &block.edges {
        layout.set_edge(edge.from.to_string(), edge.to.to_string(), Some(EdgeLabel::default()), None);
    }
    let options = LayoutOptions { nodesep: GAP, edgesep: 14.0, ranksep: ROW_GAP, ..LayoutOptions::default() };
    dagre::layout(&mut layout, Some(options));

    let top = PADDING + if block.caption.is_empty() { 0.0 } else { CAPTION_HEIGHT };
    for (ix, node) in nodes.iter_mut().enumerate() {
        let place = layout.node(&ix.to_string());
        node.x = place.and_then(|it| it.x).unwrap_or_default() - node.width / 2.0 + PADDING;
        node.y = place.and_then(|it| it.y).unwrap_or_default() - node.height / 2.0 + top;
    }
    let point = |point: &dagre::Point| (point.x + PADDING, point.y + top);
    let edges = block.edges.iter().filter_map(|edge| {
        let label = layout.edge(&edge.from.to_string(), &edge.to.to_string(), None)?;
        let mut points: Vec<(f64, f64)> = label.points.iter().map(point).collect();
        attach(&mut points, &nodes[edge.from], &nodes[edge.to]);
        Some(EdgeLine { points, kind: edge.kind })
    });
    let edges: Vec<EdgeLine> = edges.collect();
    let right = nodes.iter().map(|node| node.x + node.width);
    let bends = edges.iter().flat_map(|edge| edge.points.iter().map(|(x, _)| *x));
    let width = right.chain(bends).fold(text_width(&block.caption, NOTE_SIZE) + PADDING, f64::max) + PADDING;
    let height = nodes.iter().map(|node| node.y + node.height).fold(top, f64::max) + PADDING;
    BlockBox { width, height, nodes, edges }
}

/// Lets an edge leave at the bottom of its first box and arrive at the top of its last, off the corners.
fn attach(points: &mut [(f64, f64)], from: &NodeBox, to: &NodeBox) {
    let inside = |x: f64, node: &NodeBox| x.clamp(node.x + CORNER, node.x + node.width - CORNER);
    if let [first, .., last] = points {
        *first = (inside(first.0, from), from.y + from.height);
        *last = (inside(last.0, to), to.y);
    }
}

fn node(node: &Node) -> NodeBox {
    let lines = node.notes.iter().map(|note| text_width(note, NOTE_SIZE));
    let id = text_width(&node.id, ID_SIZE + 1.0);
    let text = lines.fold(id.max(text_width(&node.summary(), NOTE_SIZE)), f64::max);
    let mut width = (text + 2.0 * PADDING + 4.0).max(WIDTH_MIN);
    let head = header_height(node);
    let inner: Vec<BlockBox> = node.blocks.iter().map(block).collect();
    if inner.is_empty() {
        return NodeBox { x: 0.0, y: 0.0, width, height: head, blocks: Vec::new() };
    }
    let gaps = PADDING * (inner.len() + 1) as f64;
    let inner_width = inner.iter().map(|block| block.width).sum::<f64>() + gaps;
    let inner_height = inner.iter().map(|block| block.height).fold(0.0, f64::max);
    let mut x = PADDING + (width - inner_width).max(0.0) / 2.0;
    width = width.max(inner_width);
    let mut blocks = Vec::with_capacity(inner.len());
    for block in inner {
        let step = block.width + PADDING;
        blocks.push((x, head, block));
        x += step;
    }
    NodeBox { x: 0.0, y: 0.0, width, height: head + inner_height + PADDING, blocks }
}

/// Height of the lines of text of a step with their padding.
fn header_height(node: &Node) -> f64 {
    LINE_HEIGHT * (2 + node.notes.len()) as f64 + 1.5 * PADDING
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Dialect;
    use crate::sketch::draft;

    /// Left, top, right and bottom.
    type Area = (f64, f64, f64, f64);

    fn overlap(a: Area, b: Area) -> bool {
        a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
    }

    fn check(block: &BlockBox, boxes: &mut usize) {
        let area = |node: &NodeBox| (node.x, node.y, node.x + node.width, node.y + node.height);
        for (ix, node) in block.nodes.iter().enumerate() {
            *boxes += 1;
            let (left, top, right, bottom) = area(node);
            assert!(left >= 0.0 && top >= 0.0 && right <= block.width && bottom <= block.height);
            for other in &block.nodes[..ix] {
                assert!(!overlap(area(node), area(other)), "{:?} and {:?}", area(node), area(other));
            }
            for (x, y, inner) in &node.blocks {
                assert!(x + inner.width <= node.width && y + inner.height <= node.height);
                check(inner, boxes);
            }
        }
        for edge in &block.edges {
            assert!(
                edge.points
                    .iter()
                    .all(|(x, y)| (0.0..=block.width).contains(x) && (0.0..=block.height).contains(y))
            );
        }
    }

    #[test]
    fn no_two_boxes_overlap_and_everything_stays_inside_its_body() {
        let (graph, _) = draft(include_str!("../golden/order.json"), Dialect::Json);
        let mut boxes = 0;
        for (_, block) in &super::graph(&graph.unwrap()).blocks {
            check(block, &mut boxes);
        }
        assert_eq!(boxes, 15);
    }
}
