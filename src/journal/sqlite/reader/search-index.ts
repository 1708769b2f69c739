import { BLOCK_SIZE, blockOf } from '../blocks.ts';
import { Block } from './block.ts';
import { RepositoryNames } from './repository-names.ts';
import type { SearchQueries } from './search-queries.ts';

/** The blocks that are kept: those of the newest two million events, some 84 MB. Older ones are read for each search. */
const MAX_BLOCKS = 500;

/** The names of repositories that are kept, bytes: hundreds of thousands. With more, the index begins anew. */
const MAX_NAME_BYTES = 32 * 1024 * 1024;

interface Entry {
  readonly block: Block;
  /** How often records of it had been deleted or replaced when it was read. */
  readonly changes: number;
}

/**
 * The columns of the records, in memory. A block is read when it is first asked for, again when records of it were deleted
 * or replaced, and the newest goes on where it ended.
 */
export class SearchIndex {
  readonly #entries = new Map<number, Entry>();
  #names = new RepositoryNames();

  /** Begins a step: until the next, the blocks that it hands out number the same repositories. */
  begin(): RepositoryNames {
    if (this.#names.bytes > MAX_NAME_BYTES) {
      this.#entries.clear();
      this.#names = new RepositoryNames();
    }
    return this.#names;
  }

  block(number: number, queries: SearchQueries): Block {
    const first = number * BLOCK_SIZE;
    const changes = queries.changesOf(number);
    const known = this.#entries.get(number);
    const block = known?.changes === changes ? known.block : new Block(first, this.#names);
    const end = Math.min(first + BLOCK_SIZE, queries.newest() + 1);
    if (block.end < end) block.extend(queries.records(block.end, end), end);
    this.#entries.set(number, { block, changes });
    if (this.#entries.size > MAX_BLOCKS) this.#entries.delete(Math.min(...this.#entries.keys()));
    return block;
  }

  /** Reads the newest block that is missing. False: there is none, or no room for it. */
  readMissing(queries: SearchQueries): boolean {
    const oldest = blockOf(queries.oldest());
    let number = blockOf(queries.newest());
    while (this.#entries.has(number)) number--;
    if (number < oldest || this.#entries.size === MAX_BLOCKS) return false;
    this.block(number, queries);
    return true;
  }
}
