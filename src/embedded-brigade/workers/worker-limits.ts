import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Why a worker was killed. */
export type LimitBroken =
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'too-large' }
  /** The signal was aborted. */
  | { readonly kind: 'stopped' };

/** Above this resident size a worker is killed, MiB: heap, buffers outside of it, and some 50 of Node itself. */
export const RESIDENT_MIB = 512;
const LOOK_MS = 100;

/** Kills a worker that takes too long, grows too large, or is to be stopped. Its size is known on Linux alone. */
export class WorkerLimits {
  readonly #child: ChildProcess;
  readonly #signal: AbortSignal;
  readonly #timeout: NodeJS.Timeout;
  readonly #watch: NodeJS.Timeout;
  readonly #stop = () => this.#break({ kind: 'stopped' });
  #broken: LimitBroken | undefined;

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
  get broken(): LimitBroken | undefined {
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

  #break(how: LimitBroken): void {
    this.#broken ??= how;
    killGroup(this.#child);
  }
}

/** Kills all processes of the session that a worker was given. */
export function killGroup({ pid }: ChildProcess): void {
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
    // It has ended, or this is no Linux.
    return 0;
  }
}
