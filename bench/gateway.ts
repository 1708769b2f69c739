import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const TOKEN = 'bench-token-bench-token-bench-token-0001';

export interface Usage {
  /** CPU seconds since its start, of all its threads. */
  readonly cpu: number;
  /** MB. */
  readonly rss: number;
  readonly peakRss: number;
}

export interface BenchGateway {
  readonly pid: number;
  readonly port: number;
  readonly adminPort: number;
  /** From the start of the process to its first 200, milliseconds. */
  readonly startMs: number;
  usage(): Usage;
  pending(): Promise<number>;
  stop(): Promise<void>;
}

/** The checkout that this file belongs to. */
const HERE = new URL('..', import.meta.url).pathname;

export interface Start {
  /** A checkout with its dependencies. Default: the one of this bench. */
  readonly checkout?: string;
  /** Further options of Node. */
  readonly nodeFlags?: readonly string[];
}

/** `serve` as a user runs it: default logging, into a pipe; SQLite journal in a temporary folder. */
export async function startGateway(brigadePort: number, start: Start = {}): Promise<BenchGateway> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  writeFileSync(join(folder, 'tokens.json'), JSON.stringify({ bench: TOKEN }));
  const started = performance.now();
  const env = {
    PATH: process.env['PATH'],
    NODE_COMPILE_CACHE: join(tmpdir(), 'bench-compile-cache'),
    API_ADDRESS: `http://127.0.0.1:${brigadePort}`,
    API_TOKEN: 'bench-api-token',
    TOKENS_PATH: join(folder, 'tokens.json'),
    JOURNAL_URL: `sqlite:${join(folder, 'data', 'journal.db')}`,
    JOURNAL_MAX_BYTES: '8GiB',
    HOST: '127.0.0.1',
    PORT: '0',
    ADMIN_PORT: '0',
  };
  const { pid, found, stop } = await startProgram(['serve'], env, portsIn, start);
  const { ingestPort, adminPort } = found;
  await fetch(`http://127.0.0.1:${ingestPort}/healthz`);
  const startMs = performance.now() - started;
  return {
    pid,
    port: ingestPort,
    adminPort,
    startMs,
    usage: () => usage(pid),
    pending: () => pending(adminPort),
    stop: async () => {
      await stop();
      rmSync(folder, { recursive: true });
    },
  };
}

/** The ports in the log line of the start. */
function portsIn(line: string): { readonly ingestPort: number; readonly adminPort: number } | undefined {
  const { msg, ...fields } = JSON.parse(line);
  return msg === 'gateway.started' ? fields : undefined;
}

interface Program<T> {
  readonly pid: number;
  readonly found: T;
  /** Of its output so far. */
  outputBytes(): number;
  stop(): Promise<void>;
}

/**
 * Starts a command as a user does; `found` is the first result of `find` in a line of its output. Later output is read and
 * dropped, as a log collector or a terminal would read it.
 */
export async function startProgram<T>(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  find: (line: string) => T | undefined,
  { checkout = HERE, nodeFlags = [] }: Start = {},
): Promise<Program<T>> {
  const bin = join(checkout, 'bin.js');
  const first = firstLine(bin);
  const child = spawn(nodeOf(checkout), [...first.flags, ...nodeFlags, bin, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...first.env, ...env },
  });
  const ended = once(child, 'exit');
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const lines = createInterface({ input: child.stdout });
  lines.once('close', () => reject(new Error(`${args[0]} ended`)));
  lines.on('line', (line) => {
    const found = find(line);
    if (found !== undefined) resolve(found);
  });
  const found = await promise;
  lines.close();
  let outputBytes = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    outputBytes += chunk.length;
  });
  child.stdout.resume();
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  return { pid: child.pid ?? 0, found, outputBytes: () => outputBytes, stop };
}

/** What the first line of a `bin.js` says: `#!/usr/bin/env -S NAME=value node --flag`. */
function firstLine(bin: string): { readonly env: Readonly<Record<string, string>>; readonly flags: readonly string[] } {
  const [line = ''] = readFileSync(bin, 'utf8').split('\n', 1);
  const words = line.split(' ');
  const pairs = words.filter((word) => /^[A-Z_]+=/.test(word)).map((word) => word.split('='));
  return { env: Object.fromEntries(pairs), flags: words.filter((word) => word.startsWith('--')) };
}

/** The Node of the checkout, if it has one of its own. */
function nodeOf(checkout: string): string {
  const own = join(checkout, 'node_modules/.bin/node');
  return existsSync(own) ? own : process.execPath;
}

/** CPU seconds of a process or thread, from its folder in /proc. */
function cpuSeconds(folder: string): number {
  const stat = readFileSync(`${folder}/stat`, 'utf8');
  // After the command's name, which may hold blanks: utime and stime are the 14th and 15th fields, in ticks of 10 ms.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** CPU seconds of the threads of a process since its start, by name. Threads of one name count together. */
export function cpuByThread(pid: number): ReadonlyMap<string, number> {
  const seconds = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${thread}`;
    const name = readFileSync(`${folder}/comm`, 'utf8').trim();
    seconds.set(name, (seconds.get(name) ?? 0) + cpuSeconds(folder));
  }
  return seconds;
}

/** The usage of a process, from /proc. */
export function usage(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
  return {
    cpu: cpuSeconds(`/proc/${pid}`),
    rss: (kib('VmRSS') * 1024) / 1e6,
    peakRss: (kib('VmHWM') * 1024) / 1e6,
  };
}

async function pending(adminPort: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  return Number(/^acr_gateway_pending_events (\d+)/m.exec(text)?.[1] ?? Number.NaN);
}

/** Resolves once nothing is pending. */
export async function drained(pending: () => Promise<number>): Promise<void> {
  while ((await pending()) > 0) await pause(100);
}

export function pause(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration));
}
