import { matchesGlob } from '../../../model/glob.ts';

/** What a name takes beside its characters, bytes: its places in a map and a list. */
const NAME_BYTES = 100;

/** Numbers the names of repositories from 1 on. Zero stands for none. */
export class RepositoryNames {
  readonly #numbers = new Map<string, number>();
  readonly #names = [''];
  #bytes = 0;
  /** What was asked for last. */
  #glob = '';
  #matching = new Uint8Array(1);

  get bytes(): number {
    return this.#bytes;
  }

  add(name: string | undefined): number {
    if (name === undefined) return 0;
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#names.push(name) - 1;
    this.#numbers.set(name, number);
    this.#bytes += NAME_BYTES + name.length;
    return number;
  }

  /** 1 at the number of each name that the glob matches. Searching on for the same glob compares only what is new. */
  matching(glob: string): Uint8Array {
    if (glob !== this.#glob) [this.#glob, this.#matching] = [glob, new Uint8Array(1)];
    const known = this.#matching;
    if (known.length === this.#names.length) return known;
    this.#matching = new Uint8Array(this.#names.length);
    this.#matching.set(known);
    for (let number = known.length; number < this.#names.length; number++) {
      this.#matching[number] = fits(glob, this.#names[number] ?? '') ? 1 : 0;
    }
    return this.#matching;
  }
}

/** Most filters name one repository. */
function fits(glob: string, name: string): boolean {
  return glob.includes('*') ? matchesGlob(glob, name) : glob === name;
}
