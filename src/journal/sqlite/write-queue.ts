import type { Clock, Time } from '../../model/clock.ts';
import type { Claim, Completion } from '../../model/delivery.ts';
import { isRegistryEvent, type RegistryEvent } from '../../model/registry-event.ts';
import type { AppendOutcome, NewRecord, OnStoredLate } from '../journal.ts';
import { arrivalTick, type JournalClock } from '../journal-clock.ts';
import { JournalFault } from '../journal-fault.ts';
import { LIMITS } from '../limits.ts';
import { payloadOf } from '../payload.ts';
import { AppendQueue, type Portion } from './append-queue.ts';
import { pack, type Stored, type StoreFailure, type WriteResult } from './protocol.ts';
import type { Thread } from './thread.ts';
import type { Writer } from './writer/writer.ts';

/**
 * A completion waits this long for others to share a commit with, milliseconds. After a crash within this time, its event
 * is delivered once more.
 */
const COMPLETION_LINGER_MS = 5;

/** Completions that the disk did not take are sent again after this time, milliseconds. */
const COMPLETION_RETRY_MS = 1000;

/** A claim that waits lets this much time pass for more events to share its answer with, milliseconds. */
const CLAIM_LINGER_MS = 2;

/** The disk may fail for this long, other than by being full, before the journal gives up, milliseconds. */
const UNWRITABLE_LIMIT_MS = 60_000;

interface WaitingCompletion {
  readonly completion: Completion;
  readonly resolve: (completed: boolean) => void;
}

interface WaitingClaim {
  readonly max: number;
  /** Ends the wait: with events, or without when the claim should look again. */
  readonly end: (claims: readonly Claim[]) => void;
}

export interface WriteQueueOptions {
  readonly writer: Pick<Thread<Writer>, 'call'>;
  readonly clock: JournalClock;
  readonly onFault: (fault: JournalFault) => void;
  readonly onStoredLate?: OnStoredLate;
}

/**
 * Everything that waits for the thread that writes. One commit is under way at a time; what arrives meanwhile travels
 * together in the next: that is the group commit. With two commits under way, each would be smaller and the disk would
 * sync twice as often. A claim that waits gets its events along with the commit that brings them: this saves two messages,
 * and reading back what was just written.
 *
 * A commit has a turn of each caller that waits, and of the completions, which are as many as events are claimed.
 */
export class WriteQueue {
  readonly #writer: Pick<Thread<Writer>, 'call'>;
  readonly #clock: JournalClock;
  readonly #disk: DiskWatch;

  readonly #appends: AppendQueue;
  /** When the first append is late, by the clock that never jumps. */
  #lateAt = Number.POSITIVE_INFINITY;
  #cancelLimit: (() => void) | undefined;

  #completions: WaitingCompletion[] = [];
  #cancelLinger: (() => void) | undefined;
  #isRetryPending = false;

  readonly #claims = new Set<WaitingClaim>();
  /** Nothing can be claimed before this time of the journal; in the past: ask the writer. */
  #nextDueAt = 0;
  #isWakingClaims = false;

  #underWay: Promise<void> | undefined;
  #closed = false;

  constructor({ writer, clock, onFault, onStoredLate }: WriteQueueOptions) {
    this.#writer = writer;
    this.#appends = new AppendQueue(onStoredLate);
    this.#clock = clock;
    this.#disk = new DiskWatch(clock, onFault);
  }

  append(records: readonly NewRecord[], since = this.#clock.tick()): Promise<AppendOutcome> {
    if (this.#closed) return Promise.resolve({ kind: 'unavailable', reason: 'closed' });
    if (records.length === 0) return Promise.resolve({ kind: 'appended', records: [] });
    const lateAt = since + LIMITS.appendMs;
    if (lateAt <= this.#clock.tick()) return Promise.resolve(SLOW);
    return new Promise((resolve) => {
      if (!this.#appends.add(records, since, resolve)) return resolve(BUSY);
      if (lateAt < this.#lateAt) this.#limitAppends(lateAt);
      this.#start();
    });
  }

  /** Nothing waits for a completion: it travels with the next append, or with other completions a moment later. */
  complete(completion: Completion): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#completions.push({ completion, resolve });
      this.#startSoon();
    });
  }

  async claim(max: number, signal: AbortSignal): Promise<readonly Claim[]> {
    const deadline = this.#clock.tick() + LIMITS.claimWaitMs;
    while (!signal.aborted && !this.#closed) {
      const untilDueMs = this.#nextDueAt - this.#clock.time().tick;
      const leftMs = deadline - this.#clock.tick();
      const waitMs = Math.min(untilDueMs, leftMs);
      const claims = waitMs > 0 ? await this.#wait(max, waitMs, signal) : await this.#claimNow(max);
      if (claims.length > 0 || leftMs <= 0) return claims;
    }
    return [];
  }

  async wake(spreadMs: number): Promise<void> {
    await this.#writer.call('wake', [spreadMs, this.#clock.time().tick]);
    this.#setNextDue(0);
  }

  async redeliver(seq: number, event?: RegistryEvent): Promise<boolean> {
    const isRedelivered = await this.#writer.call('redeliver', [seq, event, this.#clock.time().tick]);
    this.#setNextDue(0);
    return isRedelivered;
  }

  /** Resolves when everything that was taken in is committed or answered. What comes later is not taken. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const claim of this.#claims) claim.end([]);
    this.#cancelLinger?.();
    while (this.#hasWork() || this.#underWay !== undefined) {
      this.#start();
      await this.#underWay;
    }
    this.#cancelLimit?.();
    for (const { resolve } of this.#completions.splice(0)) resolve(false);
  }

  #hasWork(): boolean {
    return !this.#appends.isEmpty || (this.#completions.length > 0 && !this.#isRetryPending);
  }

  #start(): void {
    this.#underWay ??= this.#run();
  }

  #startSoon(): void {
    this.#cancelLinger ??= this.#clock.after(COMPLETION_LINGER_MS, () => {
      this.#cancelLinger = undefined;
      this.#start();
    });
  }

  async #run(): Promise<void> {
    // What else arrives in this turn of the event loop travels along.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#hasWork()) await this.#commit();
    this.#underWay = undefined;
    if (!this.#appends.isEmpty) this.#start();
    else if (this.#hasWork()) this.#startSoon();
  }

  async #commit(): Promise<void> {
    const portions = this.#appends.take();
    const completions = this.#completions.splice(0, LIMITS.maxCommitRecords);
    const claim = this.#takeClaim();
    const time = this.#clock.time();
    const records = portions.flatMap((portion) => portion.records);
    let result: WriteResult;
    try {
      const batch = { ...pack(records), completions: completions.map(({ completion }) => completion) };
      result = await this.#writer.call('write', [batch, claim?.max ?? 0, time], [batch.raw.buffer]);
      this.#disk.look(result);
    } catch {
      // The writer is broken for good and has reported its fault.
      this.#closed = true;
      result = { failure: BROKEN, completed: completions.map(() => false) };
    }
    this.#noteDue(result, completions);
    this.#answerAppends(portions, result);
    this.#answerCompletions(completions, result);
    claim?.end(claimsOf(result, records, time));
  }

  #answerAppends(portions: readonly Portion[], { appended, failure }: WriteResult): void {
    let start = 0;
    for (const portion of portions) {
      const end = start + portion.records.length;
      const stored = appended?.slice(start, end);
      const kept = stored?.filter((each) => each.kind !== 'over-share');
      if (kept?.length === portion.records.length) this.#appends.stored(portion, kept);
      else if (stored !== undefined) this.#appends.failed(portion, SHARE);
      else this.#appends.failed(portion, failure?.kind === 'full' ? FULL : UNWRITABLE);
      start = end;
    }
  }

  /** What is being committed may yet become durable; when its caller tries again, that is a duplicate. */
  #answerLateAppends(): void {
    this.#appends.failLate(this.#clock.tick() - LIMITS.appendMs, SLOW);
    this.#limitAppends(this.#appends.oldest + LIMITS.appendMs);
  }

  #limitAppends(lateAt: number): void {
    this.#cancelLimit?.();
    this.#lateAt = lateAt;
    if (lateAt === Number.POSITIVE_INFINITY) return;
    this.#cancelLimit = this.#clock.after(lateAt - this.#clock.tick(), () => this.#answerLateAppends());
  }

  #answerCompletions(completions: readonly WaitingCompletion[], { completed }: WriteResult): void {
    if (completed !== undefined || this.#closed) {
      for (const [index, { resolve }] of completions.entries()) resolve(completed?.[index] ?? false);
      return;
    }
    if (completions.length === 0) return;
    this.#completions.unshift(...completions);
    this.#isRetryPending = true;
    this.#clock.after(COMPLETION_RETRY_MS, () => {
      this.#isRetryPending = false;
      this.#start();
    });
  }

  async #claimNow(max: number): Promise<readonly Claim[]> {
    const { claims, nextDueAt } = await this.#writer.call('claim', [max, this.#clock.time()]);
    this.#setNextDue(nextDueAt);
    return claims;
  }

  #wait(max: number, ms: number, signal: AbortSignal): Promise<readonly Claim[]> {
    return new Promise((resolve) => {
      const end = (claims: readonly Claim[]) => {
        cancel();
        signal.removeEventListener('abort', giveUp);
        this.#claims.delete(claim);
        resolve(claims);
      };
      const claim: WaitingClaim = { max, end };
      const giveUp = () => {
        // A claim that a commit has taken along gets its events: they are leased to it.
        if (this.#claims.has(claim)) end([]);
      };
      const cancel = this.#clock.after(ms, giveUp);
      signal.addEventListener('abort', giveUp);
      this.#claims.add(claim);
    });
  }

  /** The claim that has waited longest. From now on, only the commit that takes it along ends its wait. */
  #takeClaim(): WaitingClaim | undefined {
    const [first] = this.#claims;
    if (first !== undefined) this.#claims.delete(first);
    return first;
  }

  #noteDue({ claimed, appended = [], completed = [] }: WriteResult, completions: readonly WaitingCompletion[]): void {
    if (claimed !== undefined) {
      this.#setNextDue(claimed.nextDueAt);
      return;
    }
    if (appended.some(({ kind }) => kind === 'kept')) this.#setNextDue(0);
    for (const [index, { completion }] of completions.entries()) {
      const { decision } = completion;
      if (completed[index] && decision.kind === 'retry') this.#setNextDue(Math.min(this.#nextDueAt, decision.at));
    }
  }

  /** The writer answers in order, so the latest answer is the one that holds. */
  #setNextDue(at: number): void {
    const isEarlier = at < this.#nextDueAt;
    this.#nextDueAt = at;
    if (!isEarlier || this.#claims.size === 0 || this.#isWakingClaims) return;
    this.#isWakingClaims = true;
    this.#clock.after(CLAIM_LINGER_MS, () => {
      this.#isWakingClaims = false;
      for (const claim of this.#claims) claim.end([]);
    });
  }
}

/** Pruning heals a full disk. A disk that fails otherwise, and for long, is better left to a restart. */
class DiskWatch {
  readonly #clock: Clock;
  readonly #onFault: (fault: JournalFault) => void;
  #unwritableSince: number | undefined;

  constructor(clock: Clock, onFault: (fault: JournalFault) => void) {
    this.#clock = clock;
    this.#onFault = onFault;
  }

  /** Looks at the result of every commit. */
  look({ failure }: WriteResult): void {
    if (failure?.kind !== 'unwritable' && failure?.kind !== 'locked') {
      this.#unwritableSince = undefined;
      return;
    }
    const now = this.#clock.tick();
    this.#unwritableSince ??= now;
    if (now - this.#unwritableSince < UNWRITABLE_LIMIT_MS) return;
    this.#onFault(new JournalFault('journal_failed', `the journal cannot be written: ${failure.detail}`));
  }
}

const SLOW: AppendOutcome = { kind: 'unavailable', reason: 'slow' };
const BUSY: AppendOutcome = { kind: 'unavailable', reason: 'busy' };
const SHARE: AppendOutcome = { kind: 'unavailable', reason: 'share' };
const FULL: AppendOutcome = { kind: 'unavailable', reason: 'full' };
const UNWRITABLE: AppendOutcome = { kind: 'unavailable', reason: 'unwritable' };
const BROKEN: StoreFailure = { kind: 'unwritable', detail: 'the journal is broken' };

/** What a waiting claim gets along with a commit: stored events, and records of the commit itself. */
function claimsOf(
  { claimed, appended = [] }: WriteResult,
  records: readonly NewRecord[],
  time: Time,
): readonly Claim[] {
  if (claimed === undefined) return [];
  const own = records.flatMap((record, index) => newClaim(record, appended[index], claimed.fences, time));
  return [...claimed.claims, ...own];
}

function newClaim(
  { event, receivedAt, caller, raw, payload, traceparent }: NewRecord,
  appended: Stored | undefined,
  fences: ReadonlyMap<number, number>,
  time: Time,
): readonly Claim[] {
  const seq = appended?.kind === 'kept' ? appended.seq : 0;
  const fence = fences.get(seq);
  if (fence === undefined || !isRegistryEvent(event)) return [];
  const history = { attempts: 0, uncertain: 0, agesFrom: arrivalTick(receivedAt, time), lastAttemptAt: 0 };
  const trace = traceparent === undefined ? {} : { traceparent };
  return [{ seq, fence, delivery: 1, receivedAt, caller, history, event, payload: payloadOf(raw, payload), ...trace }];
}
