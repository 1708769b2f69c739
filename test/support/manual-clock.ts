import type { Clock } from '../../src/model/clock.ts';

/** 1 September 2025, noon. */
const START = Date.UTC(2025, 8, 1, 12);

/** A clock that a test moves and sets. By itself it stands still, unless it runs. */
export class ManualClock implements Clock {
  readonly #startedAt: number | undefined;
  readonly #calls = new Set<{ readonly at: number; readonly call: () => void }>();
  #moved = 0;
  #wrongMs = 0;

  /** `runs`: time also passes by itself, for what waits a few milliseconds without the test knowing. */
  constructor({ runs = false } = {}) {
    this.#startedAt = runs ? performance.now() : undefined;
  }

  now(): number {
    return START + this.tick() + this.#wrongMs;
  }

  tick(): number {
    return this.#moved + (this.#startedAt === undefined ? 0 : Math.floor(performance.now() - this.#startedAt));
  }

  /** Sets the time of day, so that it is wrong by that much. No time passes. */
  set(wrongMs: number): void {
    this.#wrongMs = wrongMs;
  }

  after(ms: number, call: () => void): () => void {
    const entry = { at: this.tick() + ms, call };
    this.#calls.add(entry);
    const timer = this.#startedAt === undefined ? undefined : setTimeout(() => this.#callDue(), Math.ceil(ms) + 1);
    return () => {
      this.#calls.delete(entry);
      clearTimeout(timer);
    };
  }

  advance(ms: number): void {
    this.#moved += ms;
    this.#callDue();
  }

  #callDue(): void {
    const now = this.tick();
    for (const entry of this.#calls) {
      if (entry.at > now) continue;
      this.#calls.delete(entry);
      entry.call();
    }
  }
}
