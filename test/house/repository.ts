import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** The text of a file, by its path from the root of the repository. */
export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** The paths from the root that match a pattern, in order. */
export function list(...patterns: readonly string[]): readonly string[] {
  return globSync([...patterns], { cwd: ROOT, exclude: (path) => /(?:^|\/)node_modules$/.test(path) }).toSorted();
}

export function absolute(path: string): string {
  return join(ROOT, path);
}

/** The sources of the product: no tests, no suites. */
export function sources(): readonly string[] {
  return list('src/**/*.ts', 'packages/**/*.ts').filter((path) => !isTest(path));
}

export function isTest(path: string): boolean {
  return /\.(?:test|suite)\.ts$|(?:^|\/)(?:test|suite)\//.test(path);
}

/** Every page of the documentation. */
export function pages(): readonly string[] {
  return list('*.md', 'docs/**/*.md', 'examples/*.md', 'charts/*/*.md', 'packages/*/*.md');
}

/** An ADR that another one replaces describes the code of its day. */
export function isSuperseded(page: string): boolean {
  return page.startsWith('docs/adr/') && /^superseded by /im.test(read(page));
}

/** Each line of the files that matches, as `path:line: text`. */
export function occurrences(paths: readonly string[], pattern: RegExp): readonly string[] {
  return paths.flatMap((path) =>
    read(path)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  );
}
