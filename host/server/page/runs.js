// The list of runs.
import { html, useEffect, useState } from './html.js';
import { get } from './api.js';
import { Link, setQuery, to } from './router.js';
import { Empty, Failed, Field, Heading, Icon, Loading, Status, Time, Took, useLoaded } from './parts.js';
import { RUN_STATUSES, hasEnded } from './words.js';

const LIMIT = 50;
const REFRESH_MS = 2000;
const SINCE = [['', 'any time'], ['900', 'last 15 minutes'], ['3600', 'last hour'], ['86400', 'last 24 hours'], ['604800', 'last 7 days']];

/** What the API is asked for. */
export function listPath(query) {
  const asked = new URLSearchParams({ limit: LIMIT });
  for (const name of ['status', 'workflow', 'q', 'cursor']) {
    if (query.get(name)) asked.set(name, query.get(name));
  }
  const seconds = Number(query.get('since'));
  if (seconds > 0) asked.set('since', new Date(Date.now() - seconds * 1000).toISOString());
  return `/runs?${asked}`;
}

function statusesOf(query) {
  return (query.get('status') || '').split(',').filter((it) => RUN_STATUSES.includes(it));
}

/** A text that is told once nobody has typed for a moment. */
function Typed({ id, value, onChange, ...rest }) {
  const [text, set] = useState(value);
  useEffect(() => set(value), [value]);
  useEffect(() => {
    if (text === value) return undefined;
    const timer = setTimeout(() => onChange(text), 250);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<input id=${id} type="search" value=${text} onInput=${(event) => set(event.target.value)} ...${rest} />`;
}

function Filters({ query, workflows, isLive, setLive }) {
  const chosen = statusesOf(query);
  const toggle = (status) => {
    const next = chosen.includes(status) ? chosen.filter((it) => it !== status) : [...chosen, status];
    setQuery({ status: next.join(','), cursor: '' });
  };
  return html`<form class="filters" role="search" aria-label="Filter runs" onSubmit=${(event) => event.preventDefault()}>
    <${Field} id="q" label="Search"><${Typed} id="q" value=${query.get('q') || ''} placeholder="run id or workflow" onChange=${(q) => setQuery({ q, cursor: '' })} /><//>
    <${Field} id="workflow" label="Workflow"><${Typed} id="workflow" list="workflow-ids" value=${query.get('workflow') || ''} placeholder="any" onChange=${(workflow) => setQuery({ workflow, cursor: '' })} />
      <datalist id="workflow-ids">${workflows.map((id) => html`<option value=${id} />`)}</datalist><//>
    <${Field} id="since" label="Started"><select id="since" value=${query.get('since') || ''} onChange=${(event) => setQuery({ since: event.target.value, cursor: '' })}>
      ${SINCE.map(([value, name]) => html`<option value=${value} selected=${value === (query.get('since') || '')}>${name}</option>`)}
    </select><//>
    <fieldset class="chips"><legend>Status</legend>
      ${RUN_STATUSES.map((status) => html`<button key=${status} type="button" class="chip" aria-pressed=${chosen.includes(status)} onClick=${() => toggle(status)}><${Icon} status=${status} />${status}</button>`)}
    </fieldset>
    <label class="check"><input type="checkbox" checked=${isLive} onChange=${(event) => setLive(event.target.checked)} /> Live</label>
  </form>`;
}

function Row({ run }) {
  const about = run.reason || (run.custom_status !== undefined ? JSON.stringify(run.custom_status) : '');
  return html`<tr role="row">
    <td role="cell" data-label="Status"><${Status} status=${run.status} /></td>
    <td role="cell" data-label="Run"><${Link} href=${to('runs', run.run_id)} class="id" title=${run.run_id}>${run.run_id}<//></td>
    <td role="cell" data-label="Workflow"><${Link} href=${to('workflows', run.workflow)}>${run.workflow}<//> <span class="quiet">${run.version}</span></td>
    <td role="cell" data-label="Started"><${Time} at=${run.started_at} /></td>
    <td role="cell" data-label="Took"><${Took} ms=${run.duration_ms} since=${hasEnded(run.status) ? null : run.started_at} /></td>
    <td role="cell" data-label="Note" class="note">${about}${run.due_at && html` <span class="quiet">due <${Time} at=${run.due_at} /></span>`}</td>
  </tr>`;
}

/** Runs in a table; in cards where there is no room. */
export function RunTable({ runs, caption }) {
  return html`<table class="cards" role="table"><caption class="hidden">${caption}</caption>
    <thead role="rowgroup"><tr role="row">${['Status', 'Run', 'Workflow', 'Started', 'Took', 'Note'].map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}</tr></thead>
    <tbody role="rowgroup">${runs.map((run) => html`<${Row} key=${run.run_id} run=${run} />`)}</tbody>
  </table>`;
}

export function Runs({ query }) {
  const [isLive, setLive] = useState(true);
  const path = listPath(query);
  // the time that `since` comes to changes with each look, and is no other list
  const key = ['status', 'workflow', 'q', 'cursor', 'since'].map((name) => query.get(name) || '').join('\n');
  const list = useLoaded((signal) => get(listPath(query), signal), [key], isLive ? REFRESH_MS : 0);
  const known = useLoaded((signal) => get('/workflows', signal), []);
  const workflows = [...new Set((known.value?.workflows || []).map((it) => it.id))];
  const isFiltered = ['status', 'workflow', 'q', 'since'].some((name) => query.get(name));
  const older = () => setQuery({ cursor: list.value.next }, {});
  return html`<${Heading} title="Runs" beside=${html`<${Link} class="button primary" href=${to('workflows')}>Start a run<//>`} />
    <${Filters} query=${query} workflows=${workflows} isLive=${isLive} setLive=${setLive} />
    ${list.value && html`<${Failed} error=${list.error} />`}
    <${Loading} of=${list}>
      ${list.value?.runs.length > 0 && html`<${RunTable} runs=${list.value.runs} caption="Runs, newest first" />`}
      ${list.value?.runs.length === 0 && (isFiltered
        ? html`<${Empty} title="No run fits."><button type="button" onClick=${() => setQuery({ status: '', workflow: '', q: '', since: '', cursor: '' })}>Show all runs</button><//>`
        : html`<${Empty} title="There are no runs yet."><p>Start one of a <${Link} href=${to('workflows')}>workflow<//>, or on the command line: <code>jackfield run FILE --durable</code></p><//>`)}
      <nav class="row pages" aria-label="Pages">
        ${query.get('cursor') && html`<button type="button" onClick=${() => setQuery({ cursor: '' }, {})}>Newest</button><button type="button" onClick=${() => history.back()}>Newer</button>`}
        ${list.value?.next && html`<button type="button" onClick=${older}>Older</button>`}
      </nav>
    <//>`;
}
