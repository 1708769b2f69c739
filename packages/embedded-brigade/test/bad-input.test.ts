import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { type ApiClient, anEvent, aProject, aRoleAssignment, aServiceAccount, startTestBrigade } from './api-client.ts';

// One server for all tests: each request is rejected.
const { brigade, root } = await startTestBrigade({ after });

/** Every route that reads a body, with a body that it accepts. */
const BODIES: readonly (readonly [method: string, path: string, body: object])[] = [
  ['POST', '/v2/events', anEvent()],
  ['PUT', '/v2/events/x/source-state', { apiVersion: 'brigade.sh/v2', kind: 'SourceState' }],
  ['POST', '/v2/projects', aProject('acr-all')],
  ['PUT', '/v2/projects/acr-all', aProject('acr-all')],
  ['POST', '/v2/service-accounts', aServiceAccount('gateway')],
  ['POST', '/v2/role-assignments', aRoleAssignment('gateway', 'READER')],
];

/** Every route that has an id in its path. */
const WITH_ID: readonly (readonly [method: string, path: string])[] = [
  ['GET', '/v2/events/{id}'],
  ['DELETE', '/v2/events/{id}'],
  ['PUT', '/v2/events/{id}/cancellation'],
  ['POST', '/v2/events/{id}/clones'],
  ['POST', '/v2/events/{id}/retries'],
  ['GET', '/v2/events/{id}/logs'],
  ['GET', '/v2/projects/{id}'],
  ['DELETE', '/v2/projects/{id}'],
  ['GET', '/v2/service-accounts/{id}'],
  ['DELETE', '/v2/service-accounts/{id}'],
  ['PUT', '/v2/service-accounts/{id}/lock'],
  ['DELETE', '/v2/service-accounts/{id}/lock'],
];

for (const [method, path, body] of BODIES) {
  test(`${method} ${path} rejects what is not JSON, and JSON that is something else`, async () => {
    for (const broken of ['', '{', '{}x', `${JSON.stringify(body)},`, '\ufeff{}', 'nul', '{"a":1,}', "{'kind':1}"]) {
      const { status, json } = await root.send(method, path, broken);
      assert.equal(status, 400, broken);
      assert.equal(json.reason, 'Request body contains malformed JSON', broken);
    }
    for (const other of ['null', '[]', '"x"', '1', 'true', '{}', '{"kind":[]}', `[${JSON.stringify(body)}]`]) {
      const { status, json } = await root.send(method, path, other);
      assert.equal(status, 400, other);
      assert.equal(json.reason, 'Request body failed JSON validation');
      assert.ok(json.details.length > 0);
    }
  });

  test(`${method} ${path} rejects every field of another type, and fields of other names`, async () => {
    for (const field of Object.keys(body)) {
      for (const value of [7, true, [[]], { x: { y: 1 } }]) {
        const { status, json } = await root.send(method, path, { ...body, [field]: value });
        assert.equal(status, 400, `${field}: ${JSON.stringify(value)}`);
        assert.ok(json.details.some((detail: string) => detail.startsWith(field)));
      }
    }
    const more = `${JSON.stringify(body).slice(0, -1)},"__proto__":{"x":1},"constructor":1,"x":1}`;
    const { status, json } = await root.send(method, path, more);
    assert.equal(status, 400);
    assert.deepEqual(json.details.toSorted(), [
      '(root): Additional property __proto__ is not allowed',
      '(root): Additional property constructor is not allowed',
      '(root): Additional property x is not allowed',
    ]);
  });

  test(`${method} ${path} rejects a body above 16 MiB, and one that is nested without end`, async () => {
    const { status, text } = await root.send(method, path, `"${'x'.repeat(17 * 1024 * 1024)}"`);
    assert.deepEqual([status, text], [500, '{"kind":"InternalServerError","apiVersion":"brigade.sh/v2"}']);
    assert.equal((await root.send(method, path, '['.repeat(1_000_000))).status, 400);
    assert.equal((await root.send(method, path, `{"x":${'['.repeat(5000)}${']'.repeat(5000)}}`)).status, 400);
    assert.equal((await root.get('/v2/whoami')).status, 200);
  });

  test(`${method} ${path} reads nothing without a token`, async () => {
    const response = await fetch(brigade.address + path, { method, body: '{' });
    assert.equal(response.status, 401);
    await response.text();
  });
}

const STRANGE_IDS = [
  'nope',
  '..%2F..%2Fetc%2Fpasswd',
  '%00',
  '%F0%9F%90%B3',
  "'%20OR%20'1'='1",
  '%25',
  'x'.repeat(8000),
];

for (const [method, path] of WITH_ID) {
  test(`${method} ${path} answers 404 to an unknown id, however strange`, async () => {
    for (const id of STRANGE_IDS) {
      const { status, json } = await root.send(method, path.replace('{id}', id));
      assert.equal(status, 404, id);
      assert.equal(json.id, decodeURIComponent(id));
    }
    const { status, contentType } = await root.send(method, path.replace('{id}', '%zz'));
    assert.deepEqual([status, contentType], [404, 'text/plain; charset=utf-8']);
  });

  test(`${method} ${path} requires a token`, async () => {
    const response = await fetch(brigade.address + path.replace('{id}', 'x'), { method });
    assert.equal(response.status, 401);
    await response.text();
  });
}

/** Sends a request line as it is: `fetch` would normalize the path. */
async function sendLine({ address, token }: ApiClient, line: string): Promise<string> {
  const { port, host } = new URL(address);
  const socket = connect(Number(port), '127.0.0.1');
  socket.write(`${line} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`);
  return text(socket);
}

test('a path with dots is redirected to the path that it means, and never reads a file', async () => {
  for (const [path, head] of [
    ['/v2/./events', /^HTTP\/1\.1 301 [\s\S]*\r\nlocation: \/v2\/events\r\n/],
    ['/v2/x/../events?limit=1', /^HTTP\/1\.1 301 [\s\S]*\r\nlocation: \/v2\/events\?limit=1\r\n/],
    ['/v2/events/../../../../etc/passwd', /^HTTP\/1\.1 301 [\s\S]*\r\nlocation: \/etc\/passwd\r\n/],
    ['//evil.example/v2/events', /^HTTP\/1\.1 301 [\s\S]*\r\nlocation: \/evil\.example\/v2\/events\r\n/],
    ['/etc/passwd', /^HTTP\/1\.1 404 /],
    ['http://evil.example/v2/events', /^HTTP\/1\.1 404 /],
    ['*', /^HTTP\/1\.1 404 /],
    ['/v2/events\\..', /^HTTP\/1\.1 404 /],
    ['/V2/events', /^HTTP\/1\.1 404 /],
  ] as const) {
    assert.match(await sendLine(root, `GET ${path}`), head, path);
  }
});

test('a malformed query is read as far as possible', async () => {
  for (const [query, status] of [
    ['limit=', 200],
    ['limit=00000000000000000001', 200],
    ['limit=1e2', 400],
    ['limit=-1', 400],
    ['limit=99999999999999999999999', 400],
    ['limit=1&limit=x', 200],
    [`labels=${'a=b,'.repeat(2000)}c=d`, 200],
    ['labels=__proto__=x', 200],
    ['workerPhases=,,', 200],
    ['projectID=%00', 200],
    ['%', 200],
    ['continue=99999999999999999999:x', 500],
    ['continue=9223372036854775808:x', 500],
  ] as const) {
    assert.equal((await root.get(`/v2/events?${query}`)).status, status, query.slice(0, 60));
  }
});

test('a header of 20 KiB is rejected, and the next request is served', async () => {
  const response = await fetch(`${root.address}/v2/whoami`, { headers: { authorization: 'x'.repeat(20_000) } });
  assert.equal(response.status, 431);
  await response.text();
  assert.equal((await root.get('/v2/whoami')).status, 200);
});
