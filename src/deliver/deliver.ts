import type { Queue } from '../journal/journal.ts';
import { LIMITS } from '../journal/limits.ts';
import type { Clock } from '../model/clock.ts';
import type { Attempt, Claim, Decision, Outcome } from '../model/delivery.ts';
import type { Probe, Sink } from '../sink/sink.ts';
import { Breaker, type BreakerState } from './breaker.ts';
import type { DeliveryObserver } from './delivery-observer.ts';
import { Pace } from './pace.ts';
import { decide } from './retry.ts';

/** How often the leases of held claims are renewed, milliseconds: two renewals may fail. */
const RENEW_MS = LIMITS.leaseMs / 3;

/** While so many decisions are not durable yet, no event is claimed: the disk is too slow. */
const MAX_UNCOMPLETED = 256;

/**
 * While the breaker is on trial so many events are claimed, and the newest are tried first: the oldest are the likeliest to fail
 * again, and must not hold up the others.
 */
const TRIAL_CLAIMS = MAX_UNCOMPLETED;

/** The share of the attempts at a time that suspects may take, at least one: each may take 90 s. */
const SUSPECTS_SHARE = 1 / 3;

/** The wait after the journal failed, or returned no claim at once, as a closed one does. */
const CLAIM_PAUSE_MS = 1000;

/** When the sink is back, waiting events become due at this distance, milliseconds. */
const WAKE_SPREAD_MS = 5;

export interface DelivererOptions {
  readonly queue: Queue;
  readonly sink: Sink;
  readonly observer: DeliveryObserver;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Claims due events, delivers them, decides what follows and completes the claims, until it is stopped. */
export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #breaker = new Breaker();
  readonly #pace = new Pace();
  readonly #stopping = new AbortController();
  readonly #cutting = new AbortController();
  /** The latest claim of each event that is not completed, by seq. */
  readonly #held = new Map<number, Claim>();
  /** The part of them whose attempt has not begun. */
  #ready: Claim[] = [];
  /** Whether those that are ready were claimed for a trial. */
  #newestFirst = false;
  #running = 0;
  #runningSuspects = 0;
  #isAsking = false;
  #isPaused = false;
  #claiming = new AbortController();
  /** Absent while nothing waits for a change: each attempt makes several. */
  #change: PromiseWithResolvers<void> | undefined;
  #endPause: () => void = () => {};
  #cancelRenewal: () => void = () => {};
  #cancelOpening: () => void = () => {};
  #loop: Promise<void> | undefined;

  constructor(options: DelivererOptions) {
    this.#options = options;
    this.#cutting.signal.addEventListener('abort', () => this.#noteChange());
    this.#stopping.signal.addEventListener('abort', () => {
      this.#claiming.abort();
      this.#endPause();
      this.#noteChange();
    });
  }

  get breaker(): BreakerState {
    return this.#breaker.state;
  }

  /** Begins no more attempts until `resume`. Those under way go on, and an open breaker probes. */
  pause(): void {
    this.#isPaused = true;
    this.#claiming.abort();
    this.#giveBack();
    this.#noteChange();
  }

  resume(): void {
    this.#isPaused = false;
    this.#noteChange();
  }

  /** The number of claims that are not completed. */
  get held(): number {
    return this.#held.size;
  }

  /** How many attempts may run at the same time. */
  get limit(): number {
    return this.#pace.limit(this.isOnTrial);
  }

  /** Whether no event was taken since the breaker opened, although a probe closed it. */
  get isOnTrial(): boolean {
    const { state } = this.#breaker;
    return state.kind === 'closed' && state.isTrial;
  }

  start(): void {
    if (this.#loop !== undefined) return;
    this.#loop = this.#run();
    this.#scheduleRenewal();
  }

  /** Finds out whether the sink takes events. If it does, events that wait for it become due; if not, the breaker opens. */
  async preflight(): Promise<void> {
    const probe = await this.#probeSink();
    if (this.#stopping.signal.aborted) return;
    if (probe.kind === 'unready' && this.#breaker.state.kind === 'closed') {
      const { detail, credentials } = probe;
      this.#breaker.afterProbe(probe, this.#options.queue.time());
      this.#afterOpening({ kind: 'unavailable', detail, credentials });
    }
    this.#options.observer.probed(probe, this.#shownBreaker());
    if (probe.kind === 'ready') await this.#wake();
  }

  /** An open breaker probes now: the reason why the sink was unavailable may have gone. */
  probeNow(): void {
    this.#endPause();
  }

  /**
   * Begins no more attempts. Those under way may go on for `graceMs` or until `hurry`; then they are aborted, and the events
   * are retried later.
   */
  async stop(graceMs: number, hurry: AbortSignal): Promise<void> {
    this.#stopping.abort();
    const cancelCut = this.#options.clock.after(graceMs, () => this.#cutting.abort());
    hurry.addEventListener('abort', () => this.#cutting.abort());
    if (hurry.aborted) this.#cutting.abort();
    await this.#loop;
    // After the cut, decisions that are not durable are left to the journal, which stores them as it closes.
    const isOver = () => this.#cutting.signal.aborted && this.#running === 0;
    while (this.#held.size > 0 && !isOver()) await this.#untilChange();
    cancelCut();
    this.#cancelRenewal();
    this.#cancelOpening();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      if (this.#breaker.state.kind === 'open') await this.#probe(this.#breaker.state.probeAt);
      else if (this.#mayClaim()) await this.#claim();
      else await this.#untilChange();
    }
    this.#giveBack();
  }

  /** Some events are claimed in advance, so that no attempt waits for the journal, which may be waiting for the disk. */
  #mayClaim(): boolean {
    if (this.#isPaused || this.#held.size >= MAX_UNCOMPLETED) return false;
    const ready = this.#ready.filter((claim) => !isSuspect(claim));
    return ready.length < this.limit / 2;
  }

  async #claim(): Promise<void> {
    const { queue, observer, clock } = this.#options;
    try {
      this.#claiming = new AbortController();
      const { signal } = this.#claiming;
      const began = clock.tick();
      const isTrial = this.isOnTrial;
      const claims = await queue.claim(isTrial ? TRIAL_CLAIMS : this.limit, signal);
      this.#newestFirst = isTrial;
      // After a pause of the process, its own leases have ended: what it still holds goes on under the new claim.
      this.#ready.push(...claims.filter(({ seq }) => !this.#held.has(seq)));
      for (const claim of claims) this.#held.set(claim.seq, claim);
      const isClosed = claims.length === 0 && !signal.aborted && clock.tick() - began < CLAIM_PAUSE_MS;
      if (isClosed) await this.#pause(CLAIM_PAUSE_MS);
    } catch (error) {
      observer.faulted(error);
      await this.#pause(CLAIM_PAUSE_MS);
    }
    this.#startAttempts();
  }

  #startAttempts(): void {
    const mayDeliver = this.#breaker.state.kind === 'closed' && !this.#isPaused && !this.#stopping.signal.aborted;
    if (!mayDeliver) this.#giveBack();
    while (this.#running < this.limit) {
      const claim = this.#takeReady();
      if (claim === undefined) return;
      this.#running += 1;
      if (isSuspect(claim)) this.#runningSuspects += 1;
      void this.#attempt(claim);
    }
  }

  #takeReady(): Claim | undefined {
    const maySuspect = this.#runningSuspects < Math.max(1, Math.floor(this.limit * SUSPECTS_SHARE));
    const isNext = (claim: Claim) => maySuspect || !isSuspect(claim);
    const index = this.#newestFirst ? this.#ready.findLastIndex(isNext) : this.#ready.findIndex(isNext);
    return index === -1 ? undefined : this.#ready.splice(index, 1)[0];
  }

  async #attempt(claim: Claim): Promise<void> {
    const { clock } = this.#options;
    const at = clock.now();
    const began = clock.tick();
    const outcome = await this.#deliver(claim);
    const durationMs = Math.round(clock.tick() - began);
    this.#running -= 1;
    if (isSuspect(claim)) this.#runningSuspects -= 1;
    const decision = this.#decide(claim, outcome);
    this.#learn(claim, outcome, durationMs);
    this.#startAttempts();
    this.#noteChange();
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

  #decide({ history }: Claim, outcome: Outcome): Decision {
    const { queue, random } = this.#options;
    const now = queue.time();
    const excusedMs = this.#breaker.excusedMs(Math.max(history.lastAttemptAt, history.agesFrom), now);
    return decide(outcome, history, { now, excusedMs, random: random() });
  }

  #learn(claim: Claim, outcome: Outcome, durationMs: number): void {
    // An attempt that we aborted says nothing about the sink.
    if (this.#cutting.signal.aborted) return;
    if (outcome.kind === 'uncertain' && isSuspect(claim)) {
      void this.#ask(outcome);
      return;
    }
    this.#pace.afterAttempt(outcome, durationMs);
    this.#cancelOpening();
    const { queue, clock } = this.#options;
    if (this.#breaker.afterAttempt(claim.seq, outcome, queue.time())) this.#afterOpening(outcome);
    const { opensAt } = this.#breaker;
    if (opensAt === undefined) return;
    this.#cancelOpening = clock.after(opensAt - queue.time(), () => {
      if (this.#breaker.afterTime(queue.time())) this.#afterOpening(outcome);
    });
  }

  /** A suspect that fails again does not show whether the sink or the event is the cause. A probe does. */
  async #ask(outcome: Outcome): Promise<void> {
    const { queue, observer } = this.#options;
    if (this.#isAsking) return;
    this.#isAsking = true;
    const probe = await this.#probeSink();
    this.#isAsking = false;
    const isAnswered = probe.kind === 'ready' || this.#breaker.state.kind === 'open';
    if (isAnswered || this.#stopping.signal.aborted) return;
    this.#breaker.afterProbe(probe, queue.time());
    this.#afterOpening(outcome);
    observer.probed(probe, this.#shownBreaker());
  }

  #afterOpening(outcome: Outcome): void {
    // The loop may be waiting for an event to become due: it has to probe instead.
    this.#claiming.abort();
    this.#options.observer.breakerOpened(outcome);
    this.#startAttempts();
    this.#noteChange();
  }

  async #complete(claim: Claim, decision: Decision, attempt?: Attempt): Promise<void> {
    const { observer } = this.#options;
    try {
      const isCompleted = await this.#completeLatest(claim.seq, decision, attempt);
      if (attempt !== undefined) observer.attempted(claim, attempt, this.#shownDecision(decision), !isCompleted);
    } catch (error) {
      observer.faulted(error);
    }
    this.#held.delete(claim.seq);
    this.#noteChange();
  }

  /** Once more if the event was claimed again meanwhile. */
  async #completeLatest(seq: number, decision: Decision, attempt: Attempt | undefined): Promise<boolean> {
    const tried = attempt === undefined ? {} : { attempt };
    for (;;) {
      const claim = this.#held.get(seq);
      if (claim === undefined) return false;
      const { fence } = claim;
      if (await this.#options.queue.complete({ seq, fence, decision, ...tried })) return true;
      if (this.#held.get(seq) === claim) return false;
    }
  }

  /** Claims whose attempt has not begun go back unchanged, and keep their place in the queue. */
  #giveBack(): void {
    const claims = this.#ready;
    this.#ready = [];
    for (const claim of claims) {
      const { history } = claim;
      void this.#complete(claim, { kind: 'retry', at: Math.max(history.agesFrom, history.lastAttemptAt), history });
    }
  }

  async #probe(at: number): Promise<void> {
    const { queue, observer } = this.#options;
    await this.#pause(at - queue.time());
    if (this.#stopping.signal.aborted) return;
    const probe = await this.#probeSink();
    if (this.#stopping.signal.aborted) return;
    const isClosed = this.#breaker.afterProbe(probe, queue.time());
    observer.probed(probe, this.#shownBreaker());
    if (isClosed) await this.#wake();
  }

  #shownDecision(decision: Decision): Decision {
    return decision.kind === 'retry' ? { ...decision, at: this.#timeOfDay(decision.at) } : decision;
  }

  #shownBreaker(): BreakerState {
    const { state } = this.#breaker;
    return state.kind === 'open' ? { ...state, probeAt: this.#timeOfDay(state.probeAt) } : state;
  }

  /** A time of the journal, as people read it. */
  #timeOfDay(at: number): number {
    const { queue, clock } = this.#options;
    return clock.now() + at - queue.time();
  }

  async #probeSink(): Promise<Probe> {
    try {
      return await this.#options.sink.probe(this.#stopping.signal);
    } catch (error) {
      this.#options.observer.faulted(error);
      return { kind: 'unready', detail: 'a fault of the gateway', credentials: false };
    }
  }

  async #wake(): Promise<void> {
    const { queue, observer } = this.#options;
    await queue.wake(WAKE_SPREAD_MS).catch((error: unknown) => observer.faulted(error));
  }

  #scheduleRenewal(): void {
    const { queue, observer, clock } = this.#options;
    this.#cancelRenewal = clock.after(RENEW_MS, () => {
      this.#scheduleRenewal();
      if (this.#held.size > 0) queue.renew([...this.#held.values()]).catch((error: unknown) => observer.faulted(error));
    });
  }

  #noteChange(): void {
    this.#change?.resolve();
    this.#change = undefined;
  }

  #untilChange(): Promise<void> {
    this.#change ??= Promise.withResolvers();
    return this.#change.promise;
  }

  /** Ends early when the deliverer stops or `probeNow` is called. */
  #pause(ms: number): Promise<void> {
    if (ms <= 0 || this.#stopping.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}

/** An event that failed in a way that may be its own fault: the sink answered 500 or never, and may do so each time. */
function isSuspect({ history }: Claim): boolean {
  return history.uncertain > 0;
}
