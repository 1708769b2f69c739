import { constants, type FileHandle, open } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { Parsed } from '../model/parsed.ts';
import type { Issue } from '../model/webhook.ts';

/** Tokens, certificates and secrets are a few KiB; Kubernetes mounts no secret beyond 1 MiB. */
const MAX_FILE_BYTES = 1024 * 1024;

/** Reads the contents of the files, given in the order of their paths. Never throws, and its issues repeat no content. */
export type ParseFiles<T> = (...contents: readonly Uint8Array[]) => Parsed<T>;

/** The contents of all the files, in the order of their paths, or why there are none. Never rejects. */
export async function readFiles(paths: readonly string[]): Promise<Parsed<readonly Uint8Array[]>> {
  const files = await Promise.all(paths.map(readOne));
  const issues = files.flatMap((file) => (file.kind === 'issues' ? file.issues : []));
  if (issues.length > 0) return { kind: 'issues', issues };
  return { kind: 'value', value: files.flatMap((file) => (file.kind === 'value' ? [file.value] : [])) };
}

export async function parseFiles<T>(paths: readonly string[], parse: ParseFiles<T>): Promise<Parsed<T>> {
  const contents = await readFiles(paths);
  return contents.kind === 'issues' ? contents : parse(...contents.value);
}

async function readOne(path: string): Promise<Parsed<Uint8Array>> {
  try {
    // Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return await readCapped(path, handle);
  } catch (error) {
    return unfit(path, 'a file that can be read', describeSystemError(error));
  }
}

async function readCapped(path: string, handle: FileHandle): Promise<Parsed<Uint8Array>> {
  const stats = await handle.stat();
  if (!stats.isFile()) return unfit(path, 'a regular file', 'a directory, a device or a pipe');
  const content = await buffer(handle.createReadStream({ start: 0, end: MAX_FILE_BYTES, autoClose: false }));
  if (content.byteLength > MAX_FILE_BYTES) return unfit(path, `at most ${MAX_FILE_BYTES} bytes`, 'more');
  return { kind: 'value', value: content };
}

function unfit(path: string, expected: string, received: string): Parsed<never> {
  const issue: Issue = { path: '', expected, received: `${path}: ${received}` };
  return { kind: 'issues', issues: [issue] };
}

function describeSystemError(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  return code === 'ENOENT' ? 'no such file (ENOENT)' : code;
}
