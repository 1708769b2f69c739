import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Changes } from './changes.ts';
import type { Cleanup } from './stub-brigade.ts';

const BIN = new URL('../../bin.js', import.meta.url).pathname;

/** The options and the environment in the first line of bin.js. */
export const NODE_FLAGS = ['--max-semi-space-size=8', '--disable-sigusr1'];
export const MALLOC = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_TRIM_THRESHOLD_: '131072' };

/** The longest run of a command that should end by itself. */
const PATIENCE_MS = 60_000;

/** The tokens of the caller `ci`, of the operator and of the gateway in every installation. */
export const WEBHOOK_TOKEN = 'token-of-the-caller-ci';
export const ADMIN_TOKEN = 'token-of-the-operator';
export const API_TOKEN = 'token-of-the-gateway';

export type Env = Readonly<Record<string, string>>;

/** A line of the log. */
export interface LogLine {
  readonly msg: string;
  readonly level: string;
  readonly [field: string]: unknown;
}

/** How a process is started. */
export interface Launch {
  /** Of this process's own environment only what finds programs and temporary files is passed on. */
  readonly env: Env;
  /** A command that runs the program, such as `strace -o FILE` or `setpriv --reuid N`. */
  readonly runner?: readonly string[];
}

/** A folder of its own with a tokens file and a journal, and the settings that go with it. */
export interface Installation extends Launch {
  readonly folder: string;
  readonly tokensPath: string;
  readonly journalFolder: string;
}

export async function aFolder(t: Cleanup): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'acr-gateway-'));
  // A worker may still write for a moment after its program has ended.
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  return folder;
}

export async function anInstallation(t: Cleanup, brigadeAddress: string, env: Env = {}): Promise<Installation> {
  const folder = await aFolder(t);
  const tokensPath = join(folder, 'tokens.json');
  const journalFolder = join(folder, 'journal');
  await mkdir(journalFolder);
  await writeFile(tokensPath, JSON.stringify({ ci: WEBHOOK_TOKEN }));
  const settings = {
    API_ADDRESS: brigadeAddress,
    API_TOKEN,
    ADMIN_TOKEN,
    TOKENS_PATH: tokensPath,
    HOST: '127.0.0.1',
    PORT: '0',
    ADMIN_PORT: '0',
    JOURNAL_URL: `sqlite:${join(journalFolder, 'journal.db')}`,
    JOURNAL_RESERVE: '32MiB',
    ...env,
  };
  return { folder, tokensPath, journalFolder, env: settings };
}

/** Settings of a journal at that path. */
export function journalAt(path: string): Env {
  return { JOURNAL_URL: `sqlite:${path}` };
}

/** A process that runs any command of the program, and everything that it prints. */
export class GatewayProcess {
  /** Log lines, and lines for people, in order. */
  readonly log: LogLine[] = [];
  readonly printed: string[] = [];
  readonly errors: string[] = [];
  /** Resolves to the exit code, or the signal that ended it, once all its output was read. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
  readonly #child: ChildProcess;
  readonly #changes = new Changes();
  #hasEnded = false;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#read(child.stdout, (line) => this.#take(line));
    this.#read(child.stderr, (line) => this.errors.push(line));
    this.ended = once(child, 'close').then(([code, signal]) => {
      this.#hasEnded = true;
      this.#changes.notify();
      return code ?? signal;
    });
  }

  /** Starts a command. */
  static start(t: Cleanup, args: readonly string[], { env, runner = [] }: Launch): GatewayProcess {
    return GatewayProcess.spawn(t, [...runner, process.execPath, ...NODE_FLAGS, BIN, ...args], { ...MALLOC, ...env });
  }

  /** Starts any other program that runs the gateway. */
  static spawn(t: Cleanup, [file = '', ...args]: readonly string[], env: Env): GatewayProcess {
    const { PATH = '', TMPDIR = '' } = process.env;
    const child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH, ...(TMPDIR === '' ? {} : { TMPDIR }), ...env },
    });
    const started = new GatewayProcess(child);
    t.after(async () => {
      child.kill('SIGKILL');
      await started.ended;
    });
    return started;
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error('the process could not be started');
    return pid;
  }

  get everything(): string {
    return [...this.printed, ...this.log.map((line) => JSON.stringify(line)), ...this.errors].join('\n');
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends the process with SIGKILL. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  linesOf(name: string): readonly LogLine[] {
    return this.log.filter(({ msg }) => msg === name);
  }

  /** Resolves to the first log line of that name for which the condition holds. */
  line(name: string, condition: (line: LogLine) => boolean = () => true): Promise<LogLine> {
    return this.#until(() => this.log.find((line) => line.msg === name && condition(line)), name);
  }

  /** Resolves to the first line for people that matches. */
  print(pattern: RegExp): Promise<string> {
    return this.#until(() => this.printed.find((line) => pattern.test(line)), String(pattern));
  }

  /** Resolves to the first line of standard error that matches. */
  error(pattern: RegExp): Promise<string> {
    return this.#until(() => this.errors.find((line) => pattern.test(line)), String(pattern));
  }

  #until<T>(look: () => T | undefined, wanted: string): Promise<T> {
    const orEnd = (): T | undefined => {
      const found = look();
      if (found === undefined && this.#hasEnded) throw new Error(`ended without ${wanted}:\n${this.everything}`);
      return found;
    };
    return this.#changes.until(orEnd, () => `${wanted}; the output was:\n${this.everything}`);
  }

  #take(line: string): void {
    if (line.startsWith('{"level":')) this.log.push(JSON.parse(line));
    else this.printed.push(line);
  }

  #read(stream: NodeJS.ReadableStream | null, take: (line: string) => void): void {
    if (stream === null) return;
    createInterface({ input: stream }).on('line', (line) => {
      take(line);
      this.#changes.notify();
    });
  }
}

/** A gateway that `serve` runs and that listens. */
export interface ServingGateway {
  readonly process: GatewayProcess;
  readonly ingestPort: number;
  readonly adminPort: number;
}

export async function serve(t: Cleanup, launch: Launch, changes: Env = {}): Promise<ServingGateway> {
  const started = GatewayProcess.start(t, ['serve'], { ...launch, env: { ...launch.env, ...changes } });
  const { ingestPort, adminPort } = await started.line('gateway.started');
  return { process: started, ingestPort: Number(ingestPort), adminPort: Number(adminPort) };
}

/** Runs a command to its end; kills it if there is none. */
export async function run(
  t: Cleanup,
  args: readonly string[],
  env: Env,
): Promise<{ readonly code: number | NodeJS.Signals | null; readonly output: string; readonly errors: string }> {
  const command = GatewayProcess.start(t, args, { env });
  const patience = setTimeout(() => command.signal('SIGKILL'), PATIENCE_MS);
  const code = await command.ended;
  clearTimeout(patience);
  return { code, output: command.printed.join('\n'), errors: command.errors.join('\n') };
}
