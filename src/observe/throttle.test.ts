import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Changes } from '../../test/support/changes.ts';
import { Throttle } from './throttle.ts';

/** What a throttle told, and the means to wait for more of it. */
class Told {
  readonly counts: number[] = [];
  readonly #changes = new Changes();
  readonly tell = (count: number): void => {
    this.counts.push(count);
    this.#changes.notify();
  };

  async until(count: number): Promise<void> {
    await this.#changes.until(
      () => (this.counts.length >= count ? true : undefined),
      () => `told ${this.counts}`,
    );
  }
}

test('the first of a reason is told at once, and the others of its second together at its end', async () => {
  const throttle = new Throttle();
  const told = new Told();
  for (let count = 0; count < 1000; count++) throttle.tell('a', told.tell);
  assert.deepEqual(told.counts, [1]);
  await told.until(2);
  assert.deepEqual(told.counts, [1, 999]);
});

test('each reason has its own second', () => {
  const throttle = new Throttle();
  const [one, other] = [new Told(), new Told()];
  throttle.tell('a', one.tell);
  throttle.tell('b', other.tell);
  assert.deepEqual([one.counts, other.counts], [[1], [1]]);
});

test('a flood is told of once a second, and nothing of it is left out', async () => {
  const throttle = new Throttle();
  const told = new Told();
  let sent = 0;
  const flood = setInterval(() => {
    sent += 1;
    throttle.tell('a', told.tell);
  }, 50);
  await told.until(3);
  clearInterval(flood);
  const sum = told.counts.reduce((total, count) => total + count, 0);
  assert.equal(sum, sent);
});
