import { hash } from 'node:crypto';
import { constants, type FileHandle, open, stat } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { Parsed, ParseIssue } from '../model/parsed.ts';

/** Tokens, certificates and secrets are a few KiB; Kubernetes mounts no secret above 1 MiB. */
const MAX_FILE_BYTES = 1024 * 1024;

/** Kubernetes takes up to a minute to update a mounted secret, so a second more or less changes nothing. */
const POLL_MS = 1000;

/** A file that changed less than so many milliseconds ago may change again within the same tick of its file system's clock. */
const OLD_ENOUGH_MS = 2000;

/** Issues of one file that are reported: one mistake in the syntax of a large file can lead to thousands. */
const MAX_ISSUES = 100;

/** Reads the contents of the files, given in the order of their paths. Never throws, and its issues repeat no content. */
export type ParseFiles<T> = (...contents: readonly Uint8Array[]) => Parsed<T>;

/** Reads and parses the files as one. Never rejects. */
export async function parseFiles<T>(paths: readonly string[], parse: ParseFiles<T>): Promise<Parsed<T>> {
  return parseContents(paths, await readFiles(paths), parse);
}

export interface WatchOptions<T> {
  /** Files that belong together, such as a certificate and its key: they are read and replaced as one. */
  readonly paths: readonly string[];
  readonly parse: ParseFiles<T>;
  /** Called once for each new content that cannot replace the current one. Must not throw. */
  readonly onRejected: (issues: readonly ParseIssue[]) => void;
  /** Calls once after some time, unless the returned function is called first. Absent: after a second. */
  readonly later?: (look: () => Promise<void>) => () => void;
  /** Milliseconds since 1970; the system's clock if absent. */
  readonly now?: () => number;
}

/**
 * A value that is read from files and follows them.
 *
 * It promises:
 * - `current()` is always a value that was parsed whole: a bad, half-written or missing file never replaces it;
 * - it compares contents, not names or times, so that a rewrite, a rename over the file and the symlink swap of a mounted
 *   Kubernetes secret are all the same to it; it reads a file again when its inode, size or times have changed, and as long as
 *   they are so new that a later change could leave them as they are;
 * - a content counts once two looks in a row found it, so that a file that is still being written is neither taken nor
 *   reported;
 * - it does not keep the process alive.
 */
export class WatchedFile<T> {
  readonly #options: WatchOptions<T>;
  readonly #listeners: ((value: T) => void)[] = [];
  #value: T;
  /** Fingerprint of the content that the last look found. */
  #seen: string;
  /** Fingerprint of the content that was taken or rejected last. */
  #parsed: string;
  /** What `stampsOf` gave before the files were read; absent if they must be read again. */
  #stamps: string | undefined;
  #cancel: () => void = () => {};
  #isClosed = false;

  private constructor(options: WatchOptions<T>, value: T, fingerprint: string) {
    this.#options = options;
    this.#value = value;
    this.#seen = fingerprint;
    this.#parsed = fingerprint;
    this.#arm();
  }

  /** Resolves to issues where the files are not valid now; `onRejected` is not called for those. */
  static async open<T>(options: WatchOptions<T>): Promise<Parsed<WatchedFile<T>>> {
    const contents = await readFiles(options.paths);
    const parsed = parseContents(options.paths, contents, options.parse);
    if (parsed.kind === 'issues') return parsed;
    return { kind: 'value', value: new WatchedFile(options, parsed.value, fingerprintOf(contents)) };
  }

  current(): T {
    return this.#value;
  }

  /** Calls the listener with every value that is taken from now on, even one as before that follows a bad file. */
  onChange(listener: (value: T) => void): void {
    this.#listeners.push(listener);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel();
  }

  #arm(): void {
    this.#cancel = (this.#options.later ?? afterPause)(() => this.#look());
  }

  async #look(): Promise<void> {
    const { paths, now = Date.now } = this.#options;
    const stamps = await stampsOf(paths, now());
    const isRead = stamps !== undefined && stamps === this.#stamps && this.#seen === this.#parsed;
    const contents = isRead ? undefined : await readFiles(paths);
    if (this.#isClosed) return;
    this.#arm();
    if (contents === undefined) return;
    this.#stamps = contents.kind === 'value' ? stamps : undefined;
    const fingerprint = fingerprintOf(contents);
    const isComplete = fingerprint === this.#seen;
    this.#seen = fingerprint;
    if (isComplete && fingerprint !== this.#parsed) this.#parse(contents, fingerprint);
  }

  #parse(contents: Parsed<readonly Uint8Array[]>, fingerprint: string): void {
    this.#parsed = fingerprint;
    const parsed = parseContents(this.#options.paths, contents, this.#options.parse);
    if (parsed.kind === 'issues') {
      this.#options.onRejected(parsed.issues);
      return;
    }
    this.#value = parsed.value;
    for (const listener of this.#listeners) listener(parsed.value);
  }
}

function afterPause(look: () => Promise<void>): () => void {
  const timer = setTimeout(() => void look(), POLL_MS).unref();
  return () => clearTimeout(timer);
}

function parseContents<T>(
  paths: readonly string[],
  contents: Parsed<readonly Uint8Array[]>,
  parse: ParseFiles<T>,
): Parsed<T> {
  const parsed = contents.kind === 'issues' ? contents : parse(...contents.value);
  if (parsed.kind === 'value') return parsed;
  const file = paths.join(' and ');
  return { kind: 'issues', issues: parsed.issues.slice(0, MAX_ISSUES).map((issue) => ({ file, ...issue })) };
}

function fingerprintOf(contents: Parsed<readonly Uint8Array[]>): string {
  if (contents.kind === 'issues') return JSON.stringify(contents.issues);
  return contents.value.map((bytes) => hash('sha256', bytes)).join();
}

/** As long as it stays the same, the files have not changed. Undefined if they must be read. Never rejects. */
async function stampsOf(paths: readonly string[], now: number): Promise<string | undefined> {
  try {
    const stats = await Promise.all(paths.map((path) => stat(path, { bigint: true })));
    const areOld = stats.every(
      ({ ctimeMs, mtimeMs }) => now - Number(ctimeMs > mtimeMs ? ctimeMs : mtimeMs) > OLD_ENOUGH_MS,
    );
    if (!areOld) return undefined;
    return stats.map(({ dev, ino, size, mtimeNs, ctimeNs }) => [dev, ino, size, mtimeNs, ctimeNs].join()).join(';');
  } catch {
    // Reading the file says why.
    return undefined;
  }
}

/** The contents of all the files, in the order of their paths, or why there are none. Never rejects. */
async function readFiles(paths: readonly string[]): Promise<Parsed<readonly Uint8Array[]>> {
  const files = await Promise.all(paths.map(readOne));
  const issues = files.flatMap((file) => (file.kind === 'issues' ? file.issues : []));
  if (issues.length > 0) return { kind: 'issues', issues };
  return { kind: 'value', value: files.flatMap((file) => (file.kind === 'value' ? [file.value] : [])) };
}

async function readOne(path: string): Promise<Parsed<Uint8Array>> {
  try {
    // Without O_NONBLOCK, opening a pipe without a writer would wait for ever.
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return await readCapped(path, handle);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    return unreadable(path, code === 'ENOENT' ? 'there is no such file (ENOENT)' : `the file cannot be read (${code})`);
  }
}

async function readCapped(path: string, handle: FileHandle): Promise<Parsed<Uint8Array>> {
  const stats = await handle.stat();
  if (!stats.isFile()) return unreadable(path, 'must be a regular file, not a folder, a device or a pipe');
  const content = await buffer(handle.createReadStream({ start: 0, end: MAX_FILE_BYTES, autoClose: false }));
  if (content.byteLength > MAX_FILE_BYTES) return unreadable(path, `must have at most ${MAX_FILE_BYTES} bytes`);
  return { kind: 'value', value: content };
}

function unreadable(file: string, message: string): Parsed<never> {
  return { kind: 'issues', issues: [{ file, path: '', message }] };
}
