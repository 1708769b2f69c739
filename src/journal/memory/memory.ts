import type { Claim, Completion } from '../../model/delivery.ts';
import type { RegistryEvent } from '../../model/registry-event.ts';
import type { Clock } from '../clock.ts';
import type {
  Appended,
  AppendOutcome,
  Journal,
  JournalRecord,
  JournalStats,
  NewRecord,
  Pruned,
  RecordState,
  RecordSummary,
} from '../journal.ts';
import { JournalFault } from '../journal-fault.ts';
import { MemoryEntries } from './memory-entries.ts';
import { bytesOf, newHistory, recordOf, statusAfter, summaryOf, withAttempt } from './memory-entry.ts';

/** How much a memory journal holds before its appends are `unavailable: full`. Looked at by every append. */
export interface MemoryLimits {
  /** Of raw events, and 1 KiB for each. Delivered ones are forgotten before their time beyond half of it. */
  readonly maxBytes: number;
  /** Of webhooks within 7 days. */
  readonly maxKeys: number;
}

/** 64 MiB: an outage of hours in a busy registry. A million keys: 1.6 events a second for 7 days, some 150 MB. */
const DEFAULT_LIMITS: MemoryLimits = { maxBytes: 64 * 1024 * 1024, maxKeys: 1_000_000 };

const CLAIM_WAIT_MS = 60_000;
const KEY_MS = 7 * 86_400_000;
/** Records that one step of pruning may forget: some milliseconds. */
const PRUNE_STEP = 1_000;

/** Keeps every promise of a journal but durability: it ends with its process. For tests and `JOURNAL_URL=memory:`. */
export class MemoryJournal implements Journal {
  readonly #clock: Clock;
  readonly #limits: MemoryLimits;
  readonly #entries = new MemoryEntries();
  /** In the order of their arrival. */
  readonly #keys = new Map<string, { readonly seq: number; readonly at: number }>();
  readonly #contents = new Map<string, { readonly seq: number; readonly until: number }>();
  /** Wakes the claims that wait. */
  readonly #waiting = new Set<() => void>();
  #closed = false;

  constructor({ clock, limits = DEFAULT_LIMITS }: { readonly clock: Clock; readonly limits?: MemoryLimits }) {
    this.#clock = clock;
    this.#limits = limits;
  }

  async append(records: readonly NewRecord[]): Promise<AppendOutcome> {
    if (this.#closed) return { kind: 'unavailable', reason: 'closed' };
    if (!this.#fits(records)) return { kind: 'unavailable', reason: 'full' };
    const appended = records.map((record) => this.#keep(record));
    this.#notify();
    return { kind: 'appended', records: appended };
  }

  async claim(max: number, signal: AbortSignal): Promise<readonly Claim[]> {
    const deadline = this.#clock.now() + CLAIM_WAIT_MS;
    while (!this.#closed && !signal.aborted) {
      const claims = this.#entries.lend(max, this.#clock.now());
      if (claims.length > 0 || this.#clock.now() >= deadline) return claims;
      await this.#somethingNew(Math.min(deadline, this.#entries.nextAt), signal);
    }
    return [];
  }

  async renew(claims: readonly Pick<Claim, 'seq' | 'fence'>[]): Promise<void> {
    this.#assertOpen();
    for (const { seq, fence } of claims) this.#entries.renew(seq, fence, this.#clock.now());
  }

  async complete({ seq, fence, attempt, decision }: Completion): Promise<boolean> {
    if (this.#closed) return false;
    const now = this.#clock.now();
    const entry = this.#entries.lent(seq, fence, now);
    if (entry === undefined) return false;
    if (attempt !== undefined) entry.attempts = withAttempt(entry, attempt, decision);
    this.#entries.change(entry, statusAfter(decision, attempt, now));
    this.#notify();
    return true;
  }

  async wake(spreadMs: number): Promise<void> {
    this.#assertOpen();
    this.#entries.wake(spreadMs, this.#clock.now());
    this.#notify();
  }

  async find(query: { state?: RecordState; before?: number; limit: number }): Promise<readonly RecordSummary[]> {
    this.#assertOpen();
    const { state, before = Number.POSITIVE_INFINITY, limit } = query;
    return this.#entries
      .newestFirst()
      .filter(({ seq, status }) => seq < before && (state === undefined || status.kind === state))
      .slice(0, limit)
      .map(summaryOf);
  }

  async get(seq: number): Promise<JournalRecord | undefined> {
    this.#assertOpen();
    const entry = this.#entries.get(seq);
    return entry && recordOf(entry);
  }

  async redeliver(seq: number, event?: RegistryEvent): Promise<boolean> {
    this.#assertOpen();
    const entry = this.#entries.get(seq);
    if (entry === undefined || entry.status.kind === 'pending') return false;
    const now = this.#clock.now();
    entry.event = event ?? entry.event;
    entry.delivery += 1;
    this.#entries.change(entry, { kind: 'pending', dueAt: now, history: newHistory(now) });
    this.#notify();
    return true;
  }

  async stats(): Promise<JournalStats> {
    this.#assertOpen();
    return this.#entries.stats();
  }

  async prune(now: number): Promise<Pruned> {
    this.#assertOpen();
    for (const [key, { at }] of this.#keys) {
      if (at >= now - KEY_MS) break;
      this.#keys.delete(key);
    }
    for (const [key, { until }] of this.#contents) if (until <= now) this.#contents.delete(key);
    const gone = this.#entries.forget(PRUNE_STEP, this.#limits.maxBytes / 2, now);
    return { gone, mayBeMore: gone > 0 };
  }

  async check(): Promise<void> {
    this.#assertOpen();
    if (!this.#hasRoom(1, 1)) throw new JournalFault('journal_failed', 'the memory journal is full');
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#notify();
  }

  #assertOpen(): void {
    if (this.#closed) throw new JournalFault('journal_failed', 'the journal is closed');
  }

  #fits(records: readonly NewRecord[]): boolean {
    const added = new Map<string, number>();
    for (const record of records) {
      if (!this.#keys.has(record.dedupKey)) added.set(record.dedupKey, bytesOf(record));
    }
    const bytes = added.values().reduce((sum, each) => sum + each, 0);
    return added.size === 0 || this.#hasRoom(bytes, added.size);
  }

  #hasRoom(bytes: number, keys: number): boolean {
    return this.#entries.bytes + bytes <= this.#limits.maxBytes && this.#keys.size + keys <= this.#limits.maxKeys;
  }

  #keep(record: NewRecord): Appended {
    const original = this.#keys.get(record.dedupKey);
    if (original !== undefined) return { kind: 'duplicate', of: original.seq };
    const { content, receivedAt, deadLetter } = record;
    const first = content && this.#contents.get(content.key);
    if (first !== undefined && first.until > receivedAt) return { kind: 'duplicate', of: first.seq, by: 'content' };
    const now = this.#clock.now();
    const seq = this.#entries.add(record, now);
    this.#keys.set(record.dedupKey, { seq, at: now });
    if (content !== undefined && deadLetter === undefined) {
      this.#contents.set(content.key, { seq, until: receivedAt + content.windowMs });
    }
    return { kind: 'kept', seq };
  }

  /** Resolves when an event may have fallen due, at `time` at the latest, or when the signal is aborted. */
  async #somethingNew(time: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    const cancel = this.#clock.after(time - this.#clock.now(), wake);
    signal.addEventListener('abort', wake);
    this.#waiting.add(wake);
    await promise;
    this.#waiting.delete(wake);
    signal.removeEventListener('abort', wake);
    cancel();
  }

  #notify(): void {
    for (const wake of this.#waiting) wake();
  }
}
