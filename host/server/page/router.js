// Where the page is: the path below /ui and the query, kept by the browser's history.
import { html, useEffect, useState } from './html.js';

const moves = new EventTarget();

/** The present place: decoded parts of the path, and the query. */
export function place() {
  const parts = location.pathname.replace(/^\/(ui\/?)?/, '').split('/').filter(Boolean);
  const decoded = parts.map((it) => {
    try { return decodeURIComponent(it); } catch { return it; }
  });
  return { parts: decoded, query: new URLSearchParams(location.search) };
}

/** Goes somewhere else in the page. */
export function go(path, { replace = false } = {}) {
  if (replace) history.replaceState(null, '', path);
  else history.pushState(null, '', path);
  moves.dispatchEvent(new Event('move'));
}

/** Changes parts of the query; an empty value takes its name away. */
export function setQuery(changes, options = { replace: true }) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === null || value === '') query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  go(location.pathname + (text ? `?${text}` : ''), options);
}

export function usePlace() {
  const [now, set] = useState(place);
  useEffect(() => {
    const moved = () => set(place());
    moves.addEventListener('move', moved);
    addEventListener('popstate', moved);
    return () => {
      moves.removeEventListener('move', moved);
      removeEventListener('popstate', moved);
    };
  }, []);
  return now;
}

/** The address of a view, each part as it is. */
export function to(...parts) {
  return '/ui/' + parts.map(encodeURIComponent).join('/');
}

/** A link within the page. */
export function Link({ href, children, ...rest }) {
  const click = (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(href);
  };
  return html`<a href=${href} onClick=${click} ...${rest}>${children}</a>`;
}
