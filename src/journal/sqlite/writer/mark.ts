import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { sync } from '../folder.ts';

const DIGITS = 16;

/**
 * The number of the newest event that was stored, in a file beside the database. SQLite takes a log that is missing, cut or
 * damaged for one that ends early; the mark says how far it went.
 *
 * It is written after each commit that brings events, and not synced. So it outlives the process, and after a loss of power
 * it may be older than the journal, never newer.
 */
export class Mark {
  readonly #file: number;

  /** Throws what the file system throws. */
  constructor(path: string, lastSeq: number) {
    const name = markPath(path);
    const isNew = !existsSync(name);
    this.#file = openSync(name, isNew ? 'wx' : 'r+', 0o600);
    this.advance(lastSeq);
    fsyncSync(this.#file);
    if (isNew) sync(dirname(name));
  }

  advance(lastSeq: number): void {
    const digits = String(lastSeq).padStart(DIGITS, '0');
    writeSync(this.#file, `${digits} ${digits}\n`, 0);
  }

  close(): void {
    closeSync(this.#file);
  }
}

export function markPath(path: string): string {
  return `${path}.mark`;
}

/** Zero without a mark that can be read. Of two copies that a torn write left, the smaller one holds. */
export function readMark(path: string): number {
  if (!existsSync(markPath(path))) return 0;
  const copies = readFileSync(markPath(path), 'latin1').match(/\d{16}/g) ?? [0];
  return Math.min(...copies.map(Number));
}
