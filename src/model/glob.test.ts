import assert from 'node:assert/strict';
import { Session } from 'node:inspector/promises';
import { after, before, describe, it } from 'node:test';
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

/** The same as a regular expression, which backtracks: for globs with few stars. */
function expressionOf(glob: string): RegExp {
  const parts = glob.match(/\*\*|./gs) ?? [];
  const translated = parts.map((part) => ({ '**': '.*', '*': '[^/]*' })[part] ?? part);
  return new RegExp(`^${translated.join('')}$`, 's');
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

  it('matches what the regular expression of the same meaning does, also beyond 32 characters', () => {
    const glob = fc
      .array(fc.constantFrom('a'.repeat(31), 'ab', '/', '*', '**'), { minLength: 2, maxLength: 6 })
      .map((parts) => parts.join(''));
    const text = fc
      .array(fc.constantFrom('a'.repeat(31), 'a', 'ab', '/'), { maxLength: 7 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(glob, text, (g, t) => assert.equal(matchesGlob(g, t), expressionOf(g).test(t))),
      { numRuns: 1000 },
    );
  });

  it('takes a fixed number of steps for each of its characters, and for each character of the text one for 32 of its own', async () => {
    const unit = fc.constantFrom('a', 'b', '/', '*', '**');
    const globs = fc.sample(fc.string({ unit, minLength: 128, maxLength: 256 }), 12);
    globs.push('*a'.repeat(128), '**a*'.repeat(64), '*'.repeat(256), `${'**/a*'.repeat(51)}b`);
    let most = 0;
    for (const glob of globs) {
      for (const text of ['a'.repeat(4096), 'a/'.repeat(2048), glob.replaceAll('*', 'a').repeat(8)]) {
        const steps = await stepsOf(() => matchesGlob(glob, text));
        const words = Math.floor(glob.length / 32) + 1;
        const limit = 8 * (glob.length + 1) + text.length * (4 + 2 * words);
        assert.ok(steps <= limit, `${steps} steps for ${glob}`);
        most = Math.max(most, steps / limit);
      }
    }
    assert.ok(most > 0.5, 'the blocks were not counted');
  });
});

const inspector = new Session();
before(async () => {
  inspector.connect();
  await inspector.post('Profiler.enable');
  // V8 counts blocks only in functions that are first called after this.
  await inspector.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
});
after(() => inspector.disconnect());

/** How often the blocks of the file under test are entered while `work` runs, as V8 counts them. */
async function stepsOf(work: () => void): Promise<number> {
  await inspector.post('Profiler.takePreciseCoverage');
  work();
  const { result } = await inspector.post('Profiler.takePreciseCoverage');
  const file = result.find(({ url }) => url.endsWith('/model/glob.ts'));
  const blocks = file?.functions.flatMap(({ ranges }) => ranges) ?? [];
  return blocks.reduce((sum, { count }) => sum + count, 0);
}
