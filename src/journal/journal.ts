import type { Attempt, Claim, Completion, Decision } from '../model/delivery.ts';
import type { DeadLetterReason, UnavailableReason } from '../model/receipt.ts';
import type { KeptEvent, RegistryEvent } from '../model/registry-event.ts';
import type { ByteRange, Format } from '../model/webhook.ts';

/** A registry event on its way into the journal, with all that is needed to understand or replay it later. */
export interface NewRecord {
  /** 32 hex characters; one record is kept per key, for at least 7 days. */
  readonly dedupKey: string;
  /** What the event tells, as 32 hex characters: beside the one that is kept, others with it are duplicates for so long. */
  readonly content?: { readonly key: string; readonly windowMs: number };
  /** Epoch milliseconds. */
  readonly receivedAt: number;
  readonly format: Format;
  readonly caller: string;
  /** The allow-listed headers of the webhook. */
  readonly headers: Readonly<Record<string, string>>;
  /** The webhook's trace (W3C Trace Context, `traceparent`), where it names one. */
  readonly traceparent?: string;
  /** The event alone: byte for byte where it came alone, written anew where it came in an envelope. */
  readonly raw: Uint8Array;
  /** Where in it the payload lies. Absent: all of it is. */
  readonly payload?: ByteRange;
  /** Unreadable only together with a deadLetter. */
  readonly event: KeptEvent;
  /** Set for an event that goes to the dead letters at once. */
  readonly deadLetter?: { readonly reason: DeadLetterReason; readonly detail: string };
}

/** What became of one record of an append. `seq` numbers the records in the order in which they were kept. */
export type Appended =
  | { readonly kind: 'kept'; readonly seq: number }
  | { readonly kind: 'duplicate'; readonly of: number; readonly by?: 'content' }
  /** This record alone cannot be stored; its neighbours were. */
  | { readonly kind: 'unstorable' };

export type AppendOutcome =
  | { readonly kind: 'appended'; readonly records: readonly Appended[] }
  /** None of them is known to be durable. */
  | { readonly kind: 'unavailable'; readonly reason: UnavailableReason };

/**
 * Takes registry events in.
 *
 * Every implementation promises, and journal.suite.ts proves:
 * - `appended` only when every kept record is on stable storage, and each duplicate's original was;
 * - of records with one key, also concurrent ones, exactly one is kept;
 * - of records with one content, also concurrent ones, one is kept until the first's window is over; deadLettered ones aside;
 * - `unavailable` within 5 seconds whatever the disk does; it never waits without an end;
 * - after `unavailable` the same records can be appended again.
 */
export interface Intake {
  append(records: readonly NewRecord[]): Promise<AppendOutcome>;
}

/**
 * Lends events to deliverers.
 *
 * Every implementation promises, and journal.suite.ts proves:
 * - an event is lent to one claim at a time, and again when its lease of 120 seconds ended unrenewed or the journal was reopened;
 * - new events are due at once and come in the order in which they were kept; one that is retried yields its place, and comes
 *   again when it is due;
 * - `claim` waits until something is due, the signal is aborted (then: an empty list) or 60 seconds have gone by;
 * - `complete` resolves to true once its decision is durable; to false, and without effect, when the lease has ended, the claim
 *   was completed already, its fence is stale or the journal is closed;
 * - a record that fails its checksum is never lent: it becomes a dead letter (`damaged`).
 */
export interface Queue {
  /** At most `max` events; the payloads after the first add up to at most 8 MiB. An aborted signal lends nothing. */
  claim(max: number, signal: AbortSignal): Promise<readonly Claim[]>;
  renew(claims: readonly Pick<Claim, 'seq' | 'fence'>[]): Promise<void>;
  complete(completion: Completion): Promise<boolean>;
  /**
   * Makes waiting events due now, the oldest first and `spreadMs` apart, and none later than it was: for when the sink is
   * back. One that the sink may have taken keeps its time: its waits are long on purpose. Takes a thousand of them; the
   * others fall due by themselves.
   */
  wake(spreadMs: number): Promise<void>;
}

export type RecordState = 'pending' | 'delivered' | 'dead-lettered';

/** A record in a list. */
export interface RecordSummary {
  readonly seq: number;
  readonly state: RecordState;
  readonly receivedAt: number;
  readonly caller: string;
  readonly event: KeptEvent;
  readonly deadLetter?: { readonly at: number; readonly reason: DeadLetterReason; readonly detail: string };
}

/** Everything that the journal knows of one record. */
export interface JournalRecord extends RecordSummary {
  readonly format: Format;
  readonly headers: Readonly<Record<string, string>>;
  readonly raw: Uint8Array;
  readonly payload?: ByteRange;
  readonly delivery: number;
  /** When a pending event is due, epoch milliseconds. */
  readonly dueAt?: number;
  readonly attempts: readonly RecordedAttempt[];
}

export interface RecordedAttempt extends Attempt {
  readonly delivery: number;
  readonly decision: Decision['kind'];
}

export interface JournalStats {
  readonly pending: number;
  readonly dead: number;
  /** Epoch milliseconds of the oldest pending event's arrival. */
  readonly oldestPendingAt?: number;
  /** When the oldest dead letter was deadLettered. */
  readonly oldestDeadAt?: number;
  /** Dead letters since open that failed their checksum. */
  readonly damaged: number;
  /** Bytes in use, without what is free inside the file. */
  readonly bytes: number;
}

/** What an operator asks of history. */
export interface History {
  /** Newest first, below `before` where given. */
  find(query: { state?: RecordState; before?: number; limit: number }): Promise<readonly RecordSummary[]>;
  get(seq: number): Promise<JournalRecord | undefined>;
  /**
   * Makes a dead letter or a delivered event pending again, with a new budget and the next delivery number. `event`
   * replaces what was decoded, and must where that was unreadable. Resolves to false when there is no such record or it is pending already.
   */
  redeliver(seq: number, event?: RegistryEvent): Promise<boolean>;
  stats(): Promise<JournalStats>;
}

/** What one step of forgetting did. */
export interface Pruned {
  /** Records and keys that went. */
  readonly gone: number;
  /** Whether another step may find more, though this one may have found nothing. */
  readonly mayBeMore: boolean;
}

/** What keeps a journal in shape. */
export interface Maintenance {
  /**
   * One small step of forgetting: completed history older than 7 days or beyond the journal's size, oldest first; dead
   * letters older than 30 days; keys older than 7 days, contents whose window is over. Never a pending event.
   */
  prune(now: number): Promise<Pruned>;
  /** Rejects when nothing could be appended now. */
  check(): Promise<void>;
  /**
   * Resolves when everything taken in is durable and the files are closed. Later appends are `unavailable`, claims empty and
   * completions not taken; whatever else is called rejects.
   */
  close(): Promise<void>;
}

/** One adapter keeps all four. */
export interface Journal extends Intake, Queue, History, Maintenance {}
