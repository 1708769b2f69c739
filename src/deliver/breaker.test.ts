import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DELIVERED, REJECTED, UNAVAILABLE, UNCERTAIN } from '../../test/support/records.ts';
import type { Outcome } from '../model/delivery.ts';
import type { Probe } from '../sink/sink.ts';
import { Breaker } from './breaker.ts';

const READY: Probe = { kind: 'ready', detail: 'yes' };
const AWAY: Probe = { kind: 'unready', detail: 'away', credentials: false };
const UNAUTHORIZED: Probe = { kind: 'unready', detail: '401', credentials: true };
const CREDENTIALS: Outcome = { kind: 'unavailable', detail: '401', credentials: true };

/** A breaker after these outcomes of different events, at time 0. */
function after(...outcomes: readonly Outcome[]): Breaker {
  const breaker = new Breaker();
  for (const [seq, outcome] of outcomes.entries()) breaker.afterAttempt(seq, outcome, 0);
  return breaker;
}

/** How long an open breaker waits before its next probe. */
function waitOf({ state }: Breaker, now: number): number {
  return state.kind === 'open' ? state.probeAt - now : assert.fail('it is closed');
}

test('a new breaker is closed, and not on trial', () => {
  assert.deepEqual(new Breaker().state, { kind: 'closed', isTrial: false });
});

test('the third different event in a row that fails opens the breaker, and only that attempt reports it', () => {
  const breaker = new Breaker();
  const opened = [UNAVAILABLE, UNCERTAIN, UNAVAILABLE, UNAVAILABLE].map((outcome, seq) =>
    breaker.afterAttempt(seq, outcome, 1000),
  );
  assert.deepEqual(opened, [false, false, true, false]);
  assert.deepEqual(breaker.state, { kind: 'open', probeAt: 2000, credentials: false });
});

test('one event alone opens the breaker once it has failed for ten seconds, and not by failing often', () => {
  const breaker = new Breaker();
  for (let now = 0; now < 10_000; now += 10) assert.equal(breaker.afterAttempt(1, UNAVAILABLE, now), false);
  assert.equal(breaker.afterAttempt(1, UNAVAILABLE, 10_000), true);
});

test('the ten seconds begin again when an event is taken, and when the breaker closes', () => {
  const breaker = new Breaker();
  const failFrom = (now: number): readonly boolean[] =>
    [now, now + 9999, now + 10_000].map((each) => breaker.afterAttempt(1, UNAVAILABLE, each));
  breaker.afterAttempt(1, UNAVAILABLE, 0);
  breaker.afterAttempt(2, DELIVERED, 9000);
  assert.deepEqual(failFrom(15_000), [false, false, true]);
  breaker.afterProbe(READY, 26_000);
  assert.deepEqual(failFrom(40_000), [false, false, true]);
});

test('it opens ten seconds after the first failure, without another attempt, unless an event is taken before', () => {
  const breaker = new Breaker();
  assert.deepEqual([breaker.opensAt, breaker.afterTime(0)], [undefined, false]);
  breaker.afterAttempt(1, UNAVAILABLE, 1000);
  breaker.afterAttempt(1, UNAVAILABLE, 5000);
  assert.equal(breaker.opensAt, 11_000);
  breaker.afterAttempt(2, DELIVERED, 6000);
  assert.deepEqual([breaker.opensAt, breaker.afterTime(11_000)], [undefined, false]);
  breaker.afterAttempt(1, UNCERTAIN, 20_000);
  assert.deepEqual([breaker.opensAt, breaker.afterTime(30_000), breaker.opensAt], [30_000, true, undefined]);
  assert.deepEqual(breaker.state, { kind: 'open', probeAt: 31_000, credentials: false });
});

for (const outcome of [DELIVERED, REJECTED]) {
  test(`an event that is ${outcome.kind} ends the row of failures`, () => {
    assert.equal(after(UNAVAILABLE, UNCERTAIN, outcome, UNAVAILABLE, UNCERTAIN).state.kind, 'closed');
  });
}

test('rejected credentials open the breaker at once, with a minute between its probes', () => {
  const breaker = after(CREDENTIALS);
  assert.deepEqual(breaker.state, { kind: 'open', probeAt: 60_000, credentials: true });
  breaker.afterProbe(UNAUTHORIZED, 60_000);
  assert.equal(waitOf(breaker, 60_000), 60_000);
});

test('failures while the breaker is open change nothing', () => {
  const breaker = after(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE);
  assert.equal(breaker.afterAttempt(9, CREDENTIALS, 500), false);
  assert.equal(waitOf(breaker, 0), 1000);
});

test('the waits before probes grow from one second to half a minute', () => {
  const breaker = after(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE);
  const waits = [waitOf(breaker, 0)];
  for (let probe = 0; probe < 7; probe++) {
    assert.equal(breaker.afterProbe(AWAY, 0), false);
    waits.push(waitOf(breaker, 0));
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test('a probe that is ready closes the breaker, on trial until an event is taken', () => {
  const breaker = after(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE);
  assert.equal(breaker.afterProbe(READY, 0), true);
  assert.deepEqual(breaker.state, { kind: 'closed', isTrial: true });
  breaker.afterAttempt(9, UNAVAILABLE, 0);
  assert.deepEqual(breaker.state, { kind: 'closed', isTrial: true });
  breaker.afterAttempt(10, DELIVERED, 0);
  assert.deepEqual(breaker.state, { kind: 'closed', isTrial: false });
});

test('until an event is taken, each opening waits longer than the last, even if every probe is ready', () => {
  const breaker = new Breaker();
  const open = (): number => {
    for (const seq of [1, 2, 3]) breaker.afterAttempt(seq, UNCERTAIN, 0);
    const wait = waitOf(breaker, 0);
    breaker.afterProbe(READY, 0);
    return wait;
  };
  assert.deepEqual([open(), open(), open()], [1000, 2000, 4000]);
  breaker.afterAttempt(4, DELIVERED, 0);
  assert.equal(open(), 1000);
});

test('after the breaker closed, failures are counted from zero', () => {
  const breaker = after(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE);
  breaker.afterProbe(READY, 0);
  assert.equal(breaker.afterAttempt(7, UNAVAILABLE, 0), false);
  assert.equal(breaker.afterAttempt(8, UNAVAILABLE, 0), false);
  assert.equal(breaker.afterAttempt(9, UNAVAILABLE, 0), true);
});

test('a late success does not close the breaker, and resets its waits', () => {
  const breaker = after(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE);
  breaker.afterAttempt(9, DELIVERED, 0);
  assert.equal(breaker.state.kind, 'open');
  breaker.afterProbe(AWAY, 0);
  assert.equal(waitOf(breaker, 0), 1000);
});

test('after any history, an open breaker is probed within a minute, and closed by a probe that is ready', () => {
  const step = fc.oneof(
    fc.record({ seq: fc.integer({ min: 1, max: 5 }), outcome: fc.constantFrom(DELIVERED, UNAVAILABLE, CREDENTIALS) }),
    fc.constantFrom(READY, AWAY, UNAUTHORIZED),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const breaker = new Breaker();
      for (const [now, each] of steps.entries()) {
        if ('seq' in each) breaker.afterAttempt(each.seq, each.outcome, now);
        else if (breaker.state.kind === 'open') breaker.afterProbe(each, now);
        if (breaker.state.kind === 'open') assert.ok(waitOf(breaker, now) <= 60_000);
      }
      breaker.afterProbe(READY, 1000);
      assert.equal(breaker.state.kind, 'closed');
    }),
  );
});

/** Our credentials were rejected from 100 to 200 and from 300 to 400. */
function afterTwoOutages(): Breaker {
  const breaker = new Breaker();
  for (const from of [100, 300]) {
    breaker.afterAttempt(1, CREDENTIALS, from);
    breaker.afterProbe(READY, from + 100);
  }
  return breaker;
}

test('without rejected credentials no time is excused', () => {
  const breaker = after(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE);
  assert.equal(breaker.excusedMs(0, 1000), 0);
});

test('every outage of our credentials since a time is excused, and the rest of one that had begun before', () => {
  const breaker = afterTwoOutages();
  assert.equal(breaker.excusedMs(0, 1000), 200);
  assert.equal(breaker.excusedMs(150, 1000), 150);
  assert.equal(breaker.excusedMs(200, 1000), 100);
  assert.equal(breaker.excusedMs(400, 1000), 0);
});

test('an outage of our credentials that goes on is excused until now', () => {
  const breaker = afterTwoOutages();
  breaker.afterAttempt(1, CREDENTIALS, 500);
  assert.equal(breaker.excusedMs(0, 600), 300);
  assert.equal(breaker.excusedMs(550, 600), 50);
});

test('an outage of our credentials goes on until a probe has another result', () => {
  const breaker = new Breaker();
  breaker.afterAttempt(1, CREDENTIALS, 100);
  breaker.afterProbe(UNAUTHORIZED, 150);
  breaker.afterProbe(AWAY, 200);
  breaker.afterProbe(AWAY, 900);
  assert.equal(breaker.excusedMs(0, 1000), 100);
});

test('a hundred outages are kept, and older ones dropped', () => {
  const breaker = new Breaker();
  for (let count = 0; count < 150; count++) {
    breaker.afterAttempt(1, CREDENTIALS, count * 10);
    breaker.afterProbe(READY, count * 10 + 1);
  }
  assert.equal(breaker.excusedMs(0, 10_000), 100);
});
