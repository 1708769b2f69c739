import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { after, suite, type TestContext, test } from 'node:test';
import { Brig } from '../support/brig.ts';
import { aFolder, type Env, GatewayProcess, run } from '../support/serve-process.ts';
import type { Cleanup } from '../support/stub-brigade.ts';

const PASSWORD = 'F00Bar!!!';
const UUID = /[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/;

interface Standalone {
  readonly process: GatewayProcess;
  readonly address: string;
  readonly brig: Brig;
}

async function aPasswordFile(folder: string, password = PASSWORD): Promise<string> {
  const path = join(folder, 'root-password');
  await writeFile(path, `${password}\n`, { mode: 0o600 });
  return path;
}

/** Runs the embedded Brigade alone, as the tests of another gateway would. */
async function startBrigade(t: Cleanup, folder: string, ...flags: readonly string[]): Promise<Standalone> {
  const password = await aPasswordFile(folder);
  const args = ['brigade', '--data', join(folder, 'data'), '--root-password-path', password, ...flags];
  const process = GatewayProcess.start(t, args.includes('--port') ? args : [...args, '--port', '0'], { env: {} });
  const [address = ''] = /http:\S+/.exec(await process.print(/listens on http/)) ?? [];
  return { process, address, brig: new Brig(t, address) };
}

const SERVICE_ACCOUNT =
  '{"kind":"ServiceAccount","apiVersion":"brigade.sh/v2","metadata":{"id":"brigade-acr-gateway"},"description":"brigade-acr-gateway"}';
const ROLE =
  '{"kind":"RoleAssignment","apiVersion":"brigade.sh/v2","role":"EVENT_CREATOR","principal":{"type":"SERVICE_ACCOUNT","id":"brigade-acr-gateway"},"scope":"brigade.sh/acr"}';
/** As `brig` makes it of YAML: JSON with sorted keys. */
const PROJECT = JSON.stringify({
  apiVersion: 'brigade.sh/v2',
  description: 'A project that subscribes to events from Azure Container Registry',
  kind: 'Project',
  metadata: { id: 'acr-demo' },
  spec: {
    eventSubscriptions: [
      { qualifiers: { registry: 'example.azurecr.io' }, source: 'brigade.sh/acr', types: ['*'] },
      { source: 'brigade.sh/cli', types: ['exec'] },
    ],
    workerTemplate: {
      defaultConfigFiles: {
        'brigade.js':
          'const { events } = require("@brigadecore/brigadier");\n' +
          'events.on("brigade.sh/acr", "push", async event => { console.log("Someone pushed " + event.labels.repo); });\n' +
          'events.process();\n',
      },
    },
  },
});
/** As a Go gateway posts it. */
const EVENT =
  '{"kind":"Event","apiVersion":"brigade.sh/v2","metadata":{},"source":"brigade.sh/acr","type":"push","qualifiers":{"registry":"example.azurecr.io"},"labels":{"repo":"example-repo"},"payload":"{}"}';

// One server for the tests of the next suite, which run in order.
const sharedFolder = await aFolder({ after });
const shared = { ...(await startBrigade({ after }, sharedFolder)), folder: sharedFolder };

suite('a running brigade', () => {
  test('is empty at the first start, and keeps everything in files that only their owner can read', async () => {
    const { brig, folder } = shared;
    await brig.login(PASSWORD);
    for (const what of ['projects', 'events', 'service-accounts', 'role-assignments']) {
      assert.match((await brig.send('GET', `/v2/${what}`)).body, /"metadata":\{"remainingItemCount":0\}\}$/);
    }
    assert.equal((await stat(join(folder, 'data'))).mode & 0o777, 0o700);
    assert.equal((await stat(join(folder, 'data', 'brigade.db'))).mode & 0o777, 0o600);
  });

  test('listens on loopback, and on another address only on request and with a warning', async (t) => {
    assert.match(shared.address, /^http:\/\/127\.0\.0\.1:/);
    assert.deepEqual(shared.process.errors, []);
    const loud = await startBrigade(t, await aFolder(t), '--host', '0.0.0.0');
    assert.match(loud.process.errors.join('\n'), /^Warning: it listens on 0\.0\.0\.0, unencrypted/);
    const { port } = new URL(loud.address);
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((each) => each?.family === 'IPv4' && !each.internal);
    const response = await fetch(`http://${outside?.address ?? '127.0.0.1'}:${port}/v2/ping`);
    assert.equal(response.status, 200);
    await response.body?.cancel();
  });

  test('redirects requests to an address that ends with a slash, as Brigade does', async (t) => {
    const { address } = shared;
    const moved = await new Brig(t, `${address}/`).login(PASSWORD);
    assert.deepEqual([moved.status, moved.headers.location, moved.body], [301, '/v2/sessions?root=true', '']);
    // Go follows a 301 with GET and without a body.
    const followed = await new Brig(t, address).send('GET', String(moved.headers.location));
    assert.deepEqual([followed.status, followed.headers.allow, followed.body], [405, undefined, '']);
  });

  test('answers the other commands of brig as they expect', async () => {
    const { brig } = shared;
    const updated = await brig.send('PUT', '/v2/projects/acr-demo?create=true', PROJECT);
    assert.equal(updated.status, 200);
    const projects = JSON.parse((await brig.send('GET', '/v2/projects')).body);
    assert.match(projects.items[0].metadata.created, /^\d{4}-.*Z$/);
    assert.equal((await brig.send('GET', '/ping')).body, 'version v2.6.0 -- commit embedded');

    const exec =
      '{"kind":"Event","apiVersion":"brigade.sh/v2","metadata":{},"projectID":"acr-demo","source":"brigade.sh/cli","type":"exec"}';
    const created = JSON.parse((await brig.send('POST', '/v2/events', exec)).body);
    assert.match(created.items[0].metadata.id, UUID);
    const other = exec.replace('"exec"', '"other"');
    assert.equal(JSON.parse((await brig.send('POST', '/v2/events', other)).body).items, undefined);

    const { id } = created.items[0].metadata;
    await brig.send('GET', `/v2/events/${id}/logs?follow=true`);
    assert.equal((await brig.send('PUT', `/v2/events/${id}/cancellation`)).status, 409, 'it has ended');
    const retried = await brig.send('POST', `/v2/events/${id}/retries`);
    assert.equal(retried.status, 201);
    assert.equal(JSON.parse(retried.body).labels['brigade.sh/retryOf'], id);
    assert.equal((await brig.send('DELETE', `/v2/events/${id}`)).body, 'null');

    const account = await brig.send('POST', '/v2/service-accounts', SERVICE_ACCOUNT);
    assert.equal((await brig.send('PUT', '/v2/service-accounts/brigade-acr-gateway/lock')).body, 'null');
    const unlocked = await brig.send('DELETE', '/v2/service-accounts/brigade-acr-gateway/lock');
    assert.notEqual(JSON.parse(unlocked.body).value, JSON.parse(account.body).value);
    assert.equal((await brig.send('DELETE', '/v2/projects/acr-demo')).body, 'null');
  });

  test('has an exit code each for a missing or empty password, a port in use and data in use', async (t) => {
    const { address, folder } = shared;
    const empty = join(folder, 'empty');
    await writeFile(empty, '\n');
    const start = (data: string, password: string, port: string) =>
      run(
        t,
        ['brigade', '--data', join(folder, data), '--root-password-path', join(folder, password), '--port', port],
        {},
      );
    const ended = await Promise.all([
      start('other', 'nothing', '0'),
      start('other', 'empty', '0'),
      start('third', 'root-password', new URL(address).port),
      start('data', 'root-password', '0'),
      run(t, ['brigade', '--port', '0'], {}),
      start('other', 'root-password', '70000'),
    ]);
    assert.deepEqual(
      ended.map(({ code }) => code),
      [78, 78, 69, 75, 64, 64],
    );
    const [missing, , , inUse] = ended;
    assert.match(missing?.errors ?? '', /--root-password-path: expected a file that can be read, got .*ENOENT/);
    assert.match(inUse?.errors ?? '', /Another process owns .*brigade\.db/);
  });
});

suite('brigade', { concurrency: 4 }, () => {
  test('serves brig through the README of upstream, from the login to the log of the worker', async (t) => {
    const { address, brig, process } = await startBrigade(t, await aFolder(t));
    assert.equal((await brig.login('wrong')).status, 401);
    assert.equal((await brig.login(PASSWORD)).status, 201);

    const account = await brig.send('POST', '/v2/service-accounts', SERVICE_ACCOUNT);
    assert.equal(account.status, 201);
    const granted = await brig.send('POST', '/v2/role-assignments', ROLE);
    assert.deepEqual([granted.status, granted.body], [200, 'null']);
    assert.equal((await brig.send('POST', '/v2/projects', PROJECT)).status, 201);

    const gateway = new Brig(t, address);
    gateway.use(JSON.parse(account.body).value);
    const created = await gateway.send('POST', '/v2/events', EVENT);
    assert.equal(created.status, 201);

    const { id } = JSON.parse(created.body).items[0].metadata;
    const logs = await brig.send('GET', `/v2/events/${id}/logs?follow=true`);
    assert.equal(logs.headers['content-type'], 'text/event-stream');
    assert.match(logs.body, /"time":"[^"]+","message":"Someone pushed example-repo"\}/);

    const listed = JSON.parse((await brig.send('GET', '/v2/events?projectID=acr-demo')).body);
    assert.equal(listed.items.length, 1);
    assert.match(listed.items[0].metadata.created, /^\d{4}-.*Z$/);
    assert.equal(listed.items[0].worker.status.phase, 'SUCCEEDED');
    assert.equal((await brig.send('DELETE', '/v2/session')).body, 'null');
    assert.equal((await brig.send('GET', '/v2/whoami')).status, 401);
    process.signal('SIGINT');
    assert.equal(await process.ended, 0);
    assert.deepEqual(process.errors, []);
  });

  test('accepts the old token after a restart, and takes a repeated request for another event', async (t) => {
    const folder = await aFolder(t);
    const first = await startBrigade(t, folder);
    const { brig } = first;
    await brig.login(PASSWORD);
    await brig.send('POST', '/v2/projects', PROJECT);
    assert.equal((await brig.send('POST', '/v2/events', EVENT)).status, 201);
    await first.process.kill();
    await assert.rejects(brig.send('POST', '/v2/events', EVENT), { code: /^ECONN(REFUSED|RESET)$/ });
    await startBrigade(t, folder, '--port', new URL(first.address).port);
    assert.equal((await brig.send('POST', '/v2/events', EVENT)).status, 201);
    assert.equal(JSON.parse((await brig.send('GET', '/v2/events')).body).items.length, 2);
  });

  test('loads projects of a folder beside its own, and reports errors in a file with their line', async (t) => {
    const folder = await aFolder(t);
    await writeFile(join(folder, 'good.yaml'), PROJECT);
    await writeFile(join(folder, 'bad.yaml'), 'spec:\n  eventSubscriptions:\n  - types:\n    - *\n');
    const { brig, process } = await startBrigade(t, folder, '--projects', folder);
    await brig.login(PASSWORD);
    assert.equal((await brig.send('GET', '/v2/projects/acr-demo')).status, 200);
    assert.match(process.errors.join('\n'), /bad\.yaml:4: .*a \* has to stand in quotes/);
  });
});

suite('npm start', { concurrency: 4 }, () => {
  const ports = { PORT: '0', ADMIN_PORT: '0', BRIGADE_PORT: '0' };

  async function startDev(t: TestContext, env: Env): Promise<Standalone & { readonly shown: string }> {
    const process = GatewayProcess.start(t, ['dev'], { env: { ...ports, ...env } });
    const line = await process.print(/^ +Brigade +http/);
    const [, address = '', shown = ''] = /(http:\S+) +\(password of root in (.*)\)$/.exec(line) ?? [];
    return { process, address, brig: new Brig(t, address), shown };
  }

  test('keeps the root password that it made, with which brig logs in', async (t) => {
    const folder = await aFolder(t);
    const first = await startDev(t, { DATA_DIR: folder });
    assert.equal(first.shown, join(folder, 'root-password'));
    assert.equal((await stat(first.shown)).mode & 0o777, 0o600);
    const password = (await readFile(first.shown, 'utf8')).trim();
    assert.equal((await first.brig.login(password)).status, 201);
    first.process.signal('SIGTERM');
    assert.equal(await first.process.ended, 0);
    const second = await startDev(t, { DATA_DIR: folder });
    assert.equal((await second.brig.login(password)).status, 201);
    assert.ok(!second.process.everything.includes(password));
  });

  test('prefers BRIGADE_ROOT_PASSWORD to the password that it made', async (t) => {
    const folder = await aFolder(t);
    const { brig, shown } = await startDev(t, { DATA_DIR: folder, BRIGADE_ROOT_PASSWORD: PASSWORD });
    assert.equal(shown, 'BRIGADE_ROOT_PASSWORD');
    assert.equal((await brig.login(PASSWORD)).status, 201);
    assert.equal((await brig.login((await readFile(join(folder, 'root-password'), 'utf8')).trim())).status, 401);
  });
});
