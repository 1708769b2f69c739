import { type Pruned, RETENTION } from '../../journal.ts';
import { blob, type Row } from '../row.ts';
import type { JournalDatabase } from './database.ts';

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
  step(now: number): Pruned {
    const { sql, counters } = this.#database;
    // History gives way also when there is no room for new events, whatever filled the disk.
    const tooLarge = this.#database.bytesInUse() > this.#maxBytes || !this.#database.hasRoom();
    return this.#database.transaction(() => {
      const rows = sql.scan.all(this.#after, STEP);
      const gone = rows.filter((row) => mayGo(row, now, tooLarge));
      for (const row of gone) this.#remove(row, now);
      // A seq is never used again, also when the newest record is the one that goes.
      if (gone.length > 0) sql.setMeta.run('last_seq', counters.nextSeq - 1);
      this.#moveOn(rows, now, tooLarge);
      const keys = this.#removeExpiredKeys(now) + Number(sql.deleteContents.run(now, STEP).changes);
      return { gone: gone.length + keys, mayBeMore: gone.length + keys > 0 || this.#after > 0 };
    });
  }

  #moveOn(rows: readonly Row[], now: number, tooLarge: boolean): void {
    const last = rows.at(-1);
    const seesTheEnd = last === undefined || rows.length < STEP;
    const isYoung = last !== undefined && Number(last['received_at']) > now - RETENTION.deliveredMs;
    this.#after = seesTheEnd || (isYoung && !tooLarge) ? 0 : Number(last['seq']);
  }

  #remove(row: Row, now: number): void {
    const { sql, counters, keys } = this.#database;
    const seq = Number(row['seq']);
    const key = blob(row['dedup_key']);
    const receivedAt = Number(row['received_at']);
    sql.deleteEvent.run(seq);
    sql.deleteAttempts.run(seq);
    if (sql.dropDeadLetter.run(seq).changes === 1) counters.deadLetters--;
    if (receivedAt > now - RETENTION.keysMs) sql.keepKey.run(seq, key, receivedAt);
    else keys.delete(toHex(key), seq);
  }

  #removeExpiredKeys(now: number): number {
    const { sql, keys } = this.#database;
    const rows = sql.expiredKeys.all(now - RETENTION.keysMs, STEP);
    for (const row of rows) {
      const seq = Number(row['seq']);
      keys.delete(toHex(blob(row['key'])), seq);
      sql.deleteExpiredKey.run(seq);
    }
    return rows.length;
  }
}

function toHex(key: Uint8Array): string {
  return Buffer.from(key).toString('hex');
}

function mayGo(row: Row, now: number, tooLarge: boolean): boolean {
  if (row['pending'] === 1) return false;
  const deadLetteredAt = row['dead_lettered_at'];
  if (typeof deadLetteredAt === 'number') return deadLetteredAt <= now - RETENTION.deadLettersMs;
  return tooLarge || Number(row['received_at']) <= now - RETENTION.deliveredMs;
}
