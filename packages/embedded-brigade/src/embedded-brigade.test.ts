import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text as textOf } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { type EmbeddedBrigade, startEmbeddedBrigade } from './embedded-brigade.ts';
import type { StoredEvent } from './event.ts';
import type { Project, WorkerTemplate } from './project.ts';
import { openDatabase } from './store/database.ts';

const SOURCE = 'brigade.sh/acr';
const PUSH = { apiVersion: 'brigade.sh/v2', kind: 'Event', source: SOURCE, type: 'push' };

function aProject(id: string, workerTemplate: WorkerTemplate = {}): Project {
  return { metadata: { id }, spec: { eventSubscriptions: [{ source: SOURCE, types: ['*'] }], workerTemplate } };
}

interface Started {
  readonly brigade: EmbeddedBrigade;
  /** Of a service account that may create events of ACR. */
  readonly token: string;
  /** The events that `onEvent` was called with. */
  readonly stored: readonly StoredEvent[];
  readonly faults: readonly unknown[];
}

interface Settings {
  readonly projects?: readonly Project[];
  readonly database?: string;
  readonly now?: () => bigint;
  readonly onEvent?: () => void;
}

async function start(t: TestContext, settings: Settings = {}): Promise<Started> {
  const stored: StoredEvent[] = [];
  const faults: unknown[] = [];
  const brigade = await startEmbeddedBrigade({
    port: 0,
    database: settings.database ?? ':memory:',
    projects: () => settings.projects ?? [aProject('acr-all')],
    onEvent: settings.onEvent ?? ((event) => stored.push(event)),
    onFault: (fault) => faults.push(fault),
    ...(settings.now && { now: settings.now }),
  });
  t.after(() => brigade.close());
  const token = brigade.accounts.createServiceAccount('gateway', 'The gateway') ?? '';
  brigade.roles.grant({ role: 'EVENT_CREATOR', serviceAccount: 'gateway', scope: SOURCE });
  return { brigade, token, stored, faults };
}

async function aFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'embedded-brigade-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

function post({ brigade, token }: Started, event: object | string): Promise<Response> {
  const body = typeof event === 'string' ? event : JSON.stringify(event);
  return fetch(`${brigade.address}/v2/events`, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body });
}

async function details(started: Started, event: object): Promise<readonly string[]> {
  const { details } = JSON.parse(await (await post(started, { ...PUSH, ...event })).text());
  return details;
}

interface List {
  readonly metadata: { readonly continue?: string; readonly remainingItemCount: number };
  readonly items?: readonly StoredEvent[];
}

async function list({ brigade }: Started, query: string): Promise<List> {
  const response = await getAsRoot(brigade, `/v2/events${query}`);
  assert.equal(response.status, 200);
  const found: List = JSON.parse(await response.text());
  return found;
}

function getAsRoot(brigade: EmbeddedBrigade, path: string): Promise<Response> {
  const authorization = `Bearer ${brigade.accounts.openRootSession()}`;
  return fetch(brigade.address + path, { redirect: 'manual', headers: { authorization } });
}

function typesIn({ items = [] }: List): readonly string[] {
  return items.map(({ type }) => type);
}

test('events survive a restart, and so do tokens and roles', async (t) => {
  const database = join(await aFolder(t), 'brigade.db');
  const first = await start(t, { database });
  await post(first, { ...PUSH, payload: '{"tag":"v1"}' });
  await first.brigade.close();

  const second = await start(t, { database });
  assert.equal(second.token, '', 'the service account is there already');
  assert.equal((await post({ ...second, token: first.token }, { ...PUSH, type: 'delete' })).status, 201);
  const { items = [] } = await list(second, '');
  assert.deepEqual(items.map(({ type, payload }) => `${type} ${payload}`).sort(), [
    'delete undefined',
    'push {"tag":"v1"}',
  ]);
});

test('onEvent is called for each stored event: one for each project, with the worker that the project wants', async (t) => {
  const projects = [aProject('zebra'), aProject('aardvark', { defaultConfigFiles: { 'brigade.js': '1' } })];
  const started = await start(t, { projects });
  await post(started, PUSH);
  assert.deepEqual(
    started.stored.map((event) => [event.projectID, event.worker.spec.defaultConfigFiles, event.worker.status.phase]),
    [
      ['aardvark', { 'brigade.js': '1' }, 'PENDING'],
      ['zebra', undefined, 'PENDING'],
    ],
  );
});

test('an answer is written as Go writes it: keys in order, maps sorted, no empty fields, safe inside HTML', async (t) => {
  const template = {
    timeoutDuration: '2h',
    useWorkspace: true,
    workspaceSize: '',
    git: { initSubmodules: true, ref: 'main' },
    jobPolicies: { allowPrivileged: true },
    container: { environment: { b: '', a: '1' }, image: 'x', command: [] },
    kubernetes: { imagePullSecrets: ['secret'] },
  };
  const now = () => 1_795_352_368_106_017_390n;
  const started = await start(t, { projects: [aProject('acr-all', template)], now });
  const response = await post(started, {
    payload: '<a href="?x&y">\u2028',
    longTitle: 'long',
    labels: { tag: 'v1', repo: 'x' },
    qualifiers: {},
    shortTitle: '',
    git: { commit: 'abcdef01', cloneURL: 'https://example.com/x' },
    sourceState: { state: { 'event-id': '1', delivery: '1' } },
    ...PUSH,
  });
  const text = (await response.text()).replace(/"id":"[\da-f-]{36}"/, '"id":"<uuid>"');
  assert.equal(
    text,
    '{"kind":"EventList","apiVersion":"brigade.sh/v2","metadata":{"remainingItemCount":0},"items":[{"kind":"Event",' +
      '"apiVersion":"brigade.sh/v2","metadata":{"id":"<uuid>","created":"2026-11-22T12:59:28.10601739Z"},' +
      '"projectID":"acr-all","source":"brigade.sh/acr","sourceState":{"state":{"delivery":"1","event-id":"1"}},' +
      '"type":"push","labels":{"repo":"x","tag":"v1"},"longTitle":"long",' +
      '"git":{"cloneURL":"https://example.com/x","commit":"abcdef01"},' +
      '"payload":"\\u003ca href=\\"?x\\u0026y\\"\\u003e\\u2028","worker":{"spec":{"container":{"image":"x",' +
      '"environment":{"a":"1","b":""}},"useWorkspace":true,"workspaceSize":"10Gi",' +
      '"git":{"cloneURL":"https://example.com/x","commit":"abcdef01","ref":"main","initSubmodules":true},' +
      '"kubernetes":{"imagePullSecrets":["secret"]},' +
      '"jobPolicies":{"allowPrivileged":true,"allowDockerSocketMount":false},"logLevel":"INFO",' +
      '"configFilesDirectory":".brigade","timeoutDuration":"2h"},"status":{"phase":"PENDING"}}}]}',
  );
});

test('a time has nanoseconds when an event is created and milliseconds when it is read', async (t) => {
  let now = 1_795_352_368_106_017_390n;
  const started = await start(t, { now: () => now });
  await post(started, PUSH);
  assert.equal(started.stored[0]?.metadata.created, '2026-11-22T12:59:28.10601739Z');
  now = 1_795_352_369_000_000_000n;
  await post(started, PUSH);
  const { items = [] } = await list(started, '');
  assert.deepEqual(
    items.map(({ metadata }) => metadata.created),
    ['2026-11-22T12:59:29Z', '2026-11-22T12:59:28.106Z'],
  );
});

test('events are listed newest first, page by page, none twice and none left out', async (t) => {
  let now = 1_795_352_368_000_000_000n;
  const started = await start(t, { projects: [aProject('one'), aProject('two')], now: () => now });
  for (let count = 0; count < 25; count += 1) {
    await post(started, { ...PUSH, type: `push${count}` });
    now += 700_000n;
  }
  assert.equal((await list(started, '')).items?.length, 20);

  const seen: StoredEvent[] = [];
  let at = '';
  for (let left = 50; left > 0; ) {
    const page = await list(started, `?limit=7${at && `&continue=${at}`}`);
    seen.push(...(page.items ?? []));
    left -= page.items?.length ?? 0;
    assert.equal(page.metadata.remainingItemCount, left);
    assert.equal(page.metadata.continue !== undefined, left > 0);
    at = page.metadata.continue ?? '';
  }
  assert.equal(new Set(seen.map(({ metadata }) => metadata.id)).size, 50);
  const times = seen.map(({ metadata }) => Date.parse(metadata.created));
  assert.deepEqual(
    times,
    times.toSorted((a, b) => b - a),
  );
});

test('a list is filtered by project, source, type, phase, qualifiers, labels and source state, all at once', async (t) => {
  const reg = { qualifiers: { registry: 'a' } };
  const project = (id: string): Project => ({
    metadata: { id },
    spec: { eventSubscriptions: [{ source: SOURCE, types: ['*'], ...reg }], workerTemplate: {} },
  });
  const started = await start(t, { projects: [project('one')] });
  await post(started, { ...PUSH, ...reg, type: 'bare' });
  await post(started, { ...PUSH, ...reg, type: 'tagged', labels: { repo: 'x', tag: 'a=b' } });
  await post(started, { ...PUSH, ...reg, type: 'stated', sourceState: { state: { eventID: '1' } } });

  for (const [query, types] of [
    ['projectID=one&type=bare', ['bare']],
    ['projectID=two', []],
    ['source=brigade.sh/github', []],
    ['workerPhases=FAILED', []],
    ['workerPhases=FAILED,PENDING&type=bare', ['bare']],
    ['qualifiers=registry=b', []],
    ['qualifiers=registry=a&labels=repo=x', ['tagged']],
    ['labels=repo=x,tag=a=b', ['tagged']],
    ['labels=repo=x,tag=v2', []],
    ['sourceState=eventID=1', ['stated']],
    ["labels=') OR 1=1 --=x", []],
  ] as const) {
    assert.deepEqual(typesIn(await list(started, `?${query}`)), types, query);
  }
});

test('a query that cannot be read is answered 400, and an unreadable continue 500', async (t) => {
  const { brigade } = await start(t);
  for (const [query, status, reason] of [
    ['limit=0', 400, 'Invalid value "0" for "limit" query parameter'],
    ['limit=ten', 400, 'Invalid value "ten" for "limit" query parameter'],
    ['labels=repo', 400, 'Invalid value "repo" for "labels" query parameter'],
    ['qualifiers=a=b,c', 400, 'Invalid value "a=b,c" for "qualifiers" query parameter'],
    ['sourceState=x', 400, 'Invalid value "x" for "sourceState" query parameter'],
    ['continue=yesterday', 500, undefined],
    ['continue=1:2:3', 500, undefined],
  ] as const) {
    const response = await getAsRoot(brigade, `/v2/events?${query}`);
    assert.equal(response.status, status, query);
    assert.equal(JSON.parse(await response.text()).reason, reason);
  }
});

test('a service account may read events once it is a reader', async (t) => {
  const { brigade, token } = await start(t);
  const read = () => fetch(`${brigade.address}/v2/events`, { headers: { authorization: `bearer ${token}` } });
  assert.equal((await read()).status, 403);
  brigade.roles.grant({ role: 'READER', serviceAccount: 'gateway', scope: '' });
  assert.equal((await read()).status, 200);
});

test('a renewed token replaces the old one', async (t) => {
  const started = await start(t);
  const token = started.brigade.accounts.renewToken('gateway') ?? '';
  assert.equal((await post(started, PUSH)).status, 401);
  assert.equal((await post({ ...started, token }, PUSH)).status, 201);
  assert.equal(started.brigade.accounts.renewToken('missing'), undefined);
});

test('a root session ends after an hour', async (t) => {
  let now = 1_795_352_368_000_000_000n;
  const { brigade } = await start(t, { now: () => now });
  const root = brigade.accounts.openRootSession();
  now += 3_599_999_000_000n;
  assert.equal(brigade.accounts.identify(root).kind, 'known');
  now += 1_000_000n;
  assert.equal(brigade.accounts.identify(root).kind, 'unknown');
});

test('the database contains no token, and only its owner can read it', async (t) => {
  const database = join(await aFolder(t), 'brigade.db');
  const { brigade, token } = await start(t, { database });
  await brigade.close();
  assert.equal((await stat(database)).mode & 0o777, 0o600);
  const reader = new DatabaseSync(database);
  const rows = reader.prepare('SELECT * FROM tokens').all();
  reader.close();
  assert.equal(rows.length, 1);
  assert.ok(!JSON.stringify(rows).includes(token));
});

test('a database of a newer version is not opened', async (t) => {
  const database = join(await aFolder(t), 'brigade.db');
  const newer = new DatabaseSync(database);
  newer.exec('PRAGMA user_version = 1000');
  newer.close();
  await assert.rejects(start(t, { database }), { code: 'embedded_brigade_too_new' });
});

test('a database that another process holds is not opened', async (t) => {
  const database = join(await aFolder(t), 'brigade.db');
  await start(t, { database });
  assert.throws(() => openDatabase(database, 1), { code: 'embedded_brigade_locked' });
});

test('it does not start on a port that is taken', async (t) => {
  const { brigade } = await start(t);
  const second = startEmbeddedBrigade({
    port: Number(new URL(brigade.address).port),
    database: join(await aFolder(t), 'brigade.db'),
    projects: () => [],
    onFault: (fault) => assert.fail(String(fault)),
  });
  await assert.rejects(second, { code: 'listen_failed' });
});

test('violations are reported in the words of gojsonschema', async (t) => {
  const started = await start(t);
  for (const [event, expected] of [
    [{ kind: 'Project' }, ['kind: kind must be one of the following: "Event"']],
    [{ kind: 5 }, ['kind: Invalid type. Expected: string, given: integer']],
    [{ metadata: { id: 'x' } }, ['metadata: Additional property id is not allowed']],
    [{ labels: 1.5 }, ['labels: Invalid type. Expected: object,null, given: number']],
    [{ payload: null }, ['payload: Invalid type. Expected: string, given: null']],
    [{ payload: true }, ['payload: Invalid type. Expected: string, given: boolean']],
    [{ longTitle: '🐳'.repeat(101) }, ['longTitle: String length must be less than or equal to 100']],
    [
      { type: '' },
      ['type: String length must be greater than or equal to 1', 'type: Must validate all the schemas (allOf)'],
    ],
    [
      { source: 'a+b' },
      [
        'source: String length must be greater than or equal to 5',
        "source: Does not match pattern '^[\\w:/\\-\\.\\?=@]*$'",
        'source: Must validate all the schemas (allOf)',
      ],
    ],
    [
      { projectID: 'A' },
      [
        'projectID: projectID must be one of the following: ""',
        'projectID: Must validate one and only one schema (oneOf)',
      ],
    ],
    [
      { sourceState: { kind: 'State', state: { a: 'x', 'event-id': 1 } } },
      [
        'sourceState.kind: sourceState.kind must be one of the following: "SourceState"',
        'sourceState.state: Additional property a is not allowed',
        'sourceState.state.event-id: Invalid type. Expected: string, given: integer',
      ],
    ],
  ] as const) {
    assert.deepEqual((await details(started, event)).toSorted(), [...expected].sort());
  }
});

test('50 characters outside the basic plane are a legal title', async (t) => {
  assert.equal((await post(await start(t), { ...PUSH, shortTitle: '🐳'.repeat(50) })).status, 201);
});

test('a key named __proto__ is rejected like any other unknown key', async (t) => {
  const started = await start(t);
  const body = JSON.stringify(PUSH).replace('{', '{"__proto__":{},"labels":{"__proto__":"x"},');
  const answer = JSON.parse(await (await post(started, body)).text());
  assert.deepEqual(answer.details.sort(), [
    '(root): Additional property __proto__ is not allowed',
    'labels: Additional property __proto__ is not allowed',
  ]);
});

test('the token is checked before the body, and the body before the role', async (t) => {
  const started = await start(t);
  assert.equal((await post(started, { ...PUSH, source: 'brigade.sh/other', foo: 1 })).status, 400);
  assert.equal((await post(started, { ...PUSH, source: 'brigade.sh/other' })).status, 403);
  assert.equal((await post({ ...started, token: 'wrong' }, '{')).status, 401);
});

test('a wrong token is answered while the body is still on its way', async (t) => {
  const { brigade } = await start(t);
  const { port, host } = new URL(brigade.address);
  const socket = connect(Number(port), '127.0.0.1');
  socket.write(
    `POST /v2/events HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer nope\r\nContent-Length: 1000000\r\n\r\n{`,
  );
  const [answer] = await once(socket, 'data');
  socket.destroy();
  assert.match(String(answer), /^HTTP\/1\.1 401 /);
});

test('a body of 15 MiB is accepted; above 16 MiB it is a 500, and the next request is served', async (t) => {
  const started = await start(t, { projects: [] });
  assert.equal((await post(started, { ...PUSH, payload: 'x'.repeat(15 * 1024 * 1024) })).status, 201);
  const large = await post(started, { ...PUSH, payload: 'x'.repeat(17 * 1024 * 1024) });
  assert.equal(large.status, 500);
  assert.equal(await large.text(), '{"kind":"InternalServerError","apiVersion":"brigade.sh/v2"}');
  assert.equal((await post(started, PUSH)).status, 201);
});

test('bytes that are not UTF-8 become U+FFFD', async (t) => {
  const started = await start(t);
  const body = Buffer.from(JSON.stringify({ ...PUSH, payload: '?' }).replace('?', '\xff'), 'latin1');
  await fetch(`${started.brigade.address}/v2/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${started.token}` },
    body,
  });
  assert.equal(started.stored[0]?.payload, '\ufffd');
});

test('an unexpected error is a 500 without detail, and onFault is called', async (t) => {
  const boom = new Error('boom');
  const throwing = () => {
    throw boom;
  };
  const started = await start(t, { onEvent: throwing });
  const response = await post(started, PUSH);
  assert.equal(response.status, 500);
  assert.equal(await response.text(), '{"kind":"InternalServerError","apiVersion":"brigade.sh/v2"}');
  assert.deepEqual(started.faults, [boom]);
});

function ask(brigade: EmbeddedBrigade, host: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(`${brigade.address}/ping`, { headers: { host } }, resolve).on('error', reject).end();
  });
}

test('only requests whose Host names this machine and the port are served', async (t) => {
  const { brigade } = await start(t);
  const { port } = new URL(brigade.address);
  for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, `LOCALHOST:${port}`]) {
    const response = await ask(brigade, host);
    assert.equal(response.statusCode, 200, host);
    assert.equal(await textOf(response), 'version v2.6.0 -- commit embedded');
  }
  for (const host of ['localhost', `evil.example:${port}`, `127.0.0.1.evil.example:${port}`, 'localhost:1']) {
    const response = await ask(brigade, host);
    assert.equal(response.statusCode, 421, host);
    response.resume();
  }
});

test('paths are matched as by gorilla/mux', async (t) => {
  const { brigade } = await start(t);
  for (const [method, path, status, location] of [
    ['GET', '/healthz', 200, null],
    ['GET', '/nothing', 404, null],
    ['GET', '/v2/events/a/b', 404, null],
    ['GET', '/v2/events/%zz', 404, null],
    ['HEAD', '/healthz', 405, null],
    ['PATCH', '/v2/events/x', 405, null],
    ['PATCH', '/v2/events/', 405, null],
    ['GET', '/v2/events/?limit=1', 301, '/v2/events?limit=1'],
    ['GET', '/v2/events/x/', 301, '/v2/events/x'],
    ['POST', '//v2//events', 301, '/v2/events'],
    ['GET', '/v2/events/x', 401, null],
  ] as const) {
    const response = await fetch(brigade.address + path, { method, redirect: 'manual' });
    assert.equal(response.status, status, `${method} ${path}`);
    assert.equal(response.headers.get('location'), location);
    assert.equal(response.headers.get('allow'), null);
    await response.body?.cancel();
  }
});

test('an event is found by its id', async (t) => {
  const started = await start(t);
  await post(started, PUSH);
  const id = started.stored[0]?.metadata.id;
  const response = await getAsRoot(started.brigade, `/v2/events/${id}`);
  assert.equal(JSON.parse(await response.text()).metadata.id, id);
});

test('closing waits for the request in flight', async (t) => {
  const { brigade, token } = await start(t);
  const { port, host } = new URL(brigade.address);
  const body = JSON.stringify(PUSH);
  const socket = connect(Number(port), '127.0.0.1');
  t.after(() => socket.destroy());
  const head = `POST /v2/events HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n`;
  socket.write(`${head}Content-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`);
  await once(socket, 'data');
  const closed = brigade.close();
  socket.write(body);
  assert.match(await textOf(socket), /^HTTP\/1\.1 201 /);
  await closed;
});
