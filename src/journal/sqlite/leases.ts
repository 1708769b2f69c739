import type { LeaseKey } from './protocol.ts';

/** Time for which an event is lent, milliseconds: more than the 90 s that an attempt may take. */
const LEASE_MS = 120_000;

/** What a lent event's completion needs to know. */
export interface Lent {
  readonly seq: number;
  readonly receivedAt: number;
  readonly delivery: number;
  /** It was lent for the first time, from the queue of the never tried. */
  readonly fresh: boolean;
}

/**
 * Who holds which event, in memory: the journal has one owner, so when that dies every claim is free. `tick` is of a clock
 * that never jumps: setting the machine's clock must not lend an event twice.
 */
export class Leases {
  readonly #leases = new Map<number, Lent & { readonly fence: number; until: number }>();
  #lastFence: number;
  #waitingCount = 0;
  #freshCursor = 0;

  /** No fence below `firstFence` was ever given out by an earlier owner. */
  constructor(firstFence: number) {
    this.#lastFence = firstFence;
  }

  /** How many of the lent events were tried before. */
  get waitingCount(): number {
    return this.#waitingCount;
  }

  /** Every fresh event up to this seq is lent or completed. */
  get freshCursor(): number {
    return this.#freshCursor;
  }

  /** Returns the fence. */
  lend(lent: Lent, tick: number): number {
    this.#lastFence += 1;
    this.#leases.set(lent.seq, { ...lent, fence: this.#lastFence, until: tick + LEASE_MS });
    if (lent.fresh) this.#freshCursor = Math.max(this.#freshCursor, lent.seq);
    else this.#waitingCount += 1;
    return this.#lastFence;
  }

  /** The lease, if this claim still holds it. */
  held(key: LeaseKey, tick: number): Lent | undefined {
    const lease = this.#leases.get(key.seq);
    return lease !== undefined && lease.fence === key.fence && lease.until > tick ? lease : undefined;
  }

  isHeld(seq: number): boolean {
    return this.#leases.has(seq);
  }

  renew(key: LeaseKey, tick: number): void {
    const lease = this.#leases.get(key.seq);
    if (lease !== undefined && lease.fence === key.fence && lease.until > tick) lease.until = tick + LEASE_MS;
  }

  end(seq: number): void {
    const lease = this.#leases.get(seq);
    if (lease === undefined) return;
    if (!lease.fresh) this.#waitingCount -= 1;
    this.#leases.delete(seq);
  }

  /** Forgets the leases that have ended, so that their events can be lent again. */
  dropEnded(tick: number): void {
    for (const lease of [...this.#leases.values()].filter(({ until }) => until <= tick)) {
      this.end(lease.seq);
      if (lease.fresh) this.#freshCursor = Math.min(this.#freshCursor, lease.seq - 1);
    }
  }

  /** When the first lease ends, by the same clock; infinite if none is held. */
  nextEnd(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { until } of this.#leases.values()) next = Math.min(next, until);
    return next;
  }
}
