/** The longest wait: an event that never comes fails the test with a description instead of blocking the run. */
export const PATIENCE_MS = 90_000;

/** Lets a test wait for a condition on an object that reports its changes. */
export class Changes {
  readonly #waiting = new Set<() => void>();

  notify(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves to the first value of `look` that is not undefined; `missing` describes what was found instead. */
  until<T>(look: () => T | undefined, missing: () => string): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(patience);
        this.#waiting.delete(wake);
      };
      const patience = setTimeout(() => {
        end();
        reject(new Error(`timed out waiting for ${missing()}`));
      }, PATIENCE_MS);
      const wake = (): void => {
        try {
          const value = look();
          if (value === undefined) return;
          end();
          resolve(value);
        } catch (error) {
          end();
          reject(error);
        }
      };
      this.#waiting.add(wake);
      wake();
    });
  }
}
