import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { Peer } from '../support/ingest-test-server.ts';
import { anInstallation, serve, WEBHOOK_TOKEN } from '../support/serve-process.ts';
import { StubBrigade } from '../support/stub-brigade.ts';
import { accept, aPush, exchange, push, send } from '../support/webhooks.ts';

const brigade = await StubBrigade.start({ after });
const gateway = await serve({ after }, await anInstallation({ after }, brigade.address));
const { ingestPort, process } = gateway;

const AUTHORIZED = { authorization: `Bearer ${WEBHOOK_TOKEN}` };

/** The next webhook is accepted and delivered. */
async function nothingIsBroken(): Promise<void> {
  const id = randomUUID();
  await push(gateway, id);
  await brigade.untilTaken(id);
}

function aPeer(): Peer {
  return new Peer({ address: { host: '127.0.0.1', port: ingestPort } });
}

/** The head of a webhook with a good token, up to its blank line. */
function head(...headers: readonly string[]): string {
  const authorization = `Authorization: Bearer ${WEBHOOK_TOKEN}`;
  return ['POST /events HTTP/1.1', 'Host: gateway', authorization, ...headers, '', ''].join('\r\n');
}

/** That many nested arrays. */
function nested(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth);
}

const UNREADABLE: readonly (readonly [string, string])[] = [
  ['an empty body', ''],
  ['10,000 nested arrays', nested(10_000)],
  ['10,000 nested arrays for a repository', aPush('nested').replace('"hello-world"', nested(10_000))],
  ['a number for a string', aPush('number', { tag: 7 })],
  ['an action that only its prototype has', '{"id":"polluted","__proto__":{"action":"push"}}'],
  ['a byte order mark alone', '\ufeff'],
];

for (const [what, body] of UNREADABLE) {
  test(`${what} is answered 400 with the issues`, async () => {
    const { status, text } = await send(gateway, body);
    assert.equal(status, 400);
    const { status: field, issues } = JSON.parse(text);
    assert.equal(field, 'failed');
    assert.ok(issues.length > 0);
    await nothingIsBroken();
  });
}

const READABLE: readonly (readonly [string, string, string])[] = [
  ['a field of 10,000 nested arrays', 'deep', aPush('deep').replace('{', `{"extra":${nested(10_000)},`)],
  ['a duplicate key', 'last', aPush('last').replace('{', '{"id":"first",')],
  ['a field named __proto__', 'proto', aPush('proto').replace('{', '{"__proto__":{"action":"delete","id":"x"},')],
];

for (const [what, id, body] of READABLE) {
  test(`an event with ${what} is delivered unchanged`, async () => {
    await accept(gateway, body);
    await brigade.untilTaken(id);
    const [arrival] = brigade.arrivalsOf(id);
    assert.equal(arrival?.event.payload, body);
    assert.equal(arrival?.event.type, 'push');
    await nothingIsBroken();
  });
}

for (const repository of ['hello\0world', 'team/../other/x', 'team/a\nb', 'team/\u202egnp']) {
  test(`an event with the repository ${JSON.stringify(repository)} is answered 400, and in an envelope a dead letter`, async () => {
    const body = aPush(randomUUID(), { repository });
    assert.equal((await send(gateway, body)).status, 400);
    const { status, text } = await send(gateway, `{"events":[${body}]}`);
    assert.equal(status, 200);
    assert.match(text, /"result":"dead-lettered"/);
    await nothingIsBroken();
  });
}

for (const type of ['image/png', 'multipart/form-data; boundary=x', 'application/json; charset=latin1', ';;;']) {
  test(`the content type ${type} does not matter`, async () => {
    const id = randomUUID();
    const { status } = await send(gateway, aPush(id), { 'content-type': type });
    assert.equal(status, 200);
    await brigade.untilTaken(id);
  });
}

test('a request without a body is answered 400', async () => {
  const answer = await aPeer()
    .send(head())
    .read(/\r\n\r\n.+\}/);
  assert.match(answer, /^HTTP\/1\.1 400 .*"status":"failed"/s);
  await nothingIsBroken();
});

test('a Content-Length that is too large is answered 413 before the body arrives', async () => {
  const answer = await aPeer().send(head('Content-Length: 10737418240')).read(/\}/);
  assert.match(answer, /^HTTP\/1\.1 413 /);
  await nothingIsBroken();
});

test('endless chunks are answered 413 at the limit', async () => {
  const peer = aPeer().send(head('Transfer-Encoding: chunked'));
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
  for (let count = 0; count < 40; count += 1) peer.send(chunk);
  assert.match(await peer.read(/\}/), /^HTTP\/1\.1 413 /);
  peer.socket.destroy();
  await nothingIsBroken();
});

test('endless chunk extensions are answered 413', async () => {
  const peer = aPeer().send(`${head('Transfer-Encoding: chunked')}1;${'x'.repeat(64 * 1024)}`);
  assert.match(await peer.read(/\r\n\r\n/), /^HTTP\/1\.1 413 /);
  await nothingIsBroken();
});

test('a body that breaks off is logged, and is no event', async () => {
  const peer = aPeer().send(`${head('Content-Length: 600')}{"id":"cut"`);
  // The answer on another connection comes after the first bytes were read.
  await nothingIsBroken();
  peer.socket.destroy();
  await process.line('webhook.rejected', ({ reason }) => reason === 'incomplete');
  await nothingIsBroken();
  assert.deepEqual(brigade.arrivalsOf('cut'), []);
});

test('a body that trickles in is accepted, and delays no other', async () => {
  const body = aPush('trickle');
  const peer = aPeer().send(head(`Content-Length: ${body.length}`));
  for (const part of body.match(/.{1,100}/g) ?? []) {
    peer.send(part);
    await nothingIsBroken();
  }
  assert.match(await peer.read(/\}/), /^HTTP\/1\.1 200 /);
  await brigade.untilTaken('trickle');
});

test('two lengths in one request are answered 400', async () => {
  const answer = await aPeer().send(head('Content-Length: 4', 'Transfer-Encoding: chunked')).readAll();
  assert.match(answer, /^HTTP\/1\.1 400 /);
  await nothingIsBroken();
});

test('endless headers are answered 431', async () => {
  const answer = await aPeer()
    .send(`POST /events HTTP/1.1\r\nHost: gateway\r\nX-Long: ${'x'.repeat(64 * 1024)}`)
    .read(/\r\n\r\n/);
  assert.match(answer, /^HTTP\/1\.1 431 /);
  await nothingIsBroken();
});

test('a request that is not HTTP is answered 400', async () => {
  assert.match(await aPeer().send('\x16\x03\x01\x02\x00 hello\r\n\r\n').readAll(), /^HTTP\/1\.1 400 /);
  await nothingIsBroken();
});

for (const [method, path, expected] of [
  ['PUT', '/events', 405],
  ['DELETE', '/events', 405],
  ['POST', '/healthz', 405],
  ['POST', '/', 404],
  ['POST', '/events/one', 404],
  ['GET', '/readyz', 404],
  ['GET', '/metrics', 404],
] as const) {
  test(`${method} ${path} on the ingest port is answered ${expected}`, async () => {
    const { status } = await exchange(ingestPort, { method, path, headers: AUTHORIZED, body: aPush('astray') });
    assert.equal(status, expected);
    await nothingIsBroken();
    assert.deepEqual(brigade.arrivalsOf('astray'), []);
  });
}
