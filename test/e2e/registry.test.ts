import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CncfRegistry, hasRegistry } from '../support/cncf-registry.ts';
import { writeOciLayout } from '../support/oci-layout.ts';
import { aFreePort } from '../support/ports.ts';
import { aFolder, anInstallation, type ServingGateway, serve, WEBHOOK_TOKEN } from '../support/serve-process.ts';
import { StubBrigade } from '../support/stub-brigade.ts';
import { accept, aPush } from '../support/webhooks.ts';

async function aRig(t: TestContext, env: Readonly<Record<string, string>> = {}) {
  const brigade = await StubBrigade.start(t);
  // The registry keeps calling the same port while the gateway is down.
  const port = await aFreePort();
  const installation = await anInstallation(t, brigade.address, { PORT: String(port) });
  const gateway = await serve(t, installation, env);
  const registry = await CncfRegistry.start(t, { url: `http://127.0.0.1:${port}/events`, token: WEBHOOK_TOKEN });
  const layout = writeOciLayout(join(await aFolder(t), 'layout'), t.name);
  return { brigade, installation, gateway, registry, layout };
}

/** Type, digest and tag of everything that arrives until nothing more is under way. */
async function arrivals(brigade: StubBrigade, gateway: ServingGateway, count: number) {
  await brigade.until((stub) => stub.arrivals.length >= count);
  const marker = `marker-${count}`;
  await accept(gateway, aPush(marker));
  await brigade.untilTaken(marker);
  return brigade.arrivals
    .filter(({ id }) => !id.startsWith('marker-'))
    .map(({ event: { type, labels, qualifiers } }) => [type, qualifiers['registry'], labels['digest'], labels['tag']])
    .toSorted();
}

test('Brigade gets exactly the manifests that are pushed to a real registry, once each', async (t) => {
  if (!hasRegistry(t)) return;
  const { brigade, gateway, registry, layout } = await aRig(t);
  const { host } = registry;
  await registry.push(layout.folder, 'multi', 'team/app:v1');
  const [one, other, index = ''] = layout.manifests;
  const pushes = [one, other, index].map((digest) => ['push', host, digest, digest === index ? 'v1' : undefined]);
  assert.deepEqual(await arrivals(brigade, gateway, 3), pushes.toSorted());
  await registry.pull('team/app:v1', join(await aFolder(t), 'pulled'));
  assert.equal(await registry.delete('team/app', index), 202);
  const deletions = [
    ['delete', host, index, undefined],
    ['delete', host, undefined, 'v1'],
  ];
  await registry.push(layout.folder, 'single', 'team/app:last');
  assert.deepEqual(
    await arrivals(brigade, gateway, 7),
    [...pushes, ...deletions, ['push', host, one, 'last']].toSorted(),
  );
});

test('nothing is lost or repeated while the gateway answers 503 to a real registry and restarts', async (t) => {
  if (!hasRegistry(t)) return;
  const { brigade, installation, gateway, registry, layout } = await aRig(t, { JOURNAL_RESERVE: '1TiB' });
  const pushing = registry.push(layout.folder, 'multi', 'team/app:v1');
  await gateway.process.line('webhook.lost');
  await pushing;
  await gateway.process.kill();
  await registry.push(layout.folder, 'single', 'team/app:v2');
  const next = await serve(t, installation);
  const [one, other, index] = layout.manifests;
  assert.deepEqual(
    await arrivals(brigade, next, 4),
    [
      ['push', registry.host, one, undefined],
      ['push', registry.host, one, 'v2'],
      ['push', registry.host, other, undefined],
      ['push', registry.host, index, 'v1'],
    ].toSorted(),
  );
});
