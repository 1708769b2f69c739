import { type Stats, statSync } from 'node:fs';

/**
 * Looks whether the files that are open still have their names. Into a file that has lost its name everything can be
 * written and synced, and nothing of it outlives this process.
 */
export class OwnFiles {
  readonly #path: string;
  readonly #identities: string;
  #size: number;

  /** To be made once the database has been read from: the log and its index are created for that. */
  constructor(path: string) {
    this.#path = path;
    const { identities, size } = this.#look();
    this.#identities = identities;
    this.#size = size;
  }

  /** False also when the database has shrunk: it never does so by itself. */
  areInPlace(): boolean {
    const { identities, size } = this.#look();
    if (identities !== this.#identities || size < this.#size) return false;
    this.#size = size;
    return true;
  }

  #look(): { readonly identities: string; readonly size: number } {
    const files = ['', '-wal', '-shm'].map((suffix) => statSync(`${this.#path}${suffix}`, { throwIfNoEntry: false }));
    return { identities: files.map(identity).join(' '), size: files[0]?.size ?? 0 };
  }
}

function identity(file: Stats | undefined): string {
  return `${file?.dev}:${file?.ino}`;
}
