import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { AnsweringServer, type React } from '../../../test/support/answering-server.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { aRegistryEvent } from '../../../test/support/records.ts';
import { HttpClient } from '../http-client.ts';
import { BrigadeSink } from './brigade.ts';

const EVENT = { ...aRegistryEvent('a'), registry: 'other.azurecr.io', repository: 'app' };
const UNMATCHED = 'no project subscribes to push other.azurecr.io/app:v1';

async function aRig(t: TestContext, react: React) {
  const server = await AnsweringServer.start(t, react);
  const client = new HttpClient({
    address: server.address,
    token: () => 'a-token',
    ca: undefined,
    ignoreCertErrors: false,
    now: () => 0,
  });
  const clock = new ManualClock();
  const sink = new BrigadeSink(client, clock);
  t.after(() => sink.close());
  return { server, clock, sink };
}

function aProject(id: string, registry: string, types = ['push']): object {
  const eventSubscriptions = [{ source: 'brigade.sh/acr', types, qualifiers: { registry } }];
  return { metadata: { id }, spec: { eventSubscriptions, workerTemplate: {} } };
}

function aPage(items: readonly unknown[], next?: string): string {
  return JSON.stringify({ kind: 'ProjectList', metadata: { ...(next && { continue: next }) }, items });
}

/** Answers with one page after the other, and then with the last one again. */
function pages(...bodies: readonly string[]): React {
  let asked = 0;
  return (response) => response.writeHead(200).end(bodies[Math.min(asked++, bodies.length - 1)]);
}

test('the subscriptions that differ least are found on all pages of projects', async (t) => {
  const first = aPage([aProject('one', 'x.azurecr.io', ['delete']), aProject('two', 'x.azurecr.io')], 'two');
  const second = aPage([aProject('three', 'OTHER.azurecr.io')]);
  const { server, sink } = await aRig(t, pages(first, second));
  assert.deepEqual(await sink.explain(EVENT), {
    reason: UNMATCHED,
    nearest: [
      'project three wants the qualifier registry "OTHER.azurecr.io", and the event has "other.azurecr.io": case matters',
      'project two wants the qualifier registry "x.azurecr.io", and the event has "other.azurecr.io"',
      'project one wants the type "delete", and the event has "push"; it wants the qualifier registry "x.azurecr.io", and the event has "other.azurecr.io"',
    ],
  });
  assert.deepEqual(
    server.asked.map(({ method, path }) => `${method} ${path}`),
    ['GET /v2/projects?limit=20&continue=', 'GET /v2/projects?limit=20&continue=two'],
  );
});

test('the projects are read once a minute, also for many events at once', async (t) => {
  const { server, sink, clock } = await aRig(t, pages(aPage([])));
  await Promise.all(Array.from({ length: 50 }, () => sink.explain(EVENT)));
  clock.advance(59_999);
  await sink.explain(EVENT);
  assert.equal(server.asked.length, 1);
  clock.advance(1);
  await sink.explain(EVENT);
  assert.equal(server.asked.length, 2);
});

test('a project that subscribes by now is named, with what to do', async (t) => {
  const { sink } = await aRig(t, pages(aPage([aProject('late', 'other.azurecr.io')])));
  const reason = 'project late subscribes to it now; redeliver the event to start it';
  assert.deepEqual(await sink.explain(EVENT), { reason, nearest: [] });
});

test('without the role READER the reason says how to grant it', async (t) => {
  const { sink } = await aRig(t, (response, { path }) => {
    if (path === '/v2/whoami') response.writeHead(200).end('{"type":"SERVICE_ACCOUNT","id":"gateway"}');
    else response.writeHead(403).end('{"kind":"AuthorizationError"}');
  });
  const { reason, nearest } = await sink.explain(EVENT);
  assert.ok(reason.startsWith(UNMATCHED));
  assert.match(reason, /: brig role grant READER --service-account gateway$/);
  assert.deepEqual(nearest, []);
});

test('a list of projects that never ends is read up to a thousand of them', async (t) => {
  const items = Array.from({ length: 20 }, (_, index) => aProject(`p-${index}`, 'x.azurecr.io'));
  const { server, sink } = await aRig(t, pages(aPage(items, 'again')));
  const { reason, nearest } = await sink.explain(EVENT);
  assert.equal(reason, `${UNMATCHED}, among the first 1000`);
  assert.equal(nearest.length, 3);
  assert.equal(server.asked.length, 50);
});

for (const [what, status, body] of [
  ['that is not a list', 200, '[]'],
  ['that is not JSON', 200, '<html>'],
  ['whose items are none', 200, '{"kind":"ProjectList","items":{}}'],
  ['with another status', 500, ''],
] as const) {
  test(`an answer ${what} explains nothing, and says so`, async (t) => {
    const { sink } = await aRig(t, (response) => response.writeHead(status).end(body));
    const reason = `${UNMATCHED}; the projects cannot be read: Brigade answered ${status}`;
    assert.deepEqual(await sink.explain(EVENT), { reason, nearest: [] });
  });
}

test('projects of any form are read without a fault', async (t) => {
  const odd = [null, 1, {}, { spec: 1 }, { spec: { eventSubscriptions: [null, 1, { types: 'x', labels: [1] }] } }];
  const { sink } = await aRig(t, pages(aPage(odd)));
  assert.equal((await sink.explain(EVENT)).reason, UNMATCHED);
});

test('a Brigade that cannot be reached explains nothing, and says so', async (t) => {
  const { sink } = await aRig(t, (response) => response.socket?.resetAndDestroy());
  assert.match((await sink.explain(EVENT)).reason, /; the projects cannot be read: ECONNRESET/);
});

test('an event that Brigade could not take at all is not looked for', async (t) => {
  const { server, sink } = await aRig(t, pages(aPage([])));
  const { reason } = await sink.explain({ ...EVENT, registry: 'not legal' });
  assert.match(reason, /; the registry is not legal as a qualifier$/);
  assert.equal(server.asked.length, 0);
});
