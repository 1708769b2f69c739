import type { Issue } from './webhook.ts';

/** Why an event carries nothing to deliver. A CNCF registry also sends `blob`, `pull` and `mount` events. */
export type IgnoreReason = 'ping' | 'unknown-action' | 'blob' | 'pull' | 'mount' | 'unsubscribed';

/** The result of one event of a webhook. */
export type EventResult =
  | { readonly kind: 'accepted'; readonly seq: number }
  /** `of` is the number of the first record: it has the same id or, with `by`, the same content within the window. */
  | { readonly kind: 'duplicate'; readonly of: number; readonly by?: 'content' }
  | { readonly kind: 'ignored'; readonly reason: IgnoreReason }
  /** `rule` is the name of the operator's rule that ignores it. */
  | { readonly kind: 'ignored'; readonly reason: 'rule'; readonly rule: string }
  | { readonly kind: 'dead-lettered'; readonly seq: number; readonly reason: DeadLetterReason };

/** Why an event is a dead letter. */
export const DEAD_LETTER_REASONS = [
  /** The event names no registry, and its caller is not bound to one. */
  'no-registry',
  /** One of a batch, and its caller's binding does not allow it. */
  'out-of-scope',
  /** One of a batch, and it cannot be read. */
  'unreadable',
  /** The sink answered that it will never take it, or the event does not fit the sink's field rules. */
  'rejected',
  /** Too many attempts ended without a clear answer: the sink may or may not have taken it. */
  'uncertain',
  /** The sink was unavailable for the seven days for which an event is retried. */
  'expired',
  /** Its record in the journal fails its checksum. */
  'damaged',
] as const;

export type DeadLetterReason = (typeof DEAD_LETTER_REASONS)[number];

/** One event of a webhook in our answer. */
export interface EventReceipt {
  /** The event id; absent where the event has none that could be read. */
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

/** Why nothing of a webhook was kept: the sender's mistake, or our inability. A value, never thrown. */
export type Rejection =
  /** The credentials are wrong or missing. It has no detail, so that it does not help to guess them. */
  | { readonly kind: 'unauthenticated' }
  /** The credentials could not be checked now. */
  | { readonly kind: 'unverifiable' }
  /** The caller's binding does not allow this event. */
  | { readonly kind: 'out-of-scope'; readonly issue: Issue }
  | { readonly kind: 'unreadable'; readonly issues: readonly Issue[] }
  | { readonly kind: 'too-large'; readonly maxBytes: number }
  /** The client closed the connection, or was too slow, before the body was complete. */
  | { readonly kind: 'incomplete' }
  /** The caller has as many webhooks in flight as it may have. */
  | { readonly kind: 'too-many' }
  /** The bodies of the caller, or all bodies, take as many bytes as they may take. */
  | { readonly kind: 'overloaded' }
  /** The journal cannot make it durable now. `lost` describes the events: ACR itself does not send them again. */
  | { readonly kind: 'unavailable'; readonly reason: UnavailableReason; readonly lost: readonly LostEvent[] };

/** Why the journal could not make a webhook durable. */
export const UNAVAILABLE_REASONS = [
  /** Less free disk than the journal's reserve, or none. */
  'full',
  /** The disk cannot be written. */
  'unwritable',
  /** The append took longer than ACR waits. */
  'slow',
  /** Too many events of this caller wait already. */
  'busy',
  /** The pending events of this caller take more than its share of the journal. */
  'share',
  /** The journal is closed or closing. */
  'closed',
] as const;

export type UnavailableReason = (typeof UNAVAILABLE_REASONS)[number];

/** What could be read of an event that the journal could not keep. */
export type LostEvent = Omit<EventReceipt, 'result'>;

/** A question that comes before the first event. The answer repeats its text; nothing is fetched. */
export type Handshake =
  /** Event Grid expects its code back. */
  | { readonly kind: 'validation'; readonly code: string }
  /** Event Grid reports that a subscription was deleted. */
  | { readonly kind: 'unsubscription' }
  /** CloudEvents: may `origin` send, and how many requests a minute? */
  | { readonly kind: 'permission'; readonly origin: string; readonly rate: string };
