import type { Completion } from '../../../model/delivery.ts';
import type { Time } from '../../clock.ts';
import type { Appended } from '../../journal.ts';
import { classify, type PackedRecord, type StoreFailure, type WriteBatch, type WriteResult } from '../protocol.ts';
import type { Leases } from './claim.ts';
import { checksum, type JournalDatabase, maybeNumber } from './database.ts';

/**
 * Commits a batch of records and completions together. When the disk does not take the records, the completions are tried
 * without them: they need little, and they are what frees a full disk. Throws only for a database that is damaged.
 */
export function writeBatch(database: JournalDatabase, leases: Leases, batch: WriteBatch, time: Time): WriteResult {
  const result = attempt(database, leases, batch, time);
  result.completed?.forEach((completed, index) => {
    const completion = batch.completions[index];
    if (completed && completion !== undefined) leases.end(completion.seq);
  });
  return result;
}

function attempt(database: JournalDatabase, leases: Leases, batch: WriteBatch, time: Time): WriteResult {
  const completeAlone = () => completeOnly(database, leases, batch.completions, time);
  const obstacle = batch.records.length > 0 ? database.obstacle() : undefined;
  if (obstacle !== undefined) return { failure: obstacle, ...completeAlone() };
  try {
    return database.transaction(() => ({
      appended: insertAll(database, batch),
      completed: batch.completions.map((completion) => complete(database, leases, completion, time)),
    }));
  } catch (error) {
    const failure = heals(error);
    if (failure.kind !== 'unstorable') return { failure, ...completeAlone() };
    return { appended: insertEach(database, batch), ...completeAlone() };
  }
}

function completeOnly(
  database: JournalDatabase,
  leases: Leases,
  completions: readonly Completion[],
  time: Time,
): Pick<WriteResult, 'completed'> {
  if (completions.length === 0) return { completed: [] };
  try {
    return { completed: database.transaction(() => completions.map((each) => complete(database, leases, each, time))) };
  } catch (error) {
    if (heals(error).kind !== 'unstorable') return {};
    if (completions.length === 1) return { completed: [false] };
    return completeEach(database, leases, completions, time);
  }
}

/** A completion that cannot be stored does not fail the others. */
function completeEach(
  database: JournalDatabase,
  leases: Leases,
  completions: readonly Completion[],
  time: Time,
): Pick<WriteResult, 'completed'> {
  const each = completions.map((completion) => completeOnly(database, leases, [completion], time).completed);
  // What was stored before the disk failed counts: sent again, it would look stale.
  return each.every((completed) => completed === undefined)
    ? {}
    : { completed: each.map((completed) => completed?.[0] ?? false) };
}

/** Rethrows what no later try can fix. */
function heals(error: unknown): StoreFailure {
  const failure = classify(error);
  if (failure.kind === 'unreadable') throw error;
  return failure;
}

function insertAll(database: JournalDatabase, batch: WriteBatch): Appended[] {
  if (batch.records.length > 0) database.keys.carry(database.counters.nextSeq - 1);
  return eachRecord(batch, (row, raw) => insert(database, row, raw));
}

function eachRecord(batch: WriteBatch, take: (row: PackedRecord, raw: Uint8Array) => Appended): Appended[] {
  let start = 0;
  return batch.records.map((row) => {
    const raw = batch.raw.subarray(start, row.rawEnd);
    start = row.rawEnd;
    return take(row, raw);
  });
}

function insert(database: JournalDatabase, row: PackedRecord, raw: Uint8Array): Appended {
  const { sql, counters, keys } = database;
  const seq = counters.nextSeq;
  const of = keys.find(row.dedupKey);
  if (of !== undefined) return { kind: 'duplicate', of };
  const first = contentOwner(database, row);
  if (first !== undefined) return { kind: 'duplicate', of: first, by: 'content' };
  const { receivedAt, format, caller, headersJson, eventJson, payload, traceparent = null, deadLetter } = row;
  const sum = checksum({ raw, eventJson, headersJson, payload });
  const range = [payload?.start ?? null, payload?.end ?? null];
  const key = Buffer.from(row.dedupKey, 'hex');
  sql.insertEvent.run(seq, receivedAt, key, format, caller, headersJson, eventJson, raw, sum, ...range, traceparent);
  if (deadLetter === undefined) {
    sql.insertFresh.run(seq, receivedAt);
    counters.pending++;
  } else {
    sql.deadLetter.run(seq, receivedAt, deadLetter.reason, deadLetter.detail);
    counters.deadLetters++;
  }
  counters.nextSeq++;
  keys.add(row.dedupKey, seq);
  takeContent(database, row, seq);
  return { kind: 'kept', seq };
}

/** The record with the same content, if its window has not ended. */
function contentOwner({ sql }: JournalDatabase, { content, receivedAt }: PackedRecord): number | undefined {
  return content === undefined ? undefined : maybeNumber(sql.contentOwner, Buffer.from(content.key, 'hex'), receivedAt);
}

/** A dead letter makes nothing a duplicate: it was not delivered. */
function takeContent({ sql }: JournalDatabase, { content, receivedAt, deadLetter }: PackedRecord, seq: number): void {
  if (content === undefined || deadLetter !== undefined) return;
  sql.takeContent.run(Buffer.from(content.key, 'hex'), seq, receivedAt + content.windowMs);
}

/** After a batch failed as a whole because of one of its records: each record is stored on its own. */
function insertEach(database: JournalDatabase, batch: WriteBatch): Appended[] {
  let diskFailed = false;
  return eachRecord(batch, (row, raw) => {
    // The disk may fail between two of them: those before are durable, and those after need not try.
    if (diskFailed) return { kind: 'unstorable' };
    try {
      return database.transaction(() => insert(database, row, raw));
    } catch (error) {
      diskFailed = heals(error).kind !== 'unstorable';
      return { kind: 'unstorable' };
    }
  });
}

function complete(database: JournalDatabase, leases: Leases, completion: Completion, time: Time): boolean {
  const { seq, attempt, decision } = completion;
  const lease = leases.held(completion, time.tick);
  if (lease === undefined) return false;
  const { sql, counters } = database;
  if (attempt !== undefined) {
    const outcome = JSON.stringify(attempt.outcome);
    sql.insertAttempt.run(seq, attempt.at, lease.delivery, attempt.durationMs, outcome, decision.kind);
  }
  if (lease.isFresh) sql.dropFresh.run(seq);
  if (decision.kind === 'retry') {
    const { attempts, uncertain, agesFrom, lastAttemptAt } = decision.history;
    sql.wait.run(seq, decision.at, lease.receivedAt, attempts, uncertain, agesFrom, lastAttemptAt);
    return true;
  }
  if (!lease.isFresh) sql.dropWaiting.run(seq);
  counters.pending--;
  if (decision.kind === 'dead-letter') {
    const detail = attempt !== undefined && 'detail' in attempt.outcome ? attempt.outcome.detail : '';
    sql.deadLetter.run(seq, time.now, decision.reason, detail);
    counters.deadLetters++;
  }
  return true;
}
