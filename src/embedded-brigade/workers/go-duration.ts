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
const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;

/** Milliseconds of a duration as Go's `time.ParseDuration` reads it (`1h30m`, `1.5s`); undefined when it is none, or not above 0. */
export function parseGoDuration(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  const parts = [...text.matchAll(PART)].map(([, amount, unit = '']) => Number(amount) * (MS[unit] ?? 0));
  const ms = parts.reduce((sum, part) => sum + part, 0);
  return ms > 0 ? ms : undefined;
}
