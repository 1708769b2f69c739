import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anEvent, aRoleAssignment, startTestBrigade } from '../../test/api-client.ts';

const PATH = '/v2/role-assignments';

test('an EVENT_CREATOR creates events of its source and of no other, until the role is revoked', async (t) => {
  const { root, serviceAccount } = await startTestBrigade(t);
  const gateway = await serviceAccount('gateway', 'EVENT_CREATOR', 'brigade.sh/acr');
  assert.equal((await gateway.post('/v2/events', anEvent())).status, 201);
  assert.equal((await gateway.post('/v2/events', anEvent({ source: 'brigade.sh/acr/x' }))).status, 403);
  const query = '?role=EVENT_CREATOR&scope=brigade.sh/acr&principalType=SERVICE_ACCOUNT&principalID=gateway';
  const revoked = await root.delete(PATH + query);
  assert.deepEqual([revoked.status, revoked.text], [200, 'null']);
  assert.equal((await gateway.post('/v2/events', anEvent())).status, 403);
});

test('revoking needs the scope too, and to revoke a role that was not granted succeeds', async (t) => {
  const { root, serviceAccount } = await startTestBrigade(t);
  const gateway = await serviceAccount('gateway', 'EVENT_CREATOR', 'brigade.sh/acr');
  const principal = 'principalType=SERVICE_ACCOUNT&principalID=gateway';
  for (const query of [
    `role=EVENT_CREATOR&${principal}`,
    `role=EVENT_CREATOR&scope=brigade.sh/other&${principal}`,
    `scope=brigade.sh/acr&${principal}`,
    'role=EVENT_CREATOR&scope=brigade.sh/acr&principalType=ROBOT&principalID=gateway',
    '',
  ]) {
    assert.equal((await root.delete(`${PATH}?${query}`)).text, 'null');
  }
  assert.equal((await gateway.post('/v2/events', anEvent())).status, 201);
});

test('an EVENT_CREATOR without a source creates nothing, and a READER with a scope reads nothing', async (t) => {
  const { serviceAccount } = await startTestBrigade(t);
  const creator = await serviceAccount('creator', 'EVENT_CREATOR');
  assert.equal((await creator.post('/v2/events', anEvent())).status, 403);
  const reader = await serviceAccount('reader', 'READER', 'brigade.sh/acr');
  assert.equal((await reader.get('/v2/events')).status, 403);
});

test('an ADMIN grants and revokes, a READER lists, and neither may do the other', async (t) => {
  const { serviceAccount } = await startTestBrigade(t);
  const admin = await serviceAccount('admin', 'ADMIN');
  const reader = await serviceAccount('reader', 'READER');
  const statuses = [];
  for (const client of [admin, reader]) {
    statuses.push((await client.post(PATH, aRoleAssignment('reader', 'PROJECT_CREATOR'))).status);
    const query = '?role=PROJECT_CREATOR&principalType=SERVICE_ACCOUNT&principalID=reader';
    statuses.push((await client.delete(PATH + query)).status);
    statuses.push((await client.get(PATH)).status);
  }
  assert.deepEqual(statuses, [200, 200, 403, 403, 403, 200]);
});

test('there are no users to grant to or to revoke from', async (t) => {
  const { root } = await startTestBrigade(t);
  const id = 'jo@example.com';
  const granted = await root.post(PATH, { ...aRoleAssignment(id, 'READER'), principal: { type: 'USER', id } });
  const revoked = await root.delete(`${PATH}?role=READER&principalType=USER&principalID=${id}`);
  for (const { status, text } of [granted, revoked]) {
    assert.equal(status, 404);
    assert.equal(text, `{"kind":"NotFoundError","apiVersion":"brigade.sh/v2","type":"User","id":"${id}"}`);
  }
});

test('neither a scope of everything nor an unknown role can be granted', async (t) => {
  const { root, serviceAccount } = await startTestBrigade(t);
  await serviceAccount('gateway');
  const all = await root.post(PATH, aRoleAssignment('gateway', 'EVENT_CREATOR', '*'));
  assert.equal(all.status, 400);
  assert.deepEqual(all.json.details.toSorted(), [
    String.raw`scope: Does not match pattern '^[a-zA-Z][a-zA-Z\d./-]*[a-zA-Z\d]$'`,
    'scope: String length must be greater than or equal to 3',
  ]);
  const king = await root.post(PATH, aRoleAssignment('gateway', 'KING'));
  assert.deepEqual(king.json.details, [
    'role: role must be one of the following: "ADMIN", "EVENT_CREATOR", "PROJECT_CREATOR", "READER"',
  ]);
});

interface List {
  readonly items?: readonly {
    readonly role: string;
    readonly principal: { readonly id: string };
    readonly scope?: string;
  }[];
}

function lines({ items = [] }: List): readonly string[] {
  return items.map(({ role, principal, scope }) => `${principal.id} ${role} ${scope ?? '-'}`);
}

test('roles are listed by principal, role and scope, page by page, and filtered by principal and role', async (t) => {
  const { root, serviceAccount } = await startTestBrigade(t);
  await serviceAccount('ab-c', 'READER');
  await serviceAccount('abc', 'EVENT_CREATOR', 'brigade.sh/b');
  await root.post(PATH, aRoleAssignment('abc', 'EVENT_CREATOR', 'brigade.sh/a'));
  await root.post(PATH, aRoleAssignment('abc', 'ADMIN'));
  const all = ['ab-c READER -', 'abc ADMIN -', 'abc EVENT_CREATOR brigade.sh/a', 'abc EVENT_CREATOR brigade.sh/b'];
  assert.deepEqual(lines((await root.get(PATH)).json), all);

  const seen: string[] = [];
  let at = '';
  do {
    const { json } = await root.get(`${PATH}?limit=1${at && `&continue=${at}`}`);
    seen.push(...lines(json));
    assert.equal(json.metadata.remainingItemCount, all.length - seen.length);
    at = json.metadata.continue ?? '';
  } while (at !== '');
  assert.deepEqual(seen, all);

  assert.deepEqual(lines((await root.get(`${PATH}?role=READER`)).json), [all[0]]);
  assert.deepEqual(lines((await root.get(`${PATH}?principalType=SERVICE_ACCOUNT&principalID=ab-c`)).json), [all[0]]);
  assert.deepEqual(lines((await root.get(`${PATH}?principalID=ab-c`)).json), all, 'half a principal is none');
  assert.deepEqual(lines((await root.get(`${PATH}?role=X`)).json), []);
  assert.equal((await root.get(`${PATH}?continue=a:b`)).status, 500);
});
