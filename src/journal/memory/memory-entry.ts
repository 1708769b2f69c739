import type { Attempt, Decision, DeliveryHistory } from '../../model/delivery.ts';
import type { KeptEvent } from '../../model/registry-event.ts';
import type { JournalRecord, NewRecord, RecordedAttempt, RecordSummary } from '../journal.ts';

export interface Lease {
  readonly fence: number;
  readonly endsAt: number;
}

export interface Pending {
  readonly kind: 'pending';
  readonly dueAt: number;
  readonly history: DeliveryHistory;
  readonly lease?: Lease;
}

export type Status =
  | Pending
  | { readonly kind: 'delivered'; readonly at: number }
  | { readonly kind: 'dead-lettered'; readonly deadLetter: NonNullable<RecordSummary['deadLetter']> };

/** A record as the memory journal holds it. */
export interface Entry {
  readonly seq: number;
  readonly record: NewRecord;
  /** What the entry counts for against the journal's size. */
  readonly bytes: number;
  event: KeptEvent;
  delivery: number;
  attempts: readonly RecordedAttempt[];
  status: Status;
}

/** A record keeps its newest attempts: half a day of them at the slowest pace. */
const MAX_ATTEMPTS = 150;

/** About what V8 spends on the objects of a small event; keeps many empty ones from costing nothing. */
const OVERHEAD_BYTES = 1024;

export function bytesOf(record: NewRecord): number {
  return record.raw.byteLength + OVERHEAD_BYTES;
}

export function newEntry(seq: number, record: NewRecord, now: number): Entry {
  return {
    seq,
    // A copy: the sender's bytes may be a view of a much larger buffer, or of one that is used again.
    record: { ...record, raw: new Uint8Array(record.raw) },
    bytes: bytesOf(record),
    event: record.event,
    delivery: 1,
    attempts: [],
    status: record.deadLetter
      ? { kind: 'dead-lettered', deadLetter: { at: now, ...record.deadLetter } }
      : { kind: 'pending', dueAt: record.receivedAt, history: newHistory(record.receivedAt) },
  };
}

export function newHistory(agesFrom: number): DeliveryHistory {
  return { attempts: 0, uncertain: 0, agesFrom, lastAttemptAt: 0 };
}

export function withAttempt(entry: Entry, attempt: Attempt, decision: Decision): readonly RecordedAttempt[] {
  return [...entry.attempts, { ...attempt, delivery: entry.delivery, decision: decision.kind }].slice(-MAX_ATTEMPTS);
}

/** What a pending entry becomes by a decision. */
export function statusAfter(decision: Decision, attempt: Attempt | undefined, now: number): Status {
  switch (decision.kind) {
    case 'complete':
      return { kind: 'delivered', at: now };
    case 'retry':
      return { kind: 'pending', dueAt: decision.at, history: decision.history };
    case 'dead-letter':
      return { kind: 'dead-lettered', deadLetter: { at: now, reason: decision.reason, detail: detailOf(attempt) } };
  }
}

function detailOf(attempt: Attempt | undefined): string {
  if (attempt === undefined) return '';
  return attempt.outcome.kind === 'delivered' ? (attempt.outcome.note ?? '') : attempt.outcome.detail;
}

export function summaryOf({ seq, record, event, status }: Entry): RecordSummary {
  return {
    seq,
    state: status.kind,
    receivedAt: record.receivedAt,
    caller: record.caller,
    event,
    ...(status.kind === 'dead-lettered' && { deadLetter: status.deadLetter }),
  };
}

export function recordOf(entry: Entry): JournalRecord {
  const { record, delivery, attempts, status } = entry;
  return {
    ...summaryOf(entry),
    format: record.format,
    headers: record.headers,
    raw: record.raw,
    ...(record.payload && { payload: record.payload }),
    delivery,
    ...(status.kind === 'pending' && { dueAt: status.dueAt }),
    attempts,
  };
}
