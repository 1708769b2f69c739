import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { sampleWebhook } from '../../src/cli/sample-webhook.ts';
import { eventually } from '../support/eventually.ts';
import { aKeyServer, aSigningKey, signed } from '../support/key-server.ts';
import { anInstallation, type Installation, run, serve } from '../support/serve-process.ts';
import { StubBrigade } from '../support/stub-brigade.ts';
import {
  aPush,
  exchange,
  type HttpAnswer,
  metricOf,
  operatorEnv,
  push,
  send,
  untilCompleted,
} from '../support/webhooks.ts';

const TENANT = '11111111-2222-3333-4444-555555555555';
const RESOURCE =
  '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/samples/providers/Microsoft.ContainerRegistry/registries';

const CHART = JSON.stringify({ id: 'chart', action: 'chart_push', target: { repository: 'repo', tag: 'x-1.0.0.tgz' } });

/** An installation with a configuration file of these lines. */
async function configured(t: TestContext, brigade: StubBrigade, ...lines: readonly string[]) {
  const installation = await anInstallation(t, brigade.address);
  const configPath = join(installation.folder, 'config.yaml');
  const configure = (...changed: readonly string[]) => writeFile(configPath, changed.join('\n'));
  await configure(...lines);
  return { installation: withEnv(installation, { CONFIG_PATH: configPath }), configure, configPath };
}

function withEnv(installation: Installation, env: Readonly<Record<string, string>>): Installation {
  return { ...installation, env: { ...installation.env, ...env } };
}

function resultIn({ status, text }: HttpAnswer): string {
  assert.equal(status, 200, text);
  const [{ result, reason, rule }] = JSON.parse(text).events;
  return [result, reason, rule].filter(Boolean).join(' ');
}

suite('the configuration file', { concurrency: 2 }, () => {
  test('contains all settings of a gateway', async (t) => {
    const brigade = await StubBrigade.start(t);
    const { installation, configPath } = await configured(t, brigade);
    const lines = Object.entries(installation.env).filter(([name]) => name !== 'CONFIG_PATH');
    await writeFile(configPath, JSON.stringify({ settings: Object.fromEntries(lines) }));
    const gateway = await serve(t, { ...installation, env: { CONFIG_PATH: configPath } });
    await push(gateway, 'one');
    await brigade.untilTaken('one');
  });

  test('contains rules, and its changes take effect at once', async (t) => {
    const brigade = await StubBrigade.start(t);
    const { installation, configure } = await configured(
      t,
      brigade,
      'rules: [{ name: tagless, ignore: { tagged: false } }]',
    );
    const gateway = await serve(t, installation);
    assert.equal(resultIn(await send(gateway, aPush('a', { tag: undefined }))), 'ignored rule tagless');
    await configure('rules: [{ name: nothing, ignore: {} }]');
    await gateway.process.line('file.reloaded');
    assert.equal(resultIn(await send(gateway, aPush('b'))), 'ignored rule nothing');
    await configure('rules: none');
    const rejected = await gateway.process.line('file.rejected');
    assert.match(JSON.stringify(rejected['issues']), /"line":1,"path":"rules"/);
    assert.equal(resultIn(await send(gateway, aPush('c'))), 'ignored rule nothing');
    await configure('{}');
    await gateway.process.line(
      'file.reloaded',
      (line) => line !== undefined && gateway.process.linesOf('file.reloaded').length === 2,
    );
    await push(gateway, 'd');
    await brigade.untilTaken('d');
    assert.deepEqual(brigade.ids, ['d']);
  });

  test('binds a caller, so that a dead letter without a registry can be redelivered', async (t) => {
    const brigade = await StubBrigade.start(t);
    const { installation, configure } = await configured(t, brigade, '{}');
    const gateway = await serve(t, installation);
    assert.equal(resultIn(await send(gateway, CHART)), 'dead-lettered no-registry');
    const redeliver = () => run(t, ['dead-letters', 'redeliver', '1'], operatorEnv(gateway));
    assert.match((await redeliver()).output, /1 {2}undeliverable: no registry is known/);
    await configure('callers: { ci: { registries: [example.azurecr.io] } }');
    await gateway.process.line('file.reloaded');
    assert.equal((await redeliver()).code, 0);
    await brigade.untilTaken('chart');
    assert.deepEqual(brigade.arrivals[0]?.event.qualifiers, { registry: 'example.azurecr.io' });
  });

  test('contains rules that apply to redelivered dead letters too', async (t) => {
    const brigade = await StubBrigade.start(t);
    const { installation, configure } = await configured(t, brigade, '{}');
    const gateway = await serve(t, installation);
    assert.equal(resultIn(await send(gateway, CHART)), 'dead-lettered no-registry');
    const redeliver = () => run(t, ['dead-letters', 'redeliver', '1'], operatorEnv(gateway));
    const callers = 'callers: { ci: { registries: [example.azurecr.io] } }';
    await configure(callers, 'rules: [{ name: charts, ignore: { actions: [chart_push] } }]');
    await gateway.process.line('file.reloaded');
    const { code, output } = await redeliver();
    assert.equal(code, 1);
    assert.match(output, /^1 {2}ignored: rule charts$/m);
    await configure(callers);
    await gateway.process.line(
      'file.reloaded',
      (line) => line !== undefined && gateway.process.linesOf('file.reloaded').length === 2,
    );
    assert.equal((await redeliver()).code, 0);
    await brigade.untilTaken('chart');
  });

  test('replaces an alias by the name of its registry, which another caller may be bound to', async (t) => {
    const brigade = await StubBrigade.start(t);
    const registries = 'registries: { main.azurecr.io: { aliases: [example.azurecr.io] } }';
    const { installation, configure } = await configured(t, brigade, registries);
    const gateway = await serve(t, installation);
    await push(gateway, 'a');
    await brigade.untilTaken('a');
    assert.deepEqual(brigade.arrivals[0]?.event.qualifiers, { registry: 'main.azurecr.io' });
    await configure(registries, 'callers: { ci: { registries: [other.azurecr.io] } }');
    await gateway.process.line('file.reloaded');
    assert.equal((await send(gateway, aPush('b'))).status, 403);
  });

  test('gives metrics the names of its callers and registries, and no other', async (t) => {
    const brigade = await StubBrigade.start(t);
    brigade.onEvent = () => ({ kind: 'answer', status: 201, body: '{"kind":"EventList","items":[]}' });
    const { installation, configure } = await configured(t, brigade, '{}');
    const gateway = await serve(t, installation);
    const unmatched = (registry: string) => metricOf(gateway, `acr_gateway_unmatched_total{registry="${registry}"}`);
    const accepted = (caller: string) =>
      metricOf(gateway, `acr_gateway_events_total{result="accepted",caller="${caller}"}`);
    await push(gateway, 'a');
    await untilCompleted(gateway, 'a');
    assert.deepEqual([await accepted('ci'), await unmatched('other')], [1, 1]);
    assert.deepEqual([await accepted('robot'), await unmatched('example.azurecr.io')], [NaN, NaN]);
    const robot = 'robot: { application: event-grid, registries: [example.azurecr.io] }';
    await configure(`callers: { ${robot} }`, `entra: { tenant: ${TENANT}, audiences: [a] }`);
    await gateway.process.line('file.reloaded');
    assert.deepEqual([await accepted('robot'), await unmatched('example.azurecr.io')], [0, 0]);
    await configure('registries: { example.azurecr.io: {} }');
    await eventually('the caller is gone', async () => Number.isNaN(await accepted('robot')));
    await push(gateway, 'b');
    await untilCompleted(gateway, 'b');
    assert.deepEqual([await accepted('ci'), await unmatched('example.azurecr.io')], [2, 1]);
  });

  test('ends the start with 78 if it is wrong, and every issue is printed with its line', async (t) => {
    const brigade = await StubBrigade.start(t);
    const { installation } = await configured(
      t,
      brigade,
      'rules:',
      '  - ignore: {}',
      '    accept: {}',
      'settings: { PORT: http }',
    );
    const { code, errors } = await run(t, ['serve'], { ...installation.env, ADMIN_PORT: 'http' });
    assert.equal(code, 78);
    assert.match(
      errors,
      /CONFIG_PATH: \S+config\.yaml:2: rules\.0: must have either `ignore` or `accept`, and not both/,
    );
    assert.match(errors, /ADMIN_PORT: /);
  });
});

test('one application of Entra ID sends for several registries, and for no other', async (t) => {
  const brigade = await StubBrigade.start(t);
  const key = aSigningKey('one');
  const keys = await aKeyServer(t, key);
  const { installation } = await configured(
    t,
    brigade,
    `entra: { tenant: ${TENANT}, audiences: [api://gateway], authority: '${keys.address}' }`,
    'registries:',
    `  one-dnl.azurecr.io: { resource: ${RESOURCE}/one }`,
    `  two-dnl.azurecr.io: { resource: ${RESOURCE}/two }`,
    `  three-dnl.azurecr.io: { resource: ${RESOURCE}/three }`,
    'callers: { grid: { application: event-grid, registries: [one-dnl.azurecr.io, two-dnl.azurecr.io] } }',
  );
  const gateway = await serve(t, installation);
  const seconds = Math.floor(Date.now() / 1000);
  const claims = { aud: 'api://gateway', iss: `https://sts.windows.net/${TENANT}/`, tid: TENANT, exp: seconds + 600 };
  const token = await signed({ ...claims, ver: '1.0', appid: '4962773b-9cdb-44cf-a8bf-237846a00ab7' }, key);
  const sendFor = (name: string) => {
    const sample = {
      format: 'event-grid',
      action: 'chart_push',
      registry: name,
      repository: 'repo',
      id: name,
    } as const;
    const { headers, body } = sampleWebhook({ ...sample, at: new Date() }) ?? assert.fail();
    return exchange(gateway.ingestPort, { headers: { ...headers, authorization: `Bearer ${token}` }, body });
  };
  for (const name of ['one', 'two']) assert.equal(resultIn(await sendFor(name)), 'accepted');
  assert.equal(resultIn(await sendFor('three')), 'dead-lettered out-of-scope');
  await brigade.untilTaken('one', 'two');
  const registries = brigade.arrivals.map(({ event }) => event.qualifiers['registry']);
  assert.deepEqual(registries.toSorted(), ['one-dnl.azurecr.io', 'two-dnl.azurecr.io']);
  const otherToken = await signed({ ...claims, ver: '1.0', appid: TENANT }, key);
  const other = await exchange(gateway.ingestPort, { headers: { authorization: `Bearer ${otherToken}` }, body: CHART });
  assert.equal(other.status, 403);
});

test('while the key server is down, an application gets a 503 and a token is accepted', async (t) => {
  const brigade = await StubBrigade.start(t);
  const key = aSigningKey('one');
  const keys = await StubBrigade.start(t);
  await keys.goDown();
  const { installation } = await configured(
    t,
    brigade,
    `entra: { tenant: ${TENANT}, audiences: [api://gateway], authority: '${keys.address}' }`,
    'callers: { grid: { application: event-grid, registries: [example.azurecr.io] } }',
  );
  const gateway = await serve(t, installation);
  const token = await signed({ aud: 'api://gateway', exp: Math.floor(Date.now() / 1000) + 600 }, key);
  const answer = await exchange(gateway.ingestPort, { headers: { authorization: `Bearer ${token}` }, body: CHART });
  assert.equal(answer.status, 503);
  assert.ok(answer.headers['retry-after']);
  await push(gateway, 'one');
});

suite('check --explain', { concurrency: 2 }, () => {
  const LINES = [
    'callers:',
    '  ci: { registries: [example.azurecr.io], rules: [{ name: builds, ignore: { repositories: [builds/*] } }] }',
    '  cd: { application: event-grid }',
    `entra: { tenant: ${TENANT}, audiences: [api://gateway] }`,
  ];
  const target = (repository: string) => ({ repository });
  for (const [what, args, body, code, ...patterns] of [
    [
      'the Brigade event that results',
      [],
      aPush('a'),
      0,
      /rule +none matches: accept/,
      /"registry": "example.azurecr.io"/,
      /"repo": "hello-world"/,
    ],
    [
      'the rule that ignores it',
      [],
      aPush('a', target('builds/x')),
      1,
      /rule +builds: ignore/,
      /result +ignored \(rule builds\)/,
    ],
    [
      'what is out of scope',
      [],
      aPush('a').replace('example', 'other'),
      1,
      /result +rejected with 403 \(out-of-scope\)\ndetail +registry: expected example\.azurecr\.io/,
    ],
    ['that no registry is known', ['--caller', 'cd'], CHART, 1, /result +dead-lettered \(no-registry\)/],
    ['that there is nothing to deliver', [], '{"action":"ping"}', 1, /result +ignored \(ping\)/],
    ['that the format is unknown', [], '[', 1, /format +none/],
    ['which callers there are', ['--caller', 'unknown'], '[', 64, /--caller must name one of: ci, cd/],
  ] as const) {
    test(`prints ${what}`, async (t) => {
      const { installation, configPath } = await configured(t, await StubBrigade.start(t), ...LINES);
      await writeFile(`${configPath}.json`, body);
      const command = ['check', '--explain', `${configPath}.json`, ...(args.length === 0 ? ['--caller', 'ci'] : args)];
      const ended = await run(t, command, installation.env);
      assert.equal(ended.code, code, ended.output + ended.errors);
      for (const pattern of patterns) assert.match(ended.output + ended.errors, pattern);
    });
  }
});
