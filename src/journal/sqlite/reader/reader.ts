import { platform, setPriority } from 'node:os';
import { DatabaseSync } from 'node:sqlite';
import { matches } from '../../filter.ts';
import type { EventFilter, JournalRecord, KeptSample, Page, RecordQuery, TurnedAwayCount } from '../../journal.ts';
import { DamageCheck } from '../damage.ts';
import type { ThreadData } from '../protocol.ts';
import { serve } from '../thread.ts';
import { DETAILS, JOINS, record, SUMMARY, summary } from './record.ts';
import { type Counted, Search } from './search.ts';
import { SearchQueries } from './search-queries.ts';

/** Between two blocks that are read ahead of the searches that need them, milliseconds: a fifth of the thread's time. */
const AHEAD_MS = 80;

/** As `nice` has it. */
const READER_PRIORITY = 10;

interface Connection {
  readonly db: DatabaseSync;
  readonly queries: SearchQueries;
}

/**
 * Answers questions about the past on a connection that can only read: its queries hold back neither the writer nor a
 * checkpoint for long.
 */
export class Reader {
  readonly #path: string;
  readonly #damage: DamageCheck;
  readonly #search = new Search();
  #connection: Connection | undefined;
  #readingAhead: NodeJS.Timeout | undefined;

  /** Throws what SQLite throws. */
  constructor({ path }: Pick<ThreadData, 'path'>) {
    this.#path = path;
    this.#damage = new DamageCheck(path);
    this.#connection = open(path);
  }

  find({ before = Number.POSITIVE_INFINITY, limit, ...filter }: RecordQuery): Page {
    this.#readAhead();
    return this.#reading(({ db, queries }) => {
      const { seqs, next } = this.#search.find(queries, filter, before, limit);
      const rows = db
        .prepare(`SELECT ${SUMMARY} FROM event e ${JOINS}
          WHERE e.seq IN (SELECT value FROM json_each(?)) ORDER BY e.seq DESC`)
        .all(JSON.stringify(seqs));
      // What the index found may have another text with the same hash.
      const records = rows.map(summary).filter((each) => matches(filter, each));
      return { records, ...(next !== undefined && { next }) };
    });
  }

  /** Counts the records below `before`, as far as one step goes. */
  count(filter: EventFilter, before: number): Counted {
    this.#readAhead();
    return this.#reading(({ queries }) => this.#search.count(queries, filter, before));
  }

  /** `dueAt` is by the journal's time. */
  get(seq: number): JournalRecord | undefined {
    return this.#reading(({ db }) => {
      const row = db
        .prepare(`SELECT ${SUMMARY}, ${DETAILS} FROM event e ${JOINS}
          LEFT JOIN shared_headers s ON s.id = e.shared_headers WHERE e.seq = ?`)
        .get(seq);
      return row && record(row, db.prepare('SELECT * FROM attempt WHERE seq = ? ORDER BY at').all(seq));
    });
  }

  turnedAway({ from, until }: { readonly from: number; readonly until: number }): readonly TurnedAwayCount[] {
    const sql = `SELECT minute, caller, reason, count FROM turned_away_count WHERE minute >= ? AND minute < ?
      ORDER BY minute, caller, reason`;
    return this.#reading(({ db }) => db.prepare(sql).all(from, until)).map(({ minute, caller, reason, count }) => ({
      minute: Number(minute),
      reason: String(reason),
      count: Number(count),
      ...(caller !== '' && { caller: String(caller) }),
    }));
  }

  recentlyTurnedAway(limit: number, before = Number.POSITIVE_INFINITY): readonly KeptSample[] {
    const sql = 'SELECT id, sample FROM turned_away_sample WHERE id < ? ORDER BY id DESC LIMIT ?';
    return this.#reading(({ db }) => db.prepare(sql).all(before, limit)).map(({ id, sample }) => ({
      ...JSON.parse(String(sample)),
      id: Number(id),
    }));
  }

  /**
   * Reads in one transaction. After an I/O error, SQLite may call an intact database malformed: a connection that had an
   * error is not used again.
   */
  #reading<T>(work: (connection: Connection) => T): T {
    this.#connection ??= open(this.#path);
    const { db } = this.#connection;
    try {
      db.exec('BEGIN');
      const result = work(this.#connection);
      db.exec('COMMIT');
      return result;
    } catch (error) {
      db.close();
      this.#connection = undefined;
      throw this.#damage.causeOf(error);
    }
  }

  /** Once something was searched for, the next search should find everything in memory. */
  #readAhead(): void {
    this.#readingAhead ??= setTimeout(() => {
      this.#readingAhead = undefined;
      try {
        if (this.#reading(({ queries }) => this.#search.readAhead(queries))) this.#readAhead();
      } catch {
        // The next question reports it.
      }
    }, AHEAD_MS);
  }
}

function open(path: string): Connection {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
  db.exec('PRAGMA query_only = ON; PRAGMA cache_size = -4096;');
  return { db, queries: new SearchQueries(db) };
}

serve((data) => {
  // What writes goes first. Only Linux knows a priority of a thread: elsewhere, this would be that of the process.
  if (platform() === 'linux') setPriority(READER_PRIORITY);
  return new Reader(data);
});
