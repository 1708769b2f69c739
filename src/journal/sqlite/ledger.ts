import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { DedupIndex } from './dedup-index.ts';
import { pragma } from './schema.ts';
import { prepareStatements, type Statements } from './statements.ts';

/** What the journal counts in memory; follows what is committed, never what was rolled back. */
interface Counters {
  nextSeq: number;
  pending: number;
  dead: number;
  damaged: number;
}

/** The connection that writes, with its statements, its counters and its one kind of transaction. */
export class Ledger {
  readonly sql: Statements;
  readonly keys: DedupIndex;
  readonly #db: DatabaseSync;
  readonly #folder: string;
  readonly #reserveBytes: number;
  readonly #pageBytes: number;
  #counters: Counters;

  constructor(db: DatabaseSync, options: { readonly path: string; readonly reserveBytes: number }) {
    this.sql = prepareStatements(db);
    this.keys = new DedupIndex(this.sql);
    this.#db = db;
    this.#folder = dirname(options.path);
    this.#reserveBytes = options.reserveBytes;
    this.#pageBytes = pragma(db, 'page_size');
    this.#counters = {
      nextSeq: number(this.sql.lastSeq) + 1,
      pending: number(this.sql.countPending),
      dead: number(this.sql.countDead),
      damaged: 0,
    };
  }

  /** To be changed only inside a transaction. */
  get counters(): Counters {
    return this.#counters;
  }

  /** All or nothing. Throws what SQLite or `work` throws, after rolling back. */
  transaction<T>(work: () => T): T {
    const before = { ...this.#counters };
    this.sql.begin.run();
    try {
      const result = work();
      this.sql.commit.run();
      this.keys.committed();
      return result;
    } catch (error) {
      this.#counters = before;
      this.keys.rolledBack();
      // SQLite rolls back by itself on a full disk and on some I/O errors.
      if (this.#db.isTransaction) this.sql.rollback.run();
      throw error;
    }
  }

  /** Whether records may be taken in, or what is left belongs to settling and forgetting. */
  hasRoom(): boolean {
    const { bavail, bsize } = statfsSync(this.#folder);
    // Free pages inside the file count: it never shrinks, and a full disk is to heal by forgetting.
    return bavail * bsize + number(this.sql.freelist) * this.#pageBytes >= this.#reserveBytes;
  }

  bytesInUse(): number {
    return (number(this.sql.pages) - number(this.sql.freelist)) * this.#pageBytes;
  }
}

/** The single number that a statement yields; 0 when it yields none. */
export function number(statement: StatementSync, ...values: number[]): number {
  return maybeNumber(statement, ...values) ?? 0;
}

export function maybeNumber(statement: StatementSync, ...values: number[]): number | undefined {
  const value = Object.values(statement.get(...values) ?? {})[0];
  return typeof value === 'number' ? value : undefined;
}

/** Detects a record whose bytes are no longer those that were stored; CRC-32, for chance damage, not for malice. */
export function checksum(raw: Uint8Array, eventJson: string, headersJson: string): number {
  return crc32(headersJson, crc32(eventJson, crc32(raw)));
}

export function blob(value: SQLOutputValue | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array();
}
