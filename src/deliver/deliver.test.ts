import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Changes } from '../../test/support/changes.ts';
import { claimDue, keep, keepOne } from '../../test/support/journal-steps.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { aRecord, DELIVERED, REJECTED, UNAVAILABLE, UNCERTAIN } from '../../test/support/records.ts';
import { READY, ScriptedSink } from '../../test/support/scripted-sink.ts';
import type { RecordState } from '../journal/journal.ts';
import { MemoryJournal } from '../journal/memory/memory.ts';
import type { Attempt, Claim, Decision, Outcome } from '../model/delivery.ts';
import type { Probe } from '../sink/sink.ts';
import type { BreakerState } from './breaker.ts';
import { Deliverer } from './deliver.ts';
import type { DeliveryObserver } from './delivery-observer.ts';

const NEVER = new AbortController().signal;
const CREDENTIALS: Outcome = { kind: 'unavailable', detail: '401', credentials: true };
/** Longer than any test takes. */
const LONG_MS = 60_000;

interface Attempted {
  readonly id: string;
  readonly attempt: Attempt;
  readonly decision: Decision['kind'];
  readonly isStale: boolean;
}

/** Records what happens, and lets a test wait for it. */
class Watcher implements DeliveryObserver {
  readonly attempts: Attempted[] = [];
  readonly openings: Outcome[] = [];
  readonly probes: { readonly probe: Probe; readonly breaker: BreakerState }[] = [];
  readonly faults: unknown[] = [];
  /** Called when the breaker opens and when a probe has failed. */
  onWait: () => void = () => {};
  readonly #changes = new Changes();

  attempted(claim: Claim, attempt: Attempt, decision: Decision, isStale: boolean): void {
    this.attempts.push({ id: claim.event.id, attempt, decision: decision.kind, isStale });
    this.#changes.notify();
  }

  probed(probe: Probe, breaker: BreakerState): void {
    this.probes.push({ probe, breaker });
    if (breaker.kind === 'open') this.onWait();
    this.#changes.notify();
  }

  breakerOpened(outcome: Outcome): void {
    this.openings.push(outcome);
    this.onWait();
    this.#changes.notify();
  }

  faulted(error: unknown): void {
    this.faults.push(error);
    this.#changes.notify();
  }

  async until(condition: (watcher: this) => boolean): Promise<void> {
    await this.#changes.until(
      () => (condition(this) ? true : undefined),
      () => `${condition}; attempts: ${JSON.stringify(this.attempts)}`,
    );
  }

  async untilAttempted(count: number): Promise<void> {
    await this.until(({ attempts }) => attempts.length >= count);
  }
}

/** As after a pause of the process: whatever is renewed, the lease has ended before. */
class LateRenewals extends MemoryJournal {
  override async renew(): Promise<void> {}
}

interface Rig {
  readonly clock: ManualClock;
  readonly journal: MemoryJournal;
  readonly sink: ScriptedSink;
  readonly watcher: Watcher;
  readonly deliverer: Deliverer;
}

/** A deliverer that has not been started, between a memory journal and a scripted sink. */
function aRig(t: TestContext, Journal = MemoryJournal): Rig {
  const clock = new ManualClock();
  const journal = new Journal({ clock });
  const sink = new ScriptedSink();
  const watcher = new Watcher();
  // The waits of the breaker end at once.
  watcher.onWait = () => clock.advance(LONG_MS);
  const deliverer = new Deliverer({ queue: journal, sink, observer: watcher, clock, random: () => 0.5 });
  t.after(() => deliverer.stop(0, AbortSignal.abort()));
  return { clock, journal, sink, watcher, deliverer };
}

/** Answers the events of these names with an outcome, and delivers all others. */
function reacting(outcomes: Readonly<Record<string, Outcome>>): ScriptedSink['onDeliver'] {
  return ({ event }) => outcomes[event.id] ?? DELIVERED;
}

async function keepEvents({ journal, clock }: Rig, ...names: readonly string[]): Promise<readonly number[]> {
  return keep(journal, ...names.map((name) => aRecord(name, clock.now())));
}

function manyNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `event-${index}`);
}

const GOOD: readonly string[] = Array.from({ length: 10 }, (_, index) => `good-${index}`);

async function stateOf({ journal }: Rig, seq: number | undefined): Promise<RecordState | undefined> {
  return (await journal.get(seq ?? 0))?.state;
}

/** Stops at once, and aborts what hangs. */
async function stop({ deliverer }: Rig): Promise<void> {
  await deliverer.stop(LONG_MS, AbortSignal.abort());
}

/** Lets the event loop run until no claim is held. */
async function untilNothingHeld({ deliverer }: Rig): Promise<void> {
  while (deliverer.held > 0) await new Promise((resolve) => setImmediate(resolve));
}

test('a claim goes to the sink unchanged, and its completion lists the created events', async (t) => {
  const rig = aRig(t);
  const raw = Buffer.from('{"id":"a"}');
  const seq = await keepOne(rig.journal, aRecord('a', rig.clock.now(), { raw }));
  rig.deliverer.start();
  await rig.watcher.untilAttempted(1);
  const { event } = aRecord('a', 0);
  const [claim, ...others] = rig.sink.claims;
  assert.deepEqual(others, []);
  assert.deepEqual([claim?.event, claim?.payload, claim?.delivery], [event, '{"id":"a"}', 1]);
  const record = await rig.journal.get(seq);
  assert.equal(record?.state, 'delivered');
  assert.deepEqual(record?.attempts[0]?.outcome, DELIVERED);
});

test('an event that comes while the deliverer waits is delivered', async (t) => {
  const rig = aRig(t);
  rig.deliverer.start();
  await keepEvents(rig, 'a');
  await rig.watcher.untilAttempted(1);
  await keepEvents(rig, 'b');
  await rig.watcher.untilAttempted(2);
  assert.deepEqual(rig.sink.taken, ['a', 'b']);
});

test('every event of a backlog is delivered once, and no claim is held in the end', async (t) => {
  const rig = aRig(t);
  const names = manyNames(1000);
  await keepEvents(rig, ...names);
  rig.deliverer.start();
  await rig.watcher.untilAttempted(1000);
  assert.deepEqual([...rig.sink.taken].sort(), [...names].sort());
  assert.equal(rig.sink.claims.length, 1000);
  assert.ok(rig.sink.mostRunning <= 64);
  await stop(rig);
  assert.equal(rig.deliverer.held, 0);
});

test('an event that waits for its retry does not delay others, and is retried when it is due', async (t) => {
  const rig = aRig(t);
  rig.sink.onDeliver = reacting({ a: UNAVAILABLE });
  const [a, b] = await keepEvents(rig, 'a', 'b');
  rig.deliverer.start();
  await rig.watcher.untilAttempted(2);
  assert.equal(await stateOf(rig, a), 'pending');
  assert.equal(await stateOf(rig, b), 'delivered');
  rig.sink.onDeliver = reacting({});
  rig.clock.advance(LONG_MS);
  await rig.watcher.untilAttempted(3);
  assert.equal(await stateOf(rig, a), 'delivered');
  const attempts = (await rig.journal.get(a ?? 0))?.attempts ?? [];
  assert.deepEqual(
    attempts.map(({ outcome, decision }) => [outcome.kind, decision]),
    [
      ['unavailable', 'retry'],
      ['delivered', 'complete'],
    ],
  );
});

test('an event that is rejected becomes a dead letter with the detail from the sink', async (t) => {
  const rig = aRig(t);
  rig.sink.onDeliver = reacting({ a: REJECTED });
  const [a] = await keepEvents(rig, 'a');
  rig.deliverer.start();
  await rig.watcher.untilAttempted(1);
  const record = await rig.journal.get(a ?? 0);
  assert.equal(record?.state, 'dead-lettered');
  assert.deepEqual([record?.deadLetter?.reason, record?.deadLetter?.detail], ['rejected', 'label repo is not legal']);
});

test('an event that is always uncertain becomes a dead letter after six attempts, and never stops the others', async (t) => {
  const rig = aRig(t);
  rig.sink.onDeliver = reacting({ poison: UNCERTAIN });
  const [poison] = await keepEvents(rig, 'poison');
  rig.deliverer.start();
  for (let turn = 1; turn <= 6; turn++) {
    await rig.watcher.until(({ attempts }) => attempts.filter(({ id }) => id === 'poison').length === turn);
    assert.equal(await stateOf(rig, poison), turn < 6 ? 'pending' : 'dead-lettered');
    await keepEvents(rig, `good-${turn}`);
    await rig.watcher.until(({ attempts }) => attempts.some(({ id }) => id === `good-${turn}`));
    rig.clock.advance(25 * LONG_MS);
  }
  assert.equal((await rig.journal.get(poison ?? 0))?.deadLetter?.reason, 'uncertain');
  assert.deepEqual(rig.watcher.openings, []);
});

test('an exception of the sink is reported as a fault, and the event is retried', async (t) => {
  const rig = aRig(t);
  const fault = new Error('never planned');
  rig.sink.onDeliver = () => {
    throw fault;
  };
  const [a] = await keepEvents(rig, 'a');
  rig.deliverer.start();
  await rig.watcher.untilAttempted(1);
  assert.deepEqual(rig.watcher.faults, [fault]);
  assert.equal(await stateOf(rig, a), 'pending');
  rig.sink.onDeliver = reacting({});
  rig.clock.advance(2 * LONG_MS);
  await rig.watcher.untilAttempted(2);
  assert.equal(await stateOf(rig, a), 'delivered');
});

test('an attempt during which the process stood still is not repeated, and its decision counts', async (t) => {
  const rig = aRig(t, LateRenewals);
  const answer = Promise.withResolvers<Outcome>();
  rig.sink.onDeliver = () => answer.promise;
  const [a] = await keepEvents(rig, 'a');
  rig.deliverer.start();
  await rig.sink.until(({ running }) => running === 1);
  // The lease has ended: the deliverer itself claims the event again.
  rig.clock.advance(600_000);
  const [b] = await keepEvents(rig, 'b');
  await rig.sink.until(({ claims }) => claims.length === 2);
  answer.resolve(DELIVERED);
  await rig.watcher.untilAttempted(2);
  assert.deepEqual(
    rig.watcher.attempts.map(({ id, isStale }) => [id, isStale]),
    [
      ['a', false],
      ['b', false],
    ],
  );
  assert.deepEqual([await stateOf(rig, a), await stateOf(rig, b)], ['delivered', 'delivered']);
});

test('a decision on an event that was completed by another claim is reported as stale', async (t) => {
  const rig = aRig(t);
  const answer = Promise.withResolvers<Outcome>();
  rig.sink.onDeliver = () => answer.promise;
  const [a = 0] = await keepEvents(rig, 'a');
  rig.deliverer.start();
  await rig.sink.until(({ running }) => running === 1);
  const fence = rig.sink.claims[0]?.fence ?? 0;
  assert.equal(await rig.journal.complete({ seq: a, fence, decision: { kind: 'complete' } }), true);
  answer.resolve(REJECTED);
  await rig.watcher.untilAttempted(1);
  assert.equal(rig.watcher.attempts[0]?.isStale, true);
  assert.equal(await stateOf(rig, a), 'delivered');
});

test('after three different events failed, nothing more is delivered until a probe is ready', async (t) => {
  const rig = aRig(t);
  rig.sink.onDeliver = () => UNAVAILABLE;
  rig.sink.onProbe = () => 'hang';
  await keepEvents(rig, ...manyNames(500));
  rig.deliverer.start();
  await rig.sink.until(({ probes }) => probes === 1);
  await untilNothingHeld(rig);
  const { claims } = rig.sink;
  // Eight ran at the same time, and two more replaced the first two that failed.
  assert.ok(claims.length <= 10, `${claims.length} attempts`);
  assert.equal(rig.watcher.openings.length, 1);
  assert.equal(rig.deliverer.breaker.kind, 'open');
  const untried = (await claimDue(rig.journal, 1000)).filter(({ history }) => history.attempts === 0);
  assert.equal(untried.length, 500 - claims.length, 'claims without an attempt went back');
});

test('a breaker that opens while the deliverer waits for events is probed in time', async (t) => {
  const rig = aRig(t);
  // Nothing becomes due before the probe, so that only the opening can end the wait for events.
  rig.watcher.onWait = () => {};
  const answers = Promise.withResolvers<Outcome>();
  rig.sink.onDeliver = () => answers.promise;
  await keepEvents(rig, 'a', 'b', 'c');
  rig.deliverer.start();
  await rig.sink.until(({ running }) => running === 3);
  await new Promise((resolve) => setImmediate(resolve));
  answers.resolve(UNAVAILABLE);
  await rig.watcher.until(({ openings }) => openings.length === 1);
  await new Promise((resolve) => setImmediate(resolve));
  rig.clock.advance(1000);
  await rig.sink.until(({ probes }) => probes === 1);
});

test('when the sink is back, a probe closes the breaker and everything is delivered', async (t) => {
  const rig = aRig(t);
  const names = manyNames(300);
  let isBack = false;
  rig.sink.onDeliver = () => (isBack ? DELIVERED : UNAVAILABLE);
  rig.sink.onProbe = () => {
    if (rig.sink.probes === 5) isBack = true;
    return isBack ? { kind: 'ready', detail: 'yes' } : { kind: 'unready', detail: 'no', credentials: false };
  };
  await keepEvents(rig, ...names);
  rig.deliverer.start();
  await rig.watcher.until(({ probes }) => probes.some(({ probe }) => probe.kind === 'ready'));
  // The events that failed become due.
  rig.clock.advance(LONG_MS);
  await rig.sink.until(({ taken }) => taken.length === names.length);
  assert.deepEqual([...rig.sink.taken].sort(), [...names].sort());
  assert.deepEqual(rig.deliverer.breaker, { kind: 'closed', isTrial: false });
});

test('events that wait for their retry are woken when the breaker closes', async (t) => {
  const rig = aRig(t);
  let isBack = false;
  rig.sink.onDeliver = () => (isBack ? DELIVERED : { kind: 'unavailable', detail: 'busy', retryAfterMs: 3_600_000 });
  rig.sink.onProbe = () => {
    isBack = true;
    return { kind: 'ready', detail: 'yes' };
  };
  await keepEvents(rig, 'a', 'b', 'c');
  rig.deliverer.start();
  await rig.watcher.until(({ probes }) => probes.length === 1);
  rig.clock.advance(1000);
  await rig.sink.until(({ taken }) => taken.length === 3);
});

test('while the breaker is on trial, three attempts run at the same time', async (t) => {
  const rig = aRig(t);
  rig.sink.onDeliver = () => UNAVAILABLE;
  await keepEvents(rig, ...manyNames(100));
  const trial = Promise.withResolvers<Outcome>();
  rig.sink.onProbe = () => {
    rig.sink.mostRunning = 0;
    rig.sink.onDeliver = () => trial.promise;
    return { kind: 'ready', detail: 'yes' };
  };
  rig.deliverer.start();
  await rig.watcher.until(({ probes }) => probes.length === 1);
  await rig.sink.until(({ running }) => running === 3);
  assert.equal(rig.deliverer.limit, 3);
  assert.equal(rig.sink.mostRunning, 3);
  trial.resolve(DELIVERED);
  rig.clock.advance(LONG_MS);
  await rig.sink.until(({ taken }) => taken.length === 100);
});

for (const count of [9, 15, 30, 60, 200]) {
  test(`${count} events that always fail hold up those behind them by one wait of a second`, async (t) => {
    const rig = aRig(t);
    rig.watcher.onWait = () => {
      const { breaker } = rig.deliverer;
      if (breaker.kind === 'open') rig.clock.advance(breaker.probeAt - rig.journal.time());
    };
    rig.sink.onDeliver = ({ event }) => (event.id.startsWith('good') ? DELIVERED : UNCERTAIN);
    const began = rig.clock.now();
    await keepEvents(rig, ...manyNames(count), ...GOOD);
    rig.deliverer.start();
    await rig.sink.until(({ taken }) => taken.length === GOOD.length);
    assert.equal(rig.clock.now() - began, 1000);
    assert.ok(rig.sink.claims.length < 30, `${rig.sink.claims.length} attempts`);
  });
}

test('events that failed before never open the breaker when they fail again', async (t) => {
  const rig = aRig(t);
  rig.sink.onDeliver = ({ event }) => (event.id.startsWith('good') ? DELIVERED : UNCERTAIN);
  await keepEvents(rig, ...manyNames(60));
  rig.deliverer.start();
  await rig.watcher.until(({ attempts }) => new Set(attempts.map(({ id }) => id)).size === 60);
  await rig.watcher.until(({ probes }) => probes.length === rig.watcher.openings.length);
  const openings = rig.watcher.openings.length;
  const attempts = rig.watcher.attempts.length;
  rig.clock.advance(25 * LONG_MS);
  await rig.watcher.untilAttempted(attempts + 60);
  await keepEvents(rig, ...GOOD);
  await rig.sink.until(({ taken }) => taken.length === GOOD.length);
  assert.equal(rig.watcher.openings.length, openings);
});

test('an event that fails again opens the breaker if a probe finds the sink unready', async (t) => {
  const rig = aRig(t);
  rig.sink.onDeliver = reacting({ a: UNCERTAIN });
  rig.sink.onProbe = () => ({ kind: 'unready', detail: 'it hangs', credentials: false });
  await keepEvents(rig, 'a');
  rig.deliverer.start();
  await rig.watcher.untilAttempted(1);
  await keepEvents(rig, 'good');
  await rig.watcher.untilAttempted(2);
  assert.equal(rig.deliverer.breaker.kind, 'closed');
  rig.watcher.onWait = () => {};
  rig.clock.advance(2 * LONG_MS);
  await rig.watcher.until(({ probes }) => probes.length === 1);
  assert.equal(rig.deliverer.breaker.kind, 'open');
  assert.deepEqual(rig.watcher.openings, [UNCERTAIN]);

  await keepEvents(rig, 'b');
  rig.sink.onDeliver = () => DELIVERED;
  rig.sink.onProbe = () => ({ kind: 'ready', detail: 'yes' });
  rig.clock.advance(1000);
  await rig.sink.until(({ taken }) => taken.includes('b'));
});

test('events that failed before take at most a third of the attempts at a time, however many are due', async (t) => {
  const rig = aRig(t);
  rig.sink.onDeliver = ({ event, history }) => {
    if (event.id.startsWith('good')) return DELIVERED;
    return history.uncertain === 0 ? UNCERTAIN : 'hang';
  };
  await keepEvents(rig, ...manyNames(20));
  rig.deliverer.start();
  await rig.watcher.untilAttempted(20);
  rig.clock.advance(25 * LONG_MS);
  await keepEvents(rig, ...GOOD);
  await rig.sink.until(({ taken }) => taken.length === GOOD.length);
  assert.ok(rig.sink.running <= rig.deliverer.limit / 3, `${rig.sink.running} of ${rig.deliverer.limit}`);
});

test('rejected credentials stop deliveries at once and cost the event no attempt', async (t) => {
  const rig = aRig(t);
  rig.sink.onDeliver = () => CREDENTIALS;
  const [a] = await keepEvents(rig, 'a');
  let probes = 0;
  rig.sink.onProbe = () => {
    probes += 1;
    if (probes < 20) return { kind: 'unready', detail: '401', credentials: true };
    rig.sink.onDeliver = () => DELIVERED;
    return { kind: 'ready', detail: 'yes' };
  };
  rig.deliverer.start();
  await rig.sink.until(({ taken }) => taken.includes('a'));
  await rig.watcher.untilAttempted(2);
  assert.deepEqual(rig.watcher.openings, [CREDENTIALS]);
  assert.equal(rig.sink.claims.length, 2);
  assert.equal(await stateOf(rig, a), 'delivered');
});

test('an event does not age while our credentials are rejected, even for longer than it would be retried', async (t) => {
  const rig = aRig(t);
  const week = 7 * 86_400_000;
  rig.watcher.onWait = () => rig.clock.advance(week);
  rig.sink.onDeliver = ({ event }) => (event.id === 'a' ? CREDENTIALS : UNAVAILABLE);
  rig.sink.onProbe = () => {
    if (rig.sink.probes < 3) return { kind: 'unready', detail: '401', credentials: true };
    rig.sink.onDeliver = () => UNAVAILABLE;
    return { kind: 'ready', detail: 'yes' };
  };
  const [a] = await keepEvents(rig, 'a');
  rig.deliverer.start();
  await rig.watcher.untilAttempted(2);
  assert.deepEqual(
    rig.watcher.attempts.map(({ attempt, decision }) => [attempt.outcome.kind, decision]),
    [
      ['unavailable', 'retry'],
      ['unavailable', 'retry'],
    ],
  );
  assert.equal(await stateOf(rig, a), 'pending');
});

test('an exception of a probe is reported as a fault, and the next probe follows', async (t) => {
  const rig = aRig(t);
  rig.sink.onDeliver = () => CREDENTIALS;
  rig.sink.onProbe = () => {
    if (rig.sink.probes === 1) throw new Error('never planned');
    rig.sink.onDeliver = () => DELIVERED;
    return { kind: 'ready', detail: 'yes' };
  };
  await keepEvents(rig, 'a');
  rig.deliverer.start();
  await rig.sink.until(({ taken }) => taken.includes('a'));
  assert.equal(rig.watcher.faults.length, 1);
});

test('an attempt that takes longer than its lease keeps it', async (t) => {
  const rig = aRig(t);
  const answer = Promise.withResolvers<Outcome>();
  rig.sink.onDeliver = () => answer.promise;
  const [a] = await keepEvents(rig, 'a');
  rig.deliverer.start();
  await rig.sink.until(({ running }) => running === 1);
  for (let renewals = 0; renewals < 4; renewals++) {
    rig.clock.advance(40_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  answer.resolve(DELIVERED);
  await rig.watcher.untilAttempted(1);
  assert.deepEqual([rig.sink.claims.length, rig.watcher.attempts[0]?.isStale], [1, false]);
  assert.equal(await stateOf(rig, a), 'delivered');
});

test('a preflight reports whether the sink is ready, and wakes events that wait for their retry', async (t) => {
  const rig = aRig(t);
  rig.sink.onDeliver = () => UNAVAILABLE;
  const [a] = await keepEvents(rig, 'a');
  rig.deliverer.start();
  await rig.watcher.untilAttempted(1);
  rig.sink.onDeliver = () => DELIVERED;
  await rig.deliverer.preflight();
  rig.clock.advance(1);
  await rig.watcher.untilAttempted(2);
  assert.deepEqual(rig.watcher.probes[0]?.probe.kind, 'ready');
  assert.equal(await stateOf(rig, a), 'delivered');
});

test('a preflight that finds the sink unready opens the breaker, and probes close it', async (t) => {
  const rig = aRig(t);
  rig.sink.onProbe = () => (rig.sink.probes < 3 ? { kind: 'unready', detail: 'no', credentials: false } : READY);
  rig.deliverer.start();
  await rig.deliverer.preflight();
  assert.equal(rig.deliverer.breaker.kind, 'open');
  await keepEvents(rig, 'a');
  await rig.sink.until(({ taken }) => taken.includes('a'));
  assert.deepEqual([rig.sink.claims.length, rig.sink.probes], [1, 3], 'nothing is attempted before a probe succeeds');
});

for (const outcome of [UNAVAILABLE, UNCERTAIN]) {
  test(`two events that are ${outcome.kind} for ten seconds open the breaker, also if neither is retried`, async (t) => {
    const rig = aRig(t);
    // Time passes only as this test says.
    rig.watcher.onWait = () => {};
    rig.sink.onDeliver = () => ({ retryAfterMs: 3_600_000, ...outcome });
    await keepEvents(rig, 'a', 'b');
    rig.deliverer.start();
    await rig.watcher.untilAttempted(2);
    rig.clock.advance(9999);
    assert.equal(rig.deliverer.breaker.kind, 'closed');
    rig.clock.advance(1);
    assert.equal(rig.deliverer.breaker.kind, 'open');
    assert.deepEqual(rig.watcher.openings, [{ retryAfterMs: 3_600_000, ...outcome }]);
    await untilProbed(rig, 1);
  });
}

test('two events that waited through an outage of minutes are delivered as soon as a probe finds the sink ready', async (t) => {
  const rig = aRig(t);
  rig.watcher.onWait = () => {};
  let isBack = false;
  rig.sink.onDeliver = () => (isBack ? DELIVERED : UNAVAILABLE);
  rig.sink.onProbe = () => (isBack ? READY : { kind: 'unready', detail: 'no', credentials: false });
  await keepEvents(rig, 'a', 'b');
  rig.deliverer.start();
  await rig.watcher.untilAttempted(2);
  await untilProbed(rig, 8);
  isBack = true;
  await untilProbed(rig, rig.sink.probes + 1);
  // The second is due 5 ms after the first.
  rig.clock.advance(5);
  await rig.sink.until(({ taken }) => taken.length === 2);
  assert.equal(rig.deliverer.isOnTrial, false);
});

/** Lets time pass, a second at a time, until the sink has been probed so often. */
async function untilProbed(rig: Rig, probes: number): Promise<void> {
  while (rig.sink.probes < probes) {
    rig.clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('stop waits for attempts under way', async (t) => {
  const rig = aRig(t);
  const answer = Promise.withResolvers<Outcome>();
  rig.sink.onDeliver = () => answer.promise;
  const [a] = await keepEvents(rig, 'a');
  rig.deliverer.start();
  await rig.sink.until(({ running }) => running === 1);
  const stopped = rig.deliverer.stop(LONG_MS, NEVER);
  answer.resolve(DELIVERED);
  await stopped;
  assert.equal(await stateOf(rig, a), 'delivered');
  assert.equal(rig.deliverer.held, 0);
});

test('stop begins no attempt, and gives back claims without one', async (t) => {
  const rig = aRig(t);
  rig.sink.onDeliver = () => 'hang';
  const seqs = await keepEvents(rig, ...manyNames(20));
  rig.deliverer.start();
  await rig.sink.until(({ running }) => running === 8);
  await stop(rig);
  assert.equal(rig.sink.claims.length, 8);
  const claimed = await claimDue(rig.journal, 100);
  assert.deepEqual(
    claimed.map(({ seq }) => seq),
    seqs.slice(8),
    'claims without an attempt keep their place; those that were cut wait',
  );
  assert.ok(claimed.every(({ history }) => history.attempts === 0));
});

test('claims without an attempt go back before the attempts under way have ended', async (t) => {
  const rig = aRig(t);
  rig.sink.onDeliver = () => 'hang';
  const seqs = await keepEvents(rig, ...manyNames(16));
  rig.deliverer.start();
  await rig.sink.until(({ running }) => running === 8);
  await new Promise((resolve) => setImmediate(resolve));
  const hurry = new AbortController();
  const stopped = rig.deliverer.stop(LONG_MS, hurry.signal);
  const claimed = await claimDue(rig.journal, 100);
  assert.deepEqual([rig.sink.running, claimed.map(({ seq }) => seq)], [8, seqs.slice(8)]);
  hurry.abort();
  await stopped;
});

for (const [when, stopping] of [
  [
    'when their time is over',
    async (rig: Rig) => {
      const stopped = rig.deliverer.stop(LONG_MS, NEVER);
      rig.clock.advance(LONG_MS);
      await stopped;
    },
  ],
  [
    'when it is hurried',
    async (rig: Rig) => {
      const hurry = new AbortController();
      const stopped = rig.deliverer.stop(LONG_MS, hurry.signal);
      hurry.abort();
      await stopped;
    },
  ],
  ['when it was hurried beforehand', stop],
] as const) {
  test(`stop cuts attempts that hang ${when}, and their events are retried later`, async (t) => {
    const rig = aRig(t);
    rig.sink.onDeliver = () => 'hang';
    const [a] = await keepEvents(rig, 'a');
    rig.deliverer.start();
    await rig.sink.until(({ running }) => running === 1);
    await stopping(rig);
    assert.equal(rig.sink.running, 0);
    assert.equal(await stateOf(rig, a), 'pending');
    assert.deepEqual(rig.watcher.openings, []);
    assert.equal(rig.deliverer.held, 0);
    rig.clock.advance(2 * LONG_MS);
    assert.deepEqual(
      (await claimDue(rig.journal)).map(({ seq, history }) => [seq, history.uncertain]),
      [[a, 1]],
    );
  });
}

test('attempts that stop cut do not count as failures of the sink', async (t) => {
  const rig = aRig(t);
  rig.sink.onDeliver = () => 'hang';
  await keepEvents(rig, ...manyNames(8));
  rig.deliverer.start();
  await rig.sink.until(({ running }) => running === 8);
  await stop(rig);
  assert.equal(rig.watcher.attempts.length, 8);
  assert.equal(rig.deliverer.breaker.kind, 'closed');
});

test('stop ends a deliverer that waits for events', async (t) => {
  const rig = aRig(t);
  await keepEvents(rig, 'a');
  rig.deliverer.start();
  await rig.watcher.untilAttempted(1);
  await rig.deliverer.stop(LONG_MS, NEVER);
  await keepEvents(rig, 'b');
  assert.deepEqual(
    (await claimDue(rig.journal)).map(({ event }) => event.id),
    ['b'],
  );
});

test('stop ends a deliverer that is about to get claims, and they go back', async (t) => {
  const rig = aRig(t);
  rig.deliverer.start();
  const appended = keepEvents(rig, 'a', 'b');
  const stopped = rig.deliverer.stop(LONG_MS, NEVER);
  await Promise.all([appended, stopped]);
  assert.equal(rig.deliverer.held, 0);
  assert.equal(rig.sink.claims.length, 0);
  assert.equal((await claimDue(rig.journal)).length, 2);
});

test('stop ends the wait for a probe, and a probe that hangs', async (t) => {
  const waiting = aRig(t);
  waiting.watcher.onWait = () => {};
  waiting.sink.onDeliver = () => CREDENTIALS;
  await keepEvents(waiting, 'a');
  waiting.deliverer.start();
  await waiting.watcher.until(({ openings }) => openings.length === 1);
  await waiting.deliverer.stop(LONG_MS, NEVER);
  assert.equal(waiting.sink.probes, 0);

  const probing = aRig(t);
  probing.sink.onDeliver = () => CREDENTIALS;
  probing.sink.onProbe = () => 'hang';
  await keepEvents(probing, 'a');
  probing.deliverer.start();
  await probing.sink.until(({ probes }) => probes === 1);
  await probing.deliverer.stop(LONG_MS, NEVER);
  assert.deepEqual(probing.watcher.probes, [], 'an aborted probe is not reported');
});

test('a deliverer that was never started can be stopped, and one that was stopped never starts', async (t) => {
  const rig = aRig(t);
  await rig.deliverer.stop(LONG_MS, NEVER);
  await keepEvents(rig, 'a');
  rig.deliverer.start();
  await rig.deliverer.stop(LONG_MS, NEVER);
  assert.equal((await claimDue(rig.journal)).length, 1);
});

test('a deliverer whose journal was closed does not block the event loop, and stops', async (t) => {
  const rig = aRig(t);
  rig.deliverer.start();
  await rig.journal.close();
  await new Promise((resolve) => setImmediate(resolve));
  await rig.deliverer.stop(LONG_MS, NEVER);
  assert.equal(rig.deliverer.held, 0);
});

test('whatever the sink does, every event is delivered or becomes a dead letter in the end, and none is held', async (t) => {
  const rig = aRig(t);
  const outcomes: readonly Outcome[] = [DELIVERED, UNAVAILABLE, UNCERTAIN, REJECTED, CREDENTIALS, UNAVAILABLE];
  let turn = 0;
  rig.sink.onDeliver = () => {
    turn += 1;
    return outcomes[(turn * 7 + Math.floor(turn / 5)) % outcomes.length] ?? DELIVERED;
  };
  rig.sink.onProbe = () =>
    rig.sink.probes % 3 === 0
      ? { kind: 'ready', detail: 'yes' }
      : { kind: 'unready', detail: 'no', credentials: rig.sink.probes % 2 === 0 };
  const seqs = await keepEvents(rig, ...manyNames(200));
  rig.deliverer.start();
  for (;;) {
    const { pending } = await rig.journal.stats();
    if (pending === 0) break;
    await new Promise((resolve) => setImmediate(resolve));
    rig.clock.advance(1000);
  }
  await rig.deliverer.stop(LONG_MS, NEVER);
  const states = await Promise.all(seqs.map((seq) => stateOf(rig, seq)));
  assert.deepEqual(new Set(states), new Set(['delivered', 'dead-lettered']));
  assert.equal(rig.deliverer.held, 0);
  assert.equal(new Set(rig.sink.taken).size, rig.sink.taken.length, 'no event is delivered twice');
});

test('a paused deliverer begins no attempt and gives back what it has claimed; those under way end', async (t) => {
  const rig = aRig(t);
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.sink.onDeliver = async () => {
    await promise;
    return DELIVERED;
  };
  const names = manyNames(40);
  await keepEvents(rig, ...names);
  rig.deliverer.start();
  await rig.sink.until(({ running }) => running === rig.deliverer.limit);
  const begun = rig.deliverer.limit;
  rig.deliverer.pause();
  resolve();
  await rig.watcher.untilAttempted(begun);
  await keepEvents(rig, 'late');
  const claims = await claimDue(rig.journal, 1000);
  assert.equal(claims.length, 41 - begun);
  for (const { seq, fence, history } of claims)
    await rig.journal.complete({ seq, fence, decision: { kind: 'retry', at: rig.clock.now(), history } });
  assert.equal(rig.watcher.attempts.length, begun);
  rig.deliverer.resume();
  await rig.watcher.untilAttempted(41);
});

test('a deliverer that is paused before it starts waits until it is resumed', async (t) => {
  const rig = aRig(t);
  await keepEvents(rig, 'a');
  rig.deliverer.pause();
  rig.deliverer.start();
  const [claim] = await claimDue(rig.journal, 1);
  assert.ok(claim);
  const { seq, fence, history } = claim;
  await rig.journal.complete({ seq, fence, decision: { kind: 'retry', at: rig.clock.now(), history } });
  rig.deliverer.resume();
  await rig.watcher.untilAttempted(1);
});
