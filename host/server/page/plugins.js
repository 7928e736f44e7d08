// Plugins: what they offer, where they run, and why one is not run any more.
import { html, useState } from './html.js';
import { get, part, post } from './api.js';
import { Link, to } from './router.js';
import { Empty, Failed, Heading, Json, Loading, say, useLoaded } from './parts.js';
import { bytes, count, length } from './words.js';

const WHERE = { worker: 'worker processes', in_process: 'this process' };

function memory(workers) {
  const known = workers.workers.filter((it) => it.memory_bytes !== undefined);
  return known.length > 0 ? bytes(known.reduce((sum, it) => sum + it.memory_bytes, 0)) : '';
}

function Release({ plugin, again }) {
  const [error, setError] = useState();
  const release = async () => {
    try {
      const { released } = await post(`/plugins/${part(plugin)}/release`);
      say(`Let out: ${released.join(', ')}.`);
      again();
    } catch (error) {
      setError(error);
    }
  };
  return html`<button type="button" class="small" onClick=${release}>Let it out</button><${Failed} error=${error} />`;
}

function Problems({ list, again }) {
  if (!list || list.length === 0) return null;
  return html`<section aria-label="What cannot be used"><h2>What cannot be used</h2><ul class="plain problems">${list.map((it) => html`<li class="ending is-failed">
    <p>${it.code === 'plugin.quarantined' && html`<strong>Quarantined:</strong> `}${it.plugin && html`<${Link} href=${to('plugins', it.plugin)}>${it.plugin} ${it.version}<//>: `}${it.message} <code>${it.code}</code></p>
    ${it.remedy && html`<p class="quiet">${it.remedy}</p>`}
    ${it.code === 'plugin.quarantined' && it.plugin && html`<${Release} plugin=${it.plugin} again=${again} />`}
  </li>`)}</ul></section>`;
}

export function Plugins() {
  const list = useLoaded((signal) => get('/plugins', signal), [], 3000);
  const plugins = list.value?.plugins || [];
  return html`<${Heading} title="Plugins" />
    ${list.value && html`<${Failed} error=${list.error} />`}
    <${Loading} of=${list}>
      <${Problems} list=${list.value?.problems} again=${list.again} />
      ${plugins.length === 0 ? html`<${Empty} title="There are no plugins."><p>Name a directory with <code>--plugin-path</code>, or install one: <code>jackfield plugin add FILE</code></p><//>`
      : html`<table class="cards" role="table"><caption class="hidden">Plugins that can be called</caption><thead role="rowgroup"><tr role="row">${['Plugin', 'Version', 'Runs in', 'Workers', 'Memory', 'Calls to workers', 'Crashes', 'Methods'].map((it) => html`<th role="columnheader" scope="col">${it}</th>`)}</tr></thead>
        <tbody role="rowgroup">${plugins.map((it) => html`<tr role="row" key=${`${it.name} ${it.version} ${it.draining}`}>
          <td role="cell" data-label="Plugin"><${Link} href=${to('plugins', it.name)}>${it.name}<//>${it.draining && html` <span class="quiet">drains: only runs that began with it have it</span>`}</td>
          <td role="cell" data-label="Version">${it.version}</td>
          <td role="cell" data-label="Runs in">${it.source === 'application' ? 'the application' : WHERE[it.isolation]}</td>
          <td role="cell" data-label="Workers">${it.workers.workers.length || ''}</td>
          <td role="cell" data-label="Memory">${memory(it.workers)}</td>
          <td role="cell" data-label="Calls to workers">${it.workers.calls || ''}${it.workers.waiting > 0 && html` <span class="quiet">${it.workers.waiting} wait</span>`}</td>
          <td role="cell" data-label="Crashes">${it.workers.crashes || ''}</td>
          <td role="cell" data-label="Methods" class="note">${it.methods.join(', ')}</td>
        </tr>`)}</tbody></table>`}
    <//>`;
}

function Workers({ of }) {
  const { workers, crashes, recent_crashes: recent, crash_budget: budget, waiting, calls } = of.workers;
  if (of.isolation !== 'worker') return null;
  return html`<h3>Workers</h3>
    <p>${count(calls, 'call')}, ${waiting} wait, ${count(crashes, 'crash', 'crashes')}${crashes > 0 && ` (${recent} count now; more than ${budget} and it is quarantined)`}.</p>
    ${workers.length === 0 ? html`<p class="quiet">None is running. One is started when it is called.</p>`
    : html`<table class="cards" role="table"><caption class="hidden">Worker processes</caption><thead role="rowgroup"><tr role="row">${['Process', 'Phase', 'Calls', 'In flight', 'Memory'].map((it) => html`<th role="columnheader" scope="col">${it}</th>`)}</tr></thead>
      <tbody role="rowgroup">${workers.map((it) => html`<tr role="row" key=${it.pid}><td role="cell" data-label="Process">${it.pid}</td><td role="cell" data-label="Phase">${it.phase}</td><td role="cell" data-label="Calls">${it.calls}</td><td role="cell" data-label="In flight">${it.in_flight}</td><td role="cell" data-label="Memory">${bytes(it.memory_bytes) || 'not known here'}</td></tr>`)}</tbody></table>`}`;
}

function Method({ method }) {
  const facts = [method.kind, method.pure && 'pure', method.idempotent && 'idempotent', method.serial && 'one call at a time',
    method.default_timeout && `at most ${length(method.default_timeout.secs * 1000 + method.default_timeout.nanos / 1e6)}`].filter(Boolean);
  return html`<details class="method"><summary><strong>${method.name}</strong> <span class="quiet">${facts.join(', ')}</span> ${method.description}</summary>
    <h4>Parameters</h4>${method.parameters === null ? html`<p class="quiet">Anything.</p>` : html`<${Json} value=${method.parameters} label=${`Schema of the parameters of ${method.name}`} />`}
    <h4>Result</h4>${method.output === null ? html`<p class="quiet">Anything.</p>` : html`<${Json} value=${method.output} label=${`Schema of the result of ${method.name}`} />`}
  </details>`;
}

export function PluginView({ name }) {
  const shown = useLoaded((signal) => get(`/plugins/${part(name)}`, signal), [name], 3000);
  return html`<${Heading} title=${`Plugin ${name}`}>Plugin <span class="id">${name}</span><//>
    <${Loading} of=${shown}>
      <${Problems} list=${shown.value?.problems} again=${shown.again} />
      ${shown.value?.error && html`<p class="ending is-failed">Schemas are missing: ${shown.value.error}</p>`}
      ${(shown.value?.versions || []).map((it) => html`<section key=${it.version} aria-label=${`Version ${it.version}`}>
        <h2>${it.version}</h2>
        ${it.description && html`<p>${it.description}</p>`}
        <dl class="facts"><div><dt>Runs in</dt><dd>${it.source === 'application' ? 'the application' : WHERE[it.isolation]}</dd></div>${it.file && html`<div><dt>File</dt><dd class="wrap">${it.file}</dd></div>`}</dl>
        <${Workers} of=${it} />
        <h3>Methods</h3>${it.details.map((method) => html`<${Method} key=${method.name} method=${method} />`)}
      </section>`)}
    <//>`;
}
