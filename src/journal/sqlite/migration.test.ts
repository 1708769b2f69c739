import assert from 'node:assert/strict';
import { cpSync, existsSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, type TestContext, test } from 'node:test';
import {
  append,
  claimAllDue,
  claimOne,
  completeDelivered,
  keepOne,
  list,
  pruneAll,
} from '../../../test/support/journal-steps.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import {
  aKey,
  anAttempt,
  aRecord,
  aRegistryEvent,
  DELIVERED,
  REJECTED,
  UNCERTAIN,
} from '../../../test/support/records.ts';
import { temporaryFolder } from '../../../test/support/test-database.ts';
import type { Journal, JournalRecord } from '../journal.ts';
import { SqliteJournal } from './sqlite.ts';

// Threads then start in half the time.
enableCompileCache();

const HOUR = 3_600_000;
const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const CLOUD_EVENT_TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b8-00';
const UNAVAILABLE = { kind: 'unavailable', detail: 'connection "refused"', retryAfterMs: 2_000 };

const DEAD_LETTERS = {
  refused: ['rejected', 'label repo is not legal'],
  uncertain: ['uncertain', '500'],
  expired: ['expired', 'connection "refused"'],
  'no registry': ['no-registry', 'request.host is absent'],
  'out of scope': ['out-of-scope', 'not the binding of ci'],
  unreadable: ['unreadable', 'no action'],
} as const;

/** Opens a copy of a journal that the first alpha wrote, a minute later by its clock. */
async function openCopy(context: TestContext, name: 'closed' | 'killed', prepare = (_: string) => {}) {
  const fixture = join(import.meta.dirname, '../../../test/fixtures/journal-schema-2', `${name}.db`);
  const path = join(temporaryFolder(context), 'journal.db');
  for (const suffix of ['', '-wal']) if (existsSync(fixture + suffix)) cpSync(fixture + suffix, path + suffix);
  prepare(path);
  const clock = new ManualClock({ runs: true });
  clock.advance(60_000);
  const onFault = (fault: Error) => assert.fail(fault);
  const limits = { reserveBytes: 0, maxBytes: 1e9, allowNetworkFileSystem: false };
  const journal = await SqliteJournal.open({ path, clock, onFault, ...limits });
  context.after(() => journal.close());
  return { journal, clock };
}

/** All records, by name. */
async function everything(journal: Journal): Promise<ReadonlyMap<string, JournalRecord>> {
  const records = await Promise.all((await list(journal, { limit: 1_000 })).map(({ seq }) => journal.get(seq)));
  return new Map(records.flatMap((record) => (record === undefined ? [] : [[record.event.id, record]])));
}

/** The columns of a table that hold times. */
function timesOf(db: DatabaseSync, table: string): readonly string[] {
  const columns = db.prepare(`PRAGMA table_info(${table})`).all();
  return columns.map(({ name }) => String(name)).filter((name) => /_at$|^until$|^ages_from$/.test(name));
}

function attemptsOf(record: JournalRecord | undefined) {
  return record?.attempts.map(({ outcome, delivery, decision }) => ({ outcome, delivery, decision }));
}

describe('a journal of the first alpha', () => {
  for (const name of ['closed', 'killed'] as const) {
    test(`every pending event can be claimed (${name})`, async (context) => {
      const { journal, clock } = await openCopy(context, name);

      const due = new Map((await claimAllDue(journal, clock.now())).map((claim) => [claim.event.id, claim]));
      const names = ['pending', 'pending traced', 'pending cloud event', 'pending bad trace', 'pending in envelope'];
      assert.deepEqual(
        new Set(due.keys()),
        new Set(name === 'killed' ? [...names, 'after the last checkpoint'] : names),
      );
      for (const { event, delivery, history, receivedAt } of due.values()) {
        assert.deepEqual(event, aRegistryEvent(event.id));
        assert.equal(delivery, 1);
        assert.deepEqual(history, { attempts: 0, uncertain: 0, agesFrom: receivedAt, lastAttemptAt: 0 });
      }
      assert.equal(due.get('pending in envelope')?.payload, '{"action":"push"}');
      assert.deepEqual(
        names.map((each) => due.get(each)?.traceparent),
        [undefined, TRACE, CLOUD_EVENT_TRACE, undefined, undefined],
      );

      clock.advance(HOUR);
      const waiting = new Map((await claimAllDue(journal, clock.now())).map((claim) => [claim.event.id, claim]));
      const expected = [
        ['waiting', 1, 0, undefined],
        ['waiting uncertain', 1, 1, undefined],
        ['waiting traced', 1, 0, TRACE],
      ] as const;
      assert.deepEqual(
        expected.map(([each]) => {
          const claim = waiting.get(each);
          return [each, claim?.history.attempts, claim?.history.uncertain, claim?.traceparent];
        }),
        expected,
      );
    });
  }

  test('dead letters have the reasons of today', async (context) => {
    const { journal } = await openCopy(context, 'closed');

    const letters = await list(journal, { state: 'dead-lettered', limit: 100 });

    assert.deepEqual(
      Object.fromEntries(letters.map(({ event, deadLetter }) => [event.id, [deadLetter?.reason, deadLetter?.detail]])),
      DEAD_LETTERS,
    );
    const { pending, deadLetters, damaged } = await journal.stats();
    assert.deepEqual({ pending, deadLetters, damaged }, { pending: 8, deadLetters: 6, damaged: 0 });
  });

  test('history has the words of today', async (context) => {
    const { journal } = await openCopy(context, 'closed');

    const records = await everything(journal);

    assert.equal(records.size, 18);
    assert.deepEqual(attemptsOf(records.get('delivered')), [{ outcome: DELIVERED, delivery: 1, decision: 'complete' }]);
    assert.deepEqual(attemptsOf(records.get('delivered later')), [
      { outcome: UNAVAILABLE, delivery: 1, decision: 'retry' },
      { outcome: DELIVERED, delivery: 1, decision: 'complete' },
    ]);
    assert.deepEqual(attemptsOf(records.get('redelivered')), [
      { outcome: REJECTED, delivery: 1, decision: 'dead-letter' },
      { outcome: DELIVERED, delivery: 2, decision: 'complete' },
    ]);
    assert.deepEqual(attemptsOf(records.get('expired')), [
      { outcome: UNAVAILABLE, delivery: 1, decision: 'dead-letter' },
    ]);
    assert.deepEqual(attemptsOf(records.get('waiting uncertain')), [
      { outcome: UNCERTAIN, delivery: 1, decision: 'retry' },
    ]);
    const enveloped = records.get('pending in envelope');
    assert.deepEqual(
      [enveloped?.format, enveloped?.caller, enveloped?.payload],
      ['cloudevents', 'event grid', { start: 17, end: 34 }],
    );
    assert.deepEqual(
      { ...records.get('pending traced')?.headers },
      { 'content-type': 'application/json', traceparent: TRACE },
    );
  });

  test('its keys and contents are still known, except those that its dead letters release', async (context) => {
    const { journal, clock } = await openCopy(context, 'closed');
    const records = await everything(journal);
    const released = ['refused', 'out of scope', 'unreadable'];

    for (const name of released) await keepOne(journal, aRecord(name, clock.now()));
    for (const [name, { seq }] of records) {
      if (released.includes(name)) continue;
      assert.deepEqual(await append(journal, aRecord(name, clock.now())), [{ kind: 'duplicate', of: seq }], name);
    }
    assert.deepEqual(await append(journal, aRecord('pruned early', clock.now())), [{ kind: 'duplicate', of: 1 }]);
    const content = { key: aKey('content'), windowMs: HOUR };
    assert.deepEqual(await append(journal, aRecord('same content', clock.now(), { content })), [
      { kind: 'duplicate', of: records.get('content')?.seq ?? 0, by: 'content' },
    ]);
    assert.ok(
      (await keepOne(journal, aRecord('new', clock.now()))) > Math.max(...[...records.values()].map(({ seq }) => seq)),
    );
  });

  test('its dead letters and delivered events can be redelivered', async (context) => {
    const { journal, clock } = await openCopy(context, 'closed');
    const records = await everything(journal);
    await claimAllDue(journal, clock.now());

    for (const [name, delivery] of [
      ['refused', 2],
      ['unreadable', 2],
      ['redelivered', 3],
    ] as const) {
      const seq = records.get(name)?.seq ?? 0;
      assert.equal(await journal.redeliver(seq, aRegistryEvent(name)), true);
      const claim = await claimOne(journal);
      assert.deepEqual([claim.seq, claim.delivery, claim.event], [seq, delivery, aRegistryEvent(name)]);
      assert.equal(await completeDelivered(journal, claim, clock.now()), true);
      const attempt = { ...anAttempt(0, DELIVERED), delivery, decision: 'complete' };
      assert.deepEqual({ ...(await journal.get(seq))?.attempts.at(-1), at: 0 }, attempt);
    }
    assert.equal((await journal.stats()).deadLetters, 4);
  });

  test('what its clock put into the future falls due, and is pruned in time', async (context) => {
    const tenYears = 10 * 365 * 24 * HOUR;
    const { journal, clock } = await openCopy(context, 'closed', (path) => {
      const db = new DatabaseSync(path);
      const ahead = Date.now() - Date.UTC(2025, 8, 1) + tenYears;
      for (const table of ['event', 'fresh', 'waiting', 'dead_letter', 'recent_content', 'expiring_key']) {
        for (const column of timesOf(db, table)) {
          db.exec(`UPDATE ${table} SET ${column} = ${column} + ${ahead} WHERE ${column} > 0`);
        }
      }
      db.close();
    });
    // The test's clock shows another year than the machine's, by which the times were corrected.
    clock.advance(Date.now() - clock.now());

    const { receivedAt = 0 } = (await list(journal, { limit: 1 }))[0] ?? {};
    assert.ok(receivedAt > Date.now() + tenYears / 2, 'it is shown as the wrong clock had it');
    await claimAllDue(journal, clock.now());
    clock.advance(HOUR);
    const due = (await claimAllDue(journal, clock.now())).map(({ event }) => event.id);
    assert.ok(due.includes('waiting') && due.includes('waiting uncertain'), due.join());
    clock.advance(31 * 24 * HOUR);
    await pruneAll(journal);
    const left = (await list(journal, { limit: 1_000 })).filter(({ state }) => state !== 'pending');
    assert.deepEqual(left, []);
  });

  test('damaged texts do not stop the migration', async (context) => {
    const { journal, clock } = await openCopy(context, 'closed', (path) => {
      const db = new DatabaseSync(path);
      db.exec(`UPDATE event SET headers = '{"traceparent' WHERE event LIKE '%"pending traced"%';
        UPDATE attempt SET outcome = '{"kind":"refused"' WHERE outcome LIKE '%"kind":"refused"%'`);
      db.close();
    });

    const due = (await claimAllDue(journal, clock.now())).map(({ event }) => event.id);
    assert.ok(due.includes('pending') && !due.includes('pending traced'));
    const letters = await list(journal, { state: 'dead-lettered', limit: 1_000 });
    assert.ok(
      letters.some(({ event, deadLetter }) => event.id === 'pending traced' && deadLetter?.reason === 'damaged'),
    );
  });
});
