import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DELIVERED, REJECTED, UNAVAILABLE, UNCERTAIN } from '../../test/support/records.ts';
import type { Outcome } from '../model/delivery.ts';
import { Breaker } from './breaker.ts';

const CREDENTIALS: Outcome = { kind: 'unavailable', detail: '401', credentials: true };

/** A breaker after those outcomes, each of an event of its own, at time 0. */
function after(...outcomes: readonly Outcome[]): Breaker {
  const breaker = new Breaker();
  for (const [seq, outcome] of outcomes.entries()) breaker.afterAttempt(seq, outcome, 0);
  return breaker;
}

/** How long an open breaker waits before its next probe. */
function waitOf({ state }: Breaker, now: number): number {
  return state.kind === 'open' ? state.probeAt - now : assert.fail('it is closed');
}

test('a new breaker is closed, and on no trial', () => {
  assert.deepEqual(new Breaker().state, { kind: 'closed', isTrial: false });
});

test('the third different event in a row that fails opens it, and says so once', () => {
  const breaker = new Breaker();
  const opened = [UNAVAILABLE, UNCERTAIN, UNAVAILABLE, UNAVAILABLE].map((outcome, seq) =>
    breaker.afterAttempt(seq, outcome, 1000),
  );
  assert.deepEqual(opened, [false, false, true, false]);
  assert.deepEqual(breaker.state, { kind: 'open', probeAt: 2000, credentials: false });
});

test('one poisonous event never opens it, however often it fails', () => {
  const breaker = new Breaker();
  for (let attempt = 0; attempt < 1000; attempt++) assert.equal(breaker.afterAttempt(1, UNCERTAIN, 0), false);
});

for (const outcome of [DELIVERED, REJECTED]) {
  test(`an event that is ${outcome.kind} ends the row`, () => {
    assert.equal(after(UNAVAILABLE, UNCERTAIN, outcome, UNAVAILABLE, UNCERTAIN).state.kind, 'closed');
  });
}

test('refused credentials open it at once, for a slow clock', () => {
  const breaker = after(CREDENTIALS);
  assert.deepEqual(breaker.state, { kind: 'open', probeAt: 60_000, credentials: true });
  breaker.afterProbe(false, true, 60_000);
  assert.equal(waitOf(breaker, 60_000), 60_000);
});

test('what fails while it is open opens it no further', () => {
  const breaker = after(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE);
  assert.equal(breaker.afterAttempt(9, CREDENTIALS, 500), false);
  assert.equal(waitOf(breaker, 0), 1000);
});

test('its probes back off from one second to half a minute', () => {
  const breaker = after(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE);
  const waits = [waitOf(breaker, 0)];
  for (let probe = 0; probe < 7; probe++) {
    assert.equal(breaker.afterProbe(false, false, 0), false);
    waits.push(waitOf(breaker, 0));
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test('a probe that is ready closes it, on trial until an event is taken', () => {
  const breaker = after(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE);
  assert.equal(breaker.afterProbe(true, false, 0), true);
  assert.deepEqual(breaker.state, { kind: 'closed', isTrial: true });
  breaker.afterAttempt(9, UNAVAILABLE, 0);
  assert.deepEqual(breaker.state, { kind: 'closed', isTrial: true });
  breaker.afterAttempt(10, DELIVERED, 0);
  assert.deepEqual(breaker.state, { kind: 'closed', isTrial: false });
});

test('until an event is taken, each opening waits longer than the last, though every probe is ready', () => {
  const breaker = new Breaker();
  const open = (): number => {
    for (const seq of [1, 2, 3]) breaker.afterAttempt(seq, UNCERTAIN, 0);
    const wait = waitOf(breaker, 0);
    breaker.afterProbe(true, false, 0);
    return wait;
  };
  assert.deepEqual([open(), open(), open()], [1000, 2000, 4000]);
  breaker.afterAttempt(4, DELIVERED, 0);
  assert.equal(open(), 1000);
});

test('after it closed, failures are counted anew', () => {
  const breaker = after(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE);
  breaker.afterProbe(true, false, 0);
  assert.equal(breaker.afterAttempt(7, UNAVAILABLE, 0), false);
  assert.equal(breaker.afterAttempt(8, UNAVAILABLE, 0), false);
  assert.equal(breaker.afterAttempt(9, UNAVAILABLE, 0), true);
});

test('a late success neither closes it nor keeps its next opening waiting', () => {
  const breaker = after(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE);
  breaker.afterAttempt(9, DELIVERED, 0);
  assert.equal(breaker.state.kind, 'open');
  breaker.afterProbe(false, false, 0);
  assert.equal(waitOf(breaker, 0), 1000);
});

test('whatever happens, an open breaker is probed within a minute, and closed by a probe that is ready', () => {
  const step = fc.oneof(
    fc.record({ seq: fc.integer({ min: 1, max: 5 }), outcome: fc.constantFrom(DELIVERED, UNAVAILABLE, CREDENTIALS) }),
    fc.record({ ready: fc.boolean(), credentials: fc.boolean() }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const breaker = new Breaker();
      for (const [now, each] of steps.entries()) {
        if ('seq' in each) breaker.afterAttempt(each.seq, each.outcome, now);
        else if (breaker.state.kind === 'open') breaker.afterProbe(each.ready, each.credentials, now);
        if (breaker.state.kind === 'open') assert.ok(waitOf(breaker, now) <= 60_000);
      }
      breaker.afterProbe(true, false, 1000);
      assert.equal(breaker.state.kind, 'closed');
    }),
  );
});
