import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AnsweringServer, answering } from '../support/answering-server.ts';
import { anInstallation, run, serve } from '../support/serve-process.ts';
import { push } from '../support/webhooks.ts';

/** A CloudEvents receiver, and an installation without a Brigade. */
async function aReceiver(t: TestContext, status: number) {
  const server = await AnsweringServer.start(t, answering(status));
  const installation = await anInstallation(t, '');
  const SINK_BASIC_PATH = join(installation.folder, 'basic');
  await writeFile(SINK_BASIC_PATH, 'user:s3cret\n');
  const { API_ADDRESS: _address, API_TOKEN: _token, ...rest } = installation.env;
  const env = { ...rest, SINK_URL: `cloudevents+${server.address}/in`, SINK_BASIC_PATH, SINK_MODE: 'binary' };
  return { server, installation: { ...installation, env }, basicPath: SINK_BASIC_PATH };
}

const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`;

test('events go to a CloudEvents receiver instead of Brigade, with credentials that may change', async (t) => {
  const { server, installation, basicPath } = await aReceiver(t, 202);
  const gateway = await serve(t, installation);
  const ready = await gateway.process.line('sink.ready');
  assert.match(String(ready['detail']), /only an event will show/);
  await push(gateway, 'one');
  await gateway.process.line('delivery.attempted', (line) => line['outcome'] === 'delivered');
  const asked = server.asked.find(({ method }) => method === 'POST');
  assert.equal(asked?.headers['ce-type'], 'sh.brigade.acr.push');
  assert.equal(asked?.headers['ce-id'], 'one');
  assert.equal(asked?.headers.authorization, basic('user:s3cret'));
  await writeFile(basicPath, 'user:another\n');
  await gateway.process.line('file.reloaded');
  await push(gateway, 'two');
  await gateway.process.line('delivery.attempted', (line) => line['id'] === 'two');
  const last = server.asked.findLast(({ method }) => method === 'POST');
  assert.equal(last?.headers.authorization, basic('user:another'));
  const { everything } = gateway.process;
  for (const pair of ['user:s3cret', 'user:another']) assert.ok(!everything.includes(basic(pair).slice(6)));
  assert.doesNotMatch(everything, /s3cret|another/);
});

test('check asks the receiver, and prints its answer', async (t) => {
  const { installation } = await aReceiver(t, 405);
  const { code, output } = await run(t, ['check'], installation.env);
  assert.equal(code, 0);
  assert.match(output, /CloudEvents receiver at .*\/in: ready: .*only an event will show/);
  const rejecting = await aReceiver(t, 401);
  assert.equal((await run(t, ['check'], rejecting.installation.env)).code, 77);
});

test('two credentials at once, or an invalid address, are issues', async (t) => {
  const { installation, basicPath } = await aReceiver(t, 200);
  const both = await run(t, ['check'], { ...installation.env, SINK_TOKEN_PATH: basicPath });
  assert.equal(both.code, 78);
  assert.match(both.errors, /only one of SINK_TOKEN_PATH and SINK_BASIC_PATH may be set/);
  const wrong = await run(t, ['check'], { ...installation.env, SINK_URL: 'https://a.example' });
  assert.match(wrong.errors, /SINK_URL: must be a `cloudevents\+http/);
});
