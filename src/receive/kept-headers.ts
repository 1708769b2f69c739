import type { Headers } from '../model/webhook.ts';

/** Headers of a webhook that the journal keeps; never credentials, cookies or the query string. */
const NAMES: ReadonlySet<string> = new Set(['content-type', 'user-agent', 'traceparent']);

/** Those of Event Grid and of CloudEvents in binary mode. */
const PREFIXES: readonly string[] = ['aeg-', 'ce-'];

export function keptHeaders(headers: Headers): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of Object.keys(headers)) {
    const value = isKept(name) ? headers[name] : undefined;
    if (value === undefined) continue;
    kept[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return kept;
}

function isKept(name: string): boolean {
  return NAMES.has(name) || PREFIXES.some((prefix) => name.startsWith(prefix));
}
