import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { matchesGlob } from './glob.ts';

/** The definition of a glob, as simple as possible and at any cost. */
function matchesByDefinition(glob: string, text: string): boolean {
  if (glob === '') return text === '';
  const prefixes = Array.from({ length: text.length + 1 }, (_, length) => text.slice(0, length));
  const rest = (prefix: string) => text.slice(prefix.length);
  if (glob.startsWith('**')) return prefixes.some((prefix) => matchesByDefinition(glob.slice(2), rest(prefix)));
  if (glob.startsWith('*')) {
    return prefixes.some((prefix) => !prefix.includes('/') && matchesByDefinition(glob.slice(1), rest(prefix)));
  }
  return glob[0] === text[0] && matchesByDefinition(glob.slice(1), text.slice(1));
}

describe('a glob', () => {
  it('matches within a path segment with one star, and across segments with two', () => {
    const matches: readonly [string, string, boolean][] = [
      ['team/app', 'team/app', true],
      ['team/app', 'team/apps', false],
      ['team/*', 'team/app', true],
      ['team/*', 'team/', true],
      ['team/*', 'team', false],
      ['team/*', 'team/app/child', false],
      ['team/**', 'team/app/child', true],
      ['team/**', 'team', false],
      ['**/app', 'a/b/app', true],
      ['**/app', 'app', false],
      ['*', 'app', true],
      ['*', 'team/app', false],
      ['**', 'team/app', true],
      ['t*m/*-prod', 'team/app-prod', true],
      ['team.app', 'team-app', false],
      ['', '', true],
    ];
    for (const [glob, text, expected] of matches) assert.equal(matchesGlob(glob, text), expected, `${glob} on ${text}`);
  });

  it('matches what its definition says', () => {
    const glob = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*', '**'), maxLength: 7 });
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 9 });
    fc.assert(
      fc.property(glob, text, (g, t) => assert.equal(matchesGlob(g, t), matchesByDefinition(g, t))),
      { numRuns: 3000 },
    );
  });

  it('matches no text of more than 512 characters', () => {
    assert.equal(matchesGlob('**', 'a'.repeat(512)), true);
    assert.equal(matchesGlob('**', 'a'.repeat(513)), false);
  });
});
