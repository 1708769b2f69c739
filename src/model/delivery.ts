import type { DeadLetterReason } from './receipt.ts';
import type { RegistryEvent } from './registry-event.ts';

/** An event that Brigade created from ours: one for each subscribed project. */
export interface CreatedEvent {
  readonly id: string;
  readonly project: string;
}

/** What the sink answered to one attempt. */
export type Outcome =
  /** Taken. `created` is empty when no project subscribes to it (*unmatched*), and absent where the sink does not say. */
  | { readonly kind: 'delivered'; readonly created?: readonly CreatedEvent[]; readonly note?: string }
  /** It will never take this event. */
  | { readonly kind: 'rejected'; readonly detail: string }
  /** It took nothing and may do so later. */
  | {
      readonly kind: 'unavailable';
      readonly detail: string;
      /** The cause is our credentials, not this event. */
      readonly credentials?: boolean;
      /** How long it asked us to wait, in milliseconds. */
      readonly retryAfterMs?: number;
    }
  /** It may or may not have taken it. */
  | { readonly kind: 'uncertain'; readonly detail: string };

/** Whether the sink took the event and no project subscribes to it. */
export function isUnmatched(outcome: Outcome): boolean {
  return outcome.kind === 'delivered' && outcome.created?.length === 0;
}

/** The attempts to deliver an event since an operator last redelivered it. Zeroes for a new one. Times are the journal's. */
export interface DeliveryHistory {
  /** Counted attempts. */
  readonly attempts: number;
  /** Those of them whose outcome was `uncertain`. */
  readonly uncertain: number;
  /** When the event's age began; moved forward by the time for which our credentials were rejected. */
  readonly agesFrom: number;
  /** When the last attempt ended, 0 if there was none. */
  readonly lastAttemptAt: number;
}

export const DECISIONS = ['complete', 'retry', 'dead-letter'] as const;

/** What follows from an attempt; `kind` is one of `DECISIONS`. */
export type Decision =
  | { readonly kind: 'complete' }
  /** `at`: by the journal's time. */
  | { readonly kind: 'retry'; readonly at: number; readonly history: DeliveryHistory }
  | { readonly kind: 'dead-letter'; readonly reason: DeadLetterReason };

/** One try to deliver an event, as history keeps it. */
export interface Attempt {
  /** When it began, epoch milliseconds. */
  readonly at: number;
  readonly durationMs: number;
  readonly outcome: Outcome;
}

/** An event that one deliverer holds until its lease ends. This is what a sink delivers. */
export interface Claim {
  readonly seq: number;
  /** The fencing number: the journal does not take a completion that carries the number of an older claim. */
  readonly fence: number;
  /** The number of the deliberate delivery: 1, and one more for each time that an operator redelivers the event. */
  readonly delivery: number;
  /** Epoch milliseconds. */
  readonly receivedAt: number;
  /** The name of the caller that sent it. */
  readonly caller: string;
  readonly history: DeliveryHistory;
  readonly event: RegistryEvent;
  /** What a `brigade.js` finds as `event.payload`: the native ACR object as JSON text. Bytes that are not UTF-8 become U+FFFD. */
  readonly payload: string;
  /** The webhook's trace (W3C Trace Context), where it names one. */
  readonly traceparent?: string;
}

/** How a claim ends. */
export interface Completion {
  readonly seq: number;
  readonly fence: number;
  /** Absent when the claim is given back without an attempt. */
  readonly attempt?: Attempt;
  readonly decision: Decision;
}
