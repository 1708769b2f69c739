import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { RECORD_STATES, type RecordState } from '../../journal.ts';
import { BLOCK_SIZE } from '../blocks.ts';
import { identity, type RecordIdentity } from './record.ts';

/** The tables that say in which state a record is. One that is in none of them is delivered. */
const PLACES = {
  pending: ['fresh', 'waiting'],
  'dead-lettered': ['dead_letter'],
  discarded: ['discarded'],
} as const satisfies Partial<Record<RecordState, readonly string[]>>;

const DELIVERED = RECORD_STATES.indexOf('delivered');

/** What searching asks the database. All answers within one read transaction are of one moment. */
export class SearchQueries {
  readonly #oldest: StatementSync;
  readonly #newest: StatementSync;
  readonly #changes: StatementSync;
  readonly #records: StatementSync;
  readonly #all: SeqTable;
  readonly #unmatched: SeqTable;
  readonly #places: ReadonlyMap<RecordState, readonly SeqTable[]>;

  constructor(db: DatabaseSync) {
    this.#oldest = db.prepare('SELECT min(seq) AS n FROM event');
    this.#newest = db.prepare('SELECT max(seq) AS n FROM event');
    this.#changes = db.prepare('SELECT changes AS n FROM changed_block WHERE block = ?');
    this.#records = db.prepare(`SELECT seq, received_at + clock_lead AS received_at, format, caller, event FROM event
      WHERE seq >= ? AND seq < ? ORDER BY seq`);
    this.#all = new SeqTable(db, 'event');
    this.#unmatched = new SeqTable(db, 'unmatched');
    this.#places = new Map([
      ['pending', PLACES.pending.map((table) => new SeqTable(db, table))],
      ['dead-lettered', PLACES['dead-lettered'].map((table) => new SeqTable(db, table))],
      ['discarded', PLACES.discarded.map((table) => new SeqTable(db, table))],
    ]);
  }

  /** The number of the oldest record; 1 if there is none. */
  oldest(): number {
    return Number(this.#oldest.get()?.['n'] ?? 1);
  }

  /** The number of the newest record; 0 if there is none. */
  newest(): number {
    return Number(this.#newest.get()?.['n'] ?? 0);
  }

  /** How often records of a block were deleted or replaced. */
  changesOf(block: number): number {
    return Number(this.#changes.get(block)?.['n'] ?? 0);
  }

  /** The records with numbers in [from, until), in order. */
  *records(from: number, until: number): Generator<RecordIdentity> {
    for (const row of this.#records.iterate(from, until)) yield identity(row);
  }

  /** The newest numbers below `before`, of all records or of those in a state. Undefined: there is no table of that state. */
  newestSeqs(state: RecordState | undefined, before: number, limit: number): readonly number[] | undefined {
    const tables = state === undefined ? [this.#all] : this.#places.get(state);
    return tables
      ?.flatMap((table) => table.newest(before, limit))
      .sort((a, b) => b - a)
      .slice(0, limit);
  }

  /** The state of each record of the block that begins with `first`, as an index of `RECORD_STATES`. */
  states(first: number): Uint8Array {
    const states = new Uint8Array(BLOCK_SIZE).fill(DELIVERED);
    for (const [state, tables] of this.#places) {
      for (const table of tables) table.mark(states, first, RECORD_STATES.indexOf(state));
    }
    return states;
  }

  /** Of each record of that block: 1 if it was delivered and no project subscribes to it. */
  unmatched(first: number): Uint8Array {
    const unmatched = new Uint8Array(BLOCK_SIZE);
    this.#unmatched.mark(unmatched, first, 1);
    return unmatched;
  }
}

/** A table of which only the numbers count. */
class SeqTable {
  readonly #newest: StatementSync;
  readonly #extent: StatementSync;
  readonly #range: StatementSync;

  constructor(db: DatabaseSync, table: string) {
    this.#newest = db.prepare(`SELECT seq FROM ${table} WHERE seq < ? ORDER BY seq DESC LIMIT ?`);
    this.#extent = db.prepare(`SELECT count(*) AS count, min(seq) AS first, max(seq) AS last FROM ${table}
      WHERE seq >= ? AND seq < ?`);
    this.#range = db.prepare(`SELECT seq FROM ${table} WHERE seq >= ? AND seq < ?`);
  }

  newest(before: number, limit: number): readonly number[] {
    return this.#newest.all(before, limit).map(({ seq }) => Number(seq));
  }

  /** Writes the value into the places of those of its numbers that are in the block. */
  mark(marks: Uint8Array, blockStart: number, value: number): void {
    const [from, until] = [blockStart, blockStart + BLOCK_SIZE];
    const { count, first, last } = this.#extent.get(from, until) ?? {};
    if (Number(count) === 0) return;
    // In a backlog, all of them: then they need not be read one by one.
    if (Number(last) - Number(first) + 1 === count) {
      marks.fill(value, Number(first) - from, Number(last) - from + 1);
      return;
    }
    for (const { seq } of this.#range.iterate(from, until)) marks[Number(seq) - from] = value;
  }
}
