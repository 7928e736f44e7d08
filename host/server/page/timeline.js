// When the steps of a run ran: a Gantt chart of rows that are read as a list.
import { html, useMemo, useState } from './html.js';
import { Icon, useNow } from './parts.js';
import { hasEnded, length } from './words.js';

const ROWS = 300;

const TRIED = ['attempt_failed', 'step_caught', 'step_failed'];

/** Attempts that failed, by step, as `[from, to]` in ms since 1970. */
function attempts(records) {
  const found = new Map();
  for (const it of records) {
    if (!TRIED.includes(it.event) || !it.step || !it.duration_ms) continue;
    const to = Date.parse(it.at);
    if (!found.has(it.step)) found.set(it.step, []);
    found.get(it.step).push([to - it.duration_ms, to]);
  }
  return found;
}

export function Timeline({ report, records, chosen, onChoose }) {
  const now = useNow();
  const [rows, setRows] = useState(ROWS);
  const tried = useMemo(() => attempts(records), [records]);
  const begin = Date.parse(report.started_at);
  const end = hasEnded(report.status) ? begin + report.duration_ms : Math.max(now, begin + report.duration_ms);
  const all = Math.max(1, end - begin);
  const begun = Object.entries(report.steps).filter(([, it]) => it.started_at)
    .map(([path, it]) => ({ path, ...it, at: Date.parse(it.started_at) })).sort((a, b) => a.at - b.at);
  if (begun.length === 0) return html`<p class="quiet">No step has begun yet.</p>`;
  const place = (from, to) => ({ left: `${Math.min(100, Math.max(0, ((from - begin) / all) * 100))}%`, width: `${Math.max(0.25, Math.min(100, ((to - from) / all) * 100))}%` });
  return html`<div class="timeline">
    <div class="axis" aria-hidden="true"><span></span><div>${[0, 0.25, 0.5, 0.75, 1].map((it) => html`<span>${length(all * it)}</span>`)}</div><span></span></div>
    <ol>${begun.slice(0, rows).map((step) => {
      const to = step.duration_ms === undefined || ['running', 'waiting'].includes(step.status) ? end : step.at + step.duration_ms;
      return html`<li key=${step.path} class=${step.path === chosen ? 'is-chosen' : ''}>
        <button type="button" class="link id" onClick=${() => onChoose(step.path)} aria-label=${`${step.path}: ${step.status}, began after ${length(step.at - begin)}, took ${length(to - step.at)}`}>
          <${Icon} status=${step.status} /><span>${step.path}</span></button>
        <div class="track" aria-hidden="true"><span class=${`bar is-${step.status}`} style=${place(step.at, to)}></span>
          ${(tried.get(step.path) || []).map(([from, to]) => html`<span class="bar tried" style=${place(from, to)}></span>`)}</div>
        <span class="took" aria-hidden="true">${length(to - step.at)}</span>
      </li>`;
    })}</ol>
    ${begun.length > rows && html`<button type="button" onClick=${() => setRows(rows + ROWS)}>Show more</button>`}
    <p class="quiet">Hatched: attempts that failed.</p>
  </div>`;
}
