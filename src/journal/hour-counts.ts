import type { HourCount, RecordState } from './journal.ts';
import { LIMITS } from './limits.ts';

const HOUR_MS = 3_600_000;

/** Counts records by the hour in which they were received, and by state. */
export class HourCounts {
  readonly #counts = new Map<number, Map<RecordState, number>>();
  /** That of the hour that was added to last: most often, the next record is of the same. */
  #last = new Map<RecordState, number>();
  #lastHour = Number.NaN;

  add(receivedAt: number, state: RecordState, count = 1): void {
    const hour = Math.floor(receivedAt / HOUR_MS) * HOUR_MS;
    if (hour !== this.#lastHour) {
      this.#last = this.#counts.get(hour) ?? new Map();
      this.#lastHour = hour;
      this.#counts.set(hour, this.#last);
    }
    this.#last.set(state, (this.#last.get(state) ?? 0) + count);
  }

  /** The newest hours first. */
  list(): readonly HourCount[] {
    return [...this.#counts]
      .sort(([a], [b]) => b - a)
      .slice(0, LIMITS.maxCountedHours)
      .flatMap(([hour, counts]) => Array.from(counts, ([state, count]) => ({ hour, state, count })));
  }
}
