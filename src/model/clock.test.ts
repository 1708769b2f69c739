import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../test/support/eventually.ts';
import { systemClock } from './clock.ts';

function standStill(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    // As a process that is stopped does: no timer fires.
  }
}

test('time for which the process stood still does not count', async () => {
  const calls: string[] = [];
  systemClock.after(200, () => calls.push('after'));
  standStill(1_500);
  await sleep(1);
  assert.deepEqual(calls, []);
  await eventually('it was called', async () => calls.length === 1);
});

test('a wait that is cancelled calls nothing, also after the process stood still', async () => {
  const calls: string[] = [];
  const cancel = systemClock.after(1, () => calls.push('cancelled'));
  standStill(1_500);
  await sleep(0);
  cancel();
  const { promise, resolve } = Promise.withResolvers<void>();
  systemClock.after(20, resolve);
  await promise;
  assert.deepEqual(calls, []);
});
