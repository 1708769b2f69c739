import { BLOCK_SIZE, blockOf } from '../blocks.ts';
import { Block } from './block.ts';
import type { SearchQueries } from './search-queries.ts';

/** The index's size, bytes: more than two million events. Blocks of older ones are read again for each search. */
const MAX_BYTES = 96 * 1024 * 1024;

interface Entry {
  readonly block: Block;
  /** How often records of it had been deleted or replaced when it was read. */
  readonly changes: number;
}

/**
 * The columns of all records, in memory. A block is read when it is first asked for, again when records of it were deleted
 * or replaced, and the newest goes on where it ended.
 */
export class SearchIndex {
  readonly #entries = new Map<number, Entry>();
  #bytes = 0;

  block(number: number, queries: SearchQueries): Block {
    const first = number * BLOCK_SIZE;
    const changes = queries.changesOf(number);
    const known = this.#entries.get(number);
    const block = known?.changes === changes ? known.block : new Block(first);
    const end = Math.min(first + BLOCK_SIZE, queries.newest() + 1);
    if (block !== known?.block || block.end < end) {
      this.#drop(number);
      block.extend(queries.records(block.end, end), end);
      this.#keep(number, { block, changes });
    }
    return block;
  }

  /** Reads the newest block that is missing. False: there is none, or no room for it. */
  readMissing(queries: SearchQueries): boolean {
    const oldest = blockOf(queries.oldest());
    let number = blockOf(queries.newest());
    while (this.#entries.has(number)) number--;
    if (number < oldest || this.#bytes > MAX_BYTES - LARGE_BLOCK_BYTES) return false;
    this.block(number, queries);
    return true;
  }

  #keep(number: number, entry: Entry): void {
    this.#entries.set(number, entry);
    this.#bytes += entry.block.bytes;
    while (this.#bytes > MAX_BYTES) this.#drop(Math.min(...this.#entries.keys()));
  }

  #drop(number: number): void {
    this.#bytes -= this.#entries.get(number)?.block.bytes ?? 0;
    this.#entries.delete(number);
  }
}

/** Kept free, so that reading ahead does not push out what it has just read, bytes. */
const LARGE_BLOCK_BYTES = 4 * 1024 * 1024;
