import type { NewRecord } from './journal.ts';

/**
 * What a record of SQLite's journal takes beside its texts: its row, its keys and one attempt that one project took. Measured
 * with 100,000 events.
 */
const RECORD_BYTES = 296;
/** And what it takes where its content counts as well. */
const CONTENT_BYTES = 72;

/** About what a record takes on disk until it is pruned, without the headers of its webhook. */
export function recordBytes({ raw, event, content, traceparent = '', deadLetter }: NewRecord): number {
  const texts = Buffer.byteLength(JSON.stringify(event)) + traceparent.length + (deadLetter?.detail.length ?? 0);
  return RECORD_BYTES + raw.byteLength + texts + (content === undefined ? 0 : CONTENT_BYTES);
}
