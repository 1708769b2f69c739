import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { aLargeRecord, anAttempt, aRecord, DELIVERED } from '../../../test/support/records.ts';
import { packed, TestDatabase, temporaryFolder } from '../../../test/support/test-database.ts';
import type { NewRecord } from '../journal.ts';
import { lendDue } from './lend.ts';
import type { Time } from './protocol.ts';

const TIME: Time = { now: Date.UTC(2025, 8, 1), tick: 0 };

function open(context: TestContext): TestDatabase {
  const journal = new TestDatabase(join(temporaryFolder(context), 'journal.db'), 1_000);
  context.after(() => journal.db.close());
  return journal;
}

/** From here on the database cannot grow. SQLite answers as for a full disk. */
function fill(journal: TestDatabase, pages: number): void {
  const used = Number(journal.db.prepare('PRAGMA page_count').get()?.['page_count']);
  journal.db.exec(`PRAGMA max_page_count = ${used + pages}`);
}

const UNSTORABLE: Readonly<Record<string, Partial<NewRecord>>> = {
  'a time that is no whole number': { receivedAt: 0.5 },
  'a time that is no number': { receivedAt: Number.NaN },
  'a key that is not hexadecimal': { dedupKey: 'no key' },
};

describe('a commit of the SQLite journal', () => {
  for (const [name, changes] of Object.entries(UNSTORABLE)) {
    test(`a record with ${name} alone is not stored, its neighbours are`, (context) => {
      const journal = open(context);
      const [before, after] = [aRecord('before', TIME.now), aRecord('after', TIME.now)];

      const { appended } = journal.append(TIME, before, aRecord('bad', TIME.now, changes), after);

      assert.deepEqual(appended, [{ kind: 'kept', seq: 1 }, { kind: 'unstorable' }, { kind: 'kept', seq: 2 }]);
      const { claims } = lendDue(journal.database, journal.leases, { max: 10, time: TIME });
      assert.deepEqual(
        claims.map(({ seq }) => seq),
        [1, 2],
      );
      assert.equal(journal.database.counters.pending, 2);
    });
  }

  test('texts that are no Unicode are stored and lent', (context) => {
    const journal = open(context);
    const record = aRecord('surrogate', TIME.now, { caller: 'half \uD800 a character', raw: Uint8Array.of(0, 0xff) });

    assert.deepEqual(journal.append(TIME, record).appended, [{ kind: 'kept', seq: 1 }]);

    assert.equal(
      lendDue(journal.database, journal.leases, { max: 1, time: TIME }).claims[0]?.stored?.payload,
      '\u0000\uFFFD',
    );
  });

  test('a completion that cannot be stored does not keep its neighbours from being completed', (context) => {
    const journal = open(context);
    journal.append(TIME, aRecord('a', TIME.now), aRecord('b', TIME.now), aRecord('c', TIME.now));
    const { claims } = lendDue(journal.database, journal.leases, { max: 10, time: TIME });
    const completions = claims.map(({ seq, fence }, index) => {
      const attempt = { ...anAttempt(TIME.now, DELIVERED), durationMs: index === 1 ? 0.5 : 1 };
      return { seq, fence, attempt, decision: { kind: 'complete' } } as const;
    });

    assert.deepEqual(journal.complete(TIME, ...completions).completed, [true, false, true]);

    assert.equal(journal.database.counters.pending, 1);
  });

  test('a full disk refuses the records of a commit, and takes its completions', (context) => {
    const journal = open(context);
    journal.append(TIME, aRecord('a', TIME.now));
    const completions = lendDue(journal.database, journal.leases, { max: 1, time: TIME }).claims.map(
      ({ seq, fence }) => ({ seq, fence, decision: { kind: 'complete' } }) as const,
    );
    fill(journal, 1);

    const result = journal.write(TIME, { ...packed([aLargeRecord('b', TIME.now, 100_000)]), completions });

    assert.equal(result.refusal?.kind, 'full');
    assert.equal(result.appended, undefined);
    assert.deepEqual(result.completed, [true]);
    assert.equal(journal.database.counters.pending, 0);
  });

  test('when the disk becomes full between records that are stored one by one, those before are stored', (context) => {
    const journal = open(context);
    fill(journal, 40);
    const bad = aRecord('bad', TIME.now, { receivedAt: 0.5 });
    const large = ['b', 'c'].map((name) => aLargeRecord(name, TIME.now, 100_000));

    const { appended } = journal.append(TIME, bad, aRecord('a', TIME.now), ...large);

    assert.deepEqual(appended, [
      { kind: 'unstorable' },
      { kind: 'kept', seq: 1 },
      { kind: 'kept', seq: 2 },
      { kind: 'unstorable' },
    ]);
  });
});
