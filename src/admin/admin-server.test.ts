import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text as allText } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { anAdminToken, anOperator, type OperatorRig } from '../../test/support/an-operator.ts';
import {
  claimDue,
  completeDelivered,
  deadLetterClaim,
  keep,
  keepDelivered,
  keepOne,
} from '../../test/support/journal-steps.ts';
import { aDeadLetter, aRecord } from '../../test/support/records.ts';
import { Access } from './access.ts';
import { AdminListenFault, type AdminOptions, startAdminServer } from './admin-server.ts';
import { ROUTES } from './api/routes.ts';

const TOKEN = 'the-admin-token';

interface Rig extends OperatorRig {
  readonly port: number;
  readonly faults: readonly unknown[];
}

async function aRig(
  t: TestContext,
  { token = () => TOKEN, ...changes }: Partial<AdminOptions> & { token?: () => string | undefined } = {},
): Promise<Rig> {
  const rig = anOperator();
  const { clock, operator } = rig;
  const tokens = () => {
    const current = token();
    return current === undefined ? [] : [anAdminToken('admin', current)];
  };
  const faults: unknown[] = [];
  const server = await startAdminServer({
    host: '127.0.0.1',
    port: 0,
    access: new Access({ tokens, allowedHosts: ['localhost', '127.0.0.1'], clock }),
    operator,
    clock,
    healthy: () => true,
    unreadiness: async () => undefined,
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4', text: 'a_metric 1\n' }),
    onFault: (error) => faults.push(error),
    ...changes,
  });
  t.after(() => server.close());
  return { ...rig, port: server.port, faults };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Without a Content-Length. */
  readonly chunked?: boolean;
}

/** Sends no credentials other than those in `headers`. */
function ask(
  { port }: Rig,
  path: string,
  { method = 'GET', headers = {}, body, chunked }: Asking = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false });
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    if (body === undefined) request.end();
    else if (chunked === true) {
      request.write(body);
      request.end();
    } else request.end(body);
  });
}

const AUTHORIZED = { authorization: `Bearer ${TOKEN}` };

async function get(rig: Rig, path: string) {
  const { status, text } = await ask(rig, path, { headers: AUTHORIZED });
  return { status, json: JSON.parse(text) };
}

async function post(rig: Rig, path: string, body: string) {
  const { status, text } = await ask(rig, path, { method: 'POST', headers: AUTHORIZED, body });
  return { status, json: JSON.parse(text) };
}

function redeliveries(rig: Rig, seqs: unknown) {
  return post(rig, '/api/redeliveries', JSON.stringify({ seqs }));
}

/** Stores this many dead letters. */
function keepDead({ journal, clock }: Rig, count: number): Promise<readonly number[]> {
  return keep(journal, ...Array.from({ length: count }, (_, index) => aDeadLetter(`${index}`, clock.now())));
}

test('readiness needs no credentials, and says why the gateway is not ready', async (t) => {
  let reason: string | undefined;
  const rig = await aRig(t, { unreadiness: async () => reason });
  const ready = await ask(rig, '/readyz', { headers: { host: 'anything.example' } });
  assert.deepEqual([ready.status, ready.text], [200, 'ready\n']);
  reason = 'shutting down';
  const unready = await ask(rig, '/readyz');
  assert.deepEqual([unready.status, unready.text], [503, 'not ready: shutting down\n']);
});

test('metrics need no credentials', async (t) => {
  const rig = await aRig(t, { token: () => undefined });
  const { status, headers, text } = await ask(rig, '/metrics', { headers: { host: '10.1.2.3:8081' } });
  assert.deepEqual([status, headers['content-type'], text], [200, 'text/plain; version=0.0.4', 'a_metric 1\n']);
});

for (const [what, headers, status] of [
  ['no token', {}, 401],
  ['an empty token', { authorization: 'Bearer ' }, 401],
  ['another token', { authorization: `Bearer ${TOKEN}x` }, 401],
  ['the token in another scheme', { authorization: `Basic ${TOKEN}` }, 401],
  ['the token without a scheme', { authorization: TOKEN }, 401],
  ['the right token', AUTHORIZED, 200],
  ['the scheme in another case', { authorization: `bEARER ${TOKEN}` }, 200],
  ['a host of ours in another case, with a port', { ...AUTHORIZED, host: 'LOCALHOST:9999' }, 200],
  ['a host that is not ours', { ...AUTHORIZED, host: 'rebound.example' }, 421],
  ['a host that begins like ours', { ...AUTHORIZED, host: 'localhost.example' }, 421],
] as const) {
  test(`a request with ${what} is answered ${status}`, async (t) => {
    assert.equal((await ask(await aRig(t), '/api/dead-letters', { headers })).status, status);
  });
}

test('a request without the token learns neither which paths exist nor what the token is', async (t) => {
  const rig = await aRig(t);
  for (const path of ['/', '/api/events/1', '/api/redeliveries', '/nowhere']) {
    const { status, headers, text } = await ask(rig, path);
    assert.equal(status, 401);
    assert.equal(headers['www-authenticate'], 'Bearer');
    assert.doesNotMatch(text, new RegExp(TOKEN));
  }
});

test('without a configured token the admin port answers probes and metrics, and nothing else', async (t) => {
  const rig = await aRig(t, { token: () => undefined });
  for (const path of ['/healthz', '/readyz', '/metrics']) assert.equal((await ask(rig, path)).status, 200);
  for (const authorization of ['Bearer undefined', 'Bearer ', `Bearer ${TOKEN}`]) {
    for (const { method, path } of ROUTES) {
      const headers = { authorization };
      const { status } = await ask(rig, `/api${path}`, { method: method.toUpperCase(), headers });
      assert.equal(status, 403, path);
    }
    for (const path of ['/', '/api/openapi.json', '/api/stream', '/api'])
      assert.equal((await ask(rig, path, { headers: { authorization } })).status, 403, path);
  }
});

test('a path with dots, or with encoded ones, leads to no other one', async (t) => {
  const rig = await aRig(t);
  for (const path of [
    '/api/events/../../etc/passwd',
    '/api/events/..%2f..%2fetc%2fpasswd',
    '/api/events/%2e%2e/settings/x',
    '/api/..;/metrics',
    '//api/events/1',
    '/api/redeliveries/..%5c..%5cx',
  ]) {
    assert.equal((await ask(rig, path)).status, 401, path);
    assert.equal((await get(rig, path)).status, 404, path);
  }
});

test('a query beyond 16 KiB is answered 431', async (t) => {
  const rig = await aRig(t);
  assert.equal((await ask(rig, `/api/events?id=${'x'.repeat(16 * 1024)}`, { headers: AUTHORIZED })).status, 431);
  const { status } = await get(rig, `/api/events?${'state=pending&'.repeat(1000)}`);
  assert.equal(status, 200);
});

test('a new token counts at once, and the old one no more', async (t) => {
  let token = 'old';
  const rig = await aRig(t, { token: () => token });
  const statusWith = async (given: string) =>
    (await ask(rig, '/api/dead-letters', { headers: { authorization: `Bearer ${given}` } })).status;
  assert.equal(await statusWith('old'), 200);
  token = 'new';
  assert.deepEqual([await statusWith('old'), await statusWith('new')], [401, 200]);
});

test('dead letters are listed, the newest first, with when and why', async (t) => {
  const rig = await aRig(t);
  await keepOne(rig.journal, aRecord('pending', rig.clock.now()));
  const [first, second] = await keepDead(rig, 2);
  const { status, json } = await get(rig, '/api/dead-letters');
  assert.equal(status, 200);
  const at = new Date(rig.clock.now()).toISOString();
  assert.deepEqual(
    json.deadLetters.map(({ seq }: { seq: number }) => seq),
    [second, first],
  );
  assert.deepEqual(json.deadLetters[1], {
    seq: first,
    state: 'dead-lettered',
    receivedAt: at,
    format: 'acr',
    caller: 'ci',
    event: aDeadLetter('0', 0).event,
    attemptCount: 0,
    deadLetter: { at, reason: 'no-registry', detail: 'request.host is absent' },
  });
});

test('a long list has pages', async (t) => {
  const rig = await aRig(t);
  const kept = await keepDead(rig, 60);
  const numbers = async (query: string): Promise<readonly number[]> =>
    (await get(rig, `/api/dead-letters${query}`)).json.deadLetters.map(({ seq }: { seq: number }) => seq);
  const newest = kept.toReversed();
  assert.deepEqual(await numbers(''), newest.slice(0, 50));
  assert.deepEqual(await numbers(`?before=${newest[49]}`), newest.slice(50));
  assert.deepEqual(await numbers(`?limit=7&before=${newest[9]}`), newest.slice(10, 17));
  assert.deepEqual(await numbers('?limit=500'), newest);
  assert.deepEqual(await numbers('?before=1'), []);
});

for (const query of ['limit=0', 'limit=501', 'limit=x', 'limit=-1', 'limit=1.5', 'limit=', 'limit=1e2']) {
  test(`a list with ${query} is answered 400, with what was expected`, async (t) => {
    const { status, json } = await get(await aRig(t), `/api/dead-letters?${query}`);
    assert.equal(status, 400);
    assert.equal(json.error, 'limit: must be a number from 1 to 500');
  });
}

for (const query of ['before=0', 'before=x', 'before=', 'before=99999999999999999']) {
  test(`a list with ${query} is answered 400, with what was expected`, async (t) => {
    const { status, json } = await get(await aRig(t), `/api/dead-letters?${query}`);
    assert.deepEqual([status, json.error], [400, 'before: must be a sequence number']);
  });
}

test('an event is shown with its payload and its attempts', async (t) => {
  const rig = await aRig(t);
  const now = rig.clock.now();
  const seq = await keepOne(rig.journal, aRecord('a', now, { raw: Buffer.from('{"id":"ä"}') }));
  const [claim] = await claimDue(rig.journal);
  await deadLetterClaim(rig.journal, claim ?? assert.fail(), now);
  const at = new Date(now).toISOString();
  assert.deepEqual((await get(rig, `/api/events/${seq}`)).json, {
    seq,
    state: 'dead-lettered',
    receivedAt: at,
    format: 'acr',
    caller: 'ci',
    event: aRecord('a', 0).event,
    attemptCount: 1,
    deadLetter: { at, reason: 'rejected', detail: 'label repo is not legal' },
    headers: { 'content-type': 'application/json' },
    delivery: 1,
    attempts: [
      {
        at,
        durationMs: 25,
        outcome: { kind: 'rejected', detail: 'label repo is not legal' },
        delivery: 1,
        decision: 'dead-letter',
      },
    ],
    payload: '{"id":"ä"}',
    message: { kind: 'message', headers: {}, body: 'a message' },
  });
});

test('a pending event is shown with when it is due', async (t) => {
  const rig = await aRig(t);
  const seq = await keepOne(rig.journal, aRecord('a', rig.clock.now()));
  const { json } = await get(rig, `/api/events/${seq}`);
  assert.deepEqual([json.state, json.dueAt], ['pending', new Date(rig.clock.now()).toISOString()]);
});

for (const seq of ['99', '0', 'x', '-1', '1.5', '99999999999999999', '%00', '__proto__']) {
  test(`event ${seq} is not there`, async (t) => {
    const rig = await aRig(t);
    await keepDead(rig, 1);
    assert.deepEqual(await get(rig, `/api/events/${seq}`), { status: 404, json: { error: 'there is no such event' } });
  });
}

test('a redelivery is reported event by event', async (t) => {
  const rig = await aRig(t);
  const seqs = await keep(rig.journal, ...['a', 'b', 'c'].map((name) => aRecord(name, rig.clock.now())));
  for (const claim of await claimDue(rig.journal, 2)) await completeDelivered(rig.journal, claim, rig.clock.now());
  const [dead] = await keepDead(rig, 1);
  const { status, json } = await redeliveries(rig, [seqs[0], seqs[2], dead, 99, seqs[0]]);
  assert.equal(status, 200);
  assert.deepEqual(json.redeliveries, [
    { seq: seqs[0], kind: 'redelivered' },
    { seq: seqs[2], kind: 'pending' },
    { seq: dead, kind: 'undeliverable', detail: 'caller "ci" is not configured any more' },
    { seq: 99, kind: 'unknown' },
    { seq: seqs[0], kind: 'pending' },
  ]);
});

test('a hundred events may be redelivered by one request', async (t) => {
  const rig = await aRig(t);
  const { json } = await redeliveries(
    rig,
    Array.from({ length: 100 }, (_, index) => index + 1),
  );
  assert.equal(json.redeliveries.length, 100);
});

const NO_OBJECT = 'must be an object with seqs';
const LIMITS = 'must be a list of 1 to 100 sequence numbers';

for (const [what, body, error] of [
  ['nothing', '', NO_OBJECT],
  ['no JSON', 'x', NO_OBJECT],
  ['an array', '[1]', NO_OBJECT],
  ['null', 'null', NO_OBJECT],
  ['an object without numbers', '{}', '`seqs` is required'],
  ['a typo', '{"seqs":[1],"sesq":[2]}', '`sesq` is not a known field; did you mean `seqs`?'],
  ['no numbers', '{"seqs":[]}', `seqs: ${LIMITS}`],
  ['a single number', '{"seqs":1}', `seqs: ${LIMITS}`],
  ['a text for a number', '{"seqs":["1"]}', 'seqs.0: must be a sequence number'],
  ['a zero', '{"seqs":[1,0]}', 'seqs.1: must be a sequence number'],
  ['a fraction', '{"seqs":[1.5]}', 'seqs.0: must be a sequence number'],
  ['101 numbers', JSON.stringify({ seqs: Array.from({ length: 101 }, (_, index) => index + 1) }), `seqs: ${LIMITS}`],
] as const) {
  test(`a redelivery of ${what} is answered 400, and nothing is redelivered`, async (t) => {
    const rig = await aRig(t);
    const [seq = 0] = await keepDelivered(rig.journal, aRecord('a', rig.clock.now()));
    const { status, json } = await post(rig, '/api/redeliveries', body);
    assert.equal(status, 400);
    assert.equal(json.error, error);
    assert.equal((await rig.journal.get(seq))?.state, 'delivered');
  });
}

for (const chunked of [false, true]) {
  test(`a body of more than 64 KiB is answered 413, ${chunked ? 'also in chunks' : 'by its length'}`, async (t) => {
    const body = JSON.stringify({ seqs: [1], padding: 'x'.repeat(64 * 1024) });
    const rig = await aRig(t);
    const { status } = await ask(rig, '/api/redeliveries', { method: 'POST', headers: AUTHORIZED, body, chunked });
    assert.equal(status, 413);
  });
}

test('an unknown path is answered 404', async (t) => {
  const rig = await aRig(t);
  for (const path of ['/', '/api', '/api/dead-letters/', '/api/events/1/payload', '/nowhere']) {
    assert.deepEqual(await get(rig, path), { status: 404, json: { error: 'there is no such page' } });
  }
});

test('a fault is answered 503 without detail, and reported', async (t) => {
  const rig = await aRig(t);
  await rig.journal.close();
  const { status, json } = await get(rig, '/api/dead-letters');
  assert.deepEqual([status, json.error], [503, 'the gateway failed; see its log']);
  assert.equal(rig.faults.length, 1);
});

test('a port that is taken is a fault with its cause', async (t) => {
  const { port } = await aRig(t);
  await assert.rejects(aRig(t, { port }), (fault) => {
    assert.ok(fault instanceof AdminListenFault && fault.cause instanceof Error);
    assert.equal(fault.code, 'listen_failed');
    assert.match(fault.message, new RegExp(`127.0.0.1:${port}`));
    return true;
  });
});

test('GET /healthz says whether the gateway is healthy, without credentials and under any host name', async (t) => {
  let isHealthy = true;
  const rig = await aRig(t, { healthy: () => isHealthy });
  const headers = { host: 'anything.example' };
  const healthy = await ask(rig, '/healthz', { headers });
  assert.deepEqual([healthy.status, healthy.text], [200, 'ok\n']);
  isHealthy = false;
  assert.equal((await ask(rig, '/healthz', { headers })).status, 503);
});

async function aConnection(t: TestContext, { port }: Rig): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

const READYZ = 'GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n';

async function isReady(socket: Socket): Promise<boolean> {
  socket.write(READYZ);
  const [answer] = await once(socket, 'data');
  return String(answer).startsWith('HTTP/1.1 200 ');
}

test('up to 256 connections stay open, and beyond that the oldest makes room', async (t) => {
  const rig = await aRig(t);
  const sockets: Socket[] = [];
  for (let n = 0; n < 256; n++) sockets.push(await aConnection(t, rig));
  const [oldest, second] = sockets;
  const newest = sockets.at(-1);
  assert.ok(oldest && second && newest);
  assert.ok(await isReady(oldest));
  assert.ok(await isReady(newest));
  const closed = once(oldest, 'close');
  oldest.resume();
  assert.equal((await ask(rig, '/readyz')).status, 200);
  await closed;
  assert.ok(await isReady(second));
});

test('a request may arrive in parts for 5 seconds; after that its connection is closed', async (t) => {
  const rig = await aRig(t);
  const [slow, stuck, silent] = [await aConnection(t, rig), await aConnection(t, rig), await aConnection(t, rig)];
  const startedAt = performance.now();
  stuck.write(READYZ.slice(0, 20));
  slow.write(READYZ.slice(0, 20));
  const isAnswered = new Promise((resolve) => setTimeout(resolve, 3000)).then(() => {
    slow.write(READYZ.slice(20));
    return once(slow, 'data');
  });
  const [answer] = await isAnswered;
  assert.match(String(answer), /^HTTP\/1\.1 200 /);
  for (const answers of await Promise.all([allText(stuck), allText(silent)])) assert.match(answers, /^HTTP\/1\.1 408 /);
  const ms = performance.now() - startedAt;
  assert.ok(ms > 4900 && ms < 8000, String(ms));
});
