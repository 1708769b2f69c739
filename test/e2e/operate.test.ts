import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { anInstallation, type Installation, type ServingGateway, serve } from '../support/serve-process.ts';
import { type Cleanup, StubBrigade } from '../support/stub-brigade.ts';
import { exchange, names, push, untilCompleted } from '../support/webhooks.ts';

/** An installation with the admin tokens of alice, who may operate, and bob, who may read. */
async function anOperatedInstallation(t: Cleanup, brigade: StubBrigade): Promise<Installation> {
  const installation = await anInstallation(t, brigade.address);
  const path = join(installation.folder, 'admin-tokens.json');
  const tokens = {
    alice: { sha256: hash('sha256', 'alices-token'), role: 'operate' },
    bob: { token: 'bobs-token', role: 'read' },
  };
  await writeFile(path, JSON.stringify(tokens));
  return { ...installation, env: { ...installation.env, ADMIN_TOKENS_PATH: path } };
}

interface Asked {
  readonly status: number;
  readonly json: ReturnType<typeof JSON.parse>;
}

async function ask(
  { adminPort }: ServingGateway,
  method: string,
  path: string,
  { token = 'alices-token', body }: { readonly token?: string; readonly body?: object } = {},
): Promise<Asked> {
  const headers = { authorization: `Bearer ${token}` };
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const { status, text } = await exchange(adminPort, { method, path, headers, ...sent });
  return { status, json: JSON.parse(text) };
}

async function pausedMetric({ adminPort }: ServingGateway): Promise<string | undefined> {
  const { text } = await exchange(adminPort, { method: 'GET', path: '/metrics' });
  return /^acr_gateway_paused (\d)$/m.exec(text)?.[1];
}

suite('an operator', { concurrency: 2 }, () => {
  test('pauses deliveries; a kill and a restart do not resume them, and accepted events wait', async (t) => {
    const brigade = await StubBrigade.start(t);
    const installation = await anOperatedInstallation(t, brigade);
    const first = await serve(t, installation);
    assert.equal((await ask(first, 'POST', '/api/deliveries/pause', { token: 'bobs-token' })).status, 403);
    assert.equal(await pausedMetric(first), '0');
    assert.equal((await ask(first, 'POST', '/api/deliveries/pause')).json.paused.by, 'alice');
    await first.process.line('admin.changed', (line) => line['by'] === 'alice');
    for (const id of names('before', 5)) await push(first, id);
    await first.process.kill();

    const second = await serve(t, installation);
    for (const id of names('after', 5)) await push(second, id);
    const { json } = await ask(second, 'GET', '/api/deliveries', { token: 'bobs-token' });
    assert.deepEqual([json.paused.by, json.pending, json.held], ['alice', 10, 0]);
    assert.equal(await pausedMetric(second), '1');
    assert.deepEqual(brigade.ids, []);

    assert.equal((await ask(second, 'POST', '/api/deliveries/resume')).json.paused, undefined);
    await brigade.untilTaken(...names('before', 5), ...names('after', 5));
    assert.equal(await pausedMetric(second), '0');
  });

  test('redelivers what a filter finds; a kill in the middle loses none of it', async (t) => {
    const brigade = await StubBrigade.start(t);
    const installation = await anOperatedInstallation(t, brigade);
    const first = await serve(t, installation);
    const ids = names('event', 12);
    for (const id of ids) await push(first, id);
    for (const id of ids) await untilCompleted(first, id);
    const filter = { registry: 'example.azurecr.io', from: '1h' };
    const dryRun = await ask(first, 'POST', '/api/redeliveries', { body: { filter, dryRun: true } });
    assert.deepEqual(dryRun.json, { matches: 12 });
    const started = await ask(first, 'POST', '/api/redeliveries', { body: { filter, perSecond: 4 } });
    await brigade.until((stub) => stub.arrivals.length >= 12 + 5);
    await first.process.kill();

    const second = await serve(t, installation);
    await eventually('the redelivery is done', async () => {
      const { json } = await ask(second, 'GET', `/api/redeliveries/${started.json.id}`);
      return json.state === 'done';
    });
    await brigade.until((stub) => ids.every((id) => stub.arrivalsOf(id).length >= 2));
    // Once a second it is stored how far the redelivery is: so many may be sent again.
    assert.ok(brigade.arrivals.length <= 2 * 12 + 2 * 4, String(brigade.arrivals.length));
  });
});
