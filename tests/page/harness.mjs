// A real server with real plugins, and a browser before it.
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const built = process.env.JACKFIELD_BUILT ?? join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug');
const PATIENCE_MS = 30_000;

/** Waits until `holds` answers with something true. */
export async function until(holds, what) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await holds();
    if (found) return found;
    if (Date.now() > end) throw new Error(`it did not come to pass: ${what}`);
    await new Promise((wake) => setTimeout(wake, 50));
  }
}

/** A process that serves a directory of its own. The address stays over restarts. */
export class Server {
  static async start() {
    const server = new Server();
    server.dir = mkdtempSync(join(tmpdir(), 'jackfield-page-'));
    const plugins = join(server.dir, 'plugins');
    mkdirSync(plugins);
    for (const name of ['echo', 'fault', 'fs']) {
      const file = `libjackfield_plugin_${name}.so`;
      if (!existsSync(join(built, file))) throw new Error(`${join(built, file)} is missing; build the workspace first`);
      copyFileSync(join(built, file), join(plugins, file));
    }
    await server.up();
    return server;
  }

  /** Starts the process; again at the same address. */
  async up() {
    this.said = '';
    const listen = this.url?.replace('http://', '') ?? '127.0.0.1:0';
    this.process = spawn(join(built, 'jackfield'), [...this.options, 'serve', '--listen', listen], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.process.stderr.on('data', (text) => { this.said += text; });
    this.url ??= await until(() => {
      if (this.process.exitCode !== null) throw new Error(`the server ended: ${this.said}`);
      return this.said.match(/listening on (http:\/\/[0-9.]+:\d+)/)?.[1];
    }, 'it says where it listens');
    await until(() => {
      if (this.process.exitCode !== null) throw new Error(`the server ended: ${this.said}`);
      return fetch(`${this.url}/healthz`, { signal: AbortSignal.timeout(2000) }).then((it) => it.ok, () => false);
    }, 'the server answers');
  }

  get options() {
    return ['--data-dir', join(this.dir, 'data'), '--plugin-path', join(this.dir, 'plugins')];
  }

  /** What a command prints that works on the same data. */
  command(...words) {
    return execFileSync(join(built, 'jackfield'), [...this.options, ...words], { encoding: 'utf8' });
  }

  /** Kills the process as a crash would. */
  async kill() {
    const gone = new Promise((gone) => this.process.once('exit', gone));
    this.process.kill('SIGKILL');
    await gone;
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }

  async ask(method, path, body) {
    const response = await fetch(`${this.url}/api/v1${path}`, { method, body: body === undefined ? undefined : JSON.stringify(body), headers: { 'content-type': 'application/json', ...this.headers } });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  get(path) {
    return this.ask('GET', path);
  }

  post(path, body) {
    return this.ask('POST', path, body);
  }

  register(document) {
    return this.post('/workflows', { document: JSON.stringify(document) });
  }

  run(workflow, body = {}, query = '') {
    return this.post(`/workflows/${encodeURIComponent(workflow)}/runs${query}`, body);
  }
}

export async function browse() {
  const binary = process.env.CHROMIUM ?? '/usr/bin/chromium';
  return chromium.launch({
    executablePath: binary,
    // whoever ends the tests ends the browser with them
    handleSIGTERM: false,
    handleSIGINT: false,
    handleSIGHUP: false,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** A page whose errors and whose messages to the console end the test. */
export async function open(browser, server, path, { width = 1280, height = 900, scheme = 'light', ...rest } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, baseURL: server.url, ...rest });
  const page = await context.newPage();
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(`${error.stack}`));
  page.on('console', (message) => {
    // requests that fail are for the page to tell
    if (['error', 'warning'].includes(message.type()) && !message.text().startsWith('Failed to load resource')) page.faults.push(message.text());
  });
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(path);
  return page;
}

export async function close(page) {
  await page.context().close();
  if (page.faults.length > 0) throw new Error(page.faults.join('\n'));
}

export const axeSource = readFileSync(join(root, 'tests/page/node_modules/axe-core/axe.min.js'), 'utf8');

/** Findings of axe-core that are serious or critical. */
export async function findings(page) {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations.filter((it) => ['serious', 'critical'].includes(it.impact))
    .map((it) => `${it.id}: ${it.nodes.map((node) => `${node.target} ${node.failureSummary}`).slice(0, 3).join(' | ')}`);
}

/** Presses Tab until the focus is on `wanted`, as somebody without a mouse would. */
export async function tabTo(page, wanted, key = 'Tab') {
  for (let presses = 0; presses < 150; presses += 1) {
    if (await wanted.evaluate((it) => it === document.activeElement).catch(() => false)) return presses;
    await page.keyboard.press(key);
  }
  throw new Error(`no number of tabs leads to ${wanted}`);
}
