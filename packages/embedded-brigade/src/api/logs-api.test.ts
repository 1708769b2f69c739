import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type EmbeddedBrigade, startEmbeddedBrigade } from '../embedded-brigade.ts';
import type { GitDetails } from '../project.ts';

const SOURCE = 'brigade.sh/acr';

interface Started {
  readonly brigade: EmbeddedBrigade;
  /** Of a service account that may create events of ACR. */
  readonly token: string;
  /** The id of an event whose worker runs the script. */
  readonly id: string;
  readonly root: string;
  readonly ended: Promise<unknown>;
}

interface Settings {
  readonly runs?: boolean;
  readonly git?: GitDetails;
}

async function start(t: TestContext, script: string, { runs = true, git }: Settings = {}): Promise<Started> {
  const folder = await mkdtemp(join(tmpdir(), 'logs-api-'));
  const { promise: ended, resolve: end } = Promise.withResolvers();
  const workerTemplate = { defaultConfigFiles: { 'brigade.js': script }, ...(git && { git }) };
  const spec = { eventSubscriptions: [{ source: SOURCE, types: ['*'] }], workerTemplate };
  const brigade = await startEmbeddedBrigade({
    port: 0,
    database: join(folder, 'brigade.db'),
    projects: () => [{ metadata: { id: 'a-project' }, spec }],
    ...(runs && { workers: { folder: join(folder, 'workers'), onEnd: end } }),
    onFault: (fault) => assert.fail(String(fault)),
  });
  t.after(async () => {
    await brigade.close();
    await rm(folder, { recursive: true });
  });
  const { accounts, roles } = brigade;
  const token = accounts.createServiceAccount('gateway', 'The gateway') ?? '';
  roles.grant({ role: 'EVENT_CREATOR', serviceAccount: 'gateway', scope: SOURCE });
  const body = JSON.stringify({ apiVersion: 'brigade.sh/v2', kind: 'Event', source: SOURCE, type: 'push' });
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${brigade.address}/v2/events`, { method: 'POST', headers, body });
  const { items } = JSON.parse(await response.text());
  return { brigade, token, id: String(items[0].metadata.id), root: accounts.openRootSession(), ended };
}

function logs({ brigade, id, root }: Started, query = '', token = root): Promise<Response> {
  return fetch(`${brigade.address}/v2/events/${id}/logs${query}`, { headers: { authorization: `Bearer ${token}` } });
}

/** With the times replaced, which are different in each run. */
async function textOf(response: Response): Promise<string> {
  return (await response.text()).replace(/"time":"[\d-]{10}T[\d:]{8}(?:\.\d{1,3})?Z"/g, '"time":"<time>"');
}

function entry(message?: string): string {
  const field = message === undefined ? '' : `,"message":${JSON.stringify(message)}`;
  return `{"kind":"LogEntry","apiVersion":"brigade.sh/v2","time":"<time>"${field}}`;
}

test('a log is one JSON object after another, as Brigade writes them', async (t) => {
  const started = await start(t, 'console.log("one"); console.log(""); console.log("a & b")');
  await started.ended;
  for (const query of ['', '?follow=true', '?container=worker', '?follow=nonsense']) {
    const response = await logs(started, query);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'text/event-stream');
    assert.equal(await textOf(response), entry('one') + entry() + entry('a & b').replace('&', '\\u0026'));
  }
});

test('with sse=true a log is server-sent events, which continue after the last that the client has', async (t) => {
  const started = await start(t, 'console.log("one"); console.log("two")');
  await started.ended;
  const [one, two] = [entry('one'), entry('two')].map((data, n) => `event: message\ndata: ${data}\nid: ${n + 1}\n\n`);
  const done = 'event: done\ndata: done\nid: 3\n\n';
  assert.equal(await textOf(await logs(started, '?sse=true')), `${one}${two}${done}`);
  assert.equal(await textOf(await logs(started, '?sse=1&lastEventId=1')), `${two}${done}`);
  assert.equal((await logs(started, '?sse=true&lastEventId=x')).status, 400);
});

test('a log that is followed grows while the worker runs, and ends when its event is canceled', async (t) => {
  const started = await start(t, 'console.log("up"); setInterval(() => {}, 1000)');
  const reader = (await logs(started, '?follow=true')).body?.pipeThrough(new TextDecoderStream()).getReader();
  assert.match(String((await reader?.read())?.value), /"message":"up"/);
  const headers = { authorization: `Bearer ${started.root}` };
  await fetch(`${started.brigade.address}/v2/events/${started.id}/cancellation`, { method: 'PUT', headers });
  for (let read = await reader?.read(); read && !read.done; ) read = await reader?.read();
  await started.ended;
});

test('a log that is not followed ends with the lines that are there', async (t) => {
  const started = await start(t, 'console.log("up"); setInterval(() => {}, 1000)');
  const reader = (await logs(started, '?follow=true')).body?.pipeThrough(new TextDecoderStream()).getReader();
  await reader?.read();
  assert.equal(await textOf(await logs(started)), entry('up'));
  await reader?.cancel();
});

test('the log of a pending worker is answered when the worker starts or is canceled', async (t) => {
  const { brigade, id, root } = await start(t, '', { runs: false });
  const headers = { authorization: `Bearer ${root}` };
  const request = get(`${brigade.address}/v2/events/${id}/logs`, { headers });
  request.on('error', () => {});
  await once(request, 'socket');
  const answered = once(request, 'response').then(([response]: IncomingMessage[]) => response?.statusCode);
  await fetch(`${brigade.address}/v2/events/${id}/cancellation`, { method: 'PUT', headers });
  assert.equal(await answered, 200);
});

test('a log is only for those who may create its event; Brigade answers the others with 500', async (t) => {
  const started = await start(t, 'console.log("one")');
  await started.ended;
  assert.equal((await logs(started, '', started.token)).status, 200);
  const { accounts, roles } = started.brigade;
  const other = accounts.createServiceAccount('other', 'A reader') ?? '';
  roles.grant({ role: 'READER', serviceAccount: 'other', scope: '' });
  const response = await logs(started, '', other);
  assert.equal(response.status, 500);
  assert.equal(await response.text(), '{"kind":"InternalServerError","apiVersion":"brigade.sh/v2"}');
});

test('an event, a job or a container that does not exist is not found', async (t) => {
  const started = await start(t, '');
  await started.ended;
  for (const [response, type, id] of [
    [await logs({ ...started, id: 'nothing' }), 'Event', 'nothing'],
    [await logs(started, '?job=scan'), 'Job', 'scan'],
    [await logs(started, '?container=vcs'), 'WorkerContainer', 'vcs'],
    [await logs(started, '?container=other'), 'WorkerContainer', 'other'],
  ] as const) {
    assert.equal(response.status, 404);
    const body = JSON.parse(await response.text());
    assert.deepEqual([body.kind, body.type, body.id], ['NotFoundError', type, id]);
  }
});

test('the container vcs exists in a project with git details, and prints nothing here', async (t) => {
  const started = await start(t, 'console.log("one")', { git: { ref: 'main' } });
  await started.ended;
  const response = await logs(started, '?container=vcs&follow=true');
  assert.equal(response.status, 200);
  assert.equal(await response.text(), '');
  const events = await logs(started, '?container=vcs&sse=true');
  assert.equal(await events.text(), 'event: done\ndata: done\nid: 1\n\n');
});
