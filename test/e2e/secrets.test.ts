import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  ADMIN_TOKEN,
  API_TOKEN,
  anInstallation,
  type ServingGateway,
  serve,
  WEBHOOK_TOKEN,
} from '../support/serve-process.ts';
import { anError, CREATED, type Reaction, StubBrigade } from '../support/stub-brigade.ts';
import { adminGet, aPush, exchange, push, send } from '../support/webhooks.ts';

/** Everything that must never be printed or stored, each in a place where a caller could put it. */
const SECRETS = {
  webhook: WEBHOOK_TOKEN,
  admin: ADMIN_TOKEN,
  api: API_TOKEN,
  wrongWebhook: 'wrong-token-for-the-webhook',
  wrongAdmin: 'wrong-token-for-the-admin-port',
  basicUnknown: Buffer.from('user:basic-password').toString('base64'),
  basicPassword: 'basic-password',
  basicKnown: Buffer.from(`user:${WEBHOOK_TOKEN}`).toString('base64'),
  accessToken: 'wrong-token-in-the-query',
  query: 'token-in-a-query-string',
  cookie: 'session-in-a-cookie',
  apiKey: 'key-in-a-header-of-its-own',
  malformed: 'secret-in-a-malformed-body',
  mistyped: 'secret-in-the-place-of-an-object',
  nextTokens: 'secret-in-a-broken-tokens-file',
} as const;

const ECHO = { kind: 'answer', status: 502, body: `<pre>Authorization: Bearer ${API_TOKEN}</pre>` } as const;

/** Resolves to everything that was answered. */
async function sendSecrets(gateway: ServingGateway): Promise<readonly string[]> {
  const { ingestPort, adminPort } = gateway;
  const authorized = { authorization: `Bearer ${SECRETS.webhook}` };
  const requests = [
    { port: ingestPort, headers: { authorization: `Bearer ${SECRETS.wrongWebhook}` }, body: aPush('wrong') },
    { port: ingestPort, headers: { authorization: `Basic ${SECRETS.basicUnknown}` }, body: aPush('basic') },
    { port: ingestPort, headers: { authorization: `Basic ${SECRETS.basicKnown}` }, body: aPush('basic-known') },
    { port: ingestPort, path: `/events?access_token=${SECRETS.accessToken}`, headers: {}, body: aPush('access-token') },
    { port: ingestPort, path: `/events?access_token=${SECRETS.webhook}`, headers: {}, body: aPush('query-known') },
    { port: ingestPort, path: `/events/?access_token=${SECRETS.webhook}`, headers: {}, body: aPush('redirected') },
    { port: ingestPort, path: `/nowhere?access_token=${SECRETS.webhook}`, headers: {}, body: aPush('nowhere') },
    { port: ingestPort, path: `http://a/events?access_token=${SECRETS.webhook}`, headers: {}, body: aPush('absolute') },
    {
      port: ingestPort,
      path: `/events?access_token=${SECRETS.webhook}`,
      headers: {},
      body: `{"id": ${SECRETS.malformed}`,
    },
    { port: ingestPort, path: `/events?token=${SECRETS.query}`, headers: authorized, body: aPush('query') },
    { port: ingestPort, path: `/nowhere?token=${SECRETS.query}`, headers: authorized, body: aPush('astray') },
    { port: ingestPort, headers: { ...authorized, cookie: `session=${SECRETS.cookie}` }, body: aPush('cookie') },
    { port: ingestPort, headers: { ...authorized, 'x-api-key': SECRETS.apiKey }, body: aPush('api-key') },
    { port: ingestPort, headers: authorized, body: `{"id": ${SECRETS.malformed}` },
    { port: ingestPort, headers: authorized, body: JSON.stringify({ action: 'push', target: SECRETS.mistyped }) },
    {
      port: adminPort,
      path: '/api/dead-letters',
      headers: { authorization: `Bearer ${SECRETS.wrongAdmin}` },
      body: '',
    },
    { port: adminPort, path: `/api/dead-letters?token=${SECRETS.query}`, headers: {}, body: '' },
    ...['/api/settings', '/api/stats', '/api/turned-away', '/api/events'].map((path) => ({
      port: adminPort,
      path,
      headers: { authorization: `Bearer ${SECRETS.admin}` },
      body: '',
    })),
  ];
  const answers: string[] = [];
  for (const { port, ...request } of requests) {
    const { headers, text } = await exchange(port, { method: port === adminPort ? 'GET' : 'POST', ...request });
    answers.push(JSON.stringify(headers), text);
  }
  return answers;
}

/** Brigade fails in every way in which it could repeat a request. */
async function failToDeliver(gateway: ServingGateway, brigade: StubBrigade): Promise<void> {
  const reactions: readonly Reaction[] = [
    ECHO,
    { ...ECHO, status: 201 },
    { ...ECHO, status: 400 },
    anError(422, `the token ${API_TOKEN} may not`),
    { kind: 'reset' },
  ];
  for (const [number, reaction] of reactions.entries()) {
    brigade.onEvent = () => reaction;
    const seq = await push(gateway, `failing-${number}`);
    await gateway.process.line('delivery.attempted', (line) => line['seq'] === seq);
    brigade.onEvent = () => CREATED;
    // A success in between, so that the breaker stays closed.
    await push(gateway, `fine-${number}`);
    await brigade.untilTaken(`fine-${number}`);
  }
  brigade.onEvent = () => ({ ...ECHO, status: 401 });
  await push(gateway, 'unauthorized');
  await gateway.process.line('breaker.opened');
}

async function bytesOfFiles(folder: string): Promise<Buffer> {
  const names = await readdir(folder);
  assert.ok(names.length > 0);
  return Buffer.concat(await Promise.all(names.map((name) => readFile(join(folder, name)))));
}

function assertNoSecret(place: string, content: string | Buffer): void {
  for (const [name, secret] of Object.entries(SECRETS)) {
    assert.ok(!content.includes(secret), `${place} has the secret "${name}"`);
  }
}

async function aTalkativeGateway(t: TestContext) {
  const brigade = await StubBrigade.start(t);
  const installation = await anInstallation(t, brigade.address, { LOG_LEVEL: 'trace' });
  return { brigade, installation, gateway: await serve(t, installation) };
}

test('no log line at any level, no answer and no journal contains a secret', async (t) => {
  const { brigade, installation, gateway } = await aTalkativeGateway(t);
  const answers = await sendSecrets(gateway);
  await failToDeliver(gateway, brigade);
  await writeFile(installation.tokensPath, `{"ci": "${SECRETS.nextTokens}", }`);
  await gateway.process.line('file.rejected');
  const events = await adminGet(gateway, '/api/dead-letters');
  const metrics = await adminGet(gateway, '/metrics');
  assertNoSecret('an answer', [...answers, events.text, metrics.text].join('\n'));
  assertNoSecret('the journal of a running gateway', await bytesOfFiles(installation.journalFolder));
  gateway.process.signal('SIGTERM');
  assert.equal(await gateway.process.ended, 0);
  assertNoSecret('the journal', await bytesOfFiles(installation.journalFolder));
  assertNoSecret('the output', gateway.process.everything);
  // The gateway did log, and the journal is in that folder.
  assert.ok(gateway.process.linesOf('webhook.rejected').length > 0);
  for (const id of ['basic-known', 'query-known', 'absolute']) await brigade.untilTaken(id);
  assert.ok((await bytesOfFiles(installation.journalFolder)).includes('failing-0'));
});

test('a faulty start prints no secret', async (t) => {
  const brigade = await StubBrigade.start(t);
  brigade.onProbe = () => ({ ...ECHO, status: 403 });
  const gateway = await serve(t, await anInstallation(t, brigade.address, { LOG_LEVEL: 'trace' }));
  await gateway.process.line('sink.credentials_rejected');
  const { status } = await send(gateway, aPush('one'));
  assert.equal(status, 200);
  assertNoSecret('the output', gateway.process.everything);
});
