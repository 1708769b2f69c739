import { randomUUID } from 'node:crypto';
import type { EventFilter, History, RedeliveryJob, RedeliveryJobs } from '../journal/journal.ts';
import type { Clock } from '../model/clock.ts';
import type { Redeliver } from '../receive/redeliver.ts';

const SECOND_MS = 1_000;

export interface RedeliveriesOptions {
  readonly history: History;
  readonly jobs: RedeliveryJobs;
  readonly redeliver: Redeliver;
  readonly clock: Clock;
  /** The journal failed. The job is tried again. */
  readonly onFault: (error: unknown) => void;
}

export interface NewRedelivery {
  /** The name of the admin token. */
  readonly by: string;
  readonly filter: EventFilter;
  readonly perSecond: number;
  readonly matches: number;
}

/**
 * Redelivers everything that a filter finds among the events of its start, from the newest to the oldest, at a pace. One job runs
 * at a time. The journal keeps how far it is, once a second: after a restart it continues there, so that a kill may redeliver the
 * events of one second twice.
 */
export class Redeliveries {
  readonly #options: RedeliveriesOptions;
  readonly #closing = new AbortController();
  #job: RedeliveryJob | undefined;
  #isStarting = false;
  #isCanceled = false;
  #running: Promise<void> = Promise.resolve();
  #endPause: () => void = () => {};

  constructor(options: RedeliveriesOptions) {
    this.#options = options;
  }

  /** Continues the job that was running when the process ended. */
  async resume(): Promise<void> {
    const job = (await this.#options.jobs.redeliveries()).find(({ state }) => state === 'running');
    if (job !== undefined) this.#run(job);
  }

  /** Undefined while another one runs. */
  async start({ by, filter, perSecond, matches }: NewRedelivery): Promise<RedeliveryJob | undefined> {
    const { history, jobs, clock } = this.#options;
    if (this.#job !== undefined || this.#isStarting) return undefined;
    this.#isStarting = true;
    try {
      const [newest] = (await history.find({ limit: 1 })).records;
      const before = (newest?.seq ?? 0) + 1;
      const progress = { before, matches, redelivered: 0, skipped: 0, state: 'running' } as const;
      const job: RedeliveryJob = { id: randomUUID(), by, at: clock.now(), filter, perSecond, ...progress };
      await jobs.putRedelivery(job);
      this.#run(job);
      return job;
    } finally {
      this.#isStarting = false;
    }
  }

  /** The newest first. */
  async list(): Promise<readonly RedeliveryJob[]> {
    const all = await this.#options.jobs.redeliveries();
    return all.map((each) => (each.id === this.#job?.id ? this.#job : each));
  }

  /** Resolves to false if it does not run. What it has redelivered stays redelivered. */
  async cancel(id: string): Promise<boolean> {
    if (this.#job?.id !== id || this.#isCanceled) return false;
    this.#isCanceled = true;
    this.#endPause();
    await this.#running;
    return true;
  }

  /** The job continues after the next start. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#endPause();
    await this.#running;
  }

  #run(job: RedeliveryJob): void {
    this.#job = job;
    this.#isCanceled = false;
    this.#running = this.#runToEnd(job);
  }

  async #runToEnd(started: RedeliveryJob): Promise<void> {
    let job = started;
    do {
      try {
        if (job.state === 'running') job = await this.#advance(job);
        await this.#options.jobs.putRedelivery(job);
        if (job.state !== 'running') break;
      } catch (error) {
        this.#options.onFault(error);
        // What was redelivered before the failure counts.
        if (job.state === 'running') job = this.#job ?? job;
        await this.#pause(SECOND_MS);
      }
    } while (!this.#closing.signal.aborted);
    this.#job = undefined;
  }

  /** Redelivers the events of one second. */
  async #advance(started: RedeliveryJob): Promise<RedeliveryJob> {
    const { history, redeliver, clock } = this.#options;
    const { filter, perSecond, before } = started;
    const { records, next } = await history.find({ ...filter, before, limit: perSecond });
    let job = started;
    for (const { seq, state } of records) {
      if (this.#isEnding) break;
      // A discarded event is redelivered only by a filter that asks for it.
      const isMeant = state !== 'discarded' || filter.state === 'discarded';
      const isRedelivered = isMeant && (await redeliver(seq)).kind === 'redelivered';
      const counted = isRedelivered ? { redelivered: job.redelivered + 1 } : { skipped: job.skipped + 1 };
      job = { ...job, before: seq, ...counted };
      this.#job = job;
      await this.#pause(SECOND_MS / perSecond);
    }
    if (this.#isCanceled) return { ...job, state: 'canceled', endedAt: clock.now() };
    if (this.#closing.signal.aborted) return job;
    return next === undefined ? { ...job, state: 'done', endedAt: clock.now() } : { ...job, before: next };
  }

  get #isEnding(): boolean {
    return this.#isCanceled || this.#closing.signal.aborted;
  }

  #pause(ms: number): Promise<void> {
    if (this.#isEnding) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}
