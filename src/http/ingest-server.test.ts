import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import {
  AUTHORIZED,
  aServer,
  aSlowReceive,
  head,
  Peer,
  permitNothing,
  RecordingObserver,
  receiveAnything,
} from '../../test/support/ingest-test-server.ts';
import type { Receive } from '../receive/incoming-webhook.ts';
import { ListenFault, startIngestServer } from './ingest-server.ts';

const NEVER: Promise<never> = new Promise(() => {});

test('a webhook is answered with its receipt', async (t) => {
  const { url } = await aServer(t);
  const answer = await fetch(`${url}/events`, { method: 'POST', headers: AUTHORIZED, body: 'a' });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'application/json');
  assert.equal(answer.headers.get('connection'), 'keep-alive');
  assert.deepEqual(await answer.json(), {
    status: 'success',
    events: [{ id: 'a', action: 'push', result: 'accepted', seq: 1 }],
  });
});

test('a webhook is reported once, with its caller and its answer', async (t) => {
  const { url, observed } = await aServer(t, { trustedProxies: [{ address: '127.0.0.0', prefix: 8, family: 'ipv4' }] });
  const headers = { ...AUTHORIZED, 'user-agent': 'x'.repeat(500), 'x-forwarded-for': '203.0.113.9' };
  await fetch(`${url}/events?secret`, { method: 'POST', headers, body: 'four' });
  const [record, ...others] = observed.records;
  assert.deepEqual(others, []);
  assert.equal(record?.caller, 'tester');
  assert.equal(record?.answer?.kind, 'receipt');
  assert.equal(record?.status, 200);
  assert.equal(record?.remoteAddress, '127.0.0.1');
  assert.equal(record?.clientAddress, '203.0.113.9');
  assert.equal(record?.userAgent, 'x'.repeat(200));
  assert.equal(record?.bodyBytes, 4);
  assert.ok(record !== undefined && record.durationMs >= 0);
});

test('X-Forwarded-For is not believed from a peer that is not a trusted proxy', async (t) => {
  const { url, observed } = await aServer(t, { trustedProxies: [{ address: '10.0.0.0', prefix: 8, family: 'ipv4' }] });
  const headers = { ...AUTHORIZED, 'x-forwarded-for': '203.0.113.9' };
  await fetch(`${url}/events`, { method: 'POST', headers, body: 'a' });
  assert.equal(observed.records[0]?.clientAddress, undefined);
  assert.equal(observed.records[0]?.remoteAddress, '127.0.0.1');
});

test('a webhook without credentials is an empty 403 without a content type', async (t) => {
  const { url, observed } = await aServer(t);
  const answer = await fetch(`${url}/events`, { method: 'POST', body: '{}' });
  assert.equal(answer.status, 403);
  assert.equal(answer.headers.get('content-type'), null);
  assert.equal(await answer.text(), '');
  assert.equal(observed.records[0]?.caller, undefined);
  assert.equal(observed.records[0]?.bodyBytes, 0);
});

test('an OPTIONS that asks for permission is answered with origin and rate, any other is a 405', async (t) => {
  const permission = { kind: 'permission', origin: 'eventgrid.azure.net', rate: '120' } as const;
  const asked: unknown[] = [];
  const { url, observed } = await aServer(t, {
    permit: async ({ headers, query }) => {
      asked.push(headers['webhook-request-origin'], query);
      return { answer: permission };
    },
  });
  const method = 'OPTIONS';
  const headers = { 'WebHook-Request-Origin': 'eventgrid.azure.net' };
  const answer = await fetch(`${url}/events?access_token=x`, { method, headers });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('webhook-allowed-origin'), 'eventgrid.azure.net');
  assert.equal(answer.headers.get('webhook-allowed-rate'), '120');
  assert.equal(answer.headers.get('allow'), 'POST, OPTIONS');
  assert.equal(await answer.text(), '');
  assert.deepEqual(asked, ['eventgrid.azure.net', 'access_token=x']);
  assert.deepEqual(observed.records[0]?.answer, permission);
  assert.equal((await fetch(`${url}/events`, { method })).status, 405);
  assert.equal(observed.records.length, 1);
});

test('a validation is answered with exactly 200 and its code', async (t) => {
  const { url } = await aServer(t, { receive: async () => ({ answer: { kind: 'validation', code: 'a"b' } }) });
  const answer = await fetch(`${url}/events`, { method: 'POST', body: '[]' });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'application/json');
  assert.deepEqual(await answer.json(), { validationResponse: 'a"b' });
});

test('a body can be read with a lower limit than that of the port', async (t) => {
  const receive: Receive = async ({ readBody }) => {
    const body = await readBody('tester', 10);
    return body.kind === 'body' ? { answer: { kind: 'unsubscription' } } : { answer: body };
  };
  const { url } = await aServer(t, { receive });
  const statusOf = async (body: string) => (await fetch(`${url}/events`, { method: 'POST', body })).status;
  assert.deepEqual([await statusOf('x'.repeat(10)), await statusOf('x'.repeat(11))], [200, 413]);
});

test('an answer to an authenticated webhook keeps the connection, and any other closes it', async (t) => {
  const server = await aServer(t);
  for (const request of [
    'POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}',
    'OPTIONS /events HTTP/1.1\r\nHost: x\r\nWebHook-Request-Origin: eventgrid.azure.net\r\n\r\n',
    'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /nope HTTP/1.1\r\nHost: x\r\n\r\n',
  ]) {
    const peer = new Peer(server).send(`${head('Content-Length: 1')}a`);
    assert.doesNotMatch(await peer.read(/"id":"a"/), /Connection: close/);
    assert.match(await peer.send(request).readAll(), /200 OK.*HTTP.*Connection: close/s);
  }
});

test('an answer without credentials does not close the connection of a trusted proxy', async (t) => {
  const trustedProxies = [{ address: '127.0.0.1', prefix: 32, family: 'ipv4' }] as const;
  const server = await aServer(t, { trustedProxies });
  const peer = new Peer(server).send('POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}');
  assert.doesNotMatch(await peer.read(/HTTP\/1.1 403.*\r\n\r\n/s), /Connection: close/);
  assert.match(await peer.send(head('Content-Length: 0', 'Connection: close')).readAll(), /200 OK/);
});

test('a fault is a 503 without details', async (t) => {
  const fault = new Error('the password is swordfish');
  const { url, observed } = await aServer(t, { receive: () => Promise.reject(fault) });
  const answer = await fetch(`${url}/events`, { method: 'POST', headers: AUTHORIZED, body: 'a' });
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get('retry-after'), '5');
  assert.equal(await answer.text(), '{"status":"unavailable"}');
  assert.deepEqual(observed.faults, [fault]);
  assert.equal(observed.records[0]?.answer, undefined);
  assert.equal(observed.records[0]?.status, 503);
});

test('a fault that is thrown synchronously is a 503 too', async (t) => {
  const fault = new Error('at once');
  const receive = (): never => {
    throw fault;
  };
  const { url, observed } = await aServer(t, { receive });
  const answer = await fetch(`${url}/events`, { method: 'POST', body: 'a' });
  assert.equal(answer.status, 503);
  assert.deepEqual(observed.faults, [fault]);
});

test('GET /healthz answers ok while the gateway is healthy', async (t) => {
  let healthy = true;
  const { url } = await aServer(t, { healthy: () => healthy });
  const good = await fetch(`${url}/healthz`);
  assert.equal(good.status, 200);
  assert.equal(good.headers.get('content-type'), 'application/json');
  assert.equal(await good.text(), 'ok');
  healthy = false;
  assert.equal((await fetch(`${url}/healthz`)).status, 503);
});

test('a variant of a known path is redirected, with an empty body', async (t) => {
  const { url, observed } = await aServer(t);
  const answer = await fetch(`${url}/events/`, { method: 'POST', body: 'a', redirect: 'manual' });
  assert.equal(answer.status, 301);
  assert.equal(answer.headers.get('location'), '/events');
  assert.equal(await answer.text(), '');
  assert.deepEqual(observed.rejections, ['redirected']);
});

test('a known path with another method is an empty 405', async (t) => {
  const { url, observed } = await aServer(t);
  const answer = await fetch(`${url}/events`, { headers: AUTHORIZED });
  assert.equal(answer.status, 405);
  assert.equal(answer.headers.get('allow'), null);
  assert.equal(answer.headers.get('content-type'), null);
  assert.equal(await answer.text(), '');
  assert.deepEqual(observed.rejections, ['wrong-method']);
});

test('an unknown path is not found', async (t) => {
  const { url, observed } = await aServer(t);
  const answer = await fetch(`${url}/nope`, { method: 'POST', headers: AUTHORIZED, body: 'a' });
  assert.equal(answer.status, 404);
  assert.equal(answer.headers.get('content-type'), 'text/plain; charset=utf-8');
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  assert.equal(await answer.text(), '404 page not found\n');
  assert.deepEqual(observed.rejections, ['unknown-path']);
});

test('pipelined webhooks are answered in order', async (t) => {
  const server = await aServer(t);
  const peer = new Peer(server);
  peer.send(`${head('Content-Length: 5')}first${head('Content-Length: 6', 'Connection: close')}second`);
  assert.match(await peer.readAll(), /"first".*"second"/s);
});

test('a webhook over HTTP/1.0 is received', async (t) => {
  const server = await aServer(t);
  const peer = new Peer(server).send(
    'POST /events HTTP/1.0\r\nAuthorization: Bearer good\r\nContent-Length: 1\r\n\r\na',
  );
  assert.match(await peer.readAll(), /HTTP\/1.1 200 OK.*Connection: close.*"id":"a"/s);
});

test('an offer to upgrade is ignored, and the webhook is received', async (t) => {
  const server = await aServer(t);
  const upgrade = head(
    'Connection: Upgrade, close',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABkAAQAAP__',
    'Content-Length: 1',
  );
  assert.match(await new Peer(server).send(`${upgrade}a`).readAll(), /^HTTP\/1.1 200 OK.*"id":"a"/s);
});

test('CONNECT opens no tunnel', async (t) => {
  const server = await aServer(t);
  assert.equal(await new Peer(server).send('CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n').readAll(), '');
});

test('an unknown expectation is ignored, and the webhook is received', async (t) => {
  const server = await aServer(t);
  const peer = new Peer(server).send(`${head('Expect: a miracle', 'Connection: close', 'Content-Length: 1')}a`);
  assert.match(await peer.readAll(), /^HTTP\/1.1 200 OK/);
});

test('a port that is in use is a fault', async (t) => {
  const { address } = await aServer(t);
  const options = {
    ...address,
    receive: receiveAnything,
    permit: permitNothing,
    healthy: () => true,
    observer: new RecordingObserver(),
    trustedProxies: [],
  };
  await assert.rejects(startIngestServer(options), (error) => {
    assert.ok(error instanceof ListenFault);
    assert.equal(error.code, 'listen_failed');
    assert.match(String(error.cause), /EADDRINUSE/);
    return true;
  });
});

async function aDrainingServer(t: TestContext) {
  const slow = aSlowReceive();
  const server = await aServer(t, { receive: slow.receive });
  const peer = new Peer(server).send(`${head('Content-Length: 1')}a`);
  await slow.called;
  return { server, peer, goOn: slow.goOn };
}

test('a draining port still accepts, and closes each connection with its answer', async (t) => {
  const server = await aServer(t);
  const early = new Peer(server).send(`${head('Content-Length: 1')}0`);
  await early.read(/"id":"0"/);
  server.beginDrain();
  early.send(`${head('Content-Length: 1')}a`);
  assert.match(await early.readAll(), /Connection: close.*"id":"a"/s);
  const late = new Peer(server).send(`${head('Content-Length: 1')}b`);
  assert.match(await late.readAll(), /Connection: close.*"id":"b"/s);
});

test('a closing port answers the requests under way', async (t) => {
  const { server, peer, goOn } = await aDrainingServer(t);
  const closed = server.close(60_000);
  goOn();
  assert.match(await peer.readAll(), /HTTP\/1.1 200 OK.*Connection: close/s);
  await closed;
});

test('a closing port accepts no more connections', async (t) => {
  const { server, goOn } = await aDrainingServer(t);
  const closed = server.close(60_000);
  assert.equal(await new Peer(server).readAll(), '');
  goOn();
  await closed;
});

test('a closing port waits neither for idle connections nor for those that have sent nothing', async (t) => {
  const server = await aServer(t);
  const idle = new Peer(server).send(head('Content-Length: 0'));
  const silent = new Peer(server);
  await once(silent.socket, 'connect');
  await idle.read(/200 OK/);
  await server.close(60_000);
  await idle.readAll();
  await silent.readAll();
});

test('a closing port cuts off what is not answered in time', async (t) => {
  const server = await aServer(t, { receive: () => NEVER });
  const peer = new Peer(server).send(`${head('Content-Length: 9')}a`);
  await once(peer.socket, 'connect');
  await server.close(1);
  assert.equal(await peer.readAll(), '');
});

test('a second close with a shorter time ends the first one too', async (t) => {
  const { server } = await aDrainingServer(t);
  const patient = server.close(60_000);
  await server.close(1);
  await patient;
});

test('a client that does not read its answer is cut off', async (t) => {
  const events = Array.from({ length: 20_000 }, () => ({
    id: 'x'.repeat(1_000),
    action: 'push',
    result: { kind: 'accepted', seq: 1 } as const,
  }));
  const server = await aServer(t, {
    receive: () => Promise.resolve({ answer: { kind: 'receipt', events } }),
    limits: { stallTimeoutMs: 50, maxConnections: 1 },
  });
  const peer = new Peer(server).send(head('Content-Length: 0'));
  peer.socket.pause();
  await server.observed.until(({ records }) => records.length === 1);
  // There is room for one connection: another client is served once this one, and the 20 MB in memory for it, are gone.
  const probe = () => new Peer(server).send('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n').readAll();
  while ((await probe()) === '');
});
