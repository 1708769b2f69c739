import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import axe from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { anOperator } from '../support/an-operator.ts';
import { NO_BROWSER, startBrowser } from '../support/chromium.ts';
import { serveConsole } from '../support/console-server.ts';
import { keepDeadLetter, keepDelivered, keepOne } from '../support/journal-steps.ts';
import { aClaim, anAttempt, aRecord, aRegistryEvent, DELIVERED } from '../support/records.ts';

/** Waits in the browser, milliseconds: a generous limit, as continuous integration is slow. */
const PATIENCE_MS = 30_000;

const PHONE = { viewport: { width: 390, height: 844 } };
const DARK = { colorScheme: 'dark' } as const;

/** A gateway's admin port with a delivered event (1), two dead letters (2, 3), a pending one (4) and others turned away. */
async function startRig() {
  const world = anOperator({
    explain: async () => ({ reason: 'No project subscribes.', nearest: ['project hello: type is delete there'] }),
  });
  const { clock, journal } = world;
  const now = clock.now();
  await keepDelivered(journal, aRecord('one', now));
  for (const name of ['two', 'three']) await keepDeadLetter(journal, aRecord(name, now), 'rejected');
  await keepOne(journal, aRecord('four', now));
  await journal.noteTurnedAway({
    counts: [{ minute: now - 60_000, reason: 'unauthenticated', count: 3 }],
    samples: [{ at: now, remoteAddress: '203.0.113.9', status: 403, reason: 'unauthenticated' }],
  });
  return { ...world, server: await serveConsole(world) };
}

type Rig = Awaited<ReturnType<typeof startRig>>;

const PATHS = [
  '/',
  '/events?state=lost',
  '/events/2',
  '/dead-letters',
  '/turned-away',
  '/redeliveries',
  '/redeliveries/new?state=delivered',
  '/settings',
  '/health',
  '/login',
];

const NO_OBSERVER = { attempted() {}, probed() {}, breakerOpened() {}, faulted() {} };
const COMPLETE = { kind: 'complete' } as const;

describe('the console in a browser', { skip: NO_BROWSER, concurrency: false }, () => {
  let browser: Browser;
  let rig: Rig;

  before(async () => {
    browser = await startBrowser();
  });

  after(() => browser.close());

  /** Runs with a page that is logged in; what it says to its console, and loads from elsewhere, is a failure. */
  async function withPage(options: BrowserContextOptions, run: (page: Page) => Promise<void>): Promise<void> {
    rig = await startRig();
    const baseURL = rig.server.address;
    const context = await browser.newContext({ baseURL, ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    const complaints: string[] = [];
    context.on('request', (request) => {
      if (!request.url().startsWith(`${baseURL}/`)) complaints.push(request.url());
    });
    context.on('dialog', () => complaints.push('a dialog'));
    context.on('weberror', (error) => complaints.push(String(error.error())));
    context.on('console', (message) => {
      // A page of an error has its status.
      if (message.type() === 'error' && !/status of 40\d/.test(message.text())) complaints.push(message.text());
    });
    try {
      const page = await context.newPage();
      await page.goto(rig.server.loginPath());
      await run(page);
      assert.deepEqual([complaints, rig.server.faults], [[], []]);
    } finally {
      await context.close();
      await rig.server.close();
    }
  }

  for (const [name, options] of Object.entries({ 'on a desk, light': {}, 'on a phone, dark': { ...PHONE, ...DARK } })) {
    it(`has no page in which axe finds a fault, or that is wider than the screen: ${name}`, async () => {
      await withPage(options, async (page) => {
        await rig.operator.pause({ name: 'alice', role: 'operate' });
        for (const path of PATHS) {
          await page.goto(path);
          await page.evaluate(axe.source);
          const { violations } = await page.evaluate(() => axe.run({ resultTypes: ['violations'] }));
          const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
          assert.deepEqual(found, [], path);
          assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, path);
        }
      });
    });
  }

  it('does everything without scripts', async () => {
    await withPage({ javaScriptEnabled: false }, async (page) => {
      const press = (name: string) => page.getByRole('button', { name }).click();
      const isShown = async (text: string) => assert.match(await page.innerText('main'), new RegExp(text));
      await press('Log out');
      await page.getByLabel('Admin token').fill('wrong');
      await press('Log in');
      await isShown('This is not an admin token');
      await page.getByLabel('Admin token').fill('alices-token');
      await press('Log in');

      await page.getByText('Pause deliveries…').click();
      await press('Pause deliveries');
      await isShown('paused since .* by alice');
      await press('Resume deliveries');
      assert.doesNotMatch(await page.innerText('main'), /paused since/);

      await page.getByRole('link', { name: 'Events', exact: true }).click();
      await page.getByLabel('State').selectOption('delivered');
      await press('Search');
      await page.getByRole('link', { name: 'team/hello-world:v1' }).click();
      await isShown('received from ci');
      await press('Redeliver');
      await isShown('pending');

      await page.goto('/dead-letters');
      await page.getByLabel('Select event 2').check();
      await press('Discard the selected');
      await isShown('discarded by alice');
      await page.goto('/dead-letters');
      await page.getByRole('link', { name: 'Redeliver everything that matches' }).click();
      await press('Redeliver 1 event');
      await isShown('of 1 event redelivered');

      for (const name of ['Turned away', 'Settings', 'Health']) {
        await page.getByRole('link', { name, exact: true }).click();
        await page.getByRole('heading', { name, exact: true }).waitFor();
      }
    });
  });

  it('is used by the keyboard alone', async () => {
    await withPage({}, async (page) => {
      const press = async (...keys: readonly string[]) => {
        for (const key of keys) await page.keyboard.press(key);
      };
      /** Goes on until the focus is there, and proves that it can be seen. */
      const tabTo = async (name: string) => {
        for (let steps = 0; steps < 60; steps += 1) {
          await press('Tab');
          const [label, outline] = await page.evaluate<[string, string]>(
            `[document.activeElement.ariaLabel ?? document.activeElement.textContent, getComputedStyle(document.activeElement).outlineStyle]`,
          );
          assert.notEqual(outline, 'none', label);
          if (label.trim() === name) return;
        }
        assert.fail(`the focus never reaches ${name}`);
      };
      await page.goto('/dead-letters');
      await tabTo('Skip to the content');
      await press('Enter');
      await tabTo('Select event 3');
      await press('Space');
      await tabTo('Discard the selected');
      await press('Enter');
      await page.getByText('discarded by alice').waitFor();
      await tabTo('Overview');
      await press('Enter');
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
      await tabTo('Pause deliveries…');
      await press('Enter');
      await tabTo('Pause deliveries');
      await press('Enter');
      await page.getByText('Deliveries are paused since').waitFor();
    });
  });

  it('shows what changes without a reload, and searches while you type', async () => {
    await withPage({}, async (page) => {
      const events = page.getByRole('link', { name: /^(?:team|other)\// });
      await page.goto('/events');
      assert.equal(await events.count(), 4);
      await page.getByLabel('Repository').fill('other/*');
      await page.getByText('No event matches.').waitFor();
      assert.match(page.url(), /repository=other/);
      const event = { ...aRegistryEvent('five'), repository: 'other/app' };
      const seq = await keepOne(rig.journal, aRecord('five', rig.clock.now(), { event }));
      rig.activity.ofDelivery(NO_OBSERVER).attempted(aClaim('five', { seq }), anAttempt(0, DELIVERED), COMPLETE, false);
      await events.waitFor();
      assert.equal(await events.textContent(), 'other/app:v1');
      await page.goto('/');
      await rig.operator.pause({ name: 'alice', role: 'operate' });
      await page.getByText('Deliveries are paused since').waitFor();
    });
  });

  it('keeps the selection while events arrive, and selects all events of a page', async () => {
    await withPage({}, async (page) => {
      await page.goto('/events');
      await page.getByLabel('Select all on this page').check();
      const selected = page.locator('[name=seq]:checked');
      assert.equal(await selected.count(), 4);
      await rig.operator.pause({ name: 'alice', role: 'operate' });
      await page.getByText('Deliveries are paused since').waitFor();
      assert.equal(await selected.count(), 4);
    });
  });

  it('runs nothing that a caller wrote', async () => {
    await withPage({}, async (page) => {
      const text = `</title></pre>"'><img src=x onerror="document.body.id='hacked'"><script>document.body.id='hacked'</script>`;
      const event = { ...aRegistryEvent('x'), repository: text, tag: text, registry: text, id: text };
      const raw = new TextEncoder().encode(JSON.stringify({ text }));
      const seq = await keepOne(
        rig.journal,
        aRecord('x', rig.clock.now(), { event, raw, headers: { 'user-agent': text } }),
      );
      for (const path of ['/events', `/events/${seq}`, `/events?${new URLSearchParams({ tag: text })}`]) {
        await page.goto(path);
        assert.equal(await page.locator('#hacked, img, main script').count(), 0);
        assert.ok((await page.content()).includes('&lt;img src=x'));
      }
    });
  });
});
