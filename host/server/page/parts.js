// What several views are made of.
import { html, useEffect, useLayoutEffect, useRef, useState } from './html.js';
import { ago, exact, length } from './words.js';

// Each status has a shape of its own, so that nothing depends on colours.
const SHAPES = {
  pending: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11',
  queued: 'M3 8h.01M8 8h.01M13 8h.01',
  running: 'M8 2.5a5.5 5.5 0 1 0 5.5 5.5',
  waiting: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11M8 5v3l2 1.5',
  paused: 'M5.5 3.5v9M10.5 3.5v9',
  completed: 'M3 8.5 6.5 12 13 4.5',
  failed: 'M4 4l8 8M12 4l-8 8',
  cancelled: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11M4.2 11.8l7.6-7.6',
  skipped: 'M3 4.5 7 8l-4 3.5M8 4.5 12 8l-4 3.5M13.5 4.5v7',
  compensated: 'M6 4 3 7l3 3M3.5 7H10a3 3 0 0 1 0 6H7',
  continued: 'M3 8h9M9 4.5 12.5 8 9 11.5',
};

/** The paths of a status for drawings. */
export const shape = (status) => SHAPES[status] || SHAPES.pending;

export function Icon({ status }) {
  return html`<svg class=${`icon is-${status}`} viewBox="0 0 16 16" aria-hidden="true"><path d=${shape(status)} /></svg>`;
}

/** A status as icon and word. */
export function Status({ status, children }) {
  return html`<span class=${`status is-${status}`}><${Icon} status=${status} />${status}${children}</span>`;
}

const ticks = new Set();
setInterval(() => {
  if (!document.hidden) ticks.forEach((tick) => tick());
}, 1000);

/** The time, again each second. */
export function useNow() {
  const [now, set] = useState(Date.now);
  useEffect(() => {
    const tick = () => set(Date.now());
    ticks.add(tick);
    return () => ticks.delete(tick);
  }, []);
  return now;
}

/** A point in time as people say it; the exact one is its title. */
export function Time({ at }) {
  const now = useNow();
  const time = Date.parse(at);
  if (Number.isNaN(time)) return html`<span>${at}</span>`;
  return html`<time datetime=${at} title=${exact(time)}>${ago(time, now)}</time>`;
}

const soFar = (ms) => (ms < 60_000 ? `${Math.floor(ms / 1000)} s` : length(Math.floor(ms / 1000) * 1000));

/** How long something has taken, counting on while it goes on. */
export function Took({ ms, since }) {
  const now = useNow();
  if (ms !== undefined && ms !== null) return html`<span>${length(ms)}</span>`;
  if (!since) return html`<span class="quiet">–</span>`;
  return html`<span class="quiet">${soFar(Math.max(0, now - Date.parse(since)))}</span>`;
}

/**
 * What `load` answers, loaded again every `ms` while the page is looked at, and when `again` is called. What was there stays
 * until the new one comes, also if that fails.
 */
export function useLoaded(load, deps, ms = 0) {
  const [state, set] = useState({ value: undefined, error: undefined });
  const [turn, setTurn] = useState(0);
  useEffect(() => set({ value: undefined, error: undefined }), deps);
  useEffect(() => {
    const stop = new AbortController();
    let timer;
    const once = async () => {
      try {
        const value = await load(stop.signal);
        if (!stop.signal.aborted) set({ value, error: undefined });
      } catch (error) {
        if (!stop.signal.aborted) set((before) => ({ ...before, error }));
      }
      if (!stop.signal.aborted && ms > 0) timer = setTimeout(unlessHidden, ms);
    };
    const unlessHidden = () => {
      if (document.hidden) timer = setTimeout(unlessHidden, ms);
      else once();
    };
    once();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [...deps, turn, ms]);
  return { ...state, again: () => setTurn((turn) => turn + 1) };
}

/** What went wrong, with everything that the API said about it. */
export function Failed({ error, children }) {
  if (!error) return null;
  return html`<div class="failed-box" role="alert">
    <p><strong>${error.status === 0 ? 'Not reached' : 'Not done'}:</strong> ${error.message}</p>
    ${error.faults?.length > 0 && html`<ul>${error.faults.map((it) => html`<li><code>${it.pointer || 'input'}</code> ${it.message}</li>`)}</ul>`}
    <${Diagnostics} list=${error.diagnostics} />
    ${children}
  </div>`;
}

/** What is wrong with a document; `onPick` is told of the one that is chosen. */
export function Diagnostics({ list, onPick }) {
  if (!list || list.length === 0) return null;
  const at = (it) => (it.position || it.line ? `${it.position?.line ?? it.line}:${it.position?.column ?? it.column}` : '');
  return html`<ul class="diagnostics">${list.map((it) => html`<li class=${`severity-${it.severity || 'error'}`}>
    <span class="severity">${it.severity || 'error'}</span>
    ${onPick && at(it) ? html`<button type="button" class="link" onClick=${() => onPick(it)}>line ${at(it)}</button>` : html`<span>${at(it) && `line ${at(it)}`}</span>`}
    <span>${it.message}</span> ${it.code && html`<code>${it.code}</code>`}
    ${it.hint && html`<div class="quiet">${it.hint}</div>`}
  </li>`)}</ul>`;
}

/** Nothing is there yet: what it would be, and what to do. */
export function Empty({ title, children }) {
  return html`<div class="empty"><p><strong>${title}</strong></p>${children}</div>`;
}

/** While something is loaded for the first time, or could not be. */
export function Loading({ of, children }) {
  if (of.value !== undefined) return children;
  if (of.error) return html`<${Failed} error=${of.error}><button type="button" onClick=${of.again}>Try again</button><//>`;
  return html`<p class="quiet" role="status">Loading…</p>`;
}

const SHOWN_MAX = 20_000;

/** A value as JSON. */
export function Json({ value, label }) {
  const [isWhole, setWhole] = useState(false);
  const [isCopied, setCopied] = useState(false);
  const all = typeof value === 'string' && label === 'text' ? value : JSON.stringify(value, null, 2) ?? 'null';
  const cut = !isWhole && all.length > SHOWN_MAX;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(all);
      setCopied(true);
      setTimeout(() => setCopied(false), 2000);
    } catch { /* not allowed here; it can be selected */ }
  };
  return html`<div class="json">
    <pre tabindex="0" role="region" aria-label=${label || 'JSON'}>${cut ? all.slice(0, SHOWN_MAX) : all}</pre>
    <div class="json-tools">
      ${cut && html`<button type="button" class="small" onClick=${() => setWhole(true)}>Show all ${all.length.toLocaleString('en')} characters</button>`}
      <button type="button" class="small" onClick=${copy}>${isCopied ? 'Copied' : 'Copy'}</button>
    </div>
  </div>`;
}

const voices = new EventTarget();

/** Says something in passing: shown for a while, and read out. */
export function say(text) {
  voices.dispatchEvent(new CustomEvent('say', { detail: text }));
}

/** Where it is said. */
export function Voice() {
  const [said, set] = useState([]);
  useEffect(() => {
    let next = 0;
    const hear = (event) => {
      const it = { id: (next += 1), text: event.detail };
      set((said) => [...said.slice(-2), it]);
      setTimeout(() => set((said) => said.filter((other) => other !== it)), 6000);
    };
    voices.addEventListener('say', hear);
    return () => voices.removeEventListener('say', hear);
  }, []);
  return html`<div id="voice" role="status" aria-live="polite">${said.map((it) => html`<p key=${it.id}>${it.text}</p>`)}</div>`;
}

/** A dialog that asks for something; `onDone` does it and may fail, which is shown. It closes when that is done. */
export function Dialog({ title, verb, tone, children, onDone, onClose }) {
  const box = useRef(null);
  const [error, setError] = useState();
  const [isBusy, setBusy] = useState(false);
  useLayoutEffect(() => {
    const opener = document.activeElement;
    box.current.showModal();
    return () => opener?.focus?.();
  }, []);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await onDone(new FormData(event.target));
      onClose();
    } catch (error) {
      setError(error);
      setBusy(false);
    }
  };
  return html`<dialog ref=${box} aria-labelledby="dialog-title" onClose=${onClose}>
    <form onSubmit=${submit} novalidate>
      <h2 id="dialog-title">${title}</h2>
      ${children}
      <${Failed} error=${error} />
      <div class="row end">
        <button type="button" onClick=${onClose}>Close</button>
        <button type="submit" class=${tone || 'primary'} disabled=${isBusy}>${verb}</button>
      </div>
    </form>
  </dialog>`;
}

/** A labelled field of a form. */
export function Field({ label, hint, error, children, id }) {
  return html`<div class=${error ? 'field has-error' : 'field'}>
    <label for=${id}>${label}</label>
    ${children}
    ${hint && html`<div class="hint" id=${`${id}-hint`}>${hint}</div>`}
    ${error && html`<div class="error" id=${`${id}-error`}>${error}</div>`}
  </div>`;
}

/** What was typed as JSON; an empty text is nothing. */
export function readJson(text, name) {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${name} is no JSON: ${error.message}`);
  }
}

/** Tabs as the ARIA practices have them: arrow keys move, the chosen one is in the tab order. */
export function Tabs({ label, tabs, chosen, onChoose }) {
  const list = useRef(null);
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = tabs.findIndex(([id]) => id === chosen);
    let next = step ? (at + step + tabs.length) % tabs.length : undefined;
    if (event.key === 'Home') next = 0;
    if (event.key === 'End') next = tabs.length - 1;
    if (next === undefined) return;
    event.preventDefault();
    onChoose(tabs[next][0]);
    list.current.children[next].focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} ref=${list} onKeyDown=${move}>
    ${tabs.map(([id, name]) => html`<button key=${id} type="button" role="tab" id=${`tab-${id}`} aria-selected=${id === chosen}
      aria-controls="panel" tabindex=${id === chosen ? 0 : -1} onClick=${() => onChoose(id)}>${name}</button>`)}
  </div>`;
}

export function Panel({ of, children }) {
  return html`<div role="tabpanel" id="panel" aria-labelledby=${`tab-${of}`}>${children}</div>`;
}

/** The heading of a view, and the title of the window. */
export function Heading({ children, title, beside }) {
  useEffect(() => {
    document.title = `${title} · Jackfield`;
  }, [title]);
  return html`<div class="heading"><h1 id="heading" tabindex="-1">${children ?? title}</h1>${beside}</div>`;
}
