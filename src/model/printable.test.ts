import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { printable, printableLines } from './printable.ts';

/** By code points, in other words than the source. */
function isHarmful(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  const isIn = (from: number, to: number) => code >= from && code <= to;
  return (
    isIn(0x00, 0x1f) ||
    isIn(0x7f, 0x9f) ||
    isIn(0x200b, 0x200f) ||
    isIn(0x2028, 0x202e) ||
    isIn(0x2060, 0x206f) ||
    isIn(0xd800, 0xdfff) ||
    isIn(0xe0000, 0xe0fff) ||
    [0xad, 0x61c, 0x180e, 0xfeff, 0x3164, 0xffa0].includes(code)
  );
}

/** Texts in which every second character is one of those that matter. */
const anyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
      fc.constantFrom('\u001b[2J', '\u009b2J', '\u202e', '\u2066', '\u200f', '\u061c', '\u200b', '\u2028', '\ud800'),
    ),
  )
  .map((parts) => parts.join(''));

test('no output has a character that a terminal obeys or hides, whatever the text', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      assert.deepEqual([...printable(text)].filter(isHarmful), []);
      assert.deepEqual(
        [...printableLines(text)].filter((found) => isHarmful(found) && found !== '\n'),
        [],
      );
    }),
    { numRuns: 2000 },
  );
});

test('JSON stays the JSON that it is', () => {
  fc.assert(
    fc.property(fc.jsonValue(), anyText, (value, text) => {
      const json = JSON.stringify({ value, text }, null, 2);
      assert.deepEqual(JSON.parse(printableLines(json)), JSON.parse(json));
    }),
  );
});

test('printable text stays as it is', () => {
  for (const text of ['', 'push hello-world:v1', 'Grüße, 世界 → 🚀', 'a\\b']) assert.equal(printable(text), text);
  assert.equal(printableLines('two\nlines'), 'two\nlines');
});

test('what is not printable is escaped by its code units', () => {
  assert.equal(printable('a\nb\u001b\u009b\u202e\u{e0001}'), 'a\\u000ab\\u001b\\u009b\\u202e\\udb40\\udc01');
});
