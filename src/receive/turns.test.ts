import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { mayHoldMoreThan, Turns } from './turns.ts';

describe('turns', () => {
  test('run the tasks of one party one after the other, and those of another at once', async () => {
    const turns = new Turns();
    const began: string[] = [];
    const gate = Promise.withResolvers<void>();
    const first = turns.take('a', async () => {
      began.push('a1');
      await gate.promise;
    });
    const second = turns.take('a', async () => began.push('a2'));
    await turns.take('b', async () => began.push('b1'));
    assert.deepEqual(began, ['a1', 'b1']);

    gate.resolve();
    await Promise.all([first, second]);
    assert.deepEqual(began, ['a1', 'b1', 'a2']);
  });

  test('go on after a task that rejects, which only its own caller notices', async () => {
    const turns = new Turns();
    const failing = turns.take('a', () => Promise.reject(new Error('broken')));
    const next = turns.take('a', async () => 'taken');
    await assert.rejects(failing, /broken/);
    assert.equal(await next, 'taken');
  });

  test('keep nothing of a party without tasks', async () => {
    const turns = new Turns();
    await Promise.all([
      turns.take('a', async () => {}),
      turns.take('a', async () => {}),
      turns.take('b', async () => {}),
    ]);
    assert.equal(turns.parties, 0);
  });
});

test('a text may hold more values than it has commas', () => {
  for (const [values, text, expected] of [
    [2, '[1,2]', false],
    [2, '[1,2,3]', true],
    [2, '"a,b,c"', true],
    [1, '', false],
  ] as const) {
    assert.equal(mayHoldMoreThan(values, Buffer.from(text)), expected, text);
  }
});
