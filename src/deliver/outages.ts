/** How many outages are remembered; older ones no longer excuse anybody. */
const REMEMBERED = 100;

/** When our credentials were refused: time that no event's age is to be charged with. In memory, for this process. */
export class Outages {
  readonly #past: { readonly from: number; readonly until: number }[] = [];
  #since: number | undefined;

  begin(now: number): void {
    this.#since ??= now;
  }

  end(now: number): void {
    if (this.#since === undefined) return;
    this.#past.push({ from: this.#since, until: now });
    if (this.#past.length > REMEMBERED) this.#past.shift();
    this.#since = undefined;
  }

  /** Milliseconds of outage between a time and now. */
  after(time: number, now: number): number {
    const current = this.#since === undefined ? [] : [{ from: this.#since, until: now }];
    return [...this.#past, ...current].reduce(
      (sum, { from, until }) => sum + Math.max(0, until - Math.max(from, time)),
      0,
    );
  }
}
