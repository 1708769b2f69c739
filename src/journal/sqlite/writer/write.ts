import type { Time } from '../../../model/clock.ts';
import { type Completion, isUnmatched } from '../../../model/delivery.ts';
import { arrivalTick } from '../../journal-clock.ts';
import {
  classify,
  type PackedRecord,
  type Stored,
  type StoreFailure,
  type WriteBatch,
  type WriteResult,
} from '../protocol.ts';
import type { Leases } from './claim.ts';
import { checksum, type JournalDatabase, maybeNumber } from './database.ts';
import { addDeadLetter, giveUp, pruneDeadLetters } from './dead-letters.ts';
import { addPending, removePending } from './pending.ts';
import { saveTime } from './saved-time.ts';
import { RECORD_OVERHEAD_BYTES } from './statements.ts';

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
  const completeAlone = (failure?: StoreFailure) =>
    completeOnly({ database, leases, time, failure }, batch.completions);
  const obstacle = database.obstacle();
  if (obstacle !== undefined) return { failure: obstacle, ...completeAlone(obstacle) };
  try {
    return database.transaction(() =>
      change(database, time, () => ({
        appended: insertAll(database, batch, time),
        completed: batch.completions.map((completion) => complete({ database, leases, time }, completion)),
      })),
    );
  } catch (error) {
    const failure = heals(error);
    if (failure.kind !== 'unstorable') return { failure, ...completeAlone(failure) };
    return { appended: insertEach(database, batch, time), ...completeAlone() };
  }
}

/** What it adds to the dead letters beyond their share, older ones give. */
function change<T>(database: JournalDatabase, time: Time, work: () => T): T {
  const before = database.counters.deadLetters;
  const result = work();
  saveTime(database.sql, time);
  const added = database.counters.deadLetters - before;
  // More than were added, in case the share has become smaller.
  if (added > 0) pruneDeadLetters(database, time.tick, 2 * added);
  return result;
}

interface Completing {
  readonly database: JournalDatabase;
  readonly leases: Leases;
  readonly time: Time;
  /** Why records cannot be stored. */
  readonly failure?: StoreFailure | undefined;
}

function completeOnly(given: Completing, completions: readonly Completion[]): Pick<WriteResult, 'completed'> {
  const { database, time } = given;
  if (completions.length === 0) return { completed: [] };
  try {
    const completeAll = () => completions.map((each) => complete(given, each));
    return { completed: database.transactionThatFrees(() => change(database, time, completeAll)) };
  } catch (error) {
    if (heals(error).kind !== 'unstorable') return {};
    if (completions.length === 1) return { completed: [false] };
    return completeEach(given, completions);
  }
}

/** A completion that cannot be stored does not fail the others. */
function completeEach(given: Completing, completions: readonly Completion[]): Pick<WriteResult, 'completed'> {
  const each = completions.map((completion) => completeOnly(given, [completion]).completed);
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

/** The headers of a record. Where others of the batch have the same, they are stored once, beside the records. */
interface BatchHeaders {
  readonly json: string;
  /** How many records of the batch have them. */
  count: number;
  /** Those that were kept, and the number of the first. */
  uses: number;
  id: number | undefined;
}

function insertAll(database: JournalDatabase, batch: WriteBatch, time: Time): Stored[] {
  if (batch.records.length === 0) return [];
  database.keys.carry(database.counters.nextSeq - 1);
  const headers = batch.headers.map((json): BatchHeaders => ({ json, count: 0, uses: 0, id: undefined }));
  for (const row of batch.records) headersOf(row, headers).count++;
  const appended = eachRecord(batch, (row, raw) =>
    insert(database, arrival(row, time), { raw, headers: headersOf(row, headers) }),
  );
  for (const { id, json, uses } of headers) if (id !== undefined) database.sql.shareHeaders.run(id, json, uses);
  return appended;
}

function headersOf<T>({ headers }: PackedRecord, all: readonly T[]): T {
  const found = all[headers];
  if (found === undefined) throw new Error('a batch lacks headers');
  return found;
}

function eachRecord(batch: WriteBatch, take: (row: PackedRecord, raw: Uint8Array) => Stored): Stored[] {
  let start = 0;
  return batch.records.map((row) => {
    const raw = batch.raw.subarray(start, row.rawEnd);
    start = row.rawEnd;
    return take(row, raw);
  });
}

/** A record, and when it arrived. */
interface Arrival extends PackedRecord {
  readonly at: Time;
}

function arrival(row: PackedRecord, time: Time): Arrival {
  return { ...row, at: { now: row.receivedAt, tick: arrivalTick(row.receivedAt, time) } };
}

interface Content {
  readonly raw: Uint8Array;
  readonly headers: BatchHeaders;
}

function insert(database: JournalDatabase, row: Arrival, { raw, headers }: Content): Stored {
  const { counters, keys, pending, capacityBytes } = database;
  const duplicate = duplicateOf(database, row);
  if (duplicate !== undefined) return duplicate;
  if (row.deadLetter === undefined && !pending.admit(row.caller, capacityBytes)) return { kind: 'over-share' };
  const seq = counters.nextSeq++;
  insertEvent(database, row, { seq, raw, headers });
  const headerBytes = Math.ceil(headers.json.length / headers.count);
  if (row.deadLetter === undefined) {
    const ownBytes = raw.byteLength + Buffer.byteLength(row.eventJson) + RECORD_OVERHEAD_BYTES;
    makePending(database, row, { seq, bytes: ownBytes + headerBytes });
  } else {
    const unstoredBytes = headers.count > 1 ? headerBytes : 0;
    addDeadLetter(database, { seq, at: row.at, headerBytes: unstoredBytes, ...row.deadLetter });
  }
  keys.add(row.dedupKey, seq);
  return { kind: 'kept', seq };
}

/** By its key, or by its content if that was taken and its window has not ended. */
function duplicateOf(
  { sql, keys }: JournalDatabase,
  { dedupKey, content, at, deadLetter }: Arrival,
): Stored | undefined {
  const of = keys.find(dedupKey);
  const isFree = of === undefined || (deadLetter === undefined && sql.hasReleasedKey.get(of) !== undefined);
  if (!isFree) return { kind: 'duplicate', of };
  const first = content && maybeNumber(sql.contentOwner, Buffer.from(content.key, 'hex'), at.tick);
  return first === undefined ? undefined : { kind: 'duplicate', of: first, by: 'content' };
}

interface Insertion extends Content {
  readonly seq: number;
}

function insertEvent({ sql }: JournalDatabase, row: Arrival, { seq, raw, headers }: Insertion): void {
  const { at, dedupKey, content, format, caller, eventJson, payload, traceparent = null } = row;
  const isShared = headers.count > 1;
  if (isShared) {
    headers.id ??= seq;
    headers.uses++;
  }
  sql.insertEvent.run(
    seq,
    at.tick,
    Buffer.from(dedupKey, 'hex'),
    format,
    caller,
    isShared ? '' : headers.json,
    eventJson,
    raw,
    checksum({ raw, eventJson, headersJson: headers.json, payload }),
    payload?.start ?? null,
    payload?.end ?? null,
    traceparent,
    content === undefined ? null : Buffer.from(content.key, 'hex'),
    headers.id ?? null,
    at.now - at.tick,
  );
}

function makePending(
  database: JournalDatabase,
  { at, caller, content }: Arrival,
  { seq, bytes }: { readonly seq: number; readonly bytes: number },
): void {
  database.sql.insertFresh.run(seq, at.tick, caller, bytes);
  addPending(database, { caller, bytes });
  if (content === undefined) return;
  database.sql.takeContent.run(Buffer.from(content.key, 'hex'), seq, at.tick + content.windowMs);
}

/** After a batch failed as a whole because of one of its records: each record is stored on its own, with its headers. */
function insertEach(database: JournalDatabase, batch: WriteBatch, time: Time): Stored[] {
  let diskFailed = false;
  return eachRecord(batch, (row, raw) => {
    // The disk may fail between two of them: those before are durable, and those after need not try.
    if (diskFailed) return { kind: 'unstorable' };
    try {
      const headers = { json: headersOf(row, batch.headers), count: 1, uses: 0, id: undefined };
      return database.transaction(() =>
        change(database, time, () => insert(database, arrival(row, time), { raw, headers })),
      );
    } catch (error) {
      diskFailed = heals(error).kind !== 'unstorable';
      return { kind: 'unstorable' };
    }
  });
}

function complete({ database, leases, time, failure }: Completing, completion: Completion): boolean {
  const { seq, attempt, decision } = completion;
  const lease = leases.held(completion);
  if (lease === undefined) return false;
  const { sql } = database;
  // On a full disk, history gives way: a completion must not need a page that the file does not have.
  if (attempt !== undefined && failure?.kind !== 'full') {
    const outcome = JSON.stringify(attempt.outcome);
    sql.insertAttempt.run(seq, attempt.at, lease.delivery, attempt.durationMs, outcome, decision.kind);
    if (isUnmatched(attempt.outcome) && decision.kind === 'complete') sql.insertUnmatched.run(seq);
  }
  const share = removePending(database, lease);
  if (decision.kind === 'retry') {
    const { attempts, uncertain, agesFrom, lastAttemptAt } = decision.history;
    const { caller, bytes } = share;
    sql.wait.run(seq, decision.at, lease.receivedAt, attempts, uncertain, agesFrom, lastAttemptAt, caller, bytes);
    addPending(database, share);
    return true;
  }
  if (decision.kind === 'dead-letter') {
    const detail = attempt !== undefined && 'detail' in attempt.outcome ? attempt.outcome.detail : '';
    giveUp(database, { seq, at: time, reason: decision.reason, detail });
  }
  return true;
}
