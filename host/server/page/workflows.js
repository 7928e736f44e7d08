// Registered workflows: their versions, drawings and documents; starting runs; checking and registering documents.
import { html, useEffect, useRef, useState } from './html.js';
import { get, part, post, remove } from './api.js';
import { Link, go, setQuery, to } from './router.js';
import { Diagnostics, Dialog, Empty, Failed, Field, Heading, Json, Loading, Panel, Tabs, Time, say, useLoaded } from './parts.js';
import { Graph } from './graph.js';
import { RunTable } from './runs.js';
import { useForm } from './form.js';
import { parseDocument } from './steps.js';

export function Workflows() {
  const known = useLoaded((signal) => get('/workflows', signal), [], 10_000);
  const versions = new Map();
  for (const it of known.value?.workflows || []) versions.set(it.id, [...(versions.get(it.id) || []), it]);
  return html`<${Heading} title="Workflows" beside=${html`<${Link} class="button primary" href=${to('new')}>Check or register a document<//>`} />
    <${Loading} of=${known}>
      ${versions.size === 0 ? html`<${Empty} title="No workflow is registered."><p>Register one <${Link} href=${to('new')}>here<//>, or on the command line: <code>jackfield workflow register FILE</code></p><//>`
      : html`<table class="cards" role="table"><caption class="hidden">Registered workflows</caption><thead role="rowgroup"><tr role="row">${['Workflow', 'Newest version', 'Versions', 'Registered', 'Runs'].map((it) => html`<th role="columnheader" scope="col">${it}</th>`)}</tr></thead>
        <tbody role="rowgroup">${[...versions].map(([id, list]) => html`<tr role="row" key=${id}>
          <td role="cell" data-label="Workflow"><${Link} href=${to('workflows', id)}>${id}<//></td>
          <td role="cell" data-label="Newest version">${list[list.length - 1].version}</td>
          <td role="cell" data-label="Versions">${list.length}</td>
          <td role="cell" data-label="Registered"><${Time} at=${list[list.length - 1].registered_at} /></td>
          <td role="cell" data-label="Runs"><${Link} href=${`${to('runs')}?workflow=${encodeURIComponent(id)}`}>its runs<//></td>
        </tr>`)}</tbody></table>`}
    <//>`;
}

/** Starts a run of one version, or with the input of another run. */
function Start({ id, version, document, like }) {
  const schema = document?.input_schema;
  const form = useForm(schema, like);
  const [error, setError] = useState();
  const [runId, setRunId] = useState('');
  const [isBusy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setError(undefined);
    const input = form.value();
    if (!input) return;
    setBusy(true);
    try {
      const body = { version: `=${version}`, input: input.value };
      if (runId.trim()) body.run_id = runId.trim();
      const run = await post(`/workflows/${part(id)}/runs`, body);
      say('The run has begun.');
      go(to('runs', run.run_id));
    } catch (error) {
      setBusy(false);
      if (error.faults?.length > 0) error.faults = form.tell(error.faults);
      setError(error);
    }
  };
  return html`<form class="card narrow" onSubmit=${submit} novalidate aria-label="Start a run">
    ${!schema && html`<p class="quiet">This workflow says nothing of its input, so anything goes.</p>`}
    ${form.render()}
    <details><summary>More</summary><${Field} id="run-id" label="Run id" hint="A new one if empty. An id that is taken is refused."><input id="run-id" value=${runId} onInput=${(event) => setRunId(event.target.value)} aria-describedby="run-id-hint" /><//></details>
    <${Failed} error=${error} />
    <button type="submit" class="primary" disabled=${isBusy}>Start the run</button>
  </form>`;
}

const TABS = [['start', 'Start a run'], ['graph', 'Graph'], ['document', 'Document'], ['runs', 'Runs']];

function RunsOf({ id }) {
  const list = useLoaded((signal) => get(`/runs?limit=20&workflow=${part(id)}`, signal), [id], 3000);
  return html`<${Loading} of=${list}>${list.value?.runs.length > 0 ? html`<${RunTable} runs=${list.value.runs} caption="Its newest runs" />` : html`<${Empty} title="It has no runs yet." />`}<//>`;
}

export function WorkflowView({ id, query }) {
  const known = useLoaded((signal) => get('/workflows', signal), [id]);
  const versions = (known.value?.workflows || []).filter((it) => it.id === id).map((it) => it.version).reverse();
  const version = query.get('version') && versions.includes(query.get('version')) ? query.get('version') : versions[0];
  const range = version && `?version=${encodeURIComponent(`=${version}`)}`;
  const shown = useLoaded(async (signal) => (range ? get(`/workflows/${part(id)}${range}`, signal) : known.value && get(`/workflows/${part(id)}`, signal)), [id, range, Boolean(known.value)]);
  const tab = TABS.some(([name]) => name === query.get('tab')) ? query.get('tab') : 'start';
  const graph = useLoaded(async (signal) => (range && tab === 'graph' ? get(`/workflows/${part(id)}/graph${range}`, signal) : undefined), [id, range, tab]);
  const like = query.get('like');
  const former = useLoaded(async (signal) => (like ? get(`/runs/${part(like)}/history`, signal) : { records: [] }), [like]);
  const [isRemoving, setRemoving] = useState(false);
  const document = shown.value && parseDocument(shown.value.document);
  const input = former.value?.records.find((it) => it.event === 'run_started')?.value;
  const away = async () => {
    await remove(`/workflows/${part(id)}?version=${encodeURIComponent(version)}`);
    say(`${id} ${version} is not registered any more.`);
    if (versions.length > 1) {
      setQuery({ version: '' });
      known.again();
    } else go(to('workflows'));
  };
  return html`<${Heading} title=${`Workflow ${id}`}>Workflow <span class="id">${id}</span><//>
    <${Loading} of=${known.error ? known : shown}>
      ${document?.name && html`<p><strong>${String(document.name)}</strong></p>`}
      ${document?.description && html`<p class="prose">${String(document.description)}</p>`}
      <div class="row">
        <label class="inline">Version <select value=${version} onChange=${(event) => setQuery({ version: event.target.value })}>${versions.map((it) => html`<option value=${it} selected=${it === version}>${it}</option>`)}</select></label>
        <span class="quiet">registered <${Time} at=${shown.value?.registered_at} /></span>
        <button type="button" class="small" onClick=${() => setRemoving(true)}>Remove this version…</button>
      </div>
      <${Tabs} label="Views of the workflow" tabs=${TABS} chosen=${tab} onChoose=${(tab) => setQuery({ tab: tab === 'start' ? '' : tab })} />
      <${Panel} of=${tab}>
        ${tab === 'start' && (like && former.value === undefined && !former.error ? null : html`<${Start} key=${`${version} ${like}`} id=${id} version=${version} document=${document} like=${input} />`)}
        ${tab === 'graph' && html`<${Loading} of=${graph}><${Graph} graph=${graph.value} /><//>`}
        ${tab === 'document' && html`<${Json} value=${shown.value?.document} label="text" />`}
        ${tab === 'runs' && html`<${RunsOf} id=${id} />`}
      <//>
    <//>
    ${isRemoving && html`<${Dialog} title=${`Remove ${id} ${version}`} verb="Remove" tone="danger" onDone=${away} onClose=${() => setRemoving(false)}><p>No run can be started of it any more. Runs that go on are not touched.</p><//>`}`;
}

const SAMPLE = `{
  "id": "hello",
  "version": "1.0.0",
  "input_schema": {
    "type": "object",
    "properties": { "name": { "type": "string", "default": "world" } }
  },
  "steps": [
    { "id": "greet", "type": "log", "message": "Hello \${input.name}" }
  ]
}
`;

/** A document that somebody writes or pastes: checked, drawn, registered. */
export function NewWorkflow() {
  const [text, setText] = useState('');
  const [verdict, setVerdict] = useState();
  const [graph, setGraph] = useState();
  const [made, setMade] = useState();
  const [error, setError] = useState();
  const box = useRef(null);
  useEffect(() => {
    setVerdict(undefined);
    setMade(undefined);
  }, [text]);
  const sent = () => ({ document: text, jsonc: true });
  const attempt = (act) => async () => {
    setError(undefined);
    setMade(undefined);
    try {
      await act();
    } catch (error) {
      setError(error);
    }
  };
  const check = attempt(async () => {
    setVerdict(await post('/workflows/validate', sent()));
  });
  const draw = attempt(async () => setGraph(await post('/workflows/graph', sent())));
  const register = attempt(async () => {
    const made = await post('/workflows', sent());
    setVerdict({ valid: true, diagnostics: made.warnings });
    setMade(made);
    say(made.is_new ? 'The workflow is registered.' : 'It was registered already.');
  });
  const pick = (it) => {
    const [line, column] = [it.position?.line ?? it.line, it.position?.column ?? it.column];
    const lines = text.split('\n');
    const start = lines.slice(0, line - 1).reduce((sum, it) => sum + it.length + 1, 0) + Math.max(0, column - 1);
    box.current.focus();
    box.current.setSelectionRange(start, Math.min(text.length, start + 1));
  };
  return html`<${Heading} title="Check or register a document" />
    <${Field} id="document" label="Document" hint="JSON, with comments if you like. It is checked with the plugins that are there.">
      <textarea id="document" class="code" rows="18" spellcheck="false" ref=${box} value=${text} onInput=${(event) => setText(event.target.value)} aria-describedby="document-hint" />
    <//>
    <div class="row">
      <button type="button" class="primary" onClick=${check} disabled=${!text.trim()}>Check</button>
      <button type="button" onClick=${draw} disabled=${!text.trim()}>Draw</button>
      <button type="button" onClick=${register} disabled=${!text.trim()}>Register</button>
      ${!text.trim() && html`<button type="button" onClick=${() => setText(SAMPLE)}>Begin with an example</button>`}
    </div>
    <${Failed} error=${error} />
    <div role="status">
      ${verdict && html`<p class="verdict">${verdict.valid ? 'The document is valid.' : 'The document is not valid.'}</p>`}
      ${made && html`<p><${Link} href=${`${to('workflows', made.id)}?version=${encodeURIComponent(made.version)}`}>${made.id} ${made.version}<//> ${made.is_new ? 'is registered.' : 'was registered already.'}
        ${made.compared_with && ` ${made.changes.length === 1 ? 'One change' : `${made.changes.length} changes`} from ${made.compared_with}.`}</p>`}
    </div>
    <${Diagnostics} list=${verdict?.diagnostics} onPick=${pick} />
    ${graph && html`<${Graph} graph=${graph} />`}`;
}
