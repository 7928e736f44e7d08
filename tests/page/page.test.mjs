// What somebody does with the page, done in a browser on a real server.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Server, browse, close, findings, open, tabTo, until } from './harness.mjs';

let browser;
let server;

const call = (id, plugin, method, parameters = {}, rest = {}) => ({ id, plugin, method, parameters, ...rest });
const steps = (...list) => list;

before(async () => {
  [browser, server] = await Promise.all([browse(), Server.start()]);
  await server.register({
    id: 'order', version: '1.0.0', name: 'Order', mode: 'parallel',
    input_schema: { type: 'object', required: ['customer', 'amount'], properties: {
      customer: { type: 'string', description: 'Who orders.' }, amount: { type: 'integer', minimum: 1, maximum: 100 },
      express: { type: 'boolean', default: false }, method: { enum: ['card', 'invoice'], default: 'card' }, file: { type: 'string', pattern: '^/' } } },
    steps: steps(call('check', 'echo', 'sleep', { ms: 700 }), call('stock', 'echo', 'sleep', { ms: 900 }, { dependencies: ['check'] }),
      { id: 'note', type: 'log', message: 'for ${input.customer}', level: 'warn', dependencies: ['check'] },
      call('paper', 'fs', 'read', { path: '${input.file}' }, { dependencies: ['stock'] }), call('mail', 'echo', 'noop', {}, { dependencies: ['paper'] })),
  });
  await server.register({ id: 'approval', version: '1.0.0', steps: steps(call('ask', 'echo', 'echo', { a: 1 }, { status: { phase: 'asking' } }),
    { id: 'answer', type: 'wait_for_event', event: 'approved', timeout: '10m' }, call('done', 'echo', 'echo', { by: '${steps.answer.output}' })) });
  await server.register({ id: 'sleepy', version: '1.0.0', steps: steps({ id: 'nap', type: 'wait', duration: '10m' }) });
  await server.register({ id: 'quick', version: '1.0.0', steps: steps(call('a', 'echo', 'noop')) });
  await server.register({ id: 'crasher', version: '1.0.0', steps: steps(call('boom', 'fault', 'segfault', {}, { isolation: 'worker' })) });
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const status = (page, word) => page.locator('.facts .status', { hasText: word });

test('a run is started from the form, watched to its end, and retried from its failed step', async () => {
  const file = join(server.dir, 'order.txt');
  const page = await open(browser, server, '/ui/workflows/order');
  await page.getByRole('button', { name: 'Start the run' }).click();
  await page.getByText('is required').first().waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'input-customer');
  await page.getByLabel('customer').fill('Ada');
  await page.getByLabel('amount').fill('101');
  await page.getByLabel('file').fill('order.txt');
  await page.getByRole('button', { name: 'Start the run' }).click();
  await page.getByText('is more than 100').waitFor();
  await page.getByLabel('amount').fill('5');
  // the pattern is for the server to check, and its answer stands at the field
  await page.getByRole('button', { name: 'Start the run' }).click();
  await until(() => page.locator('#input-file-error').isVisible(), 'the server says what is wrong with the file');
  await page.getByLabel('file').fill(file);
  await page.getByRole('button', { name: 'Start the run' }).click();

  await page.waitForURL(/\/ui\/runs\//);
  await page.locator('.box.is-running[data-id="check"]').waitFor();
  await page.locator('.box.is-completed[data-id="check"]').waitFor();
  await page.locator('.box.is-running[data-id="stock"]').waitFor();
  await status(page, 'failed').waitFor();
  await page.locator('.box[data-id="paper"]').click();
  const panel = page.getByRole('complementary', { name: 'Step paper' });
  await panel.getByText('order.txt').first().waitFor();
  await panel.getByText('step failed').waitFor();

  writeFileSync(file, 'paper');
  await page.getByRole('button', { name: 'Retry…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Retry' }).click();
  await status(page, 'completed').waitFor();
  await panel.getByText('paper').first().waitFor();
  // log lines are among the records, as text
  await page.getByRole('tab', { name: 'Records' }).click();
  await page.getByText('warn: for Ada').waitFor();
  await page.getByText('run retried').waitFor();
  await close(page);
});

test('a run is cancelled, and another approved by the event that it waits for', async () => {
  await server.run('sleepy', { run_id: 'tired' });
  await server.run('approval', { run_id: 'asks' });
  const page = await open(browser, server, '/ui/runs/tired');
  await page.getByRole('button', { name: 'Cancel…' }).click();
  await page.getByLabel('Reason').fill('enough');
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel the run' }).click();
  await status(page, 'cancelled').waitFor();
  await page.getByText('enough').first().waitFor();

  await page.goto('/ui/runs/asks?step=answer');
  await page.getByText('"phase":"asking"').waitFor();
  await page.getByRole('button', { name: 'Send the event…' }).click();
  assert.equal(await page.getByRole('textbox', { name: 'Event' }).inputValue(), 'approved');
  await page.getByLabel('Data').fill('not json');
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await page.getByRole('alert').getByText('is no JSON').waitFor();
  await page.getByLabel('Data').fill('{"by": "Grace"}');
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await status(page, 'completed').waitFor();
  assert.equal((await server.get('/runs/asks')).steps.done.output.by.by, 'Grace');
  await close(page);
});

test('the list is filtered, and paged without losing the place', async () => {
  for (let nth = 0; nth < 70; nth += 1) await server.run('quick', { run_id: `quick-${String(nth).padStart(2, '0')}` }, '?wait=5s');
  const page = await open(browser, server, '/');
  const rows = page.locator('tbody tr');
  await page.getByLabel('Workflow').fill('quick');
  await page.waitForURL(/workflow=quick/);
  await until(async () => /^quick/.test(await rows.first().locator('.id').innerText()), 'only those');
  await until(async () => (await rows.count()) === 50, 'a full page');
  await page.getByRole('button', { name: 'Older' }).click();
  await until(async () => (await rows.count()) === 20, 'the rest');
  assert.match(await rows.last().innerText(), /quick-00/);
  await server.run('quick', { run_id: 'quick-new' }, '?wait=5s');
  await new Promise((wake) => setTimeout(wake, 2500));
  assert.match(await rows.last().innerText(), /quick-00/, 'a new run moves nothing here');
  await page.getByRole('button', { name: 'Newer' }).click();
  await page.getByRole('link', { name: 'quick-new' }).waitFor();
  await page.getByLabel('Workflow').fill('');
  await page.waitForURL((url) => !url.search.includes('workflow'));
  await page.getByRole('button', { name: 'cancelled' }).click();
  await until(async () => (await rows.count()) === 1, 'the cancelled one');
  assert.match(await rows.first().innerText(), /tired/);
  await page.getByRole('button', { name: 'cancelled' }).click();
  await page.getByLabel('Search').fill('no such run');
  await page.getByText('No run fits.').waitFor();
  await page.getByRole('button', { name: 'Show all runs' }).click();
  await until(async () => (await rows.count()) === 50, 'all');
  // live: one that starts now appears by itself
  await server.run('quick', { run_id: 'by-itself' });
  await page.getByRole('link', { name: 'by-itself' }).waitFor();
  await close(page);
});

test('a schedule is added, triggered, paused, resumed and removed', async () => {
  const page = await open(browser, server, '/ui/schedules');
  await page.getByRole('button', { name: 'Add a schedule…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Workflow').selectOption('quick');
  await dialog.getByLabel('Id').fill('weekdays');
  await dialog.locator('#s-when').fill('wrong');
  await dialog.getByRole('button', { name: 'Add' }).click();
  await dialog.getByRole('alert').waitFor();
  await dialog.locator('#s-when').fill('30 8 * * MON-FRI');
  await dialog.getByRole('button', { name: 'Add' }).click();
  await page.getByRole('cell', { name: '30 8 * * MON-FRI' }).waitFor();
  await page.getByRole('button', { name: 'Next starts of weekdays' }).click();
  await until(async () => (await page.getByRole('region', { name: 'Next starts of weekdays' }).getByRole('listitem').count()) === 10, 'ten times');
  await page.getByRole('button', { name: 'Trigger weekdays' }).click();
  await page.getByRole('button', { name: 'Start a run now' }).click();
  await page.getByRole('link', { name: /^weekdays@/ }).waitFor();
  await page.getByRole('button', { name: 'Pause weekdays' }).click();
  await page.getByLabel('Reason').fill('holiday');
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  await page.getByText('holiday').waitFor();
  await page.getByRole('button', { name: 'Resume weekdays' }).click();
  await page.getByRole('button', { name: 'Pause weekdays' }).waitFor();
  await page.getByRole('link', { name: /^weekdays@/ }).click();
  await status(page, 'completed').waitFor();
  await page.goto('/ui/schedules');
  await page.getByRole('button', { name: 'Remove weekdays' }).click();
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByText('There are no schedules.').waitFor();
  await close(page);
});

test('a quarantined plugin is shown with the reason, and let out', async () => {
  await until(() => server.run('crasher', {}, '?wait=10s').then(() => false, () => true), 'it is quarantined');
  const page = await open(browser, server, '/ui/plugins');
  const problem = page.getByRole('listitem').filter({ hasText: 'Quarantined' });
  await problem.getByText(/crashed within .* signal 11/).waitFor();
  await problem.getByRole('button', { name: 'Let it out' }).click();
  await page.getByRole('link', { name: 'fault', exact: true }).click();
  await page.getByRole('heading', { name: 'Plugin fault' }).waitFor();
  await page.getByText('segfault').first().click();
  await page.getByRole('region', { name: 'Schema of the parameters of segfault' }).waitFor();
  await close(page);
});

test('a document is checked with places, drawn and registered', async () => {
  const page = await open(browser, server, '/ui/new');
  const box = page.getByLabel('Document');
  await box.fill('{\n  "id": "mine",\n  "steps": [{ "id": "a", "plugin": "echo", "method": "nop" }]\n}');
  await page.getByRole('button', { name: 'Check' }).click();
  await page.getByText('The document is not valid.').waitFor();
  await page.getByRole('button', { name: /^line 3:/ }).click();
  const line = await box.evaluate((it) => it.value.slice(0, it.selectionStart).split('\n').length);
  assert.equal(line, 3);
  await page.getByRole('button', { name: 'Draw' }).click();
  await page.locator('.box[data-id="a"]').waitFor();
  await box.fill((await box.inputValue()).replace('nop', 'noop'));
  await page.getByRole('button', { name: 'Register' }).click();
  await page.getByRole('link', { name: /^mine / }).click();
  await page.getByRole('heading', { name: 'Workflow mine' }).waitFor();
  await close(page);
});

test('the main path needs no mouse', async () => {
  const page = await open(browser, server, '/');
  await page.getByRole('heading', { name: 'Runs' }).waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await tabTo(page, page.getByRole('link', { name: 'Workflows' }), 'Shift+Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Workflows' }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'heading', 'the focus goes where the link has led');
  await tabTo(page, page.getByRole('link', { name: 'approval', exact: true }));
  await page.keyboard.press('Enter');
  await tabTo(page, page.getByRole('button', { name: 'Start the run' }));
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/ui\/runs\//);
  await page.locator('.box.is-waiting[data-id="answer"]').waitFor();
  await tabTo(page, page.locator('.box rect[tabindex="0"]'));
  await page.keyboard.press('ArrowDown');
  assert.equal(await page.evaluate(() => document.activeElement.parentNode.dataset.id), 'answer');
  await page.keyboard.press('Enter');
  await tabTo(page, page.getByRole('button', { name: 'Send the event…' }));
  await page.keyboard.press('Enter');
  await tabTo(page, page.getByRole('button', { name: 'Send', exact: true }));
  await page.keyboard.press('Enter');
  await status(page, 'completed').waitFor();
  await tabTo(page, page.getByRole('tab', { name: 'Graph' }), 'Shift+Tab');
  await page.keyboard.press('ArrowRight');
  await page.getByRole('tab', { name: 'Timeline', selected: true }).waitFor();
  await close(page);
});

test('the server is killed and comes back: the page goes on and misses no record', async () => {
  const naps = Array.from({ length: 12 }, (_, nth) => ({ id: `nap${nth}`, type: 'wait', duration: '400ms' }));
  await server.register({ id: 'naps', version: '1.0.0', steps: naps });
  await server.run('naps', { run_id: 'long' });
  const page = await open(browser, server, '/ui/runs/long?tab=records');
  await page.locator('.line.is-live').waitFor();
  await page.getByText('step completed').first().waitFor();
  await server.kill();
  await page.locator('.line.is-lost').waitFor();
  await page.getByText('the server does not answer').waitFor();
  await server.up();
  await page.locator('.line.is-live').waitFor();
  await status(page, 'completed').waitFor();
  const { records } = await server.get('/runs/long/history');
  const shown = page.locator('td[data-label="No."]');
  await until(async () => (await shown.count()) === records.length, 'all records');
  const numbers = (await shown.allInnerTexts()).map(Number).reverse();
  assert.deepEqual(numbers, records.map((it) => it.seq));
  await close(page);
});

const views = (run) => ['/', '/?status=paused', `/ui/runs/${run}`, `/ui/runs/${run}?tab=timeline&step=note`, `/ui/runs/${run}?tab=steps`, `/ui/runs/${run}?tab=records`, `/ui/runs/${run}?tab=document`,
  '/ui/workflows', '/ui/workflows/order', '/ui/workflows/order?tab=graph', '/ui/workflows/order?tab=runs', '/ui/new', '/ui/plugins', '/ui/plugins/fault', '/ui/schedules', '/ui/system', '/ui/nothing'];

async function failedOrder() {
  const run = await server.run('order', { input: { customer: 'Ada', amount: 1, file: '/nothing/here' } }, '?wait=20s');
  assert.equal(run.status, 'failed');
  return run.run_id;
}

test('axe-core finds nothing serious, in light and in dark', async () => {
  const run = await failedOrder();
  await server.post('/schedules', { workflow: 'quick', id: 'shown', schedule: { every: '1h' } });
  const asked = { Cancel: '/ui/runs/open', Retry: `/ui/runs/${run}`, Fork: `/ui/runs/${run}`, Trigger: '/ui/schedules', 'Add a schedule': '/ui/schedules' };
  await server.run('sleepy', { run_id: 'open' });
  for (const scheme of ['light', 'dark']) {
    const page = await open(browser, server, '/', { scheme });
    for (const view of [...views(run), '/ui/runs/open']) {
      await page.goto(view);
      await page.locator('#heading').waitFor();
      await until(async () => (await page.getByText('Loading…').count()) + (await page.getByText('Drawing…').count()) === 0, 'it is loaded');
      assert.deepEqual(await findings(page), [], `${view} in ${scheme}`);
    }
    for (const [name, view] of Object.entries(asked)) {
      await page.goto(view);
      await page.getByRole('button', { name }).first().click();
      await page.getByRole('dialog').waitFor();
      assert.deepEqual(await findings(page), [], `${name} in ${scheme}`);
    }
    await close(page);
  }
});

test('at 400 % zoom nothing scrolls sideways', async () => {
  const run = await failedOrder();
  const page = await open(browser, server, '/', { width: 320, height: 600 });
  for (const view of views(run)) {
    await page.goto(view);
    await page.locator('#heading').waitFor();
    await until(async () => (await page.getByText('Loading…').count()) === 0, 'it is loaded');
    const wide = await page.evaluate(() => [document.documentElement.scrollWidth, ...[...document.querySelectorAll('main *')]
      .filter((it) => !it.closest('.canvas, pre, .hidden, thead') && it.getBoundingClientRect().right > 321).map((it) => `${it.tagName}.${it.className}`)]);
    assert.deepEqual(wide, [320], view);
  }
  await close(page);
});

test('script in any field stays text', async () => {
  const evil = "<img src=x onerror='window.ran=1'><script>window.ran=1</script>";
  const said = (text) => `${evil}${text}`;
  await server.register({ id: 'evil', version: '1.0.0', name: said('name'), description: said('description'),
    input_schema: { type: 'object', properties: { [said('field')]: { type: 'string', title: said('title'), description: said('hint'), default: said('default'), enum: [said('default')] } } },
    steps: steps(call('told', 'echo', 'echo', { [said('key')]: said('output') }, { name: said('label'), status: said('status'), description: said('step') }),
      { id: 'line', type: 'log', message: said('line'), data: { a: said('data') } },
      { id: 'asked', type: 'wait_for_event', event: said('event'), timeout: '10m' },
      { id: 'bad', type: 'fail', error: { type: 'own.kind', message: said('message'), details: { a: said('details') } } }) });
  const id = said('run').replaceAll(' ', '-');
  await server.run('evil', { run_id: id });
  await until(async () => (await server.get(`/runs/${encodeURIComponent(id)}`)).status === 'waiting', 'it waits');
  await server.post('/schedules', { workflow: 'evil', id: id.slice(0, 128), schedule: { on_event: said('schedule') } });
  await server.post(`/schedules/${encodeURIComponent(id.slice(0, 128))}/pause`, { reason: said('paused') });
  const run = `/ui/runs/${encodeURIComponent(id)}`;
  const page = await open(browser, server, '/');
  const look = async (list) => {
    for (const [view, text] of list) {
      await page.goto(view);
      await page.getByText(text).first().waitFor();
      assert.equal(await page.evaluate(() => [window.ran, document.querySelectorAll('img, main script').length].join()), ',0', view);
    }
  };
  await look([['/', id], [run, said('status')], [`${run}?step=told`, said('output')], [`${run}?tab=records`, said('line')], [`${run}?step=asked`, said('event')], [`${run}?tab=document`, said('description')],
    ['/ui/workflows/evil', said('description')], ['/ui/workflows/evil?tab=graph', said('label').slice(0, 12)], ['/ui/schedules', said('paused')], [`/ui/plugins/${encodeURIComponent(evil)}`, evil]]);
  await server.post(`/runs/${encodeURIComponent(id)}/signal`, { name: said('event'), data: said('told') });
  await look([[run, said('message')], [`${run}?tab=steps`, said('message')], [`${run}?step=bad`, said('details')], [`${run}?tab=timeline`, 'told']]);
  await close(page);
});

test('a workflow of 500 steps is drawn and stays usable', async () => {
  const list = Array.from({ length: 500 }, (_, nth) => call(`m${nth}`, 'echo', 'noop', {}, nth > 0 ? { dependencies: [...new Set([`m${Math.floor((nth - 1) / 3)}`, `m${Math.max(0, nth - 7)}`])] } : {}));
  await server.register({ id: 'mesh', version: '1.0.0', mode: 'parallel', steps: list });
  await server.run('mesh', { run_id: 'mesh' }, '?wait=20s');
  const page = await open(browser, server, '/ui/runs/mesh');
  await until(async () => (await page.locator('.box.is-completed').count()) === 500, 'all boxes');
  await page.locator('.box[data-id="m0"] rect').focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.getByRole('complementary').waitFor();
  await page.getByRole('button', { name: 'Larger' }).click();
  await page.getByRole('tab', { name: 'Steps' }).click();
  await until(async () => (await page.locator('tbody tr').count()) === 500, 'all rows');
  await close(page);
});

test('with tokens the page asks to sign in, and goes where it was to go; a revoked token asks again', async () => {
  const own = await Server.start();
  try {
    own.command('token', 'create', 'setup', '--scope', 'admin');
    const token = own.command('token', 'create', 'reader', '--scope', 'read').match(/jf_\S+/)[0];
    const page = await open(browser, own, '/ui/plugins/echo');
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    assert.deepEqual(await findings(page), []);
    await page.getByLabel('Token').fill('jf_wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Token').fill(token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Plugin echo' }).waitFor();
    // a reader is told what it may not do
    await page.goto('/ui/new');
    await page.getByRole('button', { name: 'Begin with an example' }).click();
    await page.getByRole('button', { name: 'Check' }).click();
    await page.getByText('The document is valid.').waitFor();
    await page.getByRole('button', { name: 'Register' }).click();
    await page.getByRole('alert').getByText('admin').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.reload();
    await page.getByLabel('Token').fill(token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Check or register' }).waitFor();
    await page.goto('/ui/system');
    await page.getByText('Since the start of the process').waitFor();
    own.command('token', 'revoke', 'reader');
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await close(page);
  } finally {
    await own.stop();
  }
});

test('the page is served with a policy that lets nothing inline and nothing foreign run', async () => {
  const answer = await fetch(`${server.url}/ui/runs`);
  assert.match(answer.headers.get('content-security-policy'), /script-src 'self'/);
});
