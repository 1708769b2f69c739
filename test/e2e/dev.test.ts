import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, suite, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { absolute } from '../house/repository.ts';
import { Changes } from '../support/changes.ts';
import { aFreePort } from '../support/ports.ts';
import { aFolder, type Env, GatewayProcess } from '../support/serve-process.ts';
import type { Cleanup } from '../support/stub-brigade.ts';

const shell = promisify(execFile);

const ANY_PORT: Env = { PORT: '0', ADMIN_PORT: '0', BRIGADE_PORT: '0' };

interface Development {
  readonly process: GatewayProcess;
  /** The address of the console, which logs in once. */
  readonly link: string;
  readonly curl: string;
}

/** Runs what `npm start` runs, until it has printed the command to try it. */
async function startDev(
  t: Cleanup,
  dataDir: string,
  { env = ANY_PORT, args = [] }: { readonly env?: Env; readonly args?: readonly string[] } = {},
): Promise<Development> {
  const process = GatewayProcess.start(t, ['dev', ...args], { env: { DATA_DIR: dataDir, ...env } });
  const link = await process.print(/^ +console /);
  return { process, link: link.trim().split(/ +/)[1] ?? '', curl: await process.print(/^ +curl /) };
}

/** Runs the line in a shell; resolves to the answer. */
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

/** One that the first tests share, with its folder and its ports. */
async function startShared() {
  const t = { after };
  const folder = join(await aFolder(t), 'data');
  const [port, adminPort, brigadePort] = [await aFreePort(), await aFreePort(), await aFreePort()];
  const env = { PORT: String(port), ADMIN_PORT: String(adminPort), BRIGADE_PORT: String(brigadePort) };
  return { folder, port, adminPort, brigadePort, dev: await startDev(t, folder, { env }) };
}

const shared = await startShared();

suite('npm start', { concurrency: 4 }, () => {
  test('prints a command to paste, and shows the event, its projects, and what their workers print', async () => {
    const { process, curl } = shared.dev;
    const answer = JSON.parse(await paste(curl));
    assert.equal(answer.status, 'success');
    assert.equal(answer.events[0].result, 'accepted');
    const line = await process.print(/^event → project /);
    assert.match(line, /^event → project \S+: push example-repo:v1\.0\.0$/);
    await process.print(/^ {2}acr-pushes │ Someone pushed an image to example\.azurecr\.io\/example-repo!$/);
    await process.print(/^ {2}acr-pushes ✓ SUCCEEDED$/);
  });

  test('prints a link to the console that logs in once', async () => {
    const { link } = shared.dev;
    const headers = { accept: 'text/html' };
    const first = await fetch(link, { headers, redirect: 'manual' });
    assert.deepEqual([first.status, first.headers.get('location')], [303, '/']);
    const cookie = first.headers.get('set-cookie')?.split(';')[0] ?? '';
    const overview = await fetch(new URL('/', link), { headers: { ...headers, cookie } });
    assert.match(await overview.text(), /<h1>Overview<\/h1>/);
    assert.equal((await fetch(link, { headers })).status, 403);
  });

  test('says of an event that no project subscribes to which subscriptions nearly match', async () => {
    const { process, curl } = shared.dev;
    await paste(curl.replace('example.azurecr.io', 'other.azurecr.io').replace('try-', 'unmatched-'));
    const { reason, nearest, registry } = await process.line('delivery.unmatched');
    assert.equal(registry, 'other.azurecr.io');
    assert.equal(reason, 'no project subscribes to push other.azurecr.io/example-repo:v1.0.0');
    assert.ok(Array.isArray(nearest));
    assert.equal(nearest.length, 3);
    for (const line of nearest)
      assert.match(
        line,
        / wants the qualifier registry "example\.azurecr\.io", and the event has "other\.azurecr\.io"$/,
      );
  });

  test('makes files that only their owner can read', async () => {
    const names = await readdir(shared.folder);
    for (const name of ['journal.db', 'brigade.db', 'webhook-token']) assert.ok(names.includes(name), name);
    for (const name of names) {
      const status = await stat(join(shared.folder, name));
      assert.equal((status.mode & 0o777).toString(8), status.isDirectory() ? '700' : '600', name);
    }
  });

  test('a signal to the shell that npm starts ends it in order', async (t) => {
    const { PATH = '' } = globalThis.process.env;
    const env = {
      ...ANY_PORT,
      DATA_DIR: join(await aFolder(t), 'data'),
      PATH: `${absolute('node_modules/.bin')}:${PATH}`,
    };
    const process = GatewayProcess.spawn(t, ['sh', '-c', `cd '${absolute('.')}'; ${packageJson.scripts.start}`], env);
    await process.print(/^ +curl /);
    process.signal('SIGTERM');
    assert.equal(await process.ended, 0);
  });

  test('listens on PORT, ADMIN_PORT and BRIGADE_PORT, and prints them', async () => {
    const { port, adminPort, brigadePort, dev } = shared;
    await dev.process.print(new RegExp(`webhooks +http://127\\.0\\.0\\.1:${port}/events`));
    await dev.process.print(new RegExp(`console +http://127\\.0\\.0\\.1:${adminPort}`));
    await dev.process.print(new RegExp(`Brigade +http://127\\.0\\.0\\.1:${brigadePort}`));
    assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200);
    assert.equal((await fetch(`http://127.0.0.1:${adminPort}/readyz`)).status, 200);
    assert.equal((await fetch(`http://127.0.0.1:${brigadePort}/v2/ping`)).status, 200);
  });

  test('makes new secrets for each data folder, and uses them and the data again', async (t) => {
    const folder = join(await aFolder(t), 'data');
    const first = await startDev(t, folder);
    const secrets = await secretsIn(folder);
    const all = [...secrets, ...(await secretsIn(shared.folder))];
    assert.equal(new Set(all).size, all.length);
    await end(first);
    const second = await startDev(t, folder);
    assert.deepEqual(await secretsIn(folder), secrets);
    assert.equal(JSON.parse(await paste(second.curl)).status, 'success');
    await second.process.print(/^event → project /);
    await end(second);
  });

  test('exits with 78 and prints every setting that is not a port', async (t) => {
    const process = GatewayProcess.start(t, ['dev'], {
      env: { DATA_DIR: await aFolder(t), PORT: 'x', BRIGADE_PORT: '70000' },
    });
    assert.equal(await process.ended, 78);
    for (const name of ['PORT', 'BRIGADE_PORT']) {
      assert.ok(process.errors.some((line) => line.includes(`  ${name}: must be`)));
    }
  });

  test('reads the folder of --projects, and its files again when they change', async (t) => {
    const folder = await aFolder(t);
    await writeFile(join(folder, 'one.yaml'), aProject('one', 'console.log("first")'));
    const dev = await startDev(t, join(folder, 'data'), { args: ['--projects', folder] });
    const { process } = dev;
    await paste(dev.curl);
    await process.print(/^ {2}one │ first$/);

    await writeFile(join(folder, 'one.yaml'), 'types:\n- *');
    await process.print(/^projects → 1 in /);
    await process.error(/one\.yaml:2: Alias cannot be an empty string: a \* has to stand in quotes$/);
    await writeFile(join(folder, 'two.yaml'), aProject('two', 'console.log("second")'));
    await process.print(/^projects → 2 in /);
    await paste(dev.curl.replace('try-', 'again-'));
    await process.print(/^ {2}two │ second$/);
    await process.print(/^ {2}one ✓ SUCCEEDED$/);
    await end(dev);
  });

  test('shows the beginning of what a worker prints, without control characters', async (t) => {
    const folder = await aFolder(t);
    const script = 'console.log("\\u001b[31mred" + "x".repeat(300)); for (let n = 1; n < 50; n++) console.log(n)';
    await writeFile(join(folder, 'one.yaml'), aProject('one', script));
    const dev = await startDev(t, join(folder, 'data'), { args: ['--projects', folder] });
    await paste(dev.curl);
    await dev.process.print(/^ {2}one ✓ SUCCEEDED$/);
    const shown = dev.process.printed.filter((line) => line.includes('│'));
    assert.equal(shown.length, 21);
    assert.match(shown[0] ?? '', /^ {2}one │ \\u001b\[31mredx{152}…$/);
    assert.match(shown[20] ?? '', /^ {2}one │ … \(the rest: brig event logs --id [\da-f-]{36}\)$/);
    await end(dev);
  });

  test('leaves no worker alive and loses no event when it is killed', async (t) => {
    const folder = await aFolder(t);
    const line = await aLifeline(t);
    // More events than workers that run at once: at the kill, some run and some wait.
    const ids = ['one', 'two', 'three', 'four', 'five', 'six'];
    for (const id of ids) await writeFile(join(folder, `${id}.yaml`), aProject(id, line.script));
    const args = ['--projects', folder];
    const first = await startDev(t, join(folder, 'data'), { args });
    await paste(first.curl);
    await line.until(2);
    await first.process.kill();
    await line.until(0);

    line.order = 'end';
    const { process } = await startDev(t, join(folder, 'data'), { args });
    const endings = await Promise.all(ids.map((id) => process.print(new RegExp(`^ {2}${id} [✓✗] `))));
    const failed = endings.filter((ending) => ending.endsWith('FAILED'));
    const lost = process.printed.filter((text) => text.endsWith(LOST));
    assert.ok(failed.length >= 2, endings.join());
    assert.equal(lost.length, failed.length);
    assert.equal(endings.filter((ending) => ending.endsWith('SUCCEEDED')).length, ids.length - failed.length);
    await line.until(0);
  });
});

const LOST = '│ Ended with the program that ran it, and not run again: `brig event retry` does that.';

interface Lifeline {
  /** Asks for its order, and loops forever or ends. The connection lives as long as its process. */
  readonly script: string;
  order: 'loop' | 'end';
  /** Resolves when at least that many workers live; for 0, when none does. */
  until(count: number): Promise<void>;
}

async function aLifeline(t: TestContext): Promise<Lifeline> {
  const lives = new Set<Socket>();
  const changes = new Changes();
  const server = createServer((life) => {
    lives.add(life);
    changes.notify();
    life.on('error', () => {});
    life.on('close', () => {
      lives.delete(life);
      changes.notify();
    });
    life.resume().write(lifeline.order);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const lifeline: Lifeline = {
    script: `require("net").connect(${port}, "127.0.0.1").on("data", order => {
      while (String(order) === "loop");
      process.exit();
    })`,
    order: 'loop',
    until: async (count) => {
      const there = () => (count === 0 ? lives.size === 0 : lives.size >= count);
      await changes.until(
        () => there() || undefined,
        () => `${lives.size} workers live`,
      );
    },
  };
  return lifeline;
}

/** A project that subscribes to the push that `npm start` proposes. */
function aProject(id: string, script: string): string {
  return JSON.stringify({
    apiVersion: 'brigade.sh/v2',
    kind: 'Project',
    metadata: { id },
    spec: {
      eventSubscriptions: [
        { source: 'brigade.sh/acr', types: ['push'], qualifiers: { registry: 'example.azurecr.io' } },
      ],
      workerTemplate: { defaultConfigFiles: { 'brigade.js': script } },
    },
  });
}
