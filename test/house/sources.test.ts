import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { occurrences, sources } from './repository.ts';

const FORBIDDEN: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['the type any', /(?::|\bas|<|\|) ?any\b(?=[\s,;)>\]|]|$)/],
  ['a silenced compiler', /@ts-(?:ignore|expect-error|nocheck)/],
  ['a silenced linter', /(?:biome-ignore|oxlint-disable|eslint-disable)/],
  ['the console', /\bconsole\.\w+\(/],
  ['unfinished work', /\b(?:TODO|FIXME|XXX|HACK)\b/],
];

describe('a source file', () => {
  for (const [what, pattern] of FORBIDDEN) {
    it(`is without ${what}`, () => assert.deepEqual(occurrences(sources(), pattern), []));
  }

  it('reads the environment only in src/config', () => {
    const readers = occurrences(sources(), /\bprocess\.env\b|\benv\b.*from 'node:process'/);
    assert.deepEqual(
      readers.filter((each) => each.startsWith('src/') && !each.startsWith('src/config/')),
      [],
    );
  });
});
