import { type Stats, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import type { ByteRange } from '../../../model/webhook.ts';
import { PendingShares } from '../../pending-shares.ts';
import { DamageCheck } from '../damage.ts';
import { classify, DamageError, type StoreFailure } from '../protocol.ts';
import { blob, payloadRange, type Row } from '../row.ts';
import { Ballast } from './ballast.ts';
import { DedupIndex } from './dedup-index.ts';
import { Mark } from './mark.ts';
import { ballastBytes, MAX_LOG_BYTES, openAgain, pragma } from './schema.ts';
import { prepareStatements, type Statements } from './statements.ts';

/** What the journal counts in memory. A rollback restores it. */
interface Counters {
  nextSeq: number;
  pending: number;
  deadLetters: number;
  discarded: number;
  damaged: number;
  /** Dead letters that were deleted before their time since this was last reported, by caller. */
  early: ReadonlyMap<string, number>;
}

/** What a commit waits for (`PRAGMA synchronous`). */
type Synchronous = 'FULL' | 'NORMAL';

export interface JournalDatabaseOptions {
  readonly path: string;
  /** Free disk below which no record is taken in, bytes. */
  readonly reserveBytes: number;
  /** Pending events and dead letters have shares of it, bytes. */
  readonly maxBytes: number;
  /** Keys of records that are kept in memory before any goes to the tree on disk. */
  readonly recentKeys?: number;
}

/** The connection that writes: its statements, its counters and its transactions. */
export class JournalDatabase {
  readonly sql: Statements;
  readonly keys: DedupIndex;
  readonly pending = new PendingShares();
  readonly maxBytes: number;
  readonly #path: string;
  readonly #files: OwnFiles;
  readonly #mark: Mark;
  readonly #damage: DamageCheck;
  readonly #reserveBytes: number;
  readonly #ballast: Ballast;
  readonly #pageBytes: number;
  #db: DatabaseSync;
  #synchronous: Synchronous = 'FULL';
  /** The connection is not used again after this error. */
  #failure: unknown;
  #counters: Counters;
  #capacityBytes = 0;

  constructor(db: DatabaseSync, options: JournalDatabaseOptions) {
    this.sql = prepareStatements(db);
    this.keys = new DedupIndex(this.sql, options.recentKeys);
    this.maxBytes = options.maxBytes;
    this.#db = db;
    this.#path = options.path;
    this.#damage = new DamageCheck(options.path);
    this.#reserveBytes = options.reserveBytes;
    this.#ballast = new Ballast(options.path, ballastBytes(options.reserveBytes));
    this.#pageBytes = pragma(db, 'page_size');
    this.#counters = {
      nextSeq: number(this.sql.lastSeq) + 1,
      pending: number(this.sql.countPending),
      deadLetters: number(this.sql.countDeadLetters),
      discarded: number(this.sql.countDiscarded),
      damaged: 0,
      early: new Map(),
    };
    for (const { caller, bytes } of this.sql.pendingShares.all()) this.pending.change(String(caller), Number(bytes));
    this.pending.committed();
    this.#files = new OwnFiles(options.path);
    this.#mark = new Mark(options.path, this.#counters.nextSeq - 1);
  }

  /** Change them only inside a transaction. */
  get counters(): Counters {
    return this.#counters;
  }

  /** What the journal may take, when `obstacle` last looked: its own limit, or what the disk has for it if that is less. */
  get capacityBytes(): number {
    return this.#capacityBytes;
  }

  /**
   * All or nothing. Throws what SQLite or `work` throws, after rolling back. With `NORMAL`, the commit does not wait for the
   * disk: it becomes durable with the next one that does, and a power failure before leaves the database as it was.
   */
  transaction<T>(work: () => T, synchronous: Synchronous = 'FULL'): T {
    const { nextSeq } = this.#counters;
    this.#files.assertLogIsWhole();
    const result = this.#connected(() => {
      this.#synchronize(synchronous);
      return this.#commit(work);
    });
    this.#files.noteLog();
    if (this.#counters.nextSeq > nextSeq) this.#advanceMark();
    return result;
  }

  /** Where SQLite does not take it, there is no commit. */
  #synchronize(synchronous: Synchronous): void {
    if (synchronous === this.#synchronous) return;
    this.#db.exec(`PRAGMA synchronous = ${synchronous}`);
    this.#synchronous = synchronous;
  }

  #commit<T>(work: () => T): T {
    const before = { ...this.#counters };
    this.sql.begin.run();
    try {
      const result = work();
      this.sql.commit.run();
      this.keys.committed();
      this.pending.committed();
      return result;
    } catch (error) {
      this.#counters = before;
      this.keys.rolledBack();
      this.pending.rolledBack();
      // SQLite rolls back by itself on a full disk and on some I/O errors.
      if (this.#db.isTransaction) this.sql.rollback.run();
      throw error;
    }
  }

  /**
   * A transaction that makes room, or leads to it. On a disk without a free byte, it gets the space of the ballast; and the
   * log, which cannot grow, is carried into the database, so that it begins again.
   */
  transactionThatFrees<T>(work: () => T): T {
    try {
      return this.transaction(work);
    } catch (error) {
      if (classify(error).kind !== 'full') throw error;
      this.#ballast.release();
      this.#connected(() => this.sql.checkpoint.get());
      return this.transaction(work);
    }
  }

  #advanceMark(): void {
    try {
      this.#mark.advance(this.#counters.nextSeq - 1);
    } catch {
      // The events are durable. The next commit writes the mark again.
    }
  }

  /** Reads in one transaction: otherwise each statement would take and release SQLite's locks. */
  reading<T>(work: () => T): T {
    return this.#connected(() => {
      this.sql.beginRead.run();
      try {
        return work();
      } finally {
        if (this.#db.isTransaction) this.sql.commit.run();
      }
    });
  }

  /**
   * After an I/O error, SQLite may call an intact database malformed, and repeat it for as long as the connection lives. So
   * a connection that had an error of the disk is replaced before its next use: what the new one says is true.
   */
  #connected<T>(work: () => T): T {
    if (this.#failure !== undefined) this.#reconnect(this.#failure);
    try {
      return work();
    } catch (error) {
      const cause = this.#damage.causeOf(error);
      if (classify(cause).kind === 'unwritable') this.#failure = cause;
      throw cause;
    }
  }

  #reconnect(failure: unknown): void {
    // Another file must not be taken for the journal.
    if (!this.#files.areInPlace(0)) throw failure;
    const old = this.#db;
    this.#db = openAgain(this.#path, this.#reserveBytes, (db) => Object.assign(this.sql, prepareStatements(db)));
    this.#failure = undefined;
    this.#synchronous = 'FULL';
    // Only now: the last connection to close would delete the log. So the new one sees just what was committed, and all that
    // is in memory is still true.
    old.close();
  }

  /** Why no record can be taken in, if so. Completing and pruning may go on. */
  obstacle(): StoreFailure | undefined {
    try {
      if (!this.#files.areInPlace(this.#databaseBytes())) return REPLACED;
      const freeBytes = this.#freeDiskBytes() + this.#freePageBytes();
      this.#capacityBytes = Math.min(this.maxBytes, this.bytesInUse() + freeBytes - this.#reserveBytes);
      return this.hasRoom() ? undefined : FULL;
    } catch (error) {
      return { kind: 'unwritable', detail: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Whether the reserve is free: completing and pruning may use it, nothing else. */
  hasRoom(): boolean {
    // Free pages inside the file count: pruning must be able to heal a full disk.
    return this.#freeDiskBytes() + this.#freePageBytes() >= this.#reserveBytes;
  }

  /** One small step to where the disk should be: the ballast complete, and no more space in the file than may be needed. */
  tidy(): boolean {
    // A file that is not beside the journal any more would take another disk's space.
    if (!this.#files.areInPlace(this.#databaseBytes())) return false;
    if (this.#freeDiskBytes() >= this.#reserveBytes && this.#ballast.grow()) return true;
    if (this.#freePageBytes() <= this.#reserveBytes) return false;
    const freed = this.transaction(() => this.sql.shrink.all()).length;
    this.#files.shrinkTo(this.#databaseBytes());
    return freed > 0;
  }

  #freeDiskBytes(): number {
    const { bavail, bsize } = statfsSync(dirname(this.#path));
    return bavail * bsize + this.#ballast.bytes;
  }

  #freePageBytes(): number {
    return this.#connected(() => number(this.sql.freelist)) * this.#pageBytes;
  }

  bytesInUse(): number {
    return this.#databaseBytes() - this.#freePageBytes();
  }

  #databaseBytes(): number {
    return this.#connected(() => number(this.sql.pages)) * this.#pageBytes;
  }

  close(): void {
    this.#mark.close();
    this.#db.close();
  }
}

/**
 * Checks that the files that are open still have their names. A file that has lost its name takes everything that is
 * written and synced, and none of it outlives this process.
 */
class OwnFiles {
  readonly #path: string;
  readonly #identities: string;
  /** What the database file cannot be shorter than. */
  #size = 0;
  #logBytes = 0;

  /** Create it after the first read of the database, which creates the log and its index. */
  constructor(path: string) {
    this.#path = path;
    this.#identities = this.#look().identities;
  }

  /** The database gave pages back. A later checkpoint cuts the file to its size. */
  shrinkTo(databaseBytes: number): void {
    this.#size = Math.min(this.#size, databaseBytes);
  }

  /** False also when the file is shorter than it was, given the size of the database: part of that may be in the log. */
  areInPlace(databaseBytes: number): boolean {
    const { identities, size } = this.#look();
    if (identities !== this.#identities || size < this.#size) return false;
    this.#size = Math.max(this.#size, Math.min(size, databaseBytes));
    return true;
  }

  /**
   * Throws when the log was cut. What is written to it afterwards does not outlive this process, and the hole would be copied
   * into the database.
   */
  assertLogIsWhole(): void {
    // SQLite shortens it only to that size.
    const isCut = this.#logSize(this.#logBytes) < Math.min(this.#logBytes, MAX_LOG_BYTES);
    if (isCut) throw new DamageError('its log was cut while in use: events may be missing');
  }

  /** Call it after each commit. */
  noteLog(): void {
    this.#logBytes = this.#logSize(0);
  }

  #logSize(whenGone: number): number {
    return statSync(`${this.#path}-wal`, { throwIfNoEntry: false })?.size ?? whenGone;
  }

  #look(): { readonly identities: string; readonly size: number } {
    const files = ['', '-wal', '-shm'].map((suffix) => statSync(`${this.#path}${suffix}`, { throwIfNoEntry: false }));
    return { identities: files.map(identity).join(' '), size: files[0]?.size ?? 0 };
  }
}

function identity(file: Stats | undefined): string {
  return `${file?.dev}:${file?.ino}`;
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

/** Detects a record whose bytes are no longer those that were stored. CRC-32: against chance, not against malice. */
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

/** The parts of a stored record that its checksum covers. */
export function checkedOf(row: Row): Checked {
  const [eventJson, headersJson] = [String(row['event']), String(row['headers'])];
  return { raw: blob(row['raw']), eventJson, headersJson, payload: payloadRange(row) };
}
