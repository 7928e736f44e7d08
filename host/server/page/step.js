// The steps of a run as a table, and one of them with everything that is known of it.
import { html, useState } from './html.js';
import { Link, to } from './router.js';
import { Json, Status, Time, Took } from './parts.js';
import { Letter } from './actions.js';
import { advice, count, length } from './words.js';
import { findStep, idOf, parseDocument, tally } from './steps.js';

const ROWS = 500;

export function StepTable({ report, chosen, onChoose }) {
  const [rows, setRows] = useState(ROWS);
  const steps = Object.entries(report.steps);
  return html`<table class="cards" role="table"><caption>${count(report.total_steps, 'step')}${report.steps_omitted > 0 && `, the first ${steps.length} of them`}.</caption>
    <thead role="rowgroup"><tr role="row">${['Status', 'Step', 'Attempts', 'Started', 'Took', 'Note'].map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}</tr></thead>
    <tbody role="rowgroup">${steps.slice(0, rows).map(([path, step]) => html`<tr role="row" key=${path} class=${path === chosen ? 'is-chosen' : ''}>
      <td role="cell" data-label="Status"><${Status} status=${step.status} /></td>
      <td role="cell" data-label="Step"><button type="button" class="link id" aria-pressed=${path === chosen} onClick=${() => onChoose(path)}>${path}</button></td>
      <td role="cell" data-label="Attempts">${step.attempts || ''}</td>
      <td role="cell" data-label="Started">${step.started_at && html`<${Time} at=${step.started_at} />`}</td>
      <td role="cell" data-label="Took"><${Took} ms=${step.duration_ms} since=${['running', 'waiting'].includes(step.status) ? step.started_at : null} /></td>
      <td role="cell" data-label="Note" class="note">${step.error ? `${step.error.type}: ${step.error.message}` : step.reason}</td>
    </tr>`)}</tbody></table>
    ${steps.length > rows && html`<button type="button" onClick=${() => setRows(rows + ROWS)}>Show more</button>`}`;
}

const ATTEMPTS = ['attempt_failed', 'step_caught', 'step_completed', 'step_failed', 'step_cancelled', 'compensation_started', 'step_compensated', 'compensation_failed'];

function Attempts({ records }) {
  const told = records.filter((it) => ATTEMPTS.includes(it.event));
  if (told.length === 0) return null;
  return html`<h3>Attempts</h3><ol class="plain">${told.map((it) => html`<li key=${it.seq}>
    <strong>${it.attempt}</strong> ${it.event.replaceAll('_', ' ')} <span class="quiet">${length(it.duration_ms)}, <${Time} at=${it.at} /></span>
    ${it.error && html`<div><code>${it.error.type}</code> ${it.error.message}</div>`}
  </li>`)}</ol>`;
}

function Logs({ records }) {
  const lines = records.filter((it) => it.event === 'log');
  if (lines.length === 0) return null;
  return html`<h3>Lines</h3><ol class="lines">${lines.map((it) => html`<li key=${it.seq} class=${`level-${it.level}`}><span class="quiet">${it.level}</span> ${it.message} ${it.value !== undefined && html`<code>${JSON.stringify(it.value)}</code>`}</li>`)}</ol>`;
}

function Instances({ list, path, onChoose }) {
  if (!list || list.length < 2) return null;
  const shown = list.slice(0, 1000);
  return html`<label class="field"><span>Which of ${list.length} (${tally(list)})</span>
    <select value=${path} onChange=${(event) => onChoose(event.target.value)}>
      ${!shown.some((it) => it.path === path) && html`<option value=${path} selected>${path}</option>`}
      ${shown.map((it) => html`<option value=${it.path} selected=${it.path === path}>${it.path} – ${it.status}</option>`)}
    </select></label>`;
}

/** A run that the step started. */
function Child({ records, step }) {
  const started = records.findLast((it) => it.event === 'step_started' && it.value?.run_id);
  const run = started?.value.run_id ?? step?.output?.run_id;
  if (!started || typeof run !== 'string') return null;
  return html`<p>Started run <${Link} class="id" href=${to('runs', run)}>${run}<//></p>`;
}

function Asked({ written, step, run, again }) {
  const [isOpen, setOpen] = useState(false);
  const kind = written?.type;
  if (!['wait_for_event', 'receive'].includes(kind) || step.status !== 'waiting') return null;
  const isEvent = kind === 'wait_for_event';
  const name = (isEvent ? written.event : written.queue) ?? '';
  return html`<p>It waits for ${isEvent ? 'the event' : 'a message in the queue'} <code>${name}</code>.
    <button type="button" class="primary" onClick=${() => setOpen(true)}>${isEvent ? 'Send the event…' : 'Send a message…'}</button></p>
    ${isOpen && html`<${Letter} run=${run} kind=${isEvent ? 'signal' : 'send'} name=${typeof name === 'string' ? name : ''} onClose=${() => setOpen(false)} again=${again} />`}`;
}

export function StepPanel({ run, path, report, records, steps, plan, onChoose, again }) {
  const id = idOf(path);
  const instances = steps.get(id);
  const step = report.steps[path] ?? (instances?.length > 0 ? undefined : { status: 'pending', attempts: 0 });
  const mine = records.filter((it) => it.step === path);
  const document = plan && parseDocument(plan.document);
  const written = document && findStep(document, id);
  const shown = step ?? instances?.[0];
  const { id: _, steps: __, ...rest } = written ?? {};
  return html`<aside class="step" aria-label=${`Step ${path}`}>
    <div class="heading"><h2>Step <span class="id">${path}</span></h2><button type="button" class="small" onClick=${() => onChoose('')}>Close</button></div>
    <${Instances} list=${instances} path=${path} onChoose=${onChoose} />
    <p><${Status} status=${shown.status} /> ${shown.attempts > 1 && html`<span class="quiet">${shown.attempts} attempts</span>`}
      ${shown.started_at && html` <span class="quiet">started <${Time} at=${shown.started_at} />, <${Took} ms=${shown.duration_ms} since=${shown.started_at} /></span>`}</p>
    ${shown.reason && html`<p>${shown.reason}</p>`}
    <${Asked} written=${written} step=${shown} run=${run} again=${again} />
    ${shown.error && html`<div class="ending is-failed"><p><code>${shown.error.type}</code> ${shown.error.message}</p><p class="quiet">${advice(shown.error)}</p>
      ${shown.error.details !== null && shown.error.details !== undefined && html`<${Json} value=${shown.error.details} label="Details of the error" />`}</div>`}
    <${Child} records=${mine} step=${shown} />
    ${shown.output !== undefined && html`<h3>Output</h3><${Json} value=${shown.output} label="Output" />`}
    <${Attempts} records=${mine} />
    <${Logs} records=${mine} />
    ${written && html`<h3>As the document has it</h3>
      ${written.parameters !== undefined && html`<p class="quiet">Parameters are templates; what they came to for a call is not kept.</p>`}
      <${Json} value=${rest} label="Step in the document" />`}
  </aside>`;
}
