import type { Issue } from './webhook.ts';

/** Why an event carries nothing to deliver. A CNCF registry also tells of a `blob`, a `pull` and a `mount`. */
export type IgnoreReason = 'ping' | 'unknown-action' | 'blob' | 'pull' | 'mount' | 'unsubscribed';

/** What became of one event of a webhook. */
export type EventResult =
  | { readonly kind: 'accepted'; readonly seq: number }
  /** Of the record with that number: by its id, or because it tells the same within the window for that. */
  | { readonly kind: 'duplicate'; readonly of: number; readonly by?: 'content' }
  | { readonly kind: 'ignored'; readonly reason: IgnoreReason }
  /** `rule`: which of the operator's rules ignores it. */
  | { readonly kind: 'ignored'; readonly reason: 'rule'; readonly rule: string }
  | { readonly kind: 'dead-lettered'; readonly seq: number; readonly reason: DeadLetterReason };

/** Why an event lies in the dead letters. */
export const DEAD_LETTER_REASONS = [
  /** No registry is known for it. */
  'no-registry',
  /** One of a batch, and not what its caller may speak for. */
  'out-of-scope',
  /** One of a batch, and it cannot be read. */
  'unreadable',
  /** Brigade said that it will never take it, or its field rules say so beforehand. */
  'rejected',
  /** Brigade may or may not have stored it, too often. */
  'uncertain',
  /** Brigade could not be reached for the whole of the event's time. */
  'expired',
  /** Its record in the journal fails its checksum. */
  'damaged',
] as const;

export type DeadLetterReason = (typeof DEAD_LETTER_REASONS)[number];

/** One event of a webhook in our answer. */
export interface EventReceipt {
  /** The event id; absent where the event has none that we could read. */
  readonly id?: string;
  readonly action: string;
  readonly registry?: string;
  readonly repository?: string;
  readonly tag?: string;
  readonly digest?: string;
  readonly result: EventResult;
}

/** Our answer to a webhook whose every event is durable, or carries nothing to deliver. */
export interface Receipt {
  readonly kind: 'receipt';
  readonly events: readonly EventReceipt[];
}

/** The sender's mistake, or our inability: nothing of the webhook was kept. A value, never thrown. */
export type Rejection =
  /** The credentials are wrong or missing. Says no more, lest it help to guess them. */
  | { readonly kind: 'unauthenticated' }
  /** The credentials could not be judged now. */
  | { readonly kind: 'unverifiable' }
  /** The caller's binding does not allow this event. */
  | { readonly kind: 'out-of-scope'; readonly issue: Issue }
  | { readonly kind: 'unreadable'; readonly issues: readonly Issue[] }
  | { readonly kind: 'too-large'; readonly maxBytes: number }
  /** The sender went away, or was too slow, before the body was whole. */
  | { readonly kind: 'incomplete' }
  /** The caller has as many webhooks in flight as it may have. */
  | { readonly kind: 'too-many' }
  /** The bodies of the caller, or all bodies, take as many bytes as they may take. */
  | { readonly kind: 'overloaded' }
  /** The journal cannot make it durable now. `lost` tells what an ACR that never retries has just lost. */
  | { readonly kind: 'unavailable'; readonly reason: UnavailableReason; readonly lost: readonly LostEvent[] };

export type UnavailableReason =
  /** Less free disk than the journal's reserve, or none. */
  | 'full'
  /** The disk refuses to write. */
  | 'unwritable'
  /** The append took longer than a sender waits, or too much waits already. */
  | 'slow'
  /** The journal is closed or closing. */
  | 'closed';

/** What could be read of an event that we could not keep. */
export type LostEvent = Omit<EventReceipt, 'result'>;

/** What a sender asks before its first event; whatever it asks is answered with its own words, and nothing is fetched. */
export type Handshake =
  /** Event Grid wants its code back. */
  | { readonly kind: 'validation'; readonly code: string }
  /** Event Grid says that a subscription is gone. */
  | { readonly kind: 'unsubscription' }
  /** CloudEvents: whether `origin` may send, and how many requests a minute. */
  | { readonly kind: 'permission'; readonly origin: string; readonly rate: string };
