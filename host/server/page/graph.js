// The drawing of a workflow, with where its steps stand.
import { html, useEffect, useMemo, useRef, useState } from './html.js';
import { Component } from './vendor/preact.js';
import { shape } from './parts.js';
import { summary, tally, idOf } from './steps.js';

const NONE = new Map();

/** Layout is loaded when it is needed first. */
function useLayout(graph) {
  const [drawing, set] = useState();
  useEffect(() => {
    let isCurrent = true;
    set(undefined);
    import('./layout.js').then(
      ({ layout }) => isCurrent && set(layout(graph) ?? 'too many'),
      () => isCurrent && set('lost'),
    );
    return () => { isCurrent = false; };
  }, [graph]);
  return drawing;
}

const cut = (text, w) => {
  const max = Math.floor((w - 20) / 6.4);
  return text.length <= max ? text : `${text.slice(0, Math.max(1, max - 1))}…`;
};

/** One step. It is drawn again only if something of it is different. */
class Box extends Component {
  shouldComponentUpdate(next) {
    return ['box', 'status', 'counts', 'isChosen', 'isFocus'].some((name) => next[name] !== this.props[name]);
  }

  render({ box, status, counts, isChosen, isFocus, onOpen, onFocus }) {
    const { x, y, w, h } = box;
    const name = [box.id, box.what, status, counts].filter(Boolean).join(', ');
    const press = (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      onOpen(box);
    };
    return html`<g class=${`box ${status ? `is-${status}` : ''} ${isChosen ? 'is-chosen' : ''} ${box.head ? 'is-body' : ''}`} transform=${`translate(${x} ${y})`} data-id=${box.id}>
      <title>${[box.id, box.what, ...box.notes, counts].filter(Boolean).join('\n')}</title>
      <rect width=${w} height=${h} rx="6" role="button" tabindex=${isFocus ? 0 : -1} aria-label=${name} aria-pressed=${isChosen}
        onClick=${() => onOpen(box)} onKeyDown=${press} onFocus=${() => onFocus(box)} />
      <g class="words" aria-hidden="true">
      ${status && html`<path class="sign" transform="translate(8 6)" d=${shape(status)} />`}
      <text class="name" x=${status ? 28 : 10} y="18">${cut(box.id, w - (status ? 22 : 4))}</text>
      <text x="10" y="34">${cut(counts && box.head ? `${box.what} (${counts})` : counts || box.what, w)}</text>
      ${box.notes.map((note, at) => html`<text class="quiet" x="10" y=${49 + at * 15}>${cut(note, w)}</text>`)}</g>
    </g>`;
  }
}

const path = (points) => {
  const [first, ...rest] = points;
  let text = `M${first.x} ${first.y}`;
  for (let at = 0; at < rest.length - 1; at += 1) {
    const [here, next] = [rest[at], rest[at + 1]];
    const last = at === rest.length - 2;
    text += ` Q${here.x} ${here.y} ${last ? next.x : (here.x + next.x) / 2} ${last ? next.y : (here.y + next.y) / 2}`;
  }
  return rest.length === 1 ? `${text} L${rest[0].x} ${rest[0].y}` : text;
};

/** The nearest box in the direction of an arrow key. */
function neighbour(boxes, from, key) {
  const middle = (it) => [it.x + Math.min(it.w / 2, 80), it.y + 16];
  const [fx, fy] = middle(from);
  const ways = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowLeft: [-1, 0] };
  const [wx, wy] = ways[key];
  let best;
  for (const it of boxes) {
    if (it === from) continue;
    const [x, y] = middle(it);
    const along = (x - fx) * wx + (y - fy) * wy;
    const across = Math.abs((x - fx) * wy) + Math.abs((y - fy) * wx);
    if (along <= 4) continue;
    const far = along + across * 2;
    if (!best || far < best.far) best = { it, far };
  }
  return best?.it;
}

export function Graph({ graph, steps = NONE, chosen, onChoose }) {
  const drawing = useLayout(graph);
  const [zoom, setZoom] = useState();
  const [focus, setFocus] = useState();
  const view = useRef(null);
  const fit = (drawing) => Math.min(1, Math.max(0.5, (view.current?.clientWidth || 900) / drawing.w));
  const standing = useMemo(() => {
    const found = new Map();
    for (const [id, instances] of steps) found.set(id, { status: summary(instances), counts: instances.length > 1 ? tally(instances) : '' });
    return found;
  }, [steps]);
  useEffect(() => {
    if (typeof drawing !== 'object') return;
    const zoom = fit(drawing);
    setZoom(zoom);
    // a wide drawing begins where its first step, or the chosen one, is
    const first = drawing.boxes.find((it) => chosen && it.id === idOf(chosen)) ?? drawing.boxes[0];
    requestAnimationFrame(() => first && view.current?.scrollTo(
      (first.x + first.w / 2) * zoom - view.current.clientWidth / 2, first.y * zoom - view.current.clientHeight / 3));
  }, [drawing]);
  if (drawing === undefined) return html`<p class="quiet" role="status">Drawing…</p>`;
  if (drawing === 'too many') return html`<p>This workflow has too many steps for a drawing. The table of steps shows them.</p>`;
  if (drawing === 'lost') return html`<p role="alert">The part of the page that draws could not be loaded; load the page again.</p>`;

  const isLive = steps.size > 0;
  const current = focus ?? (chosen && idOf(chosen)) ?? drawing.boxes[0]?.id;
  const open = (box) => {
    const instances = steps.get(box.id);
    const most = instances?.find((it) => it.status === summary(instances));
    onChoose?.(most?.path ?? box.id);
  };
  const move = (event) => {
    if (!event.key.startsWith('Arrow') || event.ctrlKey || event.altKey || event.metaKey) return;
    const from = drawing.boxes.find((it) => it.id === current);
    const to = from && neighbour(drawing.boxes, from, event.key);
    if (!to) return;
    event.preventDefault();
    setFocus(to.id);
    view.current.querySelector(`[data-id="${CSS.escape(to.id)}"] rect`)?.focus();
  };
  const scale = zoom ?? 1;
  const turn = (by) => setZoom(Math.min(2, Math.max(0.2, scale * by)));
  return html`<div class="graph">
    <div class="row tools" role="group" aria-label="Size of the drawing">
      <button type="button" class="small" aria-label="Smaller" onClick=${() => turn(1 / 1.25)}>−</button>
      <button type="button" class="small" aria-label="Larger" onClick=${() => turn(1.25)}>+</button>
      <button type="button" class="small" onClick=${() => setZoom(fit(drawing))}>Fit</button>
      <span class="quiet">${drawing.boxes.length} steps. Arrow keys move, Enter opens. Dashed: reads the output.</span>
    </div>
    <div class="canvas" ref=${view}>
      <svg role="group" aria-label="Steps of the workflow" width=${drawing.w * scale} height=${drawing.h * scale} viewBox=${`0 0 ${drawing.w} ${drawing.h}`} onKeyDown=${move}>
        <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M1 1 7 4 1 7" /></marker></defs>
        ${drawing.boxes.filter((it) => it.head).map((box) => one(box))}
        <g aria-hidden="true">${drawing.edges.map((it) => html`<path class=${`edge is-${it.kind} ${standing.get(it.source)?.status === 'completed' ? 'is-done' : ''}`} d=${path(it.points)} marker-end="url(#arrow)" />`)}</g>
        ${drawing.captions.map((it) => html`<text class="caption" x=${it.x} y=${it.y}>${it.text}</text>`)}
        ${drawing.boxes.filter((it) => !it.head).map((box) => one(box))}
      </svg>
    </div>
  </div>`;

  function one(box) {
    const now = standing.get(box.id);
    return html`<${Box} key=${box.id} box=${box} status=${isLive ? now?.status ?? 'pending' : ''} counts=${now?.counts ?? ''}
      isChosen=${Boolean(chosen) && idOf(chosen) === box.id} isFocus=${current === box.id} onOpen=${open} onFocus=${(box) => setFocus(box.id)} />`;
  }
}
