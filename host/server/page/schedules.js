// Schedules: when they start the next runs, and making, pausing, triggering and removing them.
import { html, useState } from './html.js';
import { get, part, post, remove } from './api.js';
import { Link, to } from './router.js';
import { Dialog, Empty, Failed, Field, Heading, Loading, Time, readJson, say, useLoaded } from './parts.js';

function what(schedule) {
  if (schedule.cron) return `${schedule.cron}${schedule.timezone ? ` (${schedule.timezone})` : ' (UTC)'}`;
  if (schedule.every) return `every ${schedule.every}`;
  if (schedule.at) return `at ${schedule.at}`;
  return `on the event ${schedule.on_event}`;
}

function Next({ id, onClose }) {
  const next = useLoaded((signal) => get(`/schedules/${part(id)}/next?count=10`, signal), [id]);
  return html`<section class="card" aria-label=${`Next starts of ${id}`}><div class="heading"><h2>Next starts of ${id}</h2><button type="button" class="small" onClick=${onClose}>Close</button></div>
    <${Loading} of=${next}>${next.value?.next.length === 0 ? html`<p class="quiet">There is no such time: it waits for an event, or its time has passed.</p>`
    : html`<ol>${next.value?.next.map((it) => html`<li><${Time} at=${it.due} /> <span class="quiet">${new Date(it.due).toLocaleString()}</span></li>`)}</ol>`}<//></section>`;
}

const KINDS = [['cron', 'Cron', '30 8 * * MON-FRI'], ['every', 'Every', '15m'], ['at', 'Once at', '2030-01-31T08:00:00Z'], ['on_event', 'On event', 'order.created']];
const OVERLAPS = ['skip', 'queue', 'allow', 'cancel_running'];

function Add({ workflows, onClose, again }) {
  const [kind, setKind] = useState('cron');
  const [isJson, setJson] = useState(false);
  const done = async (data) => {
    const text = (name) => (data.get(name) || '').trim();
    let schedule = readJson(text('json'), 'the schedule');
    if (!isJson) {
      schedule = { [kind]: text('when') };
      if (kind === 'cron' && text('timezone')) schedule.timezone = text('timezone');
      if (text('overlap')) schedule.overlap = text('overlap');
      const input = readJson(text('input'), 'the input');
      if (input !== undefined) schedule.input = input;
    }
    const body = { workflow: text('workflow'), schedule: schedule ?? {} };
    if (text('id')) body.id = text('id');
    if (text('version')) body.version = text('version');
    const made = await post('/schedules', body);
    say(`Made the schedule ${made.id}.`);
    again();
  };
  return html`<${Dialog} title="Add a schedule" verb="Add" onDone=${done} onClose=${onClose}>
    <${Field} id="s-workflow" label="Workflow"><select id="s-workflow" name="workflow">${workflows.map((id) => html`<option value=${id}>${id}</option>`)}</select><//>
    <${Field} id="s-id" label="Id" hint="That of the workflow if empty."><input id="s-id" name="id" aria-describedby="s-id-hint" /><//>
    <${Field} id="s-version" label="Versions" hint="A range such as ^1.2; the newest if empty."><input id="s-version" name="version" aria-describedby="s-version-hint" /><//>
    <label class="check"><input type="checkbox" checked=${isJson} onChange=${(event) => setJson(event.target.checked)} /> Write it as JSON</label>
    ${isJson ? html`<${Field} id="s-json" label="Schedule" hint="What a document would say under schedule."><textarea id="s-json" name="json" rows="6" spellcheck="false" aria-describedby="s-json-hint">{ "cron": "30 8 * * MON-FRI" }</textarea><//>`
    : html`<div class="pair"><${Field} id="s-kind" label="When"><select id="s-kind" value=${kind} onChange=${(event) => setKind(event.target.value)}>${KINDS.map(([id, name]) => html`<option value=${id} selected=${id === kind}>${name}</option>`)}</select><//>
      <${Field} id="s-when" label=${KINDS.find(([id]) => id === kind)[1]}><input id="s-when" name="when" placeholder=${KINDS.find(([id]) => id === kind)[2]} /><//></div>
      ${kind === 'cron' && html`<${Field} id="s-timezone" label="Time zone" hint="Such as Europe/Vienna; UTC if empty."><input id="s-timezone" name="timezone" aria-describedby="s-timezone-hint" /><//>`}
      <${Field} id="s-overlap" label="If a run has not ended" hint="skip leaves the start out, queue makes it afterwards, allow makes it at once."><select id="s-overlap" name="overlap" aria-describedby="s-overlap-hint">${OVERLAPS.map((it) => html`<option value=${it}>${it}</option>`)}</select><//>
      <${Field} id="s-input" label="Input" hint="JSON, may have templates; {} if empty."><textarea id="s-input" name="input" rows="3" spellcheck="false" aria-describedby="s-input-hint" /><//>`}
  <//>`;
}

function Trigger({ schedule, onClose, again }) {
  const isEvent = schedule.schedule.on_event !== undefined;
  const done = async (form) => {
    const data = isEvent ? readJson(form.get('data'), 'the data') : undefined;
    const { run_id: run, is_queued: waits } = await post(`/schedules/${part(schedule.id)}/trigger`, data === undefined ? {} : { data });
    say(waits ? `Run ${run} begins when another one has ended.` : `Started run ${run}.`);
    again();
  };
  return html`<${Dialog} title=${`Trigger ${schedule.id}`} verb="Start a run now" onDone=${done} onClose=${onClose}>
    <p>A run starts now, as if its time had come.</p>
    ${isEvent && html`<${Field} id="t-data" label="Data of the event" hint="JSON; may be empty."><textarea id="t-data" name="data" rows="4" spellcheck="false" aria-describedby="t-data-hint" /><//>`}<//>`;
}

function Pause({ schedule, onClose, again }) {
  const done = async (form) => {
    await post(`/schedules/${part(schedule.id)}/pause`, { reason: form.get('reason') });
    again();
  };
  return html`<${Dialog} title=${`Pause ${schedule.id}`} verb="Pause" onDone=${done} onClose=${onClose}><p>It starts no more runs by itself until it is resumed.</p><${Field} id="p-reason" label="Reason"><input id="p-reason" name="reason" /><//><//>`;
}

function Remove({ schedule, onClose, again }) {
  const done = async () => {
    await remove(`/schedules/${part(schedule.id)}`);
    say(`Removed the schedule ${schedule.id}.`);
    again();
  };
  return html`<${Dialog} title=${`Remove ${schedule.id}`} verb="Remove" tone="danger" onDone=${done} onClose=${onClose}><p>Its runs go on; what it had still to start is not started.</p><//>`;
}

export function Schedules() {
  const list = useLoaded((signal) => get('/schedules', signal), [], 3000);
  const known = useLoaded((signal) => get('/workflows', signal), []);
  const [open, setOpen] = useState();
  const [error, setError] = useState();
  const schedules = list.value?.schedules || [];
  const workflows = [...new Set((known.value?.workflows || []).map((it) => it.id))];
  const close = () => setOpen(undefined);
  const resume = async (id) => {
    setError(undefined);
    try {
      await post(`/schedules/${part(id)}/resume`);
      say(`${id} goes on.`);
      list.again();
    } catch (error) {
      setError(error);
    }
  };
  const dialogs = { trigger: Trigger, pause: Pause, remove: Remove };
  const Open = open && dialogs[open.what];
  return html`<${Heading} title="Schedules" beside=${html`<button type="button" class="primary" disabled=${workflows.length === 0} onClick=${() => setOpen({ what: 'add' })}>Add a schedule…</button>`} />
    <${Failed} error=${error ?? (list.value && list.error)} />
    <${Loading} of=${list}>
      ${schedules.length === 0 ? html`<${Empty} title="There are no schedules.">${workflows.length === 0 ? html`<p>A schedule starts runs of a registered workflow. <${Link} href=${to('new')}>Register one<//> first.</p>` : html`<p>A schedule starts runs by itself: at times, again and again, or on an event.</p>`}<//>`
      : html`<table class="cards" role="table"><caption class="hidden">Schedules</caption><thead role="rowgroup"><tr role="row">${['Schedule', 'Workflow', 'When', 'Next', 'Started', 'Last run', 'Do'].map((it) => html`<th role="columnheader" scope="col">${it}</th>`)}</tr></thead>
        <tbody role="rowgroup">${schedules.map((it) => html`<tr role="row" key=${it.id}>
          <td role="cell" data-label="Schedule"><span class="id">${it.id}</span>${it.in_document && html` <span class="quiet">of its document</span>`}</td>
          <td role="cell" data-label="Workflow"><${Link} href=${to('workflows', it.workflow)}>${it.workflow}<//> <span class="quiet">${it.version}</span></td>
          <td role="cell" data-label="When">${what(it.schedule)}</td>
          <td role="cell" data-label="Next">${it.paused !== undefined ? html`<span class="status is-paused">paused</span> ${it.paused}` : it.next ? html`<${Time} at=${it.next} />` : html`<span class="quiet">${it.schedule.on_event ? 'with the event' : 'never'}</span>`}</td>
          <td role="cell" data-label="Started">${it.started}${it.skipped > 0 && html` <span class="quiet">${it.skipped} left out</span>`}${it.queued > 0 && html` <span class="quiet">${it.queued} to make</span>`}</td>
          <td role="cell" data-label="Last run">${it.last_run && html`<${Link} class="id" href=${to('runs', it.last_run)}>${it.last_run}<//>`}${it.error && html`<div class="error">${it.error}</div>`}</td>
          <td role="cell" data-label="Do"><div class="row">
            <button type="button" class="small" aria-label=${`Trigger ${it.id}`} onClick=${() => setOpen({ what: 'trigger', it })}>Trigger…</button>
            <button type="button" class="small" aria-label=${`Next starts of ${it.id}`} onClick=${() => setOpen({ what: 'next', it })}>Next…</button>
            ${it.paused === undefined ? html`<button type="button" class="small" aria-label=${`Pause ${it.id}`} onClick=${() => setOpen({ what: 'pause', it })}>Pause…</button>` : html`<button type="button" class="small" aria-label=${`Resume ${it.id}`} onClick=${() => resume(it.id)}>Resume</button>`}
            ${!it.in_document && html`<button type="button" class="small" aria-label=${`Remove ${it.id}`} onClick=${() => setOpen({ what: 'remove', it })}>Remove…</button>`}
          </div></td>
        </tr>`)}</tbody></table>`}
    <//>
    ${open?.what === 'next' && html`<${Next} key=${open.it.id} id=${open.it.id} onClose=${close} />`}
    ${open?.what === 'add' && html`<${Add} workflows=${workflows} onClose=${close} again=${list.again} />`}
    ${Open && html`<${Open} schedule=${open.it} onClose=${close} again=${list.again} />`}`;
}
