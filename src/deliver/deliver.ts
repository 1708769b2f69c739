import type { Queue } from '../journal/journal.ts';
import type { Attempt, Claim, Decision, Outcome } from '../model/delivery.ts';
import type { Probe, Sink } from '../sink/sink.ts';
import { Breaker, type BreakerState } from './breaker.ts';
import { Change } from './change.ts';
import type { DeliveryObserver } from './delivery-observer.ts';
import { Outages } from './outages.ts';
import { Pace } from './pace.ts';
import { decide } from './retry.ts';

/** How often the leases of what is in our hands are renewed, milliseconds: they last 120 s. */
const RENEW_MS = 40_000;

/** Attempts whose decision is not yet durable, beyond which no event is claimed: the disk does not keep up. */
const MAX_UNCOMPLETED = 256;

/** How long to wait after the journal failed to lend, or lent nothing without waiting for it, as a closed one does. */
const CLAIM_PAUSE_MS = 1000;

/** Distance of waiting events that fall due together once the sink is back, milliseconds. */
export const WAKE_SPREAD_MS = 5;

export interface DelivererOptions {
  readonly queue: Queue;
  readonly sink: Sink;
  readonly observer: DeliveryObserver;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Claims what is due, emits it, decides what follows and completes that, until it is stopped. */
export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #breaker = new Breaker();
  readonly #pace = new Pace();
  readonly #outages = new Outages();
  readonly #stopping = new AbortController();
  readonly #cutting = new AbortController();
  readonly #held = new Set<Claim>();
  readonly #renewal: NodeJS.Timeout;
  #ready: Claim[] = [];
  #running = 0;
  #claiming = new AbortController();
  readonly #change = new Change();
  #endPause: () => void = () => {};
  #loop: Promise<void> | undefined;

  constructor(options: DelivererOptions) {
    this.#options = options;
    this.#renewal = setInterval(() => this.#renew(), RENEW_MS).unref();
    this.#cutting.signal.addEventListener('abort', () => this.#change.tell());
    this.#stopping.signal.addEventListener('abort', () => {
      this.#claiming.abort();
      this.#endPause();
      this.#change.tell();
    });
  }

  /** The state that readiness, metrics and operators ask for. */
  get breaker(): BreakerState {
    return this.#breaker.state;
  }

  /** Events in our hands. */
  get held(): number {
    return this.#held.size;
  }

  get limit(): number {
    const { state } = this.#breaker;
    return this.#pace.limit(state.kind === 'closed' && state.isTrial);
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Does not wait for the next probe: what keeps events from the sink may just have been mended. */
  lookAgain(): void {
    this.#endPause();
  }

  /**
   * Begins no attempt any more, gives those under way `graceMs` or until `hurry`, and then gives them up: they are tried
   * again later.
   */
  async stop(graceMs: number, hurry: AbortSignal): Promise<void> {
    this.#stopping.abort();
    const cut = setTimeout(() => this.#cutting.abort(), graceMs);
    hurry.addEventListener('abort', () => this.#cutting.abort());
    if (hurry.aborted) this.#cutting.abort();
    await this.#loop;
    // After the cut, a decision that the disk still refuses is left to the journal as it closes.
    const isOver = () => this.#cutting.signal.aborted && this.#running === 0;
    while (this.#held.size > 0 && !isOver()) await this.#change.next();
    clearTimeout(cut);
    clearInterval(this.#renewal);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      if (this.#breaker.state.kind === 'open') await this.#probe(this.#breaker.state.probeAt);
      else if (this.#mayClaim()) await this.#claim();
      else await this.#change.next();
    }
    this.#giveBack();
  }

  /** One round of events is kept ready, so that no attempt waits for the journal, which may be busy with the disk. */
  #mayClaim(): boolean {
    return this.#ready.length < this.limit / 2 && this.#held.size < MAX_UNCOMPLETED;
  }

  async #claim(): Promise<void> {
    const { queue, observer, now } = this.#options;
    try {
      this.#claiming = new AbortController();
      const { signal } = this.#claiming;
      const began = now();
      const claims = await queue.claim(this.limit, signal);
      for (const claim of claims) this.#held.add(claim);
      this.#ready.push(...claims);
      const isRejection = claims.length === 0 && !signal.aborted && now() - began < CLAIM_PAUSE_MS;
      if (isRejection) await this.#pause(CLAIM_PAUSE_MS);
    } catch (error) {
      observer.faulted(error);
      await this.#pause(CLAIM_PAUSE_MS);
    }
    this.#startAttempts();
  }

  #startAttempts(): void {
    const isClosed = this.#breaker.state.kind === 'closed' && !this.#stopping.signal.aborted;
    if (!isClosed) this.#giveBack();
    while (this.#running < this.limit) {
      const claim = this.#ready.shift();
      if (claim === undefined) return;
      this.#running += 1;
      void this.#attempt(claim);
    }
  }

  async #attempt(claim: Claim): Promise<void> {
    const at = this.#options.now();
    const started = performance.now();
    const outcome = await this.#deliver(claim);
    const durationMs = Math.round(performance.now() - started);
    this.#running -= 1;
    const decision = this.#decide(claim, outcome);
    this.#learn(claim, outcome, durationMs);
    this.#startAttempts();
    this.#change.tell();
    await this.#complete(claim, decision, { at, durationMs, outcome });
  }

  async #deliver(claim: Claim): Promise<Outcome> {
    try {
      return await this.#options.sink.deliver(claim, this.#cutting.signal);
    } catch (error) {
      this.#options.observer.faulted(error);
      return { kind: 'uncertain', detail: 'a fault of the gateway' };
    }
  }

  #decide(claim: Claim, outcome: Outcome): Decision {
    const now = this.#options.now();
    const { history } = claim;
    const excusedMs = this.#outages.after(Math.max(history.lastAttemptAt, history.agesFrom), now);
    return decide(outcome, history, { now, excusedMs, random: this.#options.random() });
  }

  #learn(claim: Claim, outcome: Outcome, durationMs: number): void {
    // What we gave up ourselves says nothing about the sink.
    if (this.#cutting.signal.aborted) return;
    const now = this.#options.now();
    this.#pace.afterAttempt(outcome, durationMs);
    if (!this.#breaker.afterAttempt(claim.seq, outcome, now)) return;
    this.#noteOutage(now);
    // The loop may be waiting for something to fall due, and is to probe now.
    this.#claiming.abort();
    this.#options.observer.breakerOpened(outcome);
  }

  #noteOutage(now: number): void {
    const { state } = this.#breaker;
    if (state.kind === 'open' && state.credentials) this.#outages.begin(now);
    else this.#outages.end(now);
  }

  async #complete(claim: Claim, decision: Decision, attempt?: Attempt): Promise<void> {
    const { queue, observer } = this.#options;
    const { seq, fence } = claim;
    try {
      const tried = attempt === undefined ? {} : { attempt };
      const isCompleted = await queue.complete({ seq, fence, decision, ...tried });
      if (attempt !== undefined) observer.attempted(claim, attempt, decision, !isCompleted);
    } catch (error) {
      observer.faulted(error);
    }
    this.#held.delete(claim);
    this.#change.tell();
  }

  /** Claims that were never tried go back as they came; so does their place. */
  #giveBack(): void {
    const claims = this.#ready;
    this.#ready = [];
    for (const claim of claims) {
      const { history, receivedAt } = claim;
      void this.#complete(claim, { kind: 'retry', at: Math.max(receivedAt, history.lastAttemptAt), history });
    }
  }

  async #probe(at: number): Promise<void> {
    const { now, sink, queue, observer } = this.#options;
    await this.#pause(at - now());
    if (this.#stopping.signal.aborted) return;
    const probe = await sink.probe(this.#stopping.signal).catch((error: unknown): Probe => {
      observer.faulted(error);
      return { kind: 'unready', detail: 'a fault of the gateway', credentials: false };
    });
    if (this.#stopping.signal.aborted) return;
    const isReady = probe.kind === 'ready';
    const isClosed = this.#breaker.afterProbe(isReady, !isReady && probe.credentials, now());
    this.#noteOutage(now());
    observer.probed(probe, this.#breaker.state);
    if (isClosed) await queue.wake(WAKE_SPREAD_MS).catch((error: unknown) => observer.faulted(error));
  }

  #renew(): void {
    if (this.#held.size === 0) return;
    this.#options.queue.renew([...this.#held]).catch((error: unknown) => this.#options.observer.faulted(error));
  }

  /** Ends early on stopping, or when somebody asks to look again. */
  #pause(ms: number): Promise<void> {
    if (this.#stopping.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, ms));
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
