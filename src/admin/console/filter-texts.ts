import { read } from '../../config/schema.ts';
import type { EventFilter } from '../../journal/journal.ts';
import { printable } from '../../model/printable.ts';
import * as schemas from '../api/schemas.ts';

/** A filter as an address and a form have it. */
export type FilterTexts = Readonly<Record<string, string>>;

/** Without the fields of a form that were left empty. */
export function givenTexts(texts: FilterTexts): FilterTexts {
  return Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== ''));
}

/** Undefined if it is not a filter, or has no condition: a change of all events is always a mistake. */
export function filterIn(texts: FilterTexts, now: number): EventFilter | undefined {
  const query = read(schemas.filterQuery, texts);
  const isEmpty = Object.keys(texts).length === 0;
  return query.kind === 'issues' || isEmpty ? undefined : schemas.filterOf(query.value, now);
}

export function textsOf({ from, until, ...exact }: EventFilter): FilterTexts {
  const times = Object.entries({ from, until }).filter(([, at]) => at !== undefined);
  return Object.fromEntries([
    ...Object.entries(exact).map(([name, value]) => [name, String(value)]),
    ...times.map(([name, at]) => [name, new Date(at ?? 0).toISOString()]),
  ]);
}

/** `repository team/*, state dead-lettered` */
export function inWords(filter: EventFilter): string {
  const conditions = Object.entries(textsOf(filter)).map(([name, value]) => `${name} ${printable(value)}`);
  return conditions.join(', ') || 'all events';
}
