import { appendFileSync, rmSync, statSync } from 'node:fs';

/** What one step adds, bytes: some milliseconds. */
const STEP = 1024 * 1024;

/** Not zeros: a file system that compresses would take no space for them. */
const FILLING = crypto.getRandomValues(new Uint8Array(65_536));

/**
 * A file beside the journal that takes space and holds nothing. When completing or pruning finds a disk without a free byte,
 * the file is deleted: then the log can grow, the database can take what is in the log, and the disk heals.
 */
export class Ballast {
  readonly #path: string;
  readonly #wantedBytes: number;
  bytes: number;

  constructor(journalPath: string, wantedBytes: number) {
    this.#path = `${journalPath}.ballast`;
    this.#wantedBytes = wantedBytes;
    this.bytes = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Adds a step. False: it is complete, or the disk does not take it. */
  grow(): boolean {
    if (this.bytes >= this.#wantedBytes) return false;
    try {
      for (let added = 0; added < STEP; added += FILLING.length) {
        appendFileSync(this.#path, FILLING, { mode: 0o600 });
        this.bytes += FILLING.length;
      }
      return true;
    } catch {
      // Nothing depends on it now, and the next step tries again.
      return false;
    }
  }

  /** Gives its space back to the disk. False: there is none. */
  release(): boolean {
    if (this.bytes === 0) return false;
    rmSync(this.#path, { force: true });
    this.bytes = 0;
    return true;
  }
}
