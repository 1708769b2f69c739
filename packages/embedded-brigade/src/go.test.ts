import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseGoDuration } from './go.ts';

test('a duration is read as Go reads it', () => {
  for (const [text, ms] of [
    ['1h30m', 5_400_000],
    ['1.5s', 1500],
    ['.5s', 500],
    ['300ms', 300],
    ['1h15m30.918s', 4_530_918],
    ['+2m', 120_000],
    ['1000µs', 1],
  ] as const) {
    assert.equal(parseGoDuration(text), ms, text);
  }
});

test('text that is not a duration above zero is not read as one', () => {
  for (const text of ['', '0', '0s', '-1s', '5', '1 h', '1d', 's', 'ten minutes', '1.2.3s', '.s']) {
    assert.equal(parseGoDuration(text), undefined, text);
  }
});
