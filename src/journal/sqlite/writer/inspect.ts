import { readFileSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { DamageError } from '../protocol.ts';
import { maybeNumber } from './database.ts';
import { markPath, readMark } from './mark.ts';
import { assertKnown, pragma } from './schema.ts';
import { LAST_SEQ } from './statements.ts';

/** A journal of up to this size is checked as a whole, bytes: some 0.2 s from memory. Of a larger one, the tables that say what is pending. */
const CHECKED_BYTES = 64 * 1024 * 1024;

/** What would be lost silently with a row of it. The records themselves have checksums. */
const PLACES = ['fresh', 'waiting', 'dead_letter'];

/** What has a state and no record, and what counts as never tried and was: a number was changed in a row of its state. */
const MISPLACED = `SELECT seq FROM (${PLACES.map((table) => `SELECT seq FROM ${table}`).join(' UNION ALL ')})
    WHERE seq NOT IN (SELECT seq FROM event)
  UNION ALL SELECT seq FROM fresh WHERE seq IN (SELECT seq FROM attempt UNION ALL SELECT seq FROM dead_letter)`;

/**
 * Looks at the files of a journal before it is opened for writing, and changes none of them: SQLite would drop a log from
 * its first damaged frame on. Throws SQLITE_BUSY when another process has the file open, by whatever name, and a
 * `DamageError` or what SQLite throws when something that was acknowledged may be missing. No file is a new journal.
 */
export function inspect(path: string): void {
  const size = sizeOf(path);
  // SQLite would take both for a new database, and delete the log with its events.
  if (size === 0) throw new Error(`the file was truncated to nothing. ${restore(path)}`);
  const hadEvents = readMark(path) > 0 || (sizeOf(`${path}-wal`) ?? 0) > 0;
  if (size === undefined && hadEvents) throw new Error(`the file is gone. ${restore(path)}`);
  if (size !== undefined) inspectDatabase(path);
}

function restore(path: string): string {
  return `Put it back from a copy, or move all files whose names begin with ${path} aside to start with an empty one.`;
}

/**
 * A first connection locks the file against all other processes. The second one can only read: it closes last, so that
 * closing does not carry the log into the database, as SQLite's last connection would.
 */
function inspectDatabase(path: string): void {
  const lock = new DatabaseSync(exclusive(path), { timeout: 1000 });
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    lock.exec('PRAGMA schema_version');
    assertOneName(path);
    assertKnown(db);
    assertSound(db);
    assertComplete(db, path);
  } finally {
    lock.close();
    db.close();
  }
}

/** SQLite's VFS whose lock no other process can share. An ordinary connection to a database with a log shares its lock. */
function exclusive(path: string): URL {
  const url = pathToFileURL(path);
  url.searchParams.set('vfs', 'unix-excl');
  return url;
}

/** The log lies beside one name of the file: by another name, the database would be opened without it. */
function assertOneName(path: string): void {
  if (statSync(path).nlink > 1) throw new Error('it has hard links, and its log has one name: remove the other names');
  if (mountPoints().includes(path)) throw new Error('the file is mounted without its log: mount its folder instead');
}

/** Linux lists them in the fifth column, with octal numbers for blanks (proc_pid_mountinfo(5)). Elsewhere, there is no list. */
function mountPoints(): readonly string[] {
  try {
    const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
    return lines.map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))),
    );
  } catch {
    return [];
  }
}

function assertSound(db: DatabaseSync): void {
  const isSmall = pragma(db, 'page_count') * pragma(db, 'page_size') <= CHECKED_BYTES;
  for (const argument of isSmall ? ['1'] : PLACES) {
    const { integrity_check: result } = db.prepare(`PRAGMA integrity_check(${argument})`).get() ?? {};
    if (result !== 'ok') throw new DamageError(String(result));
  }
  if (!isSmall) return;
  const misplaced = maybeNumber(db.prepare(MISPLACED));
  if (misplaced !== undefined) throw new DamageError(`the state of event ${misplaced} cannot be true`);
}

function assertComplete(db: DatabaseSync, path: string): void {
  const last = maybeNumber(db.prepare(LAST_SEQ)) ?? 0;
  const marked = readMark(path);
  if (last >= marked) return;
  throw new DamageError(
    `it was stored up to event ${marked}, and ends with event ${last}: ${path}-wal is missing, cut or damaged, or ${path} is ` +
      'an older copy',
    `Put the right files back. Or, to go on without events ${last + 1} to ${marked}, of which some may be delivered: copy the ` +
      `files, and delete ${markPath(path)}.`,
  );
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}
