import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { read, sources } from './repository.ts';

const MAX_FILE_LINES = 250;
const MAX_FUNCTION_LINES = 50;

const FORBIDDEN: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['the type any', /(?::|\bas|<|\|) ?any\b(?=[\s,;)>\]|]|$)/],
  ['a silenced compiler', /@ts-(?:ignore|expect-error|nocheck)/],
  ['a silenced linter', /(?:biome-ignore|oxlint-disable|eslint-disable)/],
  ['the console', /\bconsole\.\w+\(/],
  ['unfinished work', /\b(?:TODO|FIXME|XXX|HACK)\b/],
];

const BLOCK =
  /^\s*(?:\} )?(?:if|else|for|while|switch|case|try|catch|finally|do|class|interface|export class|export interface)\b/;

/** The formatter indents alike, so that a function ends at the first `}` as far to the left as its first line. */
function longFunctions(path: string): readonly string[] {
  const lines = read(path).split('\n');
  return lines.flatMap((line, start) => {
    if (!/(?:\)|=>|[\w>\]}]) \{$/.test(line) || !line.includes(')') || BLOCK.test(line)) return [];
    const indent = /^ */.exec(line)?.[0] ?? '';
    const end = lines.findIndex((each, index) => index > start && each.startsWith(`${indent}}`));
    const length = end - start + 1;
    return length > MAX_FUNCTION_LINES ? [`${path}:${start + 1} has ${length} lines`] : [];
  });
}

describe('a source file', () => {
  it(`has at most ${MAX_FILE_LINES} lines`, () => {
    const long = sources().flatMap((path) => {
      const lines = read(path).trimEnd().split('\n').length;
      return lines > MAX_FILE_LINES ? [`${path} has ${lines} lines`] : [];
    });
    assert.deepEqual(long, []);
  });

  it(`has functions of at most ${MAX_FUNCTION_LINES} lines`, () => {
    assert.deepEqual(sources().flatMap(longFunctions), []);
  });

  for (const [what, pattern] of FORBIDDEN) {
    it(`is without ${what}`, () => {
      const found = sources().flatMap((path) =>
        read(path)
          .split('\n')
          .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
      );
      assert.deepEqual(found, []);
    });
  }
});
