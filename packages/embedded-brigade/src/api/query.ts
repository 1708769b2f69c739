import type { EventSelector, PageEnd } from '../store/events.ts';
import type { ApiContext } from './app.ts';

interface BadQuery {
  readonly kind: 'bad';
  readonly reason: string;
}

export type SelectorQuery = { readonly kind: 'read'; readonly selector: EventSelector } | BadQuery;

export type ListQuery =
  | { readonly kind: 'read'; readonly selector: EventSelector; readonly limit: number; readonly after?: PageEnd }
  | BadQuery
  /** The `continue` is not one of ours. Brigade answers that with 500. */
  | { readonly kind: 'lost' };

export type PageQuery = { readonly kind: 'read'; readonly limit: number; readonly after: string } | BadQuery;

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 100;

const TEXTS = ['projectID', 'source', 'type'] as const;
const MAPS = ['qualifiers', 'labels', 'sourceState'] as const;

/** Which events a query selects. An empty parameter counts as absent. If one is repeated, the first counts. */
export function readSelector(c: ApiContext): SelectorQuery {
  const selector: { -readonly [Field in keyof EventSelector]: EventSelector[Field] } = {};
  for (const name of TEXTS) {
    const text = c.req.query(name);
    if (text) selector[name] = text;
  }
  for (const name of MAPS) {
    const text = c.req.query(name);
    if (!text) continue;
    const pairs = readPairs(text);
    if (!pairs) return bad(name, text);
    selector[name] = pairs;
  }
  const phases = c.req.query('workerPhases');
  if (phases) selector.workerPhases = phases.split(',');
  return { kind: 'read', selector };
}

/** Which page of which events to list. */
export function readListQuery(c: ApiContext): ListQuery {
  const selected = readSelector(c);
  if (selected.kind === 'bad') return selected;
  const page = readPageQuery(c);
  if (page.kind === 'bad') return page;
  const { selector } = selected;
  const { limit } = page;
  if (page.after === '') return { kind: 'read', selector, limit };
  const after = readContinue(page.after);
  return after ? { kind: 'read', selector, limit, after } : { kind: 'lost' };
}

/** Which page to list; an empty `after` is the beginning. */
export function readPageQuery(c: ApiContext): PageQuery {
  const text = c.req.query('limit');
  const limit = text ? readLimit(text) : DEFAULT_LIMIT;
  return limit === undefined ? bad('limit', text ?? '') : { kind: 'read', limit, after: c.req.query('continue') ?? '' };
}

function bad(name: string, text: string): BadQuery {
  return { kind: 'bad', reason: `Invalid value ${JSON.stringify(text)} for "${name}" query parameter` };
}

/** `key=value,key2=value2`: a value may contain `=`, but no comma. */
function readPairs(text: string): Readonly<Record<string, string>> | undefined {
  const pairs = text.split(',').map((pair) => /^([^=]*)=(.*)$/s.exec(pair));
  if (pairs.includes(null)) return undefined;
  return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', pair?.[2] ?? '']));
}

function readLimit(text: string): number | undefined {
  const limit = /^\+?\d+$/.test(text) ? Number(text) : 0;
  return limit >= 1 && limit <= MAX_LIMIT ? limit : undefined;
}

/** Go's times have 64 bits. */
const MAX_TIME = 2n ** 63n - 1n;

/** `<unixNano>:<id>` */
function readContinue(text: string): PageEnd | undefined {
  const [, digits, id] = /^(\d{1,19}):([^:]*)$/.exec(text) ?? [];
  const created = BigInt(digits ?? 0);
  return id === undefined || created > MAX_TIME ? undefined : { created, id };
}
