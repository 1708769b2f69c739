import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync, statSync, writeFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, type TestContext, test } from 'node:test';
import { append, claimDue, claimOne, keepOne, list } from '../../../test/support/journal-steps.ts';
import { aLargeRecord, aRecord } from '../../../test/support/records.ts';
import { temporaryFolder } from '../../../test/support/test-database.ts';
import { systemClock } from '../../model/clock.ts';
import type { JournalFault } from '../journal-fault.ts';
import { SqliteJournal } from './sqlite.ts';

// Threads then start in half the time.
enableCompileCache();

const HANG = { timeout: 30_000 };

async function open(context: TestContext, path: string, faults: JournalFault[] = []): Promise<SqliteJournal> {
  const journal = await SqliteJournal.open({
    path,
    reserveBytes: 0,
    maxBytes: 64 * 1024 * 1024,
    allowNetworkFileSystem: false,
    clock: systemClock,
    onFault: (fault) => faults.push(fault),
  });
  context.after(() => journal.close());
  return journal;
}

async function assertRejected(context: TestContext, path: string, code: JournalFault['code'], message: RegExp) {
  await assert.rejects(open(context, path), { name: 'JournalFault', code, message });
}

function pathIn(context: TestContext): string {
  return join(temporaryFolder(context), 'data', 'journal.db');
}

/** Another process that owns the journal; `end` kills it as `kill -9` does. */
async function startOwner(context: TestContext, path: string): Promise<() => Promise<void>> {
  const module = JSON.stringify(new URL('./sqlite.ts', import.meta.url).href);
  const options = `path: ${JSON.stringify(path)}, reserveBytes: 0, maxBytes: 1e9, allowNetworkFileSystem: false`;
  const clock = '{ now: Date.now, tick: () => performance.now(), after: () => () => {} }';
  const code = `import(${module})
    .then(({ SqliteJournal }) => SqliteJournal.open({ ${options}, clock: ${clock}, onFault() {} }))
    .then(() => { console.log('open'); setInterval(() => {}, 1000); });`;
  const child = spawn(process.execPath, ['--eval', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  const end = async () => {
    child.kill('SIGKILL');
    await closed;
  };
  context.after(end);
  await Promise.race([once(child.stdout, 'data'), closed.then(() => assert.fail('the other process ended'))]);
  return end;
}

describe('the files of the SQLite journal', () => {
  test('only their owner can read them', HANG, async (context) => {
    const path = pathIn(context);
    const journal = await open(context, path);
    await keepOne(journal, aRecord('a', Date.now()));

    for (const suffix of ['', '-wal', '-shm', '.owner']) {
      assert.equal(statSync(`${path}${suffix}`).mode & 0o777, 0o600, suffix);
    }
    assert.equal(statSync(dirname(path)).mode & 0o777, 0o700);
  });

  test('they say that they are a journal, and of which version', HANG, async (context) => {
    const path = pathIn(context);
    await (await open(context, path)).close();
    const db = new DatabaseSync(path);
    assert.deepEqual({ ...db.prepare('PRAGMA application_id').get() }, { application_id: 0x6163726a });
    assert.deepEqual({ ...db.prepare('PRAGMA user_version').get() }, { user_version: 3 });
    db.close();
  });

  test('after a crash during creation, the journal is created again', HANG, async (context) => {
    const path = pathIn(context);
    await (await open(context, path)).close();
    renameSync(path, `${path}.new`);
    writeFileSync(`${path}.new-wal`, 'half');

    await keepOne(await open(context, path), aRecord('a', Date.now()));
  });

  test('the database of another program is rejected', HANG, async (context) => {
    const path = join(temporaryFolder(context), 'other.db');
    const other = new DatabaseSync(path);
    other.exec('CREATE TABLE theirs (a)');
    other.close();
    await assertRejected(context, path, 'journal_unreadable', /another program.*JOURNAL_URL/);
  });

  test('a file that is not a database is rejected with what to do', HANG, async (context) => {
    const path = join(temporaryFolder(context), 'notes.txt');
    writeFileSync(path, 'Not a database. '.repeat(300));
    await assertRejected(context, path, 'journal_unreadable', /not a database.*Move it aside/);
  });

  test('a journal of the first version is migrated, and its events can be claimed', HANG, async (context) => {
    const path = pathIn(context);
    const journal = await open(context, path);
    const seq = await keepOne(journal, aRecord('a', Date.now()));
    await journal.close();
    const db = new DatabaseSync(path);
    db.exec(`ALTER TABLE event DROP COLUMN payload_start; ALTER TABLE event DROP COLUMN payload_end;
      ALTER TABLE event DROP COLUMN traceparent; ALTER TABLE event DROP COLUMN clock_lead;
      ALTER TABLE dead_letter DROP COLUMN clock_lead; DROP TABLE recent_content;
      ALTER TABLE event DROP COLUMN shared_headers; ALTER TABLE event DROP COLUMN content_key; DROP TABLE shared_headers;
      DROP TRIGGER dead_letter_added; DROP TRIGGER dead_letter_dropped; DROP TABLE dead_letter_bytes;
      ALTER TABLE fresh DROP COLUMN caller; ALTER TABLE fresh DROP COLUMN bytes;
      ALTER TABLE waiting DROP COLUMN caller; ALTER TABLE waiting DROP COLUMN bytes;
      DROP INDEX dead_letter_by_caller; ALTER TABLE dead_letter DROP COLUMN caller;
      ALTER TABLE dead_letter DROP COLUMN bytes; ALTER TABLE attempt RENAME COLUMN decision TO verdict;
      ALTER TABLE dead_letter RENAME COLUMN dead_lettered_at TO buried_at; PRAGMA user_version = 1`);
    db.close();

    const upgraded = await open(context, path);
    assert.equal((await claimOne(upgraded)).seq, seq);
    await keepOne(upgraded, aRecord('b', Date.now(), { payload: { start: 0, end: 1 } }));
  });

  test('a journal of a newer version is rejected, and the error says so', HANG, async (context) => {
    const path = pathIn(context);
    await (await open(context, path)).close();
    const db = new DatabaseSync(path);
    db.exec('PRAGMA user_version = 99');
    db.close();
    await assertRejected(context, path, 'journal_unreadable', /newer version.*99.*run that one/);
  });

  test('a folder that cannot be created is reported with what to do', HANG, async (context) => {
    const file = join(temporaryFolder(context), 'file');
    writeFileSync(file, '');
    await assertRejected(context, join(file, 'journal.db'), 'journal_unusable', /cannot be created.*JOURNAL_URL/);
    const nowhere = '/proc/nothing/at/all/journal.db';
    await assertRejected(context, nowhere, 'journal_unusable', /cannot be created.*JOURNAL_URL/);
  });

  test('they have one owner, and are free when a kill -9 ends it', HANG, async (context) => {
    const path = pathIn(context);
    const kill = await startOwner(context, path);
    await assertRejected(context, path, 'journal_locked', /another process owns the journal/);
    await kill();
    await keepOne(await open(context, path), aRecord('a', Date.now()));
  });

  test('they are free again when the journal is closed', HANG, async (context) => {
    const path = pathIn(context);
    const first = await open(context, path);
    await assertRejected(context, path, 'journal_locked', /another process owns the journal/);
    await first.close();
    await keepOne(await open(context, path), aRecord('a', Date.now()));
  });

  test('while they are moved away nothing is taken in, until they are back', HANG, async (context) => {
    const path = pathIn(context);
    const journal = await open(context, path);
    const away = `${dirname(path)}.away`;
    const seq = await keepOne(journal, aRecord('before', Date.now()));
    renameSync(dirname(path), away);

    const outcome = await journal.append([aRecord('after', Date.now())]);
    assert.deepEqual(outcome, { kind: 'unavailable', reason: 'unwritable' });
    await assert.rejects(journal.check());
    const [claim] = await claimDue(journal);
    assert.equal(await journal.complete({ seq, fence: claim?.fence ?? 0, decision: { kind: 'complete' } }), true);

    renameSync(away, dirname(path));
    await journal.check();
    assert.equal((await append(journal, aRecord('after', Date.now()))).length, 1);
  });

  test('history that could not be read once is read later', HANG, async (context) => {
    const path = pathIn(context);
    const journal = await open(context, path);
    await keepOne(journal, aRecord('a', Date.now()));
    renameSync(path, `${path}.away`);
    await assert.rejects(journal.find({ limit: 1 }));

    renameSync(`${path}.away`, path);

    assert.equal((await list(journal, { limit: 1 })).length, 1);
  });

  test('a record whose texts are damaged is listed among the dead letters', HANG, async (context) => {
    const path = pathIn(context);
    const first = await open(context, path);
    const [damaged, whole] = [
      await keepOne(first, aRecord('a', Date.now())),
      await keepOne(first, aRecord('b', Date.now())),
    ];
    await first.close();
    const db = new DatabaseSync(path);
    db.prepare(`UPDATE event SET event = '{"id', headers = 'x' WHERE seq = ?`).run(damaged);
    db.close();

    const journal = await open(context, path);

    assert.deepEqual(
      (await claimDue(journal)).map(({ seq }) => seq),
      [whole],
    );
    const letters = await list(journal, { state: 'dead-lettered', limit: 10 });
    assert.deepEqual(
      letters.map(({ seq, deadLetter }) => [seq, deadLetter?.reason]),
      [[damaged, 'damaged']],
    );
    assert.equal((await journal.get(damaged))?.raw.length, aRecord('a', 0).raw.length);
    assert.equal((await list(journal, { limit: 10 })).length, 2);
  });

  test(
    'a damaged record does not hold up the ones behind it, and large ones are claimed in turn',
    HANG,
    async (context) => {
      const path = pathIn(context);
      const first = await open(context, path);
      const damaged = await keepOne(first, aRecord('damaged', Date.now()));
      const large: number[] = [];
      for (let index = 0; index < 20; index++) {
        large.push(await keepOne(first, aLargeRecord(`large ${index}`, Date.now(), 1024 * 1024)));
      }
      await first.close();
      const db = new DatabaseSync(path);
      db.prepare(`UPDATE event SET event = '{"id"' WHERE seq = ?`).run(damaged);
      db.close();

      const journal = await open(context, path);

      assert.deepEqual(
        (await claimDue(journal, 1)).map(({ seq }) => seq),
        large.slice(0, 1),
      );
      const claimed: number[] = [];
      while (claimed.length < 19) claimed.push(...(await claimDue(journal, 100)).map(({ seq }) => seq));
      assert.deepEqual(claimed, large.slice(1));
    },
  );
});
