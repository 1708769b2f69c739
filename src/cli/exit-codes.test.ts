import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../model/fault.ts';
import { describeError, EXIT_CODES, exitCodeOf } from './exit-codes.ts';

class AFault extends Fault {
  override readonly name = 'AFault';
  readonly code: string;

  constructor(code: string, cause?: unknown) {
    super('it broke', { cause });
    this.code = code;
  }
}

test('no two exit codes are the same, and each says what it means', () => {
  const codes = Object.values(EXIT_CODES);
  assert.equal(new Set(codes.map(({ code }) => code)).size, codes.length);
  for (const { code, about } of codes) {
    assert.ok(code >= 0 && code < 126, 'above are those of shells and signals');
    assert.match(about, /^[A-Z].*\.$/);
  }
});

for (const [fault, code] of [
  ['listen_failed', 69],
  ['journal_failed', 70],
  ['journal_unreadable', 74],
  ['journal_unusable', 74],
  ['journal_locked', 75],
  ['file_unfit', 78],
  ['certificate_invalid', 78],
  ['one_that_nobody_knows', 70],
] as const) {
  test(`the fault ${fault} ends with ${code}`, () => {
    assert.equal(exitCodeOf(new AFault(fault)), code);
  });
}

test('whatever is no fault ends with 70', () => {
  const lookalike = Object.assign(new Error('x'), { code: 'journal_locked' });
  for (const error of [new Error('x'), lookalike, 'x', undefined, null]) assert.equal(exitCodeOf(error), 70);
});

test('a fault is described in one line, with what lay behind it', () => {
  assert.equal(describeError(new AFault('x')), 'it broke');
  assert.equal(describeError(new AFault('x', new Error('EADDRINUSE'))), 'it broke (EADDRINUSE)');
});

test('an error that nobody planned for is described with where it came from', () => {
  assert.match(describeError(new TypeError('no')), /^TypeError: no\n\s+at /);
  assert.equal(describeError('no'), 'no');
});
