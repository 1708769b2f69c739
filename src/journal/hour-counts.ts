import type { HourCount, RecordState } from './journal.ts';
import { LIMITS } from './limits.ts';

const HOUR_MS = 3_600_000;

/** Counts records by the hour in which they were received, and by state. */
export class HourCounts {
  readonly #counts = new Map<number, Map<RecordState, number>>();

  add(receivedAt: number, state: RecordState, count = 1): void {
    const hour = Math.floor(receivedAt / HOUR_MS) * HOUR_MS;
    const counts = this.#counts.get(hour) ?? new Map<RecordState, number>();
    this.#counts.set(hour, counts.set(state, (counts.get(state) ?? 0) + count));
  }

  /** The newest hours first. */
  list(): readonly HourCount[] {
    return [...this.#counts]
      .sort(([a], [b]) => b - a)
      .slice(0, LIMITS.maxCountedHours)
      .flatMap(([hour, counts]) => Array.from(counts, ([state, count]) => ({ hour, state, count })));
  }
}
