import type { DeliveryObserver } from '../deliver/delivery-observer.ts';
import type { IngestObserver, WebhookRecord } from '../http/ingest-observer.ts';
import type { TurnedAway, TurnedAwayCount, TurnedAwaySample } from '../journal/journal.ts';
import type { Clock } from '../model/clock.ts';
import type { EventReceipt, LostEvent, Receipt } from '../model/receipt.ts';

const MINUTE_MS = 60_000;

/** Minutes that are counted. */
const MINUTES = 60;

/** How often the journal gets what was turned away, milliseconds. */
const NOTE_MS = 1_000;

/** Samples of one caller in one note, and of all that have none: one caller's do not take the place of another's. */
const MAX_SAMPLES = 10;

/** What happened in one minute: events, but for `turnedAway`, which also counts webhooks of which nothing was read. */
export interface Minute {
  /** When it began, epoch milliseconds. */
  readonly at: number;
  readonly received: number;
  readonly delivered: number;
  readonly deadLettered: number;
  readonly turnedAway: number;
}

type Counted = Exclude<keyof Minute, 'at'>;

/** What one caller sent since the start. */
export interface CallerActivity {
  readonly received: number;
  readonly turnedAway: number;
  readonly lastAt: number;
}

/** What the last probe or attempt showed of the sink. */
export interface SinkActivity {
  readonly at: number;
  readonly isReady: boolean;
  readonly detail?: string;
}

export interface ActivityOptions {
  readonly journal: TurnedAway;
  readonly clock: Clock;
  /** The journal did not take what was turned away. Called once until it does again. */
  readonly onFault: (error: unknown) => void;
}

/**
 * What operators see of the present: numbers of the last hour, what each caller sends, and which events changed. It also notes in
 * the journal what was turned away, at most once a second, so that no webhook waits for that. All of it is bounded.
 */
export class Activity {
  readonly #options: ActivityOptions;
  readonly #minutes: { -readonly [K in keyof Minute]: Minute[K] }[] = [];
  readonly #callers = new Map<string, CallerActivity>();
  readonly #listeners = new Set<(seq: number) => void>();
  #sink: SinkActivity | undefined;
  #counts = new Map<string, TurnedAwayCount>();
  #samples: TurnedAwaySample[] = [];
  #isScheduled = false;
  #isFailing = false;

  constructor(options: ActivityOptions) {
    this.#options = options;
  }

  /** The last hour, minute by minute, the oldest first. */
  minutes(): readonly Minute[] {
    const now = minuteOf(this.#options.clock.now());
    const counted = new Map(this.#minutes.map((each) => [each.at, each]));
    return Array.from({ length: MINUTES }, (_, index) => {
      const at = now - (MINUTES - 1 - index) * MINUTE_MS;
      return counted.get(at) ?? emptyMinute(at);
    });
  }

  /** By the names of those that sent something since the start. */
  callers(): ReadonlyMap<string, CallerActivity> {
    return this.#callers;
  }

  /** Undefined until the first probe or attempt. */
  sink(): SinkActivity | undefined {
    return this.#sink;
  }

  /** Calls with the number of each event that is kept or attempted, until the returned function is called. */
  onChange(listener: (seq: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Sees what the next observer sees. */
  ofIngest(next: IngestObserver): IngestObserver {
    return {
      ...next,
      webhook: (record) => {
        this.#noteWebhook(record);
        next.webhook(record);
      },
    };
  }

  ofDelivery(next: DeliveryObserver): DeliveryObserver {
    return {
      ...next,
      attempted: (claim, attempt, decision, isStale) => {
        const { outcome } = attempt;
        if (outcome.kind === 'delivered') this.#count('delivered');
        if (decision.kind === 'dead-letter') this.#count('deadLettered');
        if (outcome.kind === 'delivered' && this.#sink?.isReady !== true) this.#setSink(true);
        this.#change(claim.seq);
        next.attempted(claim, attempt, decision, isStale);
      },
      probed: (probe, breaker) => {
        this.#setSink(probe.kind === 'ready', probe.detail);
        next.probed(probe, breaker);
      },
      breakerOpened: (outcome) => {
        this.#setSink(false, 'detail' in outcome ? outcome.detail : undefined);
        next.breakerOpened(outcome);
      },
    };
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    await this.#note();
  }

  #noteWebhook(record: WebhookRecord): void {
    const { answer, caller } = record;
    const kept = answer?.kind === 'receipt' ? seqsKept(answer) : [];
    const turnedAway = turnedAwayIn(record);
    if (kept.length > 0) this.#count('received', kept.length);
    if (answer?.kind === 'receipt') this.#count('deadLettered', answer.events.filter(isDeadLettered).length);
    if (turnedAway.length > 0) this.#turnAway(turnedAway, record);
    for (const seq of this.#listeners.size > 0 ? kept : []) this.#change(seq);
    if (caller === undefined) return;
    const before = this.#callers.get(caller);
    this.#callers.set(caller, {
      received: (before?.received ?? 0) + kept.length,
      turnedAway: (before?.turnedAway ?? 0) + turnedAway.length,
      lastAt: this.#options.clock.now(),
    });
  }

  #turnAway(found: readonly Reason[], record: WebhookRecord): void {
    const { caller, status, remoteAddress = 'unknown' } = record;
    const at = this.#options.clock.now();
    const minute = minuteOf(at);
    this.#count('turnedAway', found.length);
    const who = caller === undefined ? {} : { caller };
    // A batch may have thousands of events, for few reasons.
    for (const [reason, events] of Map.groupBy(found, (each) => each.reason)) {
      const key = JSON.stringify([minute, caller, reason]);
      const count = (this.#counts.get(key)?.count ?? 0) + events.length;
      this.#counts.set(key, { minute, ...who, reason, count });
    }
    const room = MAX_SAMPLES - this.#samples.filter((each) => each.caller === caller).length;
    for (const { reason, detail, event } of found.slice(0, room)) {
      const what = { ...(event === undefined ? {} : { event }), ...(detail === undefined ? {} : { detail }) };
      this.#samples.push({ at, ...who, remoteAddress, status, reason, ...what });
    }
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.clock.after(NOTE_MS, () => void this.#note());
  }

  async #note(): Promise<void> {
    const batch = { counts: [...this.#counts.values()], samples: this.#samples };
    this.#isScheduled = false;
    this.#counts = new Map();
    this.#samples = [];
    if (batch.counts.length === 0) return;
    try {
      await this.#options.journal.noteTurnedAway(batch);
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#options.onFault(error);
      this.#isFailing = true;
    }
  }

  #count(what: Counted, by = 1): void {
    const at = minuteOf(this.#options.clock.now());
    let minute = this.#minutes.at(-1);
    if (minute?.at !== at) {
      minute = emptyMinute(at);
      this.#minutes.push(minute);
      if (this.#minutes.length > MINUTES) this.#minutes.shift();
    }
    minute[what] += by;
  }

  #change(seq: number): void {
    for (const listener of this.#listeners) listener(seq);
  }

  #setSink(isReady: boolean, detail?: string): void {
    this.#sink = { at: this.#options.clock.now(), isReady, ...(detail === undefined ? {} : { detail }) };
  }
}

function minuteOf(at: number): number {
  return at - (at % MINUTE_MS);
}

function emptyMinute(at: number): Minute {
  return { at, received: 0, delivered: 0, deadLettered: 0, turnedAway: 0 };
}

function seqsKept({ events }: Receipt): readonly number[] {
  return events.flatMap(({ result }) =>
    result.kind === 'accepted' || result.kind === 'dead-lettered' ? [result.seq] : [],
  );
}

function isDeadLettered({ result }: EventReceipt): boolean {
  return result.kind === 'dead-lettered';
}

/** Why an event, or a whole webhook, was not kept. */
interface Reason {
  readonly reason: string;
  readonly detail?: string;
  readonly event?: LostEvent;
}

function turnedAwayIn({ answer }: WebhookRecord): readonly Reason[] {
  if (answer === undefined) return [];
  switch (answer.kind) {
    case 'receipt':
      return answer.events.flatMap(({ result, ...event }) => {
        if (result.kind === 'duplicate') return [{ reason: 'duplicate', detail: `of #${result.of}`, event }];
        if (result.kind !== 'ignored') return [];
        return [{ reason: 'ignored', detail: result.reason === 'rule' ? `rule ${result.rule}` : result.reason, event }];
      });
    case 'validation':
    case 'unsubscription':
    case 'permission':
      return [];
    case 'unavailable':
      return answer.lost.map((event) => ({ reason: answer.kind, detail: answer.reason, event }));
    case 'out-of-scope':
      return [{ reason: answer.kind, detail: sentence(answer.issue) }];
    case 'unreadable':
      return [{ reason: answer.kind, detail: answer.issues.slice(0, 3).map(sentence).join('; ') }];
    default:
      return [{ reason: answer.kind }];
  }
}

function sentence({ path, expected, received }: { path: string; expected: string; received: string }): string {
  return `${path === '' ? '' : `${path}: `}expected ${expected}, got ${received}`;
}
