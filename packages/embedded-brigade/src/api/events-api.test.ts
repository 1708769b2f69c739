import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ApiClient, anEvent, aProject, startTestBrigade } from '../../test/api-client.ts';

/** Creates an event of the only project, and returns its id. */
async function makeEvent(root: ApiClient, fields: object = {}): Promise<string> {
  const { status, json } = await root.post('/v2/events', anEvent(fields));
  assert.equal(status, 201);
  return String(json.items[0].metadata.id);
}

async function phaseOf(root: ApiClient, id: string): Promise<string> {
  return String((await root.get(`/v2/events/${id}`)).json.worker.status.phase);
}

test('a pending event is canceled once', async (t) => {
  const { root } = await startTestBrigade(t);
  await root.post('/v2/projects', aProject('acr-all'));
  const id = await makeEvent(root);
  const cancelled = await root.put(`/v2/events/${id}/cancellation`);
  assert.deepEqual([cancelled.status, cancelled.text], [200, 'null']);
  const { worker } = (await root.get(`/v2/events/${id}`)).json;
  assert.deepEqual(worker.status, { phase: 'CANCELED' });
  const again = await root.put(`/v2/events/${id}/cancellation`);
  assert.equal(again.status, 409);
  assert.equal(
    again.text,
    `{"kind":"ConflictError","apiVersion":"brigade.sh/v2","type":"Event","id":"${id}",` +
      `"reason":"Event \\"${id}\\" was not canceled because it was already in a terminal state."}`,
  );
});

test('a deleted event is gone', async (t) => {
  const { root } = await startTestBrigade(t);
  await root.post('/v2/projects', aProject('acr-all'));
  const [gone, stays] = [await makeEvent(root), await makeEvent(root)];
  assert.equal((await root.delete(`/v2/events/${gone}`)).text, 'null');
  assert.equal((await root.get(`/v2/events/${gone}`)).status, 404);
  assert.equal((await root.delete(`/v2/events/${gone}`)).status, 404);
  assert.equal(await phaseOf(root, stays), 'PENDING');
});

test('many events are canceled by project and phase, and by other conditions', async (t) => {
  const { root } = await startTestBrigade(t);
  for (const id of ['acr-all', 'acr-other']) await root.post('/v2/projects', aProject(id));
  await root.post('/v2/events', anEvent({ type: 'push' }));
  await root.post('/v2/events', anEvent({ type: 'delete' }));
  const path = '/v2/events/cancellations?projectID=acr-all';
  const ended = await root.post(`${path}&workerPhases=SUCCEEDED,CANCELED`);
  assert.equal(ended.text, '{"kind":"CancelManyEventsResult","apiVersion":"brigade.sh/v2","count":0}');
  assert.equal((await root.post(`${path}&workerPhases=PENDING&type=push`)).json.count, 1);
  assert.equal((await root.post(`${path}&workerPhases=RUNNING,PENDING`)).json.count, 1);
  assert.equal((await root.get('/v2/events?workerPhases=CANCELED')).json.items.length, 2);
  assert.equal((await root.get('/v2/events?workerPhases=PENDING&projectID=acr-other')).json.items.length, 2);
});

test('many events are deleted by project and phase', async (t) => {
  const { root } = await startTestBrigade(t);
  for (const id of ['acr-all', 'acr-other']) await root.post('/v2/projects', aProject(id));
  for (const type of ['push', 'delete', 'push']) await root.post('/v2/events', anEvent({ type }));
  const path = '/v2/events?projectID=acr-all&workerPhases=PENDING';
  const deleted = await root.delete(`${path}&type=push`);
  assert.equal(deleted.text, '{"kind":"DeleteManyEventsResult","apiVersion":"brigade.sh/v2","count":2}');
  assert.equal((await root.delete(path)).json.count, 1);
  assert.equal((await root.get('/v2/events?projectID=acr-other')).json.items.length, 3);
});

test('a request for many events needs a project, a phase and a readable query', async (t) => {
  const { root } = await startTestBrigade(t);
  await root.post('/v2/projects', aProject('acr-all'));
  await makeEvent(root);
  const all = 'projectID=acr-all&workerPhases=PENDING';
  for (const [verb, ask] of [
    ['cancel', (query: string) => root.post(`/v2/events/cancellations?${query}`)],
    ['delete', (query: string) => root.delete(`/v2/events?${query}`)],
  ] as const) {
    const reasons = [];
    for (const query of ['', 'workerPhases=PENDING', 'projectID=acr-all', `${all}&labels=x`]) {
      const { status, json } = await ask(query);
      assert.equal(status, 400);
      reasons.push(json.reason);
    }
    assert.deepEqual(reasons, [
      `Requests to ${verb} multiple events must be qualified by project.`,
      `Requests to ${verb} multiple events must be qualified by project.`,
      `Requests to ${verb} multiple events must be qualified by worker phase(s).`,
      'Invalid value "x" for "labels" query parameter',
    ]);
    assert.equal((await ask('projectID=nope&workerPhases=PENDING')).status, 404);
  }
  assert.equal((await root.get(`/v2/events?${all}`)).json.items.length, 1, 'nothing was done');
});

const WHOLE = {
  type: 'push',
  labels: { tag: 'v1' },
  shortTitle: 'short',
  longTitle: 'long',
  payload: '{}',
  git: { ref: 'main' },
  sourceState: { state: { 'event-id': '1' } },
};

test('a clone is the same event with a label, a new id and the worker that its project has now', async (t) => {
  let now = 1_795_352_368_000_000_000n;
  const { root } = await startTestBrigade(t, { now: () => now });
  await root.post('/v2/projects', aProject('acr-all'));
  const id = await makeEvent(root, WHOLE);
  await root.put('/v2/projects/acr-all', aProject('acr-all', { workerTemplate: { logLevel: 'DEBUG' } }));
  now += 106_017_390n;
  const { status, text, json } = await root.post(`/v2/events/${id}/clones`);
  assert.equal(status, 201);
  assert.notEqual(json.metadata.id, id);
  assert.equal(
    text,
    `{"kind":"Event","apiVersion":"brigade.sh/v2","metadata":{"id":"${json.metadata.id}",` +
      '"created":"2026-11-22T12:59:28.10601739Z"},"projectID":"acr-all","source":"brigade.sh/acr",' +
      `"sourceState":{"state":{"event-id":"1"}},"type":"push","labels":{"brigade.sh/cloneOf":"${id}","tag":"v1"},` +
      '"shortTitle":"short","longTitle":"long","git":{"ref":"main"},"payload":"{}","worker":{"spec":' +
      '{"useWorkspace":false,"workspaceSize":"10Gi","git":{"ref":"main","initSubmodules":false},"logLevel":"DEBUG",' +
      '"configFilesDirectory":".brigade"},"status":{"phase":"PENDING"}}}',
  );
  assert.equal((await root.get(`/v2/events/${json.metadata.id}`)).json.labels.tag, 'v1');
});

test('a retry is the same event with a label, a new id and the worker that it had, once that has ended', async (t) => {
  const { root } = await startTestBrigade(t);
  await root.post('/v2/projects', aProject('acr-all'));
  const id = await makeEvent(root, WHOLE);
  const early = await root.post(`/v2/events/${id}/retries`);
  assert.equal(early.status, 409);
  assert.equal(early.json.reason, 'Event worker phase "PENDING" is non-terminal and may not yet be retried');
  await root.put(`/v2/events/${id}/cancellation`);
  await root.put('/v2/projects/acr-all', aProject('acr-all', { workerTemplate: { logLevel: 'DEBUG' } }));
  const { status, json } = await root.post(`/v2/events/${id}/retries`);
  assert.equal(status, 201);
  assert.deepEqual(json.labels, { 'brigade.sh/retryOf': id, tag: 'v1' });
  assert.deepEqual([json.worker.spec.logLevel, json.worker.status], ['INFO', { phase: 'PENDING' }]);
  assert.equal(json.payload, '{}');
});

test('an event whose project is no longer subscribed is neither cloned nor retried', async (t) => {
  const { root } = await startTestBrigade(t);
  await root.post('/v2/projects', aProject('acr-all'));
  const id = await makeEvent(root);
  await root.put(`/v2/events/${id}/cancellation`);
  await root.put('/v2/projects/acr-all', aProject('acr-all', { eventSubscriptions: [] }));
  for (const verb of ['clones', 'retries']) {
    const { status, json } = await root.post(`/v2/events/${id}/${verb}`);
    assert.equal(status, 409);
    assert.equal(json.reason, 'Project "acr-all" is not subscribed to this event.');
  }
});

test('an EVENT_CREATOR of its source may replace the source state of an event', async (t) => {
  const { root, serviceAccount } = await startTestBrigade(t);
  await root.post('/v2/projects', aProject('acr-all'));
  const id = await makeEvent(root, { sourceState: { state: { tracking: 'true', old: 'x' } } });
  const path = `/v2/events/${id}/source-state`;
  const state = { apiVersion: 'brigade.sh/v2', kind: 'SourceState', state: { tracking: 'false' } };
  const gateway = await serviceAccount('gateway', 'EVENT_CREATOR', 'brigade.sh/acr');
  const other = await serviceAccount('other', 'EVENT_CREATOR', 'brigade.sh/other');
  assert.equal((await gateway.put(path, state)).text, 'null');
  assert.equal((await other.put(path, state)).status, 403);
  assert.equal((await other.put('/v2/events/nope/source-state', state)).status, 404);
  assert.equal((await gateway.put(path, {})).status, 400);
  const keys = Object.keys((await root.get(`/v2/events/${id}`)).json);
  assert.equal(keys.indexOf('sourceState'), keys.indexOf('type') - 1);
  assert.equal((await root.get('/v2/events?sourceState=tracking=false')).json.items.length, 1);
  assert.equal((await root.get('/v2/events?sourceState=old=x')).json.items, undefined);
});

test('an EVENT_CREATOR may clone and retry events of its source, and neither read, cancel nor delete them', async (t) => {
  const { root, serviceAccount } = await startTestBrigade(t);
  await root.post('/v2/projects', aProject('acr-all'));
  const gateway = await serviceAccount('gateway', 'EVENT_CREATOR', 'brigade.sh/acr');
  const reader = await serviceAccount('reader', 'READER');
  const id = await makeEvent(root);
  const many = 'projectID=acr-all&workerPhases=PENDING';
  const statuses = async (client: ApiClient) => [
    (await client.get(`/v2/events/${id}`)).status,
    (await client.post(`/v2/events/${id}/clones`)).status,
    (await client.put(`/v2/events/${id}/cancellation`)).status,
    (await client.delete(`/v2/events/${id}`)).status,
    (await client.post(`/v2/events/cancellations?${many}`)).status,
    (await client.delete(`/v2/events?${many}`)).status,
    (await client.put('/v2/events/nope/cancellation')).status,
  ];
  assert.deepEqual(await statuses(gateway), [403, 201, 403, 403, 403, 403, 404]);
  assert.deepEqual(await statuses(reader), [200, 403, 403, 403, 403, 403, 404]);
  await root.put(`/v2/events/${id}/cancellation`);
  assert.equal((await gateway.post(`/v2/events/${id}/retries`)).status, 201);
  assert.equal((await reader.post(`/v2/events/${id}/retries`)).status, 403);
});
