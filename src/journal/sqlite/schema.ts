import { closeSync, fsyncSync, mkdirSync, openSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Marks a file as a journal of ours (`PRAGMA application_id`): "acrj". */
const APPLICATION_ID = 0x6163726a;

/**
 * Each entry brings the schema from the version of its index to the next; released entries are never edited.
 *
 * A record is one row of `event`, immutable but for redelivery. Its state is where else its seq stands: `fresh` (due,
 * never tried), `waiting` (to be tried again at `due_at`), `dead_letter`, or nowhere: delivered. The two queues are
 * tables apart so that a delivered event touches two small trees and a backlog of retries never hides fresh events.
 */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE event (
     seq INTEGER PRIMARY KEY,
     received_at INTEGER NOT NULL,
     dedup_key BLOB NOT NULL,
     format TEXT NOT NULL,
     caller TEXT NOT NULL,
     headers TEXT NOT NULL,
     event TEXT NOT NULL,
     delivery INTEGER NOT NULL,
     raw BLOB NOT NULL,
     checksum INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE fresh (
     seq INTEGER PRIMARY KEY,
     received_at INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE waiting (
     seq INTEGER PRIMARY KEY,
     due_at INTEGER NOT NULL,
     received_at INTEGER NOT NULL,
     attempts INTEGER NOT NULL,
     uncertain INTEGER NOT NULL,
     ages_from INTEGER NOT NULL,
     last_attempt_at INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX waiting_by_due ON waiting (due_at, seq);
   CREATE TABLE dead_letter (
     seq INTEGER PRIMARY KEY,
     buried_at INTEGER NOT NULL,
     reason TEXT NOT NULL,
     detail TEXT NOT NULL
   ) STRICT;
   CREATE TABLE attempt (
     seq INTEGER NOT NULL,
     at INTEGER NOT NULL,
     delivery INTEGER NOT NULL,
     duration_ms INTEGER NOT NULL,
     outcome TEXT NOT NULL,
     verdict TEXT NOT NULL,
     PRIMARY KEY (seq, at)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE dedup (
     key BLOB PRIMARY KEY,
     seq INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   -- Keys whose record was forgotten before their window ended.
   CREATE TABLE expiring_key (
     seq INTEGER PRIMARY KEY,
     key BLOB NOT NULL,
     received_at INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE meta (
     name TEXT PRIMARY KEY,
     value INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;`,
];

/**
 * Pages of WAL after which a commit carries them into the database: 32 MiB. Each such checkpoint stalls a commit for
 * some tens of milliseconds; at a smaller number more than one commit in a hundred would feel it.
 */
const CHECKPOINT_PAGES = 8000;

/** Opens the journal's database for writing, creating or migrating it. Throws what SQLite throws. */
export function openForWriting(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 1000 });
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;`);
  migrate(db);
  return db;
}

/** A connection that can only read, for history: its queries hold back neither writer nor checkpoint for long. */
export function openForReading(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
  db.exec('PRAGMA query_only = ON; PRAGMA cache_size = -4096;');
  return db;
}

function migrate(db: DatabaseSync): void {
  const version = pragma(db, 'user_version');
  const isNew = version === 0 && pragma(db, 'page_count') <= 1;
  if (!isNew && pragma(db, 'application_id') !== APPLICATION_ID) {
    throw new Error('the file is a SQLite database, but not a journal of this program');
  }
  if (version > MIGRATIONS.length) {
    throw new Error(
      `the journal has version ${version}, this program knows ${MIGRATIONS.length}: a newer one wrote it`,
    );
  }
  for (const [index, sql] of MIGRATIONS.entries()) {
    if (index < version) continue;
    db.exec(`BEGIN IMMEDIATE; ${sql} PRAGMA application_id = ${APPLICATION_ID};
      PRAGMA user_version = ${index + 1}; COMMIT;`);
  }
}

export function pragma(db: DatabaseSync, name: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0] ?? 0);
}

/**
 * Takes the exclusive ownership of the journal, for as long as the returned connection is open or the process lives. A
 * database of its own carries the lock: locking the journal itself would keep our own readers out, and Node has no
 * flock. Throws SQLITE_BUSY when somebody else owns it.
 */
export function takeOwnership(path: string): DatabaseSync {
  const lock = new DatabaseSync(`${path}.owner`, { timeout: 0 });
  lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;');
  return lock;
}

/** Makes folder and files with the owner's rights alone; SQLite gives `-wal` and `-shm` the mode of the database. */
export function createFiles(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  for (const file of [path, `${path}.owner`]) closeSync(openSync(file, 'a', 0o600));
}

/** Puts the new files' names on stable storage: a file that is synced in a folder that is not can vanish. */
export function syncFolder(path: string): void {
  for (const name of [path, dirname(path), dirname(dirname(path))]) {
    const fd = openSync(name, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
}

/** `f_type` of statfs(2) for file systems whose locks and syncs SQLite cannot rely on. */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x01021997, '9P'],
]);

/** The name of the network file system on which the path's folder lies, if it is one. */
export function networkFileSystem(path: string): string | undefined {
  // The kernel's value is signed on some architectures: CIFS and SMB2 come out negative.
  return NETWORK_FILE_SYSTEMS.get(statfsSync(dirname(path)).type >>> 0);
}
