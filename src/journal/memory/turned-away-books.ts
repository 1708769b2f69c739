import type { KeptSample, TurnedAwayBatch, TurnedAwayCount } from '../journal.ts';
import { LIMITS } from '../limits.ts';

/** The counts and samples of what was turned away. */
export class TurnedAwayBooks {
  /** In the order in which they were first noted. */
  readonly #counts = new Map<string, TurnedAwayCount>();
  /** The oldest first. */
  #samples: readonly KeptSample[] = [];
  #lastId = 0;

  note({ counts, samples }: TurnedAwayBatch, now: number): void {
    for (const { minute, caller, reason, count } of counts) {
      const key = JSON.stringify([minute, caller, reason]);
      const known = this.#counts.get(key)?.count ?? 0;
      this.#counts.set(key, { minute, reason, count: known + count, ...(caller !== undefined && { caller }) });
    }
    for (const [key, { minute }] of this.#counts) {
      if (minute < now - LIMITS.turnedAwayMs || this.#counts.size > LIMITS.maxTurnedAwayCounts)
        this.#counts.delete(key);
    }
    const kept = samples.map((sample) => ({ ...sample, id: ++this.#lastId }));
    this.#samples = [...this.#samples, ...kept].slice(-LIMITS.maxTurnedAwaySamples);
  }

  counts({ from, until }: { readonly from: number; readonly until: number }): readonly TurnedAwayCount[] {
    return [...this.#counts.values()]
      .filter(({ minute }) => minute >= from && minute < until)
      .sort((a, b) => a.minute - b.minute);
  }

  samples(limit: number, before = Number.POSITIVE_INFINITY): readonly KeptSample[] {
    return this.#samples
      .filter(({ id }) => id < before)
      .reverse()
      .slice(0, limit);
  }
}
