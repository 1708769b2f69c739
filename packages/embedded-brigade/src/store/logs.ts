import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** A line of a worker's log. */
export interface LogLine {
  /** Milliseconds since the epoch. */
  readonly ms: number;
  readonly text: string;
}

export interface LogPart {
  readonly lines: readonly LogLine[];
  /** Where the next part begins. */
  readonly next: number;
}

/** All logs together. Above it the oldest logs are pruned until an eighth is free. */
const MAX_BYTES = 64 * 1024 * 1024;

/** A waiting reader looks again after this time even without a notification, milliseconds. */
const LOOK_AGAIN_MS = 1000;

/**
 * The output of the workers of all events.
 *
 * A part of a log is committed but not synced, so that events on the same disk do not wait for it. A crash of the program
 * loses nothing; a crash of the machine may lose the last lines.
 */
export class EventLogs {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  readonly #deleteOldest: StatementSync;
  readonly #maxBytes: number;
  readonly #waiting = new Map<string, Set<() => void>>();
  /** Never too low: logs deleted with their event are counted until the next pruning. */
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

  /** Stores a part of a log, unless its event is gone. */
  append(event: string, lines: readonly LogLine[]): void {
    const json = JSON.stringify(lines.map(({ ms, text }) => [ms, text]));
    const bytes = Buffer.byteLength(json);
    this.#database.exec('PRAGMA synchronous = NORMAL');
    try {
      this.#insert.run(bytes, json, event);
      this.#bytes += bytes;
      if (this.#bytes > this.#maxBytes) this.#prune();
    } finally {
      this.#database.exec('PRAGMA synchronous = FULL');
    }
    this.notify(event);
  }

  /** The part after `after`, which is the `next` of a part or 0 for the first. Undefined if there is none yet. */
  read(event: string, after: number): LogPart | undefined {
    const row = this.#select.get(event, after);
    if (!row) return undefined;
    const lines: [ms: number, text: string][] = JSON.parse(String(row['lines']));
    return { lines: lines.map(([ms, text]) => ({ ms, text })), next: Number(row['seq']) };
  }

  /** Wakes readers that wait for a change of the event or of its log. */
  notify(event: string): void {
    for (const wake of this.#waiting.get(event) ?? []) wake();
  }

  /** Resolves when the event or its log changes, after a second at the latest, and at once if the signal is aborted. */
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

  #prune(): void {
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
