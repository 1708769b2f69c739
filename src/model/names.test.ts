import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPrintable } from './names.ts';

test('letters of every language, punctuation, blanks and emoji are printable', () => {
  for (const text of ['', 'westeurope', 'a b', 'Grüße, 世界', 'a\u00a0b', '\ufffd', '🚀']) {
    assert.equal(isPrintable(text), true, JSON.stringify(text));
  }
});

for (const [what, first, last] of [
  ['C0 controls', 0x00, 0x1f],
  ['delete and C1 controls', 0x7f, 0x9f],
  ['zero-width characters', 0x200b, 0x200f],
  ['line separators and bidirectional embeddings', 0x2028, 0x202e],
  ['bidirectional isolates', 0x2066, 0x2069],
  ['the byte order mark', 0xfeff, 0xfeff],
  ['the Hangul filler', 0x3164, 0x3164],
  ['lone surrogates', 0xd800, 0xdfff],
  ['tags', 0xe0001, 0xe007f],
] as const) {
  test(`${what} are not printable`, () => {
    for (let code = first; code <= last; code++) {
      assert.equal(isPrintable(`a${String.fromCodePoint(code)}b`), false, code.toString(16));
    }
  });
}
