import type { Completion, DeliveryHistory } from '../../model/delivery.ts';
import type { RegistryEvent } from '../../model/registry-event.ts';
import type {
  Appended,
  JournalRecord,
  JournalStats,
  NewRecord,
  Pruned,
  RecordState,
  RecordSummary,
} from '../journal.ts';

/** What time it is, by a `Clock`. */
export interface Time {
  readonly now: number;
  readonly tick: number;
}

/**
 * What the main thread asks of the thread that owns the database; every request is answered, in order. `time` is
 * the asker's.
 */
export type Request =
  /** `lend`: what is due then may be lent along, so many events at most, to a claim that waits. */
  | { readonly kind: 'write'; readonly time: Time; readonly batch: WriteBatch; readonly lend: number }
  | { readonly kind: 'claim'; readonly time: Time; readonly max: number }
  | { readonly kind: 'renew'; readonly time: Time; readonly leases: readonly LeaseKey[] }
  | { readonly kind: 'wake'; readonly time: Time; readonly spreadMs: number }
  | {
      readonly kind: 'redeliver';

      readonly time: Time;
      readonly seq: number;
      readonly event?: RegistryEvent;
    }
  | { readonly kind: 'stats' | 'check' | 'prune' | 'close'; readonly time: Time };

/** What the main thread asks of the thread that reads history. */
export type ReadRequest =
  | {
      readonly kind: 'find';

      readonly query: { readonly state?: RecordState; readonly before?: number; readonly limit: number };
    }
  | { readonly kind: 'get'; readonly seq: number };

export type Reply =
  /** Once, before all others: the database is open. */
  | { readonly kind: 'ready' }
  /** `lent` is absent when nothing was to be lent, or could be. */
  | { readonly kind: 'written'; readonly result: WriteResult; readonly lent?: LentRows }
  | { readonly kind: 'claimed'; readonly lent: LentRows }
  | { readonly kind: 'done'; readonly ok: boolean }
  | { readonly kind: 'pruned'; readonly pruned: Pruned }
  | { readonly kind: 'stats'; readonly stats: JournalStats }
  | { readonly kind: 'found'; readonly records: readonly RecordSummary[] }
  | { readonly kind: 'got'; readonly record?: JournalRecord }
  | { readonly kind: 'failed'; readonly failure: StoreFailure };

/** What a journal's thread is started with. */
export interface ThreadData {
  readonly role: 'writer' | 'reader';
  readonly path: string;
  readonly reserveBytes: number;
  readonly maxBytes: number;
}

/** Why SQLite did not do what it was asked. */
export interface StoreFailure {
  /**
   * `full` and `unwritable` may heal; `unreadable` (the file is damaged) and `locked` (somebody else owns it) do not.
   * `refused` is about one record, not about the disk.
   */
  readonly kind: 'full' | 'unwritable' | 'unreadable' | 'locked' | 'unstorable';
  readonly detail: string;
}

export interface LeaseKey {
  readonly seq: number;
  readonly fence: number;
}

/**
 * What is committed together. The raw events of all records lie one after the other in `raw`, which is transferred,
 * not copied; `record.rawEnd` says where each ends.
 */
export interface WriteBatch {
  readonly records: readonly RecordRow[];
  readonly raw: Uint8Array<ArrayBuffer>;
  readonly completions: readonly Completion[];
}

/** A `NewRecord` as it crosses to the other thread: texts are made on the side that has them at hand. */
export interface RecordRow extends Omit<NewRecord, 'headers' | 'event' | 'raw'> {
  readonly headersJson: string;
  readonly eventJson: string;
  readonly rawEnd: number;
}

export interface WriteResult {
  /** One for each record; absent when none was kept, `refusal` says why. */
  readonly appended?: readonly Appended[];
  readonly refusal?: StoreFailure;
  /** One for each completion; absent when they could not be stored and must be sent again. */
  readonly completed?: readonly boolean[];
}

export interface LentRows {
  readonly claims: readonly ClaimRow[];
  /** When the next event falls due that is not due now; infinite if none waits. */
  readonly nextDueAt: number;
}

export interface ClaimRow {
  readonly seq: number;
  readonly fence: number;
  readonly delivery: number;
  readonly receivedAt: number;
  readonly history: DeliveryHistory;
  /** Absent for a record of the very batch that was written: who sent it has it still. */
  readonly stored?: { readonly eventJson: string; readonly payload: string; readonly traceparent?: string };
}
