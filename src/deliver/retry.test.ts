import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DELIVERED, REJECTED, UNCERTAIN } from '../../test/support/records.ts';
import type { Decision, DeliveryHistory, Outcome } from '../model/delivery.ts';
import { type Circumstances, decide, MAX_AGE_MS } from './retry.ts';

const NOW = 1_700_000_000_000;
const MINUTE = 60_000;
const UNAVAILABLE: Outcome = { kind: 'unavailable', detail: 'ECONNREFUSED' };
const CREDENTIALS: Outcome = { kind: 'unavailable', detail: '401', credentials: true };

function aHistory(changes: Partial<DeliveryHistory> = {}): DeliveryHistory {
  return { attempts: 0, uncertain: 0, agesFrom: NOW, lastAttemptAt: 0, ...changes };
}

function circumstances(changes: Partial<Circumstances> = {}): Circumstances {
  return { now: NOW, excusedMs: 0, random: 0.5, ...changes };
}

function retryOf(decision: Decision): Extract<Decision, { kind: 'retry' }> {
  return decision.kind === 'retry' ? decision : assert.fail(`expected a retry, got ${JSON.stringify(decision)}`);
}

/** The wait after an attempt, milliseconds. */
function waitAfter(outcome: Outcome, history: DeliveryHistory, random: number): number {
  return retryOf(decide(outcome, history, circumstances({ random }))).at - NOW;
}

const LAST = 0.999_999_999;

test('a delivered event is completed', () => {
  assert.deepEqual(decide(DELIVERED, aHistory(), circumstances()), { kind: 'complete' });
});

test('a rejected event becomes a dead letter at once', () => {
  assert.deepEqual(decide(REJECTED, aHistory(), circumstances()), { kind: 'dead-letter', reason: 'rejected' });
});

for (const [uncertain, minutes] of [1, 2, 4, 8, 15].entries()) {
  test(`after uncertain attempt ${uncertain + 1}, an event waits ${minutes} minutes and up to a half more`, () => {
    const history = aHistory({ attempts: 7, uncertain });
    assert.equal(waitAfter(UNCERTAIN, history, 0), minutes * MINUTE);
    assert.equal(waitAfter(UNCERTAIN, history, LAST), minutes * MINUTE * 1.5);
    const { history: next } = retryOf(decide(UNCERTAIN, history, circumstances()));
    assert.deepEqual(next, { attempts: 8, uncertain: uncertain + 1, agesFrom: NOW, lastAttemptAt: NOW });
  });
}

test('after uncertain attempt 6, an event becomes a dead letter', () => {
  const decision = decide(UNCERTAIN, aHistory({ uncertain: 5 }), circumstances());
  assert.deepEqual(decision, { kind: 'dead-letter', reason: 'uncertain' });
});

for (const [attempts, seconds] of [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].entries()) {
  test(`after unavailable attempt ${attempts + 1}, an event waits up to ${seconds} seconds`, () => {
    const history = aHistory({ attempts });
    assert.equal(waitAfter(UNAVAILABLE, history, 0), 0);
    assert.equal(waitAfter(UNAVAILABLE, history, LAST), seconds * 1000);
    const { history: next } = retryOf(decide(UNAVAILABLE, history, circumstances()));
    assert.deepEqual(next, { attempts: attempts + 1, uncertain: 0, agesFrom: NOW, lastAttemptAt: NOW });
  });
}

test('an event waits as long as the sink asks, if that is longer', () => {
  const asked = { ...UNAVAILABLE, retryAfterMs: 120_000 };
  assert.equal(waitAfter(asked, aHistory(), LAST), 120_000);
  assert.equal(waitAfter({ ...asked, retryAfterMs: 10 }, aHistory({ attempts: 20 }), LAST), 300_000);
});

test('after an unavailable attempt at the age of 7 days, an event becomes a dead letter, and not a millisecond earlier', () => {
  const decisionAt = (ageMs: number) => decide(UNAVAILABLE, aHistory({ agesFrom: NOW - ageMs }), circumstances());
  assert.equal(decisionAt(MAX_AGE_MS - 1).kind, 'retry');
  assert.deepEqual(decisionAt(MAX_AGE_MS), { kind: 'dead-letter', reason: 'expired' });
  assert.equal(MAX_AGE_MS, 7 * 24 * 60 * MINUTE);
});

test('the time for which our credentials were rejected does not count as age', () => {
  const history = aHistory({ agesFrom: NOW - MAX_AGE_MS - 1000 });
  const { history: next } = retryOf(decide(UNAVAILABLE, history, circumstances({ excusedMs: 5000 })));
  assert.equal(next.agesFrom, NOW - MAX_AGE_MS + 4000);
});

test('rejected credentials cost an event neither an attempt nor age', () => {
  const history = aHistory({ attempts: 3, uncertain: 2, agesFrom: NOW - 100_000, lastAttemptAt: NOW - 40_000 });
  const decision = retryOf(decide(CREDENTIALS, history, circumstances()));
  assert.deepEqual(decision.history, { attempts: 3, uncertain: 2, agesFrom: NOW - 60_000, lastAttemptAt: NOW });
  assert.equal(waitAfter(CREDENTIALS, history, 0), 30_000);
  assert.equal(waitAfter(CREDENTIALS, history, LAST), 60_000);
});

test('no event becomes a dead letter because of rejected credentials', () => {
  let now = NOW;
  let history = aHistory();
  for (let attempt = 0; attempt < 10_000; attempt++) {
    const decision = retryOf(decide(CREDENTIALS, history, circumstances({ now })));
    history = decision.history;
    now = decision.at + 3_600_000;
  }
  assert.equal(history.attempts, 0);
  assert.equal(retryOf(decide(UNAVAILABLE, history, circumstances({ now: history.lastAttemptAt }))).kind, 'retry');
});

const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const anyOutcome: fc.Arbitrary<Outcome> = fc.oneof(
  fc.constantFrom(DELIVERED, REJECTED, UNCERTAIN, UNAVAILABLE, CREDENTIALS),
  fc.integer({ min: 1, max: 3_600_000 }).map((retryAfterMs) => ({ ...UNAVAILABLE, retryAfterMs })),
);

interface Failure {
  readonly outcome: Outcome;
  readonly random: number;
}

/** Repeats the failures until the event is a dead letter. Returns its age then and how often it was uncertain. */
function liveThrough(failures: readonly Failure[]): { readonly ageMs: number; readonly uncertain: number } {
  let [now, history, uncertain] = [NOW, aHistory(), 0];
  for (let turn = 0; turn < 1_000_000; turn++) {
    const { outcome, random } = failures[turn % failures.length] ?? assert.fail();
    if (outcome.kind === 'uncertain') uncertain += 1;
    const decision = decide(outcome, history, { now, random, excusedMs: 0 });
    if (decision.kind !== 'retry') return { ageMs: now - history.agesFrom, uncertain };
    history = decision.history;
    now = decision.at + 1000;
  }
  return assert.fail('it is retried for ever');
}

test('no event is retried for ever: 5 times when uncertain, or for 7 days and the last wait', () => {
  const failure = fc.record({ outcome: anyOutcome, random: unit });
  const failures = fc
    .array(failure, { maxLength: 20 })
    .map((all) => all.filter(({ outcome }) => outcome.kind === 'uncertain' || outcome.kind === 'unavailable'))
    // With rejected credentials alone an event waits for an operator, without an end.
    .map((all) => [...all, { outcome: UNAVAILABLE, random: 0.5 }]);
  fc.assert(
    fc.property(failures, (each) => {
      const { ageMs, uncertain } = liveThrough(each);
      assert.ok(uncertain <= 6, `${uncertain} attempts were uncertain, and the sixth must be the last`);
      assert.ok(ageMs <= MAX_AGE_MS + 3_600_000 + 1000, `${ageMs} ms`);
    }),
    { numRuns: 100 },
  );
});

test('a retry lies within the next hour, and no count in its history decreases', () => {
  const anyHistory = fc.record({
    attempts: fc.nat(10_000),
    uncertain: fc.nat(5),
    agesFrom: fc.integer({ min: NOW - 2 * MAX_AGE_MS, max: NOW }),
    lastAttemptAt: fc.oneof(fc.constant(0), fc.integer({ min: NOW - MAX_AGE_MS, max: NOW })),
  });
  fc.assert(
    fc.property(anyOutcome, anyHistory, unit, fc.nat(2 * MAX_AGE_MS), (outcome, history, random, excusedMs) => {
      const decision = decide(outcome, history, { now: NOW, random, excusedMs });
      if (decision.kind !== 'retry') return;
      assert.ok(decision.at >= NOW && decision.at <= NOW + 3_600_000);
      assert.ok(decision.history.attempts >= history.attempts);
      assert.ok(decision.history.uncertain >= history.uncertain && decision.history.uncertain <= 5);
      assert.ok(decision.history.agesFrom >= history.agesFrom && decision.history.agesFrom <= NOW);
      assert.equal(decision.history.lastAttemptAt, NOW);
    }),
  );
});
