import type { Claim, Completion } from '../../model/delivery.ts';
import type { RegistryEvent } from '../../model/registry-event.ts';
import type { Clock } from '../clock.ts';
import type {
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
import { claimOf, recordsBySeq } from './claims.ts';
import { DiskWatch } from './disk-watch.ts';
import { DueWatch } from './due-watch.ts';
import { prepareFolder } from './folder.ts';
import type { LentRows, ReadRequest, Reply, Request, ThreadData, Time, WriteBatch, WriteResult } from './protocol.ts';
import { Thread, unreadable } from './thread.ts';
import { WriteQueue } from './write-queue.ts';

export interface SqliteJournalOptions {
  readonly path: string;
  /** Free disk below which nothing is taken in, bytes. */
  readonly reserveBytes: number;
  /** Size beyond which completed history is forgotten early, bytes. */
  readonly maxBytes: number;
  readonly allowNetworkFileSystem: boolean;
  readonly clock: Clock;
  /** Told once of what this journal cannot mend by itself: the process should end. */
  readonly onFault: (fault: JournalFault) => void;
}

/** How long a claim waits for something to fall due. */
const CLAIM_WAIT_MS = 60_000;

/** The journal in a SQLite file: one thread owns the database, another reads history once somebody asks. */
export class SqliteJournal implements Journal {
  readonly #options: SqliteJournalOptions;
  readonly #writer: Thread<Request>;
  readonly #queue: WriteQueue;
  #reader: Promise<Thread<ReadRequest>> | undefined;
  /** How often something may have fallen due, and how often that was when nothing more was due. */
  readonly #due: DueWatch;
  readonly #disk: DiskWatch;
  #closed = false;

  private constructor(writer: Thread<Request>, options: SqliteJournalOptions) {
    this.#writer = writer;
    this.#options = options;
    this.#due = new DueWatch(options.clock);
    this.#disk = new DiskWatch(options.onFault);
    this.#queue = new WriteQueue((batch, records) => this.#commit(batch, records));
  }

  /** Rejects with a `JournalFault` when the file cannot be used. */
  static async open(options: SqliteJournalOptions): Promise<SqliteJournal> {
    prepareFolder(options.path, options.allowNetworkFileSystem);
    let told = false;
    const onFault = (fault: JournalFault) => {
      if (!told) options.onFault(fault);
      told = true;
    };
    const writer = await Thread.start<Request>(threadData('writer', options), onFault);
    return new SqliteJournal(writer, { ...options, onFault });
  }

  append(records: readonly NewRecord[]): Promise<AppendOutcome> {
    return this.#queue.append(records);
  }

  async claim(max: number, signal: AbortSignal): Promise<readonly Claim[]> {
    const deadline = this.#time().tick + CLAIM_WAIT_MS;
    while (!signal.aborted && !this.#closed) {
      const leftMs = deadline - this.#time().tick;
      const lent = await this.#due.next(max, leftMs, signal);
      if (lent.length > 0) return lent;
      if (signal.aborted || this.#closed) break;
      const claims = await this.#claimNow(max);
      if (claims.length > 0 || leftMs <= 0) return claims;
    }
    return [];
  }

  async #claimNow(max: number): Promise<readonly Claim[]> {
    const { changes } = this.#due;
    const reply = await this.#ask({ kind: 'claim', max, time: this.#time() });
    if (reply.kind !== 'claimed') throw unexpected(reply);
    return this.#lent(reply.lent, max, changes);
  }

  #lent({ claims, nextDueAt }: LentRows, max: number, changes: number, own?: ReadonlyMap<number, NewRecord>): Claim[] {
    // Whoever was given all that he asked for may ask again at once.
    if (claims.length < max) this.#due.drained(changes, nextDueAt);
    else this.#due.changed();
    return claims.map((row) => claimOf(row, own));
  }

  async renew(claims: readonly Pick<Claim, 'seq' | 'fence'>[]): Promise<void> {
    const leases = claims.map(({ seq, fence }) => ({ seq, fence }));
    await this.#ask({ kind: 'renew', leases, time: this.#time() });
  }

  async complete(completion: Completion): Promise<boolean> {
    const completed = await this.#queue.complete(completion);
    if (completion.decision.kind === 'retry') this.#due.changed();
    return completed;
  }

  async wake(spreadMs: number): Promise<void> {
    await this.#ask({ kind: 'wake', spreadMs, time: this.#time() });
    this.#due.changed();
  }

  async find(query: { state?: RecordState; before?: number; limit: number }): Promise<readonly RecordSummary[]> {
    const reply = await this.#read({ kind: 'find', query });
    if (reply.kind !== 'found') throw unexpected(reply);
    return reply.records;
  }

  async get(seq: number): Promise<JournalRecord | undefined> {
    const reply = await this.#read({ kind: 'get', seq });
    if (reply.kind !== 'got') throw unexpected(reply);
    return reply.record;
  }

  async redeliver(seq: number, event?: RegistryEvent): Promise<boolean> {
    const replacement = event === undefined ? {} : { event };
    const reply = await this.#ask({ kind: 'redeliver', seq, ...replacement, time: this.#time() });
    this.#due.changed();
    return reply.kind === 'done' && reply.ok;
  }

  async stats(): Promise<JournalStats> {
    const reply = await this.#ask({ kind: 'stats', time: this.#time() });
    if (reply.kind !== 'stats') throw unexpected(reply);
    return reply.stats;
  }

  async prune(now: number): Promise<Pruned> {
    const reply = await this.#ask({ kind: 'prune', time: { ...this.#time(), now } });
    if (reply.kind !== 'pruned') throw unexpected(reply);
    return reply.pruned;
  }

  async check(): Promise<void> {
    await this.#ask({ kind: 'check', time: this.#time() });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#due.changed();
    await this.#queue.close();
    const reader = await this.#reader?.catch(() => undefined);
    await reader?.stop();
    await this.#writer.ask({ kind: 'close', time: this.#time() });
    await this.#writer.stop();
  }

  /** A claim that waits is served along with the commit: two messages fewer, and no reading back of what was just written. */
  async #commit(batch: WriteBatch, records: readonly NewRecord[]): Promise<WriteResult> {
    const claim = this.#due.take();
    const request: Request = { kind: 'write', batch, lend: claim?.max ?? 0, time: this.#time() };
    const { changes } = this.#due;
    let claims: readonly Claim[] = [];
    try {
      const reply = await this.#writer.ask(request, [batch.raw.buffer]);
      const result = this.#written(reply);
      this.#disk.look(result);
      const own = recordsBySeq(result, records);
      if (reply.kind === 'written' && reply.lent !== undefined && claim !== undefined)
        claims = this.#lent(reply.lent, claim.max, changes, own);
      else if (own.size > 0) this.#due.changed();
      return result;
    } finally {
      claim?.end(claims);
    }
  }

  #written(reply: Reply): WriteResult {
    // What nobody foresaw may heal as well: it is taken as refused by the disk, and watched as that is.
    if (reply.kind === 'failed' && reply.failure.kind !== 'unreadable') {
      return { refusal: { kind: 'unwritable', detail: reply.failure.detail } };
    }
    const judged = this.#judge(reply);
    if (judged.kind !== 'written') throw unexpected(judged);
    return judged.result;
  }

  async #ask(request: Request, transfer?: readonly ArrayBuffer[]): Promise<Reply> {
    return this.#judge(await this.#writer.ask(request, transfer));
  }

  async #read(request: ReadRequest): Promise<Reply> {
    if (this.#closed) throw new JournalFault('journal_failed', 'the journal is closed');
    this.#reader ??= this.#startReader();
    return this.#judge(await (await this.#reader).ask(request));
  }

  /** One that did not start, or that died, is started anew by the next question. */
  async #startReader(): Promise<Thread<ReadRequest>> {
    const forget = () => {
      this.#reader = undefined;
    };
    try {
      return await Thread.start<ReadRequest>(threadData('reader', this.#options), forget);
    } catch (error) {
      forget();
      throw error;
    }
  }

  #judge(reply: Reply): Reply {
    if (reply.kind !== 'failed') return reply;
    const { kind, detail } = reply.failure;
    if (kind !== 'unreadable') throw new JournalFault('journal_failed', detail);
    const fault = unreadable(this.#options.path, detail);
    this.#options.onFault(fault);
    throw fault;
  }

  #time(): Time {
    const { clock } = this.#options;
    return { now: clock.now(), tick: clock.tick() };
  }
}

function threadData(role: ThreadData['role'], options: SqliteJournalOptions): ThreadData {
  const { path, reserveBytes, maxBytes } = options;
  return { role, path, reserveBytes, maxBytes };
}

function unexpected(reply: Reply): JournalFault {
  return new JournalFault('journal_failed', `the journal's thread gave an answer of another kind: ${reply.kind}`);
}
