import type { Claim, Completion } from '../../model/delivery.ts';
import type { Appended, NewRecord } from '../journal.ts';
import { JournalFault } from '../journal-fault.ts';

// What crosses between the main thread and the threads that use the database, beside the shapes of the port.

/** What a thread is started with. */
export interface ThreadData {
  readonly path: string;
  /** Free disk below which nothing is taken in, bytes. */
  readonly reserveBytes: number;
  /** Size beyond which delivered events are pruned early, bytes. Dead letters have shares of it. */
  readonly maxBytes: number;
}

/**
 * What one commit writes. The raw events of all records lie one after the other in `raw`, which is transferred, not copied.
 */
export interface WriteBatch {
  readonly records: readonly PackedRecord[];
  /** Those of each webhook once, as JSON. */
  readonly headers: readonly string[];
  readonly raw: Uint8Array<ArrayBuffer>;
  readonly completions: readonly Completion[];
}

/** A `NewRecord` whose raw event ends at `rawEnd` of its batch, and begins where that of the record before it ends. */
export interface PackedRecord extends Omit<NewRecord, 'headers' | 'event' | 'raw'> {
  /** Their place in the batch. */
  readonly headers: number;
  readonly eventJson: string;
  readonly rawEnd: number;
}

/** Records of one webhook share one `headers` object. */
export function pack(records: readonly NewRecord[]): Omit<WriteBatch, 'completions'> {
  const raw = new Uint8Array(records.reduce((sum, record) => sum + record.raw.byteLength, 0));
  const places = new Map<NewRecord['headers'], number>();
  let rawEnd = 0;
  const packed = records.map(({ headers, event, raw: own, ...record }): PackedRecord => {
    raw.set(own, rawEnd);
    rawEnd += own.byteLength;
    const place = places.get(headers) ?? places.size;
    places.set(headers, place);
    return { ...record, headers: place, eventJson: JSON.stringify(event), rawEnd };
  });
  return { records: packed, headers: Array.from(places.keys(), (each) => JSON.stringify(each)), raw };
}

/** What became of one record of a batch. */
export type Stored =
  | Appended
  /** Its caller has as much pending as it may have. */
  | { readonly kind: 'over-share' };

export interface WriteResult {
  /** One for each record. Absent when none was kept; `failure` says why. */
  readonly appended?: readonly Stored[];
  readonly failure?: StoreFailure;
  /** One for each completion. Absent when they could not be stored and must be sent again. */
  readonly completed?: readonly boolean[];
  /** What a waiting claim gets along with the commit. Absent when no claim waits, or it must ask for itself. */
  readonly claimed?: Claimed;
}

export interface Claimed {
  readonly claims: readonly Claim[];
  /**
   * The fences of those records of the same batch that are claimed as well, by seq. The main thread has these records:
   * they need not cross again.
   */
  readonly fences: ReadonlyMap<number, number>;
  /** When the next event can be claimed, by the journal's time. Infinite if none is pending. */
  readonly nextDueAt: number;
}

/** Why SQLite did not do what it was asked. */
export interface StoreFailure {
  /**
   * `full` and `unwritable` may heal. `unreadable` (the file is damaged) and `locked` (another process owns it) do not.
   * `unstorable` is about one record, not about the disk.
   */
  readonly kind: 'full' | 'unwritable' | 'unreadable' | 'locked' | 'unstorable';
  readonly detail: string;
  /** What to do, where it is not what helps with every damaged file. */
  readonly advice?: string | undefined;
}

/** Damage that SQLite does not see. It counts as `unreadable`. */
export class DamageError extends Error {
  readonly advice: string | undefined;

  constructor(detail: string, advice?: string) {
    super(detail);
    this.advice = advice;
  }
}

/** Primary result codes of SQLite (sqlite.org/rescode.html) that are not about one record. */
const FAILURE_KINDS: ReadonlyMap<number, StoreFailure['kind']> = new Map([
  [5, 'locked'], // SQLITE_BUSY
  [6, 'locked'], // SQLITE_LOCKED
  [7, 'unwritable'], // SQLITE_NOMEM
  [8, 'unwritable'], // SQLITE_READONLY
  [10, 'unwritable'], // SQLITE_IOERR
  [11, 'unreadable'], // SQLITE_CORRUPT
  [13, 'full'], // SQLITE_FULL
  [14, 'unwritable'], // SQLITE_CANTOPEN
  [26, 'unreadable'], // SQLITE_NOTADB
]);

/** What a thrown error says about the disk. */
export function classify(error: unknown): StoreFailure {
  const detail = error instanceof Error ? error.message : String(error);
  if (error instanceof DamageError) return { kind: 'unreadable', detail, advice: error.advice };
  // Of the file system, without SQLite.
  if (error instanceof Error && 'syscall' in error) return { kind: 'unwritable', detail };
  const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined;
  // The low byte is the primary code; the rest refines it.
  const kind = typeof code === 'number' ? FAILURE_KINDS.get(code & 0xff) : undefined;
  return { kind: kind ?? 'unstorable', detail };
}

/** The fault of a database that cannot be opened. */
export function openFault(path: string, failure: StoreFailure): JournalFault {
  const { kind, detail } = failure;
  switch (kind) {
    case 'locked':
      return new JournalFault('journal_locked', `another process owns the journal ${path}, or has its file open`);
    case 'unwritable':
    case 'full':
      return new JournalFault(
        'journal_unusable',
        `the journal ${path} cannot be opened for writing: ${detail}. Check the permissions, the free space and the ` +
          'health of its disk.',
      );
    case 'unreadable':
      return unreadableFault(path, failure);
    case 'unstorable':
      return new JournalFault('journal_unreadable', `the journal ${path} cannot be opened: ${detail}`);
  }
}

export function unreadableFault(path: string, { detail, advice = moveAside(path) }: StoreFailure): JournalFault {
  return new JournalFault('journal_unreadable', `the journal ${path} cannot be read: ${detail}. ${advice}`);
}

function moveAside(path: string): string {
  return (
    `Move it aside together with all files whose names begin with ${path} to start with an empty one, and save what can ` +
    'be saved from the copy with "sqlite3 COPY .recover".'
  );
}
