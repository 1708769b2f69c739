import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { getPriority, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { type Harness, journalSuite } from '../suite/journal.suite.ts';
import { SqliteJournal, type SqliteJournalOptions } from './sqlite.ts';

// Threads then start in half the time.
enableCompileCache();

const MAX_HISTORY_BYTES = 32 * 1024 * 1024;

async function open(): Promise<Harness> {
  const folder = mkdtempSync(join(tmpdir(), 'journal-'));
  const clock = new ManualClock({ runs: true });
  const opened: SqliteJournal[] = [];
  const damaged: number[] = [];
  let path = join(folder, '0', 'journal.db');
  async function openAt(place: string): Promise<SqliteJournal> {
    path = place;
    const journal = await SqliteJournal.open(options(place, clock));
    opened.push(journal);
    return journal;
  }
  const journal = await openAt(path);
  return {
    journal,
    now: () => clock.now(),
    advance: async (ms) => clock.advance(ms),
    setClock: (wrongMs) => clock.set(wrongMs),
    durable: true,
    // A crash leaves the files behind as they are while the journal is open.
    reopen: () => {
      const copy = join(folder, String(opened.length));
      cpSync(dirname(path), copy, { recursive: true });
      damage(join(copy, 'journal.db'), damaged.splice(0));
      return openAt(join(copy, 'journal.db'));
    },
    damage: async (seq) => {
      damaged.push(seq);
    },
    obstruct: async () => {
      const other = new DatabaseSync(path);
      other.exec('BEGIN IMMEDIATE');
      return async () => other.close();
    },
    maxHistoryBytes: MAX_HISTORY_BYTES,
    dispose: async () => {
      for (const each of opened) await each.close();
      rmSync(folder, { recursive: true });
    },
  };
}

function options(path: string, clock: ManualClock): SqliteJournalOptions {
  const onFault = (fault: Error) => assert.fail(fault);
  return { path, reserveBytes: 0, maxBytes: MAX_HISTORY_BYTES, allowNetworkFileSystem: false, clock, onFault };
}

function damage(path: string, seqs: readonly number[]): void {
  if (seqs.length === 0) return;
  const db = new DatabaseSync(path);
  const flip = db.prepare(`UPDATE event SET raw = CAST('X' || substr(CAST(raw AS TEXT), 2) AS BLOB) WHERE seq = ?`);
  for (const seq of seqs) flip.run(seq);
  db.close();
}

journalSuite('sqlite', open);

test('searches have a lower priority than what writes', async (t) => {
  if (process.platform !== 'linux') return t.skip('only Linux knows priorities of threads');
  const { journal, dispose } = await open();
  const niceThreads = () => readdirSync('/proc/self/task').filter((id) => getPriority(Number(id)) === 10);
  assert.deepEqual(niceThreads(), []);
  await journal.find({ tag: 'v1', limit: 1 });
  assert.equal(niceThreads().length, 1);
  await dispose();
});
