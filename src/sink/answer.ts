/** What is told of an answer, characters. */
const DETAIL_LENGTH = 500;

/** Longest `Retry-After` that is honoured, milliseconds. */
const MAX_RETRY_AFTER_MS = 3_600_000;

export function oneLine(text: string): string {
  return text
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .slice(0, DETAIL_LENGTH)
    .toWellFormed();
}

/** Seconds or a date (RFC 9110, section 10.2.3). */
export function retryAfter(value: string | undefined, now: () => number): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now();
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, MAX_RETRY_AFTER_MS) : undefined;
}
