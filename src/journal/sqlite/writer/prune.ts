import type { Time } from '../../../model/clock.ts';
import type { Pruned } from '../../journal.ts';
import { LIMITS } from '../../limits.ts';
import { blockOf } from '../blocks.ts';
import { type Row, toHex } from '../row.ts';
import type { JournalDatabase } from './database.ts';
import { pruneDeadLetters, removeRecord } from './dead-letters.ts';
import { saveTime } from './saved-time.ts';

/** Records looked at in one step: some milliseconds, in which no append is committed. */
const STEP = 200;

/** Walks the records from the oldest on, a step at a time, and removes what is past its retention. */
export class Pruner {
  readonly #database: JournalDatabase;
  readonly #maxBytes: number;
  #after = 0;

  constructor(database: JournalDatabase, maxBytes: number) {
    this.#database = database;
    this.#maxBytes = maxBytes;
  }

  /** There may be more until the walk reaches the end. The next step then begins from the oldest again. */
  step(time: Time): Pruned {
    const pruned = this.#database.transactionThatFrees(() => this.#prune(time));
    return pruned.mayBeMore ? pruned : { ...pruned, mayBeMore: this.#database.tidy() };
  }

  #prune(time: Time): Pruned {
    const { sql, counters } = this.#database;
    const now = time.tick;
    // History gives way also when there is no room for new events, whatever filled the disk.
    const tooLarge = this.#database.bytesInUse() > this.#maxBytes || !this.#database.hasRoom();
    saveTime(sql, time);
    const deadLetters = pruneDeadLetters(this.#database, now, STEP);
    const rows = sql.scan.all(this.#after, STEP);
    const old = rows.filter((row) => mayGo(row, now, tooLarge));
    for (const row of old) removeRecord(this.#database, row, now);
    // A seq is never used again, also when the newest record is the one that goes.
    if (old.length > 0) sql.setMeta.run('last_seq', counters.nextSeq - 1);
    if (this.#after === 0) sql.deleteChanges.run(blockOf(Number(rows[0]?.['seq'] ?? counters.nextSeq)));
    this.#moveOn(rows, now, tooLarge);
    const keys = this.#removeExpiredKeys(now) + Number(sql.deleteContents.run(now, STEP).changes);
    const gone = deadLetters + old.length + keys;
    const { early } = counters;
    counters.early = new Map();
    return { gone, mayBeMore: gone > 0 || this.#after > 0, early };
  }

  #moveOn(rows: readonly Row[], now: number, tooLarge: boolean): void {
    const last = rows.at(-1);
    const seesTheEnd = last === undefined || rows.length < STEP;
    const isYoung = last !== undefined && Number(last['received_at']) > now - LIMITS.deliveredMs;
    this.#after = seesTheEnd || (isYoung && !tooLarge) ? 0 : Number(last['seq']);
  }

  #removeExpiredKeys(now: number): number {
    const { sql, keys } = this.#database;
    const rows = sql.expiredKeys.all(now - LIMITS.keysMs, STEP);
    for (const row of rows) {
      const seq = Number(row['seq']);
      keys.delete(toHex(row['key']), seq);
      sql.deleteExpiredKey.run(seq);
    }
    return rows.length;
  }
}

function mayGo(row: Row, now: number, tooLarge: boolean): boolean {
  if (row['pending'] === 1) return false;
  const { dead_lettered_at: deadLetteredAt, discarded_at: discardedAt } = row;
  if (typeof deadLetteredAt === 'number') return deadLetteredAt <= now - LIMITS.deadLettersMs;
  return tooLarge || Number(discardedAt ?? row['received_at']) <= now - LIMITS.deliveredMs;
}
