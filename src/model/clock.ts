/** One moment, as both clocks of a machine show it. */
export interface Time {
  /** Epoch milliseconds. Jumps when the clock of the machine is set. */
  readonly now: number;
  /** Milliseconds since some moment in the past. Never jumps: for leases and time limits. */
  readonly tick: number;
}

/** The time, and a call when some of it has passed. */
export interface Clock {
  now(): number;
  tick(): number;
  /** Calls once after `ms`, unless the function that it returns is called first. */
  after(ms: number, call: () => void): () => void;
}

export const systemClock: Clock = {
  now: Date.now,
  tick: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};
