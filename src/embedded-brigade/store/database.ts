import { closeSync, openSync } from 'node:fs';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { Fault } from '../../model/fault.ts';
import { EVENT_LOGS_MIGRATION } from '../workers/event-logs.ts';

/** The file was written by a newer version of this program. */
class DatabaseTooNew extends Fault {
  override readonly name = 'DatabaseTooNew';
  override readonly code = 'embedded_brigade_too_new';
}

/** Another process owns the file. */
class DatabaseInUse extends Fault {
  override readonly name = 'DatabaseInUse';
  override readonly code = 'embedded_brigade_locked';
}

/** What brings a file from each version (`user_version`) to the next. Only ever appended to. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE events (
     id TEXT PRIMARY KEY,
     created INTEGER NOT NULL,
     document TEXT NOT NULL,
     project TEXT GENERATED ALWAYS AS (document ->> '$.projectID') STORED,
     source TEXT GENERATED ALWAYS AS (document ->> '$.source') STORED,
     type TEXT GENERATED ALWAYS AS (document ->> '$.type') STORED,
     phase TEXT GENERATED ALWAYS AS (document ->> '$.worker.status.phase') STORED
   ) STRICT;
   CREATE INDEX newest_events ON events (created DESC, id);
   CREATE INDEX newest_events_of_a_project ON events (project, created DESC, id);
   CREATE TABLE service_accounts (
     id TEXT PRIMARY KEY,
     description TEXT NOT NULL,
     created INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE tokens (
     hash TEXT PRIMARY KEY,
     principal_type TEXT NOT NULL,
     principal_id TEXT NOT NULL,
     expires INTEGER
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE role_assignments (
     role TEXT NOT NULL,
     principal_type TEXT NOT NULL,
     principal_id TEXT NOT NULL,
     scope TEXT NOT NULL,
     PRIMARY KEY (principal_type, principal_id, role, scope)
   ) STRICT, WITHOUT ROWID;`,
  `ALTER TABLE service_accounts ADD COLUMN locked INTEGER;
   CREATE TABLE projects (
     id TEXT PRIMARY KEY,
     created INTEGER NOT NULL,
     creator TEXT REFERENCES service_accounts (id) ON DELETE SET NULL,
     document TEXT NOT NULL
   ) STRICT;
   CREATE INDEX events_by_phase ON events (phase, created, id);`,
  EVENT_LOGS_MIGRATION,
];

/** How long to wait for another process that holds the file, in milliseconds. */
const BUSY_TIMEOUT_MS = 2000;

/** SQLite's code for a file that another process holds. */
const SQLITE_BUSY = 5;

/**
 * Opens the file, made with mode 0600 where there is none, and brings it to the newest version. It is held alone: what
 * is kept of it in memory would otherwise grow stale.
 */
export function openDatabase(path: string): DatabaseSync {
  if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600));
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    migrate(database);
    return database;
  } catch (error) {
    database.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) {
      throw new DatabaseInUse(`Another process owns ${path}`, { cause: error });
    }
    throw error;
  }
}

function migrate(database: DatabaseSync): void {
  inTransaction(database, () => {
    const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
    if (version > MIGRATIONS.length) {
      throw new DatabaseTooNew(`The database has version ${version}; this program knows ${MIGRATIONS.length}.`);
    }
    for (const migration of MIGRATIONS.slice(version)) database.exec(migration);
    database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  });
}

/** All that `work` does, or nothing of it if it throws. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

export type Row = Readonly<Record<string, SQLOutputValue>>;
