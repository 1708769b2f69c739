import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { aFolder, anInstallation, serve, WEBHOOK_TOKEN } from '../support/serve-process.ts';
import { StubBrigade } from '../support/stub-brigade.ts';
import { exchange } from '../support/webhooks.ts';

/** A server that the gateway has no reason to call, and a count of the connections to it. */
async function aTrap(context: TestContext) {
  const trap = { calls: 0, url: '' };
  const server = createServer((_, response) => response.end());
  server.on('connection', () => {
    trap.calls += 1;
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  trap.url = typeof address === 'object' ? `http://127.0.0.1:${address?.port}/fetched` : '';
  return trap;
}

/** Every webhook that carries an address which a gateway could fetch. */
function temptations(
  url: string,
): readonly { readonly method: string; readonly headers: Readonly<Record<string, string>>; readonly body?: object }[] {
  const target = { repository: 'hello', url, tag: 'v1', mediaType: 'application/vnd.oci.image.manifest.v1+json' };
  const native = { action: 'push', target, request: { host: 'example.azurecr.io' }, source: { addr: url } };
  const eventType = 'Microsoft.EventGrid.SubscriptionValidationEvent';
  const validation = [{ id: 'v', eventType, topic: url, data: { validationCode: 'c', validationUrl: url } }];
  const asking = { 'webhook-request-origin': 'eventgrid.azure.net', 'webhook-request-callback': url };
  const cloudEvent = { specversion: '1.0', type: 'ImagePushed', source: url, dataschema: url };
  return [
    { method: 'OPTIONS', headers: asking },
    { method: 'POST', headers: { 'aeg-event-type': 'SubscriptionValidation' }, body: validation },
    { method: 'POST', headers: {}, body: { ...native, id: 'native' } },
    {
      method: 'POST',
      headers: {},
      body: [{ id: 'e', eventType: 'ImagePushed', topic: url, data: { ...native, id: 'grid' } }],
    },
    { method: 'POST', headers: {}, body: { ...cloudEvent, id: 'c', data: { ...native, id: 'cloud' } } },
    { method: 'POST', headers: {}, body: { events: [{ ...native, id: 'notification' }] } },
  ];
}

test('the gateway connects to its sink only, whatever addresses a webhook names', async (context) => {
  if (spawnSync('strace', ['-V']).status !== 0) return context.skip('strace is not installed (Debian package strace)');
  const output = join(await aFolder(context), 'trace');
  const runner = ['strace', '-D', '-f', '-e', 'trace=connect,sendto,sendmsg,sendmmsg', '-o', output];
  const brigade = await StubBrigade.start(context);
  const trap = await aTrap(context);
  const installation = await anInstallation(context, brigade.address);
  const gateway = await serve(context, { ...installation, runner });
  for (const { method, headers, body } of temptations(trap.url)) {
    const authorized = { authorization: `Bearer ${WEBHOOK_TOKEN}`, ...headers };
    const text = body === undefined ? '' : JSON.stringify(body);
    const answer = await exchange(gateway.ingestPort, { method, headers: authorized, body: text });
    assert.equal(answer.status, 200, answer.text);
  }
  await brigade.untilTaken('native', 'grid', 'cloud', 'notification');
  gateway.process.signal('SIGTERM');
  assert.equal(await gateway.process.ended, 0, gateway.process.everything);
  const peers = [...readFileSync(output, 'utf8').matchAll(/sa_family=AF_INET6?, sin6?_port=htons\((\d+)\)/g)];
  const ports = new Set(peers.map(([, port]) => port));
  assert.deepEqual([...ports], [new URL(brigade.address).port]);
  assert.equal(trap.calls, 0);
});
