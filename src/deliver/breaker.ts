import type { Outcome } from '../model/delivery.ts';

/** Different events in a row that must fail before it is the sink's fault and no longer the event's. */
const FAILURES_TO_OPEN = 3;

/** Waits before the probes: 1, 2, 4, … s up to half a minute; on refused credentials, which a human must mend, one minute. */
const PROBE_WAIT = { firstMs: 1000, maxMs: 30_000, credentialsMs: 60_000 };

export type BreakerState =
  /** Events are delivered. `isTrial` until the first is taken after it was open. */
  | { readonly kind: 'closed'; readonly isTrial: boolean }
  /** None is, until a probe at `probeAt` (epoch milliseconds) finds the sink ready. */
  | { readonly kind: 'open'; readonly probeAt: number; readonly credentials: boolean };

/**
 * Keeps events away from a sink that takes none. Probed with what creates no event, and a probe may succeed while events
 * still fail (Brigade without its broker): until one is taken, each opening waits longer than the last.
 */
export class Breaker {
  #state: BreakerState = { kind: 'closed', isTrial: false };
  readonly #failed = new Set<number>();
  #openings = 0;

  get state(): BreakerState {
    return this.#state;
  }

  /** Returns whether the attempt opened it. */
  afterAttempt(seq: number, outcome: Outcome, now: number): boolean {
    if (outcome.kind === 'delivered' || outcome.kind === 'rejected') {
      this.#failed.clear();
      this.#openings = 0;
      if (this.#state.kind === 'closed') this.#state = { kind: 'closed', isTrial: false };
      return false;
    }
    this.#failed.add(seq);
    const credentials = outcome.kind === 'unavailable' && outcome.credentials === true;
    const isOpen = this.#state.kind === 'open';
    if (isOpen || (!credentials && this.#failed.size < FAILURES_TO_OPEN)) return false;
    this.#open(credentials, now);
    return true;
  }

  /** Returns whether the probe closed it. */
  afterProbe(ready: boolean, credentials: boolean, now: number): boolean {
    if (!ready) {
      this.#open(credentials, now);
      return false;
    }
    this.#failed.clear();
    this.#state = { kind: 'closed', isTrial: true };
    return true;
  }

  #open(credentials: boolean, now: number): void {
    const backoff = Math.min(PROBE_WAIT.maxMs, PROBE_WAIT.firstMs * 2 ** Math.min(this.#openings, 10));
    this.#openings += 1;
    this.#state = { kind: 'open', probeAt: now + (credentials ? PROBE_WAIT.credentialsMs : backoff), credentials };
  }
}
