import type { Clock } from '../clock.ts';

/** For how long a claim that was waiting waits for more events to share its answer with, milliseconds. */
const LINGER_MS = 2;

/** Knows when it is worth asking the database for what is due: it is busy enough with the disk. */
export class DueWatch {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #changes = 0;
  /** The number of changes up to which nothing more is due before `#nextDueAt`. */
  #drainedAt = -1;
  #nextDueAt = Number.POSITIVE_INFINITY;
  #isLingering = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How often something changed: for `drained`, taken before asking. */
  get changes(): number {
    return this.#changes;
  }

  /** Something may have fallen due. */
  changed(): void {
    this.#changes++;
    if (this.#waiting.size === 0 || this.#isLingering) return;
    this.#isLingering = true;
    setTimeout(() => {
      this.#isLingering = false;
      for (const wake of this.#waiting) wake();
    }, LINGER_MS);
  }

  /** As of `changes`, all that was due is lent; the next event falls due at `nextDueAt`, epoch milliseconds. */
  drained(changes: number, nextDueAt: number): void {
    this.#drainedAt = changes;
    this.#nextDueAt = nextDueAt;
  }

  /** Resolves when asking is worth it, or after `maxMs`, or once the signal is aborted. */
  async next(maxMs: number, signal: AbortSignal): Promise<void> {
    const waitMs = Math.min(maxMs, this.#nextDueAt - this.#clock.now());
    if (this.#drainedAt !== this.#changes || waitMs <= 0 || signal.aborted) return;
    await this.#wait(waitMs, signal);
  }

  #wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        signal.removeEventListener('abort', done);
        this.#waiting.delete(done);
        resolve();
      };
      const cancel = this.#clock.after(ms, done);
      signal.addEventListener('abort', done);
      this.#waiting.add(done);
    });
  }
}
