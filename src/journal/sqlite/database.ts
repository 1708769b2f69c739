import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import type { ByteRange } from '../../model/webhook.ts';
import { DedupIndex } from './dedup-index.ts';
import { OwnFiles } from './own-files.ts';
import type { StoreFailure } from './protocol.ts';
import { pragma } from './schema.ts';
import { prepareStatements, type Statements } from './statements.ts';

/** What the journal counts in memory; follows what is committed, never what was rolled back. */
interface Counters {
  nextSeq: number;
  pending: number;
  dead: number;
  damaged: number;
}

export interface JournalDatabaseOptions {
  readonly path: string;
  /** Free disk below which no record is taken in, bytes. */
  readonly reserveBytes: number;
  /** Keys of records that are kept in memory before any goes to the tree on disk. */
  readonly recentKeys?: number;
}

/** The connection that writes, with its statements, its counters and its one kind of transaction. */
export class JournalDatabase {
  readonly sql: Statements;
  readonly keys: DedupIndex;
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #files: OwnFiles;
  readonly #reserveBytes: number;
  readonly #pageBytes: number;
  #counters: Counters;

  constructor(db: DatabaseSync, options: JournalDatabaseOptions) {
    this.sql = prepareStatements(db);
    this.keys = new DedupIndex(this.sql, options.recentKeys);
    this.#db = db;
    this.#path = options.path;
    this.#reserveBytes = options.reserveBytes;
    this.#pageBytes = pragma(db, 'page_size');
    this.#counters = {
      nextSeq: number(this.sql.lastSeq) + 1,
      pending: number(this.sql.countPending),
      dead: number(this.sql.countDead),
      damaged: 0,
    };
    this.#files = new OwnFiles(options.path);
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

  /** Reads in one go: each statement alone would take and give up SQLite's locks. */
  reading<T>(work: () => T): T {
    this.sql.beginRead.run();
    try {
      return work();
    } finally {
      this.sql.commit.run();
    }
  }

  /** Why no record can be taken in, if so; completing and forgetting may go on. */
  obstacle(): StoreFailure | undefined {
    try {
      if (!this.#files.areInPlace()) return REPLACED;
      return this.hasRoom() ? undefined : FULL;
    } catch (error) {
      return { kind: 'unwritable', detail: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Whether more than the reserve is free: what is less belongs to completing and forgetting. */
  hasRoom(): boolean {
    const { bavail, bsize } = statfsSync(dirname(this.#path));
    // Free pages inside the file count: it never shrinks, and a full disk is to heal by forgetting.
    return bavail * bsize + number(this.sql.freelist) * this.#pageBytes >= this.#reserveBytes;
  }

  bytesInUse(): number {
    return (number(this.sql.pages) - number(this.sql.freelist)) * this.#pageBytes;
  }
}

const FULL: StoreFailure = { kind: 'full', detail: 'less free disk than the reserve' };
const REPLACED: StoreFailure = { kind: 'unwritable', detail: 'its files were removed, replaced or cut while in use' };

/** The single number that a statement yields; 0 when it yields none. */
function number(statement: StatementSync, ...values: number[]): number {
  return maybeNumber(statement, ...values) ?? 0;
}

export function maybeNumber(statement: StatementSync, ...values: SQLInputValue[]): number | undefined {
  const value = Object.values(statement.get(...values) ?? {})[0];
  return typeof value === 'number' ? value : undefined;
}

/** Detects a record whose bytes are no longer those that were stored; CRC-32, for chance damage, not for malice. */
export function checksum({ raw, eventJson, headersJson, payload }: Checked): number {
  const sum = crc32(headersJson, crc32(eventJson, crc32(raw)));
  return payload === undefined ? sum : crc32(`${payload.start}-${payload.end}`, sum);
}

interface Checked {
  readonly raw: Uint8Array;
  readonly eventJson: string;
  readonly headersJson: string;
  readonly payload?: ByteRange | undefined;
}

/** What a stored record is checked by. */
export function checkedOf(row: Record<string, SQLOutputValue>): Checked {
  const [eventJson, headersJson] = [String(row['event']), String(row['headers'])];
  return { raw: blob(row['raw']), eventJson, headersJson, payload: payloadRange(row) };
}

export function payloadRange(row: Record<string, SQLOutputValue>): ByteRange | undefined {
  const { payload_start: start, payload_end: end } = row;
  return typeof start === 'number' && typeof end === 'number' ? { start, end } : undefined;
}

export function blob(value: SQLOutputValue | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array();
}
