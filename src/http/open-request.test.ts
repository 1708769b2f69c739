import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  AUTHORIZED,
  aServer,
  head,
  Peer,
  receiveAnything,
  type TestServer,
} from '../../test/support/ingest-test-server.ts';
import type { Receive, Reception } from '../receive/incoming-webhook.ts';
import type { Limits } from './limits.ts';

const OTHER = { authorization: 'Bearer other' };

async function post(server: TestServer, headers: Readonly<Record<string, string>>, bytes = 1): Promise<number> {
  const answer = await fetch(`${server.url}/events`, { method: 'POST', headers, body: 'x'.repeat(bytes) });
  await answer.bytes();
  return answer.status;
}

/** Resolves when the answer has that status. Until the server has read what others sent, it has another one. */
async function untilStatus(status: number, send: () => Promise<number>): Promise<void> {
  while ((await send()) !== status);
}

/** A server that does not answer a webhook with the text `slow` before the test lets it. */
async function aSlowServer(t: TestContext, limits: Partial<Limits>) {
  const gate = Promise.withResolvers<void>();
  const receive: Receive = async (webhook) => {
    const reception = await receiveAnything(webhook);
    if (reception.answer.kind === 'receipt' && reception.answer.events[0]?.id === 'slow') await gate.promise;
    return reception;
  };
  const server = await aServer(t, { receive, limits });
  const slow = () => new Peer(server).send(`${head('Content-Length: 4', 'Connection: close')}slow`);
  return { server, slow, goOn: () => gate.resolve() };
}

test('a caller may have as many webhooks in flight as its limit, and one more is a 429 for that caller', async (t) => {
  const { server, slow, goOn } = await aSlowServer(t, { maxCallerRequests: 2 });
  const pending = [slow(), slow()];
  await untilStatus(429, () => post(server, AUTHORIZED));
  const answer = await fetch(`${server.url}/events`, { method: 'POST', headers: AUTHORIZED, body: 'a' });
  assert.equal(answer.headers.get('retry-after'), '5');
  assert.equal(await answer.text(), '{"status":"unavailable"}');
  assert.equal(server.observed.records.at(-1)?.answer?.kind, 'too-many');
  assert.equal(await post(server, OTHER), 200);
  goOn();
  for (const peer of pending) assert.match(await peer.readAll(), /200 OK.*"id":"slow"/s);
  assert.equal(await post(server, AUTHORIZED), 200);
});

test('a webhook whose client has gone is in flight until it is received', async (t) => {
  const { server, slow, goOn } = await aSlowServer(t, { maxCallerRequests: 1 });
  const peer = slow();
  await untilStatus(429, () => post(server, AUTHORIZED));
  peer.socket.resetAndDestroy();
  // The server sees the reset before a connection that is made after it.
  await fetch(`${server.url}/healthz`);
  assert.equal(await post(server, AUTHORIZED), 429);
  goOn();
  await untilStatus(200, () => post(server, AUTHORIZED));
});

test('a webhook whose answer is not read is in flight until its connection closes', async (t) => {
  const event = { id: 'x'.repeat(1_000), action: 'push', result: { kind: 'accepted', seq: 1 } } as const;
  const receive = async (webhook: Parameters<Receive>[0]): Promise<Reception> => {
    const reception = await receiveAnything(webhook);
    if (webhook.headers['x-long'] === undefined || reception.answer.kind !== 'receipt') return reception;
    return { caller: 'tester', answer: { kind: 'receipt', events: Array.from({ length: 20_000 }, () => event) } };
  };
  const server = await aServer(t, { receive, limits: { maxCallerRequests: 1 } });
  const peer = new Peer(server).send(head('Content-Length: 0', 'X-Long: yes'));
  peer.socket.pause();
  await server.observed.until(({ records }) => records.length === 1);
  assert.equal(await post(server, AUTHORIZED), 429);
  peer.socket.destroy();
  await untilStatus(200, () => post(server, AUTHORIZED));
});

test('bytes that a client declares but does not send are not charged', async (t) => {
  const called = Promise.withResolvers<void>();
  let calls = 0;
  const server = await aServer(t, {
    limits: { maxBodyBytes: 100, maxBodyBytesInFlight: 100 },
    receive: (webhook) => {
      const reception = receiveAnything(webhook);
      calls += 1;
      if (calls === 5) called.resolve();
      return reception;
    },
  });
  for (let count = 0; count < 5; count++) new Peer(server).send(`${head('Content-Length: 100')}a`);
  await called.promise;
  assert.equal(await post(server, OTHER, 90), 200);
});

test('the bodies of a caller may have as many bytes as its share, and one more is a 503 for that caller', async (t) => {
  const server = await aServer(t, { limits: { maxBodyBytes: 60, maxCallerBodyBytes: 100, lingerMs: 20 } });
  new Peer(server).send(`${head('Content-Length: 60')}${'x'.repeat(59)}`);
  await untilStatus(503, () => post(server, AUTHORIZED, 42));
  assert.equal(await post(server, AUTHORIZED, 41), 200);
  assert.equal(await post(server, OTHER, 60), 200);
});

test('a caller with no more than one body gets it from the reserve, however much the others hold', async (t) => {
  const limits = { maxBodyBytes: 20, maxBodyBytesInFlight: 100, maxCallerBodyBytes: 90, lingerMs: 20 };
  const server = await aServer(t, { limits });
  for (let count = 0; count < 5; count++) new Peer(server).send(`${head('Content-Length: 20')}${'x'.repeat(15)}`);
  await untilStatus(503, () => post(server, AUTHORIZED));
  assert.equal(await post(server, OTHER, 20), 200);
});

/** A validation without credentials of which only `sent` bytes arrive. */
function aValidation(server: TestServer, host: number, sent: number, declared = sent): Peer {
  const header = `Aeg-Event-Type: SubscriptionValidation\r\nContent-Length: ${declared}`;
  const text = `POST /events HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n${'x'.repeat(sent)}`;
  return new Peer(server, { localAddress: `127.0.0.${host}` }).send(text);
}

async function validationStatus(server: TestServer, host: number, bytes: number): Promise<number> {
  const answer = await aValidation(server, host, bytes).readAll();
  return Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1]);
}

test('bodies of anonymous handshakes from one address have a share, which callers and other addresses do not feel', async (t) => {
  const limits = {
    maxAnonymousBodyBytes: 40_000,
    maxAnonymousBodyBytesPerAddress: 10_000,
    maxBodyBytesInFlight: 10_000,
  };
  const server = await aServer(t, { limits });
  aValidation(server, 1, 6_000, 7_000);
  await untilStatus(503, () => validationStatus(server, 1, 4_001));
  assert.equal(await validationStatus(server, 1, 4_000), 200);
  assert.equal(await validationStatus(server, 2, 10_000), 200);
  assert.equal(await post(server, AUTHORIZED, 10_000), 200);
});

test('a small anonymous handshake is answered, however much others hold', async (t) => {
  const limits = { maxAnonymousBodyBytes: 40_000, maxAnonymousBodyBytesPerAddress: 10_000 };
  const server = await aServer(t, { limits });
  for (const host of [1, 2, 3]) aValidation(server, host, 10_000, 10_001);
  await untilStatus(503, () => validationStatus(server, 4, 4_097));
  assert.equal(await validationStatus(server, 4, 4_096), 200);
});
