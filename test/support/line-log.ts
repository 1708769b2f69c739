import pino from 'pino';
import type { Log } from '../../src/observe/log.ts';

export type Line = Readonly<Record<string, unknown>>;

/** A log whose lines a test reads. */
export function aLineLog(): { readonly log: Log; readonly lines: Line[] } {
  const lines: Line[] = [];
  const formatters = { level: (label: string) => ({ level: label }) };
  const log = pino(
    { level: 'trace', base: null, timestamp: false, formatters },
    {
      write: (line: string) => lines.push(JSON.parse(line)),
    },
  );
  return { log, lines };
}
