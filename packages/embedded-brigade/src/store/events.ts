import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { changed, hasEnded, type SourceState, type StoredEvent, type TerminalPhase } from '../event.ts';
import { goTime } from '../go.ts';
import { type Condition, count, equals, inTransaction, type Row, select } from './database.ts';

const NS_PER_MS = 1_000_000n;

type Texts = Readonly<Record<string, string>>;

/** Selects the events that fulfil every condition given. An event must have at least the pairs of each map. */
export interface EventSelector {
  readonly projectID?: string;
  readonly source?: string;
  readonly type?: string;
  readonly workerPhases?: readonly string[];
  readonly qualifiers?: Texts;
  readonly labels?: Texts;
  readonly sourceState?: Texts;
}

/** The last event of the previous page: `created` in nanoseconds since the epoch. */
export interface PageEnd {
  readonly created: bigint;
  readonly id: string;
}

export interface EventPage {
  readonly events: readonly StoredEvent[];
  /** How many more there are. */
  readonly remaining: number;
  /** Present if there are more. */
  readonly end?: PageEnd;
}

/**
 * The events of all projects, in SQLite. Times are stored to the millisecond, as in Brigade's own database.
 *
 * Each change is durable when the method returns. An event that has ended or is gone is never changed to another phase.
 */
export class EventStore {
  readonly #database: DatabaseSync;
  readonly #now: () => bigint;
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;

  /** `now` is in nanoseconds since the epoch. */
  constructor(database: DatabaseSync, now: () => bigint) {
    this.#database = database;
    this.#now = now;
    this.#insert = database.prepare('INSERT INTO events (id, created, document) VALUES (?, ?, ?)');
    this.#select = database.prepare('SELECT document FROM events WHERE id = ?');
    this.#update = database.prepare('UPDATE events SET document = ? WHERE id = ?');
    this.#delete = database.prepare('DELETE FROM events WHERE id = ?');
  }

  /** Stores the events of one request: all of them, or none if it throws. `created` is in nanoseconds. */
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

  /** Newest first; by id if two are equally new. */
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

  /** A pending event becomes CANCELED, a running one ABORTED. False if it has ended already or does not exist. */
  cancel(id: string): boolean {
    return this.#change(id, (event) => {
      if (hasEnded(event)) return undefined;
      const phase = event.worker.status.phase === 'PENDING' ? 'CANCELED' : 'ABORTED';
      return withStatus(event, { ...event.worker.status, phase });
    });
  }

  /** Cancels the events that have not ended, and returns their ids. */
  cancelMany(selector: EventSelector): readonly string[] {
    return inTransaction(this.#database, () => this.#idsOf(selector).filter((id) => this.cancel(id)));
  }

  /** Returns the ids of the deleted events. */
  deleteMany(selector: EventSelector): readonly string[] {
    return inTransaction(this.#database, () => this.#idsOf(selector).filter((id) => this.delete(id)));
  }

  /** False if it does not exist. */
  delete(id: string): boolean {
    return this.#delete.run(id).changes > 0;
  }

  /** Pending events, the oldest first. */
  nextPending(limit: number): readonly StoredEvent[] {
    return this.#rows(conditionsOf({ workerPhases: ['PENDING'] }), `ORDER BY created, id LIMIT ${limit}`).map(eventOf);
  }

  /** Events whose worker runs. At start: events whose worker ended with the program. */
  running(): readonly StoredEvent[] {
    return this.#rows(conditionsOf({ workerPhases: ['RUNNING'] }), 'ORDER BY created, id').map(eventOf);
  }

  /** From PENDING to RUNNING. False if it is no longer pending. */
  start(id: string): boolean {
    return this.#change(id, (event) => {
      if (event.worker.status.phase !== 'PENDING') return undefined;
      return withStatus(event, { started: this.#time(), phase: 'RUNNING' });
    });
  }

  /** False if it has ended already, was canceled, or no longer exists. */
  end(id: string, phase: TerminalPhase): boolean {
    return this.#change(id, (event) => {
      if (hasEnded(event)) return undefined;
      return withStatus(event, { started: event.worker.status.started, ended: this.#time(), phase });
    });
  }

  /** Stores the short text that the worker returned. */
  summarize(id: string, text: string): void {
    this.#change(id, (event) => changed(event, { summary: text || undefined }));
  }

  /** Atomic: this process alone holds the file, and this is synchronous. */
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

function conditionsOf(selector: EventSelector): readonly Condition[] {
  return [
    ...equals('project', selector.projectID),
    ...equals('source', selector.source),
    ...equals('type', selector.type),
    ...oneOf('phase', selector.workerPhases),
    ...has('$.qualifiers', selector.qualifiers),
    ...has('$.labels', selector.labels),
    ...has('$.sourceState.state', selector.sourceState),
  ];
}

function oneOf(column: string, values: readonly string[] | undefined): readonly Condition[] {
  return values === undefined
    ? []
    : [{ sql: `${column} IN (SELECT value FROM json_each(?))`, parameters: [JSON.stringify(values)] }];
}

function has(path: string, pairs: Texts | undefined): readonly Condition[] {
  return Object.entries(pairs ?? {}).map(([key, value]) => ({
    sql: `EXISTS (SELECT 1 FROM json_each(document, '${path}') WHERE key = ? AND value = ?)`,
    parameters: [key, value],
  }));
}
