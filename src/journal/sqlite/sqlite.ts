import type { Clock } from '../../model/clock.ts';
import type { Claim, Completion } from '../../model/delivery.ts';
import type { RegistryEvent } from '../../model/registry-event.ts';
import { HourCounts } from '../hour-counts.ts';
import type {
  Act,
  AppendOutcome,
  EventFilter,
  HourCount,
  Journal,
  JournalRecord,
  JournalStats,
  KeptSample,
  NewRecord,
  OnStoredLate,
  Page,
  Pruned,
  RecordQuery,
  RedeliveryJob,
  TurnedAwayBatch,
  TurnedAwayCount,
} from '../journal.ts';
import { JournalClock } from '../journal-clock.ts';
import { JournalFault } from '../journal-fault.ts';
import { prepareFolder } from './folder.ts';
import type { ThreadData } from './protocol.ts';
import type { Reader } from './reader/reader.ts';
import { Thread } from './thread.ts';
import { WriteQueue } from './write-queue.ts';
import type { Writer } from './writer/writer.ts';

const WRITER = new URL('./writer/writer.ts', import.meta.url);
const READER = new URL('./reader/reader.ts', import.meta.url);

export interface SqliteJournalOptions extends ThreadData {
  readonly allowNetworkFileSystem: boolean;
  readonly clock: Clock;
  /** Called once, with what this journal cannot fix by itself: the process should end. */
  readonly onFault: (fault: JournalFault) => void;
  readonly onStoredLate?: OnStoredLate;
}

/**
 * The journal in a SQLite file. One thread owns the database: SQLite is synchronous and a commit waits for the disk, which
 * the thread that answers webhooks must not. A second thread reads history; it starts with the first question.
 */
export class SqliteJournal implements Journal {
  readonly #options: SqliteJournalOptions;
  readonly #clock: JournalClock;
  readonly #writer: Thread<Writer>;
  readonly #queue: WriteQueue;
  #reader: Promise<Thread<Reader>> | undefined;
  #closed = false;

  private constructor(writer: Thread<Writer>, clock: JournalClock, options: SqliteJournalOptions) {
    this.#options = options;
    this.#clock = clock;
    this.#writer = writer;
    this.#queue = new WriteQueue({ ...options, clock, writer });
  }

  /** Rejects with a `JournalFault` when the file cannot be used. */
  static async open(options: SqliteJournalOptions): Promise<SqliteJournal> {
    const path = prepareFolder(options.path, options.allowNetworkFileSystem);
    let isReported = false;
    const onFault = (fault: JournalFault) => {
      if (!isReported) options.onFault(fault);
      isReported = true;
    };
    const ready = { ...options, path, onFault };
    const writer = await Thread.start<Writer>(WRITER, threadData(ready), onFault);
    const clock = new JournalClock(options.clock, await writer.call('savedTime', []));
    return new SqliteJournal(writer, clock, ready);
  }

  append(records: readonly NewRecord[], since?: number): Promise<AppendOutcome> {
    return this.#queue.append(records, since);
  }

  claim(max: number, signal: AbortSignal): Promise<readonly Claim[]> {
    return this.#queue.claim(max, signal);
  }

  time(): number {
    return this.#clock.time().tick;
  }

  renew(claims: readonly Pick<Claim, 'seq' | 'fence'>[]): Promise<void> {
    const keys = claims.map(({ seq, fence }) => ({ seq, fence }));
    return this.#writer.call('renew', [keys, this.time()]);
  }

  complete(completion: Completion): Promise<boolean> {
    return this.#queue.complete(completion);
  }

  wake(spreadMs: number): Promise<void> {
    return this.#queue.wake(spreadMs);
  }

  async find(query: RecordQuery): Promise<Page> {
    return (await this.#history()).call('find', [query]);
  }

  /** In steps, between which other questions are answered. */
  async count(filter: EventFilter): Promise<readonly HourCount[]> {
    const reader = await this.#history();
    const counts = new HourCounts();
    let before = Number.POSITIVE_INFINITY;
    while (before > 0) {
      const step = await reader.call('count', [filter, before]);
      for (const { hour, state, count } of step.hours) counts.add(hour, state, count);
      before = step.next ?? 0;
    }
    return counts.list();
  }

  async get(seq: number): Promise<JournalRecord | undefined> {
    const record = await (await this.#history()).call('get', [seq]);
    if (record?.dueAt === undefined) return record;
    return { ...record, dueAt: this.#clock.timeOfDay(record.dueAt) };
  }

  redeliver(seq: number, event?: RegistryEvent): Promise<boolean> {
    return this.#queue.redeliver(seq, event);
  }

  discard(seq: number, by: string): Promise<boolean> {
    return this.#writer.call('discard', [seq, by, this.#clock.time()]);
  }

  pause(by: string, at: number): Promise<void> {
    return this.#writer.call('pause', [by, at]);
  }

  resume(): Promise<void> {
    return this.#writer.call('resume', []);
  }

  pauseState(): Promise<Act | undefined> {
    return this.#writer.call('pauseState', []);
  }

  redeliveries(): Promise<readonly RedeliveryJob[]> {
    return this.#writer.call('redeliveries', []);
  }

  putRedelivery(job: RedeliveryJob): Promise<void> {
    return this.#writer.call('putRedelivery', [job]);
  }

  noteTurnedAway(batch: TurnedAwayBatch): Promise<void> {
    return this.#writer.call('noteTurnedAway', [batch, this.#clock.now()]);
  }

  async turnedAway(period: { readonly from: number; readonly until: number }): Promise<readonly TurnedAwayCount[]> {
    return (await this.#history()).call('turnedAway', [period]);
  }

  async recentlyTurnedAway(limit: number, before?: number): Promise<readonly KeptSample[]> {
    return (await this.#history()).call('recentlyTurnedAway', [limit, before]);
  }

  async stats(): Promise<JournalStats> {
    const { oldestPendingAt, oldestDeadLetterAt, ...counts } = await this.#writer.call('stats', []);
    return {
      ...counts,
      ...(oldestPendingAt !== undefined && { oldestPendingAt: this.#clock.timeOfDay(oldestPendingAt) }),
      ...(oldestDeadLetterAt !== undefined && { oldestDeadLetterAt: this.#clock.timeOfDay(oldestDeadLetterAt) }),
    };
  }

  prune(): Promise<Pruned> {
    return this.#writer.call('prune', [this.#clock.time()]);
  }

  check(): Promise<void> {
    return this.#writer.call('check', [this.#clock.now()]);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#queue.close();
    const reader = await this.#reader?.catch(() => undefined);
    await reader?.stop();
    await this.#writer.call('close', []);
    await this.#writer.stop();
  }

  /** A reader that did not start, or that died, is started anew by the next question. */
  #history(): Promise<Thread<Reader>> {
    if (this.#closed) return Promise.reject(new JournalFault('journal_failed', 'the journal is closed'));
    this.#reader ??= Thread.start<Reader>(READER, threadData(this.#options), (fault) => {
      if (fault.code === 'journal_unreadable') this.#options.onFault(fault);
      else this.#reader = undefined;
    }).catch((error: unknown) => {
      this.#reader = undefined;
      throw error;
    });
    return this.#reader;
  }
}

function threadData({ path, reserveBytes, maxBytes }: SqliteJournalOptions): ThreadData {
  return { path, reserveBytes, maxBytes };
}
