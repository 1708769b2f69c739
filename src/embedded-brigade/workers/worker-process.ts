import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, setPriority } from 'node:os';
import { dirname } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { killGroup, type LimitBroken, WorkerLimits } from './worker-limits.ts';

export type WorkerEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly signal: string }
  | LimitBroken;

export interface WorkerOptions {
  /** All that it can read, beside brigadier; without symbolic links on the way, which the permission model resolves. */
  readonly folder: string;
  /** Within the folder. */
  readonly script: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Told of what it prints, to either stream, in pieces, until it answers that it wants no more. Must not throw. */
  readonly onPrint: (text: string) => boolean;
}

export interface WorkerResult {
  readonly end: WorkerEnd;
  /** What it said of its event; empty when nothing. */
  readonly summary: string;
}

/** V8's heap, MiB: ample for a script that starts jobs. */
const HEAP_MIB = 256;
/** What the kernel lets it allocate, KiB, if it grows faster than we look. Node begins with 0.6 GiB, nearly all unused. */
const DATA_KIB = 2 * 1024 * 1024;

/** What is read of its output in a turn, then the pause: 25 MB/s, so that one that floods us costs little. */
const TURN_BYTES = 256 * 1024;
const PAUSE_MS = 10;

/** In UTF-16 units. */
const MAX_SUMMARY_LENGTH = 4096;

/**
 * Puts limits on itself and becomes the worker. It may write no file, no core, and is the first that the kernel kills when
 * memory is short. Where sessions share the processor (autogroup), priority counts between them only as set there.
 *
 * Beside it stays a process that waits for the end of pipe 3, which comes when our process ends, however that happens, and
 * kills the group: a worker in an endless loop would not notice by itself.
 */
const BECOME_WORKER = `
exec 2>&1
ulimit -c 0; ulimit -f 0; ulimit -d "$1"; shift
{ echo 19 > /proc/self/autogroup; echo 1000 > /proc/self/oom_score_adj; } 2>/dev/null
{ read -r _; kill -KILL 0; } <&3 >/dev/null 2>&1 3<&- 4>&- &
exec "$@" 3<&-`;

const PRELUDE = fileURLToPath(new URL('./prelude.ts', import.meta.url));
export const BRIGADIER = dirname(dirname(fileURLToPath(import.meta.resolve('@brigadecore/brigadier'))));

/** Runs a script in a process and a session of its own, under limits. Rejects when it cannot be started. */
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
  // The process beside it.
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
    // It has ended already.
  }
}

function flags({ folder, script }: WorkerOptions): readonly string[] {
  // Node 24's permission model lets a script open any SQLite file.
  const noSqlite = '--no-experimental-sqlite';
  return [
    '--permission',
    ...[folder, BRIGADIER, PRELUDE].map((path) => `--allow-fs-read=${path}`),
    ...(process.allowedNodeEnvironmentFlags.has(noSqlite) ? [noSqlite] : []),
    // A script need not say whether it is an ES module.
    '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
    `--max-old-space-size=${HEAP_MIB}`,
    `--import=${PRELUDE}`,
    script,
  ];
}
