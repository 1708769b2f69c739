import type { Clock } from '../../src/journal/clock.ts';

/** 1 September 2025, noon. */
const START = Date.UTC(2025, 8, 1, 12);

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  #now = START;
  readonly #calls = new Set<{ readonly at: number; readonly call: () => void }>();

  now(): number {
    return this.#now;
  }

  tick(): number {
    return this.#now;
  }

  after(ms: number, call: () => void): () => void {
    const entry = { at: this.#now + ms, call };
    this.#calls.add(entry);
    return () => this.#calls.delete(entry);
  }

  advance(ms: number): void {
    this.#now += ms;
    for (const entry of this.#calls) {
      if (entry.at > this.#now) continue;
      this.#calls.delete(entry);
      entry.call();
    }
  }
}
