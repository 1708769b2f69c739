import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { Row } from './database.ts';

/** A part of a WHERE clause. */
export interface Condition {
  readonly sql: string;
  readonly parameters: readonly SQLInputValue[];
}

/** The rows for which all conditions hold. `columns`, `from` and `tail` are SQL, never a text of a client. */
export function select(
  database: DatabaseSync,
  { columns, from, tail = '' }: { readonly columns: string; readonly from: string; readonly tail?: string },
  conditions: readonly Condition[],
): readonly Row[] {
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}`;
  const parameters = conditions.flatMap((condition) => condition.parameters);
  return database.prepare(`SELECT ${columns} FROM ${from} ${where} ${tail}`).all(...parameters);
}

export function count(database: DatabaseSync, from: string, conditions: readonly Condition[]): number {
  return Number(select(database, { columns: 'count(*) AS count', from }, conditions)[0]?.['count']);
}

export function equals(column: string, value: string | undefined): readonly Condition[] {
  return value === undefined ? [] : [{ sql: `${column} = ?`, parameters: [value] }];
}

/** Of what is listed in the order of a key, some. */
export interface Page<T> {
  readonly items: readonly T[];
  /** How many more there are. */
  readonly remaining: number;
}

export interface PageRequest {
  readonly limit: number;
  /** The key of the last item of the page before. */
  readonly after?: readonly string[];
}

/** A page of a table in the order of its key columns. */
export function selectPage(
  database: DatabaseSync,
  table: { readonly columns: string; readonly from: string; readonly key: readonly string[] },
  conditions: readonly Condition[],
  { limit, after }: PageRequest,
): Page<Row> {
  const beyond = after && [{ sql: `(${table.key.join()}) > (${after.map(() => '?').join()})`, parameters: after }];
  const found = [...conditions, ...(beyond ?? [])];
  const items = select(database, { ...table, tail: `ORDER BY ${table.key.join()} LIMIT ${limit}` }, found);
  return { items, remaining: items.length < limit ? 0 : count(database, table.from, found) - items.length };
}
