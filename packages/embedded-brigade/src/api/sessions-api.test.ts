import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ApiClient, aFolder, ROOT_PASSWORD, startTestBrigade } from '../../test/api-client.ts';
import { startEmbeddedBrigade } from '../embedded-brigade.ts';

function logIn(address: string, authorization?: string, query = '?root=true'): Promise<Response> {
  return fetch(`${address}/v2/sessions${query}`, {
    method: 'POST',
    headers: authorization === undefined ? {} : { authorization },
  });
}

function basic(credentials: string): string {
  return `Basic ${Buffer.from(credentials).toString('base64')}`;
}

async function startWith(t: TestContext, rootPassword: string): Promise<string> {
  const database = join(await aFolder(t), 'brigade.db');
  const onFault = (fault: unknown) => assert.fail(String(fault));
  const brigade = await startEmbeddedBrigade({ port: 0, database, rootPassword, onFault });
  t.after(() => brigade.close());
  return brigade.address;
}

test('root logs in by password; the case of the scheme does not matter', async (t) => {
  const { brigade } = await startTestBrigade(t);
  const response = await logIn(brigade.address, basic(`root:${ROOT_PASSWORD}`).replace('Basic', 'bASIC'));
  assert.equal(response.status, 201);
  assert.match(await response.text(), /^\{"kind":"Token","apiVersion":"brigade\.sh\/v2","value":"[A-Za-z0-9]{256}"\}$/);
});

test('another name or another password does not log in', async (t) => {
  const { brigade } = await startTestBrigade(t);
  for (const credentials of [`admin:${ROOT_PASSWORD}`, `root:${ROOT_PASSWORD}x`, 'root:', ':', `:${ROOT_PASSWORD}`]) {
    assert.equal((await logIn(brigade.address, basic(credentials))).status, 401, credentials);
  }
  for (const authorization of [undefined, 'Basic', 'Basic ', basic('root'), `Bearer ${ROOT_PASSWORD}`]) {
    assert.equal((await logIn(brigade.address, authorization)).status, 400, authorization);
  }
});

test('a password may contain colons and letters of any alphabet', async (t) => {
  const address = await startWith(t, 'a:b:ü');
  assert.equal((await logIn(address, basic('root:a:b:ü'))).status, 201);
});

test('users cannot log in, and without a password root cannot', async (t) => {
  const { brigade } = await startTestBrigade(t);
  for (const query of ['', '?root=false', '?root=yes', '?successURL=http://localhost']) {
    const response = await logIn(brigade.address, basic(`root:${ROOT_PASSWORD}`), query);
    assert.equal(response.status, 501);
    assert.equal(
      await response.text(),
      '{"kind":"NotSupportedError","apiVersion":"brigade.sh/v2","reason":"Authentication using a third party identity provider is not supported by this server."}',
    );
  }
  assert.equal((await logIn(await startWith(t, ''), basic('root:'))).status, 501);
});

test('the token of an ended session is unknown', async (t) => {
  const { root } = await startTestBrigade(t);
  const answer = await root.delete('/v2/session');
  assert.deepEqual([answer.status, answer.text, answer.contentType], [200, 'null', 'application/json']);
  assert.equal((await root.get('/v2/whoami')).status, 401);
});

test('a service account has no session to end, which Brigade answers with 500', async (t) => {
  const { serviceAccount } = await startTestBrigade(t);
  const gateway = await serviceAccount('gateway');
  assert.equal((await gateway.delete('/v2/session')).status, 500);
  assert.equal((await gateway.get('/v2/whoami')).json.id, 'gateway');
});

test('ending one session leaves the others', async (t) => {
  const { brigade, root } = await startTestBrigade(t);
  const other = new ApiClient(brigade.address, brigade.accounts.openRootSession());
  await other.delete('/v2/session');
  assert.equal((await root.get('/v2/whoami')).json.type, 'ROOT');
});
