import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { aRecord } from '../../../../test/support/records.ts';
import { IN_MEMORY, TestDatabase, temporaryFolder } from '../../../../test/support/test-database.ts';
import type { Time } from '../../../model/clock.ts';
import type { NewRecord } from '../../journal.ts';
import { Pruner } from './prune.ts';

const DAY = 86_400_000;
/** Keys in memory before any goes to disk: so few that every batch carries some. */
const RECENT = 8;
const START: Time = { now: Date.UTC(2025, 8, 1), tick: Date.UTC(2025, 8, 1) };
/** A record that cannot be stored: it fails its batch, but not because of the disk. */
const POISON: NewRecord = { ...aRecord('poison', START.now), receivedAt: 0.5 };

function open(context: TestContext): TestDatabase {
  const journal = new TestDatabase(join(temporaryFolder(context, IN_MEMORY), 'journal.db'), { recentKeys: RECENT });
  context.after(() => journal.db.close());
  return journal;
}

function later({ now, tick }: Time, ms: number): Time {
  return { now: now + ms, tick: tick + ms };
}

function names(prefix: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${prefix} ${index}`);
}

function keep(journal: TestDatabase, ...kept: readonly string[]): Map<string, number> {
  const seqs = new Map<string, number>();
  for (const name of kept) {
    const [result] = journal.append(START, aRecord(name, START.now)).appended ?? [];
    assert.ok(result?.kind === 'kept', `${name} is ${result?.kind}`);
    seqs.set(name, result.seq);
  }
  return seqs;
}

function assertDuplicates(journal: TestDatabase, known: ReadonlyMap<string, number>): void {
  for (const [name, seq] of known) {
    const { appended } = journal.append(START, aRecord(name, START.now));
    assert.deepEqual(appended, [{ kind: 'duplicate', of: seq }], name);
  }
}

function onDisk(journal: TestDatabase): number {
  return Number(journal.db.prepare('SELECT count(*) AS n FROM dedup').get()?.['n']);
}

function prune(journal: TestDatabase, time: Time, maxBytes: number): void {
  const pruner = new Pruner(journal.database, maxBytes);
  while (pruner.step(time).mayBeMore) {
    // Until nothing more goes.
  }
}

describe('keys of the SQLite journal', () => {
  test('a few keys stay in memory only, and are known again after a crash', (context) => {
    const journal = open(context);
    const known = keep(journal, ...names('event', RECENT));
    assertDuplicates(journal, known);

    journal.crash();

    assert.equal(onDisk(journal), 0);
    assertDuplicates(journal, known);
  });

  test('more keys go to disk a bucket at a time, and are found in memory and on disk', (context) => {
    const journal = open(context);
    const known = keep(journal, ...names('event', 300));

    assert.ok(onDisk(journal) > 0 && onDisk(journal) < known.size, `${onDisk(journal)} of ${known.size} are on disk`);
    assertDuplicates(journal, known);
  });

  test('after any number of rounds, a crash loses no key', (context) => {
    const journal = open(context);
    const known = new Map<string, number>();
    for (let part = 0; part < 8; part++) {
      for (const [name, seq] of keep(journal, ...names(`part ${part}`, 130))) known.set(name, seq);
      journal.crash();
      assertDuplicates(journal, known);
    }
  });

  test('a round whose first step is rolled back does not count', (context) => {
    const journal = open(context);
    const known = keep(journal, ...names('event', RECENT));

    // The first takes the step that begins a round, and fails; so does the second.
    for (let time = 0; time < 2; time++) {
      assert.deepEqual(journal.append(START, POISON).appended, [{ kind: 'unstorable' }]);
    }
    keep(journal, 'after');
    journal.crash();

    assertDuplicates(journal, known);
  });

  test('a bucket whose carrying is rolled back is still in memory', (context) => {
    const journal = open(context);
    const known = keep(journal, ...names('event', 100));
    for (let time = 0; time < 300; time++) journal.append(START, POISON);
    assertDuplicates(journal, known);
  });

  test('the key of a record that was pruned early survives a crash', (context) => {
    const journal = open(context);
    const known = keep(journal, 'a', 'b');
    journal.deliverAll(START);
    prune(journal, START, 0);
    assert.equal(journal.db.prepare('SELECT count(*) AS n FROM event').get()?.['n'], 0);

    journal.crash();

    assertDuplicates(journal, known);
  });

  test('a key that a dead letter leaves is that of the later record: in memory, on disk, after crashes', (context) => {
    const journal = open(context);
    const all = names('event', 300);
    const deadLetter = { reason: 'unreadable', detail: 'no action' } as const;
    for (const name of all) journal.append(START, aRecord(name, START.now, { deadLetter }));
    journal.crash();
    const known = keep(journal, ...all);
    assertDuplicates(journal, known);
    journal.crash();
    assertDuplicates(journal, known);

    journal.deliverAll(START);
    prune(journal, START, 0);
    journal.crash();
    assertDuplicates(journal, known);
    prune(journal, later(START, 31 * DAY), Number.MAX_SAFE_INTEGER);
    assert.equal(onDisk(journal), 0);
    keep(journal, ...all);
  });

  test('after 7 days, a key is deleted in memory and on disk', (context) => {
    const journal = open(context);
    const carried = keep(journal, ...names('event', 300));
    journal.deliverAll(START);
    prune(journal, START, 0);
    assertDuplicates(journal, carried);

    prune(journal, later(START, 8 * DAY), Number.MAX_SAFE_INTEGER);

    assert.equal(onDisk(journal), 0);
    keep(journal, ...carried.keys());
  });

  test('a deletion that is rolled back deletes nothing', (context) => {
    const journal = open(context);
    const known = keep(journal, 'a');
    const [key = ''] = [aRecord('a', START.now).dedupKey];
    assert.throws(() =>
      journal.database.transaction(() => {
        journal.database.keys.delete(key, known.get('a') ?? 0);
        throw new Error('rolled back');
      }),
    );
    assertDuplicates(journal, known);
  });

  test('a key that belongs to a newer record is not deleted with an older one', (context) => {
    const journal = open(context);
    const known = keep(journal, 'a');
    const { dedupKey } = aRecord('a', START.now);
    journal.database.transaction(() => journal.database.keys.delete(dedupKey, (known.get('a') ?? 0) - 1));
    assertDuplicates(journal, known);
  });

  test('any sequence of calls loses no key and takes none twice', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(fc.array(STEP, { minLength: 5, maxLength: 40 }), (steps) => {
        const folder = mkdtempSync(join(IN_MEMORY, 'journal-'));
        const model = new KeyModel(new TestDatabase(join(folder, 'journal.db'), { recentKeys: RECENT }));
        try {
          for (const step of steps) model.take(step);
          model.take({ kind: 'crash' });
          model.assertAllKnown();
        } finally {
          model.close();
          rmSync(folder, { recursive: true });
        }
      }),
      { numRuns: 20 },
    );
  });
});

type Step =
  | { readonly kind: 'append'; readonly batches: number; readonly repeated: number }
  | { readonly kind: 'fail' | 'crash' | 'deliver' }
  | { readonly kind: 'prune'; readonly days: number; readonly isFull: boolean };

const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('append'),
      // A round takes 256 batches.
      batches: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 100, max: 300 })),
      repeated: fc.nat(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('fail', 'crash', 'deliver') }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('prune'), days: fc.integer({ min: 0, max: 8 }), isFull: fc.boolean() }),
  },
);

/** The keys that must be known: each until its record is delivered, its 7 days are over and it was pruned. */
class KeyModel {
  readonly #journal: TestDatabase;
  readonly #known = new Map<string, { readonly seq: number; readonly receivedAt: number; delivered: boolean }>();
  #time = START;
  #names = 0;

  constructor(journal: TestDatabase) {
    this.#journal = journal;
  }

  take(step: Step): void {
    switch (step.kind) {
      case 'append':
        for (let batch = 0; batch < step.batches; batch++) this.#append(step.repeated + batch);
        return;
      case 'fail':
        this.#journal.append(this.#time, POISON);
        return;
      case 'crash':
        this.#journal.crash();
        return;
      case 'deliver':
        this.#journal.deliverAll(this.#time);
        for (const known of this.#known.values()) known.delivered = true;
        return;
      case 'prune':
        this.#prune(step.days, step.isFull);
    }
  }

  assertAllKnown(): void {
    for (const name of this.#known.keys()) this.#assertKnown(name);
  }

  close(): void {
    this.#journal.db.close();
  }

  #append(repeated: number): void {
    const { now } = this.#time;
    const old = `event ${repeated % Math.max(1, this.#names)}`;
    const known = this.#known.get(old);
    const name = `event ${this.#names++}`;
    const records = [name, name, ...(known === undefined ? [] : [old])].map((each) => aRecord(each, now));
    const [first, second, third] = this.#journal.append(this.#time, ...records).appended ?? [];
    assert.ok(first?.kind === 'kept');
    assert.deepEqual(second, { kind: 'duplicate', of: first.seq });
    if (known !== undefined) assert.deepEqual(third, { kind: 'duplicate', of: known.seq }, old);
    this.#known.set(name, { seq: first.seq, receivedAt: now, delivered: false });
  }

  #assertKnown(name: string): void {
    const { appended } = this.#journal.append(this.#time, aRecord(name, this.#time.now));
    assert.deepEqual(appended, [{ kind: 'duplicate', of: this.#known.get(name)?.seq }], name);
  }

  #prune(days: number, isFull: boolean): void {
    this.#time = later(this.#time, days * DAY + 1);
    prune(this.#journal, this.#time, isFull ? 0 : Number.MAX_SAFE_INTEGER);
    for (const [name, { receivedAt, delivered }] of this.#known) {
      // A key that may be gone may also still be known: the promise is at least 7 days.
      if (delivered && receivedAt < this.#time.now - 7 * DAY) this.#known.delete(name);
    }
  }
}
