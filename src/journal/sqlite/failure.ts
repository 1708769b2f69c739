import type { StoreFailure } from './protocol.ts';

/** Primary result codes of SQLite (sqlite.org/rescode.html) that are not about one record. */
const KINDS: ReadonlyMap<number, StoreFailure['kind']> = new Map([
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
  const code = errorCode(error);
  if (code === undefined) return { kind: 'unstorable', detail };
  // The low byte is the primary code; the rest refines it.
  return { kind: KINDS.get(code & 0xff) ?? 'unstorable', detail };
}

function errorCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode : undefined;
}
