import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** The text of a file of the repository, by its path from the root. */
export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Paths from the root, with `/`, in order. */
export function list(...patterns: readonly string[]): readonly string[] {
  return globSync([...patterns], { cwd: ROOT }).toSorted();
}

/** An absolute path. */
export function absolute(path: string): string {
  return join(ROOT, path);
}

/** The sources of the program: no tests, no suites. */
export function sources(): readonly string[] {
  return list('src/**/*.ts', 'packages/*/*.ts', 'packages/*/src/**/*.ts').filter(
    (path) => !/\.(test|suite)\.ts$/.test(path),
  );
}

/** Every page that people read. */
export function pages(): readonly string[] {
  return list('*.md', 'docs/**/*.md', 'examples/*.md', 'charts/*/*.md', 'packages/*/*.md');
}
