import type { Clock, Time } from '../model/clock.ts';

/**
 * How much of a time that the journal did not see counts, milliseconds: more than an event waits for its retry, and too
 * little to let anything expire.
 */
const MAX_UNSEEN_MS = 3_600_000;

/** A smaller difference between two clocks is not a jump but how they run, milliseconds. */
const JUMP_MS = 1_000;

/**
 * A clock that also shows the journal's own time: due times, leases, ages and retention are by it. It is the time of day, in
 * epoch milliseconds, until the clock of the machine is set: that moves the time of day alone. While the journal is closed, it
 * goes on by the time of day, but an hour at most, and never back.
 */
export class JournalClock implements Clock {
  readonly #clock: Clock;
  /** By how much the machine's clock is ahead of the journal's. */
  #lead: number;
  #base: number;

  /** `saved`: what the clock showed when the journal was last written. */
  constructor(clock: Clock, saved?: Time) {
    const now = clock.now();
    const unseenMs = Math.min(Math.max(now - (saved?.now ?? now), 0), MAX_UNSEEN_MS);
    this.#clock = clock;
    this.#lead = saved === undefined ? 0 : now - saved.tick - unseenMs;
    this.#base = now - clock.tick();
  }

  now(): number {
    return this.#clock.now();
  }

  tick(): number {
    return this.#clock.tick();
  }

  after(ms: number, call: () => void): () => void {
    return this.#clock.after(ms, call);
  }

  /** Now, also in the journal's own time. */
  time(): Time {
    const now = this.#clock.now();
    const base = now - this.#clock.tick();
    if (Math.abs(base - this.#base) >= JUMP_MS) this.#lead += Math.round(base - this.#base);
    this.#base = base;
    return { now, tick: now - this.#lead };
  }

  /** The time of day of a journal time, as the machine's clock is set now. */
  timeOfDay(tick: number): number {
    const time = this.time();
    return tick + time.now - time.tick;
  }
}

/** The journal time of a record that arrived at this time of day. Where the clock was set since then, it arrives now. */
export function arrivalTick(receivedAt: number, { now, tick }: Time): number {
  const ageMs = now - receivedAt;
  return ageMs >= 0 && ageMs <= MAX_UNSEEN_MS ? tick - ageMs : tick;
}
