import type { RegistryEvent } from '../model/registry-event.ts';
import type { Format, Headers, Issue } from '../model/webhook.ts';

/** One event of a webhook, decoded. */
export type DecodedEvent =
  | { readonly kind: 'event'; readonly event: RegistryEvent }
  /** It carries nothing to deliver. `action` is the sender's text, cut to 64 characters. */
  | {
      readonly kind: 'nothing';
      readonly reason: 'ping' | 'unknown-action';
      readonly id?: string;
      readonly action: string;
    };

export type Decoded =
  | { readonly kind: 'decoded'; readonly format: Format; readonly events: readonly DecodedEvent[] }
  | { readonly kind: 'unreadable'; readonly issues: readonly Issue[] };

/**
 * Reads a webhook's body.
 *
 * Every implementation promises, and its tests prove:
 * - pure and total: no input makes it throw, and the same input gives the same answer, ids included;
 * - its cost is linear in the body, whatever the body's shape;
 * - it tells every issue, not the first, and no issue repeats what the sender wrote.
 */
export type Decode = (body: Uint8Array, headers: Headers) => Decoded;
