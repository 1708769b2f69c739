import type { SQLOutputValue } from 'node:sqlite';
import { payloadOf } from '../payload.ts';
import { traceOf } from '../traceparent.ts';
import { checkedOf, checksum, type JournalDatabase, maybeNumber } from './database.ts';
import type { Leases } from './leases.ts';
import type { ClaimRow, LentRows, Time } from './protocol.ts';

/** Payload that one claim lends beyond its first event, bytes. */
const CLAIM_BYTES = 8 * 1024 * 1024;

/** How many waiting events one `wake` makes due; the rest fall due by themselves. */
const WAKE_LIMIT = 1000;

interface QueueRow {
  readonly seq: number;
  readonly dueAt: number;
  readonly receivedAt: number;
  readonly fresh: boolean;
  readonly history: ClaimRow['history'];
}

export interface LendRequest {
  readonly max: number;
  readonly time: Time;
  /** Size of the payloads of the records that the asker has just had written, by seq: these need not be read back. */
  readonly own?: ReadonlyMap<number, number>;
}

/** Lends what is due, or tells when something will be. */
export function lendDue(database: JournalDatabase, leases: Leases, request: LendRequest): LentRows {
  const { time } = request;
  const { claims, damaged, isCut } = database.reading(() => lendRows(database, leases, request));
  if (damaged.length > 0) setAside(database, damaged, time.now);
  // What was left for its size, or stands behind what was damaged, is due now.
  const mayBeMore = isCut || damaged.length > 0;
  return { claims, nextDueAt: mayBeMore ? time.now : nextDueAt(database, leases, time) };
}

/** When a retried event falls due, or a lease ends. */
function nextDueAt({ sql }: JournalDatabase, leases: Leases, { now, tick }: Time): number {
  const leaseEndsAt = now + (leases.nextEnd() - tick);
  return Math.min(leaseEndsAt, maybeNumber(sql.nextWaiting, now) ?? Number.POSITIVE_INFINITY);
}

function lendRows(
  database: JournalDatabase,
  leases: Leases,
  { max, time, own }: LendRequest,
): { readonly claims: ClaimRow[]; readonly damaged: readonly QueueRow[]; readonly isCut: boolean } {
  const claims: ClaimRow[] = [];
  const damaged: QueueRow[] = [];
  let bytes = 0;
  for (const row of dueRows(database, leases, max, time)) {
    const ownBytes = own?.get(row.seq);
    const event = ownBytes === undefined ? load(database, row.seq) : { bytes: ownBytes, delivery: 1 };
    if (event === undefined) {
      damaged.push(row);
      continue;
    }
    if (claims.length > 0) bytes += event.bytes;
    if (bytes > CLAIM_BYTES) return { claims, damaged, isCut: true };
    claims.push(lend(leases, row, event, time.tick));
  }
  return { claims, damaged, isCut: false };
}

/** Makes waiting events due, the oldest first and `spreadMs` apart. */
export function wakeWaiting(database: JournalDatabase, spreadMs: number, now: number): void {
  database.transaction(() => {
    const rows = database.sql.waitingOldest.all(now, WAKE_LIMIT);
    for (const [index, row] of rows.entries()) database.sql.hasten.run(now + index * spreadMs, Number(row['seq']));
  });
}

/** The first `max` unlent events that are due, from both queues in one order. */
function dueRows({ sql }: JournalDatabase, leases: Leases, max: number, { now, tick }: Time): QueueRow[] {
  leases.dropEnded(tick);
  // Lent events stand at the head of their queue until they are completed.
  const waiting = sql.waitingDue.all(now, max + leases.waitingCount).map(waitingRow);
  const fresh = sql.freshAfter.all(leases.freshCursor, max).map(freshRow);
  return [...waiting, ...fresh]
    .filter(({ seq }) => !leases.isHeld(seq))
    .sort((a, b) => a.dueAt - b.dueAt || a.seq - b.seq)
    .slice(0, max);
}

function freshRow(row: Record<string, SQLOutputValue>): QueueRow {
  const receivedAt = Number(row['received_at']);
  const history = { attempts: 0, uncertain: 0, agesFrom: receivedAt, lastAttemptAt: 0 };
  return { seq: Number(row['seq']), dueAt: receivedAt, receivedAt, fresh: true, history };
}

function waitingRow(row: Record<string, SQLOutputValue>): QueueRow {
  return {
    seq: Number(row['seq']),
    dueAt: Number(row['due_at']),
    receivedAt: Number(row['received_at']),
    fresh: false,
    history: {
      attempts: Number(row['attempts']),
      uncertain: Number(row['uncertain']),
      agesFrom: Number(row['ages_from']),
      lastAttemptAt: Number(row['last_attempt_at']),
    },
  };
}

interface DueEvent {
  /** Of its payload. */
  readonly bytes: number;
  readonly delivery: number;
  readonly stored?: ClaimRow['stored'];
}

/** Undefined for a record that is no longer what was stored. */
function load({ sql }: JournalDatabase, seq: number): DueEvent | undefined {
  const row = sql.loadEvent.get(seq);
  if (row === undefined) return undefined;
  const checked = checkedOf(row);
  if (checksum(checked) !== row['checksum']) return undefined;
  const { raw, eventJson, headersJson } = checked;
  // Few have one, and parsing is not for nothing.
  const trace = headersJson.includes('traceparent') ? traceOf(JSON.parse(headersJson)) : {};
  const stored = { eventJson, payload: payloadOf(raw, checked.payload), ...trace };
  return { bytes: raw.byteLength, delivery: Number(row['delivery']), stored };
}

function lend(leases: Leases, row: QueueRow, { delivery, stored }: DueEvent, tick: number): ClaimRow {
  const { seq, receivedAt, fresh, history } = row;
  const fence = leases.lend({ seq, receivedAt, delivery, fresh }, tick);
  return { seq, fence, delivery, receivedAt, history, ...(stored && { stored }) };
}

/** Damaged records become dead letters; their neighbours go on. */
function setAside(database: JournalDatabase, rows: readonly QueueRow[], now: number): void {
  const { sql, counters } = database;
  database.transaction(() => {
    for (const { seq, fresh } of rows) {
      (fresh ? sql.dropFresh : sql.dropWaiting).run(seq);
      sql.deadLetter.run(seq, now, 'damaged', 'the record fails its checksum');
    }
    counters.pending -= rows.length;
    counters.dead += rows.length;
    counters.damaged += rows.length;
  });
}
