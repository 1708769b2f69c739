import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { aFolder, anEvent, aProject, aRoleAssignment, startTestBrigade } from '../../test/api-client.ts';
import { checkProject, type Project } from '../project.ts';

function fromFile(id: string): Project {
  const checked = checkProject({ ...aProject(id), description: 'from a file' });
  assert.ok(checked.kind === 'valid');
  return checked.value;
}

interface List {
  readonly metadata: object;
  readonly items?: readonly { readonly metadata: { readonly id: string } }[];
}

function idsIn({ items = [] }: List): readonly string[] {
  return items.map(({ metadata }) => metadata.id);
}

test('a project is written as Go writes it, and read with the time in milliseconds', async (t) => {
  const { root } = await startTestBrigade(t, { now: () => 1_795_352_368_106_017_390n });
  const eventSubscriptions = [
    { labels: { tag: 'v1', repo: 'x' }, types: ['push'], source: 'brigade.sh/acr', qualifiers: {} },
  ];
  const workerTemplate = { logLevel: '', git: { ref: 'main' }, container: { command: [] }, workspaceSize: '1Gi' };
  const created = await root.post('/v2/projects', {
    ...aProject('acr-all', { workerTemplate, eventSubscriptions }),
    description: '<all>',
  });
  assert.equal(created.status, 201);
  const text = (time: string) =>
    `{"kind":"Project","apiVersion":"brigade.sh/v2","metadata":{"id":"acr-all","created":"${time}"},` +
    '"description":"\\u003call\\u003e","spec":{"eventSubscriptions":[{"source":"brigade.sh/acr","types":["push"],' +
    '"labels":{"repo":"x","tag":"v1"}}],"workerTemplate":{"container":{},"useWorkspace":false,"workspaceSize":"1Gi",' +
    '"git":{"ref":"main","initSubmodules":false}}},"kubernetes":{"namespace":"brigade-<uuid>"}}';
  const masked = ({ text: found }: typeof created) => found.replace(/(?<=brigade-)[\da-f-]{36}/, '<uuid>');
  assert.equal(masked(created), text('2026-11-22T12:59:28.10601739Z'));
  assert.equal(masked(await root.get('/v2/projects/acr-all')), text('2026-11-22T12:59:28.106Z'));
});

test('projects survive a restart, with their changes', async (t) => {
  const database = join(await aFolder(t), 'brigade.db');
  const first = await startTestBrigade(t, { database });
  await first.root.post('/v2/projects', aProject('acr-all'));
  await first.root.post('/v2/projects', aProject('acr-other'));
  await first.root.put('/v2/projects/acr-other', { ...aProject('acr-other'), description: 'changed' });
  await first.root.post('/v2/projects', aProject('acr-gone'));
  await first.root.delete('/v2/projects/acr-gone');
  const before = await first.root.get('/v2/projects');
  await first.brigade.close();
  const { root } = await startTestBrigade(t, { database });
  const after = await root.get('/v2/projects');
  assert.equal(after.text, before.text);
  assert.equal(after.json.items[1].description, 'changed');
});

test('an update changes description and spec, keeps the rest, and answers with what was sent', async (t) => {
  const { root } = await startTestBrigade(t);
  const before = (await root.post('/v2/projects', { ...aProject('acr-all'), description: 'before' })).json;
  const answer = await root.put('/v2/projects/acr-all', aProject('acr-all', { eventSubscriptions: null }));
  assert.equal(answer.status, 200);
  assert.equal(
    answer.text,
    '{"kind":"Project","apiVersion":"brigade.sh/v2","metadata":{"id":"acr-all"},' +
      '"spec":{"workerTemplate":{"useWorkspace":false}}}',
  );
  const { metadata, description, spec, kubernetes } = (await root.get('/v2/projects/acr-all')).json;
  assert.deepEqual(spec, { workerTemplate: { useWorkspace: false } });
  assert.equal(description, undefined);
  assert.equal(Date.parse(metadata.created), Date.parse(before.metadata.created));
  assert.deepEqual(kubernetes, before.kubernetes);
  assert.equal((await root.post('/v2/events', anEvent())).json.items, undefined);
});

test('an update creates a missing project only with create=true', async (t) => {
  const { root } = await startTestBrigade(t);
  for (const query of ['', '?create=false', '?create=yes']) {
    assert.equal((await root.put(`/v2/projects/acr-all${query}`, aProject('acr-all'))).status, 404);
  }
  assert.equal((await root.put('/v2/projects/acr-all?create=true', aProject('acr-all'))).status, 200);
  assert.match((await root.get('/v2/projects/acr-all')).json.kubernetes.namespace, /^brigade-/);
});

test('an update under another id is rejected', async (t) => {
  const { root } = await startTestBrigade(t);
  const { status, json } = await root.put('/v2/projects/acr-all?create=true', aProject('acr-other'));
  assert.equal(status, 400);
  assert.equal(json.reason, 'The project IDs in the URL path and request body do not match.');
});

test('the events of a deleted project are deleted', async (t) => {
  const { root } = await startTestBrigade(t);
  await root.post('/v2/projects', aProject('acr-all'));
  await root.post('/v2/projects', aProject('acr-other'));
  await root.post('/v2/events', anEvent());
  assert.equal((await root.delete('/v2/projects/acr-all')).text, 'null');
  const { json } = await root.get('/v2/events');
  assert.deepEqual(
    json.items.map((event: { readonly projectID: string }) => event.projectID),
    ['acr-other'],
  );
  assert.equal((await root.get('/v2/projects/acr-all')).status, 404);
  assert.equal((await root.delete('/v2/projects/acr-all')).status, 404);
  assert.deepEqual((await root.post('/v2/events', anEvent())).json.items.length, 1);
});

test('projects are listed by id, page by page, including those of files', async (t) => {
  const { root } = await startTestBrigade(t, { projects: () => [fromFile('bb2'), fromFile('dd4')] });
  for (const id of ['cc3', 'aa1', 'ee5']) await root.post('/v2/projects', aProject(id));
  const first = (await root.get('/v2/projects?limit=2')).json;
  assert.deepEqual([idsIn(first), first.metadata], [['aa1', 'bb2'], { continue: 'bb2', remainingItemCount: 3 }]);
  const second = (await root.get('/v2/projects?limit=2&continue=bb2')).json;
  assert.deepEqual([idsIn(second), second.metadata], [['cc3', 'dd4'], { continue: 'dd4', remainingItemCount: 1 }]);
  const third = (await root.get('/v2/projects?limit=2&continue=dd4')).json;
  assert.deepEqual([idsIn(third), third.metadata], [['ee5'], { remainingItemCount: 0 }]);
  assert.equal((await root.get('/v2/projects?limit=x')).status, 400);
});

test('a project of a file gets events, and the API cannot change it', async (t) => {
  let files = [fromFile('acr-file')];
  const { root } = await startTestBrigade(t, { projects: () => files });
  const read = (await root.get('/v2/projects/acr-file')).json;
  assert.match(read.metadata.created, /^\d{4}-.*Z$/);
  assert.match(read.kubernetes.namespace, /^brigade-[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/);
  assert.equal((await root.post('/v2/events', anEvent())).json.items[0].projectID, 'acr-file');

  const again = await root.post('/v2/projects', aProject('acr-file'));
  assert.deepEqual([again.status, again.json.reason], [409, 'Project "acr-file" already exists.']);
  const reason = 'Project "acr-file" comes from a file of this server, and can be changed there only.';
  for (const answer of [
    await root.put('/v2/projects/acr-file', aProject('acr-file')),
    await root.put('/v2/projects/acr-file?create=true', aProject('acr-file')),
    await root.delete('/v2/projects/acr-file'),
  ]) {
    assert.deepEqual([answer.status, answer.json.reason], [409, reason]);
  }
  files = [];
  assert.equal((await root.get('/v2/projects/acr-file')).status, 404);
  assert.equal((await root.post('/v2/projects', aProject('acr-file'))).status, 201);
});

test('if a file and the API have a project with the same id, the file counts as long as it exists', async (t) => {
  let files: readonly Project[] = [];
  const { root } = await startTestBrigade(t, { projects: () => files });
  await root.post('/v2/projects', { ...aProject('acr-all'), description: 'by the API' });
  const description = async () => (await root.get('/v2/projects/acr-all')).json.description;
  files = [fromFile('acr-all')];
  assert.equal(await description(), 'from a file');
  assert.deepEqual(idsIn((await root.get('/v2/projects')).json), ['acr-all']);
  assert.equal((await root.post('/v2/events', anEvent())).json.items.length, 1);
  files = [];
  assert.equal(await description(), 'by the API');
});

test('a creator loses its project to a file with the same id', async (t) => {
  let files: readonly Project[] = [];
  const { serviceAccount } = await startTestBrigade(t, { projects: () => files });
  const maker = await serviceAccount('maker', 'PROJECT_CREATOR');
  await maker.post('/v2/projects', aProject('acr-mine'));
  const makeEvent = async () => (await maker.post('/v2/events', anEvent({ projectID: 'acr-mine' }))).status;
  assert.equal(await makeEvent(), 201);
  files = [fromFile('acr-mine')];
  assert.equal(await makeEvent(), 403);
});

test('a PROJECT_CREATOR owns the projects that it created, and no others', async (t) => {
  const { root, serviceAccount } = await startTestBrigade(t, { projects: () => [fromFile('acr-file')] });
  const maker = await serviceAccount('maker', 'PROJECT_CREATOR');
  assert.equal((await maker.post('/v2/projects', aProject('acr-mine'))).status, 201);
  await root.post('/v2/projects', aProject('acr-roots'));

  // In Brigade, a principal that may not read a project may not change or delete it.
  assert.equal((await maker.put('/v2/projects/acr-mine', aProject('acr-mine'))).status, 403);
  assert.equal((await maker.delete('/v2/projects/acr-mine')).status, 403);
  await root.post('/v2/role-assignments', aRoleAssignment('maker', 'READER'));
  assert.equal((await maker.put('/v2/projects/acr-mine', aProject('acr-mine'))).status, 200);
  for (const id of ['acr-roots', 'acr-file']) {
    assert.equal((await maker.put(`/v2/projects/${id}`, aProject(id))).status, 403);
    assert.equal((await maker.delete(`/v2/projects/${id}`)).status, 403);
  }
  assert.equal((await maker.post('/v2/events', anEvent({ projectID: 'acr-mine' }))).status, 201);
  assert.equal((await maker.post('/v2/events', anEvent({ projectID: 'acr-roots' }))).status, 403);
  assert.equal((await maker.delete('/v2/projects/acr-mine')).status, 200);
});

test('a new service account with the id of a deleted one does not own its projects', async (t) => {
  const { root, serviceAccount } = await startTestBrigade(t);
  const maker = await serviceAccount('maker', 'PROJECT_CREATOR');
  await maker.post('/v2/projects', aProject('acr-mine'));
  await root.delete('/v2/service-accounts/maker');
  const namesake = await serviceAccount('maker', 'READER');
  assert.equal((await namesake.delete('/v2/projects/acr-mine')).status, 403);
});

test('a READER reads projects, and others do not', async (t) => {
  const { serviceAccount } = await startTestBrigade(t, { projects: () => [fromFile('acr-file')] });
  const reader = await serviceAccount('reader', 'READER');
  const admin = await serviceAccount('admin', 'ADMIN');
  for (const path of ['/v2/projects', '/v2/projects/acr-file']) {
    assert.equal((await reader.get(path)).status, 200);
    assert.equal((await admin.get(path)).status, 403);
  }
  assert.equal((await reader.post('/v2/projects', aProject('acr-mine'))).status, 403);
  assert.equal((await reader.put('/v2/projects/acr-mine?create=true', aProject('acr-mine'))).status, 403);
});

test('secrets and roles of a project are answered 501, with a reason in JSON', async (t) => {
  const { root } = await startTestBrigade(t);
  for (const [method, path, reason] of [
    ['GET', '/v2/projects/acr-all/secrets', /stores no secrets/],
    ['PUT', '/v2/projects/acr-all/secrets/password', /stores no secrets/],
    ['DELETE', '/v2/projects/acr-all/secrets/password', /stores no secrets/],
    ['GET', '/v2/projects/acr-all/role-assignments', /no project roles/],
    ['POST', '/v2/projects/acr-all/role-assignments', /no project roles/],
    ['DELETE', '/v2/projects/acr-all/role-assignments', /no project roles/],
    ['GET', '/v2/project-role-assignments', /no project roles/],
  ] as const) {
    const { status, contentType, json } = await root.send(method, path);
    assert.deepEqual([status, contentType, json.kind], [501, 'application/json', 'NotSupportedError'], path);
    assert.match(json.reason, reason);
  }
});
