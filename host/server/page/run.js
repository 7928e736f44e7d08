// One run: how it stands, as a drawing, a timeline, a table; its steps, and what can be done with it.
import { html, useEffect, useMemo, useRef, useState } from './html.js';
import { follow, get, part } from './api.js';
import { Link, setQuery, to } from './router.js';
import { Failed, Heading, Json, Loading, Panel, Status, Tabs, Time, Took, say, useLoaded } from './parts.js';
import { advice, count, hasEnded, length } from './words.js';
import { Actions } from './actions.js';
import { Graph } from './graph.js';
import { Timeline } from './timeline.js';
import { StepPanel, StepTable } from './step.js';
import { byStep } from './steps.js';

/** Steps that are asked for. */
const STEPS_MAX = 2000;
/** Records that are kept here; the older ones of a long run go. */
const RECORDS_MAX = 20_000;
const TABS = [['graph', 'Graph'], ['timeline', 'Timeline'], ['steps', 'Steps'], ['records', 'Records'], ['document', 'Document']];

/** How long to wait until the next look: longer where answers take long. */
const pause = (tookMs) => Math.min(5000, Math.max(300, tookMs * 4));

/** The report and the records of a run, kept up to date. */
function useRun(id) {
  const [report, setReport] = useState();
  const [records, setRecords] = useState([]);
  const [line, setLine] = useState('live');
  const [error, setError] = useState();
  const [turn, setTurn] = useState(0);
  const look = useRef(() => {});
  useEffect(() => {
    const stop = new AbortController();
    let timer;
    let isAsking = false;
    let isStale = false;
    let isLost = false;
    let lastTook = 0;
    let generation = 1;
    let unfollow = () => {};
    const later = (ms) => {
      clearTimeout(timer);
      timer = setTimeout(ask, ms);
    };
    const ask = async () => {
      if (isAsking) {
        isStale = true;
        return;
      }
      isAsking = true;
      isStale = false;
      const begun = performance.now();
      try {
        const now = await get(`/runs/${part(id)}?steps_max=${STEPS_MAX}`, stop.signal);
        isLost = false;
        setReport(now);
        setError(undefined);
        if (now.generation > generation) {
          generation = now.generation;
          begin();
        }
        lastTook = performance.now() - begun;
        if (!hasEnded(now.status)) later(Math.max(1000, pause(lastTook)));
      } catch (error) {
        if (stop.signal.aborted) return;
        setError(error);
        isLost = error.status === 0;
        later(isLost ? 1000 : 5000);
      } finally {
        isAsking = false;
        if (isStale) later(pause(lastTook));
      }
    };
    // several records soon after each other are looked at once
    let isDue = false;
    const soon = () => {
      if (isDue) return;
      isDue = true;
      setTimeout(() => {
        isDue = false;
        if (!stop.signal.aborted) ask();
      }, pause(lastTook));
    };
    look.current = soon;
    const begin = () => {
      unfollow();
      setRecords([]);
      unfollow = follow(id, 0, {
        records: (fresh) => {
          setRecords((before) => [...before, ...fresh].slice(-RECORDS_MAX));
          soon();
        },
        state: setLine,
        end: soon,
      });
    };
    ask();
    begin();
    return () => {
      stop.abort();
      unfollow();
      clearTimeout(timer);
    };
  }, [id, turn]);
  // after a retry the stream, which had ended, goes on
  const again = () => setTurn((turn) => turn + 1);
  return { report, records, line, error, again };
}

function Fact({ name, children }) {
  return html`<div><dt>${name}</dt><dd>${children}</dd></div>`;
}

function Progress({ report }) {
  const percent = Math.floor(report.progress * 100);
  return html`<div class=${`progress-line is-${report.status}`}><progress max="100" value=${percent} aria-label="Progress">${percent} %</progress>
    <span>${percent} %</span> <span class="quiet">${report.completed_steps} of ${count(report.total_steps, 'step')} completed</span></div>`;
}

/** The run that started this one, if its id says so. */
function Head({ report, records }) {
  const input = records.find((it) => it.event === 'run_started' || it.event === 'run_queued');
  const forked = records.find((it) => it.event === 'run_forked');
  return html`<dl class="facts">
    <${Fact} name="Status"><${Status} status=${report.status}>${report.stopping && html` <span class="quiet">(${report.stopping})</span>`}<//><//>
    <${Fact} name="Workflow"><${Link} href=${to('workflows', report.workflow)}>${report.workflow}<//> ${report.version}<//>
    <${Fact} name="Started"><${Time} at=${report.started_at} /><//>
    <${Fact} name="Took"><${Took} ms=${hasEnded(report.status) ? report.duration_ms : undefined} since=${report.started_at} /><//>
    ${report.queued_for && html`<${Fact} name="Waits for">${report.queued_for}<//>`}
    ${report.delayed_until && html`<${Fact} name="Begins"><${Time} at=${report.delayed_until} /><//>`}
    ${report.generation > 1 && html`<${Fact} name="Generation">${report.generation}<//>`}
    ${forked && html`<${Fact} name="Forked">${forked.message}<//>`}
    ${report.custom_status !== undefined && html`<${Fact} name="Its own status"><code class="wrap">${JSON.stringify(report.custom_status)}</code><//>`}
    ${input?.value !== undefined && html`<${Fact} name="Input"><details><summary>${brief(input.value)}</summary><${Json} value=${input.value} label="Input" /></details><//>`}
    ${report.status === 'completed' && html`<${Fact} name="Output"><details><summary>${brief(report.output)}</summary><${Json} value=${report.output} label="Output" /></details><//>`}
  </dl>`;
}

function brief(value) {
  const text = JSON.stringify(value) ?? 'null';
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

/** Why it failed, and what may help. */
function Ending({ report, onStep }) {
  const { error, status } = report;
  if (!error) return null;
  const hint = advice(error);
  return html`<section class=${`ending is-${status}`} aria-label="Why it ended">
    <p><code>${error.type}</code> ${error.message}</p>
    ${error.step && html`<p>In step <button type="button" class="link" onClick=${() => onStep(error.step)}>${error.step}</button>${error.attempts > 1 && `, after ${error.attempts} attempts`}</p>`}
    ${hint && html`<p class="quiet">${hint}</p>`}
  </section>`;
}

function Line({ state, status }) {
  if (hasEnded(status)) return null;
  const words = { live: 'live', lost: 'not connected; trying again', ended: 'live' };
  return html`<span class=${`line is-${state}`} role="status">${words[state]}</span>`;
}

const LEVELS = { error: 'failed', warn: 'waiting' };

function Records({ records, onStep }) {
  const [shown, setShown] = useState(200);
  const newest = records.slice(-shown).reverse();
  return html`<table class="cards" role="table"><caption>Newest first; ${count(records.length, 'record')}.</caption>
    <thead role="rowgroup"><tr role="row">${['No.', 'At', 'What', 'Step', 'Said'].map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}</tr></thead>
    <tbody role="rowgroup">${newest.map((it) => html`<tr role="row" key=${it.seq} class=${it.level ? `is-${LEVELS[it.level] || 'plain'}` : ''}>
      <td role="cell" data-label="No.">${it.seq}</td>
      <td role="cell" data-label="At"><${Time} at=${it.at} /></td>
      <td role="cell" data-label="What">${it.event.replaceAll('_', ' ')}${it.attempt > 1 && ` (attempt ${it.attempt})`}${it.duration_ms !== undefined && html` <span class="quiet">${length(it.duration_ms)}</span>`}</td>
      <td role="cell" data-label="Step">${it.step && html`<button type="button" class="link" onClick=${() => onStep(it.step)}>${it.step}</button>`}</td>
      <td role="cell" data-label="Said" class="note">${it.level && `${it.level}: `}${it.message}${it.error && `${it.error.type}: ${it.error.message}`}${it.value !== undefined && html` <code>${brief(it.value)}</code>`}</td>
    </tr>`)}</tbody></table>
    ${records.length > shown && html`<button type="button" onClick=${() => setShown(shown + 1000)}>Show older ones</button>`}`;
}

export function RunView({ id, query }) {
  const { report, records, line, error, again } = useRun(id);
  const plan = useLoaded((signal) => get(`/runs/${part(id)}/document`, signal), [id, report?.generation]);
  const steps = useMemo(() => byStep(report?.steps), [report]);
  const tab = TABS.some(([name]) => name === query.get('tab')) ? query.get('tab') : 'graph';
  const chosen = query.get('step');
  const choose = (step) => setQuery({ step });
  const before = useRef();
  useEffect(() => {
    if (report && before.current && before.current !== report.status) say(`The run is ${report.status} now.`);
    before.current = report?.status;
  }, [report?.status]);
  if (!report) {
    return html`<${Heading} title=${`Run ${id}`} /><${Loading} of=${{ error, again }} />`;
  }
  return html`<${Heading} title=${`Run ${id}`} beside=${html`<${Line} state=${line} status=${report.status} />`}>Run <span class="id">${id}</span><//>
    ${error && html`<${Failed} error=${error} />`}
    <${Head} report=${report} records=${records} />
    <${Progress} report=${report} />
    <${Ending} report=${report} onStep=${choose} />
    <${Actions} id=${id} report=${report} steps=${steps} records=${records} again=${again} />
    <${Tabs} label="Views of the run" tabs=${TABS} chosen=${tab} onChoose=${(tab) => setQuery({ tab: tab === 'graph' ? '' : tab })} />
    <div class=${chosen ? 'split' : ''}>
      <${Panel} of=${tab}>
        ${tab === 'graph' && html`<${Loading} of=${plan}><${Graph} graph=${plan.value?.graph} steps=${steps} chosen=${chosen} onChoose=${choose} /><//>`}
        ${tab === 'timeline' && html`<${Timeline} report=${report} records=${records} chosen=${chosen} onChoose=${choose} />`}
        ${tab === 'steps' && html`<${StepTable} report=${report} chosen=${chosen} onChoose=${choose} />`}
        ${tab === 'records' && html`<${Records} records=${records} onStep=${choose} />`}
        ${tab === 'document' && html`<${Loading} of=${plan}><${Json} value=${plan.value?.document} label="text" /><//>`}
      <//>
      ${chosen && html`<${StepPanel} run=${id} path=${chosen} report=${report} records=${records} steps=${steps} plan=${plan.value} onChoose=${choose} again=${again} />`}
    </div>`;
}
