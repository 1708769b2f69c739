import { closeSync, openSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from 'node:sqlite';
import { EmbeddedBrigadeFault } from '../fault.ts';

/** What brings a file from each version (`user_version`) to the next. Only append to it. */
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
  `CREATE TABLE event_logs (
     seq INTEGER PRIMARY KEY,
     event TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
     bytes INTEGER NOT NULL,
     lines TEXT NOT NULL
   ) STRICT;
   CREATE INDEX logs_of_an_event ON event_logs (event, seq);`,
];

/** How long to wait for another process that holds the file and may be closing it, milliseconds. */
const BUSY_TIMEOUT_MS = 2000;

/** SQLite's code for a file that another process holds. */
const SQLITE_BUSY = 5;

/**
 * Opens the file, creates it with mode 0600 if there is none, and migrates it to the newest version. The process holds it
 * exclusively: another writer would make what is cached in memory stale. Throws an `EmbeddedBrigadeFault`.
 */
export function openDatabase(path: string, timeout: number = BUSY_TIMEOUT_MS): DatabaseSync {
  if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600));
  const database = new DatabaseSync(path, { timeout });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    migrate(database, path);
    return database;
  } catch (error) {
    database.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) {
      throw new EmbeddedBrigadeFault('embedded_brigade_locked', `Another process owns ${path}`, { cause: error });
    }
    throw error;
  }
}

function migrate(database: DatabaseSync, path: string): void {
  inTransaction(database, () => {
    const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
    if (version > MIGRATIONS.length) {
      throw new EmbeddedBrigadeFault(
        'embedded_brigade_too_new',
        `A newer version of this program wrote ${path} (its schema is ${version}, this program knows ${MIGRATIONS.length}). ` +
          'Run the newer version, or move the file away to start empty.',
      );
    }
    for (const migration of MIGRATIONS.slice(version)) database.exec(migration);
    database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  });
}

/** Does all of `work`, or none of it if it throws. */
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

/** A part of a WHERE clause. */
export interface Condition {
  readonly sql: string;
  readonly parameters: readonly SQLInputValue[];
}

/** The rows that fulfil all conditions. `columns`, `from` and `tail` are SQL, never text of a client. */
export function select(
  database: DatabaseSync,
  { columns, from, tail = '' }: { readonly columns: string; readonly from: string; readonly tail?: string },
  conditions: readonly Condition[],
): readonly Row[] {
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}`;
  const parameters = conditions.flatMap((condition) => condition.parameters);
  return database.prepare(`SELECT ${columns} FROM ${from} ${where} ${tail}`).all(...parameters);
}

export function count(database: DatabaseSync, from: string, conditions: readonly Condition[]): number {
  return Number(select(database, { columns: 'count(*) AS count', from }, conditions)[0]?.['count']);
}

/** No condition if the value is undefined. */
export function equals(column: string, value: string | undefined): readonly Condition[] {
  return value === undefined ? [] : [{ sql: `${column} = ?`, parameters: [value] }];
}

/** Some items of a list that is ordered by a key. */
export interface Page<T> {
  readonly items: readonly T[];
  /** How many more there are. */
  readonly remaining: number;
}

export interface PageRequest {
  readonly limit: number;
  /** The key of the last item of the previous page. */
  readonly after?: readonly string[];
}

/** A page of a table, ordered by its key columns. */
export function selectPage(
  database: DatabaseSync,
  table: { readonly columns: string; readonly from: string; readonly key: readonly string[] },
  conditions: readonly Condition[],
  { limit, after }: PageRequest,
): Page<Row> {
  const beyond = after && [{ sql: `(${table.key.join()}) > (${after.map(() => '?').join()})`, parameters: after }];
  const found = [...conditions, ...(beyond ?? [])];
  const items = select(database, { ...table, tail: `ORDER BY ${table.key.join()} LIMIT ${limit}` }, found);
  return { items, remaining: items.length < limit ? 0 : count(database, table.from, found) - items.length };
}
