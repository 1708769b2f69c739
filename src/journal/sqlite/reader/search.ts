import { HourCounts } from '../../hour-counts.ts';
import { type EventFilter, type HourCount, RECORD_STATES, type RecordState } from '../../journal.ts';
import { BLOCK_SIZE, blockOf } from '../blocks.ts';
import { SearchIndex } from './search-index.ts';
import type { SearchQueries } from './search-queries.ts';

/** How long a step may search before it says where to go on, milliseconds: what other questions wait. */
const STEP_MS = 40;

const DELIVERED = RECORD_STATES.indexOf('delivered');

/** The numbers that a step found, the newest first. It goes on below `next`; absent: everything was searched. */
export interface Found {
  readonly seqs: readonly number[];
  readonly next?: number;
}

/** What a step counted. */
export interface Counted {
  readonly hours: readonly HourCount[];
  readonly next?: number;
}

interface FoundInBlock extends Found {
  readonly block: number;
}

/** Walks the index from the newest block on, a step at a time. */
export class Search {
  readonly #index = new SearchIndex();
  #hasBegun = false;

  /** Numbers below `before`, at most `limit`. */
  find(queries: SearchQueries, filter: EventFilter, before: number, limit: number): Found {
    const listed = asksOnlyForState(filter) ? queries.newestSeqs(filter.state, before, limit + 1) : undefined;
    if (listed !== undefined) return page(listed, limit);
    const deadline = performance.now() + STEP_MS;
    const seqs: number[] = [];
    for (const found of this.#walk(queries, filter, before)) {
      seqs.push(...found.seqs);
      if (seqs.length > limit) return page(seqs, limit);
      if (found.next !== undefined && performance.now() > deadline) return { seqs, next: found.next };
    }
    return { seqs };
  }

  count(queries: SearchQueries, filter: EventFilter, before: number): Counted {
    const deadline = performance.now() + STEP_MS;
    const counts = new HourCounts();
    for (const { block, seqs, next } of this.#walk(queries, filter, before)) {
      if (seqs.length > 0) {
        const columns = this.#index.block(block, queries);
        const states = queries.states(block * BLOCK_SIZE);
        for (const seq of seqs) counts.add(columns.receivedAt(seq), stateOf(states, seq));
      }
      if (next !== undefined && performance.now() > deadline) return { hours: counts.list(), next };
    }
    return { hours: counts.list() };
  }

  /** Once something was searched for, reads the newest block that is missing. False: there is none, or no room for it. */
  readAhead(queries: SearchQueries): boolean {
    return this.#hasBegun && this.#index.readMissing(queries);
  }

  *#walk(queries: SearchQueries, filter: EventFilter, before: number): Generator<FoundInBlock> {
    this.#hasBegun = true;
    const names = this.#index.begin();
    const isMeant = filter.repository === undefined ? undefined : names.test(filter.repository);
    const oldest = blockOf(queries.oldest());
    for (let block = blockOf(Math.min(before - 1, queries.newest())); block >= oldest; block--) {
      const isInState = stateTest(queries, filter, block * BLOCK_SIZE);
      const selected = isInState && this.#index.block(block, queries).select(filter, isMeant).filter(isInState);
      const seqs = selected?.filter((seq) => seq < before) ?? [];
      yield { block, seqs, ...(block > oldest && { next: block * BLOCK_SIZE }) };
    }
  }
}

function stateOf(states: Uint8Array, seq: number): RecordState {
  return RECORD_STATES[states[seq % BLOCK_SIZE] ?? DELIVERED] ?? 'delivered';
}

function page(seqs: readonly number[], limit: number): Found {
  const last = seqs[limit - 1];
  return seqs.length <= limit || last === undefined ? { seqs } : { seqs: seqs.slice(0, limit), next: last };
}

function asksOnlyForState({ state: _, ...others }: EventFilter): boolean {
  return Object.values(others).every((condition) => condition === undefined);
}

/** Whether the filter means a record of the block as far as its state goes. Undefined: it means none. */
function stateTest(
  queries: SearchQueries,
  { state, matched }: EventFilter,
  first: number,
): ((seq: number) => boolean) | undefined {
  if (state === undefined && matched === undefined) return () => true;
  const wanted = state ?? 'delivered';
  if (matched !== undefined && wanted !== 'delivered') return undefined;
  const states = queries.states(first);
  const code = RECORD_STATES.indexOf(wanted);
  if (!states.includes(code)) return undefined;
  if (matched === undefined) return (seq) => states[seq - first] === code;
  const unmatched = queries.unmatched(first);
  return (seq) => states[seq - first] === code && (unmatched[seq - first] === 1) !== matched;
}
