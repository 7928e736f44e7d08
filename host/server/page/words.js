// How times, lengths of time, sizes and statuses are said.

const UNITS = [['year', 31_557_600], ['month', 2_629_800], ['day', 86_400], ['hour', 3600], ['minute', 60], ['second', 1]];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });

/** `3 minutes ago`. */
export function ago(time, now) {
  const seconds = (time - now) / 1000;
  if (Math.abs(seconds) < 1) return 'now';
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) || UNITS[UNITS.length - 1];
  return relative.format(Math.round(seconds / length), unit);
}

export const exact = (time) => absolute.format(time);

/** `1.24 s`, `2 min 03 s`. */
export function length(ms) {
  if (ms === undefined || ms === null) return '';
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  const two = (number) => String(number).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${two(Math.floor(seconds / 60) % 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${two(Math.floor(seconds / 3600) % 24)} h`;
}

export function bytes(count) {
  if (count === undefined || count === null) return '';
  if (count < 1024) return `${count} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let [value, unit] = [count / 1024, 0];
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export const count = (number, one, many = `${one}s`) => `${Number(number).toLocaleString('en')} ${number === 1 ? one : many}`;

export const RUN_STATUSES = ['queued', 'running', 'waiting', 'paused', 'completed', 'failed', 'cancelled', 'continued'];
const ENDED = ['completed', 'failed', 'cancelled'];
export const hasEnded = (status) => ENDED.includes(status);

/** What may help, by the type of an error; the same advice as on the command line. */
export function advice(error) {
  const kinds = {
    timeout: error.step ? 'Try a longer `timeout` of the step, or `max_retries` if it hangs now and then.' : 'Try a longer `timeout` of the workflow.',
    'plugin.unavailable': 'The list of plugins names files that cannot be used, and why.',
    'plugin.panic': 'Look at the version of the plugin and report this to its author.',
    'plugin.crash': 'Look at the version of the plugin and report this to its author.',
    validation: 'The page of the plugin shows what its method takes and returns.',
    expression: 'Use `has(x)` or `.?x.orValue(y)` for what may be missing; look at the outputs of the steps before.',
    'payload.too_large': 'Use smaller pieces with `foreach`, or a larger `payload_bytes_max` under [engine].',
    internal: 'This is a defect of Jackfield; please report it.',
    cancelled: '',
  };
  return kinds[error.type] ?? 'Look at the results of the steps before; retry if it may pass, with `max_retries` for the next time.';
}
