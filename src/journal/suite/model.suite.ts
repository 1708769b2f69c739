import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { claimAllDue, seqs } from '../../../test/support/journal-steps.ts';
import type { Harness } from './journal-harness.ts';
import { JournalModel, type Step, TICK_MS } from './journal-model.ts';

const DAY = 86_400_000;

const SOME_NAMES = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'), { minLength: 1, maxLength: 4 });

/** Right, and seconds to years ahead or behind. */
const WRONG_CLOCKS = [0, 5_000, -5_000, 31 * DAY, -DAY, 3_650 * DAY, -3_650 * DAY];

const STEP: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('append'), names: SOME_NAMES }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('claim'), max: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('complete'),
      claim: fc.nat(7),
      decision: fc.constantFrom('complete', 'retry', 'dead-letter', 'reject'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('renew'), claim: fc.nat(7) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('redeliver'), record: fc.nat(7) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('discard'), record: fc.nat(7) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance'), ticks: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('set-clock'), wrongMs: fc.constantFrom(...WRONG_CLOCKS) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash') }) },
);

/** Each run opens a journal of its own. This many take seconds, even on a disk. */
const RUNS = 25;
const STEPS = { minLength: 10, maxLength: 60 };

export function modelSuite(open: () => Promise<Harness>): void {
  test('any sequence of calls loses no event, and no event has two claims at a time', {
    timeout: 300_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(STEP, STEPS), async (steps) => {
        const harness = await open();
        try {
          await prove(harness, steps);
        } finally {
          await harness.dispose();
        }
      }),
      { numRuns: RUNS },
    );
  });
}

async function prove(harness: Harness, steps: readonly Step[]): Promise<void> {
  const model = new JournalModel(harness);
  for (const step of steps) await model.take(step);

  // By now every lease has ended and every retry is due: each pending event is claimed, once.
  await model.take({ kind: 'advance', ticks: Math.ceil(600_000 / TICK_MS) });
  const claimed = seqs(await claimAllDue(model.journal, harness.now()));
  assert.deepEqual(
    claimed.toSorted((a, b) => a - b),
    model.pending(),
  );
}
