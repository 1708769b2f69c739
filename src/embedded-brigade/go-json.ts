const NS_PER_SECOND = 1_000_000_000n;

const ESCAPES: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};

/** JSON as Go's `json.Marshal` writes it: fit to stand inside HTML. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => ESCAPES[character] ?? character);
}

/** A map as Go writes it: by key, and left out when empty. */
export function goMap(
  map: Readonly<Record<string, string>> | null | undefined,
): Readonly<Record<string, string>> | undefined {
  const entries = Object.entries(map ?? {});
  return entries.length === 0 ? undefined : Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Nanoseconds since the epoch as Go writes a time in UTC: RFC 3339, without trailing zeros. */
export function goTime(unixNano: bigint): string {
  const second = new Date(Number(unixNano / NS_PER_SECOND) * 1000).toISOString().slice(0, 'YYYY-MM-DDThh:mm:ss'.length);
  const fraction = (unixNano % NS_PER_SECOND).toString().padStart(9, '0').replace(/0+$/, '');
  return fraction === '' ? `${second}Z` : `${second}.${fraction}Z`;
}
