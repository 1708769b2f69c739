import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { AnsweringServer, answering, type React } from '../../../test/support/answering-server.ts';
import { HttpClient } from '../http-client.ts';
import { BrigadeSink } from './brigade.ts';
import { type Examination, examineBrigade } from './examine.ts';

const SERVICE_ACCOUNT = '{"type":"SERVICE_ACCOUNT","id":"acr"}';
const FORBIDDEN = answering(403, '{"kind":"AuthorizationError"}');

/** What is found of a Brigade that reacts so to each path. */
async function examined(t: TestContext, reactions: Readonly<Record<string, React>>): Promise<Examination> {
  const server = await AnsweringServer.start(t, (response, asked) => {
    (reactions[asked.path] ?? answering(404))(response, asked);
  });
  const client = new HttpClient({
    address: server.address,
    token: () => 's3cret',
    ca: undefined,
    ignoreCertErrors: false,
    now: Date.now,
  });
  t.after(() => client.close());
  return examineBrigade(client, new BrigadeSink(client), AbortSignal.timeout(10_000));
}

test('a Brigade that is ready says its version and its time', async (t) => {
  const date = new Date(Date.now() + 3_600_000).toUTCString();
  const {
    probe,
    version,
    clockLeadMs = 0,
    advice,
  } = await examined(t, {
    '/v2/ping': answering(200, '{"kind":"PingResponse","Version":"v2.6.0"}'),
    '/v2/whoami': answering(200, SERVICE_ACCOUNT, { date }),
    '/v2/events': answering(201, '{"kind":"EventList"}'),
  });
  assert.deepEqual([probe.kind, version, advice], ['ready', 'v2.6.0', undefined]);
  assert.ok(Math.abs(clockLeadMs - 3_600_000) < 60_000, String(clockLeadMs));
});

test('a missing role comes with the very command that grants it', async (t) => {
  const forService = await examined(t, { '/v2/whoami': answering(200, SERVICE_ACCOUNT), '/v2/events': FORBIDDEN });
  assert.equal(forService.advice, 'brig role grant EVENT_CREATOR --service-account acr --source brigade.sh/acr');
  const user = answering(200, '{"type":"USER","id":"ann@example.com"}');
  const forUser = await examined(t, { '/v2/whoami': user, '/v2/events': FORBIDDEN });
  assert.equal(forUser.advice, 'brig role grant EVENT_CREATOR --user ann@example.com --source brigade.sh/acr');
});

test('an unknown token comes with the command that makes one, and a locked account with the one that unlocks it', async (t) => {
  const unknown = await examined(t, { '/v2/whoami': answering(401, '{}') });
  assert.match(unknown.advice ?? '', /brig service-account create --id/);
  const locked = await examined(t, { '/v2/whoami': answering(403, '{}') });
  assert.match(locked.advice ?? '', /brig service-account unlock --id/);
});

test('without an answer there is only the reason', async (t) => {
  const found = await examined(t, { '/v2/whoami': (response) => response.destroy() });
  assert.deepEqual(Object.keys(found), ['probe']);
});
