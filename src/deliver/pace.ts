import type { Outcome } from '../model/delivery.ts';

/** Concurrent attempts. */
const LIMITS = { min: 8, max: 64, trial: 3 };

/**
 * An attempt is slow when it takes more than twice the usual time plus 50 ms. Smaller differences come from our own machine
 * rather than from the sink.
 */
const SLOW = { factor: 2, marginMs: 50 };

/** How far one slower attempt moves the usual time: it follows a sink that stays slower within about a hundred attempts. */
const DRIFT = 0.02;

/**
 * How many attempts may run at the same time: one more for every round of fast answers; a third fewer after a failure or a
 * slow answer, at most once a round.
 */
export class Pace {
  #limit = LIMITS.min;
  #usualMs = Number.POSITIVE_INFINITY;
  #sinceCut = 0;

  /** On trial they are few, so that a sink which still fails spoils few events. */
  limit(isTrial: boolean): number {
    return isTrial ? LIMITS.trial : Math.floor(this.#limit);
  }

  afterAttempt(outcome: Outcome, durationMs: number): void {
    this.#sinceCut += 1;
    const isAnswer = outcome.kind === 'delivered' || outcome.kind === 'rejected';
    const isSlow = durationMs > this.#usualMs * SLOW.factor + SLOW.marginMs;
    if (isAnswer) this.#learn(durationMs);
    if (isAnswer && !isSlow) this.#limit = Math.min(LIMITS.max, this.#limit + 1 / this.#limit);
    else if (this.#sinceCut > this.#limit) {
      this.#limit = Math.max(LIMITS.min, this.#limit * 0.67);
      this.#sinceCut = 0;
    }
  }

  #learn(durationMs: number): void {
    const isFaster = durationMs < this.#usualMs;
    this.#usualMs = isFaster ? durationMs : this.#usualMs + DRIFT * (durationMs - this.#usualMs);
  }
}
