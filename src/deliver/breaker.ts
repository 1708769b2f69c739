import type { Outcome } from '../model/delivery.ts';
import type { Probe } from '../sink/sink.ts';

/** So many different events must fail in a row before the sink, and not the event, counts as the cause. */
const FAILURES_TO_OPEN = 3;

/** So long may events fail, with nothing delivered meanwhile, before the sink counts as the cause, however few they are. */
const FAILING_MS = 10_000;

/** Waits before the probes: 1, 2, 4, … s up to half a minute; a minute for rejected credentials, which an operator must fix. */
const PROBE_WAIT = { firstMs: 1000, maxMs: 30_000, credentialsMs: 60_000 };

/** Past outages of our credentials that are kept. */
const MAX_OUTAGES = 100;

export type BreakerState =
  /** Events are delivered. `isTrial` from the time it closed until an event is taken. */
  | { readonly kind: 'closed'; readonly isTrial: boolean }
  /** No event is delivered until a probe at `probeAt` (by the journal's time) finds the sink ready. */
  | { readonly kind: 'open'; readonly probeAt: number; readonly credentials: boolean };

/**
 * Stops deliveries to a sink that takes none. A probe creates no event, so it may succeed while events still fail (Brigade
 * without its broker): until an event is taken, each opening waits longer than the last.
 */
export class Breaker {
  #state: BreakerState = { kind: 'closed', isTrial: false };
  /** The events that failed since one was taken or the breaker closed, and when the first of them did. */
  readonly #failed = new Set<number>();
  #failingSince = 0;
  #openings = 0;
  /** The times for which our credentials were rejected, of this process. */
  readonly #outages: { readonly from: number; readonly until: number }[] = [];
  #outageFrom: number | undefined;

  get state(): BreakerState {
    return this.#state;
  }

  /** When it opens unless an event is taken before; undefined while nothing fails, and while it is open. */
  get opensAt(): number | undefined {
    return this.#state.kind === 'open' || this.#failed.size === 0 ? undefined : this.#failingSince + FAILING_MS;
  }

  /** Opens it at `opensAt`: an event that waits for its retry must not wait for that to be noticed. Returns whether it opened. */
  afterTime(now: number): boolean {
    if (this.opensAt === undefined) return false;
    this.#open(false, now);
    return true;
  }

  /** Returns whether the attempt opened it. */
  afterAttempt(seq: number, outcome: Outcome, now: number): boolean {
    if (outcome.kind === 'delivered' || outcome.kind === 'rejected') {
      this.#failed.clear();
      this.#openings = 0;
      if (this.#state.kind === 'closed') this.#state = { kind: 'closed', isTrial: false };
      return false;
    }
    if (this.#failed.size === 0) this.#failingSince = now;
    this.#failed.add(seq);
    const credentials = outcome.kind === 'unavailable' && outcome.credentials === true;
    const isSink = this.#failed.size >= FAILURES_TO_OPEN || now - this.#failingSince >= FAILING_MS;
    if (this.#state.kind === 'open' || !(credentials || isSink)) return false;
    this.#open(credentials, now);
    return true;
  }

  /** Returns whether the probe closed it. */
  afterProbe(probe: Probe, now: number): boolean {
    if (probe.kind === 'unready') {
      this.#open(probe.credentials, now);
      return false;
    }
    this.#endOutage(now);
    this.#failed.clear();
    this.#state = { kind: 'closed', isTrial: true };
    return true;
  }

  /** For how much of the time since then our credentials were rejected, milliseconds: events do not age meanwhile. */
  excusedMs(since: number, now: number): number {
    const current = this.#outageFrom === undefined ? [] : [{ from: this.#outageFrom, until: now }];
    return [...this.#outages, ...current].reduce(
      (sum, { from, until }) => sum + Math.max(0, until - Math.max(from, since)),
      0,
    );
  }

  #open(credentials: boolean, now: number): void {
    const backoff = Math.min(PROBE_WAIT.maxMs, PROBE_WAIT.firstMs * 2 ** Math.min(this.#openings, 10));
    this.#openings += 1;
    this.#state = { kind: 'open', probeAt: now + (credentials ? PROBE_WAIT.credentialsMs : backoff), credentials };
    if (credentials) this.#outageFrom ??= now;
    else this.#endOutage(now);
  }

  #endOutage(now: number): void {
    if (this.#outageFrom === undefined) return;
    this.#outages.push({ from: this.#outageFrom, until: now });
    if (this.#outages.length > MAX_OUTAGES) this.#outages.shift();
    this.#outageFrom = undefined;
  }
}
