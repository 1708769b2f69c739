import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  ApiClient,
  aFolder,
  anEvent,
  aRoleAssignment,
  aServiceAccount,
  startTestBrigade,
} from '../../test/api-client.ts';

test('a service account is created with a token, read and listed without one', async (t) => {
  const { root } = await startTestBrigade(t, { now: () => 1_795_352_368_106_017_390n });
  const created = await root.post('/v2/service-accounts', aServiceAccount('gateway'));
  assert.equal(created.status, 201);
  assert.match(created.text, /^\{"kind":"Token","apiVersion":"brigade\.sh\/v2","value":"[A-Za-z0-9]{256}"\}$/);
  const account =
    '{"kind":"ServiceAccount","apiVersion":"brigade.sh/v2",' +
    '"metadata":{"id":"gateway","created":"2026-11-22T12:59:28.106Z"},"description":"This is gateway"}';
  assert.equal((await root.get('/v2/service-accounts/gateway')).text, account);
  assert.equal(
    (await root.get('/v2/service-accounts')).text,
    `{"kind":"ServiceAccountList","apiVersion":"brigade.sh/v2","metadata":{"remainingItemCount":0},"items":[${account}]}`,
  );
});

test('a locked service account gets an empty object as text, until it is unlocked and has a new token', async (t) => {
  const { root, serviceAccount } = await startTestBrigade(t);
  const gateway = await serviceAccount('gateway', 'READER');
  const locked = await root.put('/v2/service-accounts/gateway/lock');
  assert.deepEqual([locked.status, locked.text], [200, 'null']);
  const rejected = await gateway.get('/v2/whoami');
  assert.deepEqual([rejected.status, rejected.text, rejected.contentType], [403, '{}\n', 'text/plain; charset=utf-8']);
  assert.match((await root.get('/v2/service-accounts/gateway')).json.locked, /^\d{4}-.*Z$/);

  const unlocked = await root.delete('/v2/service-accounts/gateway/lock');
  assert.equal(unlocked.status, 200);
  const again = new ApiClient(gateway.address, unlocked.json.value);
  assert.equal((await again.get('/v2/whoami')).status, 200);
  assert.equal((await again.get('/v2/events')).status, 200, 'it keeps its roles');
  assert.equal((await gateway.get('/v2/whoami')).status, 401);
  assert.equal((await root.get('/v2/service-accounts/gateway')).json.locked, undefined);
});

test('a lock survives a restart', async (t) => {
  const database = join(await aFolder(t), 'brigade.db');
  const first = await startTestBrigade(t, { database });
  const gateway = await first.serviceAccount('gateway');
  await first.root.put('/v2/service-accounts/gateway/lock');
  await first.brigade.close();
  const { brigade } = await startTestBrigade(t, { database });
  assert.equal((await new ApiClient(brigade.address, gateway.token).get('/v2/whoami')).status, 403);
});

test('a deleted service account leaves neither token nor role to its namesake', async (t) => {
  const { root, serviceAccount } = await startTestBrigade(t);
  const gateway = await serviceAccount('gateway', 'READER');
  const deleted = await root.delete('/v2/service-accounts/gateway');
  assert.deepEqual([deleted.status, deleted.text], [200, 'null']);
  assert.equal((await gateway.get('/v2/whoami')).status, 401);
  const namesake = await serviceAccount('gateway');
  assert.equal((await namesake.get('/v2/events')).status, 403);
});

test('an unknown service account is not found', async (t) => {
  const { root } = await startTestBrigade(t);
  for (const [method, path] of [
    ['GET', '/v2/service-accounts/missing'],
    ['DELETE', '/v2/service-accounts/missing'],
    ['PUT', '/v2/service-accounts/missing/lock'],
    ['DELETE', '/v2/service-accounts/missing/lock'],
  ] as const) {
    const answer = await root.send(method, path);
    assert.equal(answer.status, 404);
    assert.equal(
      answer.text,
      '{"kind":"NotFoundError","apiVersion":"brigade.sh/v2","type":"ServiceAccount","id":"missing"}',
    );
  }
});

test('an ADMIN manages service accounts and may not read them; a READER reads them and may not manage', async (t) => {
  const { serviceAccount } = await startTestBrigade(t);
  const admin = await serviceAccount('admin', 'ADMIN');
  const reader = await serviceAccount('reader', 'READER');
  const statuses = async (client: ApiClient, id: string) => {
    const answers = [
      await client.post('/v2/service-accounts', aServiceAccount(id)),
      await client.get('/v2/service-accounts'),
      await client.get('/v2/service-accounts/reader'),
      await client.put('/v2/service-accounts/admin-made/lock'),
      await client.delete('/v2/service-accounts/admin-made/lock'),
      await client.delete('/v2/service-accounts/admin-made'),
    ];
    return answers.map(({ status }) => status);
  };
  assert.deepEqual(await statuses(admin, 'admin-made'), [201, 403, 403, 200, 200, 200]);
  assert.deepEqual(await statuses(reader, 'reader-made'), [403, 200, 200, 403, 403, 403]);
});

test('service accounts are listed by id, page by page', async (t) => {
  const { root, serviceAccount } = await startTestBrigade(t);
  for (const id of ['cc3', 'aa1', 'bb2']) await serviceAccount(id);
  const first = await root.get('/v2/service-accounts?limit=2');
  assert.deepEqual(first.json.metadata, { continue: 'bb2', remainingItemCount: 1 });
  assert.deepEqual(idsIn(first.json), ['aa1', 'bb2']);
  const second = await root.get('/v2/service-accounts?limit=2&continue=bb2');
  assert.deepEqual(second.json.metadata, { remainingItemCount: 0 });
  assert.deepEqual(idsIn(second.json), ['cc3']);
  const bad = await root.get('/v2/service-accounts?limit=101');
  assert.equal(bad.status, 400);
  assert.equal(bad.json.reason, 'Invalid value "101" for "limit" query parameter');
});

function idsIn({ items }: { readonly items: readonly { readonly metadata: { readonly id: string } }[] }) {
  return items.map(({ metadata }) => metadata.id);
}

test('a service account needs an id and a description of 3 to 80 characters', async (t) => {
  const { root } = await startTestBrigade(t);
  const { status, json } = await root.post('/v2/service-accounts', {
    ...aServiceAccount('gateway'),
    description: 'x',
    token: 'chosen',
  });
  assert.equal(status, 400);
  assert.deepEqual(json.details.toSorted(), [
    '(root): Additional property token is not allowed',
    'description: Must validate all the schemas (allOf)',
    'description: String length must be greater than or equal to 3',
  ]);
});

test('users are answered as by a Brigade without an identity provider, after the role is checked', async (t) => {
  const { root, serviceAccount } = await startTestBrigade(t);
  const gateway = await serviceAccount('gateway');
  for (const [method, path] of [
    ['GET', '/v2/users'],
    ['GET', '/v2/users/jane@example.com'],
    ['PUT', '/v2/users/jane@example.com/lock'],
    ['DELETE', '/v2/users/jane@example.com/lock'],
  ] as const) {
    const { status, text } = await root.send(method, path);
    assert.equal(status, 501);
    assert.equal(
      text,
      '{"kind":"NotSupportedError","apiVersion":"brigade.sh/v2","reason":"Authentication using a third party identity ' +
        'provider is not supported by this server. User management functions are unavailable when authentication via a ' +
        'third party identity provider is not enabled."}',
    );
    assert.equal((await gateway.send(method, path)).status, 403);
  }
});

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
