import { setTimeout as sleep } from 'node:timers/promises';
import type {
  Act,
  Control,
  Corrections,
  EventFilter,
  History,
  HourCount,
  JournalRecord,
  JournalStats,
  KeptSample,
  Page,
  RecordQuery,
  RecordSummary,
  RedeliveryJob,
  RedeliveryJobs,
  TurnedAway,
  TurnedAwayCount,
} from '../journal/journal.ts';
import type { Clock } from '../model/clock.ts';
import { isRegistryEvent, type RegistryEvent } from '../model/registry-event.ts';
import type { SettingInEffect } from '../model/setting.ts';
import type { WhyNot } from '../model/why-not.ts';
import type { Activity, CallerActivity, Minute, SinkActivity } from '../observe/activity.ts';
import type { Redeliver, Redelivery } from '../receive/redeliver.ts';
import type { Deliverable, Message } from '../sink/sink.ts';
import type { Admin } from './access.ts';
import { LIMITS } from './limits.ts';
import { Redeliveries } from './redeliveries.ts';

/** What an operator can ask of the deliverer. */
export interface Deliveries {
  readonly breaker: { readonly kind: 'open' | 'closed' };
  /** How many attempts may run at the same time. */
  readonly limit: number;
  /** The number of events that are claimed and not completed. */
  readonly held: number;
  pause(): void;
  resume(): void;
}

/** A change that an operator made: one line of the log. */
export interface Change {
  /** The name of the admin token. */
  readonly by: string;
  readonly action:
    | 'redelivered'
    | 'redelivery-started'
    | 'redelivery-canceled'
    | 'discarded'
    | 'deliveries-paused'
    | 'deliveries-resumed';
  readonly seqs?: readonly number[];
  readonly filter?: EventFilter;
  /** Events that it changed, or will change. */
  readonly count?: number;
  /** Of the redelivery. */
  readonly id?: string;
}

export interface OperatorOptions {
  readonly journal: History & Corrections & Control & RedeliveryJobs & TurnedAway;
  readonly deliveries: Deliveries;
  readonly redeliver: Redeliver;
  readonly activity: Activity;
  readonly clock: Clock;
  /** What the sink would get for an event. */
  readonly preview: (event: Deliverable) => Message;
  /** Why no project subscribes to an event. Absent where the sink does not say. */
  readonly explain?: (event: RegistryEvent) => Promise<WhyNot>;
  /** The names of the callers in the tokens and configuration files. */
  readonly callers: () => readonly string[];
  readonly settings: readonly SettingInEffect[];
  readonly onChanged: (change: Change) => void;
  readonly onFault: (error: unknown) => void;
}

/** Everything about one event. */
export interface EventDetails {
  readonly record: JournalRecord;
  /** What the sink would get for it now. Absent where its action could not be read. */
  readonly message?: Message;
  /** Only of an event that no project subscribes to. */
  readonly whyNot?: WhyNot;
}

/** Whether events are delivered now. */
export interface DeliveriesState {
  readonly paused?: Act;
  readonly breaker: 'open' | 'closed';
  readonly limit: number;
  readonly held: number;
  readonly pending: number;
  /** Epoch milliseconds. */
  readonly oldestPendingAt?: number;
  readonly sink?: SinkActivity;
}

export interface CallerState extends Partial<CallerActivity> {
  readonly name: string;
}

/** The gateway at a glance. */
export interface Overview {
  readonly at: number;
  /** The last hour, the oldest first. */
  readonly minutes: readonly Minute[];
  readonly journal: JournalStats;
  readonly deliveries: DeliveriesState;
  readonly callers: readonly CallerState[];
}

export type Discarding =
  | { readonly seq: number; readonly kind: 'discarded' }
  /** There is no such event, or it is no dead letter. */
  | { readonly seq: number; readonly kind: 'no-dead-letter' };

/** What operators do: the API and the console ask it, and it logs every change with the name of who made it. */
export class Operator {
  readonly #options: OperatorOptions;
  readonly #redeliveries: Redeliveries;

  constructor(options: OperatorOptions) {
    const { journal, redeliver, clock, onFault } = options;
    this.#options = options;
    this.#redeliveries = new Redeliveries({ history: journal, jobs: journal, redeliver, clock, onFault });
  }

  /** Before the deliverer starts: goes on as the process before this one was, paused or in the middle of a redelivery. */
  async start(): Promise<void> {
    const { journal, deliveries } = this.#options;
    if ((await journal.pauseState()) !== undefined) deliveries.pause();
    await this.#redeliveries.resume();
  }

  close(): Promise<void> {
    return this.#redeliveries.close();
  }

  find(query: RecordQuery): Promise<Page> {
    return this.#options.journal.find(query);
  }

  count(filter: EventFilter): Promise<readonly HourCount[]> {
    return this.#options.journal.count(filter);
  }

  async show(seq: number): Promise<EventDetails | undefined> {
    const { journal, preview, explain } = this.#options;
    const record = await journal.get(seq);
    if (record === undefined) return undefined;
    const { event, delivery, traceparent } = record;
    if (!isRegistryEvent(event)) return { record };
    const trace = traceparent === undefined ? {} : { traceparent };
    const message = preview({ event, delivery, payload: payloadOf(record), ...trace });
    const whyNot = record.unmatched === true ? await explain?.(event) : undefined;
    return { record, message, ...(whyNot === undefined ? {} : { whyNot }) };
  }

  /** The newest first. */
  recentlyTurnedAway(limit: number, before?: number): Promise<readonly KeptSample[]> {
    return this.#options.journal.recentlyTurnedAway(limit, before);
  }

  turnedAway(range: { readonly from: number; readonly until: number }): Promise<readonly TurnedAwayCount[]> {
    return this.#options.journal.turnedAway(range);
  }

  /** One after the other, at the pace of `LIMITS.redeliveryPauseMs`. */
  async redeliver(
    { name }: Admin,
    seqs: readonly number[],
  ): Promise<readonly (Redelivery & { readonly seq: number })[]> {
    const results: (Redelivery & { readonly seq: number })[] = [];
    for (const seq of seqs) {
      if (results.length > 0) await sleep(LIMITS.redeliveryPauseMs);
      results.push({ seq, ...(await this.#options.redeliver(seq)) });
    }
    const changed = results.filter(({ kind }) => kind === 'redelivered').map(({ seq }) => seq);
    this.#report({ by: name, action: 'redelivered', seqs: changed, count: changed.length });
    return results;
  }

  /** How many events a redelivery of this filter would send again. */
  async redeliverable(filter: EventFilter): Promise<number> {
    return sum(await this.count(filter), ({ state }) => state === 'delivered' || state === 'dead-lettered');
  }

  /** Undefined while another redelivery runs. */
  async startRedelivery({ name }: Admin, filter: EventFilter, perSecond: number): Promise<RedeliveryJob | undefined> {
    const matches = await this.redeliverable(filter);
    const job = await this.#redeliveries.start({ by: name, filter, perSecond, matches });
    if (job !== undefined) this.#report({ by: name, action: 'redelivery-started', id: job.id, filter, count: matches });
    return job;
  }

  redeliveries(): Promise<readonly RedeliveryJob[]> {
    return this.#redeliveries.list();
  }

  /** Resolves to false if it does not run. */
  async cancelRedelivery({ name }: Admin, id: string): Promise<boolean> {
    const isCanceled = await this.#redeliveries.cancel(id);
    if (isCanceled) this.#report({ by: name, action: 'redelivery-canceled', id });
    return isCanceled;
  }

  async discard({ name }: Admin, seqs: readonly number[]): Promise<readonly Discarding[]> {
    const results = await this.#discardEach(name, seqs);
    const changed = results.filter(({ kind }) => kind === 'discarded').map(({ seq }) => seq);
    this.#report({ by: name, action: 'discarded', seqs: changed, count: changed.length });
    return results;
  }

  /** How many dead letters it would discard. */
  async discardable(filter: EventFilter): Promise<number> {
    return sum(await this.count({ ...filter, state: 'dead-lettered' }), () => true);
  }

  /** The newest `LIMITS.maxDiscarded` dead letters that match. `more`: there are others. */
  async discardMatching(
    { name }: Admin,
    filter: EventFilter,
  ): Promise<{ readonly discarded: number; readonly more: boolean }> {
    const { records, next } = await this.find({ ...filter, state: 'dead-lettered', limit: LIMITS.maxDiscarded });
    const results = await this.#discardEach(
      name,
      records.map(({ seq }) => seq),
    );
    const discarded = results.filter(({ kind }) => kind === 'discarded').length;
    this.#report({ by: name, action: 'discarded', filter, count: discarded });
    return { discarded, more: next !== undefined };
  }

  async deliveries(): Promise<DeliveriesState> {
    const { journal } = this.#options;
    return this.#stateOf(await journal.stats());
  }

  /** Attempts under way end; no other begins until `resume`, after a restart neither. */
  async pause({ name }: Admin): Promise<void> {
    const { journal, deliveries, clock } = this.#options;
    await journal.pause(name, clock.now());
    deliveries.pause();
    this.#report({ by: name, action: 'deliveries-paused' });
  }

  async resume({ name }: Admin): Promise<void> {
    const { journal, deliveries } = this.#options;
    await journal.resume();
    deliveries.resume();
    this.#report({ by: name, action: 'deliveries-resumed' });
  }

  async overview(): Promise<Overview> {
    const { journal, activity, callers, clock } = this.#options;
    const stats = await journal.stats();
    const active = activity.callers();
    return {
      at: clock.now(),
      minutes: activity.minutes(),
      journal: stats,
      deliveries: this.#stateOf(stats),
      callers: callers().map((name) => ({ name, ...active.get(name) })),
    };
  }

  settings(): readonly SettingInEffect[] {
    return this.#options.settings;
  }

  /** Calls with the number of each event that changes, until the returned function is called. */
  onEvent(listener: (seq: number) => void): () => void {
    return this.#options.activity.onChange(listener);
  }

  /** One event of a list. */
  async summary(seq: number): Promise<RecordSummary | undefined> {
    const [record] = (await this.find({ before: seq + 1, limit: 1 })).records;
    return record?.seq === seq ? record : undefined;
  }

  #stateOf({ paused, pending, oldestPendingAt }: JournalStats): DeliveriesState {
    const { deliveries, activity } = this.#options;
    const sink = activity.sink();
    return {
      ...(paused === undefined ? {} : { paused }),
      breaker: deliveries.breaker.kind,
      limit: deliveries.limit,
      held: deliveries.held,
      pending,
      ...(oldestPendingAt === undefined ? {} : { oldestPendingAt }),
      ...(sink === undefined ? {} : { sink }),
    };
  }

  async #discardEach(by: string, seqs: readonly number[]): Promise<readonly Discarding[]> {
    const { journal } = this.#options;
    return Promise.all(
      seqs.map(async (seq) => ({ seq, kind: (await journal.discard(seq, by)) ? 'discarded' : 'no-dead-letter' })),
    );
  }

  #report(change: Change): void {
    this.#options.onChanged(change);
  }
}

/** The payload of a record: the native object, as text. */
export function payloadOf({ raw, payload }: JournalRecord): string {
  const bytes = payload === undefined ? raw : raw.subarray(payload.start, payload.end);
  return Buffer.from(bytes).toString('utf8');
}

function sum(counts: readonly HourCount[], isCounted: (count: HourCount) => boolean): number {
  return counts.filter(isCounted).reduce((total, { count }) => total + count, 0);
}
