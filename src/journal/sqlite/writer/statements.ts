import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { KEY_RELEASING_REASONS } from '../../journal.ts';

/** The dead letters that do not have their keys. */
const RELEASING = KEY_RELEASING_REASONS.map((reason) => `'${reason}'`).join();

/** Discarded ones are still without their keys. */
const GIVEN_UP = '(SELECT seq, reason FROM dead_letter UNION ALL SELECT seq, reason FROM discarded)';

/** What a record takes beside its texts and bytes. */
export const RECORD_OVERHEAD_BYTES = 512;

/** The number of the newest event, also after it was pruned. */
export const LAST_SEQ = `SELECT max(coalesce((SELECT max(seq) FROM event), 0),
  coalesce((SELECT value FROM meta WHERE name = 'last_seq'), 0)) AS n`;

/** Every statement of the writer, prepared once. */
const SQL = {
  begin: 'BEGIN IMMEDIATE',
  beginRead: 'BEGIN',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  setMeta: 'INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
  getMeta: 'SELECT value FROM meta WHERE name = ?',
  freelist: 'PRAGMA freelist_count',
  pages: 'PRAGMA page_count',
  checkpoint: 'PRAGMA wal_checkpoint(PASSIVE)',
  // Moves the last pages to free ones. Some milliseconds.
  shrink: 'PRAGMA incremental_vacuum(128)',

  takeKey: 'INSERT INTO dedup (key, seq) VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq',
  keyOwner: 'SELECT seq FROM dedup WHERE key = ?',
  // The keys of records that were pruned early live on without them.
  // The last with a key has it: those that released theirs come first.
  keysAfter: `SELECT lower(hex(e.dedup_key)) AS key, e.seq FROM ${GIVEN_UP} d CROSS JOIN event e ON e.seq = d.seq
      WHERE d.seq > ?1 AND d.reason IN (${RELEASING})
    UNION ALL SELECT lower(hex(dedup_key)), e.seq FROM event e LEFT JOIN dead_letter d ON d.seq = e.seq
      LEFT JOIN discarded g ON g.seq = e.seq
      WHERE e.seq > ?1 AND coalesce(d.reason, g.reason, '') NOT IN (${RELEASING})
    UNION ALL SELECT lower(hex(key)), seq FROM expiring_key WHERE seq > ?1`,
  hasReleasedKey: `SELECT 1 FROM ${GIVEN_UP} WHERE seq = ? AND reason IN (${RELEASING})`,
  contentOwner: 'SELECT seq FROM recent_content WHERE key = ? AND until > ?',
  takeContent: `INSERT INTO recent_content (key, seq, until) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET seq = excluded.seq, until = excluded.until`,
  deleteContents: `DELETE FROM recent_content WHERE key IN
    (SELECT key FROM recent_content WHERE until <= ? ORDER BY until LIMIT ?)`,
  releaseContent: 'DELETE FROM recent_content WHERE seq = ?1 AND key = (SELECT content_key FROM event WHERE seq = ?1)',
  insertEvent: `INSERT INTO event (seq, received_at, dedup_key, format, caller, headers, event, delivery, raw, checksum,
    payload_start, payload_end, traceparent, content_key, shared_headers, clock_lead)
    VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)`,
  shareHeaders: 'INSERT INTO shared_headers (id, headers, uses) VALUES (?, ?, ?)',
  releaseHeaders: 'UPDATE shared_headers SET uses = uses - 1 WHERE id = ?',
  deleteHeaders: 'DELETE FROM shared_headers WHERE id = ? AND uses <= 0',
  insertFresh: 'INSERT INTO fresh (seq, received_at, caller, bytes) VALUES (?, ?, ?, ?)',
  deadLetter: `INSERT INTO dead_letter (seq, dead_lettered_at, clock_lead, reason, detail, caller, bytes)
    SELECT e.seq, ?, ?, ?, ?, e.caller, octet_length(e.raw) + octet_length(e.event) + octet_length(e.headers)
      + coalesce((SELECT octet_length(s.headers) / s.uses FROM shared_headers s WHERE s.id = e.shared_headers), ?)
      + ${RECORD_OVERHEAD_BYTES} FROM event e WHERE e.seq = ?`,

  freshAfter: 'SELECT seq, received_at FROM fresh WHERE seq > ? ORDER BY seq LIMIT ?',
  waitingDue: `SELECT seq, due_at, received_at, attempts, uncertain, ages_from, last_attempt_at FROM waiting
    WHERE due_at <= ? ORDER BY due_at, seq LIMIT ?`,
  nextWaiting: 'SELECT min(due_at) AS n FROM waiting WHERE due_at > ?',
  loadEvent: `SELECT e.received_at, e.clock_lead, coalesce(s.headers, e.headers) AS headers, e.event, e.delivery, e.raw, e.checksum,
      e.payload_start, e.payload_end, e.traceparent, e.caller
    FROM event e LEFT JOIN shared_headers s ON s.id = e.shared_headers WHERE e.seq = ?`,
  keyOf: 'SELECT lower(hex(dedup_key)) AS key FROM event WHERE seq = ?',

  insertAttempt: `INSERT INTO attempt (seq, at, delivery, duration_ms, outcome, decision) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET outcome = excluded.outcome, decision = excluded.decision`,
  dropFresh: 'DELETE FROM fresh WHERE seq = ? RETURNING caller, bytes',
  dropWaiting: 'DELETE FROM waiting WHERE seq = ? RETURNING caller, bytes',
  wait: `INSERT INTO waiting (seq, due_at, received_at, attempts, uncertain, ages_from, last_attempt_at, caller, bytes)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  sizeOf: `SELECT e.caller, octet_length(e.raw) + octet_length(e.event) + octet_length(coalesce(s.headers, e.headers))
      + ${RECORD_OVERHEAD_BYTES} AS bytes
    FROM event e LEFT JOIN shared_headers s ON s.id = e.shared_headers WHERE e.seq = ?`,

  waitingOldest: 'SELECT seq FROM waiting WHERE due_at > ? AND uncertain = 0 ORDER BY received_at, seq LIMIT ?',
  hasten: 'UPDATE waiting SET due_at = min(due_at, ?) WHERE seq = ?',

  isFresh: 'SELECT 1 FROM fresh WHERE seq = ?',
  isWaiting: 'SELECT 1 FROM waiting WHERE seq = ?',
  renew: 'UPDATE event SET event = ?, checksum = ?, delivery = delivery + 1 WHERE seq = ?',
  dropDeadLetter: 'DELETE FROM dead_letter WHERE seq = ?',
  discard: `INSERT INTO discarded (seq, discarded_at, clock_lead, discarded_by, dead_lettered_at, reason, detail)
    SELECT seq, ?, ?, ?, dead_lettered_at + clock_lead, reason, detail FROM dead_letter WHERE seq = ?`,
  dropDiscarded: 'DELETE FROM discarded WHERE seq = ?',
  insertUnmatched: 'INSERT INTO unmatched (seq) VALUES (?) ON CONFLICT DO NOTHING',
  dropUnmatched: 'DELETE FROM unmatched WHERE seq = ?',
  noteChange: `INSERT INTO changed_block (block, changes) VALUES (?, 1)
    ON CONFLICT DO UPDATE SET changes = changes + 1`,
  deleteChanges: 'DELETE FROM changed_block WHERE block < ?',

  pause: 'INSERT INTO pause (id, at, paused_by) VALUES (1, ?, ?) ON CONFLICT DO NOTHING',
  resume: 'DELETE FROM pause',
  pauseState: 'SELECT at, paused_by FROM pause',
  putJob: 'INSERT INTO redelivery_job (id, job) VALUES (?, ?) ON CONFLICT DO UPDATE SET job = excluded.job',
  dropJobs: `DELETE FROM redelivery_job WHERE rowid IN (SELECT rowid FROM redelivery_job
    WHERE job ->> '$.state' <> 'running' ORDER BY rowid LIMIT max(0, (SELECT count(*) FROM redelivery_job) - ?))`,
  jobs: 'SELECT job FROM redelivery_job ORDER BY rowid DESC',

  countTurnedAway: `INSERT INTO turned_away_count (minute, caller, reason, count) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET count = count + excluded.count`,
  dropTurnedAwayCounts: `DELETE FROM turned_away_count WHERE minute < ?1
    OR id <= (SELECT max(id) FROM turned_away_count) - ?2`,
  insertSample: 'INSERT INTO turned_away_sample (sample) VALUES (?)',
  dropSamples: 'DELETE FROM turned_away_sample WHERE id <= (SELECT max(id) FROM turned_away_sample) - ?',

  oldestPending: `SELECT min(received_at) AS n FROM (SELECT received_at FROM
    (SELECT received_at FROM fresh ORDER BY seq LIMIT 1) UNION ALL SELECT min(received_at) FROM waiting)`,
  oldestDeadLetter: 'SELECT dead_lettered_at AS n FROM dead_letter ORDER BY seq LIMIT 1',
  lastSeq: LAST_SEQ,
  countPending: 'SELECT (SELECT count(*) FROM fresh) + (SELECT count(*) FROM waiting) AS n',
  pendingShares: `SELECT caller, sum(bytes) AS bytes FROM (SELECT caller, bytes FROM fresh
    UNION ALL SELECT caller, bytes FROM waiting) GROUP BY caller`,
  countDeadLetters: 'SELECT count(*) AS n FROM dead_letter',
  countDiscarded: 'SELECT count(*) AS n FROM discarded',

  mostDeadLetters: `SELECT caller, bytes, (SELECT sum(bytes) FROM dead_letter_bytes) AS total FROM dead_letter_bytes
    ORDER BY bytes DESC LIMIT 1`,
  oldestDeadLetters: `SELECT e.seq, e.received_at, e.dedup_key, e.shared_headers, d.reason, d.bytes
    FROM dead_letter d INDEXED BY dead_letter_by_caller CROSS JOIN event e ON e.seq = d.seq
    WHERE d.caller = ? ORDER BY d.dead_lettered_at, d.seq LIMIT ?`,
  scan: `SELECT e.seq, e.received_at, e.dedup_key, e.shared_headers, coalesce(d.reason, g.reason) AS reason,
      d.dead_lettered_at, g.discarded_at,
      EXISTS (SELECT 1 FROM fresh f WHERE f.seq = e.seq) OR EXISTS (SELECT 1 FROM waiting w WHERE w.seq = e.seq) AS pending
    FROM event e LEFT JOIN dead_letter d ON d.seq = e.seq LEFT JOIN discarded g ON g.seq = e.seq WHERE e.seq > ? ORDER BY e.seq LIMIT ?`,
  deleteEvent: 'DELETE FROM event WHERE seq = ?',
  deleteAttempts: 'DELETE FROM attempt WHERE seq = ?',
  deleteKey: 'DELETE FROM dedup WHERE key = ? AND seq = ?',
  keepKey: 'INSERT INTO expiring_key (seq, key, received_at) VALUES (?, ?, ?)',
  // Only the oldest are looked at: there may be millions.
  expiredKeys: `SELECT seq, key FROM (SELECT seq, key, received_at FROM expiring_key ORDER BY seq LIMIT ?2)
    WHERE received_at < ?1`,
  deleteExpiredKey: 'DELETE FROM expiring_key WHERE seq = ?',
} as const;

export type Statements = { readonly [name in keyof typeof SQL]: StatementSync };

export function prepareStatements(db: DatabaseSync): Statements {
  const entries = Object.entries(SQL).map(([name, sql]) => [name, db.prepare(sql)]);
  return Object.fromEntries(entries);
}
