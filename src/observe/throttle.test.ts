import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { Throttle } from './throttle.ts';

function aThrottle() {
  const clock = new ManualClock();
  const throttle = new Throttle(clock);
  const counts: number[] = [];
  const report = (reason: string) => throttle.report(reason, (count) => counts.push(count));
  return { clock, counts, report };
}

test('the first line of a reason is written at once, and the others of its second together at its end', () => {
  const { clock, counts, report } = aThrottle();
  for (let count = 0; count < 1000; count++) report('a');
  assert.deepEqual(counts, [1]);
  clock.advance(999);
  assert.deepEqual(counts, [1]);
  clock.advance(1);
  assert.deepEqual(counts, [1, 999]);
});

test('each reason has its own second', () => {
  const { counts, report } = aThrottle();
  report('a');
  report('b');
  assert.deepEqual(counts, [1, 1]);
});

test('a flood is one line a second, and every occurrence is counted', () => {
  const { clock, counts, report } = aThrottle();
  for (let sent = 0; sent < 45; sent++) {
    report('a');
    clock.advance(50);
  }
  clock.advance(1000);
  assert.equal(counts.length, 4);
  assert.equal(
    counts.reduce((total, count) => total + count, 0),
    45,
  );
});

test('a reason that comes again after a quiet second is written at once', () => {
  const { clock, counts, report } = aThrottle();
  report('a');
  clock.advance(1000);
  report('a');
  assert.deepEqual(counts, [1, 1]);
});
