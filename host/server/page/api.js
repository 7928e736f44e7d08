// Requests to the API, and the stream of a run's records.

/** What the API answered instead of doing it: a problem document (RFC 9457). */
export class Problem extends Error {
  constructor(problem) {
    super(problem.detail || problem.title || `status ${problem.status}`);
    this.status = problem.status;
    this.code = problem.code;
    this.diagnostics = problem.diagnostics || [];
    this.faults = problem.faults || [];
  }
}

const BASE = '/api/v1';
const asks = new EventTarget();

/** Hears when the API wants somebody to sign in. */
export function onSignIn(hear) {
  asks.addEventListener('sign-in', hear);
  return () => asks.removeEventListener('sign-in', hear);
}

/** How long the last answers took, in milliseconds, for the system view. */
export const answers = [];

async function problemOf(response) {
  const text = await response.text();
  try {
    const problem = JSON.parse(text);
    if (problem && typeof problem === 'object') return new Problem({ status: response.status, ...problem });
  } catch { /* not from the API: something between it and the page has answered */ }
  return new Problem({ status: response.status, detail: `the server answered ${response.status}: ${text.slice(0, 200)}` });
}

async function ask(path, options) {
  let response;
  const begun = performance.now();
  try {
    response = await fetch(BASE + path, { credentials: 'same-origin', cache: 'no-store', ...options });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem({ status: 0, code: 'unreachable', detail: 'the server does not answer' });
  }
  answers.push(performance.now() - begun);
  if (answers.length > 200) answers.shift();
  if (response.ok) return response;
  if (response.status === 401) asks.dispatchEvent(new Event('sign-in'));
  throw await problemOf(response);
}

async function asJson(response) {
  return response.status === 204 ? null : response.json();
}

export const get = async (path, signal) => asJson(await ask(path, { signal }));

/** Sends JSON that is a text already, so that numbers go as they were written. */
async function send(method, path, text) {
  const headers = { 'content-type': 'application/json' };
  return asJson(await ask(path, { method, headers, body: text }));
}

export const post = (path, body) => send('POST', path, body === undefined ? undefined : JSON.stringify(body));
export const remove = (path) => send('DELETE', path, undefined);

/** The text of a saved run. */
export const text = async (path) => (await ask(path, {})).text();

/** A part of a path. */
export const part = (id) => encodeURIComponent(id);

const PAUSES_MS = [250, 500, 1000, 2000, 5000];
/** Longer than the server is silent: it sends a comment each 15 seconds. */
const SILENCE_MS = 45_000;

/**
 * Follows the records of a run from number `from` on, over any breaks, until they end. `hear` gets `records(list)`,
 * `state('live' | 'lost' | 'ended')` and `end(status)`. Answers with what stops it.
 */
export function follow(run, from, hear) {
  const stopped = new AbortController();
  let next = from;
  let failures = 0;

  async function once() {
    const silence = new AbortController();
    const signal = AbortSignal.any([stopped.signal, silence.signal]);
    let alarm = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      const headers = next > 0 ? { 'last-event-id': String(next - 1) } : {};
      const response = await ask(`/runs/${part(run)}/stream`, { headers, signal });
      hear.state('live');
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return false;
        failures = 0;
        clearTimeout(alarm);
        alarm = setTimeout(() => silence.abort(), SILENCE_MS);
        const events = (rest + value).split('\n\n');
        rest = events.pop();
        if (take(events.map(event))) return true;
      }
    } finally {
      clearTimeout(alarm);
      silence.abort();
    }
  }

  function take(events) {
    const records = events.filter((it) => it.event === 'record').map((it) => JSON.parse(it.data));
    // one that comes twice counts once
    const fresh = records.filter((record) => record.seq >= next);
    if (fresh.length > 0) {
      next = fresh[fresh.length - 1].seq + 1;
      hear.records(fresh);
    }
    const end = events.find((it) => it.event === 'end');
    if (end) hear.end(end.data);
    return Boolean(end);
  }

  (async () => {
    while (!stopped.signal.aborted) {
      try {
        if (await once()) {
          hear.state('ended');
          return;
        }
      } catch (error) {
        if (stopped.signal.aborted) return;
        if (error instanceof Problem && [401, 403, 404].includes(error.status)) {
          hear.state('lost');
          return;
        }
      }
      if (stopped.signal.aborted) return;
      hear.state('lost');
      await new Promise((wake) => setTimeout(wake, PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)]));
      failures += 1;
    }
  })();
  return () => stopped.abort();
}

/** One server-sent event. */
function event(text) {
  const fields = { event: 'message', data: '' };
  for (const line of text.split('\n')) {
    const at = line.indexOf(':');
    if (at <= 0) continue;
    const [name, value] = [line.slice(0, at), line.slice(at + 1).replace(/^ /, '')];
    fields[name] = name === 'data' && fields.data ? `${fields.data}\n${value}` : value;
  }
  return fields;
}
