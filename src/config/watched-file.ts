import { hash } from 'node:crypto';
import type { Parsed } from '../model/parsed.ts';
import type { Issue } from '../model/webhook.ts';
import { type ParseFiles, readFiles } from './file-content.ts';

/** Kubernetes takes up to a minute to update a mounted secret, so a second more or less changes nothing. */
const POLL_MS = 1000;

export interface WatchOptions<T> {
  /** Files that belong together, such as a certificate and its key: they are judged and replaced as one. */
  readonly paths: readonly string[];
  readonly parse: ParseFiles<T>;
  /** Called once for each new content that cannot replace the one in use. Must not throw. */
  readonly onRejected: (issues: readonly Issue[]) => void;
  readonly pollMs?: number;
}

/**
 * A value that lives in files and follows them.
 *
 * It promises:
 * - `current()` is always a value that was parsed whole: a bad, half-written or missing file never replaces it;
 * - it looks at contents, not at names or times, so that a rewrite, a rename over the file and the symlink swap of a
 *   mounted Kubernetes secret are all the same to it;
 * - a content counts once two looks in a row found it, so that a file caught while being written is neither taken
 *   nor reported;
 * - it does not keep the process alive.
 */
export class WatchedFile<T> {
  readonly #options: WatchOptions<T>;
  readonly #listeners: ((value: T) => void)[] = [];
  #value: T;
  /** Fingerprint of the content that the last look found. */
  #seen: string;
  /** Fingerprint of the content that was taken or rejected last. */
  #judged: string;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(options: WatchOptions<T>, value: T, fingerprint: string) {
    this.#options = options;
    this.#value = value;
    this.#seen = fingerprint;
    this.#judged = fingerprint;
    this.#arm();
  }

  /** Resolves to issues where the files are not fit now; `onRejected` is not called for those. */
  static async open<T>(options: WatchOptions<T>): Promise<Parsed<WatchedFile<T>>> {
    const contents = await readFiles(options.paths);
    const parsed = parse(contents, options.parse);
    if (parsed.kind === 'issues') return parsed;
    return { kind: 'value', value: new WatchedFile(options, parsed.value, fingerprintOf(contents)) };
  }

  current(): T {
    return this.#value;
  }

  /** Calls the listener with every value that is taken from now on, also with one as before that follows a bad file. */
  onChange(listener: (value: T) => void): void {
    this.#listeners.push(listener);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    this.#timer = setTimeout(() => void this.#look(), this.#options.pollMs ?? POLL_MS).unref();
  }

  async #look(): Promise<void> {
    const contents = await readFiles(this.#options.paths);
    if (this.#closed) return;
    this.#arm();
    const fingerprint = fingerprintOf(contents);
    const completed = fingerprint === this.#seen;
    this.#seen = fingerprint;
    if (completed && fingerprint !== this.#judged) this.#judge(contents, fingerprint);
  }

  #judge(contents: Parsed<readonly Uint8Array[]>, fingerprint: string): void {
    this.#judged = fingerprint;
    const parsed = parse(contents, this.#options.parse);
    if (parsed.kind === 'issues') {
      this.#options.onRejected(parsed.issues);
      return;
    }
    this.#value = parsed.value;
    for (const listener of this.#listeners) listener(parsed.value);
  }
}

function parse<T>(contents: Parsed<readonly Uint8Array[]>, parseFiles: ParseFiles<T>): Parsed<T> {
  return contents.kind === 'issues' ? contents : parseFiles(...contents.value);
}

function fingerprintOf(contents: Parsed<readonly Uint8Array[]>): string {
  if (contents.kind === 'issues') return JSON.stringify(contents.issues);
  return contents.value.map((bytes) => hash('sha256', bytes)).join();
}
