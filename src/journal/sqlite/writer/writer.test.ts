import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { aDeadLetter, aLargeRecord, anAttempt, aRecord, DELIVERED } from '../../../../test/support/records.ts';
import { IN_MEMORY, TestDatabase, temporaryFolder } from '../../../../test/support/test-database.ts';
import type { Time } from '../../../model/clock.ts';
import type { NewRecord } from '../../journal.ts';
import { LIMITS } from '../../limits.ts';
import { pack } from '../protocol.ts';
import { claimDue, Leases } from './claim.ts';
import { pruneDeadLetters } from './dead-letters.ts';
import { Pruner } from './prune.ts';

const TIME: Time = { now: Date.UTC(2025, 8, 1), tick: Date.UTC(2025, 8, 1) };

function open(context: TestContext): TestDatabase {
  const journal = new TestDatabase(join(temporaryFolder(context, IN_MEMORY), 'journal.db'));
  context.after(() => journal.db.close());
  return journal;
}

/** From here on the database cannot grow. SQLite answers as for a full disk. */
function fill(journal: TestDatabase, pages: number): void {
  const used = Number(journal.db.prepare('PRAGMA page_count').get()?.['page_count']);
  journal.db.exec(`PRAGMA max_page_count = ${used + pages}`);
}

const UNSTORABLE: Readonly<Record<string, Partial<NewRecord>>> = {
  'a time that is not a whole number': { receivedAt: 0.5 },
  'a time that is not a number': { receivedAt: Number.NaN },
  'a key that is not hexadecimal': { dedupKey: 'no key' },
};

describe('a commit', () => {
  for (const [name, changes] of Object.entries(UNSTORABLE)) {
    test(`only the record with ${name} is not stored`, (context) => {
      const journal = open(context);
      const [before, after] = [aRecord('before', TIME.now), aRecord('after', TIME.now)];

      const { appended } = journal.append(TIME, before, aRecord('bad', TIME.now, changes), after);

      assert.deepEqual(appended, [{ kind: 'kept', seq: 1 }, { kind: 'unstorable' }, { kind: 'kept', seq: 2 }]);
      const { claims } = claimDue(journal.database, journal.leases, { max: 10, time: TIME });
      assert.deepEqual(
        claims.map(({ seq }) => seq),
        [1, 2],
      );
      assert.equal(journal.database.counters.pending, 2);
    });
  }

  test('texts that are not valid Unicode are stored and can be claimed', (context) => {
    const journal = open(context);
    const record = aRecord('surrogate', TIME.now, { caller: 'half \uD800 a character', raw: Uint8Array.of(0, 0xff) });

    assert.deepEqual(journal.append(TIME, record).appended, [{ kind: 'kept', seq: 1 }]);

    assert.equal(claimDue(journal.database, journal.leases, { max: 1, time: TIME }).claims[0]?.payload, '\u0000\uFFFD');
  });

  test('a completion that cannot be stored does not fail the others', (context) => {
    const journal = open(context);
    journal.append(TIME, aRecord('a', TIME.now), aRecord('b', TIME.now), aRecord('c', TIME.now));
    const { claims } = claimDue(journal.database, journal.leases, { max: 10, time: TIME });
    const completions = claims.map(({ seq, fence }, index) => {
      const attempt = { ...anAttempt(TIME.now, DELIVERED), durationMs: index === 1 ? 0.5 : 1 };
      return { seq, fence, attempt, decision: { kind: 'complete' } } as const;
    });

    assert.deepEqual(journal.complete(TIME, ...completions).completed, [true, false, true]);

    assert.equal(journal.database.counters.pending, 1);
  });

  test('on a full disk, the records of a commit are not stored, but its completions are', (context) => {
    const journal = open(context);
    journal.append(TIME, aRecord('a', TIME.now));
    const completions = claimDue(journal.database, journal.leases, { max: 1, time: TIME }).claims.map(
      ({ seq, fence }) => ({ seq, fence, decision: { kind: 'complete' } }) as const,
    );
    fill(journal, 1);

    const result = journal.write(TIME, { ...pack([aLargeRecord('b', TIME.now, 100_000)]), completions });

    assert.equal(result.failure?.kind, 'full');
    assert.equal(result.appended, undefined);
    assert.deepEqual(result.completed, [true]);
    assert.equal(journal.database.counters.pending, 0);
  });

  test('when the disk fills up between records that are stored one by one, the earlier ones are stored', (context) => {
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

function fresh(seq: number) {
  return { seq, receivedAt: 0, isFresh: true };
}

describe('leases', () => {
  test('a lease is held by its fence alone, until its event is claimed again', () => {
    const leases = new Leases(100);
    const fence = leases.start(fresh(1), 1, 0);
    assert.ok(fence > 100);
    assert.equal(leases.held({ seq: 1, fence: fence - 1 }), undefined);
    assert.equal(leases.isClaimable(1, LIMITS.leaseMs - 1), false);
    assert.equal(leases.nextEnd(), LIMITS.leaseMs);
    assert.equal(leases.isClaimable(1, LIMITS.leaseMs), true);
    assert.equal(leases.held({ seq: 1, fence })?.seq, 1);
    leases.start(fresh(1), 1, LIMITS.leaseMs);
    assert.equal(leases.held({ seq: 1, fence }), undefined);
  });

  test('the cursor moves past what is claimed, and what was not completed in time is remembered', () => {
    const leases = new Leases(0);
    for (const seq of [5, 3, 4]) leases.start(fresh(seq), 1, 0);
    assert.equal(leases.freshCursor, 5);
    leases.end(4);
    assert.equal(leases.freshCursor, 5);

    assert.deepEqual(
      leases.endedFresh(LIMITS.leaseMs).map(({ seq }) => seq),
      [3, 5],
    );
  });

  test('only leases of events that were tried before are counted as waiting', () => {
    const leases = new Leases(0);
    leases.start(fresh(1), 1, 0);
    leases.start({ ...fresh(2), isFresh: false }, 1, 0);
    assert.equal(leases.waitingCount, 1);
    assert.equal(leases.freshCursor, 1);
    leases.end(2);
    leases.end(2);
    assert.equal(leases.waitingCount, 0);
  });

  test('a renewed lease lasts from its renewal, also when it had ended', () => {
    const leases = new Leases(0);
    const fence = leases.start(fresh(1), 1, 0);
    leases.renew({ seq: 1, fence }, LIMITS.leaseMs - 1);
    assert.equal(leases.isClaimable(1, LIMITS.leaseMs), false);
    leases.renew({ seq: 1, fence }, 2 * LIMITS.leaseMs);
    assert.equal(leases.isClaimable(1, 2 * LIMITS.leaseMs), false);
    assert.equal(leases.isClaimable(1, 3 * LIMITS.leaseMs), true);
  });
});

describe('headers', () => {
  const HEADERS = { 'aeg-event-type': 'x'.repeat(2_000) };

  function rows(journal: TestDatabase): readonly unknown[] {
    return journal.db
      .prepare('SELECT uses FROM shared_headers')
      .all()
      .map(({ uses }) => uses);
  }

  test('of several events of a webhook are stored once, until none of the events is left', (context) => {
    const journal = open(context);
    journal.append(TIME, aRecord('known', TIME.now));
    const names = ['a', 'known', 'b', 'c'];
    journal.append(TIME, ...names.map((name) => aRecord(name, TIME.now, { headers: HEADERS })));
    journal.append(TIME, ...['d', 'e'].map((name) => aDeadLetter(name, TIME.now, { headers: HEADERS })));
    assert.deepEqual(rows(journal), [3, 2]);

    journal.deliverAll(TIME);
    new Pruner(journal.database, 0).step(TIME);
    assert.deepEqual(rows(journal), [2]);

    new Pruner(journal.database, 0).step({ now: TIME.now, tick: TIME.tick + 31 * 86_400_000 });
    assert.deepEqual(rows(journal), []);
  });

  test('of a webhook whose events are stored one by one are stored with each of them', (context) => {
    const journal = open(context);
    const bad = aRecord('bad', TIME.now, { receivedAt: 0.5, headers: HEADERS });

    journal.append(
      TIME,
      aRecord('a', TIME.now, { headers: HEADERS }),
      bad,
      aRecord('b', TIME.now, { headers: HEADERS }),
    );

    assert.deepEqual(rows(journal), []);
    assert.equal(claimDue(journal.database, journal.leases, { max: 10, time: TIME }).claims.length, 2);
  });

  test('make a journal of batches of unreadable events no larger than three times what was sent', (context) => {
    const journal = open(context);
    const raw = new TextEncoder().encode('{"id":"x","action":"push","target":{"repository":"../x"}}'.padEnd(540));
    const deadLetter = { reason: 'unreadable', detail: 'target.repository: expected a repository, got ../x' } as const;
    const before = journal.database.bytesInUse();
    for (let part = 0; part < 80; part++) {
      const records = Array.from({ length: 64 }, (_, index) =>
        aRecord(`${part} ${index}`, TIME.now, { raw, headers: HEADERS, deadLetter }),
      );
      journal.append(TIME, ...records.map((record) => ({ ...record, headers: HEADERS })));
    }
    const grown = journal.database.bytesInUse() - before;
    assert.ok(grown < 3 * 80 * 64 * raw.byteLength, `${grown} bytes`);
  });
});

describe('the share of dead letters', () => {
  const MIB = 1024 * 1024;

  function openOf(context: TestContext, maxBytes: number): TestDatabase {
    const journal = new TestDatabase(join(temporaryFolder(context, IN_MEMORY), 'journal.db'), { maxBytes });
    context.after(() => journal.db.close());
    return journal;
  }

  test('holds on disk while a caller sends more than it may keep', (context) => {
    const journal = openOf(context, 16 * MIB);
    for (let batch = 0; batch < 200; batch++) {
      const names = Array.from({ length: 64 }, (_, index) => `${batch} ${index}`);
      journal.append(TIME, ...names.map((name) => aDeadLetter(name, TIME.now, { raw: new Uint8Array(1_000) })));
    }

    const { early, deadLetters } = journal.database.counters;
    assert.equal((early.get('ci') ?? 0) + deadLetters, 200 * 64);
    assert.ok(journal.database.bytesInUse() < 4 * MIB, `${journal.database.bytesInUse()} bytes`);
  });

  test('holds again, step by step, when the journal is opened with a smaller size', (context) => {
    const path = join(temporaryFolder(context, IN_MEMORY), 'journal.db');
    const large = new TestDatabase(path);
    const names = Array.from({ length: 500 }, (_, index) => `${index}`);
    large.append(TIME, ...names.map((name) => aDeadLetter(name, TIME.now, { raw: new Uint8Array(1_000) })));
    large.db.close();
    const small = new TestDatabase(path, { maxBytes: MIB });
    context.after(() => small.db.close());

    assert.throws(() =>
      small.database.transaction(() => {
        assert.equal(pruneDeadLetters(small.database, TIME.now, 10), 10);
        throw new Error('the disk fails');
      }),
    );

    const pruner = new Pruner(small.database, MIB);
    const first = pruner.step(TIME);
    assert.deepEqual([first.gone, first.mayBeMore, first.early], [200, true, new Map([['ci', 200]])]);
    while (pruner.step(TIME).mayBeMore) {
      // Until nothing more goes.
    }

    const { deadLetters } = small.database.counters;
    assert.ok(deadLetters < 80 && deadLetters > 40, `${deadLetters} are left`);
  });
});

describe('pruning', () => {
  test('goes in small steps, and reaches delivered events behind many records that stay', (context) => {
    const journal = open(context);
    const names = Array.from({ length: 500 }, (_, index) => `${index}`);
    journal.append(TIME, ...names.map((name) => aDeadLetter(`dead ${name}`, TIME.now)));
    journal.append(TIME, ...names.map((name) => aRecord(`delivered ${name}`, TIME.now)));
    journal.deliverAll(TIME);
    const pruner = new Pruner(journal.database, 0);

    const gone: number[] = [];
    for (let mayBeMore = true; mayBeMore; ) {
      const pruned = pruner.step(TIME);
      gone.push(pruned.gone);
      mayBeMore = pruned.mayBeMore;
    }

    assert.ok(gone.every((count) => count <= 200));
    assert.equal(
      gone.reduce((sum, count) => sum + count, 0),
      500,
    );
    assert.equal(journal.database.counters.deadLetters, 500);
  });
});
