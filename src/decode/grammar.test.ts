import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CHART_TAG, DIGEST, ENVELOPE_TEXT, type Grammar, REPOSITORY, TAG, TEXT } from './grammar.ts';

const GRAMMARS: readonly (readonly [
  name: string,
  grammar: Grammar,
  fitting: readonly string[],
  others: readonly string[],
])[] = [
  [
    'a repository',
    REPOSITORY,
    ['a', '0', 'hello-world', 'team/app', 'a.b/c_d/e__f/g---h', 'a'.repeat(256)],
    [
      '',
      'a'.repeat(257),
      'A',
      '/a',
      'a/',
      'a//b',
      'team/../other/x',
      '../a',
      './a',
      'a..b',
      'a._b',
      'a___b',
      '-a',
      'a-',
      'a-/b',
      'a/.b',
      'a b',
      'a\nb',
      'a\n',
      '\na',
      'a:b',
      'a@b',
      'a*',
      'a\\b',
      'é',
      'a\u202eb',
      'a\0',
    ],
  ],
  [
    'a tag',
    TAG,
    ['v1', 'V1', '_x', '1.0.0-rc.1', 'sha256-0a.sig', 'a'.repeat(128)],
    ['', 'a'.repeat(129), '.a', '-a', 'a b', 'a/b', 'a:b', 'a+b', 'a\n', 'é', 'a\u0000'],
  ],
  [
    'the tag of a legacy chart',
    CHART_TAG,
    ['wordpress-5.4.0.tgz', 'a-1.0.0+b.tgz', 'a'.repeat(256)],
    ['', '.tgz', 'a/b', 'a'.repeat(257)],
  ],
  [
    'a digest',
    DIGEST,
    [`sha256:${'0a'.repeat(32)}`, 'sha256:0', 'sha256+b64u:LCa0a2j_xo-=', `${'a'.repeat(254)}:0`],
    ['', 'sha256:', ':0', 'sha256', 'SHA256:0', 'sha256:a b', 'sha256:0\n', 'a+:0', 'a..b:0', `${'a'.repeat(255)}:0`],
  ],
  [
    'a text',
    TEXT,
    ['', 'westeurope', 'Grüße, 世界', 'a'.repeat(256)],
    ['a\n', '\u0085', '\u2067', '\u200b', 'a'.repeat(257)],
  ],
  ['a text of an envelope', ENVELOPE_TEXT, ['a'.repeat(512)], ['a\u2028', 'a'.repeat(513)]],
];

for (const [name, { test: fits }, fitting, others] of GRAMMARS) {
  test(`${name} fits its grammar, and nothing else does`, () => {
    for (const text of fitting) assert.equal(fits(text), true, JSON.stringify(text));
    for (const text of others) assert.equal(fits(text), false, JSON.stringify(text));
  });
}

/** The OCI distribution specification's own expression for names. */
const OCI_NAME = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;

test('a repository is what the expression of the OCI distribution specification matches', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '0', '.', '_', '-', '/', 'A'), maxLength: 12 });
  fc.assert(
    fc.property(text, (given) => assert.equal(REPOSITORY.test(given), OCI_NAME.test(given))),
    { numRuns: 5000 },
  );
});

test('a text of 64 KiB is refused by its length, before any expression reads it', () => {
  for (const [name, { test: fits }] of GRAMMARS) assert.equal(fits('a'.repeat(65_536)), false, name);
});
