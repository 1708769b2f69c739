import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, suite, test } from 'node:test';
import { aGridEvent, aGridPush, EventGrid } from '../support/event-grid.ts';
import { anInstallation, type Env, type ServingGateway, serve, WEBHOOK_TOKEN } from '../support/serve-process.ts';
import { type Cleanup, StubBrigade } from '../support/stub-brigade.ts';
import { accept, aPush, eventOf, exchange, names } from '../support/webhooks.ts';

const AUTHORIZED = { authorization: `Bearer ${WEBHOOK_TOKEN}` };
const NEVER_ROOM: Env = { JOURNAL_RESERVE: '1TiB' };

async function aGrid(t: Cleanup, env: Env = {}) {
  const brigade = await StubBrigade.start(t);
  const installation = await anInstallation(t, brigade.address);
  const gateway = await serve(t, installation, env);
  return { brigade, installation, gateway, grid: aGridFor(gateway) };
}

function aGridFor(gateway: ServingGateway): EventGrid {
  return new EventGrid({ after }, { port: gateway.ingestPort, headers: AUTHORIZED });
}

/** Each of the events reaches Brigade once. */
async function assertOnce(brigade: StubBrigade, gateway: ServingGateway, ids: readonly string[]): Promise<void> {
  await brigade.untilTaken(...ids);
  const marker = `after-${ids[0]}`;
  await accept(gateway, aPush(marker));
  await brigade.untilTaken(marker);
  const sent = new Set(ids);
  assert.deepEqual(brigade.ids.filter((id) => sent.has(id)).toSorted(), ids.toSorted());
}

// One gateway for the tests that change nothing about it.
const { brigade, gateway } = await aGrid({ after });

test('a subscription is validated with exactly 200, with credentials and without', async () => {
  const grid = aGridFor(gateway);
  for (const headers of [AUTHORIZED, {}]) {
    const { status, text } = await grid.validate('code-1', headers);
    assert.deepEqual([status, text], [200, '{"validationResponse":"code-1"}']);
  }
  const { handshake, caller } = await gateway.process.line('handshake.answered');
  assert.deepEqual([handshake, caller], ['validation', 'ci']);
  assert.doesNotMatch(gateway.process.everything, /code-1|eventgrid\.azure\.net/);
});

test('a delivery needs credentials, even if handshakes do not', async () => {
  const grid = aGridFor(gateway);
  grid.headers = {};
  await grid.publish([aGridPush('without-credentials')]);
  assert.deepEqual([grid.statuses, grid.deadLettered], [[403], ['without-credentials']]);
});

test('every event of a batch reaches Brigade once, and its payload is the native object', async () => {
  const ids = names('event', 100);
  const events = ids.map((id) => aGridPush(id));
  await aGridFor(gateway).publish(events);
  await assertOnce(brigade, gateway, ids);
  const [first] = brigade.arrivalsOf('event-0');
  assert.deepEqual(JSON.parse(first?.event.payload ?? ''), events[0]?.data);
  assert.deepEqual(first?.event.qualifiers, { registry: 'example.azurecr.io' });
  assert.equal(first?.event.labels['region'], 'westeurope');
});

test('one unreadable and one oversized event among a hundred cost none of the others', async () => {
  const grid = aGridFor(gateway);
  const ids = names('neighbour', 98);
  const large = aGridPush('large', { padding: 'x'.repeat(600_000) });
  const seqBefore = await accept(gateway, aPush('before-the-batch'));
  await grid.publish([...ids.map((id) => aGridPush(id)), aGridEvent('broken', 'x'), large]);
  assert.deepEqual(grid.statuses, [200]);
  await assertOnce(brigade, gateway, ids);
  assert.equal((await eventOf(gateway, seqBefore + 99)).deadLetter?.reason, 'unreadable');
  assert.equal((await eventOf(gateway, seqBefore + 100)).deadLetter?.reason, 'rejected');
  const { eventCount, events } = await gateway.process.line('webhook.received', ({ level }) => level === 'warn');
  assert.equal(eventCount, 100);
  assert.match(JSON.stringify(events), /"reason":"unreadable"/);
});

suite('Event Grid', { concurrency: 3 }, () => {
  test('gets no answer to a handshake without credentials if HANDSHAKE_CREDENTIALS=required', async (t) => {
    const { grid, gateway } = await aGrid(t, { HANDSHAKE_CREDENTIALS: 'required' });
    assert.equal((await grid.validate('code-1', {})).status, 403);
    assert.equal((await grid.validate('code-1')).status, 200);
    const headers = { 'webhook-request-origin': 'eventgrid.azure.net' };
    const permission = (given: object) =>
      exchange(gateway.ingestPort, { method: 'OPTIONS', headers: { ...headers, ...given } });
    assert.equal((await permission({})).status, 403);
    assert.equal((await permission(AUTHORIZED)).headers['webhook-allowed-origin'], 'eventgrid.azure.net');
  });

  test('loses and repeats nothing while the journal is full and the gateway restarts', async (t) => {
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

  test('loses nothing while one token replaces another', async (t) => {
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
