import type { SQLOutputValue } from 'node:sqlite';
import type { Leases } from './leases.ts';
import { blob, checksum, type Ledger, maybeNumber, number } from './ledger.ts';
import type { ClaimRow, Time } from './protocol.ts';

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

/** Lends what is due, or tells when something will be. */
export function lendDue(
  ledger: Ledger,
  leases: Leases,
  max: number,
  time: Time,
): { readonly claims: ClaimRow[]; readonly nextDueAt?: number } {
  const claims: ClaimRow[] = [];
  let bytes = 0;
  for (const row of dueRows(ledger, leases, max, time)) {
    if (claims.length > 0) bytes += number(ledger.sql.rawBytes, row.seq);
    if (bytes > CLAIM_BYTES) break;
    const claim = lend(ledger, leases, row, time);
    if (claim !== undefined) claims.push(claim);
  }
  if (claims.length > 0) return { claims };
  const leaseEnds = leases.nextEnd();
  const ends = leaseEnds === undefined ? undefined : time.now + (leaseEnds - time.tick);
  const dues = [maybeNumber(ledger.sql.nextWaiting, time.now), ends].filter((due) => due !== undefined);
  return dues.length === 0 ? { claims } : { claims, nextDueAt: Math.min(...dues) };
}

/** Makes waiting events due, the oldest first and `spreadMs` apart. */
export function wakeWaiting(ledger: Ledger, spreadMs: number, now: number): void {
  ledger.transaction(() => {
    const rows = ledger.sql.waitingOldest.all(now, WAKE_LIMIT);
    for (const [index, row] of rows.entries()) ledger.sql.hasten.run(now + index * spreadMs, Number(row['seq']));
  });
}

/** The first `max` unlent events that are due, from both queues in one order. */
function dueRows({ sql }: Ledger, leases: Leases, max: number, { now, tick }: Time): QueueRow[] {
  leases.dropEnded(tick);
  // Lent events stand at the head of their queue until they are settled.
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

function lend(ledger: Ledger, leases: Leases, row: QueueRow, time: Time): ClaimRow | undefined {
  const stored = ledger.sql.loadEvent.get(row.seq);
  const raw = blob(stored?.['raw']);
  const eventJson = String(stored?.['event']);
  if (checksum(raw, eventJson, String(stored?.['headers'])) !== stored?.['checksum']) {
    setAside(ledger, row, time.now);
    return undefined;
  }
  const { seq, receivedAt, fresh, history } = row;
  const delivery = Number(stored['delivery']);
  const fence = leases.lend({ seq, receivedAt, delivery, fresh }, time.tick);
  const payload = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('utf8');
  return { seq, fence, delivery, receivedAt, history, eventJson, payload };
}

/** A damaged record becomes a dead letter; its neighbours go on. */
function setAside(ledger: Ledger, { seq, fresh }: QueueRow, now: number): void {
  const { sql, counters } = ledger;
  ledger.transaction(() => {
    (fresh ? sql.dropFresh : sql.dropWaiting).run(seq);
    sql.bury.run(seq, now, 'damaged', 'the record fails its checksum');
    counters.pending--;
    counters.dead++;
    counters.damaged++;
  });
}
