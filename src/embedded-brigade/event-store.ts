import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { inTransaction, type Row } from './database.ts';
import { goTime } from './go-json.ts';
import type { StoredEvent } from './stored-event.ts';

type Texts = Readonly<Record<string, string>>;

const NS_PER_MS = 1_000_000n;

/** Which events to list: those that satisfy all that is given. Of the maps an event must have at least the pairs named. */
export interface EventSelector {
  readonly projectID?: string;
  readonly source?: string;
  readonly type?: string;
  readonly workerPhases?: readonly string[];
  readonly qualifiers?: Texts;
  readonly labels?: Texts;
  readonly sourceState?: Texts;
}

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
  readonly #insert: StatementSync;
  readonly #select: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#insert = database.prepare('INSERT INTO events (id, created, document) VALUES (?, ?, ?)');
    this.#select = database.prepare('SELECT document FROM events WHERE id = ?');
  }

  /** Keeps the events that came of one request: all of them, or none if it throws. `created` in nanoseconds. */
  add(events: readonly StoredEvent[], created: bigint): void {
    const ms = created / NS_PER_MS;
    inTransaction(this.#database, () => {
      for (const event of events) {
        const metadata = { ...event.metadata, created: goTime(ms * NS_PER_MS) };
        this.#insert.run(metadata.id, ms, JSON.stringify({ ...event, metadata }));
      }
    });
  }

  get(id: string): StoredEvent | undefined {
    const row = this.#select.get(id);
    return row && eventOf(row);
  }

  /** Newest first, and by id where two are equally new. */
  list(selector: EventSelector, limit: number, after?: PageEnd): EventPage {
    const conditions = [...conditionsOf(selector), ...(after ? [beyond(after.created / NS_PER_MS, after.id)] : [])];
    const rows = this.#query('created, document', conditions, `ORDER BY created DESC, id LIMIT ${limit}`);
    const events = rows.map(eventOf);
    const [last, lastRow] = [events.at(-1), rows.at(-1)];
    if (!last || !lastRow || rows.length < limit) return { events, remaining: 0 };

    const end = { created: BigInt(Number(lastRow['created'])) * NS_PER_MS, id: last.metadata.id };
    const more = [...conditionsOf(selector), beyond(end.created / NS_PER_MS, end.id)];
    const remaining = Number(this.#query('count(*) AS count', more, '')[0]?.['count']);
    return { events, remaining, ...(remaining > 0 && { end }) };
  }

  #query(columns: string, conditions: readonly Condition[], tail: string): readonly Row[] {
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}`;
    const parameters = conditions.flatMap((condition) => condition.parameters);
    return this.#database.prepare(`SELECT ${columns} FROM events ${where} ${tail}`).all(...parameters);
  }
}

interface Condition {
  readonly sql: string;
  readonly parameters: readonly SQLInputValue[];
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

function equals(column: string, value: string | undefined): readonly Condition[] {
  return value === undefined ? [] : [{ sql: `${column} = ?`, parameters: [value] }];
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

function beyond(ms: bigint, id: string): Condition {
  return { sql: '(created < ? OR (created = ? AND id > ?))', parameters: [ms, ms, id] };
}

function eventOf(row: Row): StoredEvent {
  const event: StoredEvent = JSON.parse(String(row['document']));
  return event;
}
