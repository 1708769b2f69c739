import { type TestContext, test } from 'node:test';
import type { Journal } from '../journal.ts';

/** A journal under test, with its time and its crashes in the hands of the suite. Its functions need no `this`. */
export interface Harness {
  /** The one that was opened first; empty. */
  readonly journal: Journal;
  /** The time that the journal sees, epoch milliseconds. It may also run by itself: no test goes by seconds. */
  readonly now: () => number;
  /**
   * Moves the time that the journal sees. Once it resolves, the journal goes by the new time: leases have ended, events
   * have fallen due, and claims that wait for either, or for the end of their 60 seconds, are about to resolve.
   */
  readonly advance: (ms: number) => Promise<void>;
  /** Whether the journal outlives a crash: false for one that ends with its process. */
  readonly durable: boolean;
  /** Opens the journal again as after a crash of its process: nobody closed it, unless the test did. */
  readonly reopen: () => Promise<Journal>;
  /** Flips a byte of the stored record. May take effect with the next `reopen` only. */
  readonly damage?: (seq: number) => Promise<void>;
  /** Makes every append unavailable, as a full disk does, until what it resolves to is called. */
  readonly obstruct?: () => Promise<() => Promise<void>>;
  /** The size beyond which completed history is forgotten before its time; absent where no test can reach it. */
  readonly maxHistoryBytes?: number;
  /** Closes the journal if it is open and removes what it stored. */
  readonly dispose: () => Promise<void>;
}

/** Tests one promise against a journal of its own. */
export type Proof = (title: string, run: (harness: Harness, context: TestContext) => Promise<void>) => void;

/** Nothing in a suite waits as long: what is not over then has hung. */
const HANG_MS = 60_000;

export function proofs(open: () => Promise<Harness>): Proof {
  return (title, run) => {
    test(title, { timeout: HANG_MS }, async (context) => {
      const harness = await open();
      try {
        await run(harness, context);
      } finally {
        await harness.dispose();
      }
    });
  };
}
