import type { IgnoreReason } from '../model/receipt.ts';
import type { KeptEvent, RegistryEvent } from '../model/registry-event.ts';
import type { ByteRange, Format, Headers, Issue } from '../model/webhook.ts';
import { LIMITS } from './limits.ts';

/** One event of a webhook as bytes. With the webhook's kept headers, they decode to this event alone. */
export interface RawEvent {
  readonly bytes: Uint8Array;
  /** The native ACR object within the bytes. Absent: all of them. */
  readonly payload?: ByteRange;
}

/** One event of a webhook, decoded. Without `raw`, its bytes are the whole body. */
export type DecodedEvent =
  | { readonly kind: 'event'; readonly event: RegistryEvent; readonly raw?: RawEvent }
  /** There is nothing to deliver. `action` is the text of the webhook, cut to 64 characters. */
  | { readonly kind: 'nothing'; readonly reason: IgnoreReason; readonly id?: string; readonly action: string }
  /** An unreadable event in a readable batch. The other events of the batch are not affected. */
  | {
      readonly kind: 'unreadable';
      readonly event: KeptEvent;
      readonly issues: readonly Issue[];
      readonly raw?: RawEvent;
    };

export type Decoded =
  /** Each event is decoded when it is read, so that reading a large batch can pause. Reading again decodes again. */
  | { readonly kind: 'decoded'; readonly format: Format; readonly events: Iterable<DecodedEvent> }
  /** Event Grid wants its code back. There is no event. */
  | { readonly kind: 'validation'; readonly code: string }
  | { readonly kind: 'unreadable'; readonly issues: readonly Issue[] };

/**
 * Decodes a webhook's body.
 *
 * Every implementation promises, and its tests prove:
 * - it is pure and never throws: the same input gives the same output, ids included;
 * - it takes time linear in the length of the body, whatever its shape;
 * - it reports all issues, and no issue repeats anything of the body;
 * - the raw form of an event decodes to that event again.
 */
export type Decode = (body: Uint8Array, headers: Headers) => Decoded;

export function nothing(reason: IgnoreReason, action: string, id: string | undefined): DecodedEvent {
  return {
    kind: 'nothing',
    reason,
    ...(id === undefined ? {} : { id }),
    action: action.slice(0, LIMITS.maxUnknownActionChars),
  };
}

/** What `decodeOne` makes of each item, when it is read. */
export function lazily<T>(
  items: readonly T[],
  decodeOne: (item: T, index: number) => DecodedEvent,
): Iterable<DecodedEvent> {
  return {
    *[Symbol.iterator]() {
      for (const [index, item] of items.entries()) yield decodeOne(item, index);
    },
  };
}
