import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aServer, aSlowReceive, head, Peer } from '../../test/support/ingest-test-server.ts';

/** Short enough for a test to wait for a time-out. */
const SHORT = { headersTimeoutMs: 50, requestTimeoutMs: 50, timeoutCheckMs: 10 };

const malformed: readonly (readonly [string, string])[] = [
  ['text that is not HTTP', 'HELO gateway\r\n\r\n'],
  ['a TLS handshake', '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03'],
  ['an HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['Content-Length before Transfer-Encoding', `${head('Content-Length: 6', 'Transfer-Encoding: chunked')}0\r\n\r\nG`],
  ['Transfer-Encoding before Content-Length', `${head('Transfer-Encoding: chunked', 'Content-Length: 6')}0\r\n\r\nG`],
  ['two different lengths', `${head('Content-Length: 1', 'Content-Length: 2')}aa`],
  ['the same length twice', `${head('Content-Length: 1', 'Content-Length: 1')}a`],
  ['a length that is not a number', head('Content-Length: 1e3')],
  ['a negative length', head('Content-Length: -1')],
  ['a transfer coding that does not end with chunked', head('Transfer-Encoding: chunked, gzip')],
  ['a space before a colon', head('Content-Length : 1')],
  ['a folded header', head('X-Folded: a', ' b')],
  ['bare line feeds', 'POST /events HTTP/1.1\nHost: x\n\n'],
  ['a control character in a header', head('X-Control: a\x00b')],
];

for (const [title, text] of malformed) {
  test(`${title} is a 400, and no webhook`, async (t) => {
    const server = await aServer(t);
    const answer = await new Peer(server).send(text).readAll();
    assert.equal(answer, 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    assert.deepEqual(server.observed.rejections, ['malformed']);
    assert.deepEqual(server.observed.records, []);
  });
}

const unclear: readonly (readonly [string, string, RegExp, string])[] = [
  ['no host', 'POST /events HTTP/1.1\r\n\r\n', /^HTTP\/1.1 400 Bad Request/, 'malformed'],
  ['two hosts', head('Host: gateway', 'Content-Length: 0'), /^HTTP\/1.1 400 Bad Request/, 'malformed'],
  ['two different hosts', head('hOST: other', 'Content-Length: 0'), /^HTTP\/1.1 400 Bad Request/, 'malformed'],
  ['a coding before chunked', `${head('Transfer-Encoding: gzip, chunked')}0\r\n\r\n`, /^HTTP\/1.1 501/, 'unsupported'],
  [
    'a coding before chunked, in a header of its own',
    `${head('Transfer-Encoding: gzip', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    /^HTTP\/1.1 501/,
    'unsupported',
  ],
  ['an unknown coding', `${head('Transfer-Encoding: xchunked')}0\r\n\r\n`, /^HTTP\/1.1 501/, 'unsupported'],
  ['the version 2.0', 'POST /events HTTP/2.0\r\nHost: x\r\n\r\n', /^HTTP\/1.1 505/, 'unsupported'],
  ['the version 0.9', 'POST /events HTTP/0.9\r\nHost: x\r\n\r\n', /^HTTP\/1.1 505/, 'unsupported'],
];

for (const [title, text, answer, rejection] of unclear) {
  test(`a request with ${title} is no webhook, and what follows it gets no answer`, async (t) => {
    for (const following of ['', 'HELO gateway\r\n\r\n', head('Content-Length: 0')]) {
      const server = await aServer(t);
      const answers = await new Peer(server).send(text + following).readAll();
      assert.match(answers, answer);
      assert.match(answers, /Connection: close/);
      assert.equal(answers.match(/HTTP\/1.1 \d/g)?.length, 1);
      assert.deepEqual(server.observed.rejections, [rejection], following);
      assert.deepEqual(server.observed.records, []);
    }
  });
}

test('a request with one host and the coding chunked, however they are written, is a webhook', async (t) => {
  const server = await aServer(t);
  const text = 'POST /events HTTP/1.1\r\nhOsT: x\r\nAuthorization: Bearer good\r\nTransfer-Encoding: Chunked\r\n';
  const peer = new Peer(server).send(`${text}Connection: close\r\n\r\n1\r\na\r\n0\r\n\r\n`);
  assert.match(await peer.readAll(), /^HTTP\/1.1 200 OK.*"id":"a"/s);
});

const cutShort: readonly (readonly [string, string])[] = [
  ['a malformed chunk', `${head('Transfer-Encoding: chunked')}2\r\naa\r\nzz\r\n`],
];

for (const [title, text] of cutShort) {
  test(`${title} is a 400, and the webhook is incomplete`, async (t) => {
    const server = await aServer(t);
    assert.match(await new Peer(server).send(text).readAll(), /^HTTP\/1.1 400 Bad Request/);
    await server.observed.until(({ records }) => records.length === 1);
    assert.equal(server.observed.records[0]?.answer?.kind, 'incomplete');
    assert.deepEqual(server.observed.rejections, []);
  });
}

test('endless chunk extensions are a 413', async (t) => {
  const server = await aServer(t);
  const peer = new Peer(server).send(`${head('Transfer-Encoding: chunked')}2;${'x'.repeat(100_000)}`);
  assert.match(await peer.readAll(), /^HTTP\/1.1 413 Payload Too Large/);
});

test('endless trailers are a 431', async (t) => {
  const server = await aServer(t);
  const peer = new Peer(server).send(`${head('Transfer-Encoding: chunked')}2\r\naa\r\n0\r\nX: ${'x'.repeat(100_000)}`);
  assert.match(await peer.readAll(), /^HTTP\/1.1 431/);
});

test('headers with more bytes than the limit are a 431', async (t) => {
  const server = await aServer(t);
  const peer = new Peer(server).send(head(`X-Large: ${'x'.repeat(16 * 1024)}`));
  assert.match(await peer.readAll(), /^HTTP\/1.1 431 Request Header Fields Too Large/);
  assert.deepEqual(server.observed.rejections, ['headers-too-large']);
});

test('a URL with more bytes than the limit is a 431', async (t) => {
  const server = await aServer(t);
  const peer = new Peer(server).send(`POST /events?${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`);
  assert.match(await peer.readAll(), /^HTTP\/1.1 431/);
});

test('as many headers as the limit are accepted, and one more is a 431', async (t) => {
  const server = await aServer(t, { limits: { maxHeaders: 32 } });
  const others = ['Content-Length: 0', 'Connection: close'];
  const headers = (count: number) => head(...others, ...Array.from({ length: count - 4 }, (_, n) => `X-${n}: x`));
  assert.match(await new Peer(server).send(headers(32)).readAll(), /^HTTP\/1.1 200/);
  assert.match(await new Peer(server).send(headers(33)).readAll(), /^HTTP\/1.1 431/);
  assert.match(await new Peer(server).send(headers(500)).readAll(), /^HTTP\/1.1 431/);
  assert.deepEqual(server.observed.rejections, ['headers-too-large', 'headers-too-large']);
});

test('headers that take too long are a 408', async (t) => {
  const server = await aServer(t, { limits: SHORT });
  const peer = new Peer(server).send('POST /events HTTP/1.1\r\nHost: x\r\n');
  assert.match(await peer.readAll(), /^HTTP\/1.1 408 Request Timeout/);
  assert.deepEqual(server.observed.rejections, ['too-slow']);
});

test('a body that takes too long is a 408, and the webhook is incomplete', async (t) => {
  const server = await aServer(t, { limits: { ...SHORT, lingerMs: 10 } });
  const peer = new Peer(server).send(`${head('Content-Length: 10')}half`);
  assert.match(await peer.readAll(), /^HTTP\/1.1 408 Request Timeout/);
  await server.observed.until(({ records }) => records.length === 1);
  assert.equal(server.observed.records[0]?.answer?.kind, 'incomplete');
  assert.deepEqual(server.observed.rejections, []);
});

test('a connection that sends nothing is closed', async (t) => {
  const server = await aServer(t, { limits: SHORT });
  assert.match(await new Peer(server).readAll(), /^HTTP\/1.1 408/);
});

test('a kept-alive connection without a request is closed', async (t) => {
  const server = await aServer(t, { limits: { idleTimeoutMs: 10, idleGraceMs: 10 } });
  const answer = await new Peer(server).send(head('Content-Length: 0')).readAll();
  assert.match(answer, /^HTTP\/1.1 200 OK.*Keep-Alive: timeout/s);
});

test('an error after a webhook is never answered in place of the webhook', async (t) => {
  const slow = aSlowReceive();
  const server = await aServer(t, { receive: slow.receive });
  const peer = new Peer(server).send(`${head('Content-Length: 1')}aHELO gateway\r\n\r\n`);
  await slow.called;
  await server.observed.until(({ rejections }) => rejections.length === 1);
  slow.goOn();
  assert.match(await peer.readAll(), /^HTTP\/1.1 200 OK.*Connection: close.*"id":"a"/s);
  assert.deepEqual(server.observed.rejections, ['malformed']);
});

test('an error in a pipelined webhook does not take the place of the answer before it', async (t) => {
  const slow = aSlowReceive();
  const server = await aServer(t, { receive: slow.receive });
  const malformed = `${head('Transfer-Encoding: chunked')}zz\r\n`;
  const peer = new Peer(server).send(`${head('Content-Length: 1')}a${malformed}`);
  await server.observed.until(({ rejections }) => rejections.length === 1);
  slow.goOn();
  assert.match(await peer.readAll(), /^HTTP\/1.1 200 OK.*Connection: close.*"id":"a"/s);
});

test('a client that goes on sending after a malformed request is cut off', async (t) => {
  const server = await aServer(t, { limits: { lingerMs: 20 } });
  const peer = new Peer(server).send('HELO gateway\r\n\r\n');
  await peer.read(/^HTTP\/1.1 400/);
  peer.send('and so on');
  await peer.readAll();
  assert.deepEqual(server.observed.rejections, ['malformed']);
});

test('a client that does not close after a malformed request is cut off', async (t) => {
  const server = await aServer(t, { limits: { lingerMs: 20 } });
  const peer = new Peer(server, { allowHalfOpen: true }).send('HELO gateway\r\n\r\n');
  await peer.read(/^HTTP\/1.1 400/);
  await server.close(60_000);
});

test('an error after an early answer gets no answer of its own', async (t) => {
  const server = await aServer(t);
  const peer = new Peer(server).send('POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
  await peer.read(/^HTTP\/1.1 403/);
  peer.send('zz\r\n');
  assert.doesNotMatch(await peer.readAll(), /HTTP.*HTTP/s);
});

test('a connection that is reset is not reported', async (t) => {
  const server = await aServer(t);
  const peer = new Peer(server).send('POST /events HTTP/1.1\r\n');
  peer.socket.resetAndDestroy();
  await peer.readAll();
  assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
  assert.deepEqual(server.observed.rejections, []);
});
