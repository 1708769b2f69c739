import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { test } from 'node:test';
import { aServer, aSlowReceive, head, IN_ORDER, Peer, type TestServer } from '../../test/support/ingest-test-server.ts';
import type { Reception } from '../receive/incoming-webhook.ts';

const HEALTH = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n';

/** A connection from 127.0.0.`host` that has sent nothing. */
async function aConnection(server: TestServer, host = 1): Promise<Peer> {
  const peer = new Peer(server, { localAddress: `127.0.0.${host}` });
  await once(peer.socket, 'connect');
  return peer;
}

/** A connection on which a webhook was answered. */
async function anAuthenticatedConnection(server: TestServer, host = 1): Promise<Peer> {
  const peer = await aConnection(server, host);
  await answered(peer);
  return peer;
}

/** Sends a webhook, which is answered. */
async function answered(peer: Peer, id = 'one'): Promise<void> {
  await peer.send(`${head(`Content-Length: ${id.length}`)}${id}`).read(new RegExp(`"id":"${id}"`));
}

test('an address may exceed its share while there is room', async (t) => {
  const server = await aServer(t, { limits: { ...IN_ORDER, maxConnections: 3, connectionsPerAddress: 1 } });
  for (const peer of [await aConnection(server), await aConnection(server), await aConnection(server)])
    await answered(peer);
  assert.deepEqual(server.observed.rejections, []);
});

test('without room, an address beyond its share loses its oldest connection, and others lose none', async (t) => {
  const server = await aServer(t, { limits: { ...IN_ORDER, maxConnections: 4, connectionsPerAddress: 2 } });
  const others = [await aConnection(server, 2)];
  const [first, second, third] = [await aConnection(server), await aConnection(server), await aConnection(server)];
  others.push(await aConnection(server, 3));
  assert.equal(await first.readAll(), '');
  for (const peer of [...others, second, third]) await answered(peer);
  assert.deepEqual(server.observed.rejections, ['too-many-connections']);
});

test('without room, an address beyond its share loses its idle connections before others lose anonymous ones', async (t) => {
  const server = await aServer(t, { limits: { ...IN_ORDER, maxConnections: 4, connectionsPerAddress: 2 } });
  const other = await aConnection(server, 2);
  const greedy = [await anAuthenticatedConnection(server), await anAuthenticatedConnection(server)];
  greedy.push(await anAuthenticatedConnection(server));
  const late = await aConnection(server, 3);
  await greedy[0]?.readAll();
  for (const peer of [other, late]) await answered(peer);
});

test('there may be as many connections as the limit, and one more closes the oldest anonymous one', async (t) => {
  const server = await aServer(t, { limits: { ...IN_ORDER, maxConnections: 3 } });
  const [first, second, third] = [
    await anAuthenticatedConnection(server, 1),
    await aConnection(server, 2),
    await aConnection(server, 3),
  ];
  assert.deepEqual(server.observed.rejections, []);
  const fourth = await aConnection(server, 4);
  assert.equal(await second.readAll(), '');
  for (const peer of [first, third, fourth]) await answered(peer, 'two');
  assert.deepEqual(server.observed.rejections, ['too-many-connections']);
});

test('where all connections are idle, the one that was used least recently makes room', async (t) => {
  const server = await aServer(t, { limits: { ...IN_ORDER, maxConnections: 2 } });
  const first = await anAuthenticatedConnection(server);
  const second = await anAuthenticatedConnection(server);
  await answered(first, 'two');
  const third = await aConnection(server);
  await second.readAll();
  await answered(first, 'three');
  await answered(third);
});

test('idle connections keep at most half of the total from anonymous ones', async (t) => {
  const server = await aServer(t, { limits: { ...IN_ORDER, maxConnections: 4 } });
  const idle = [await anAuthenticatedConnection(server), await anAuthenticatedConnection(server)];
  idle.push(await anAuthenticatedConnection(server));
  const anonymous = await aConnection(server);
  await aConnection(server);
  await idle[0]?.readAll();
  await answered(anonymous);
});

test('a connection with an authenticated webhook in flight never makes room, and a new one is closed', async (t) => {
  for (const connectionsPerAddress of [1, 0]) {
    const slow = aSlowReceive('answering');
    const server = await aServer(t, {
      limits: { ...IN_ORDER, maxConnections: 1, connectionsPerAddress },
      receive: slow.receive,
    });
    const peer = new Peer(server).send(`${head('Content-Length: 1')}a`);
    await slow.called;
    assert.equal(await new Peer(server).readAll(), '');
    assert.deepEqual(server.observed.rejections, ['too-many-connections']);
    slow.goOn();
    await peer.read(/"id":"a"/);
  }
});

test('an address beyond its share, with all of its connections busy, takes no place of others', async (t) => {
  const slow = aSlowReceive('answering');
  const server = await aServer(t, {
    limits: { ...IN_ORDER, maxConnections: 2, connectionsPerAddress: 0 },
    trustedProxies: [{ address: '127.0.0.2', prefix: 32, family: 'ipv4' }],
    receive: slow.receive,
  });
  const proxied = await aConnection(server, 2);
  const busy = new Peer(server).send(`${head('Content-Length: 1')}a`);
  await slow.called;
  assert.equal(await new Peer(server).readAll(), '');
  slow.goOn();
  await busy.read(/"id":"a"/);
  await answered(proxied);
});

test('a connection whose webhook is not authenticated yet makes room', async (t) => {
  const slow = aSlowReceive('reading');
  const server = await aServer(t, { limits: { ...IN_ORDER, maxConnections: 1 }, receive: slow.receive });
  const peer = new Peer(server).send(`${head('Content-Length: 1')}a`);
  await slow.called;
  const next = await aConnection(server);
  assert.equal(await peer.readAll(), '');
  slow.goOn();
  await answered(next);
});

test('a connection that is closed leaves its place', async (t) => {
  const server = await aServer(t, { limits: { ...IN_ORDER, maxConnections: 1 } });
  for (let round = 0; round < 3; round++) {
    const answer = await new Peer(server).send(head('Content-Length: 0', 'Connection: close')).readAll();
    assert.match(answer, /200 OK/);
  }
  assert.deepEqual(server.observed.rejections, []);
});

test('a trusted proxy has no share by address, and its anonymous connections count as idle', async (t) => {
  const trustedProxies = [{ address: '127.0.0.1', prefix: 32, family: 'ipv4' }] as const;
  const server = await aServer(t, {
    trustedProxies,
    limits: { ...IN_ORDER, connectionsPerAddress: 1, maxConnections: 4 },
  });
  const proxied = [await aConnection(server), await aConnection(server)];
  const [first, second] = [await aConnection(server, 2), await aConnection(server, 3)];
  const third = await aConnection(server, 4);
  assert.equal(await first.readAll(), '');
  for (const peer of [...proxied, second, third]) await answered(peer);
});

test('as many requests as the limit may wait for their answers on a connection', async (t) => {
  const slow = aSlowReceive();
  const server = await aServer(t, { receive: slow.receive, limits: { maxUnansweredRequests: 3 } });
  const one = `${head('Content-Length: 1')}a`;
  const peer = new Peer(server).send(`${one}${one}${head('Content-Length: 1', 'Connection: close')}b`);
  await slow.called;
  slow.goOn();
  assert.match(await peer.readAll(), /"id":"a".*"id":"a".*"id":"b"/s);
  assert.deepEqual(server.observed.rejections, []);
});

test('one more unanswered request closes the connection, and what follows it is neither handled nor reported', async (t) => {
  let received = 0;
  const server = await aServer(t, {
    limits: { maxUnansweredRequests: 3 },
    receive: async (): Promise<Reception> => {
      received += 1;
      return { answer: { kind: 'unauthenticated' } };
    },
  });
  let handedOver = 0;
  const count = () => {
    handedOver += 1;
  };
  subscribe('http.server.request.start', count);
  t.after(() => unsubscribe('http.server.request.start', count));
  await new Peer(server).send('POST /events HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1_000)).readAll();
  assert.ok(handedOver < 40, `${handedOver} of 1,000`);
  await server.observed.until(({ records }) => records.length === 3);
  await aRejectedWebhook(server);
  assert.equal(received, 4);
  assert.deepEqual(server.observed.rejections, ['too-many-unanswered']);
  assert.equal(server.observed.records.length, 4);
});

/** When it is answered, everything that arrived before it was handled. */
async function aRejectedWebhook(server: TestServer): Promise<void> {
  await new Peer(server).send('POST /events HTTP/1.1\r\nHost: x\r\n\r\n').readAll();
}

test('a client that goes on with requests after an answer that closes the connection is cut off', async (t) => {
  const server = await aServer(t, { limits: { maxUnansweredRequests: 3 } });
  await new Peer(server).send(HEALTH.repeat(1_000)).readAll();
  assert.deepEqual(server.observed.rejections, ['too-many-unanswered']);
});

test('requests behind one whose answer closes the connection are dropped', async (t) => {
  const server = await aServer(t);
  const answers = await new Peer(server).send(`${HEALTH.repeat(3)}${head('Content-Length: 0')}`).readAll();
  assert.equal(answers.match(/200 OK/g)?.length, 1);
  assert.deepEqual(server.observed.records, []);
  assert.deepEqual(server.observed.rejections, []);
});

/** Answers each webhook with 20 MB: more than the operating system buffers for a connection. */
async function receiveWithLongAnswer(): Promise<Reception> {
  const event = { id: 'x'.repeat(1_000), action: 'push', result: { kind: 'accepted', seq: 1 } } as const;
  return { caller: 'tester', answer: { kind: 'receipt', events: Array.from({ length: 20_000 }, () => event) } };
}

test('a client that sends another request without reading its answer is cut off', async (t) => {
  const server = await aServer(t, { receive: receiveWithLongAnswer });
  const peer = new Peer(server).send(head('Content-Length: 0'));
  peer.socket.pause();
  await server.observed.until(({ records }) => records.length === 1);
  peer.send(head('Content-Length: 0'));
  await server.observed.until(({ rejections }) => rejections.length === 1);
  assert.deepEqual(server.observed.rejections, ['unread-answers']);
  assert.equal(server.observed.records.length, 1);
});

test('a client may have as many unread bytes as the limit when it sends another request', async (t) => {
  const server = await aServer(t, { receive: receiveWithLongAnswer, limits: { maxUnreadBytes: 30_000_000 } });
  const peer = new Peer(server).send(head('Content-Length: 0'));
  peer.socket.pause();
  await server.observed.until(({ records }) => records.length === 1);
  peer.send(head('Content-Length: 0', 'Connection: close'));
  await server.observed.until(({ records }) => records.length === 2);
  peer.socket.resume();
  assert.equal((await peer.readAll()).match(/200 OK/g)?.length, 2);
  assert.deepEqual(server.observed.rejections, []);
});
