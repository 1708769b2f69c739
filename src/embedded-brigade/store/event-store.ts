import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { goTime } from '../go-json.ts';
import { changed, hasEnded, type SourceState, type StoredEvent, type TerminalPhase } from '../stored-event.ts';
import { inTransaction, type Row } from './database.ts';
import { conditionsOf, type EventSelector } from './event-selector.ts';
import { type Condition, count, select } from './select.ts';

const NS_PER_MS = 1_000_000n;

/** The last event of the page before: `created` in nanoseconds since the epoch. */
export interface PageEnd {
  readonly created: bigint;
  readonly id: string;
}

export interface EventPage {
  readonly events: readonly StoredEvent[];
  /** How many more there are. */
  readonly remaining: number;
  /** Set when there are more. */
  readonly end?: PageEnd;
}

/** The events of all projects, in SQLite. Times are kept to the millisecond, as in Brigade's own database. */
export class EventStore {
  readonly #database: DatabaseSync;
  readonly #now: () => bigint;
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;

  /** `now` tells nanoseconds since the epoch. */
  constructor(database: DatabaseSync, now: () => bigint) {
    this.#database = database;
    this.#now = now;
    this.#insert = database.prepare('INSERT INTO events (id, created, document) VALUES (?, ?, ?)');
    this.#select = database.prepare('SELECT document FROM events WHERE id = ?');
    this.#update = database.prepare('UPDATE events SET document = ? WHERE id = ?');
    this.#delete = database.prepare('DELETE FROM events WHERE id = ?');
  }

  /** Keeps the events that came of one request: all of them, or none if it throws. `created` in nanoseconds. */
  add(events: readonly StoredEvent[], created: bigint): void {
    inTransaction(this.#database, () => {
      for (const event of events) {
        const metadata = { ...event.metadata, created: goTime(toMilliseconds(created)) };
        this.#insert.run(metadata.id, created / NS_PER_MS, JSON.stringify(changed(event, { metadata })));
      }
    });
  }

  get(id: string): StoredEvent | undefined {
    const row = this.#select.get(id);
    return row && eventOf(row);
  }

  /** Newest first, and by id where two are equally new. */
  list(selector: EventSelector, limit: number, after?: PageEnd): EventPage {
    const conditions = conditionsOf(selector);
    const here = after ? [...conditions, beyond(after.created / NS_PER_MS, after.id)] : conditions;
    const rows = this.#rows(here, `ORDER BY created DESC, id LIMIT ${limit}`);
    const events = rows.map(eventOf);
    const [last, lastRow] = [events.at(-1), rows.at(-1)];
    if (!last || !lastRow || rows.length < limit) return { events, remaining: 0 };

    const ms = BigInt(Number(lastRow['created']));
    const remaining = count(this.#database, 'events', [...conditions, beyond(ms, last.metadata.id)]);
    return { events, remaining, ...(remaining > 0 && { end: { created: ms * NS_PER_MS, id: last.metadata.id } }) };
  }

  setSourceState(id: string, sourceState: SourceState): void {
    this.#change(id, (event) => changed(event, { sourceState }));
  }

  /** What waits is CANCELED, what runs ABORTED. False when it has ended already, or is not there. */
  cancel(id: string): boolean {
    return this.#change(id, (event) => {
      if (hasEnded(event)) return undefined;
      const phase = event.worker.status.phase === 'PENDING' ? 'CANCELED' : 'ABORTED';
      return withStatus(event, { ...event.worker.status, phase });
    });
  }

  /** Cancels those that have not ended; the ids of those it did. */
  cancelMany(selector: EventSelector): readonly string[] {
    return inTransaction(this.#database, () => this.#idsOf(selector).filter((id) => this.cancel(id)));
  }

  /** The ids of those that it deleted. */
  deleteMany(selector: EventSelector): readonly string[] {
    return inTransaction(this.#database, () => this.#idsOf(selector).filter((id) => this.delete(id)));
  }

  /** False when it is not there. */
  delete(id: string): boolean {
    return this.#delete.run(id).changes > 0;
  }

  /** Those that wait for a worker, the oldest first. */
  nextPending(limit: number): readonly StoredEvent[] {
    return this.#rows(conditionsOf({ workerPhases: ['PENDING'] }), `ORDER BY created, id LIMIT ${limit}`).map(eventOf);
  }

  /** Those whose worker runs, or ran when this process ended without a word. */
  running(): readonly StoredEvent[] {
    return this.#rows(conditionsOf({ workerPhases: ['RUNNING'] }), 'ORDER BY created, id').map(eventOf);
  }

  /** False when it does not wait any more. */
  start(id: string): boolean {
    return this.#change(id, (event) => {
      if (event.worker.status.phase !== 'PENDING') return undefined;
      return withStatus(event, { started: this.#time(), phase: 'RUNNING' });
    });
  }

  /** False when it has ended already, is cancelled, or is not there any more. */
  end(id: string, phase: TerminalPhase): boolean {
    return this.#change(id, (event) => {
      if (hasEnded(event)) return undefined;
      return withStatus(event, { started: event.worker.status.started, ended: this.#time(), phase });
    });
  }

  /** Keeps what the worker said of its work. */
  summarise(id: string, text: string): void {
    this.#change(id, (event) => changed(event, { summary: text || undefined }));
  }

  /** Nothing comes between reading and writing: the file is held by this process, and this is synchronous. */
  #change(id: string, change: (event: StoredEvent) => StoredEvent | undefined): boolean {
    const event = this.get(id);
    const after = event && change(event);
    if (!after) return false;
    this.#update.run(JSON.stringify(after), id);
    return true;
  }

  #idsOf(selector: EventSelector): readonly string[] {
    const rows = select(this.#database, { columns: 'id', from: 'events' }, conditionsOf(selector));
    return rows.map((row) => String(row['id']));
  }

  #rows(conditions: readonly Condition[], tail: string): readonly Row[] {
    return select(this.#database, { columns: 'created, document', from: 'events', tail }, conditions);
  }

  #time(): string {
    return goTime(toMilliseconds(this.#now()));
  }
}

function withStatus(event: StoredEvent, status: StoredEvent['worker']['status']): StoredEvent {
  return changed(event, { worker: { ...event.worker, status } });
}

function toMilliseconds(ns: bigint): bigint {
  return (ns / NS_PER_MS) * NS_PER_MS;
}

function beyond(ms: bigint, id: string): Condition {
  return { sql: '(created < ? OR (created = ? AND id > ?))', parameters: [ms, ms, id] };
}

function eventOf(row: Row): StoredEvent {
  const event: StoredEvent = JSON.parse(String(row['document']));
  return event;
}
