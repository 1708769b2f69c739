import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inSlices } from './slices.ts';

/** A clock on which every reading takes some time. */
function clockOf(stepMs: number): { tick(): number } {
  let now = 0;
  return { tick: () => (now += stepMs) };
}

/** How often the event loop went on while 100 items were read, and what was read. */
async function readAll(stepMs: number): Promise<{ readonly pauses: number; readonly items: readonly number[] }> {
  const items: number[] = [];
  let pauses = 0;
  let isReading = true;
  const count = (): void => {
    if (!isReading) return;
    pauses += 1;
    setImmediate(count);
  };
  setImmediate(count);
  const numbers = Array.from({ length: 100 }, (_, index) => index);
  for await (const item of inSlices(numbers, clockOf(stepMs))) items.push(item);
  isReading = false;
  return { pauses, items };
}

test('the event loop goes on after every two milliseconds, and no item is lost', async () => {
  const { pauses, items } = await readAll(1);
  assert.deepEqual(
    items,
    Array.from({ length: 100 }, (_, index) => index),
  );
  assert.ok(pauses >= 40 && pauses <= 60, `${pauses} pauses`);
});

test('what takes less than two milliseconds is not interrupted', async () => {
  assert.equal((await readAll(0.01)).pauses, 0);
});
