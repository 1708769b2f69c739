interface ShareOptions {
  /** What all parties may hold together. */
  readonly total: number;
  /** What one party may hold. */
  readonly share: number;
  /** What a party may hold of the reserve: the last quarter of the total, which no other party can use up. */
  readonly guaranteed: number;
}

/**
 * Divides a resource between parties, so that none can use up what another needs.
 *
 * - No party holds more than `share`, and all together no more than `total`.
 * - A party that holds at most `guaranteed` gets it, whatever the others hold, as long as the reserve suffices for all such
 *   parties.
 * - A party that holds nothing takes no memory.
 */
export class Shares {
  readonly #options: ShareOptions;
  readonly #held = new Map<string, number>();
  #taken = 0;

  constructor(options: ShareOptions) {
    this.#options = options;
  }

  /** Takes the amount if the party may hold it. Returns whether it may. */
  take(party: string, amount: number): boolean {
    const { total, share, guaranteed } = this.#options;
    const held = (this.#held.get(party) ?? 0) + amount;
    const usable = held <= guaranteed ? total : total * 0.75;
    if (held > share || this.#taken + amount > usable) return false;
    this.#held.set(party, held);
    this.#taken += amount;
    return true;
  }

  giveBack(party: string, amount: number): void {
    const held = (this.#held.get(party) ?? 0) - amount;
    if (held > 0) this.#held.set(party, held);
    else this.#held.delete(party);
    this.#taken -= amount;
  }

  /** The parties that hold anything. */
  get parties(): number {
    return this.#held.size;
  }
}
