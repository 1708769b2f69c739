import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { suite, test } from 'node:test';
import { aGridEvent, aGridPush, EventGrid } from '../support/event-grid.ts';
import { anInstallation, type Env, type ServingGateway, serve, WEBHOOK_TOKEN } from '../support/serve-process.ts';
import { type Cleanup, StubBrigade } from '../support/stub-brigade.ts';
import { accept, aPush, eventOf, exchange } from '../support/webhooks.ts';

const AUTHORIZED = { authorization: `Bearer ${WEBHOOK_TOKEN}` };
const NEVER_ROOM: Env = { JOURNAL_RESERVE: '1TiB' };

function names(prefix: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
}

async function aGrid(t: Cleanup, env: Env = {}) {
  const brigade = await StubBrigade.start(t);
  const installation = await anInstallation(t, brigade.address);
  const gateway = await serve(t, installation, env);
  const grid = new EventGrid(t, { port: gateway.ingestPort, headers: AUTHORIZED });
  return { brigade, installation, gateway, grid };
}

async function assertOnce(brigade: StubBrigade, gateway: ServingGateway, ids: readonly string[]): Promise<void> {
  await brigade.untilTaken(...ids);
  await accept(gateway, aPush('marker'));
  await brigade.untilTaken('marker');
  assert.deepEqual(brigade.ids.filter((id) => id !== 'marker').toSorted(), ids.toSorted());
}

suite('Event Grid', { concurrency: 4 }, () => {
  test('a subscription is validated with exactly 200, with credentials and without', async (t) => {
    const { grid, gateway } = await aGrid(t);
    for (const headers of [AUTHORIZED, {}]) {
      const { status, text } = await grid.validate('code-1', headers);
      assert.deepEqual([status, text], [200, '{"validationResponse":"code-1"}']);
    }
    const { handshake, caller } = await gateway.process.line('handshake.answered');
    assert.deepEqual([handshake, caller], ['validation', 'ci']);
    assert.doesNotMatch(gateway.process.everything, /code-1|eventgrid\.azure\.net/);
  });

  test('a delivery needs credentials, also where handshakes do not', async (t) => {
    const { grid } = await aGrid(t);
    grid.headers = {};
    await grid.publish([aGridPush('a')]);
    assert.deepEqual([grid.statuses, grid.deadLettered], [[403], ['a']]);
  });

  test('with HANDSHAKE_CREDENTIALS=required no handshake is answered to anonymousHandshakes', async (t) => {
    const { grid, gateway } = await aGrid(t, { HANDSHAKE_CREDENTIALS: 'required' });
    assert.equal((await grid.validate('code-1', {})).status, 403);
    assert.equal((await grid.validate('code-1')).status, 200);
    const headers = { 'webhook-request-origin': 'eventgrid.azure.net' };
    const permission = (given: object) =>
      exchange(gateway.ingestPort, { method: 'OPTIONS', headers: { ...headers, ...given } });
    assert.equal((await permission({})).status, 403);
    assert.equal((await permission(AUTHORIZED)).headers['webhook-allowed-origin'], 'eventgrid.azure.net');
  });

  test('every event of a batch reaches Brigade once, and its payload is the native object', async (t) => {
    const { brigade, gateway, grid } = await aGrid(t);
    const ids = names('event', 100);
    const events = ids.map((id) => aGridPush(id));
    await grid.publish(events);
    await assertOnce(brigade, gateway, ids);
    const [first] = brigade.arrivalsOf('event-0');
    assert.deepEqual(JSON.parse(first?.event.payload ?? ''), events[0]?.data);
    assert.deepEqual(first?.event.qualifiers, { registry: 'example.azurecr.io' });
    assert.equal(first?.event.labels['region'], 'westeurope');
  });

  test('one unreadable and one oversized event among a hundred cost none of the others', async (t) => {
    const { brigade, gateway, grid } = await aGrid(t);
    const ids = names('event', 98);
    const large = aGridPush('large', { padding: 'x'.repeat(600_000) });
    await grid.publish([...ids.map((id) => aGridPush(id)), aGridEvent('broken', 'x'), large]);
    assert.deepEqual(grid.statuses, [200]);
    await assertOnce(brigade, gateway, ids);
    assert.equal((await eventOf(gateway, 99)).deadLetter?.reason, 'unreadable');
    assert.equal((await eventOf(gateway, 100)).deadLetter?.reason, 'rejected');
    const { level, eventCount, events } = await gateway.process.line(
      'webhook.received',
      ({ level: it }) => it === 'warn',
    );
    assert.deepEqual([level, eventCount], ['warn', 100]);
    assert.match(JSON.stringify(events), /"reason":"unreadable"/);
  });

  test('nothing is dropped or repeated while the journal is full and the gateway is restarted', async (t) => {
    const { brigade, installation, gateway, grid } = await aGrid(t, NEVER_ROOM);
    const batches = [names('a', 100), names('b', 100), names('c', 1)];
    const published = Promise.all(batches.map((ids) => grid.publish(ids.map((id) => aGridPush(id)))));
    await grid.untilTried(503);
    await gateway.process.kill();
    await grid.untilTried(0);
    const next = await serve(t, installation);
    grid.port = next.ingestPort;
    await published;
    assert.deepEqual(grid.deadLettered, []);
    await assertOnce(brigade, next, batches.flat());
  });

  test('nothing is dropped while a token is replaced by another', async (t) => {
    const { brigade, installation, gateway, grid } = await aGrid(t);
    const write = (tokens: object) => writeFile(installation.tokensPath, JSON.stringify(tokens));
    const reloaded = (count: number) =>
      gateway.process.line('file.reloaded', () => gateway.process.linesOf('file.reloaded').length >= count);
    await grid.publish([aGridPush('old')]);
    await write({ ci: WEBHOOK_TOKEN, 'ci-next': 'the next token' });
    await reloaded(1);
    await grid.publish([aGridPush('both')]);
    grid.headers = { authorization: 'Bearer the next token' };
    await grid.publish([aGridPush('next')]);
    await write({ 'ci-next': 'the next token' });
    await reloaded(2);
    await grid.publish([aGridPush('last')]);
    assert.deepEqual([grid.deadLettered, grid.statuses], [[], [200, 200, 200, 200]]);
    await brigade.untilTaken('old', 'both', 'next', 'last');
  });
});
