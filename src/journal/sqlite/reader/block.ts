import type { EventFilter } from '../../journal.ts';
import { BLOCK_SIZE } from '../blocks.ts';
import type { RecordIdentity } from './record.ts';
import type { RepositoryNames } from './repository-names.ts';

/** Fields that a filter compares exactly, by their hashes. Those that say most come first. */
const HASHED = ['id', 'digest', 'tag', 'registry', 'caller', 'action', 'format'] as const;

/** The hashes differ from process to process, so that no sender can choose texts with the same hash. */
const SEED = Math.floor(Math.random() * 2 ** 32);

/**
 * The records of `BLOCK_SIZE` consecutive numbers, as columns, which take 41 bytes a record. What is found must be compared with the record: another text
 * may have the same hash.
 */
export class Block {
  readonly #first: number;
  readonly #names: RepositoryNames;
  #end: number;
  readonly #isThere = new Uint8Array(BLOCK_SIZE);
  readonly #receivedAt = new Float64Array(BLOCK_SIZE);
  readonly #repository = new Uint32Array(BLOCK_SIZE);
  readonly #hashes: readonly Uint32Array[] = HASHED.map(() => new Uint32Array(BLOCK_SIZE));

  constructor(first: number, names: RepositoryNames) {
    this.#first = first;
    this.#end = first;
    this.#names = names;
  }

  /** All records below this number are in it. */
  get end(): number {
    return this.#end;
  }

  /** Adds the records that were missing below `end`. */
  extend(records: Iterable<RecordIdentity>, end: number): void {
    for (const record of records) this.#add(record);
    this.#end = end;
  }

  #add({ seq, receivedAt, format, caller, event }: RecordIdentity): void {
    const at = seq - this.#first;
    const fields = { ...event, format, caller };
    for (const [index, field] of HASHED.entries()) {
      const column = this.#hashes[index];
      if (column !== undefined) column[at] = hashOf(fields[field]);
    }
    this.#repository[at] = this.#names.add(event.repository);
    this.#receivedAt[at] = receivedAt;
    this.#isThere[at] = 1;
  }

  /**
   * The numbers of the records that the filter may mean, as far as it does not ask for their state. The newest first.
   * `isMeant` says it of the number of a repository, where the filter asks for that.
   */
  select(filter: EventFilter, isMeant: ((repository: number) => boolean) | undefined): readonly number[] {
    let places: readonly number[] | undefined;
    for (const [index, field] of HASHED.entries()) {
      const wanted = filter[field];
      const column = this.#hashes[index];
      if (wanted === undefined || column === undefined) continue;
      const hash = hashOf(wanted);
      places = places?.filter((at) => column[at] === hash) ?? placesOf(column, hash);
    }
    places ??= placesOf(this.#isThere, 1);
    const { from = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = filter;
    if (filter.from !== undefined || filter.until !== undefined) {
      const times = this.#receivedAt;
      places = places.filter((at) => (times[at] ?? 0) >= from && (times[at] ?? 0) < until);
    }
    if (isMeant !== undefined) places = places.filter((at) => isMeant(this.#repository[at] ?? 0));
    return places.map((at) => this.#first + at);
  }

  receivedAt(seq: number): number {
    return this.#receivedAt[seq - this.#first] ?? 0;
  }
}

/** The last first. Searching an array is much faster than a loop in JavaScript where it finds little. */
function placesOf(column: Uint8Array | Uint32Array, value: number): readonly number[] {
  const places: number[] = [];
  for (let at = column.lastIndexOf(value); at >= 0; at = at === 0 ? -1 : column.lastIndexOf(value, at - 1)) {
    places.push(at);
  }
  return places;
}

/** Zero stands for a field that is absent. */
function hashOf(text: string | undefined): number {
  if (text === undefined) return 0;
  let hash = SEED;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x5bd1e995);
    hash ^= hash >>> 15;
  }
  // Never that of an absent field, nor of an absent record.
  return hash >>> 0 || 1;
}
