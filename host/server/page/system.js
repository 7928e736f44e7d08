// How busy the host is: throughput, queues, the journal, how long runs and answers take.
import { html, useEffect, useRef, useState } from './html.js';
import { answers, get } from './api.js';
import { Failed, Heading, Loading, useLoaded } from './parts.js';
import { count, length } from './words.js';

const EVERY_MS = 2000;
const POINTS = 150;

/** Colours of the page for charts, which draw on a canvas. */
function colours() {
  const probe = document.createElement('span');
  document.body.append(probe);
  const read = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const found = { text: read('--quiet'), line: read('--line'), series: ['--c-running', '--c-completed', '--c-waiting'].map(read) };
  probe.remove();
  return found;
}

function Chart({ title, names, points, unit }) {
  const place = useRef(null);
  const chart = useRef(null);
  const [turn, setTurn] = useState(0);
  const data = [points.map((it) => it[0] / 1000), ...names.map((_, at) => points.map((it) => it[1][at]))];
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => {
    let isCurrent = true;
    const draw = async () => {
      const { default: Plot } = await import('./vendor/uplot.js');
      if (!isCurrent || !place.current) return;
      const { text, line, series } = colours();
      const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
      chart.current = new Plot({
        width: place.current.clientWidth, height: 170, cursor: { show: false }, legend: { show: false },
        scales: { x: { range: (_, low, high) => [(high ?? Date.now() / 1000) - POINTS * EVERY_MS / 1000, high ?? Date.now() / 1000] }, y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] } },
        axes: [axis, { ...axis, size: 56 }],
        series: [{}, ...names.map((name, at) => ({ label: name, stroke: series[at], width: 1.5, dash: [[], [6, 3], [2, 3]][at], points: { show: false } }))],
      }, latest.current, place.current);
    };
    draw();
    const again = () => setTurn((turn) => turn + 1);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', again);
    addEventListener('theme', again);
    const watch = new ResizeObserver(() => place.current && chart.current?.setSize({ width: place.current.clientWidth, height: 170 }));
    watch.observe(place.current);
    return () => {
      isCurrent = false;
      watch.disconnect();
      scheme.removeEventListener('change', again);
      removeEventListener('theme', again);
      chart.current?.destroy();
      chart.current = null;
    };
  }, [turn]);
  useEffect(() => {
    chart.current?.setData(data);
  }, [points.length, points[points.length - 1]]);
  const last = points[points.length - 1];
  return html`<section class="card" aria-label=${title}><h2>${title}</h2>
    <div class="plot" ref=${place} aria-hidden="true"></div>
    <p class="legend">${names.map((name, at) => html`<span class=${`series-${at}`}><span class="dash" aria-hidden="true"></span>${name}: <strong>${last ? format(last[1][at]) : '–'}</strong> ${unit}</span>`)}</p>
  </section>`;
}

const format = (value) => (value >= 100 || Number.isInteger(value) ? Math.round(value).toLocaleString('en') : value.toFixed(1));

function share(sorted, part) {
  return sorted.length === 0 ? undefined : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

/** Half and 99 of 100 of the times of things that were done, the most frequent first. */
function times(prefix, of) {
  const done = Object.entries(of || {}).filter(([, it]) => it?.count > 0).sort((a, b) => b[1].count - a[1].count).slice(0, 12);
  return done.map(([name, it]) => [`${prefix}${name}: half, 99 of 100`, `${length(it.p50_us / 1000)}, ${length(it.p99_us / 1000)}`]);
}

function Table({ caption, rows }) {
  return html`<section class="card"><table><caption>${caption}</caption><tbody>${rows.map(([name, value]) => html`<tr><th scope="row">${name}</th><td class="number">${value}</td></tr>`)}</tbody></table></section>`;
}

/** Rates between looks at counters. */
function useHistory(stats) {
  const [points, set] = useState({ rates: [], queues: [], before: undefined });
  useEffect(() => {
    if (!stats) return;
    set(({ rates, queues, before }) => {
      const at = Date.now();
      const ended = stats.runs.completed + stats.runs.failed + stats.runs.cancelled;
      const now = { at, values: [stats.runs.started, ended, stats.steps.settled, stats.journal?.transactions ?? 0] };
      const seconds = before ? (at - before.at) / 1000 : 0;
      // counters begin anew with the process
      const isRate = before && seconds > 0 && now.values.every((it, nth) => it >= before.values[nth]);
      const rate = isRate && now.values.map((it, nth) => (it - before.values[nth]) / seconds);
      const { queues: depths } = stats;
      return {
        rates: (rate ? [...rates, [at, rate]] : rates).slice(-POINTS),
        queues: [...queues, [at, [depths.inline + depths.blocking + depths.asynchronous, depths.under_way, depths.journal]]].slice(-POINTS),
        before: now,
      };
    });
  }, [stats]);
  return points;
}

export function System() {
  const stats = useLoaded((signal) => get('/stats', signal), [], EVERY_MS);
  const latest = useLoaded((signal) => get('/runs?limit=200&status=completed,failed', signal), [], 5 * EVERY_MS);
  const { rates, queues } = useHistory(stats.value);
  const took = (latest.value?.runs || []).map((it) => it.duration_ms).filter((it) => it !== undefined).sort((a, b) => a - b);
  const asked = [...answers].sort((a, b) => a - b);
  const version = document.querySelector('meta[name="jackfield-version"]').content;
  const { runs, steps, queues: depths, journal, threads_lost: lost } = stats.value || {};
  return html`<${Heading} title="System" beside=${html`<span class="quiet">Jackfield ${version}</span>`} />
    ${stats.value && html`<${Failed} error=${stats.error} />`}
    <${Loading} of=${stats}>
      ${journal?.error && html`<p class="ending is-failed" role="alert">The journal cannot be written: ${journal.error}</p>`}
      ${lost > 0 && html`<p class="ending is-failed" role="alert">${count(lost, 'thread')} of the engine ended by a defect.</p>`}
      <div class="grid">
        <${Chart} title="Runs" unit="/s" names=${['started', 'ended']} points=${rates.map(([at, it]) => [at, [it[0], it[1]]])} />
        <${Chart} title="Steps and journal" unit="/s" names=${['steps settled', 'transactions']} points=${rates.map(([at, it]) => [at, [it[2], it[3]]])} />
        <${Chart} title="Queues" unit="" names=${['calls that wait', 'calls under way', 'changes to write']} points=${queues} />
        <${Table} caption="Latencies" rows=${[
          ...times('Run, ', stats.value?.latencies?.runs), ...times('', stats.value?.latencies?.attempts), ...times('', { 'Journal commit': stats.value?.latencies?.journal }),
          [`Run, half of the last ${took.length}`, length(share(took, 0.5))], ['Run, 95 of 100', length(share(took, 0.95))],
          [`Answer to this page, half of ${asked.length}`, length(share(asked, 0.5))], ['Answer to this page, 95 of 100', length(share(asked, 0.95))]]} />
        <${Table} caption="Since the start of the process" rows=${[['Runs started', runs?.started], ['Runs completed', runs?.completed], ['Runs failed', runs?.failed], ['Runs cancelled', runs?.cancelled], ['Runs retried', runs?.retried], ['Steps settled', steps?.settled], ['Steps completed', steps?.completed]]} />
        <${Table} caption="At present" rows=${[...Object.entries(runs?.in_memory || {}).map(([status, number]) => [`Runs in memory: ${status}`, number]), ['Calls for engine threads', depths?.inline], ['Calls for the pool', depths?.blocking], ['Async calls beyond the limit', depths?.asynchronous], ['Calls under way', depths?.under_way], ['Timers', depths?.timers], ['Errands', depths?.errands]]} />
        ${journal && html`<${Table} caption="Journal" rows=${[['Transactions', journal.transactions], ['Changes', journal.changes], ['Changes a transaction', journal.transactions ? (journal.changes / journal.transactions).toFixed(1) : ''], ['Failed tries', journal.errors]]} />`}
      </div>
    <//>`;
}
