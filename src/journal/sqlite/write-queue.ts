import type { Completion } from '../../model/delivery.ts';
import type { Appended, AppendOutcome, NewRecord } from '../journal.ts';
import type { RecordRow, StoreFailure, WriteBatch, WriteResult } from './protocol.ts';

/** What one commit takes at most. More would make those wait who came first. */
const BATCH = { records: 512, bytes: 8 * 1024 * 1024 };

/** What may wait for the disk at most, besides what is being committed; beyond it an append is refused at once. */
const WAITING = { records: 4096, bytes: 64 * 1024 * 1024 };

/** How long an append may take: less than the five seconds that ACR waits for an answer. */
const APPEND_MS = 4000;

/** How often it is looked who has waited too long. */
const SWEEP_MS = 250;

/**
 * For how long a completion waits for others to share a commit with, milliseconds. A crash within them offers its event
 * once more.
 */
const COMPLETE_LINGER_MS = 5;

/** After how long completions are tried again that the disk refused. */
const RECOMPLETE_MS = 1000;

interface WaitingAppend {
  readonly records: readonly NewRecord[];
  readonly bytes: number;
  readonly since: number;
  readonly resolve: (outcome: AppendOutcome) => void;
}

interface WaitingCompletion {
  readonly completion: Completion;
  readonly resolve: (completed: boolean) => void;
}

/**
 * Group commit: whatever arrives while one batch is on its way to the disk travels together in the next. Bounded in
 * records, bytes and time.
 */
export class WriteQueue {
  readonly #commit: (batch: WriteBatch, records: readonly NewRecord[]) => Promise<WriteResult>;
  readonly #sweeper: NodeJS.Timeout;
  #appends: WaitingAppend[] = [];
  #completions: WaitingCompletion[] = [];
  #records = 0;
  #bytes = 0;
  #isScheduled = false;
  #linger: NodeJS.Timeout | undefined;
  #isRecompleting = false;
  #underWay: Promise<void> | undefined;
  readonly #inFlight = new Set<WaitingAppend>();
  #closed = false;

  /**
   * `commit` is given a batch with the records of which it was made. It resolves when the batch is durable or refused, and
   * rejects only when the journal is broken for good.
   */
  constructor(commit: (batch: WriteBatch, records: readonly NewRecord[]) => Promise<WriteResult>) {
    this.#commit = commit;
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  append(records: readonly NewRecord[]): Promise<AppendOutcome> {
    if (this.#closed) return Promise.resolve({ kind: 'unavailable', reason: 'closed' });
    if (this.#records >= WAITING.records || this.#bytes >= WAITING.bytes) {
      return Promise.resolve({ kind: 'unavailable', reason: 'slow' });
    }
    return new Promise((resolve) => {
      const bytes = records.reduce((sum, { raw }) => sum + raw.byteLength, 0);
      this.#appends.push({ records, bytes, since: performance.now(), resolve });
      this.#records += records.length;
      this.#bytes += bytes;
      this.#start();
    });
  }

  complete(completion: Completion): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#completions.push({ completion, resolve });
      this.#startSoon();
    });
  }

  /** Resolves when all that was taken in is committed or refused; refuses what comes later. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#linger);
    while (this.#hasWork() || this.#isScheduled || this.#underWay !== undefined) {
      if (this.#hasWork()) this.#start();
      await this.#underWay;
      await new Promise((resolve) => setImmediate(resolve));
    }
    clearInterval(this.#sweeper);
    for (const { resolve } of this.#completions.splice(0)) resolve(false);
  }

  #hasWork(): boolean {
    return this.#appends.length > 0 || (this.#completions.length > 0 && !this.#isRecompleting);
  }

  /**
   * One batch at a time: with two on their way each is smaller, and the disk has twice as many commits to sync. Whoever else
   * calls in this turn of the event loop travels along.
   */
  #start(): void {
    if (this.#isScheduled || this.#underWay !== undefined) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (!this.#hasWork()) return;
      this.#underWay = this.#run(this.#takeAppends()).finally(() => {
        this.#underWay = undefined;
        if (this.#appends.length > 0) this.#start();
        else if (this.#hasWork()) this.#startSoon();
      });
    });
  }

  async #run(appends: readonly WaitingAppend[]): Promise<void> {
    const completions = this.#completions.splice(0);
    for (const append of appends) this.#inFlight.add(append);
    const result = await this.#send(appends, completions);
    for (const append of appends) this.#inFlight.delete(append);
    answer(appends, result);
    this.#answerCompletions(completions, result);
  }

  async #send(appends: readonly WaitingAppend[], completions: readonly WaitingCompletion[]): Promise<WriteResult> {
    try {
      const records = appends.flatMap((append) => append.records);
      return await this.#commit(pack(records, completions), records);
    } catch {
      // The journal is broken for good; whoever owns it hears so from its thread.
      this.#closed = true;
      return { refusal: BROKEN, completed: completions.map(() => false) };
    }
  }

  /** Nobody waits for a completion: it travels with the next append, or with other completions a moment later. */
  #startSoon(): void {
    // Closing waits for no timer, and what was taken in by then is to be stored.
    if (this.#closed) {
      this.#start();
      return;
    }
    this.#linger ??= setTimeout(() => {
      this.#linger = undefined;
      this.#start();
    }, COMPLETE_LINGER_MS);
  }

  /** When the disk refuses even the completions, they wait a moment and are sent again. */
  #answerCompletions(completions: readonly WaitingCompletion[], { completed }: WriteResult): void {
    if (completed !== undefined) {
      for (const [index, { resolve }] of completions.entries()) resolve(completed[index] ?? false);
      return;
    }
    if (completions.length === 0) return;
    if (this.#closed) {
      for (const { resolve } of completions) resolve(false);
      return;
    }
    this.#completions.unshift(...completions);
    this.#isRecompleting = true;
    setTimeout(() => {
      this.#isRecompleting = false;
      this.#start();
    }, RECOMPLETE_MS);
  }

  #takeAppends(): WaitingAppend[] {
    let records = 0;
    let bytes = 0;
    let count = 0;
    for (const append of this.#appends) {
      records += append.records.length;
      bytes += append.bytes;
      if (count > 0 && (records > BATCH.records || bytes > BATCH.bytes)) break;
      count++;
    }
    const taken = this.#appends.slice(0, count);
    this.#appends = this.#appends.slice(count);
    this.#release(taken);
    return taken;
  }

  #release(appends: readonly WaitingAppend[]): void {
    for (const { records, bytes } of appends) {
      this.#records -= records.length;
      this.#bytes -= bytes;
    }
  }

  #sweep(): void {
    const tooOld = performance.now() - APPEND_MS;
    const late = this.#appends.filter(({ since }) => since < tooOld);
    if (late.length > 0) {
      this.#appends = this.#appends.slice(late.length);
      this.#release(late);
    }
    // What is being committed may yet become durable; its sender is told no in time all the same, and a repetition of
    // it is a duplicate.
    for (const { since, resolve } of [...late, ...this.#inFlight]) {
      if (since < tooOld) resolve({ kind: 'unavailable', reason: 'slow' });
    }
  }
}

const BROKEN: StoreFailure = { kind: 'unwritable', detail: 'the journal is broken' };

function pack(records: readonly NewRecord[], completions: readonly WaitingCompletion[]): WriteBatch {
  const raw = new Uint8Array(records.reduce((sum, record) => sum + record.raw.byteLength, 0));
  let end = 0;
  const rows = records.map((record) => {
    raw.set(record.raw, end);
    end += record.raw.byteLength;
    return row(record, end);
  });
  return { records: rows, raw, completions: completions.map(({ completion }) => completion) };
}

function row({ headers, event, raw: _, ...record }: NewRecord, rawEnd: number): RecordRow {
  return { ...record, headersJson: JSON.stringify(headers), eventJson: JSON.stringify(event), rawEnd };
}

function answer(appends: readonly WaitingAppend[], { appended, refusal }: WriteResult): void {
  let start = 0;
  for (const { records, resolve } of appends) {
    const results = appended?.slice(start, start + records.length);
    start += records.length;
    resolve(results === undefined ? { kind: 'unavailable', reason: reasonOf(refusal) } : appendedOutcome(results));
  }
}

function appendedOutcome(records: readonly Appended[]): AppendOutcome {
  return { kind: 'appended', records };
}

function reasonOf(refusal: StoreFailure | undefined): 'full' | 'unwritable' {
  return refusal?.kind === 'full' ? 'full' : 'unwritable';
}
