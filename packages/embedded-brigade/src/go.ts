// What Go does differently from JavaScript, and a client can see.

const NS_PER_SECOND = 1_000_000_000n;

const ESCAPES: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};

/** JSON as Go's `json.Marshal` writes it: safe inside HTML. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => ESCAPES[character] ?? character);
}

/** A map as Go writes it: sorted by key, and omitted when empty. */
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

/** `strconv.ParseBool`. Text that it cannot read counts as false, as Brigade ignores the error. */
export function isTrue(text: string | undefined): boolean {
  return ['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text ?? '');
}

const MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

const DURATION = /^\+?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/;
const DURATION_PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;

/** Milliseconds of a duration as `time.ParseDuration` reads it (`1h30m`, `1.5s`). Undefined unless it is one above 0. */
export function parseGoDuration(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  const parts = [...text.matchAll(DURATION_PART)].map(([, amount, unit = '']) => Number(amount) * (MS[unit] ?? 0));
  const ms = parts.reduce((sum, part) => sum + part, 0);
  return ms > 0 ? ms : undefined;
}
