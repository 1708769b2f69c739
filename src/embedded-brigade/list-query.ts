import type { EventSelector, PageEnd } from './event-store.ts';

export type ListQuery =
  | { readonly kind: 'read'; readonly selector: EventSelector; readonly limit: number; readonly after?: PageEnd }
  | { readonly kind: 'bad'; readonly reason: string }
  /** The `continue` is none of ours, which Brigade takes for its own fault. */
  | { readonly kind: 'lost' };

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 100;

const TEXTS = ['projectID', 'source', 'type'] as const;
const MAPS = ['qualifiers', 'labels', 'sourceState'] as const;

/** What to list, from the query of `GET /v2/events`. An empty parameter is an absent one; of several the first counts. */
export function readListQuery(query: URLSearchParams): ListQuery {
  const selector: { -readonly [Field in keyof EventSelector]: EventSelector[Field] } = {};
  for (const name of TEXTS) {
    const text = query.get(name);
    if (text) selector[name] = text;
  }
  for (const name of MAPS) {
    const text = query.get(name);
    if (!text) continue;
    const pairs = readPairs(text);
    if (!pairs) return bad(name, text);
    selector[name] = pairs;
  }
  const phases = query.get('workerPhases');
  if (phases) selector.workerPhases = phases.split(',');

  const limitText = query.get('limit');
  const limit = limitText ? readLimit(limitText) : DEFAULT_LIMIT;
  if (limit === undefined) return bad('limit', limitText ?? '');

  const continued = query.get('continue');
  if (!continued) return { kind: 'read', selector, limit };
  const after = readContinue(continued);
  return after ? { kind: 'read', selector, limit, after } : { kind: 'lost' };
}

function bad(name: string, text: string): ListQuery {
  return { kind: 'bad', reason: `Invalid value ${JSON.stringify(text)} for "${name}" query parameter` };
}

/** `key=value,key2=value2`: a value may hold `=`, but no comma. */
function readPairs(text: string): Readonly<Record<string, string>> | undefined {
  const pairs = text.split(',').map((pair) => /^([^=]*)=(.*)$/s.exec(pair));
  if (pairs.includes(null)) return undefined;
  return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', pair?.[2] ?? '']));
}

function readLimit(text: string): number | undefined {
  const limit = /^\+?\d+$/.test(text) ? Number(text) : 0;
  return limit >= 1 && limit <= MAX_LIMIT ? limit : undefined;
}

/** `<unixNano>:<id>`; Go's times have at most 19 digits. */
function readContinue(text: string): PageEnd | undefined {
  const [, created, id] = /^(\d{1,19}):([^:]*)$/.exec(text) ?? [];
  return created === undefined || id === undefined ? undefined : { created: BigInt(created), id };
}
