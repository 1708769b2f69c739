/** Lets those wait for whom something has to change first. */
export class Change {
  #waiting: (() => void)[] = [];

  /** Resolves when it is told the next time. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  tell(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
