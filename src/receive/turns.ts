/** Tasks of one party run one after the other, in the order in which they came. Those of different parties run at the same time. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  async take<T>(party: string, task: () => Promise<T>): Promise<T> {
    const previous = this.#last.get(party);
    const turn = after(previous, task);
    this.#last.set(party, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(party) === turn) this.#last.delete(party);
    }
  }

  /** The parties that have a task under way or waiting. */
  get parties(): number {
    return this.#last.size;
  }
}

async function after<T>(previous: Promise<unknown> | undefined, task: () => Promise<T>): Promise<T> {
  await previous?.catch(() => {
    // It rejects where it was taken.
  });
  return task();
}

const COMMA = 0x2c;

/** Whether a JSON text may hold more than so many values. They are separated by commas; those in strings count as well. */
export function mayHoldMoreThan(values: number, json: Uint8Array): boolean {
  let at = -1;
  for (let count = 0; count < values; count++) {
    at = json.indexOf(COMMA, at + 1);
    if (at === -1) return false;
  }
  return true;
}
