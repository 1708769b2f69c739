import { existsSync, openSync, readSync } from 'node:fs';
import { classify, DamageError } from './protocol.ts';

/** As much as SQLite reads at a time, so that what it cannot read is not read here either. Bytes. */
const PAGE_BYTES = 4096;

/**
 * Distinguishes damage from a disk that cannot be read. SQLite reports EIO from a file system as `SQLITE_IOERR_CORRUPTFS` and, for most
 * statements, turns that into `SQLITE_CORRUPT`: "database disk image is malformed".
 */
export class DamageCheck {
  readonly #path: string;
  /** They stay open: to close one would end the locks that SQLite holds on the file for this process. */
  readonly #files = new Map<string, number>();

  constructor(path: string) {
    this.#path = path;
  }

  /** The error itself; or, for a database that is called malformed and cannot be read to its end, the error of the disk. */
  causeOf(error: unknown): unknown {
    if (error instanceof DamageError || classify(error).kind !== 'unreadable') return error;
    try {
      for (const name of [this.#path, `${this.#path}-wal`]) this.#readThrough(name);
      return error;
    } catch (failure) {
      return failure;
    }
  }

  #readThrough(name: string): void {
    if (!existsSync(name)) return;
    const file = this.#files.get(name) ?? openSync(name, 'r');
    this.#files.set(name, file);
    const page = new Uint8Array(PAGE_BYTES);
    for (let at = 0, length = -1; length !== 0; at += length) length = readSync(file, page, 0, PAGE_BYTES, at);
  }
}
