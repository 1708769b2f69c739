import { type TestContext, test } from 'node:test';
import type { Journal } from '../journal.ts';

/** A journal under test. The suite moves its time and makes it crash. The functions need no `this`. */
export interface Harness {
  /** The journal as it was opened first, empty. */
  readonly journal: Journal;
  /** The time that the journal sees, epoch milliseconds. It may also pass by itself: no test depends on seconds. */
  readonly now: () => number;
  /**
   * Moves the time that the journal sees. Once it resolves, leases have ended, events are due, and claims that wait for
   * either, or for the end of their 60 seconds, are about to resolve.
   */
  readonly advance: (ms: number) => Promise<void>;
  /** Sets the clock of the machine, so that it is wrong by that much. No time passes. */
  readonly setClock: (wrongMs: number) => void;
  /** Whether the journal survives a crash. */
  readonly durable: boolean;
  /** Opens the journal again as after a crash: it was not closed, unless by the test. */
  readonly reopen: () => Promise<Journal>;
  /** Changes a byte of the stored record. It may take effect with the next `reopen` only. */
  readonly damage?: (seq: number) => Promise<void>;
  /** Makes every append unavailable, as a full disk does, until what it resolves to is called. */
  readonly obstruct?: () => Promise<() => Promise<void>>;
  /** The size beyond which delivered events are pruned early. Absent where no test can reach it. */
  readonly maxHistoryBytes?: number;
  /** Closes the journal if it is open and removes what it stored. */
  readonly dispose: () => Promise<void>;
}

/** Tests one promise with a journal of its own. */
export type Proof = (title: string, run: (harness: Harness, context: TestContext) => Promise<void>) => void;

/** A test that takes longer hangs. */
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
