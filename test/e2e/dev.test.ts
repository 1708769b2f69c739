import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { aFolder, type Env, GatewayProcess } from '../support/serve-process.ts';
import { StubBrigade } from '../support/stub-brigade.ts';

const shell = promisify(execFile);

const ANY_PORT: Env = { PORT: '0', ADMIN_PORT: '0', BRIGADE_PORT: '0' };

interface Development {
  readonly process: GatewayProcess;
  readonly curl: string;
}

/** Runs what `npm start` runs, until it has printed how to try it. */
async function startDev(t: TestContext, dataDir: string, env: Env = ANY_PORT): Promise<Development> {
  const process = GatewayProcess.start(t, ['dev'], { DATA_DIR: dataDir, ...env });
  return { process, curl: await process.print(/^ +curl /) };
}

/** Pastes the line into a shell; resolves to the answer. */
async function paste(line: string): Promise<string> {
  const { stdout } = await shell('sh', ['-c', line.trim().replace(/^curl /, 'curl -s ')]);
  return stdout;
}

async function secretsIn(folder: string): Promise<readonly string[]> {
  const names = ['webhook-token', 'tokens.json', 'admin-token', 'brigade-token'];
  return Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
}

async function end({ process }: Development): Promise<void> {
  process.signal('SIGINT');
  assert.equal(await process.ended, 0);
}

/** Ports that nobody uses, below those that the system gives out. */
async function freePorts(t: TestContext): Promise<readonly [string, string, string]> {
  const stubs = await Promise.all([StubBrigade.start(t), StubBrigade.start(t), StubBrigade.start(t)]);
  const [one, other, another] = stubs.map(({ address }) => new URL(address).port);
  await Promise.all(stubs.map((stub) => stub.goDown()));
  return [one ?? '', other ?? '', another ?? ''];
}

suite('npm start', { concurrency: 4 }, () => {
  test('the line that it prints can be pasted, and the event reaches the example projects', async (t) => {
    const dev = await startDev(t, join(await aFolder(t), 'data'));
    const answer = JSON.parse(await paste(dev.curl));
    assert.equal(answer.status, 'success');
    assert.equal(answer.events[0].fate, 'accepted');
    const told = await dev.process.print(/^event → project /);
    assert.match(told, /^event → project \S+: push hello-world:v1$/);
    await end(dev);
  });

  test('what it makes in its data folder is for its owner alone', async (t) => {
    const folder = join(await aFolder(t), 'data');
    const dev = await startDev(t, folder);
    const names = await readdir(folder);
    for (const name of ['journal.db', 'brigade.db', 'webhook-token']) assert.ok(names.includes(name), name);
    for (const name of names) {
      const { mode } = await stat(join(folder, name));
      assert.equal((mode & 0o777).toString(8), '600', name);
    }
    await end(dev);
  });

  test('a second start goes on with what the first has made', async (t) => {
    const folder = join(await aFolder(t), 'data');
    const first = await startDev(t, folder);
    const secrets = await secretsIn(folder);
    await end(first);
    const second = await startDev(t, folder);
    assert.deepEqual(await secretsIn(folder), secrets);
    assert.equal(JSON.parse(await paste(second.curl)).status, 'success');
    await second.process.print(/^event → project /);
    await end(second);
  });

  test('no two data folders have a secret in common', async (t) => {
    const [one, other] = [join(await aFolder(t), 'data'), join(await aFolder(t), 'data')];
    await Promise.all([startDev(t, one), startDev(t, other)]);
    const secrets = [...(await secretsIn(one)), ...(await secretsIn(other))];
    assert.equal(new Set(secrets).size, secrets.length);
  });

  test('PORT, ADMIN_PORT and BRIGADE_PORT say where it listens, and it prints that', async (t) => {
    const [port, adminPort, brigadePort] = await freePorts(t);
    const env = { PORT: port, ADMIN_PORT: adminPort, BRIGADE_PORT: brigadePort };
    const { process } = await startDev(t, join(await aFolder(t), 'data'), env);
    await process.print(new RegExp(`webhooks +http://127\\.0\\.0\\.1:${port}/events`));
    await process.print(new RegExp(`admin +http://127\\.0\\.0\\.1:${adminPort}`));
    await process.print(new RegExp(`Brigade +http://127\\.0\\.0\\.1:${brigadePort}`));
    assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200);
    assert.equal((await fetch(`http://127.0.0.1:${adminPort}/readyz`)).status, 200);
    assert.equal((await fetch(`http://127.0.0.1:${brigadePort}/v2/ping`)).status, 200);
  });

  test('settings that are no ports are told at once and end it with 78', async (t) => {
    const process = GatewayProcess.start(t, ['dev'], { DATA_DIR: await aFolder(t), PORT: 'x', BRIGADE_PORT: '70000' });
    assert.equal(await process.ended, 78);
    for (const name of ['PORT', 'BRIGADE_PORT']) {
      assert.ok(process.errors.some((line) => line.includes(`  ${name}: expected`)));
    }
  });
});
