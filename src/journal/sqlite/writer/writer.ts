import type { DatabaseSync } from 'node:sqlite';
import type { Time } from '../../../model/clock.ts';
import type { Claim } from '../../../model/delivery.ts';
import type { RegistryEvent } from '../../../model/registry-event.ts';
import type { Act, JournalStats, Pruned, RedeliveryJob, TurnedAwayBatch } from '../../journal.ts';
import { LIMITS } from '../../limits.ts';
import { blockOf } from '../blocks.ts';
import { type Claimed, classify, type ThreadData, type WriteBatch, type WriteResult } from '../protocol.ts';
import { serve } from '../thread.ts';
import { claimDue, Leases } from './claim.ts';
import { noteTurnedAway, pauseState, putRedelivery, redeliveries } from './control.ts';
import { checkedOf, checksum, JournalDatabase, maybeNumber } from './database.ts';
import { discard, reviveDeadLetter } from './dead-letters.ts';
import { inspect } from './inspect.ts';
import { addPending } from './pending.ts';
import { Pruner } from './prune.ts';
import { savedTime } from './saved-time.ts';
import { openForWriting, takeOwnership } from './schema.ts';
import { writeBatch } from './write.ts';

/** Owns the database, and does what the main thread asks, one call after the other. Times are those of the journal's clock, in the main thread. */
export class Writer {
  readonly #owner: DatabaseSync;
  readonly #database: JournalDatabase;
  /** No owner makes a thousand claims a millisecond: no fence of an earlier owner comes again. */
  readonly #leases = new Leases(Date.now() * 1000);
  readonly #pruner: Pruner;

  /** Throws what SQLite throws. */
  constructor(data: ThreadData) {
    this.#owner = takeOwnership(data.path);
    inspect(data.path);
    this.#database = new JournalDatabase(openForWriting(data.path, data.reserveBytes), data);
    this.#pruner = new Pruner(this.#database, data.maxBytes);
  }

  /** What the journal's clock showed last, if it was open before. */
  savedTime(): Time | undefined {
    return savedTime(this.#database.sql);
  }

  /** Commits the batch; then claims what is due, at most `max` events, for a claim that waits. Zero: none waits. */
  write(batch: WriteBatch, max: number, time: Time): WriteResult {
    const result = this.#commit(batch, time);
    // Frees its memory now: an idle thread collects no garbage.
    batch.raw.buffer.transfer(0);
    if (max === 0) return result;
    try {
      const own = bytesBySeq(batch, result);
      return { ...result, claimed: claimDue(this.#database, this.#leases, { max, time, own }) };
    } catch {
      // What was written stays written. The waiting claim asks for itself, and gets the error then.
      return result;
    }
  }

  claim(max: number, time: Time): Claimed {
    return claimDue(this.#database, this.#leases, { max, time });
  }

  renew(claims: readonly Pick<Claim, 'seq' | 'fence'>[], tick: number): void {
    for (const claim of claims) this.#leases.renew(claim, tick);
  }

  wake(spreadMs: number, now: number): void {
    const { sql } = this.#database;
    this.#database.transaction(() => {
      const rows = sql.waitingOldest.all(now, LIMITS.maxWoken);
      for (const [index, row] of rows.entries()) sql.hasten.run(now + index * spreadMs, Number(row['seq']));
    });
  }

  redeliver(seq: number, event: RegistryEvent | undefined, now: number): boolean {
    const { sql } = this.#database;
    return this.#database.transaction(() => {
      const stored = sql.loadEvent.get(seq);
      if (stored === undefined || sql.isFresh.get(seq) || sql.isWaiting.get(seq)) return false;
      const eventJson = event === undefined ? String(stored['event']) : JSON.stringify(event);
      // A damaged record stays damaged: the checksum changes only for a replaced event.
      const sum = event === undefined ? Number(stored['checksum']) : checksum({ ...checkedOf(stored), eventJson });
      sql.renew.run(eventJson, sum, seq);
      if (event !== undefined) sql.noteChange.run(blockOf(seq));
      sql.dropUnmatched.run(seq);
      reviveDeadLetter(this.#database, seq);
      const { caller, bytes } = sql.sizeOf.get(seq) ?? {};
      const share = { caller: String(caller), bytes: Number(bytes) };
      sql.wait.run(seq, now, Number(stored['received_at']), 0, 0, now, 0, share.caller, share.bytes);
      addPending(this.#database, share);
      return true;
    });
  }

  discard(seq: number, by: string, at: Time): boolean {
    return this.#database.transaction(() => discard(this.#database, seq, { at, by }));
  }

  pause(by: string, at: number): void {
    this.#database.transaction(() => this.#database.sql.pause.run(at, by));
  }

  resume(): void {
    this.#database.transaction(() => this.#database.sql.resume.run());
  }

  pauseState(): Act | undefined {
    return this.#database.reading(() => pauseState(this.#database));
  }

  redeliveries(): readonly RedeliveryJob[] {
    return this.#database.reading(() => redeliveries(this.#database));
  }

  putRedelivery(job: RedeliveryJob): void {
    putRedelivery(this.#database, job);
  }

  noteTurnedAway(batch: TurnedAwayBatch, now: number): void {
    noteTurnedAway(this.#database, batch, now);
  }

  /** Times are the journal's, but for that of the pause. */
  stats(): JournalStats {
    const { sql, counters } = this.#database;
    return this.#database.reading(() => {
      const oldestPendingAt = maybeNumber(sql.oldestPending);
      const oldestDeadLetterAt = maybeNumber(sql.oldestDeadLetter);
      const paused = pauseState(this.#database);
      return {
        pending: counters.pending,
        deadLetters: counters.deadLetters,
        discarded: counters.discarded,
        damaged: counters.damaged,
        bytes: this.#database.bytesInUse(),
        ...(paused !== undefined && { paused }),
        ...(oldestPendingAt !== undefined && { oldestPendingAt }),
        ...(oldestDeadLetterAt !== undefined && { oldestDeadLetterAt }),
      };
    });
  }

  prune(time: Time): Pruned {
    return this.#pruner.step(time);
  }

  /** Writes as an append would. Throws when that fails. */
  check(now: number): void {
    const obstacle = this.#database.obstacle();
    if (obstacle !== undefined) throw new Error(obstacle.detail);
    this.#database.transaction(() => this.#database.sql.setMeta.run('checked_at', now));
  }

  close(): void {
    this.#database.close();
    this.#owner.close();
  }

  /** An error that was not foreseen may heal too: it counts as a disk that cannot be written, and is watched like one. */
  #commit(batch: WriteBatch, time: Time): WriteResult {
    try {
      return writeBatch(this.#database, this.#leases, batch, time);
    } catch (error) {
      const { kind, detail } = classify(error);
      if (kind === 'unreadable') throw error;
      return { failure: { kind: 'unwritable', detail } };
    }
  }
}

function bytesBySeq({ records }: WriteBatch, { appended = [] }: WriteResult): ReadonlyMap<number, number> {
  const bytes = new Map<number, number>();
  let start = 0;
  for (const [index, { rawEnd }] of records.entries()) {
    const result = appended[index];
    if (result?.kind === 'kept') bytes.set(result.seq, rawEnd - start);
    start = rawEnd;
  }
  return bytes;
}

serve((data) => new Writer(data));
