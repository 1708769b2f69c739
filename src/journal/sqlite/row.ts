import type { SQLOutputValue } from 'node:sqlite';
import type { ByteRange } from '../../model/webhook.ts';

/** A row of the journal, by column. */
export type Row = Record<string, SQLOutputValue>;

export function blob(value: SQLOutputValue | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array();
}

export function toHex(value: SQLOutputValue | undefined): string {
  return Buffer.from(blob(value)).toString('hex');
}

export function payloadRange({ payload_start: start, payload_end: end }: Row): ByteRange | undefined {
  return typeof start === 'number' && typeof end === 'number' ? { start, end } : undefined;
}
