import type { Appended, Settlement } from '../journal.ts';
import { classify } from './failure.ts';
import type { Leases } from './leases.ts';
import { checksum, type Ledger, maybeNumber } from './ledger.ts';
import type { RecordRow, StoreFailure, Time, WriteBatch, WriteResult } from './protocol.ts';

/**
 * Commits a batch of records and settlements together. When the disk refuses the records, the settlements are tried
 * without them: they need little, and they are what frees a full disk. Throws only for a database that is damaged.
 */
export function writeBatch(ledger: Ledger, leases: Leases, batch: WriteBatch, time: Time): WriteResult {
  const result = attempt(ledger, leases, batch, time);
  result.settled?.forEach((settled, index) => {
    const settlement = batch.settlements[index];
    if (settled && settlement !== undefined) leases.end(settlement.seq);
  });
  return result;
}

function attempt(ledger: Ledger, leases: Leases, batch: WriteBatch, time: Time): WriteResult {
  const settleAlone = () => settleOnly(ledger, leases, batch.settlements, time);
  const obstacle = batch.records.length > 0 ? ledger.obstacle() : undefined;
  if (obstacle !== undefined) return { refusal: obstacle, ...settleAlone() };
  try {
    return ledger.transaction(() => ({
      appended: insertAll(ledger, batch),
      settled: batch.settlements.map((settlement) => settle(ledger, leases, settlement, time)),
    }));
  } catch (error) {
    const failure = heals(error);
    if (failure.kind !== 'refused') return { refusal: failure, ...settleAlone() };
    return { appended: insertEach(ledger, batch), ...settleAlone() };
  }
}

function settleOnly(
  ledger: Ledger,
  leases: Leases,
  settlements: readonly Settlement[],
  time: Time,
): Pick<WriteResult, 'settled'> {
  try {
    return { settled: ledger.transaction(() => settlements.map((each) => settle(ledger, leases, each, time))) };
  } catch (error) {
    if (heals(error).kind !== 'refused') return {};
    if (settlements.length === 1) return { settled: [false] };
    return settleEach(ledger, leases, settlements, time);
  }
}

/** One that cannot be stored never fails its neighbours. */
function settleEach(
  ledger: Ledger,
  leases: Leases,
  settlements: readonly Settlement[],
  time: Time,
): Pick<WriteResult, 'settled'> {
  const each = settlements.map((settlement) => settleOnly(ledger, leases, [settlement], time).settled);
  // What was stored before the disk gave up counts: sent again, it would be taken for stale.
  return each.every((settled) => settled === undefined)
    ? {}
    : { settled: each.map((settled) => settled?.[0] ?? false) };
}

/** Rethrows what no later try can mend. */
function heals(error: unknown): StoreFailure {
  const failure = classify(error);
  if (failure.kind === 'unreadable') throw error;
  return failure;
}

function insertAll(ledger: Ledger, batch: WriteBatch): Appended[] {
  if (batch.records.length > 0) ledger.keys.carry(ledger.counters.nextSeq - 1);
  return eachRecord(batch, (row, raw) => insert(ledger, row, raw));
}

function eachRecord(batch: WriteBatch, take: (row: RecordRow, raw: Uint8Array) => Appended): Appended[] {
  let start = 0;
  return batch.records.map((row) => {
    const raw = batch.raw.subarray(start, row.rawEnd);
    start = row.rawEnd;
    return take(row, raw);
  });
}

function insert(ledger: Ledger, row: RecordRow, raw: Uint8Array): Appended {
  const { sql, counters, keys } = ledger;
  const seq = counters.nextSeq;
  const of = keys.find(row.dedupKey);
  if (of !== undefined) return { kind: 'duplicate', of };
  const first = contentOwner(ledger, row);
  if (first !== undefined) return { kind: 'duplicate', of: first, by: 'content' };
  const { receivedAt, format, caller, headersJson, eventJson, payload, burial } = row;
  const sum = checksum({ raw, eventJson, headersJson, payload });
  const range = [payload?.start ?? null, payload?.end ?? null];
  const key = Buffer.from(row.dedupKey, 'hex');
  sql.insertEvent.run(seq, receivedAt, key, format, caller, headersJson, eventJson, raw, sum, ...range);
  if (burial === undefined) {
    sql.insertFresh.run(seq, receivedAt);
    counters.pending++;
  } else {
    sql.bury.run(seq, receivedAt, burial.reason, burial.detail);
    counters.dead++;
  }
  counters.nextSeq++;
  keys.add(row.dedupKey, seq);
  takeContent(ledger, row, seq);
  return { kind: 'kept', seq };
}

/** The record that told the same, if that was not too long ago. */
function contentOwner({ sql }: Ledger, { content, receivedAt }: RecordRow): number | undefined {
  return content === undefined ? undefined : maybeNumber(sql.contentOwner, Buffer.from(content.key, 'hex'), receivedAt);
}

/** What nobody gets is no reason to keep others from getting it. */
function takeContent({ sql }: Ledger, { content, receivedAt, burial }: RecordRow, seq: number): void {
  if (content === undefined || burial !== undefined) return;
  sql.takeContent.run(Buffer.from(content.key, 'hex'), seq, receivedAt + content.windowMs);
}

/** After a batch failed as a whole, and not for the disk's sake: whoever can be stored is stored. */
function insertEach(ledger: Ledger, batch: WriteBatch): Appended[] {
  let diskFailed = false;
  return eachRecord(batch, (row, raw) => {
    // The disk may give up between two of them: those before it are durable, and those after it need not try.
    if (diskFailed) return { kind: 'unstorable' };
    try {
      return ledger.transaction(() => insert(ledger, row, raw));
    } catch (error) {
      diskFailed = heals(error).kind !== 'refused';
      return { kind: 'unstorable' };
    }
  });
}

function settle(ledger: Ledger, leases: Leases, settlement: Settlement, time: Time): boolean {
  const { seq, attempt, verdict } = settlement;
  const lease = leases.held(settlement, time.tick);
  if (lease === undefined) return false;
  const { sql, counters } = ledger;
  if (attempt !== undefined) {
    const outcome = JSON.stringify(attempt.outcome);
    sql.insertAttempt.run(seq, attempt.at, lease.delivery, attempt.durationMs, outcome, verdict.kind);
  }
  if (lease.fresh) sql.dropFresh.run(seq);
  if (verdict.kind === 'retry') {
    const { attempts, uncertain, agesFrom, lastAttemptAt } = verdict.history;
    sql.wait.run(seq, verdict.at, lease.receivedAt, attempts, uncertain, agesFrom, lastAttemptAt);
    return true;
  }
  if (!lease.fresh) sql.dropWaiting.run(seq);
  counters.pending--;
  if (verdict.kind === 'bury') {
    const detail = attempt !== undefined && 'detail' in attempt.outcome ? attempt.outcome.detail : '';
    sql.bury.run(seq, time.now, verdict.reason, detail);
    counters.dead++;
  }
  return true;
}
