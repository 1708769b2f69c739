import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from 'node:sqlite';
import { DECISIONS, type Decision } from '../../../model/delivery.ts';
import { DEAD_LETTER_REASONS, type DeadLetterReason } from '../../../model/receipt.ts';
import type { KeptEvent } from '../../../model/registry-event.ts';
import { FORMATS, type Format } from '../../../model/webhook.ts';
import type { JournalRecord, RecordedAttempt, RecordQuery, RecordState, RecordSummary } from '../../journal.ts';
import type { ThreadData } from '../protocol.ts';
import { blob, payloadRange, type Row } from '../row.ts';
import { serve } from '../thread.ts';

const STATES: readonly RecordState[] = ['pending', 'delivered', 'dead-lettered'];

const COLUMNS = `e.seq, e.received_at + e.clock_lead AS received_at, e.format, e.caller, e.event, e.delivery,
  d.dead_lettered_at + d.clock_lead AS dead_lettered_at, d.reason, d.detail,
  CASE WHEN d.seq IS NOT NULL THEN 'dead-lettered' WHEN f.seq IS NOT NULL OR w.seq IS NOT NULL THEN 'pending' ELSE 'delivered' END AS state,
  coalesce(w.due_at, f.received_at) AS due_at`;
const JOINS =
  'LEFT JOIN fresh f ON f.seq = e.seq LEFT JOIN waiting w ON w.seq = e.seq LEFT JOIN dead_letter d ON d.seq = e.seq';

/** Where a query for a state begins: the small tables lead, so that few dead letters among many events are found at once. */
const FROM: Readonly<Record<RecordState | 'any', string>> = {
  any: `event e ${JOINS} WHERE e.seq < ?`,
  'dead-lettered': `dead_letter q CROSS JOIN event e ON e.seq = q.seq ${JOINS} WHERE q.seq < ?`,
  pending: `(SELECT seq FROM fresh UNION ALL SELECT seq FROM waiting) q CROSS JOIN event e ON e.seq = q.seq ${JOINS}
    WHERE q.seq < ?`,
  delivered: `event e ${JOINS} WHERE e.seq < ? AND d.seq IS NULL AND f.seq IS NULL AND w.seq IS NULL`,
};

/**
 * Answers questions about the past on a connection that can only read: its queries hold back neither the writer nor a
 * checkpoint for long.
 */
export class Reader {
  readonly #path: string;
  #db: DatabaseSync | undefined;

  /** Throws what SQLite throws. */
  constructor({ path }: Pick<ThreadData, 'path'>) {
    this.#path = path;
    this.#db = open(path);
  }

  find({ state, before = Number.MAX_SAFE_INTEGER, limit }: RecordQuery): readonly RecordSummary[] {
    const sql = `SELECT ${COLUMNS} FROM ${FROM[state ?? 'any']} ORDER BY e.seq DESC LIMIT ?`;
    return this.#all(sql, before, limit).map(summary);
  }

  /** `dueAt` is by the journal's time. */
  get(seq: number): JournalRecord | undefined {
    const row = this.#all(
      `SELECT ${COLUMNS}, coalesce(s.headers, e.headers) AS headers, e.raw, e.payload_start, e.payload_end, e.traceparent
         FROM event e ${JOINS} LEFT JOIN shared_headers s ON s.id = e.shared_headers WHERE e.seq = ?`,
      seq,
    )[0];
    if (row === undefined) return undefined;
    const attempts = this.#all('SELECT * FROM attempt WHERE seq = ? ORDER BY at', seq).map(recordedAttempt);
    const { due_at: dueAt, traceparent } = row;
    const payload = payloadRange(row);
    return {
      ...summary(row),
      format: oneOf<Format>(FORMATS, row['format']),
      headers: json(row['headers']) ?? {},
      // A copy: what SQLite hands out may share a buffer, and this crosses to another thread.
      raw: Uint8Array.from(blob(row['raw'])),
      delivery: Number(row['delivery']),
      attempts,
      ...(payload !== undefined && { payload }),
      ...(typeof traceparent === 'string' && { traceparent }),
      ...(typeof dueAt === 'number' && { dueAt }),
    };
  }

  /** After an I/O error, SQLite may call an intact database malformed: a connection that had an error is not used again. */
  #all(sql: string, ...values: SQLInputValue[]): Row[] {
    this.#db ??= open(this.#path);
    try {
      return this.#db.prepare(sql).all(...values);
    } catch (error) {
      this.#db.close();
      this.#db = undefined;
      throw error;
    }
  }
}

function open(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
  db.exec('PRAGMA query_only = ON; PRAGMA cache_size = -4096;');
  return db;
}

function summary(row: Row): RecordSummary {
  return {
    seq: Number(row['seq']),
    state: oneOf<RecordState>(STATES, row['state']),
    receivedAt: Number(row['received_at']),
    caller: String(row['caller']),
    event: event(row),
    ...(row['dead_lettered_at'] === null ? {} : { deadLetter: deadLetter(row) }),
  };
}

/** A damaged record is listed with what can be read of it, so that an operator sees it. */
function event(row: Row): KeptEvent {
  return json(row['event']) ?? { id: `damaged-${String(row['seq'])}`, action: 'unreadable' };
}

/** Undefined for a text that is damaged. */
function json<T>(text: SQLOutputValue | undefined): T | undefined {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}

function deadLetter(row: Row): NonNullable<RecordSummary['deadLetter']> {
  return {
    at: Number(row['dead_lettered_at']),
    reason: oneOf<DeadLetterReason>(DEAD_LETTER_REASONS, row['reason']),
    detail: String(row['detail']),
  };
}

function recordedAttempt(row: Row): RecordedAttempt {
  return {
    at: Number(row['at']),
    delivery: Number(row['delivery']),
    durationMs: Number(row['duration_ms']),
    outcome: JSON.parse(String(row['outcome'])),
    decision: oneOf<Decision['kind']>(DECISIONS, row['decision']),
  };
}

/** Throws for a text that this version of the program cannot have written. */
function oneOf<T extends string>(values: readonly T[], value: SQLOutputValue | undefined): T {
  const found = values.find((each) => each === value);
  if (found === undefined) throw new Error(`the journal holds an unknown value, ${String(value)}`);
  return found;
}

serve((data) => new Reader(data));
