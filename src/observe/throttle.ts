/** How long one line speaks for its reason, milliseconds. */
const WINDOW_MS = 1000;

/**
 * At most one line a second for each reason, with how often it happened: anybody on the internet can cause what is told
 * through this, as often as they like. The first is told at once, the others at the end of their second.
 */
export class Throttle {
  /** How often each reason came in its second that is running, after the first. */
  readonly #counts = new Map<string, number>();

  /** `tell` is called with the number of times it stands for. */
  tell(reason: string, tell: (count: number) => void): void {
    const count = this.#counts.get(reason);
    if (count === undefined) {
      tell(1);
      this.#open(reason, tell);
    } else this.#counts.set(reason, count + 1);
  }

  #open(reason: string, tell: (count: number) => void): void {
    this.#counts.set(reason, 0);
    setTimeout(() => {
      const count = this.#counts.get(reason) ?? 0;
      this.#counts.delete(reason);
      if (count === 0) return;
      tell(count);
      this.#open(reason, tell);
    }, WINDOW_MS).unref();
  }
}
