import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Brigade, eventually, GatewayProcess, temporaryFolder } from '../disk/gateway-process.ts';

/** A server that nobody has a reason to call; resolves to its address, and to how often it was called. */
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

/** Everything that carries an address which somebody might be tempted to fetch. */
function temptations(
  url: string,
): readonly { readonly method: string; readonly headers: object; readonly body?: object }[] {
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

test('no connection leaves the gateway but to its sink, whatever addresses a webhook names', async (context) => {
  if (spawnSync('strace', ['-V']).status !== 0) return context.skip('strace is not installed (Debian package strace)');
  const folder = temporaryFolder(context);
  const output = join(folder, 'trace');
  const runner = ['strace', '-D', '-f', '-e', 'trace=connect,sendto,sendmsg,sendmmsg', '-o', output];
  const brigade = await Brigade.start(context);
  const trap = await aTrap(context);
  const gateway = await GatewayProcess.start({ context, brigade, journal: join(folder, 'journal.db'), runner });
  for (const { method, headers, body } of temptations(trap.url)) {
    const answer = await gateway.send(method, headers, body);
    assert.equal(answer.status, 200, await answer.text());
  }
  await eventually('all is delivered', () => brigade.taken.length === 4);
  gateway.signal('SIGTERM');
  assert.equal(await gateway.ended, 0, gateway.printed);
  const peers = [...readFileSync(output, 'utf8').matchAll(/sa_family=AF_INET6?, sin6?_port=htons\((\d+)\)/g)];
  const ports = new Set(peers.map(([, port]) => port));
  assert.deepEqual([...ports], [new URL(brigade.address).port]);
  assert.equal(trap.calls, 0);
});
