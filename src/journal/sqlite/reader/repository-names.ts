import { matchesGlob } from '../../../model/glob.ts';

/** What a name takes beside its characters, bytes: its places in a map and a list. */
const NAME_BYTES = 100;

/** Numbers the names of repositories from 1 on. Zero stands for none. */
export class RepositoryNames {
  readonly #numbers = new Map<string, number>();
  readonly #names: (string | undefined)[] = [undefined];
  #bytes = 0;

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

  /** Tests the numbers of names. Each name is compared with the glob once. */
  test(glob: string): (number: number) => boolean {
    if (!glob.includes('*')) return (number) => this.#names[number] === glob;
    const known: (boolean | undefined)[] = [];
    return (number) => {
      const name = this.#names[number];
      known[number] ??= name !== undefined && matchesGlob(glob, name);
      return known[number];
    };
  }
}
