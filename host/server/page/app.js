// The frame of the page: navigation, signing in, and which view is shown.
import { html, render, useEffect, useRef, useState } from './html.js';
import { onSignIn, post, remove, get } from './api.js';
import { Link, go, to, usePlace } from './router.js';
import { Field, Failed, Heading, Voice, Empty } from './parts.js';
import { Runs } from './runs.js';
import { RunView } from './run.js';
import { Workflows, WorkflowView, NewWorkflow } from './workflows.js';
import { Plugins, PluginView } from './plugins.js';
import { Schedules } from './schedules.js';
import { System } from './system.js';

const VIEWS = [['runs', 'Runs'], ['workflows', 'Workflows'], ['plugins', 'Plugins'], ['schedules', 'Schedules'], ['system', 'System']];
const THEMES = ['system', 'light', 'dark'];

function theme() {
  try { return localStorage.getItem('theme') || 'system'; } catch { return 'system'; }
}

function setTheme(name) {
  if (name === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  try { localStorage.setItem('theme', name); } catch { /* it holds until the page is left */ }
  dispatchEvent(new Event('theme'));
}

function ThemeSwitch() {
  const [now, set] = useState(theme);
  const choose = (event) => {
    set(event.target.value);
    setTheme(event.target.value);
  };
  return html`<label class="theme"><span>Colours</span> <select value=${now} onChange=${choose}>
    ${THEMES.map((name) => html`<option value=${name} selected=${name === now}>${name}</option>`)}
  </select></label>`;
}

function SignIn({ onDone }) {
  const [error, setError] = useState();
  const submit = async (event) => {
    event.preventDefault();
    setError(undefined);
    try {
      await post('/session', { token: new FormData(event.target).get('token').trim() });
      onDone();
    } catch (error) {
      setError(error);
    }
  };
  return html`<${Heading} title="Sign in" />
    <form class="card narrow" onSubmit=${submit}>
      <${Field} id="token" label="Token" hint="jackfield token create prints one.">
        <input id="token" name="token" type="password" autocomplete="current-password" required aria-describedby="token-hint" />
      <//>
      <${Failed} error=${error} />
      <button type="submit" class="primary">Sign in</button>
    </form>`;
}

function View({ place }) {
  const [view, id] = place.parts;
  switch (view || 'runs') {
    case 'runs': return id === undefined ? html`<${Runs} query=${place.query} />` : html`<${RunView} key=${id} id=${id} query=${place.query} />`;
    case 'new': return html`<${NewWorkflow} />`;
    case 'workflows':
      return id === undefined ? html`<${Workflows} />` : html`<${WorkflowView} key=${id} id=${id} query=${place.query} />`;
    case 'plugins': return id === undefined ? html`<${Plugins} />` : html`<${PluginView} key=${id} name=${id} />`;
    case 'schedules': return html`<${Schedules} query=${place.query} />`;
    case 'system': return html`<${System} />`;
    default: return html`<${Heading} title="Nothing here" /><${Empty} title="There is no such view."><${Link} href=${to('runs')}>All runs<//><//>`;
  }
}

function App() {
  const place = usePlace();
  const [session, setSession] = useState({ isAsked: false, isOpen: false, turn: 0 });
  useEffect(() => onSignIn(() => setSession((it) => ({ ...it, isAsked: true, isOpen: false }))), []);
  useEffect(() => {
    // answered where there are tokens; a socket knows of no sessions
    get('/session').then((it) => it.token && setSession((before) => ({ ...before, isOpen: true })), () => {});
  }, []);
  const main = useRef(null);
  const where = place.parts.join('/');
  const first = useRef(true);
  // whoever follows a link is told where it has led
  useEffect(() => {
    if (first.current) first.current = false;
    else document.getElementById('heading')?.focus({ preventScroll: true });
    if (!first.current) scrollTo(0, 0);
  }, [where]);
  const signedIn = () => {
    setSession((it) => ({ isAsked: false, isOpen: true, turn: it.turn + 1 }));
  };
  const signOut = async () => {
    await remove('/session').catch(() => {});
    setSession((it) => ({ isAsked: true, isOpen: false, turn: it.turn + 1 }));
  };
  const view = place.parts[0] || 'runs';
  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); main.current.focus(); }}>Skip to the content</a>
    <header>
      <${Link} class="brand" href="/">Jackfield<//>
      <nav aria-label="Views"><ul>
        ${VIEWS.map(([id, name]) => html`<li key=${id}><${Link} href=${to(id)} aria-current=${view === id ? 'page' : undefined}>${name}<//></li>`)}
      </ul></nav>
      <div class="head-tools">
        <${ThemeSwitch} />
        ${session.isOpen && html`<button type="button" class="small" onClick=${signOut}>Sign out</button>`}
      </div>
    </header>
    <main id="main" tabindex="-1" ref=${main} key=${session.turn}>
      ${session.isAsked ? html`<${SignIn} onDone=${signedIn} />` : html`<${View} place=${place} />`}
    </main>
    <${Voice} />`;
}

setTheme(theme());
const root = document.getElementById('page');
root.replaceChildren();
render(html`<${App} />`, root);
