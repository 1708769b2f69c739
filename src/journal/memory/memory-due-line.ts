interface Place {
  readonly at: number;
  readonly seq: number;
}

/**
 * The pending events of a memory journal in the order in which they can next be lent: when they fall due or, of a lent
 * one, when its lease ends. A sorted array: inserting moves pointers, which 100,000 of them do in microseconds.
 */
export class DueLine {
  readonly #places: Place[] = [];
  readonly #times = new Map<number, number>();

  get size(): number {
    return this.#places.length;
  }

  /** When the first of them can be lent. */
  get nextAt(): number {
    return this.#places[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Gives the event its place, or a new one. */
  put(seq: number, at: number): void {
    this.remove(seq);
    const place = { at, seq };
    this.#places.splice(this.#indexOf(place), 0, place);
    this.#times.set(seq, at);
  }

  remove(seq: number): void {
    const at = this.#times.get(seq);
    if (at === undefined) return;
    this.#places.splice(this.#indexOf({ at, seq }), 1);
    this.#times.delete(seq);
  }

  /** At most `max` that can be lent now, the longest due first. */
  due(now: number, max: number): readonly number[] {
    const end = this.#indexOf({ at: now, seq: Number.POSITIVE_INFINITY });
    return this.#places.slice(0, Math.min(max, end)).map(({ seq }) => seq);
  }

  #indexOf(place: Place): number {
    let low = 0;
    let high = this.#places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#places[middle];
      if (other !== undefined && isBefore(other, place)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isBefore(a: Place, b: Place): boolean {
  return a.at < b.at || (a.at === b.at && a.seq < b.seq);
}
