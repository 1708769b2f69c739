import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { absolute } from '../house/repository.ts';
import { Changes } from '../support/changes.ts';
import { aFolder, type Env } from '../support/serve-process.ts';
import type { Cleanup } from '../support/stub-brigade.ts';

const PATIENCE_MS = 60_000;

/** The part of a checkout that commands use. */
const CHECKOUT = ['package.json', 'bin.js', 'src', 'examples', 'node_modules'];

/** A command that runs until the test ends. */
export interface Running {
  /** The first line that matches, once it is there. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
}

/** A terminal in a checkout of its own, in which the commands of the documentation run unchanged. */
export class Terminal {
  readonly folder: string;
  readonly #t: Cleanup;
  readonly #env: Record<string, string>;

  private constructor(t: Cleanup, folder: string) {
    const { PATH = '', HOME = '' } = process.env;
    this.#t = t;
    this.folder = folder;
    this.#env = { PATH, HOME };
  }

  static async open(t: Cleanup): Promise<Terminal> {
    const folder = join(await aFolder(t), 'checkout');
    await mkdir(folder);
    for (const name of CHECKOUT) await symlink(absolute(name), join(folder, name));
    return new Terminal(t, folder);
  }

  export(env: Env): void {
    Object.assign(this.#env, env);
  }

  /** Runs a command, which must exit with 0; resolves to its output. */
  async run(command: string): Promise<string> {
    const child = this.#spawn(command);
    const patience = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    const [printed, errors, code] = await Promise.all([
      child.stdout === null ? '' : text(child.stdout),
      child.stderr === null ? '' : text(child.stderr),
      new Promise((resolve) => child.on('close', resolve)),
    ]);
    clearTimeout(patience);
    if (code !== 0) throw new Error(`${command} ended with ${code}:\n${printed}${errors}`);
    return printed.trim();
  }

  start(command: string): Running {
    const child = this.#spawn(command);
    const changes = new Changes();
    let printed = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        printed += String(chunk);
        changes.notify();
      });
    }
    return {
      line: (pattern) =>
        changes.until(
          () => pattern.exec(printed) ?? undefined,
          () => `${pattern}; ${command} printed:\n${printed}`,
        ),
    };
  }

  #spawn(command: string): ChildProcess {
    // In a process group of its own, so that what npm starts ends with it.
    const child = spawn('bash', ['-e', '-o', 'pipefail', '-c', command], {
      cwd: this.folder,
      env: this.#env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise((resolve) => child.on('close', resolve));
    this.#t.after(async () => {
      const isAlive = child.exitCode === null && child.signalCode === null;
      if (isAlive && child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
      await ended;
    });
    return child;
  }
}
