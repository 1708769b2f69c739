import type { IgnoreReason } from '../model/receipt.ts';
import type { KeptEvent, RegistryEvent } from '../model/registry-event.ts';
import type { ByteRange, Format, Headers, Issue } from '../model/webhook.ts';

/** One event of a webhook as bytes that, with the headers that are kept, decode to this event alone. */
export interface RawEvent {
  readonly bytes: Uint8Array;
  /** Where the native ACR object lies in them. Absent: it is all of them. */
  readonly payload?: ByteRange;
}

/** One event of a webhook, decoded. Without `raw` it is the whole body, byte for byte. */
export type DecodedEvent =
  | { readonly kind: 'event'; readonly event: RegistryEvent; readonly raw?: RawEvent }
  /** It carries nothing to deliver. `action` is the sender's text, cut to 64 characters. */
  | { readonly kind: 'nothing'; readonly reason: IgnoreReason; readonly id?: string; readonly action: string }
  /** One that cannot be read, in an envelope that can: its neighbours are none the worse. */
  | {
      readonly kind: 'unreadable';
      readonly event: KeptEvent;
      readonly issues: readonly Issue[];
      readonly raw?: RawEvent;
    };

export type Decoded =
  | { readonly kind: 'decoded'; readonly format: Format; readonly events: readonly DecodedEvent[] }
  /** Event Grid asks for its code back; there is no event. */
  | { readonly kind: 'validation'; readonly code: string }
  | { readonly kind: 'unreadable'; readonly issues: readonly Issue[] };

/**
 * Reads a webhook's body.
 *
 * Every implementation promises, and its tests prove:
 * - pure and total: no input makes it throw, and the same input gives the same answer, ids included;
 * - its cost is linear in the body, whatever the body's shape;
 * - it tells every issue, not the first, and no issue repeats what the sender wrote;
 * - the raw form of an event decodes to that event again.
 */
export type Decode = (body: Uint8Array, headers: Headers) => Decoded;

/** What a log line or an answer repeats of an action that we do not know. */
const ACTION_LENGTH = 64;

export function nothing(reason: IgnoreReason, action: string, id: string | undefined): DecodedEvent {
  return { kind: 'nothing', reason, ...(id === undefined ? {} : { id }), action: action.slice(0, ACTION_LENGTH) };
}
