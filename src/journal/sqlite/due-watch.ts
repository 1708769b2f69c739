import type { Claim } from '../../model/delivery.ts';
import type { Clock } from '../clock.ts';

/** For how long a claim that was waiting waits for more events to share its answer with, milliseconds. */
const LINGER_MS = 2;

/** A claim that waits for something to fall due. */
export interface WaitingClaim {
  readonly max: number;
  /** With what was lent to it; with nothing when it had better ask. */
  readonly end: (claims: readonly Claim[]) => void;
}

/** Knows when it is worth asking the database for what is due: it is busy enough with the disk. */
export class DueWatch {
  readonly #clock: Clock;
  readonly #waiting = new Set<WaitingClaim>();
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
      for (const claim of this.#waiting) claim.end([]);
    }, LINGER_MS);
  }

  /** As of `changes`, all that was due is lent; the next event falls due at `nextDueAt`, epoch milliseconds. */
  drained(changes: number, nextDueAt: number): void {
    this.#drainedAt = changes;
    this.#nextDueAt = nextDueAt;
  }

  /** Whoever waits longest, for somebody who is to end its waiting: nothing else does so from now on. */
  take(): WaitingClaim | undefined {
    const [first] = this.#waiting;
    if (first !== undefined) this.#waiting.delete(first);
    return first;
  }

  /**
   * Resolves when asking is worth it, or after `maxMs`, or once the signal is aborted: with nothing, or with what was lent
   * meanwhile to whoever waits for `max` events.
   */
  async next(max: number, maxMs: number, signal: AbortSignal): Promise<readonly Claim[]> {
    const waitMs = Math.min(maxMs, this.#nextDueAt - this.#clock.now());
    if (this.#drainedAt !== this.#changes || waitMs <= 0 || signal.aborted) return [];
    return this.#wait(max, waitMs, signal);
  }

  #wait(max: number, ms: number, signal: AbortSignal): Promise<readonly Claim[]> {
    return new Promise((resolve) => {
      const end = (claims: readonly Claim[]) => {
        cancel();
        signal.removeEventListener('abort', giveUp);
        this.#waiting.delete(waiting);
        resolve(claims);
      };
      const waiting: WaitingClaim = { max, end };
      const giveUp = () => {
        // One that was taken is told by whoever took it.
        if (this.#waiting.has(waiting)) end([]);
      };
      const cancel = this.#clock.after(ms, giveUp);
      signal.addEventListener('abort', giveUp);
      this.#waiting.add(waiting);
    });
  }
}
