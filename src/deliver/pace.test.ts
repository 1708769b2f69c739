import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DELIVERED, REJECTED, UNAVAILABLE, UNCERTAIN } from '../../test/support/records.ts';
import type { Outcome } from '../model/delivery.ts';
import { Pace } from './pace.ts';

function after(pace: Pace, count: number, outcome: Outcome, durationMs = 5): number {
  for (let attempt = 0; attempt < count; attempt++) pace.afterAttempt(outcome, durationMs);
  return pace.limit(false);
}

test('at first 8 attempts run at the same time', () => {
  assert.equal(new Pace().limit(false), 8);
});

test('on trial 3 attempts run at the same time, whatever was before', () => {
  const pace = new Pace();
  after(pace, 10_000, DELIVERED);
  assert.equal(pace.limit(true), 3);
});

for (const outcome of [DELIVERED, REJECTED]) {
  test(`a round of attempts that are ${outcome.kind} allows one more, up to 64`, () => {
    const pace = new Pace();
    assert.equal(after(pace, 9, outcome), 9);
    assert.equal(after(pace, 10_000, outcome), 64);
  });
}

for (const outcome of [UNAVAILABLE, UNCERTAIN]) {
  test(`attempts that are ${outcome.kind} allow a third fewer for each round, down to 8`, () => {
    const pace = new Pace();
    after(pace, 10_000, DELIVERED);
    assert.equal(after(pace, 1, outcome), 42);
    assert.equal(after(pace, 42, outcome), 42);
    assert.equal(after(pace, 1, outcome), 28);
    assert.equal(after(pace, 1000, outcome), 8);
  });
}

test('slow answers allow fewer attempts', () => {
  const pace = new Pace();
  after(pace, 10_000, DELIVERED, 20);
  assert.equal(after(pace, 1, DELIVERED, 90), 64);
  assert.equal(after(pace, 1, DELIVERED, 120), 42);
});

test('after about a hundred attempts a slower sink counts as usual', () => {
  const pace = new Pace();
  after(pace, 10_000, DELIVERED, 20);
  assert.equal(after(pace, 10_000, DELIVERED, 1000), 64);
});

test('after any history the limit is between 8 and 64', () => {
  const attempt = fc.record({
    outcome: fc.constantFrom(DELIVERED, REJECTED, UNAVAILABLE, UNCERTAIN),
    durationMs: fc.integer({ min: 0, max: 90_000 }),
  });
  fc.assert(
    fc.property(fc.array(attempt, { maxLength: 500 }), (attempts) => {
      const pace = new Pace();
      for (const { outcome, durationMs } of attempts) {
        pace.afterAttempt(outcome, durationMs);
        const limit = pace.limit(false);
        assert.ok(Number.isInteger(limit) && limit >= 8 && limit <= 64, String(limit));
      }
    }),
  );
});
