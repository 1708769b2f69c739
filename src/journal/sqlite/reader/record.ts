import type { SQLOutputValue } from 'node:sqlite';
import { DECISIONS, type Decision } from '../../../model/delivery.ts';
import { DEAD_LETTER_REASONS, type DeadLetterReason } from '../../../model/receipt.ts';
import type { KeptEvent } from '../../../model/registry-event.ts';
import { FORMATS, type Format } from '../../../model/webhook.ts';
import { type JournalRecord, RECORD_STATES, type RecordedAttempt, type RecordSummary } from '../../journal.ts';
import { blob, payloadRange, type Row } from '../row.ts';

/** What `summary` reads, of `event e` with `JOINS`. */
export const SUMMARY = `e.seq, e.received_at + e.clock_lead AS received_at, e.format, e.caller, e.event,
  coalesce(d.dead_lettered_at + d.clock_lead, g.dead_lettered_at) AS dead_lettered_at,
  coalesce(d.reason, g.reason) AS reason, coalesce(d.detail, g.detail) AS detail,
  g.discarded_at + g.clock_lead AS discarded_at, g.discarded_by, u.seq AS unmatched,
  (SELECT count(*) FROM attempt a WHERE a.seq = e.seq) AS attempt_count,
  CASE WHEN d.seq IS NOT NULL THEN 'dead-lettered' WHEN g.seq IS NOT NULL THEN 'discarded'
    WHEN f.seq IS NOT NULL OR w.seq IS NOT NULL THEN 'pending' ELSE 'delivered' END AS state`;

export const JOINS = `LEFT JOIN fresh f ON f.seq = e.seq LEFT JOIN waiting w ON w.seq = e.seq
  LEFT JOIN dead_letter d ON d.seq = e.seq LEFT JOIN discarded g ON g.seq = e.seq LEFT JOIN unmatched u ON u.seq = e.seq`;

export function summary(row: Row): RecordSummary {
  return {
    ...identity(row),
    state: oneOf(RECORD_STATES, row['state']),
    attemptCount: Number(row['attempt_count']),
    ...(row['dead_lettered_at'] !== null && { deadLetter: deadLetter(row) }),
    ...(row['discarded_at'] !== null && {
      discarded: { at: Number(row['discarded_at']), by: String(row['discarded_by']) },
    }),
    ...(row['unmatched'] !== null && { unmatched: true }),
  };
}

/** What does not depend on how far its delivery is. */
export type RecordIdentity = Pick<RecordSummary, 'seq' | 'receivedAt' | 'format' | 'caller' | 'event'>;

export function identity(row: Row): RecordIdentity {
  return {
    seq: Number(row['seq']),
    receivedAt: Number(row['received_at']),
    format: oneOf<Format>(FORMATS, row['format']),
    caller: String(row['caller']),
    event: event(row),
  };
}

/** What `record` reads besides. `dueAt` is by the journal's time. */
export const DETAILS = `coalesce(s.headers, e.headers) AS headers, e.raw, e.payload_start, e.payload_end, e.traceparent,
  e.delivery, coalesce(w.due_at, f.received_at) AS due_at`;

export function record(row: Row, attempts: readonly Row[]): JournalRecord {
  const { due_at: dueAt, traceparent } = row;
  const payload = payloadRange(row);
  return {
    ...summary(row),
    headers: json(row['headers']) ?? {},
    // A copy: what SQLite hands out may share a buffer, and this crosses to another thread.
    raw: Uint8Array.from(blob(row['raw'])),
    delivery: Number(row['delivery']),
    attempts: attempts.map(recordedAttempt),
    ...(payload !== undefined && { payload }),
    ...(typeof traceparent === 'string' && { traceparent }),
    ...(typeof dueAt === 'number' && { dueAt }),
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
