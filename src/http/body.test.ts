import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { type TestContext, test } from 'node:test';
import {
  AUTHORIZED,
  aServer,
  aSlowReceive,
  head,
  Peer,
  receiveAnything,
  type TestServer,
} from '../../test/support/ingest-test-server.ts';
import type { Reception } from '../receive/incoming-webhook.ts';

const KIB = 1024;

function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

function post(server: TestServer, body: string): Promise<Response> {
  return fetch(`${server.url}/events`, { method: 'POST', headers: AUTHORIZED, body });
}

/** Writes until the server closes the connection. Resolves to the number of bytes written. */
async function pour(peer: Peer, piece: string, mostBytes: number): Promise<number> {
  let poured = 0;
  const closed = new Promise((resolve) => peer.socket.once('close', resolve));
  while (poured < mostBytes && !peer.socket.destroyed) {
    poured += piece.length;
    if (!peer.socket.write(piece))
      await Promise.race([new Promise((resolve) => peer.socket.once('drain', resolve)), closed]);
  }
  return poured;
}

test('a body of exactly the limit is accepted', async (t) => {
  const server = await aServer(t, { limits: { maxBodyBytes: 100_000 } });
  const answer = await post(server, 'x'.repeat(100_000));
  assert.equal(answer.status, 200);
  assert.match(await answer.text(), /100000 bytes/);
});

test('a body that is one byte larger than the limit is a 413', async (t) => {
  const server = await aServer(t, { limits: { maxBodyBytes: 100_000 } });
  const answer = await post(server, 'x'.repeat(100_001));
  assert.equal(answer.status, 413);
  assert.equal(answer.headers.get('connection'), 'close');
  assert.deepEqual(await answer.json(), {
    status: 'failed',
    issues: [{ path: '', expected: 'at most 100000 bytes', received: 'more' }],
  });
  assert.equal(server.observed.records[0]?.status, 413);
});

test('a chunked body of exactly the limit is accepted', async (t) => {
  const server = await aServer(t, { limits: { maxBodyBytes: 10 } });
  const peer = new Peer(server).send(head('Transfer-Encoding: chunked', 'Connection: close'));
  peer.send(`${chunk('hello')}${chunk('world')}0\r\n\r\n`);
  assert.match(await peer.readAll(), /^HTTP\/1.1 200 OK.*"helloworld"/s);
});

test('a chunked body that is one byte larger than the limit is a 413', async (t) => {
  const server = await aServer(t, { limits: { maxBodyBytes: 10 } });
  const peer = new Peer(server).send(head('Transfer-Encoding: chunked'));
  peer.send(`${chunk('hello')}${chunk('worlds')}`);
  assert.match(await peer.readAll(), /^HTTP\/1.1 413 Payload Too Large.*Connection: close/s);
});

test('a single chunk larger than the limit is a 413', async (t) => {
  const server = await aServer(t, { limits: { maxBodyBytes: 10 } });
  const headers = head('Transfer-Encoding: chunked', 'Connection: close');
  const peer = new Peer(server).send(`${headers}${chunk('hello worlds')}0\r\n\r\n`);
  assert.match(await peer.readAll(), /^HTTP\/1.1 413/);
});

test('a body that arrives byte by byte is put together', async (t) => {
  const text = 'The quick brown fox jumps over the lazy dog';
  for (const framing of ['Transfer-Encoding: chunked', `Content-Length: ${text.length}`]) {
    const server = await aServer(t);
    const peer = new Peer(server).send(head(framing, 'Connection: close'));
    peer.socket.setNoDelay(true);
    for (const letter of text) {
      peer.send(framing.startsWith('T') ? chunk(letter) : letter);
      await new Promise(setImmediate);
    }
    if (framing.startsWith('T')) peer.send('0\r\n\r\n');
    assert.match(await peer.readAll(), new RegExp(`"id":"${text}"`));
  }
});

test('a large body is handed over byte for byte', async (t) => {
  const body = Buffer.alloc(1_500_000, 'abcdefghijk');
  const received: Uint8Array[] = [];
  const server = await aServer(t, {
    receive: async ({ readBody }): Promise<Reception> => {
      const outcome = await readBody('tester');
      if (outcome.kind !== 'body') return { answer: outcome };
      received.push(Uint8Array.from(outcome.bytes));
      return { answer: { kind: 'receipt', events: [] } };
    },
  });
  await (await post(server, body.toString())).text();
  await (
    await fetch(`${server.url}/events`, { method: 'POST', body: new Blob([body]).stream(), duplex: 'half' })
  ).text();
  assert.deepEqual(
    received.map((bytes) => body.equals(bytes)),
    [true, true],
  );
});

test('an endless chunked body is cut off, and little of it is read', async (t) => {
  const server = await aServer(t, { limits: { maxBodyBytes: 64 * KIB, lingerBytes: 64 * KIB } });
  const peer = new Peer(server).send(head('Transfer-Encoding: chunked'));
  const poured = await pour(peer, chunk('x'.repeat(64 * KIB)), 1024 * 1024 * KIB);
  assert.ok(poured < 64 * 1024 * KIB, `${poured} bytes`);
  assert.match(await peer.readAll(), /^HTTP\/1.1 413/);
});

test('a body that breaks off is incomplete', async (t) => {
  const server = await aServer(t);
  const peer = new Peer(server).send(`${head('Content-Length: 10')}half`);
  peer.socket.end();
  await server.observed.until(({ records }) => records.length === 1);
  assert.equal(server.observed.records[0]?.answer?.kind, 'incomplete');
  assert.equal(server.observed.records[0]?.status, 408);
  assert.deepEqual(server.observed.rejections, []);
});

test('a body that breaks off before it is read is incomplete', async (t) => {
  const slow = aSlowReceive();
  const server = await aServer(t, { receive: slow.receive });
  const peer = new Peer(server).send(`${head('Content-Length: 10')}half`);
  await slow.called;
  peer.socket.resetAndDestroy();
  // The server sees the reset before a connection that is made after it.
  await fetch(`${server.url}/healthz`);
  slow.goOn();
  await server.observed.until(({ records }) => records.length === 1);
  assert.equal(server.observed.records[0]?.answer?.kind, 'incomplete');
});

test('a webhook that has arrived whole is received although its client has gone', async (t) => {
  const slow = aSlowReceive();
  const server = await aServer(t, { receive: slow.receive });
  const peer = new Peer(server).send(`${head('Content-Length: 1')}a`);
  await slow.called;
  peer.socket.resetAndDestroy();
  await fetch(`${server.url}/healthz`);
  slow.goOn();
  await server.observed.until(({ records }) => records.length === 1);
  assert.equal(server.observed.records[0]?.answer?.kind, 'receipt');
});

/** A server with room for 100 bytes of bodies. A client that never sends all of its body uses 60 of them. */
async function aNearlyFullServer(t: TestContext) {
  const server = await aServer(t, { limits: { maxBodyBytes: 100, maxBodyBytesInFlight: 100, lingerMs: 20 } });
  const slowClient = new Peer(server).send(`${head('Content-Length: 61')}${'x'.repeat(60)}`);
  await pollUntilOverloaded(server);
  return { server, slowClient };
}

/** A body that would fit alone is rejected once the other client has taken its bytes. */
async function pollUntilOverloaded(server: TestServer): Promise<void> {
  while ((await post(server, 'x'.repeat(41))).status !== 503);
}

test('a body for which there is no room is a 503 with Retry-After', async (t) => {
  const { server } = await aNearlyFullServer(t);
  const answer = await post(server, 'x'.repeat(41));
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get('retry-after'), '5');
  assert.equal(await answer.text(), '{"status":"unavailable"}');
  assert.equal((await post(server, 'x'.repeat(40))).status, 200);
});

test('a chunked body for which there is no room is a 503', async (t) => {
  const { server } = await aNearlyFullServer(t);
  const peer = new Peer(server).send(head('Transfer-Encoding: chunked'));
  peer.send(chunk('x'.repeat(20))).send(chunk('x'.repeat(40)));
  assert.match(await peer.readAll(), /^HTTP\/1.1 503/);
  assert.equal((await post(server, 'x'.repeat(40))).status, 200);
});

test('the room of a body is free again when its client has gone', async (t) => {
  const { server, slowClient } = await aNearlyFullServer(t);
  slowClient.socket.destroy();
  await server.observed.until(({ records }) => records.some(({ answer }) => answer?.kind === 'incomplete'));
  assert.equal((await post(server, 'x'.repeat(100))).status, 200);
});

test('the room of a body is free again after its receipt, a fault, and a 413', async (t) => {
  let faulty = false;
  const server = await aServer(t, {
    limits: { maxBodyBytes: 100, maxBodyBytesInFlight: 100, lingerMs: 20 },
    receive: async (webhook) => {
      const reception = await receiveAnything(webhook);
      if (faulty) throw new Error('after the body was read');
      return reception;
    },
  });
  assert.equal((await post(server, 'x'.repeat(100))).status, 200);
  faulty = true;
  assert.equal((await post(server, 'x'.repeat(100))).status, 503);
  faulty = false;
  const peer = new Peer(server).send(head('Transfer-Encoding: chunked'));
  peer.send(chunk('x'.repeat(60))).send(chunk('x'.repeat(60)));
  assert.match(await peer.readAll(), /^HTTP\/1.1 413/);
  assert.equal((await post(server, 'x'.repeat(100))).status, 200);
});

test('nothing is kept of a body that a fault leaves unread', async (t) => {
  const server = await aServer(t, {
    limits: { maxBodyBytes: 100, maxBodyBytesInFlight: 100, lingerMs: 20 },
    receive: (webhook) => {
      if (webhook.headers['x-fault'] === undefined) return receiveAnything(webhook);
      void webhook.readBody('tester');
      throw new Error('while the body is being read');
    },
  });
  const peer = new Peer(server).send(head('Content-Length: 100', 'X-Fault: yes'));
  await peer.read(/^HTTP\/1.1 503/);
  await peer.send('x'.repeat(100)).readAll();
  assert.equal((await post(server, 'x'.repeat(100))).status, 200);
});

/** Sends the headers, and the body after `100 Continue`. */
async function postExpecting(server: TestServer, headers: Readonly<Record<string, string>>, body: string) {
  const request = httpRequest(`${server.url}/events`, {
    method: 'POST',
    headers: { ...headers, expect: '100-continue' },
  });
  let continued = false;
  request.on('continue', () => {
    continued = true;
    request.end(body);
  });
  request.flushHeaders();
  const [response] = await once(request, 'response');
  response.resume();
  request.destroy();
  return { continued, status: response.statusCode };
}

test('a client that expects it gets 100 Continue', async (t) => {
  const server = await aServer(t);
  const headers = { ...AUTHORIZED, 'content-length': '5' };
  assert.deepEqual(await postExpecting(server, headers, 'hello'), { continued: true, status: 200 });
});

test('a client without credentials gets no 100 Continue', async (t) => {
  const server = await aServer(t);
  assert.deepEqual(await postExpecting(server, { 'content-length': '5' }, 'hello'), { continued: false, status: 403 });
});

test('a client that declares too large a body gets no 100 Continue', async (t) => {
  const server = await aServer(t, { limits: { maxBodyBytes: 4 } });
  const headers = { ...AUTHORIZED, 'content-length': '5' };
  assert.deepEqual(await postExpecting(server, headers, 'hello'), { continued: false, status: 413 });
});

test('a client without credentials is answered before its body has arrived', async (t) => {
  const server = await aServer(t);
  const peer = new Peer(server).send('POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n');
  assert.match(await peer.read(/\r\n\r\n/), /^HTTP\/1.1 403 Forbidden\r\nContent-Length: 0\r\n.*Connection: close/s);
});

test('a client that goes on sending after its answer, within the limits, is not cut off', async (t) => {
  const server = await aServer(t, { limits: { lingerMs: 60_000 } });
  const peer = new Peer(server).send('POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n');
  await peer.read(/^HTTP\/1.1 403/);
  peer.send('x'.repeat(900_000));
  const [hadError] = await once(peer.socket, 'close');
  assert.equal(hadError, false);
});

test('a client that goes on sending after its answer, beyond the limits, is cut off', async (t) => {
  const server = await aServer(t, { limits: { lingerBytes: 64 * KIB, lingerMs: 60_000 } });
  const peer = new Peer(server).send('POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000000\r\n\r\n');
  const poured = await pour(peer, 'x'.repeat(64 * KIB), 1024 * 1024 * KIB);
  assert.ok(poured < 64 * 1024 * KIB, `${poured} bytes`);
});

test('a client that neither sends nor closes after its answer is cut off', async (t) => {
  const server = await aServer(t, { limits: { lingerMs: 20 } });
  const peer = new Peer(server).send('POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n');
  assert.match(await peer.readAll(), /^HTTP\/1.1 403/);
});

test('a compressed body is handed over as it is', async (t) => {
  const server = await aServer(t);
  const headers = { ...AUTHORIZED, 'content-encoding': 'gzip' };
  const answer = await fetch(`${server.url}/events`, { method: 'POST', headers, body: 'not unpacked' });
  assert.match(await answer.text(), /not unpacked/);
});
