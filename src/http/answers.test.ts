import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventReceipt, Rejection } from '../model/receipt.ts';
import { answerTo } from './answers.ts';

function bodyFor(...events: readonly EventReceipt[]): unknown {
  return JSON.parse(answerTo({ kind: 'receipt', events }).body);
}

test('a receipt has the result of each event', () => {
  const answer = bodyFor(
    { id: 'a', action: 'push', registry: 'r.azurecr.io', repository: 'app', result: { kind: 'accepted', seq: 7 } },
    { id: 'b', action: 'delete', result: { kind: 'duplicate', of: 3 } },
    { id: 'c', action: 'push', result: { kind: 'dead-lettered', seq: 8, reason: 'no-registry' } },
  );
  assert.deepEqual(answer, {
    status: 'success',
    events: [
      { id: 'a', action: 'push', result: 'accepted', seq: 7 },
      { id: 'b', action: 'delete', result: 'duplicate', of: 3 },
      { id: 'c', action: 'push', result: 'dead-lettered', seq: 8, reason: 'no-registry' },
    ],
  });
});

test('the status of a webhook that has only unknown actions is ignored', () => {
  const answer = bodyFor({ action: 'renamed', result: { kind: 'ignored', reason: 'unknown-action' } });
  assert.deepEqual(answer, {
    status: 'ignored',
    events: [{ action: 'renamed', result: 'ignored', reason: 'unknown-action' }],
  });
});

test('the status of a ping is success', () => {
  const answer = bodyFor({ action: 'ping', result: { kind: 'ignored', reason: 'ping' } });
  assert.deepEqual(answer, { status: 'success', events: [{ action: 'ping', result: 'ignored', reason: 'ping' }] });
});

test('the status of a webhook with one known action among unknown ones is success', () => {
  const unknown: EventReceipt = { action: 'renamed', result: { kind: 'ignored', reason: 'unknown-action' } };
  const answer = answerTo({
    kind: 'receipt',
    events: [unknown, { action: 'push', result: { kind: 'accepted', seq: 1 } }],
  });
  assert.match(answer.body, /^{"status":"success"/);
});

const issue = { path: 'action', expected: 'a string', received: 'a number' };

const rejections: readonly (readonly [Rejection, number, string])[] = [
  [{ kind: 'unauthenticated' }, 403, ''],
  [{ kind: 'out-of-scope', issue }, 403, ''],
  [{ kind: 'unreadable', issues: [issue] }, 400, JSON.stringify({ status: 'failed', issues: [issue] })],
  [
    { kind: 'too-large', maxBytes: 9 },
    413,
    '{"status":"failed","issues":[{"path":"","expected":"at most 9 bytes","received":"more"}]}',
  ],
  [{ kind: 'incomplete' }, 408, '{"status":"failed"}'],
  [{ kind: 'too-many' }, 429, '{"status":"unavailable"}'],
  [{ kind: 'overloaded' }, 503, '{"status":"unavailable"}'],
  [{ kind: 'unverifiable' }, 503, '{"status":"unavailable"}'],
  [{ kind: 'unavailable', reason: 'full', lost: [] }, 503, '{"status":"unavailable"}'],
];

for (const [rejection, status, body] of rejections) {
  test(`a webhook that is ${rejection.kind} is answered ${status}`, () => {
    const answer = answerTo(rejection);
    assert.equal(answer.status, status);
    assert.equal(answer.body, body);
    assert.equal(answer.headers.includes('Content-Type'), body !== '');
    assert.equal(answer.headers.includes('Retry-After'), status === 429 || status === 503);
  });
}
