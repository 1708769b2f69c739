import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { dirname } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export type WorkerEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly signal: string }
  /** It was killed. */
  | { readonly kind: 'timed-out' | 'too-large' | StopReason };

/** Why a worker is stopped from outside: its event was canceled or deleted, or the program stops. */
export type StopReason = 'canceled' | 'program-stopped';

export interface WorkerOptions {
  /** All that it can read, beside brigadier. The path has no symbolic links: the permission model resolves them. */
  readonly folder: string;
  /** Within the folder. */
  readonly script: string;
  readonly timeoutMs: number;
  /** Stops the worker. Its reason is a `StopReason`. */
  readonly signal: AbortSignal;
  /** Called with each piece of output, of both streams, until it returns false. Must not throw. */
  readonly onPrint: (text: string) => boolean;
}

export interface WorkerResult {
  readonly end: WorkerEnd;
  /** The text that it returned; empty if none. */
  readonly summary: string;
}

/** A worker with more resident memory is killed, MiB: the heap, buffers, and about 50 of Node itself. */
export const RESIDENT_MIB = 512;
/** How often the size is read, milliseconds. */
const LOOK_MS = 100;
/** V8's heap, MiB. */
const HEAP_MIB = 256;
/** The kernel's limit on its memory, KiB, for growth between two looks. Node begins with 0.6 GiB, nearly all unused. */
const DATA_KIB = 2 * 1024 * 1024;

/** After this much output comes the pause: at most 25 MB/s, so that a worker that prints without end costs little. */
const TURN_BYTES = 256 * 1024;
const PAUSE_MS = 10;

/** UTF-16 units. */
const MAX_SUMMARY_LENGTH = 4096;

/**
 * A shell script that limits itself and then becomes the worker. It cannot write files or core dumps, and the kernel kills
 * it first when memory is short. Where the kernel groups processes by session (autogroup), only the group's priority counts.
 *
 * A second process waits for the end of pipe 3, which comes when our process ends in any way, and then kills the group: a
 * worker in an endless loop would not notice.
 */
const BECOME_WORKER = `
exec 2>&1
ulimit -c 0; ulimit -f 0; ulimit -d "$1"; shift
{ echo 19 > /proc/self/autogroup; echo 1000 > /proc/self/oom_score_adj; } 2>/dev/null
{ read -r _; kill -KILL 0; } <&3 >/dev/null 2>&1 3<&- 4>&- &
exec "$@" 3<&-`;

/** Loaded before the script, in this order. */
const PRELOADED = ['./fence.ts', './prelude.ts'].map((file) => fileURLToPath(new URL(file, import.meta.url)));
export const BRIGADIER = dirname(dirname(fileURLToPath(import.meta.resolve('@brigadecore/brigadier'))));

/** Runs a script in a process and a session of its own, under limits. Rejects if it cannot start. */
export async function runWorker(options: WorkerOptions): Promise<WorkerResult> {
  const child = spawn('/bin/sh', ['-c', BECOME_WORKER, 'sh', String(DATA_KIB), process.execPath, ...flags(options)], {
    cwd: dirname(options.script),
    env: { BRIGADE_EVENT_FILE: `${options.folder}/event.json` },
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore', 'pipe', 'pipe'],
  });
  await once(child, 'spawn');
  lowerPriority(child);
  const results = [endOf(child, options), readSummary(child), readOutput(child, options.onPrint)] as const;
  try {
    const [end, summary] = await Promise.all(results);
    return { end, summary };
  } catch (error) {
    killGroup(child);
    throw error;
  }
}

async function endOf(child: ChildProcess, options: WorkerOptions): Promise<WorkerEnd> {
  const limits = new WorkerLimits(child, options);
  const [code, signal] = await once(child, 'exit');
  limits.lift();
  // The second process.
  killGroup(child);
  return limits.broken ?? (signal === null ? { kind: 'exited', code } : { kind: 'killed', signal });
}

async function readOutput({ stdout }: ChildProcess, onPrint: (text: string) => boolean): Promise<void> {
  if (stdout === null) return;
  const decoder = new StringDecoder('utf8');
  let isWanted = true;
  let length = 0;
  for await (const chunk of stdout) {
    const bytes: Buffer = chunk;
    if (isWanted) isWanted = onPrint(decoder.write(bytes));
    length += bytes.length;
    if (length < TURN_BYTES) continue;
    length = 0;
    await delay(PAUSE_MS);
  }
}

async function readSummary({ stdio }: ChildProcess): Promise<string> {
  const pipe = stdio[4];
  if (!pipe || !('setEncoding' in pipe)) return '';
  let summary = '';
  for await (const text of pipe.setEncoding('utf8')) summary = (summary + text).slice(0, MAX_SUMMARY_LENGTH);
  return summary;
}

function lowerPriority({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It has ended.
  }
}

function flags({ folder, script }: WorkerOptions): readonly string[] {
  // The permission model of Node 24 lets a script open any SQLite file.
  const noSqlite = '--no-experimental-sqlite';
  return [
    '--permission',
    '--disable-sigusr1',
    ...[folder, BRIGADIER, ...PRELOADED].map((path) => `--allow-fs-read=${path}`),
    ...(process.allowedNodeEnvironmentFlags.has(noSqlite) ? [noSqlite] : []),
    // A script need not declare whether it is an ES module.
    '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
    `--max-old-space-size=${HEAP_MIB}`,
    ...PRELOADED.map((path) => `--import=${path}`),
    script,
  ];
}

/** Kills a worker that takes too long, grows too large, or is stopped. Its size is known on Linux only. */
class WorkerLimits {
  readonly #child: ChildProcess;
  readonly #signal: AbortSignal;
  readonly #timeout: NodeJS.Timeout;
  readonly #watch: NodeJS.Timeout;
  readonly #stop = () => this.#break({ kind: this.#signal.reason });
  #broken: WorkerEnd | undefined;

  constructor(
    child: ChildProcess,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ) {
    this.#child = child;
    this.#signal = signal;
    this.#timeout = setTimeout(() => this.#break({ kind: 'timed-out' }), timeoutMs);
    this.#watch = setInterval(() => this.#look(), LOOK_MS);
    signal.addEventListener('abort', this.#stop);
    if (signal.aborted) this.#stop();
  }

  /** The first limit that it broke. */
  get broken(): WorkerEnd | undefined {
    return this.#broken;
  }

  lift(): void {
    clearTimeout(this.#timeout);
    clearInterval(this.#watch);
    this.#signal.removeEventListener('abort', this.#stop);
  }

  #look(): void {
    if (residentMib(this.#child) > RESIDENT_MIB) this.#break({ kind: 'too-large' });
  }

  #break(how: WorkerEnd): void {
    this.#broken ??= how;
    killGroup(this.#child);
  }
}

/** Kills all processes of the session of a worker. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // They have ended.
  }
}

function residentMib({ pid }: ChildProcess): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    // It has ended, or this is not Linux.
    return 0;
  }
}
