// Where the steps of a workflow stand in its drawing. Bodies are laid out by dagre from the inside out; what comes out is flat:
// boxes, edges and captions with their places in the whole.
import dagre from './vendor/dagre.js';

const LINE = 15;
const HEAD = 26;
const PAD = 12;
const GAP = 14;
const CHAR = 6.6;
const CHARS_MAX = 30;

/** Boxes that are drawn at most; beyond that the table serves better. */
export const BOXES_MAX = 3000;

export const cut = (text, max = CHARS_MAX) => (text.length <= max ? text : `${text.slice(0, max - 1)}…`);

function words(node) {
  const what = node.kind === 'call' ? node.what : [node.kind, node.what].filter(Boolean).join(' ');
  return { what, notes: node.notes.slice(0, 2) };
}

function leaf(node) {
  const { what, notes } = words(node);
  const chars = Math.max(...[node.id.length + 3, what.length, ...notes.map((it) => it.length)].map((it) => Math.min(it, CHARS_MAX)));
  return { node, what, notes, w: Math.max(110, chars * CHAR + 24), h: HEAD + LINE * (1 + notes.length) + 2, blocks: [] };
}

function box(node) {
  const shown = leaf(node);
  if (node.blocks.length === 0) return shown;
  const head = HEAD + LINE * (1 + shown.notes.length);
  let x = PAD;
  let bottom = head;
  const blocks = node.blocks.map((it) => {
    const inner = block(it);
    const caption = it.caption ? LINE + 4 : 0;
    const placed = { inner, caption: it.caption, x, y: head + caption };
    x += Math.max(inner.w, it.caption.length > 0 ? Math.min(it.caption.length, CHARS_MAX) * CHAR : 0) + PAD;
    bottom = Math.max(bottom, head + caption + inner.h);
    return placed;
  });
  return { ...shown, blocks, head, w: Math.max(shown.w, x), h: bottom + PAD };
}

/** Boxes without edges, in rows that together are about as wide as high. */
function grid(boxes, into) {
  const area = boxes.reduce((sum, it) => sum + (it.w + GAP) * (it.h + GAP), 0);
  const widest = Math.max(360, ...boxes.map((it) => it.w), Math.sqrt(area) * 1.3);
  let [x, y, row] = [0, into.h > 0 ? into.h + GAP : 0, 0];
  for (const it of boxes) {
    if (x > 0 && x + it.w > widest) [x, y, row] = [0, y + row + GAP, 0];
    it.x = x;
    it.y = y;
    x += it.w + GAP;
    row = Math.max(row, it.h);
    into.w = Math.max(into.w, x - GAP);
    into.h = Math.max(into.h, y + row);
  }
}

function block({ nodes, edges }) {
  const boxes = nodes.map(box);
  const joined = new Set(edges.flatMap((it) => [it.from, it.to]));
  const size = { w: 0, h: 0 };
  const lines = [];
  if (joined.size > 0) {
    const graph = new dagre.graphlib.Graph({ multigraph: true });
    graph.setGraph({ rankdir: 'TB', nodesep: GAP, ranksep: 28, edgesep: 8, ranker: joined.size > 150 ? 'longest-path' : 'network-simplex' });
    graph.setDefaultEdgeLabel(() => ({}));
    boxes.forEach((it, at) => joined.has(at) && graph.setNode(String(at), { width: it.w, height: it.h }));
    edges.forEach((it, at) => graph.setEdge(String(it.from), String(it.to), {}, String(at)));
    dagre.layout(graph);
    const placed = graph.graph();
    Object.assign(size, { w: placed.width, h: placed.height });
    boxes.forEach((it, at) => {
      if (!joined.has(at)) return;
      const { x, y } = graph.node(String(at));
      Object.assign(it, { x: x - it.w / 2, y: y - it.h / 2 });
    });
    edges.forEach((it, at) => {
      const { points } = graph.edge(String(it.from), String(it.to), String(at));
      lines.push({ ...it, points, source: nodes[it.from].id });
    });
  }
  grid(boxes.filter((_, at) => !joined.has(at)), size);
  return { boxes, lines, ...size };
}

function flatten(inner, dx, dy, depth, into) {
  for (const line of inner.lines) {
    into.edges.push({ kind: line.kind, source: line.source, points: line.points.map((it) => ({ x: it.x + dx, y: it.y + dy })) });
  }
  for (const it of inner.boxes) {
    const [x, y] = [it.x + dx, it.y + dy];
    into.boxes.push({ id: it.node.id, kind: it.node.kind, what: it.what, notes: it.notes, tolerant: it.node.tolerant, x, y, w: it.w, h: it.h, head: it.head, depth });
    for (const { inner, caption, x: bx, y: by } of it.blocks) {
      if (caption) into.captions.push({ text: caption, x: x + bx, y: y + by - 6 });
      flatten(inner, x + bx, y + by, depth + 1, into);
    }
  }
}

const countOf = (blocks) => blocks.reduce((sum, it) => sum + it.nodes.reduce((sum, node) => sum + 1 + countOf(node.blocks), 0), 0);

/** The drawing of a graph, or `undefined` if it would have too many boxes. */
export function layout(graph) {
  if (countOf(graph.blocks) > BOXES_MAX) return undefined;
  const into = { boxes: [], edges: [], captions: [], w: 0, h: 0 };
  let y = PAD;
  for (const it of graph.blocks) {
    const inner = block(it);
    if (it.caption) {
      into.captions.push({ text: it.caption, x: PAD, y: y + 10 });
      y += LINE + 6;
    }
    flatten(inner, PAD, y, 0, into);
    into.w = Math.max(into.w, inner.w + 2 * PAD);
    y += inner.h + PAD * 2;
  }
  into.h = y;
  return into;
}
