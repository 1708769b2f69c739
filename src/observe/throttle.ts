import type { Clock } from '../model/clock.ts';

/** How long one line stands for its reason, milliseconds. */
const WINDOW_MS = 1000;

/**
 * At most one line a second for each reason, with a count. Every client can cause these lines, as often as it likes. The first
 * is written at once, the others at the end of their second.
 */
export class Throttle {
  readonly #clock: Clock;
  /** For each reason in its current second: how often it came after the first. */
  readonly #counts = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `log` with the number of times that the line stands for. */
  report(reason: string, log: (count: number) => void): void {
    const count = this.#counts.get(reason);
    if (count === undefined) {
      log(1);
      this.#open(reason, log);
    } else this.#counts.set(reason, count + 1);
  }

  #open(reason: string, log: (count: number) => void): void {
    this.#counts.set(reason, 0);
    this.#clock.after(WINDOW_MS, () => {
      const count = this.#counts.get(reason) ?? 0;
      this.#counts.delete(reason);
      if (count === 0) return;
      log(count);
      this.#open(reason, log);
    });
  }
}
