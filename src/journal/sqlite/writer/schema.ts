import { closeSync, existsSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sync } from '../folder.ts';
import { Ballast } from './ballast.ts';

/** Marks a file as a journal (`PRAGMA application_id`): "acrj". */
const APPLICATION_ID = 0x6163726a;

/** Epoch milliseconds by the clock of the machine. */
const NOW = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

/**
 * Each entry brings the schema from the version of its index to the next; released entries are never edited.
 *
 * Times are the journal's (`JournalClock`), but for those of attempts, which are as the clock of the machine showed them. Where
 * it was ahead of the journal's, `clock_lead` says by how much: the sum is what people are shown.
 *
 * A record is one row of `event`, which only a redelivery changes. Its state follows from the other table that has its seq:
 * `fresh` (due, never tried), `waiting` (to be tried again at `due_at`), `dead_letter`, `discarded`, or none: delivered. The
 * queues are two tables, so that delivering an event touches two small trees and a backlog of retries never hides fresh events.
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
  // Where in `raw` the payload lies; both null: all of it is.
  `ALTER TABLE event ADD COLUMN payload_start INTEGER;
   ALTER TABLE event ADD COLUMN payload_end INTEGER;
   CREATE TABLE recent_content (
     key BLOB PRIMARY KEY,
     seq INTEGER NOT NULL,
     until INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX recent_content_by_until ON recent_content (until);`,
  // The traces of webhooks were read from the kept headers; the words were other ones. A text that is not JSON is damaged:
  // it must not stop the migration, and stays for the checksum to find.
  `ALTER TABLE event ADD COLUMN traceparent TEXT;
   UPDATE event SET traceparent = CASE WHEN json_valid(headers)
       THEN coalesce(headers ->> '$."ce-traceparent"', headers ->> '$.traceparent') END
     WHERE seq IN (SELECT seq FROM fresh UNION ALL SELECT seq FROM waiting) AND headers LIKE '%traceparent%';
   UPDATE event SET traceparent = NULL WHERE traceparent IS NOT NULL AND NOT (length(replace(traceparent, '-', '')) = 52
     AND traceparent LIKE '__-________________________________-________________-__'
     AND traceparent NOT GLOB '*[^0-9a-f-]*');
   ALTER TABLE dead_letter RENAME COLUMN buried_at TO dead_lettered_at;
   UPDATE dead_letter SET reason = 'rejected' WHERE reason = 'refused';
   ALTER TABLE attempt RENAME COLUMN verdict TO decision;
   UPDATE attempt SET
     decision = CASE decision WHEN 'settle' THEN 'complete' WHEN 'bury' THEN 'dead-letter' ELSE decision END,
     outcome = CASE WHEN outcome LIKE '%"refused"%' AND json_valid(outcome) AND outcome ->> '$.kind' = 'refused'
       THEN json_set(outcome, '$.kind', 'rejected') ELSE outcome END
     WHERE decision IN ('settle', 'bury') OR outcome LIKE '%"refused"%';
   -- The headers of a webhook with several events: once for all of them. Their own column is empty then.
   CREATE TABLE shared_headers (
     id INTEGER PRIMARY KEY,
     headers TEXT NOT NULL,
     uses INTEGER NOT NULL
   ) STRICT;
   ALTER TABLE event ADD COLUMN shared_headers INTEGER;
   -- The content that the event takes, to release it.
   ALTER TABLE event ADD COLUMN content_key BLOB;
   UPDATE event SET content_key = c.key FROM recent_content c WHERE c.seq = event.seq;
   -- The share of a caller that a pending event takes.
   ALTER TABLE fresh ADD COLUMN caller TEXT NOT NULL DEFAULT '';
   ALTER TABLE fresh ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE waiting ADD COLUMN caller TEXT NOT NULL DEFAULT '';
   ALTER TABLE waiting ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
   UPDATE fresh SET caller = e.caller,
     bytes = octet_length(e.raw) + octet_length(e.event) + octet_length(e.headers) + 512
     FROM event e WHERE e.seq = fresh.seq;
   UPDATE waiting SET caller = e.caller,
     bytes = octet_length(e.raw) + octet_length(e.event) + octet_length(e.headers) + 512
     FROM event e WHERE e.seq = waiting.seq;
   ALTER TABLE dead_letter ADD COLUMN caller TEXT NOT NULL DEFAULT '';
   ALTER TABLE dead_letter ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
   UPDATE dead_letter SET caller = e.caller,
     bytes = octet_length(e.raw) + octet_length(e.event) + octet_length(e.headers) + 512
     FROM event e WHERE e.seq = dead_letter.seq;
   CREATE INDEX dead_letter_by_caller ON dead_letter (caller, dead_lettered_at, seq);
   -- The times were those of the machine, whose clock may have been ahead: what lies in the future becomes the present.
   ALTER TABLE event ADD COLUMN clock_lead INTEGER NOT NULL DEFAULT 0;
   UPDATE event SET clock_lead = received_at - ${NOW}, received_at = ${NOW} WHERE received_at > ${NOW};
   UPDATE fresh SET received_at = e.received_at FROM event e WHERE e.seq = fresh.seq AND e.clock_lead > 0;
   UPDATE waiting SET received_at = e.received_at FROM event e WHERE e.seq = waiting.seq AND e.clock_lead > 0;
   UPDATE waiting SET due_at = due_at - (max(ages_from, last_attempt_at) - ${NOW}), ages_from = min(ages_from, ${NOW}),
     last_attempt_at = min(last_attempt_at, ${NOW}) WHERE max(ages_from, last_attempt_at) > ${NOW};
   ALTER TABLE dead_letter ADD COLUMN clock_lead INTEGER NOT NULL DEFAULT 0;
   UPDATE dead_letter SET clock_lead = dead_lettered_at - ${NOW}, dead_lettered_at = ${NOW} WHERE dead_lettered_at > ${NOW};
   UPDATE recent_content SET until = e.received_at FROM event e WHERE e.seq = recent_content.seq AND e.clock_lead > 0;
   UPDATE expiring_key SET received_at = ${NOW} WHERE received_at > ${NOW};
   -- What the dead letters of each caller take.
   CREATE TABLE dead_letter_bytes (
     caller TEXT PRIMARY KEY,
     bytes INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   INSERT INTO dead_letter_bytes SELECT caller, sum(bytes) FROM dead_letter GROUP BY caller;
   CREATE TRIGGER dead_letter_added AFTER INSERT ON dead_letter BEGIN
     INSERT INTO dead_letter_bytes (caller, bytes) VALUES (new.caller, new.bytes)
       ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
   END;
   CREATE TRIGGER dead_letter_dropped AFTER DELETE ON dead_letter BEGIN
     UPDATE dead_letter_bytes SET bytes = bytes - old.bytes WHERE caller = old.caller;
     DELETE FROM dead_letter_bytes WHERE caller = old.caller AND bytes <= 0;
   END;
   -- Dead letters that an operator discarded. They became dead letters at a time of the machine.
   CREATE TABLE discarded (
     seq INTEGER PRIMARY KEY,
     discarded_at INTEGER NOT NULL,
     clock_lead INTEGER NOT NULL,
     discarded_by TEXT NOT NULL,
     dead_lettered_at INTEGER NOT NULL,
     reason TEXT NOT NULL,
     detail TEXT NOT NULL
   ) STRICT;
   -- Delivered events that no project subscribes to.
   CREATE TABLE unmatched (seq INTEGER PRIMARY KEY) STRICT;
   INSERT INTO unmatched SELECT a.seq FROM attempt a
     WHERE a.decision = 'complete' AND a.outcome LIKE '%"created":[]%'
       AND a.at = (SELECT max(b.at) FROM attempt b WHERE b.seq = a.seq)
       AND a.seq NOT IN (SELECT seq FROM fresh UNION ALL SELECT seq FROM waiting UNION ALL SELECT seq FROM dead_letter);
   -- How often records of a block were deleted or replaced: what was read of it before is wrong then.
   CREATE TABLE changed_block (
     block INTEGER PRIMARY KEY,
     changes INTEGER NOT NULL
   ) STRICT;
   -- One row while deliveries are paused.
   CREATE TABLE pause (
     id INTEGER PRIMARY KEY CHECK (id = 1),
     at INTEGER NOT NULL,
     paused_by TEXT NOT NULL
   ) STRICT;
   CREATE TABLE redelivery_job (
     id TEXT NOT NULL UNIQUE,
     job TEXT NOT NULL
   ) STRICT;
   -- The caller is empty where it is not known. Both tables are rings: the oldest ids go.
   CREATE TABLE turned_away_count (
     id INTEGER PRIMARY KEY,
     minute INTEGER NOT NULL,
     caller TEXT NOT NULL,
     reason TEXT NOT NULL,
     count INTEGER NOT NULL,
     UNIQUE (minute, caller, reason)
   ) STRICT;
   CREATE TABLE turned_away_sample (
     id INTEGER PRIMARY KEY,
     sample TEXT NOT NULL
   ) STRICT;`,
];

/**
 * Pages of WAL after which a commit carries them into the database: 32 MiB. Each such checkpoint delays a commit by some
 * tens of milliseconds; with a smaller number, that would be more than one commit in a hundred.
 */
const CHECKPOINT_PAGES = { most: 8000, least: 256 };

const PAGE_BYTES = 4096;

/**
 * A checkpoint writes the log's pages once more. With an eighth of the reserve, it has room for them also after the largest
 * commit that the reserve lets in.
 */
function checkpointPages(reserveBytes: number): number {
  const { most, least } = CHECKPOINT_PAGES;
  return Math.max(least, Math.min(most, Math.floor(reserveBytes / 8 / PAGE_BYTES)));
}

/** Room for a checkpoint, and as much for what completing and pruning add before pruning has freed pages. */
export function ballastBytes(reserveBytes: number): number {
  return Math.min(2 * checkpointPages(reserveBytes) * PAGE_BYTES, reserveBytes);
}

/** The log is cut back to this size when it starts anew, bytes. */
export const MAX_LOG_BYTES = 67_108_864;

/** Opens the journal's database for writing, creating or migrating it. Throws what SQLite throws. */
export function openForWriting(path: string, reserveBytes: number): DatabaseSync {
  if (!existsSync(path)) create(path);
  const db = openOnAnyDisk(path);
  limitLog(db, reserveBytes);
  return db;
}

/** Opening needs some space too. */
function openOnAnyDisk(path: string): DatabaseSync {
  try {
    return open(path);
  } catch (error) {
    if (!new Ballast(path, 0).release()) throw error;
    return open(path);
  }
}

/** Another connection to a journal that is open, for as long as `use` does not throw. Throws what SQLite throws. */
export function openAgain(path: string, reserveBytes: number, use: (db: DatabaseSync) => void): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 1000 });
  try {
    configure(db);
    limitLog(db, reserveBytes);
    use(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function limitLog(db: DatabaseSync, reserveBytes: number): void {
  db.exec(`PRAGMA wal_autocheckpoint = ${checkpointPages(reserveBytes)}`);
}

/** Under another name first: so a file with the journal's name is always whole, and an empty one was truncated. */
function create(path: string): void {
  const unfinished = `${path}.new`;
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${unfinished}${suffix}`, { force: true });
  closeSync(openSync(unfinished, 'wx', 0o600));
  open(unfinished).close();
  renameSync(unfinished, path);
  sync(path);
  sync(dirname(path));
}

function open(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 1000 });
  configure(db);
  migrate(db);
  return db;
}

function configure(db: DatabaseSync): void {
  // `auto_vacuum` has an effect on a new file only.
  db.exec(`PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    PRAGMA journal_size_limit = ${MAX_LOG_BYTES}; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;`);
}

/** Throws for a database that this program cannot use. */
export function assertKnown(db: DatabaseSync): void {
  const version = pragma(db, 'user_version');
  if (pragma(db, 'application_id') !== APPLICATION_ID) {
    throw new Error('it is a database of another program; set JOURNAL_URL to another place');
  }
  if (version > MIGRATIONS.length) {
    throw new Error(
      `a newer version of this program wrote it (its schema is ${version}, known are ${MIGRATIONS.length}); run that one`,
    );
  }
}

function migrate(db: DatabaseSync): void {
  const version = pragma(db, 'user_version');
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
 * separate database carries the lock: locking the journal itself would keep our own reader out, and Node has no flock.
 * Throws SQLITE_BUSY when another process owns it.
 */
export function takeOwnership(path: string): DatabaseSync {
  const lock = new DatabaseSync(`${path}.owner`, { timeout: 0 });
  lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;');
  return lock;
}
