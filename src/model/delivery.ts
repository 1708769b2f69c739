import type { DeadLetterReason } from './receipt.ts';

/** An event that Brigade created from ours: one for each subscribed project. */
export interface CreatedEvent {
  readonly id: string;
  readonly project: string;
}

/** What the sink answered to one attempt. */
export type Outcome =
  /** Taken. `created` is empty when no project subscribes to it (*unmatched*), and absent where the sink does not tell. */
  | { readonly kind: 'delivered'; readonly created?: readonly CreatedEvent[]; readonly note?: string }
  /** It will never take this event. */
  | { readonly kind: 'rejected'; readonly detail: string }
  /** It took nothing and may do so later. */
  | {
      readonly kind: 'unavailable';
      readonly detail: string;
      /** Our credentials are at fault, not this event. */
      readonly credentials?: boolean;
      /** How long it asked us to wait, in milliseconds. */
      readonly retryAfterMs?: number;
    }
  /** Nobody knows whether it took it. */
  | { readonly kind: 'uncertain'; readonly detail: string };

/** What an event has been through since it was last (re)delivered deliberately. Zeroes for a new one. */
export interface DeliveryHistory {
  /** Counted attempts. */
  readonly attempts: number;
  /** Those of them whose outcome was `uncertain`. */
  readonly uncertain: number;
  /** When the event's age began, epoch milliseconds; moved forward by the time for which credentials were refused. */
  readonly agesFrom: number;
  /** Epoch milliseconds of the last attempt, 0 if none. */
  readonly lastAttemptAt: number;
}

export const DECISIONS = ['complete', 'retry', 'dead-letter'] as const;

/** What we decided after an attempt; `kind` is one of `DECISIONS`. */
export type Decision =
  | { readonly kind: 'complete' }
  | { readonly kind: 'retry'; readonly at: number; readonly history: DeliveryHistory }
  | { readonly kind: 'dead-letter'; readonly reason: DeadLetterReason };

/** One try to deliver an event, as history keeps it. */
export interface Attempt {
  /** When it began, epoch milliseconds. */
  readonly at: number;
  readonly durationMs: number;
  readonly outcome: Outcome;
}
