/** After which waiting is given up: something that never comes is a failure with a name, not a hanging run. */
export const PATIENCE_MS = 30_000;

/** Lets a test wait for a condition on something that changes now and then, and tells of each change. */
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
        reject(new Error(`waited in vain: ${missing()}`));
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
