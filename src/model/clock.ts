/** One moment, as the clock of the machine shows it and as the journal counts it. */
export interface Time {
  /** Epoch milliseconds. Jumps when the clock of the machine is set. */
  readonly now: number;
  /** Epoch milliseconds that never jump: for due times, leases and ages. */
  readonly tick: number;
}

/** The time, and a call when some of it has passed. */
export interface Clock {
  /** Epoch milliseconds. Jumps when the clock of the machine is set. */
  now(): number;
  /** Milliseconds since some moment in the past. Never jumps: for durations and time limits. */
  tick(): number;
  /**
   * Calls once after `ms`, unless the function that it returns is called first. Time for which the process stood still does
   * not count: what arrived meanwhile is read first.
   */
  after(ms: number, call: () => void): () => void;
}

/** Longer waits are made of parts of this length, milliseconds. A part in which the process stood still is waited again. */
const PART_MS = 5_000;

/** A part that takes so much longer than it should was one in which the process stood still, milliseconds. */
const LATE_MS = 1_000;

export const systemClock: Clock = {
  now: Date.now,
  tick: () => performance.now(),
  after(ms, call) {
    let leftMs = ms;
    let timer: NodeJS.Timeout | undefined;
    const wait = () => {
      const partMs = Math.min(leftMs, PART_MS);
      const late = performance.now() + partMs + LATE_MS;
      timer = setTimeout(() => {
        if (performance.now() < late) leftMs -= partMs;
        if (leftMs > 0) wait();
        else call();
      }, partMs);
    };
    wait();
    return () => clearTimeout(timer);
  },
};
