// Steps of runs and of documents: paths, ids, and what several instances of one step come to.

/** `probe[3].fetch` is an instance of the step `fetch`. */
export const idOf = (path) => path.slice(path.lastIndexOf('.') + 1).replace(/(\[\d+\])+$/, '');

/** The instances of each step of a document: from ids to lists of `{path, ...report}`. */
export function byStep(steps) {
  const found = new Map();
  for (const [path, report] of Object.entries(steps || {})) {
    const id = idOf(path);
    if (!found.has(id)) found.set(id, []);
    found.get(id).push({ path, ...report });
  }
  return found;
}

// what is most worth knowing of several, first
const WEIGHT = ['failed', 'waiting', 'running', 'pending', 'cancelled', 'compensated', 'completed', 'skipped'];

/** One status for all instances of a step: `pending` if there are none yet. */
export function summary(instances) {
  if (!instances || instances.length === 0) return 'pending';
  return WEIGHT.find((status) => instances.some((it) => it.status === status)) || 'pending';
}

/** `3 completed, 1 failed`. */
export function tally(instances) {
  const counts = new Map();
  for (const { status } of instances || []) counts.set(status, (counts.get(status) || 0) + 1);
  return [...counts].map(([status, count]) => `${count} ${status}`).join(', ');
}

/** The text of a document with comments without them. */
function withoutComments(text) {
  return text.replace(/("(?:\\.|[^"\\])*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (_, string) => string || ' ').replace(/,(\s*[\]}])/g, '$1');
}

export function parseDocument(text) {
  try {
    return JSON.parse(text);
  } catch {
    try { return JSON.parse(withoutComments(text)); } catch { return undefined; }
  }
}

/** The step of this id as a document writes it, wherever it stands. */
export function findStep(value, id) {
  if (Array.isArray(value)) {
    for (const it of value) {
      const found = it && typeof it === 'object' && (isStep(it, id) ? it : findStep(it, id));
      if (found) return found;
    }
    return undefined;
  }
  if (!value || typeof value !== 'object') return undefined;
  for (const name of ['steps', 'cases', 'default', 'catch', 'on_failure', 'finally']) {
    const found = value[name] && findStep(value[name], id);
    if (found) return found;
  }
  return undefined;
}

const isStep = (it, id) => it.id === id;
