/** What time it is, and a call when more of it has passed. */
export interface Clock {
  /** Epoch milliseconds. Whoever sets the machine's clock makes it jump. */
  now(): number;
  /** Milliseconds that never jump, from some beginning: for leases. */
  tick(): number;
  /** Calls once after `ms`, unless what it returns is called before. */
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
