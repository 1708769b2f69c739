import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** A line of a worker's log. */
export interface LogLine {
  /** Milliseconds since the epoch. */
  readonly ms: number;
  readonly text: string;
}

export interface LogPart {
  readonly lines: readonly LogLine[];
  /** Where to read on. */
  readonly next: number;
}

/** A table that hangs on that of the events: what goes with an event goes from here too. */
export const EVENT_LOGS_MIGRATION = `CREATE TABLE event_logs (
     seq INTEGER PRIMARY KEY,
     event TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
     bytes INTEGER NOT NULL,
     lines TEXT NOT NULL
   ) STRICT;
   CREATE INDEX logs_of_an_event ON event_logs (event, seq);`;

/** Of all logs together. Above it logs are forgotten, oldest first, until an eighth is free again. */
const MAX_BYTES = 64 * 1024 * 1024;

/** After this a waiting reader looks again even if nobody told of a change, such as the deletion of the event. */
const LOOK_AGAIN_MS = 1000;

/**
 * What the workers of all events printed.
 *
 * A log is no event: a part of it is committed but not synced. A crash of the program loses none, one of the machine may,
 * and whoever syncs events on the same disk need not wait for it.
 */
export class EventLogs {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  readonly #deleteOldest: StatementSync;
  readonly #maxBytes: number;
  readonly #waiting = new Map<string, Set<() => void>>();
  /** Never less than what there is: logs that go with their event are counted until the next clean-up. */
  #bytes: number;

  constructor(database: DatabaseSync, maxBytes: number = MAX_BYTES) {
    this.#database = database;
    this.#maxBytes = maxBytes;
    this.#insert = database.prepare(
      'INSERT INTO event_logs (event, bytes, lines) SELECT id, ?, ? FROM events WHERE id = ?',
    );
    this.#select = database.prepare(
      'SELECT seq, lines FROM event_logs WHERE event = ? AND seq > ? ORDER BY seq LIMIT 1',
    );
    this.#deleteOldest = database.prepare(
      `DELETE FROM event_logs WHERE event = (SELECT event FROM event_logs ORDER BY seq LIMIT 1) RETURNING bytes`,
    );
    this.#bytes = this.#count();
  }

  /** Keeps a part of a log, unless its event is gone. */
  append(event: string, lines: readonly LogLine[]): void {
    const json = JSON.stringify(lines.map(({ ms, text }) => [ms, text]));
    const bytes = Buffer.byteLength(json);
    this.#database.exec('PRAGMA synchronous = NORMAL');
    try {
      this.#insert.run(bytes, json, event);
      this.#bytes += bytes;
      if (this.#bytes > this.#maxBytes) this.#cleanUp();
    } finally {
      this.#database.exec('PRAGMA synchronous = FULL');
    }
    this.tell(event);
  }

  /** The part after one that was read before, or after 0 the first; undefined when there is no more yet. */
  read(event: string, after: number): LogPart | undefined {
    const row = this.#select.get(event, after);
    if (!row) return undefined;
    const lines: [ms: number, text: string][] = JSON.parse(String(row['lines']));
    return { lines: lines.map(([ms, text]) => ({ ms, text })), next: Number(row['seq']) };
  }

  /** Tells those who wait that the event or its log changed. */
  tell(event: string): void {
    for (const wake of this.#waiting.get(event) ?? []) wake();
  }

  /** Resolves when the event or its log changed, at the latest after a second, and at once when the signal is aborted. */
  changed(event: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    const waiting = this.#waiting.get(event) ?? new Set();
    this.#waiting.set(event, waiting);
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        waiting.delete(wake);
        if (waiting.size === 0) this.#waiting.delete(event);
        resolve();
      };
      const timer = setTimeout(wake, LOOK_AGAIN_MS);
      signal.addEventListener('abort', wake);
      waiting.add(wake);
    });
  }

  #cleanUp(): void {
    this.#bytes = this.#count();
    if (this.#bytes <= this.#maxBytes) return;
    while (this.#bytes > (this.#maxBytes * 7) / 8) {
      for (const row of this.#deleteOldest.all()) this.#bytes -= Number(row['bytes']);
    }
  }

  #count(): number {
    return Number(this.#database.prepare('SELECT total(bytes) AS bytes FROM event_logs').get()?.['bytes']);
  }
}
