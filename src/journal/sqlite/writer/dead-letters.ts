import type { Time } from '../../../model/clock.ts';
import type { DeadLetterReason } from '../../../model/receipt.ts';
import { releasesKey } from '../../journal.ts';
import { LIMITS } from '../../limits.ts';
import { blockOf } from '../blocks.ts';
import { type Row, toHex } from '../row.ts';
import type { JournalDatabase } from './database.ts';

export interface NewDeadLetter {
  readonly seq: number;
  readonly at: Time;
  readonly reason: DeadLetterReason;
  readonly detail: string;
  /** Its part of headers that are not stored yet. */
  readonly headerBytes?: number;
}

/** Makes the record a dead letter. Afterwards, `pruneDeadLetters` keeps it within its share. */
export function addDeadLetter({ sql, counters }: JournalDatabase, deadLetter: NewDeadLetter): void {
  const { seq, at, reason, detail, headerBytes = 0 } = deadLetter;
  sql.deadLetter.run(at.tick, at.now - at.tick, reason, detail, headerBytes, seq);
  counters.deadLetters++;
}

/** Makes a pending event a dead letter. It may have taken a content. */
export function giveUp(database: JournalDatabase, deadLetter: NewDeadLetter): void {
  addDeadLetter(database, deadLetter);
  if (releasesKey(deadLetter.reason)) database.sql.releaseContent.run(deadLetter.seq);
}

/** False: it is no dead letter. */
export function discard({ sql, counters }: JournalDatabase, seq: number, { at, by }: Discard): boolean {
  if (sql.discard.run(at.tick, at.now - at.tick, by, seq).changes === 0) return false;
  sql.dropDeadLetter.run(seq);
  counters.deadLetters--;
  counters.discarded++;
  return true;
}

export interface Discard {
  readonly at: Time;
  readonly by: string;
}

/** The record is to be delivered again: it takes its key, unless another record has it. */
export function reviveDeadLetter(database: JournalDatabase, seq: number): void {
  if (!dropGivenUp(database, seq)) return;
  const { sql, keys } = database;
  const key = String(sql.keyOf.get(seq)?.['key']);
  const owner = keys.find(key);
  if (owner === undefined || sql.hasReleasedKey.get(owner) !== undefined) keys.take(key, seq);
}

/** It is no dead letter any more, discarded or not. False: it was none. */
function dropGivenUp({ sql, counters }: JournalDatabase, seq: number): boolean {
  const deadLetters = Number(sql.dropDeadLetter.run(seq).changes);
  const discarded = Number(sql.dropDiscarded.run(seq).changes);
  counters.deadLetters -= deadLetters;
  counters.discarded -= discarded;
  return deadLetters + discarded > 0;
}

/** Deletes at most `max` dead letters, the oldest of the caller that has most, while they take more than their share. */
export function pruneDeadLetters(database: JournalDatabase, now: number, max: number): number {
  const { sql, counters } = database;
  let gone = 0;
  while (gone < max) {
    const most = sql.mostDeadLetters.get();
    const excess = excessBytes(most, database.maxBytes);
    if (excess <= 0) break;
    const caller = String(most?.['caller']);
    const count = removeOldest(database, { caller, excess, max: max - gone }, now);
    if (count === 0) break;
    counters.early = new Map(counters.early).set(caller, (counters.early.get(caller) ?? 0) + count);
    gone += count;
  }
  if (gone > 0) sql.setMeta.run('last_seq', counters.nextSeq - 1);
  return gone;
}

/** How much the caller that has most should give. */
function excessBytes(most: Row | undefined, maxBytes: number): number {
  if (most === undefined) return 0;
  const ofCaller = Number(most['bytes']) - maxBytes * LIMITS.maxCallerDeadLetters;
  const ofAll = Number(most['total']) - maxBytes * LIMITS.maxDeadLetters;
  // Where all have too much, one record: then another caller may have most.
  return Math.max(ofCaller, Math.min(ofAll, 1));
}

interface Excess {
  readonly caller: string;
  readonly excess: number;
  readonly max: number;
}

/** Leaves the newest. */
function removeOldest(database: JournalDatabase, { caller, excess, max }: Excess, now: number): number {
  const rows = database.sql.oldestDeadLetters.all(caller, max + 1).slice(0, -1);
  let [freed, count] = [0, 0];
  for (const row of rows) {
    if (freed >= excess) break;
    removeRecord(database, row, now);
    freed += Number(row['bytes']);
    count++;
  }
  return count;
}

/**
 * Deletes a record that is not pending, given its `seq`, `dedup_key`, `received_at` and `shared_headers`, and the `reason` if it
 * is a dead letter or was one.
 */
export function removeRecord(database: JournalDatabase, row: Row, now: number): void {
  const { sql, keys } = database;
  const seq = Number(row['seq']);
  const key = toHex(row['dedup_key']);
  const receivedAt = Number(row['received_at']);
  sql.deleteEvent.run(seq);
  sql.deleteAttempts.run(seq);
  sql.dropUnmatched.run(seq);
  sql.noteChange.run(blockOf(seq));
  dropGivenUp(database, seq);
  if (typeof row['shared_headers'] === 'number') {
    sql.releaseHeaders.run(row['shared_headers']);
    sql.deleteHeaders.run(row['shared_headers']);
  }
  // Another record may have its key.
  const keepsKey = receivedAt > now - LIMITS.keysMs && !releasesKey(row['reason']) && keys.find(key) === seq;
  if (keepsKey) sql.keepKey.run(seq, row['dedup_key'] ?? null, receivedAt);
  else keys.delete(key, seq);
}
