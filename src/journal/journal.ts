import type { Attempt, Claim, Completion, Decision } from '../model/delivery.ts';
import type { DeadLetterReason, LostEvent, UnavailableReason } from '../model/receipt.ts';
import type { KeptEvent, RegistryEvent } from '../model/registry-event.ts';
import type { ByteRange, Format } from '../model/webhook.ts';

/** The event is not what its key says, or the sink will never take it. */
export const KEY_RELEASING_REASONS = ['rejected', 'unreadable', 'out-of-scope'] as const satisfies DeadLetterReason[];

/** Whether a dead letter of this reason leaves its key and its content to a later event. */
export function releasesKey(reason: unknown): boolean {
  return KEY_RELEASING_REASONS.some((each) => each === reason);
}

/** A registry event on its way into the journal, with everything that is needed to understand or replay it later. */
export interface NewRecord {
  /** 32 hex characters. One record is kept per key. */
  readonly dedupKey: string;
  /** A digest of what the event says, as 32 hex characters: for `windowMs`, other records with this key are duplicates. */
  readonly content?: { readonly key: string; readonly windowMs: number };
  /** Epoch milliseconds, by the clock of the machine. */
  readonly receivedAt: number;
  readonly format: Format;
  readonly caller: string;
  /** The allow-listed headers of the webhook: one object for all of its events, which is stored once. */
  readonly headers: Readonly<Record<string, string>>;
  /** The webhook's trace (W3C Trace Context, `traceparent`), where it names one. */
  readonly traceparent?: string;
  /** The event alone: byte for byte where it came alone, serialized again where it came in an envelope. */
  readonly raw: Uint8Array;
  /** Where the payload is within `raw`. Absent: all of it. */
  readonly payload?: ByteRange;
  /** Unreadable only together with `deadLetter`. */
  readonly event: KeptEvent;
  /** Set for an event that becomes a dead letter at once. */
  readonly deadLetter?: { readonly reason: DeadLetterReason; readonly detail: string };
}

/** What became of one record of an append. `seq` numbers all records in the order in which they were kept. */
export type Appended =
  | { readonly kind: 'kept'; readonly seq: number }
  | { readonly kind: 'duplicate'; readonly of: number; readonly by?: 'content' }
  /** This record alone cannot be stored. The others were. */
  | { readonly kind: 'unstorable' };

export type AppendOutcome =
  | { readonly kind: 'appended'; readonly records: readonly Appended[] }
  /** None of the records is known to be durable. */
  | { readonly kind: 'unavailable'; readonly reason: UnavailableReason };

/** Is called with records that became durable although their append was answered `unavailable`: they will be delivered. */
export type OnStoredLate = (records: readonly NewRecord[], appended: readonly Appended[]) => void;

/**
 * Takes registry events in.
 *
 * Every implementation promises, and the suite proves:
 * - `appended` only when every kept record is on stable storage, and the original of every duplicate is too;
 * - exactly one of the records with the same key is kept, also of concurrent ones, for `LIMITS.keysMs`;
 * - exactly one of the records with the same content is kept until its window ends; those that become dead letters at once
 *   do not count;
 * - a dead letter of the `KEY_RELEASING_REASONS` leaves its key and its content to a later record that is to be delivered: that
 *   is kept; only a dead letter with the same key is a duplicate. Redelivered, it takes its key again unless another record
 *   has it. Dead letters of other reasons keep both;
 * - `unavailable` within `LIMITS.appendMs` of `since`, whatever the disk does, and at once if they are over;
 * - a caller that keeps as many records waiting as it may delays no append of another caller by more than a commit. Beyond
 *   that number, `busy` for that caller alone;
 * - while the pending events of all callers take more than `LIMITS.maxPending` of the journal, those of one take no more than
 *   `LIMITS.maxCallerPending`: beyond it, `share` for that caller alone. Duplicates and dead letters are still taken;
 * - after `unavailable`, the same records can be appended again.
 */
export interface Intake {
  /**
   * All records are of one webhook, and so of one caller. `since`: from when `LIMITS.appendMs` count, by the clock that never
   * jumps; without it, from now on.
   */
  append(records: readonly NewRecord[], since?: number): Promise<AppendOutcome>;
}

/**
 * Hands out events to deliverers.
 *
 * Every implementation promises, and the suite proves:
 * - an event belongs to one claim at a time; it can be claimed again when its lease of `LIMITS.leaseMs` ended without renewal,
 *   or when the journal was reopened. Until it is claimed again, the claim whose lease ended can be renewed and completed;
 * - new events are due at once, in the order in which they were kept; a retried event comes back when it is due, behind
 *   the events that were due before it;
 * - a claim carries at most `LIMITS.maxClaimBytes` of payloads beside its first;
 * - `claim` waits until something is due, the signal is aborted (then it resolves to an empty list), or
 *   `LIMITS.claimWaitMs` have passed;
 * - `complete` resolves to true once its decision is durable. It resolves to false, and has no effect, when the event was
 *   claimed again, the claim was completed before, its fence is stale, or the journal is closed;
 * - setting the clock of the machine makes no event due, neither sooner nor later, and ends no lease;
 * - a record that fails its checksum is never handed out: it becomes a dead letter (`damaged`).
 */
export interface Queue {
  /**
   * The journal's own time, epoch milliseconds: the times in a claim's history and in a decision are by it. It goes on
   * when the clock of the machine is set, and across restarts.
   */
  time(): number;
  /** At most `max` events. With an aborted signal, none. */
  claim(max: number, signal: AbortSignal): Promise<readonly Claim[]>;
  renew(claims: readonly Pick<Claim, 'seq' | 'fence'>[]): Promise<void>;
  complete(completion: Completion): Promise<boolean>;
  /**
   * Makes up to `LIMITS.maxWoken` waiting events due now, the oldest first and `spreadMs` apart, for when the sink is back. It
   * postpones none. An event that the sink may have taken keeps its time: its waits are long on purpose.
   */
  wake(spreadMs: number): Promise<void>;
}

export const RECORD_STATES = ['pending', 'delivered', 'dead-lettered', 'discarded'] as const;

/** Each record is in exactly one of them: accepted = pending + delivered + dead-lettered + discarded. */
export type RecordState = (typeof RECORD_STATES)[number];

/** Who did something, and when, epoch milliseconds. */
export interface Act {
  readonly at: number;
  /** The name of an admin token. */
  readonly by: string;
}

/** A record in a list. */
export interface RecordSummary {
  readonly seq: number;
  readonly state: RecordState;
  /** Epoch milliseconds, by the clock of the machine. */
  readonly receivedAt: number;
  readonly format: Format;
  readonly caller: string;
  readonly event: KeptEvent;
  /** Of a dead letter, also after it was discarded. */
  readonly deadLetter?: { readonly at: number; readonly reason: DeadLetterReason; readonly detail: string };
  readonly discarded?: Act;
  /** It was delivered, and no project subscribes to it. */
  readonly unmatched?: true;
  /** Attempts to deliver it, of all its deliveries. */
  readonly attemptCount: number;
}

/** Everything that the journal knows of one record. */
export interface JournalRecord extends RecordSummary {
  readonly headers: Readonly<Record<string, string>>;
  readonly traceparent?: string;
  readonly raw: Uint8Array;
  readonly payload?: ByteRange;
  readonly delivery: number;
  /** When a pending event is due, epoch milliseconds, as the clock of the machine is set now. */
  readonly dueAt?: number;
  readonly attempts: readonly RecordedAttempt[];
}

export interface RecordedAttempt extends Attempt {
  readonly delivery: number;
  readonly decision: Decision['kind'];
}

export interface JournalStats {
  readonly pending: number;
  readonly deadLetters: number;
  readonly discarded: number;
  /** Set while deliveries are paused. */
  readonly paused?: Act;
  /** When the oldest pending event was received, epoch milliseconds, as the clock of the machine is set now. */
  readonly oldestPendingAt?: number;
  /** When the oldest dead letter became one, likewise. */
  readonly oldestDeadLetterAt?: number;
  /** Records that have failed their checksum since the journal was opened. */
  readonly damaged: number;
  /** Bytes in use, without what is free inside the file. */
  readonly bytes: number;
}

/** Which records are meant: those for which all given conditions hold. Texts are compared exactly, but for the glob. */
export interface EventFilter {
  readonly state?: RecordState;
  readonly registry?: string;
  /** A glob: `*` matches within a path segment, `**` across. */
  readonly repository?: string;
  readonly tag?: string;
  readonly digest?: string;
  readonly id?: string;
  readonly action?: KeptEvent['action'];
  readonly format?: Format;
  readonly caller?: string;
  /** False: delivered, and no project subscribes. True: delivered otherwise. */
  readonly matched?: boolean;
  /** Received at this time or later, epoch milliseconds. */
  readonly from?: number;
  /** Received before this time. */
  readonly until?: number;
}

export interface RecordQuery extends EventFilter {
  /** Only records with smaller numbers: what a page gave as `next`. */
  readonly before?: number;
  /** At most this many records. */
  readonly limit: number;
}

/** Records in the order of their numbers, the newest first. It may have fewer than asked for, even none, and not be the last. */
export interface Page {
  readonly records: readonly RecordSummary[];
  /** Where the next page begins. Absent: nothing older was found. */
  readonly next?: number;
}

/** How many records in a state were received within an hour. */
export interface HourCount {
  /** When it begins, epoch milliseconds. */
  readonly hour: number;
  readonly state: RecordState;
  readonly count: number;
}

/**
 * What an operator can ask of the past.
 *
 * Every implementation promises, and the suite proves:
 * - a record is found as it came, byte for byte, with every attempt to deliver it;
 * - page after page, a filter finds each record that it found when the first page was read and that still matches, once. One
 *   page takes a fraction of a second, however many records there are;
 * - any number is a safe place to begin a page.
 */
export interface History {
  find(query: RecordQuery): Promise<Page>;
  /** The newest `LIMITS.maxCountedHours` hours that have any, the newest first. */
  count(filter: EventFilter): Promise<readonly HourCount[]>;
  get(seq: number): Promise<JournalRecord | undefined>;
  stats(): Promise<JournalStats>;
}

/**
 * What an operator does about an event.
 *
 * Every implementation promises, and the suite proves:
 * - a redelivered event is due at once, with a new budget of attempts and the next delivery number;
 * - a discarded event keeps everything that is known of it until it is pruned like a delivered one. It can be redelivered. It is
 *   no dead letter any more, takes nothing of its caller's share, and has its key as before.
 */
export interface Corrections {
  /**
   * Makes an event that is not pending pending again. `event` replaces what was decoded; it is required where that was
   * unreadable. Resolves to false when there is no such record, or it is pending already.
   */
  redeliver(seq: number, event?: RegistryEvent): Promise<boolean>;
  /** Resolves to false when there is no dead letter of that number. */
  discard(seq: number, by: string): Promise<boolean>;
}

/** Keeps, through every crash, whether an operator has paused deliveries. */
export interface Control {
  /** Deliveries that are paused already stay paused by whom they were. */
  pause(by: string, at: number): Promise<void>;
  resume(): Promise<void>;
  pauseState(): Promise<Act | undefined>;
}

/** An operator's job that redelivers everything that a filter finds. */
export interface RedeliveryJob extends Act {
  readonly id: string;
  readonly filter: EventFilter;
  /** Its pace. */
  readonly perSecond: number;
  /** Only events with smaller numbers are left to do. */
  readonly before: number;
  /** How many events the filter found when the job began. */
  readonly matches: number;
  readonly redelivered: number;
  readonly skipped: number;
  readonly state: 'running' | 'done' | 'canceled';
  readonly endedAt?: number;
}

/** Keeps the jobs through every crash, so that one that was running goes on. */
export interface RedeliveryJobs {
  /** The newest first. */
  redeliveries(): Promise<readonly RedeliveryJob[]>;
  /** Adds a job, or replaces the one with its id. Of more than `LIMITS.maxRedeliveryJobs`, the oldest that have ended go. */
  putRedelivery(job: RedeliveryJob): Promise<void>;
}

/** How many webhooks, or events of them, of a caller were turned away within a minute for a reason. */
export interface TurnedAwayCount {
  /** When it begins, epoch milliseconds. */
  readonly minute: number;
  /** Absent: not authenticated. */
  readonly caller?: string;
  /** Of a closed set: `duplicate`, or why it was ignored or rejected. */
  readonly reason: string;
  readonly count: number;
}

/** What may be shown of a webhook, or of an event of it, that was turned away. Every text is printable and bounded. */
export interface TurnedAwaySample {
  readonly at: number;
  readonly caller?: string;
  readonly remoteAddress: string;
  /** Of the answer. */
  readonly status: number;
  readonly reason: string;
  readonly event?: LostEvent;
  readonly detail?: string;
}

/** A sample that is kept. `id` numbers them in order. */
export interface KeptSample extends TurnedAwaySample {
  readonly id: number;
}

/** What was turned away since the last batch. */
export interface TurnedAwayBatch {
  readonly counts: readonly TurnedAwayCount[];
  /** The oldest first. */
  readonly samples: readonly TurnedAwaySample[];
}

/**
 * Keeps count of what was not taken in: webhooks that were rejected, and events that were ignored or duplicates.
 *
 * Every implementation promises, and the suite proves:
 * - counts of the same minute, caller and reason add up. They are kept for `LIMITS.turnedAwayMs`, and at most
 *   `LIMITS.maxTurnedAwayCounts` of them; of the samples, the newest `LIMITS.maxTurnedAwaySamples`;
 * - it delays no append by more than some milliseconds. A crash may lose the batches of the last moments.
 */
export interface TurnedAway {
  noteTurnedAway(batch: TurnedAwayBatch): Promise<void>;
  /** The counts of the minutes in [from, until), the oldest minute first. */
  turnedAway(period: { readonly from: number; readonly until: number }): Promise<readonly TurnedAwayCount[]>;
  /** The newest first; below the id `before` where given. */
  recentlyTurnedAway(limit: number, before?: number): Promise<readonly KeptSample[]>;
}

/** What one step of pruning did. */
export interface Pruned {
  /** Records and keys that were removed. */
  readonly gone: number;
  /** Whether another step may find more. It may, even if this one found nothing. */
  readonly mayBeMore: boolean;
  /** How many dead letters were deleted before their time since the step before, by caller. */
  readonly early: ReadonlyMap<string, number>;
}

/**
 * Keeps a journal in shape.
 *
 * Every implementation promises, and the suite proves:
 * - `prune` removes what is older than `LIMITS` says, and delivered events earlier while the journal is beyond its size, the
 *   oldest first; nothing ever removes a pending event. Ages are by the journal's own time: what a clock of the machine
 *   that is wrong says for a while, in either direction, removes nothing early and keeps nothing for good;
 * - the dead letters of one caller never take more than `LIMITS.maxCallerDeadLetters` of that size, and all together never
 *   more than `LIMITS.maxDeadLetters`: its oldest, or those of the caller that has most, are deleted with the append or the
 *   completion that goes beyond, and the next `prune` says so. The newest dead letter of a caller stays;
 * - once `close` resolves, everything that was taken in is durable and the files are closed. After that, appends are
 *   `unavailable`, claims are empty and completions are not taken; every other call rejects.
 */
export interface Maintenance {
  /** One small step: some milliseconds. */
  prune(): Promise<Pruned>;
  /** Rejects when nothing could be appended now. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** One adapter implements all of them. */
export interface Journal
  extends Intake,
    Queue,
    History,
    Corrections,
    Control,
    RedeliveryJobs,
    TurnedAway,
    Maintenance {}
