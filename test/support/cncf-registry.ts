import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { aFolder } from './serve-process.ts';

const run = promisify(execFile);

/** Skips the test if the programs are missing; in continuous integration that fails it. */
export function hasRegistry(t: TestContext): boolean {
  const missing = ['docker-registry', 'skopeo'].filter((name) => spawnSync(name, ['--version']).status !== 0);
  if (missing.length === 0) return true;
  if (process.env['CI'] !== undefined) throw new Error(`not installed: ${missing.join(', ')}`);
  t.skip(`not installed: ${missing.join(', ')} (Debian packages of those names)`);
  return false;
}

/** A real CNCF registry on a port of its own, which sends notifications to an address. */
export class CncfRegistry {
  readonly host: string;

  private constructor(host: string) {
    this.host = host;
  }

  static async start(t: TestContext, notify: { readonly url: string; readonly token: string }): Promise<CncfRegistry> {
    const folder = await aFolder(t);
    const path = join(folder, 'config.yml');
    writeFileSync(path, configOf(folder, notify));
    const child = spawn('docker-registry', ['serve', path], { stdio: ['ignore', 'ignore', 'pipe'] });
    t.after(() => end(child));
    return new CncfRegistry(await listeningAt(child));
  }

  /** Copies an image of a layout, with every platform of it. */
  async push(layout: string, tag: string, to: string): Promise<void> {
    await copy('--dest-tls-verify=false', `oci:${layout}:${tag}`, `docker://${this.host}/${to}`);
  }

  async pull(from: string, folder: string): Promise<void> {
    await copy('--src-tls-verify=false', `docker://${this.host}/${from}`, `oci:${folder}:pulled`);
  }

  async delete(repository: string, digest: string): Promise<number> {
    const { status } = await fetch(`http://${this.host}/v2/${repository}/manifests/${digest}`, { method: 'DELETE' });
    return status;
  }
}

async function copy(...args: readonly string[]): Promise<void> {
  await run('skopeo', ['copy', '--all', '--insecure-policy', ...args]);
}

function configOf(folder: string, { url, token }: { readonly url: string; readonly token: string }): string {
  return JSON.stringify({
    version: '0.1',
    log: { level: 'info', formatter: 'json' },
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0' },
    notifications: {
      endpoints: [
        {
          name: 'gateway',
          url,
          headers: { Authorization: [`Bearer ${token}`] },
          timeout: '5s',
          threshold: 3,
          backoff: '100ms',
        },
      ],
    },
  });
}

/** Its log contains the port that the system assigned. */
async function listeningAt(child: ChildProcess): Promise<string> {
  const said: string[] = [];
  const { stderr } = child;
  if (stderr === null) throw new Error('the registry has no log');
  for await (const line of createInterface({ input: stderr })) {
    said.push(line);
    const host = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (host === undefined) continue;
    stderr.resume();
    return host;
  }
  throw new Error(`it did not start:\n${said.join('\n')}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
