import { matchesGlob } from '../../../model/glob.ts';
import type { EventFilter } from '../../journal.ts';
import { BLOCK_SIZE } from '../blocks.ts';
import type { RecordIdentity } from './record.ts';

/** Fields that a filter compares exactly. */
const FIELDS = ['registry', 'tag', 'digest', 'id', 'action', 'format', 'caller'] as const;

type Field = (typeof FIELDS)[number];

/** Stands in a column where the record lacks the field. */
const ABSENT = 0;

/** The hashes differ from process to process, so that no sender can choose texts with the same hash. */
const SEED = Math.floor(Math.random() * 2 ** 32);

/**
 * The records of `BLOCK_SIZE` consecutive numbers, as columns: 38 bytes a record, and each name of a repository once. The
 * columns hold hashes: what is found must be compared with the record.
 */
export class Block {
  readonly #first: number;
  /** Records below this number are in it. */
  #end: number;
  readonly #isThere = new Uint8Array(BLOCK_SIZE);
  readonly #receivedAt = new Float64Array(BLOCK_SIZE);
  readonly #columns: Readonly<Record<Field, Uint32Array>>;
  /** Each record's place in the list of repositories. */
  readonly #repository = new Uint16Array(BLOCK_SIZE);
  /** The names as JSON, in UTF-8: a list of texts would take three times as much. The first is that of records without one. */
  #repositories = Buffer.from('[""]');

  constructor(first: number) {
    this.#first = first;
    this.#end = first;
    this.#columns = {
      registry: new Uint32Array(BLOCK_SIZE),
      tag: new Uint32Array(BLOCK_SIZE),
      digest: new Uint32Array(BLOCK_SIZE),
      id: new Uint32Array(BLOCK_SIZE),
      action: new Uint32Array(BLOCK_SIZE),
      format: new Uint32Array(BLOCK_SIZE),
      caller: new Uint32Array(BLOCK_SIZE),
    };
  }

  get end(): number {
    return this.#end;
  }

  get bytes(): number {
    return BLOCK_SIZE * (11 + 4 * FIELDS.length) + this.#repositories.byteLength;
  }

  /** Adds records, in order, and notes that it has all below `end`. */
  extend(records: Iterable<RecordIdentity>, end: number): void {
    const names = this.#names();
    const places = new Map(names.map((name, place) => [name, place]));
    for (const record of records) this.#add(record, places);
    if (places.size > names.length) this.#repositories = Buffer.from(JSON.stringify([...places.keys()]));
    this.#end = end;
  }

  #add({ seq, receivedAt, format, caller, event }: RecordIdentity, places: Map<string, number>): void {
    const at = seq - this.#first;
    const { registry, tag, digest, id, action, repository = '' } = event;
    const fields = { registry, tag, digest, id, action, format, caller };
    for (const field of FIELDS) this.#columns[field][at] = hashOf(fields[field]);
    const place = places.get(repository) ?? places.size;
    places.set(repository, place);
    this.#repository[at] = place;
    this.#receivedAt[at] = receivedAt;
    this.#isThere[at] = 1;
  }

  /** The numbers of the records that the filter may mean, as far as it does not ask for their state. The newest first. */
  select(filter: EventFilter): readonly number[] {
    let places: number[] = [];
    for (let at = BLOCK_SIZE - 1; at >= 0; at--) if (this.#isThere[at] === 1) places.push(at);
    for (const field of FIELDS) {
      const wanted = filter[field];
      if (wanted === undefined) continue;
      const [column, hash] = [this.#columns[field], hashOf(wanted)];
      places = places.filter((at) => column[at] === hash);
    }
    const { repository, from = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = filter;
    if (filter.from !== undefined || filter.until !== undefined) {
      places = places.filter((at) => this.receivedAt(at) >= from && this.receivedAt(at) < until);
    }
    if (repository !== undefined && places.length > 0) {
      const isWanted = this.#names().map((name) => name !== '' && fits(repository, name));
      places = places.filter((at) => isWanted[this.#repository[at] ?? 0]);
    }
    return places.map((at) => this.#first + at);
  }

  receivedAt(seq: number): number {
    return this.#receivedAt[seq - this.#first] ?? 0;
  }

  #names(): readonly string[] {
    return JSON.parse(this.#repositories.toString());
  }
}

/** Most filters name one repository, and a block may have thousands. */
function fits(glob: string, name: string): boolean {
  return glob.includes('*') ? matchesGlob(glob, name) : glob === name;
}

function hashOf(text: string | undefined): number {
  if (text === undefined) return ABSENT;
  let hash = SEED;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x5bd1e995);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}
