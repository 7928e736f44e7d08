// What can be done with a run, each in a dialog of its own.
import { html, useState } from './html.js';
import { part, post, remove, text } from './api.js';
import { go, to } from './router.js';
import { Dialog, Failed, Field, readJson, say } from './parts.js';
import { hasEnded } from './words.js';

function Reason() {
  return html`<${Field} id="reason" label="Reason" hint="For whoever looks at it later; may be empty."><input id="reason" name="reason" aria-describedby="reason-hint" /><//>`;
}

/** An event or a message. */
export function Letter({ run, kind, name, onClose, again }) {
  const isEvent = kind === 'signal';
  const done = async (data) => {
    const name = data.get('name').trim();
    if (name === '') throw new Error(`${isEvent ? 'the event' : 'the queue'} needs a name`);
    await post(`/runs/${part(run)}/${kind}`, { name, data: readJson(data.get('data'), 'the data') ?? null });
    say(isEvent ? `Sent the event ${name}.` : `Put a message into ${name}.`);
    again();
  };
  return html`<${Dialog} title=${isEvent ? 'Send an event' : 'Send a message'} verb="Send" onDone=${done} onClose=${onClose}>
    <${Field} id="name" label=${isEvent ? 'Event' : 'Queue'}><input id="name" name="name" value=${name || ''} required /><//>
    <${Field} id="data" label="Data" hint="JSON; null if empty."><textarea id="data" name="data" rows="5" spellcheck="false" aria-describedby="data-hint" /><//>
  <//>`;
}

function StepChoice({ steps, label, hint, first }) {
  const paths = [...steps.values()].flat().filter((it) => it.status !== 'pending' && it.status !== 'skipped').map((it) => it.path).slice(0, 2000);
  return html`<${Field} id="from" label=${label} hint=${hint}><select id="from" name="from" aria-describedby=${hint && 'from-hint'}>
    ${first && html`<option value="">${first}</option>`}${paths.map((path) => html`<option value=${path}>${path}</option>`)}
  </select><//>`;
}

function Stop({ run, kill, onClose, again }) {
  const done = async (data) => {
    await post(`/runs/${part(run)}/cancel`, { reason: data.get('reason'), kill });
    say(kill ? 'The run is being killed.' : 'The run is being cancelled.');
    again();
  };
  return html`<${Dialog} title=${kill ? 'Kill the run' : 'Cancel the run'} verb=${kill ? 'Kill' : 'Cancel the run'} tone="danger" onDone=${done} onClose=${onClose}>
    <p>${kill ? 'Everything stops at once: nothing is undone, and finally does not run.' : 'Running steps are stopped, completed ones are undone where they say how, and finally runs.'}</p>
    <${Reason} /><//>`;
}

function Pause({ run, onClose, again }) {
  const done = async (data) => {
    await post(`/runs/${part(run)}/pause`, { reason: data.get('reason') });
    again();
  };
  return html`<${Dialog} title="Pause the run" verb="Pause" onDone=${done} onClose=${onClose}><p>No more steps start until it is resumed. Those under way end as they would.</p><${Reason} /><//>`;
}

function Retry({ run, steps, onClose, again }) {
  const done = async (data) => {
    await post(`/runs/${part(run)}/retry`, data.get('from') ? { from: data.get('from') } : {});
    say('The run goes on.');
    again();
  };
  return html`<${Dialog} title="Retry the run" verb="Retry" onDone=${done} onClose=${onClose}>
    <${StepChoice} steps=${steps} label="From" first="what it failed with" hint="What came after that step is done again; what came before is kept." /><//>`;
}

function Fork({ run, steps, records, onClose }) {
  const started = records.find((it) => it.event === 'run_started');
  const done = async (data) => {
    const body = { at: data.get('from') };
    const input = readJson(data.get('input'), 'the input');
    if (input !== undefined && JSON.stringify(input) !== JSON.stringify(started?.value)) body.input = input;
    if (data.get('run_id').trim()) body.run_id = data.get('run_id').trim();
    const made = await post(`/runs/${part(run)}/fork`, body);
    say('A new run goes on from there.');
    go(to('runs', made.run_id));
  };
  return html`<${Dialog} title="Fork the run" verb="Fork" onDone=${done} onClose=${onClose}>
    <p>A new run takes over what came before a step, and goes on by itself from there.</p>
    <${StepChoice} steps=${steps} label="At" />
    <${Field} id="input" label="Input" hint="From there on; that of this run if unchanged."><textarea id="input" name="input" rows="5" spellcheck="false" aria-describedby="input-hint">${started?.value === undefined ? '' : JSON.stringify(started.value, null, 2)}</textarea><//>
    <${Field} id="run_id" label="Id of the new run" hint="A new one if empty."><input id="run_id" name="run_id" aria-describedby="run_id-hint" /><//><//>`;
}

function Delete({ run, onClose }) {
  const done = async () => {
    await remove(`/runs/${part(run)}`);
    say('The run is deleted.');
    go(to('runs'));
  };
  return html`<${Dialog} title="Delete the run" verb="Delete for good" tone="danger" onDone=${done} onClose=${onClose}><p>Everything that is kept of it goes, for good.</p><//>`;
}

async function save(run) {
  const saved = await text(`/runs/${part(run)}/export`);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([saved], { type: 'application/jsonl' }));
  link.download = `${run.replace(/[^\w.-]+/g, '_')}.jsonl`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function Actions({ id, report, steps, records, again }) {
  const [open, setOpen] = useState();
  const [error, setError] = useState();
  const { status } = report;
  const isOver = hasEnded(status);
  const now = async (act) => {
    setError(undefined);
    try {
      await act();
    } catch (error) {
      setError(error);
    }
  };
  const resume = async () => {
    await post(`/runs/${part(id)}/resume`);
    say('The run goes on.');
    again();
  };
  const ways = {
    cancel: ['Cancel…', !isOver, Stop], kill: ['Kill…', !isOver, Stop], pause: ['Pause…', !isOver && status !== 'paused', Pause],
    signal: ['Send event…', !isOver, Letter], send: ['Send message…', !isOver, Letter],
    retry: ['Retry…', isOver && status !== 'completed', Retry], fork: ['Fork…', steps.size > 0, Fork], delete: ['Delete…', isOver, Delete],
  };
  const Open = open && ways[open][2];
  return html`<div class="actions" role="group" aria-label="What can be done with the run">
      ${status === 'paused' && html`<button type="button" class="primary" onClick=${() => now(resume)}>Resume</button>`}
      ${Object.entries(ways).filter(([, way]) => way[1]).map(([name, [label]]) => html`<button key=${name} type="button" onClick=${() => setOpen(name)}>${label}</button>`)}
      <button type="button" onClick=${() => now(() => save(id))}>Export</button>
      <button type="button" onClick=${() => go(`${to('workflows', report.workflow)}?version=${encodeURIComponent(report.version)}&like=${encodeURIComponent(id)}`)}>Run again…</button>
    </div>
    <${Failed} error=${error} />
    ${Open && html`<${Open} run=${id} kind=${open} kill=${open === 'kill'} steps=${steps} records=${records} again=${again} onClose=${() => setOpen(undefined)} />`}`;
}
