import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { list, read } from './repository.ts';

/** Words that this project does not use, and those that it uses instead. */
const REPLACEMENTS: Readonly<Record<string, string>> = {
  whoever: 'anyone who, the reader, the caller',
  lest: 'so that … not',
  nobody: 'no one, nothing, no caller',
  'mend mends mended mending': 'fix, repair, correct',
  'tell tells told telling': 'log, report, print, say, distinguish',
  'stranger strangers': 'an unknown or unauthenticated caller',
  'he his him himself': 'it, its',
  'fate fates': 'result',
  'verdict verdicts': 'decision',
  'settle settles settled settlement settlements': 'complete, completion',
  'bury buries buried burial burials': 'dead-letter, dead letter',
  'lend lends lent lending': 'claim, claimed',
  'ledger ledgers': 'journal',
  'emits emitted emitting emission emissions': 'deliver, delivery, send',
  'refusal refusals': 'rejection',
};

/** What people read, but for the decision records, which keep the words of their day, and the licence. */
const FILES = list(
  '{src,packages,test,bench,scripts,examples,deploy,image,charts}/**/*.{ts,js,mjs,css,html,md,yaml,tpl,txt,sh}',
  '{docs,.github}/**/*.{md,yaml,yml}',
  '*.{md,js}',
  'package.json',
  'Dockerfile',
  '.ci/run',
).filter((path) => !path.startsWith('docs/adr/') && path !== 'test/house/words.test.ts');

/** Released migrations, which are never edited. */
const MIGRATIONS = 'src/journal/sqlite/writer/schema.ts';

/** The words of a line, also those in identifiers; without the SQL of old versions and old names in the changelog. */
function wordsOf(path: string, line: string): string {
  if (/\bRENAME COLUMN\b/.test(line)) return '';
  if (path === MIGRATIONS && !/^\s*(?:\/?\*|\/\/)/.test(line)) return '';
  const text = path === 'CHANGELOG.md' ? line.replaceAll(/`[^`]*`/g, '') : line.replaceAll('allSettled', '');
  return text.replaceAll(/(?<=[a-z\d])(?=[A-Z])|_/g, ' ');
}

const LINES = FILES.flatMap((path) =>
  read(path)
    .split('\n')
    .map((line, index) => ({ at: `${path}:${index + 1}: ${line.trim()}`, words: wordsOf(path, line) })),
);

describe('the text of the repository', () => {
  for (const [words, replacement] of Object.entries(REPLACEMENTS)) {
    it(`avoids the words ${words.replaceAll(' ', ', ')}`, () => {
      const pattern = new RegExp(`\\b(?:${words.replaceAll(' ', '|')})\\b`, 'i');
      const found = LINES.filter((line) => pattern.test(line.words)).map(({ at }) => at);
      assert.ok(found.length === 0, `use instead: ${replacement}\n${found.join('\n')}`);
    });
  }
});
