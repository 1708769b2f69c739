import type { ByteRange } from '../model/webhook.ts';

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** The payload of a raw event as text; bytes that are not UTF-8 become U+FFFD. */
export function payloadOf(raw: Uint8Array, range?: ByteRange): string {
  return UTF8.decode(range === undefined ? raw : raw.subarray(range.start, range.end));
}
