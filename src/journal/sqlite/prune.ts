import type { SQLOutputValue } from 'node:sqlite';
import type { Pruned } from '../journal.ts';
import { blob, type JournalDatabase } from './database.ts';

const DAY_MS = 86_400_000;

/** How long completed history is kept, and how long a key is remembered. */
const HISTORY_MS = 7 * DAY_MS;

/** How long an operator has to look at a dead letter. */
const DEAD_LETTER_MS = 30 * DAY_MS;

/** Records looked at in one step: some milliseconds, in which no append is committed. */
const STEP = 200;

/** Walks the records from the oldest on, a step at a time, and forgets what has had its time. */
export class Pruner {
  readonly #database: JournalDatabase;
  readonly #maxBytes: number;
  #after = 0;

  constructor(database: JournalDatabase, maxBytes: number) {
    this.#database = database;
    this.#maxBytes = maxBytes;
  }

  /** There may be more until the walk is through, and begins anew next time. */
  step(now: number): Pruned {
    const { sql, counters } = this.#database;
    // History gives way also when there is no room for new events, whoever filled the disk.
    const tooLarge = this.#database.bytesInUse() > this.#maxBytes || !this.#database.hasRoom();
    return this.#database.transaction(() => {
      const rows = sql.scan.all(this.#after, STEP);
      const gone = rows.filter((row) => mayGo(row, now, tooLarge));
      for (const row of gone) this.#forget(row, now);
      // A seq is never used again, also when the newest record is the one that goes.
      if (gone.length > 0) sql.remember.run('last_seq', counters.nextSeq - 1);
      this.#moveOn(rows, now, tooLarge);
      const keys = this.#forgetKeys(now) + Number(sql.forgetContent.run(now, STEP).changes);
      return { gone: gone.length + keys, mayBeMore: gone.length + keys > 0 || this.#after > 0 };
    });
  }

  #moveOn(rows: readonly Record<string, SQLOutputValue>[], now: number, tooLarge: boolean): void {
    const last = rows.at(-1);
    const seesTheEnd = last === undefined || rows.length < STEP;
    const isYoung = last !== undefined && Number(last['received_at']) > now - HISTORY_MS;
    this.#after = seesTheEnd || (isYoung && !tooLarge) ? 0 : Number(last['seq']);
  }

  #forget(row: Record<string, SQLOutputValue>, now: number): void {
    const { sql, counters, keys } = this.#database;
    const seq = Number(row['seq']);
    const key = blob(row['dedup_key']);
    const receivedAt = Number(row['received_at']);
    sql.forgetEvent.run(seq);
    sql.forgetAttempts.run(seq);
    if (sql.unbury.run(seq).changes === 1) counters.dead--;
    if (receivedAt > now - HISTORY_MS) sql.keepKey.run(seq, key, receivedAt);
    else keys.forget(toHex(key), seq);
  }

  #forgetKeys(now: number): number {
    const { sql, keys } = this.#database;
    const rows = sql.expiredKeys.all(now - HISTORY_MS, STEP);
    for (const row of rows) {
      const seq = Number(row['seq']);
      keys.forget(toHex(blob(row['key'])), seq);
      sql.dropExpired.run(seq);
    }
    return rows.length;
  }
}

function toHex(key: Uint8Array): string {
  return Buffer.from(key).toString('hex');
}

function mayGo(row: Record<string, SQLOutputValue>, now: number, tooLarge: boolean): boolean {
  if (row['pending'] === 1) return false;
  const deadLetteredAt = row['dead_lettered_at'];
  if (typeof deadLetteredAt === 'number') return deadLetteredAt <= now - DEAD_LETTER_MS;
  return tooLarge || Number(row['received_at']) <= now - HISTORY_MS;
}
