import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../model/fault.ts';
import { describeError, exitCodeOf } from './exit-codes.ts';

class ListenFault extends Fault {
  override readonly name = 'ListenFault';
  readonly code = 'listen_failed';
}

test('an error that is no fault ends the process with 70, whatever its code', () => {
  const lookalike = Object.assign(new Error('x'), { code: 'listen_failed' });
  for (const error of [new Error('x'), lookalike, 'x', undefined, null]) assert.equal(exitCodeOf(error), 70);
  assert.equal(exitCodeOf(new ListenFault('x')), 69);
});

test('a fault is described in one line, with its cause', () => {
  assert.equal(describeError(new ListenFault('x')), 'x');
  assert.equal(describeError(new ListenFault('x', { cause: new Error('EADDRINUSE') })), 'x (EADDRINUSE)');
});

test('an error that is no fault is described with its stack', () => {
  assert.match(describeError(new TypeError('no')), /^TypeError: no\n\s+at /);
  assert.equal(describeError('no'), 'no');
});
