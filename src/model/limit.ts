/** A limit that the gateway enforces. `docs/limits.md` is generated from the tables of these. */
export interface Limit {
  readonly value: number;
  /** A `share` is a part of what `about` names. */
  readonly unit: 'bytes' | 'ms' | 's' | 'characters' | 'count' | 'share';
  /** What is limited, and the reason for the number. Markdown, like the two below. */
  readonly about: string;
  /** What happens at the limit. */
  readonly at: string;
  /** Who notices. */
  readonly affects: string;
}

export type LimitTable = Readonly<Record<string, Limit>>;

/** The numbers of a table, by their names. */
export type LimitValues<Table extends LimitTable> = { readonly [Name in keyof Table]: number };

export function valuesOf<Table extends LimitTable>(table: Table): LimitValues<Table> {
  const values = Object.entries(table).map(([name, { value }]) => [name, value]);
  return Object.fromEntries(values) as LimitValues<Table>;
}
