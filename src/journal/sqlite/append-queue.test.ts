import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { aRecord } from '../../../test/support/records.ts';
import type { AppendOutcome, NewRecord } from '../journal.ts';
import { LIMITS } from '../limits.ts';
import { AppendQueue, type Portion } from './append-queue.ts';

const MIB = 1024 * 1024;
const LARGE = new Uint8Array(2 * MIB);
const RECORD = aRecord('a', 0);
const FULL: AppendOutcome = { kind: 'unavailable', reason: 'full' };
const SLOW: AppendOutcome = { kind: 'unavailable', reason: 'slow' };

function records(caller: string, count: number, bytes = 100): readonly NewRecord[] {
  return Array.from({ length: count }, () => ({ ...RECORD, caller, raw: LARGE.subarray(0, bytes) }));
}

function countsOf(portions: readonly Portion[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { caller } of portions.flatMap((portion) => portion.records)) {
    counts.set(caller, (counts.get(caller) ?? 0) + 1);
  }
  return counts;
}

function bytesOf(portions: readonly Portion[]): number {
  return portions.flatMap((portion) => portion.records).reduce((sum, { raw }) => sum + raw.byteLength, 0);
}

function ignore(): void {
  // Its answer is not of interest.
}

describe('a commit', () => {
  test('has turns of 64 events of each caller until it is full', () => {
    const queue = new AppendQueue();
    queue.add(records('a', 5_000), 0, ignore);
    queue.add(records('b', 100), 0, ignore);
    queue.add(records('c', 1), 0, ignore);

    assert.deepEqual(
      countsOf(queue.take()),
      new Map([
        ['a', 384],
        ['b', 100],
        ['c', 1],
      ]),
    );
    assert.deepEqual(countsOf(queue.take()), new Map([['a', 512]]));
  });

  test('has turns of 1 MiB, or of one larger event', () => {
    const queue = new AppendQueue();
    queue.add(records('a', 20, MIB / 4), 0, ignore);
    queue.add(records('b', 20, 2 * MIB), 0, ignore);

    assert.deepEqual(
      countsOf(queue.take()),
      new Map([
        ['a', 12],
        ['b', 3],
      ]),
    );
  });

  test('has an event of each caller, however many there are', () => {
    const queue = new AppendQueue();
    const callers = Array.from({ length: 600 }, (_, index) => `caller ${index}`);
    for (const caller of callers) queue.add(records(caller, 10), 0, ignore);

    assert.deepEqual(countsOf(queue.take()), new Map(callers.map((caller) => [caller, 1])));
  });
});

describe('what may wait of a caller', () => {
  for (const [name, count, bytes] of [
    ['10,000 events', 10_000, 1],
    ['64 MiB', 64, MIB],
  ] as const) {
    test(`is at most ${name}`, () => {
      const queue = new AppendQueue();
      assert.ok(queue.add(records('a', count - 1, bytes), 0, ignore));
      assert.ok(queue.add(records('a', 1, bytes), 0, ignore));

      assert.equal(queue.add(records('a', 1), 0, ignore), false);

      assert.ok(queue.add(records('b', 1), 0, ignore));
      queue.take();
      assert.ok(queue.add(records('a', 1), 0, ignore));
    });
  }

  test('may be one larger append while nothing else waits', () => {
    const queue = new AppendQueue();
    assert.ok(queue.add(records('a', 10_001), 0, ignore));
    assert.equal(queue.add(records('a', 1), 0, ignore), false);
  });
});

type Step =
  | { readonly kind: 'add'; readonly caller: string; readonly count: number; readonly bytes: number }
  | { readonly kind: 'commit'; readonly fails: boolean }
  | { readonly kind: 'wait' };

const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('add'),
      caller: fc.constantFrom(...'abcdefghijkl'),
      count: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 3_000 })),
      bytes: fc.oneof({ weight: 3, arbitrary: fc.constant(600) }, fc.constantFrom(0, MIB / 2, 2 * MIB)),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('commit'), fails: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait') }) },
);

/** An append and what the queue did with it. */
interface Known {
  readonly records: readonly NewRecord[];
  readonly since: number;
  readonly answers: AppendOutcome[];
  taken: number;
}

/** Takes any steps, and checks every commit and every answer. */
class CheckedQueue {
  readonly #queue = new AppendQueue();
  readonly #appends: Known[] = [];
  #now = 0;

  take(step: Step): void {
    if (step.kind === 'add') this.#add(step.caller, step.count, step.bytes);
    if (step.kind === 'commit') this.#commit(step.fails);
    if (step.kind === 'wait') this.#wait();
  }

  finish(): void {
    while (!this.#queue.isEmpty) this.#commit(false);
    for (const { answers } of this.#appends) assert.equal(answers.length, 1);
    assert.equal(this.#queue.oldest, Number.POSITIVE_INFINITY);
  }

  #waiting(): readonly Known[] {
    return this.#appends.filter(({ records: all, taken, answers }) => answers.length === 0 && taken < all.length);
  }

  #add(caller: string, count: number, bytes: number): void {
    const own = this.#waiting().filter(({ records: [first] }) => first?.caller === caller);
    const waits = own.reduce((sum, { records: all, taken }) => sum + all.length - taken, 0);
    // Some wait longer than those that came before them.
    const since = ++this.#now - (count % 3) * 7;
    const known: Known = { records: records(caller, count, bytes), since, answers: [], taken: 0 };
    const isTaken = this.#queue.add(known.records, known.since, (outcome) => known.answers.push(outcome));
    if (waits === 0) assert.ok(isTaken);
    if (waits + count > LIMITS.maxWaitingRecords && waits > 0) assert.equal(isTaken, false);
    if (isTaken) this.#appends.push(known);
  }

  #commit(fails: boolean): void {
    const callers = new Set(this.#waiting().map(({ records: [first] }) => first?.caller ?? ''));
    const portions = this.#queue.take();
    const counts = countsOf(portions);
    assert.deepEqual(new Set(counts.keys()), callers, 'each caller that waits has a turn');
    const total = portions.reduce((sum, portion) => sum + portion.records.length, 0);
    assert.ok(total <= LIMITS.maxCommitRecords, `${total} events in a commit`);
    assert.ok(bytesOf(portions) <= LIMITS.maxCommitBytes + callers.size * 2 * MIB);
    for (const portion of portions) this.#checkOrder(portion);
    for (const portion of portions) {
      if (fails) this.#queue.failed(portion, FULL);
      else
        this.#queue.stored(
          portion,
          portion.records.map((_, index) => ({ kind: 'kept', seq: index })),
        );
    }
    for (const { records: all, taken, answers } of this.#appends) {
      const [first] = answers;
      if (first?.kind === 'appended') assert.deepEqual([taken, first.records.length], [all.length, all.length]);
    }
  }

  /** A portion continues the oldest append of its caller that waits. */
  #checkOrder(portion: Portion): void {
    const caller = portion.records[0]?.caller;
    const oldest = this.#waiting().find(({ records: [first] }) => first?.caller === caller);
    assert.ok(oldest !== undefined);
    const rest = oldest.records.slice(oldest.taken, oldest.taken + portion.records.length);
    assert.ok(rest.every((record, index) => record === portion.records[index]));
    oldest.taken += portion.records.length;
  }

  #wait(): void {
    this.#now += 10;
    const latest = this.#now - 15;
    this.#queue.failLate(latest, SLOW);
    for (const { since, answers } of this.#appends) assert.ok(answers.length === 1 || since > latest);
  }
}

test('any appends and commits: each caller has a turn in every commit, in order, and each append one answer', () => {
  fc.assert(
    fc.property(fc.array(STEP, { maxLength: 40 }), (steps) => {
      const queue = new CheckedQueue();
      for (const step of steps) queue.take(step);
      queue.finish();
    }),
    { numRuns: 200 },
  );
});
