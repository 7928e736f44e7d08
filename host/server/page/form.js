// A form from a JSON Schema. What it cannot show as fields is written as JSON, a field or the whole of it.
import { html, useState } from './html.js';
import { Field } from './parts.js';

const DEPTH_MAX = 3;

function resolve(schema, root, left = 20) {
  if (!schema || typeof schema !== 'object') return {};
  const ref = schema.$ref;
  if (typeof ref !== 'string' || !ref.startsWith('#/') || left === 0) return schema;
  const found = ref.slice(2).split('/').map((it) => it.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((at, name) => at?.[name], root);
  const { $ref, ...beside } = schema;
  return { ...resolve(found, root, left - 1), ...beside };
}

const typeOf = (schema) => (Array.isArray(schema.type) ? schema.type.filter((it) => it !== 'null')[0] : schema.type);
const isObject = (schema) => typeOf(schema) === 'object' && schema.properties && !schema.oneOf && !schema.anyOf && !schema.allOf;
const escape = (name) => name.replaceAll('~', '~0').replaceAll('/', '~1');

/** Whether a schema has fields at all. */
export const hasFields = (schema) => Boolean(schema) && isObject(resolve(schema, schema));

/** The fields of a schema: where each value belongs, and what it may be. */
function fieldsOf(schema, root, pointer = '', depth = 0) {
  const required = new Set(schema.required || []);
  return Object.entries(schema.properties).map(([name, given]) => {
    const it = resolve(given, root);
    const at = `${pointer}/${escape(name)}`;
    const field = { name, at, schema: it, isRequired: required.has(name), title: it.title || name };
    if (isObject(it) && depth < DEPTH_MAX) return { ...field, kind: 'group', fields: fieldsOf(it, root, at, depth + 1) };
    if (Array.isArray(it.enum) && it.enum.every((value) => value === null || typeof value !== 'object')) return { ...field, kind: 'enum' };
    const kinds = { string: 'string', integer: 'number', number: 'number', boolean: 'boolean' };
    return { ...field, kind: kinds[it.oneOf || it.anyOf ? 'json' : typeOf(it)] || 'json' };
  });
}

/** The texts of the fields that a value comes to. */
function texts(fields, value, into = {}) {
  for (const field of fields) {
    const given = value !== null && typeof value === 'object' && Object.hasOwn(value, field.name) ? value[field.name] : field.schema.default;
    if (field.kind === 'group') texts(field.fields, given, into);
    else if (given === undefined) into[field.at] = '';
    else into[field.at] = ['string'].includes(field.kind) && typeof given === 'string' ? given : JSON.stringify(given, null, field.kind === 'json' ? 2 : 0);
  }
  return into;
}

function check(field, text) {
  const { schema } = field;
  if (text === '') {
    // whoever means an empty text writes JSON
    return field.isRequired ? { error: 'is required' } : {};
  }
  if (field.kind === 'string') {
    const characters = [...text].length;
    if (characters < schema.minLength) return { error: `has fewer than ${schema.minLength} characters` };
    if (characters > schema.maxLength) return { error: `has more than ${schema.maxLength} characters` };
    return { value: text };
  }
  if (field.kind === 'enum' || field.kind === 'boolean') return { value: JSON.parse(text) };
  if (field.kind === 'number') {
    const value = Number(text);
    if (!Number.isFinite(value)) return { error: 'is no number' };
    if (typeOf(schema) === 'integer' && !Number.isInteger(value)) return { error: 'is no whole number' };
    if (value < schema.minimum) return { error: `is less than ${schema.minimum}` };
    if (value > schema.maximum) return { error: `is more than ${schema.maximum}` };
    if (value <= schema.exclusiveMinimum) return { error: `is not more than ${schema.exclusiveMinimum}` };
    if (value >= schema.exclusiveMaximum) return { error: `is not less than ${schema.exclusiveMaximum}` };
    return { value };
  }
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { error: `is no JSON: ${error.message}` };
  }
}

/** The value of the form, and what is wrong with it by pointer. */
function read(fields, given, errors) {
  const value = {};
  for (const field of fields) {
    if (field.kind === 'group') {
      const inner = read(field.fields, given, errors);
      if (field.isRequired || Object.keys(inner).length > 0) put(value, field.name, inner);
      else forget(field.fields, errors);
      continue;
    }
    const checked = check(field, given[field.at] ?? '');
    if (checked.error) errors[field.at] = checked.error;
    else if ('value' in checked) put(value, field.name, checked.value);
  }
  return value;
}

/** A property of any name, `__proto__` too. */
const put = (object, name, value) => Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });

/** What is missing in a group that is left out is not missing. */
function forget(fields, errors) {
  for (const field of fields) {
    if (field.kind === 'group') forget(field.fields, errors);
    else if (errors[field.at] === 'is required') delete errors[field.at];
  }
}

/**
 * The state of a form for `schema`: `render()` shows it, `value()` is what was filled in, or `undefined` if something is wrong with
 * that, which is shown then. `tell(faults)` shows what the server says, and answers with what belongs to no field.
 */
export function useForm(schema, initial) {
  const root = schema || {};
  const top = resolve(root, root);
  const fields = hasFields(schema) ? fieldsOf(top, root) : [];
  const [given, setGiven] = useState(() => texts(fields, initial));
  const [json, setJson] = useState(() => JSON.stringify(initial ?? top.default ?? {}, null, 2));
  const [isJson, setIsJson] = useState(fields.length === 0);
  const [errors, setErrors] = useState({});

  const value = () => {
    if (isJson) {
      try {
        const value = json.trim() === '' ? {} : JSON.parse(json);
        setErrors({});
        return { value };
      } catch (error) {
        setErrors({ '': `is no JSON: ${error.message}` });
        return undefined;
      }
    }
    const found = {};
    const value = read(fields, given, found);
    setErrors(found);
    if (Object.keys(found).length === 0) return { value };
    requestAnimationFrame(() => document.querySelector('.has-error input, .has-error select, .has-error textarea')?.focus());
    return undefined;
  };
  const turn = () => {
    if (isJson) {
      try {
        setGiven(texts(fields, JSON.parse(json)));
      } catch (error) {
        return setErrors({ '': `is no JSON: ${error.message}` });
      }
    } else {
      setJson(JSON.stringify(read(fields, given, {}), null, 2));
    }
    setErrors({});
    return setIsJson(!isJson);
  };
  const tell = (faults) => {
    const known = new Set();
    const collect = (list) => list.forEach((it) => (it.kind === 'group' ? collect(it.fields) : known.add(it.at)));
    if (!isJson) collect(fields);
    const mine = {};
    const others = [];
    for (const { pointer, message } of faults) {
      const at = [...known].find((it) => pointer === it || pointer.startsWith(`${it}/`));
      if (at) mine[at] = message;
      else others.push({ pointer, message });
    }
    setErrors(mine);
    return others;
  };
  const set = (at, text) => setGiven((before) => ({ ...before, [at]: text }));
  const render = () => html`
    ${fields.length > 0 && html`<div class="row end"><button type="button" class="small" onClick=${turn}>${isJson ? 'Fill in a form' : 'Write JSON'}</button></div>`}
    ${isJson
      ? html`<${Field} id="input-json" label="Input (JSON)" error=${errors['']}><textarea id="input-json" rows="8" spellcheck="false" value=${json} onInput=${(event) => setJson(event.target.value)}
          aria-invalid=${Boolean(errors[''])} aria-describedby=${errors[''] ? 'input-json-error' : undefined} /><//>`
      : fields.map((field) => html`<${Entry} key=${field.at} field=${field} given=${given} errors=${errors} set=${set} />`)}`;
  return { value, render, tell };
}

function Entry({ field, given, errors, set }) {
  if (field.kind === 'group') {
    return html`<fieldset><legend>${field.title}</legend>${field.schema.description && html`<div class="hint">${field.schema.description}</div>`}
      ${field.fields.map((it) => html`<${Entry} key=${it.at} field=${it} given=${given} errors=${errors} set=${set} />`)}</fieldset>`;
  }
  const id = `input${field.at.replaceAll(/[^\w-]/g, '-')}`;
  const [text, error] = [given[field.at] ?? '', errors[field.at]];
  const { schema } = field;
  const hint = [schema.description, bounds(schema)].filter(Boolean).join(' ');
  const said = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ') || undefined;
  const rest = { id, 'aria-describedby': said, 'aria-invalid': Boolean(error), 'aria-required': field.isRequired };
  const type = (event) => set(field.at, event.target.value);
  const options = field.kind === 'boolean' ? [true, false] : schema.enum || [];
  const choice = () => html`<select ...${rest} value=${text} onChange=${type}>
    ${(!field.isRequired || text === '') && html`<option value="" selected=${text === ''}></option>`}
    ${options.map((it) => html`<option value=${JSON.stringify(it)} selected=${JSON.stringify(it) === text}>${typeof it === 'string' ? it : JSON.stringify(it)}</option>`)}</select>`;
  const inputs = {
    string: () => (schema.maxLength > 200 || schema.format === 'textarea' ? html`<textarea ...${rest} rows="3" value=${text} onInput=${type} />` : html`<input ...${rest} value=${text} onInput=${type} />`),
    number: () => html`<input ...${rest} inputmode="decimal" value=${text} onInput=${type} />`,
    boolean: choice,
    enum: choice,
    json: () => html`<textarea ...${rest} rows="3" spellcheck="false" value=${text} onInput=${type} />`,
  };
  return html`<${Field} id=${id} label=${html`${field.title}${field.isRequired && html` <span class="quiet">required</span>`}${field.kind === 'json' && html` <span class="quiet">JSON</span>`}`} hint=${hint} error=${error}>${inputs[field.kind]()}<//>`;
}

function bounds(schema) {
  const said = [];
  if (schema.minimum !== undefined) said.push(`at least ${schema.minimum}`);
  if (schema.maximum !== undefined) said.push(`at most ${schema.maximum}`);
  if (schema.pattern) said.push(`fits ${schema.pattern}`);
  if (schema.format) said.push(schema.format);
  return said.length > 0 ? `(${said.join(', ')})` : '';
}
