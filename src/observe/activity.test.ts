import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { aClaim, anAttempt, DELIVERED, REJECTED, UNAVAILABLE } from '../../test/support/records.ts';
import type { WebhookRecord } from '../http/ingest-observer.ts';
import { MemoryJournal } from '../journal/memory/memory.ts';
import type { EventResult, Rejection } from '../model/receipt.ts';
import { Activity } from './activity.ts';

const MINUTE_MS = 60_000;
const PERIOD = { from: 0, until: Number.MAX_SAFE_INTEGER };
const EVENT = { id: 'a', action: 'push', registry: 'example.azurecr.io', repository: 'hello', tag: 'v1' };

function aRig() {
  const clock = new ManualClock();
  const journal = new MemoryJournal({ clock });
  const faults: unknown[] = [];
  const activity = new Activity({ journal, clock, onFault: (error) => faults.push(error) });
  const seen: WebhookRecord[] = [];
  const nothing = () => {};
  const ingest = activity.ofIngest({
    webhook: (record) => seen.push(record),
    rejected: nothing,
    fault: nothing,
    certificateReloaded: nothing,
    certificateRejected: nothing,
  });
  const delivery = activity.ofDelivery({
    attempted: nothing,
    probed: nothing,
    breakerOpened: nothing,
    faulted: nothing,
  });
  const client = { remoteAddress: '192.0.2.1', clientAddress: undefined, userAgent: undefined };
  const webhook = (answer: WebhookRecord['answer'], caller: string | undefined = 'ci', status = 200) =>
    ingest.webhook({ ...client, caller, status, answer, bodyBytes: 0, durationMs: 1 });
  return {
    clock,
    journal,
    activity,
    seen,
    faults,
    delivery,
    receive: (...results: readonly EventResult[]) =>
      webhook({ kind: 'receipt', events: results.map((result) => ({ ...EVENT, result })) }),
    reject: (answer: Rejection, caller: string | undefined, status: number) => webhook(answer, caller, status),
    rejectAnonymous: () =>
      ingest.webhook({
        ...client,
        caller: undefined,
        status: 403,
        answer: { kind: 'unauthenticated' },
        bodyBytes: 0,
        durationMs: 1,
      }),
  };
}

test('what happens is counted by minute, for an hour', () => {
  const { activity, clock, receive, delivery, rejectAnonymous } = aRig();
  receive({ kind: 'accepted', seq: 1 }, { kind: 'duplicate', of: 1 });
  receive({ kind: 'dead-lettered', seq: 2, reason: 'no-registry' });
  clock.advance(MINUTE_MS);
  const complete = { kind: 'complete' } as const;
  delivery.attempted(aClaim('a'), anAttempt(0, DELIVERED), complete, false);
  delivery.attempted(aClaim('b'), anAttempt(0, REJECTED), { kind: 'dead-letter', reason: 'rejected' }, false);
  rejectAnonymous();
  const at = clock.now() - (clock.now() % MINUTE_MS);
  const minutes = activity.minutes();
  assert.equal(minutes.length, 60);
  assert.deepEqual(minutes.slice(-2), [
    { at: at - MINUTE_MS, received: 2, delivered: 0, deadLettered: 1, turnedAway: 1 },
    { at, received: 0, delivered: 1, deadLettered: 1, turnedAway: 1 },
  ]);
  clock.advance(60 * MINUTE_MS);
  receive({ kind: 'accepted', seq: 3 });
  assert.equal(
    activity.minutes().reduce((sum, { received }) => sum + received, 0),
    1,
  );
});

test('what is turned away is noted in the journal after a second, with what may be shown of it', async () => {
  const { activity, clock, journal, receive, reject, rejectAnonymous } = aRig();
  const at = clock.now();
  receive(
    { kind: 'accepted', seq: 1 },
    { kind: 'duplicate', of: 1 },
    { kind: 'ignored', reason: 'rule', rule: 'no-dev' },
    { kind: 'ignored', reason: 'ping' },
  );
  reject({ kind: 'unavailable', reason: 'full', lost: [EVENT, EVENT] }, 'ci', 503);
  const issue = { path: 'repository', expected: 'team/*', received: 'other' };
  reject({ kind: 'out-of-scope', issue }, 'ci', 403);
  rejectAnonymous();
  assert.deepEqual(await journal.turnedAway(PERIOD), []);
  clock.advance(1000);
  await activity.close();
  const counts = await journal.turnedAway(PERIOD);
  assert.deepEqual(counts.map(({ caller, reason, count }) => `${caller} ${reason} ${count}`).toSorted(), [
    'ci duplicate 1',
    'ci ignored 2',
    'ci out-of-scope 1',
    'ci unavailable 2',
    'undefined unauthenticated 1',
  ]);
  const samples = (await journal.recentlyTurnedAway(100)).map(({ id: _, ...sample }) => sample);
  assert.deepEqual(samples.at(0), { at, remoteAddress: '192.0.2.1', status: 403, reason: 'unauthenticated' });
  const ci = { at, caller: 'ci', remoteAddress: '192.0.2.1' };
  assert.deepEqual(samples.at(1), {
    ...ci,
    status: 403,
    reason: 'out-of-scope',
    detail: 'repository: expected team/*, got other',
  });
  assert.deepEqual(samples.at(-1), { ...ci, status: 200, reason: 'duplicate', detail: 'of #1', event: EVENT });
});

test('one caller’s samples do not take the place of another’s, and all of them are counted', async () => {
  const { activity, journal, receive, rejectAnonymous } = aRig();
  for (let n = 0; n < 500; n++) rejectAnonymous();
  receive({ kind: 'duplicate', of: 1 });
  await activity.close();
  const samples = await journal.recentlyTurnedAway(100);
  assert.deepEqual([samples.length, samples[0]?.reason], [11, 'duplicate']);
  const [unauthenticated] = (await journal.turnedAway(PERIOD)).filter(({ caller }) => caller === undefined);
  assert.equal(unauthenticated?.count, 500);
});

test('a journal that does not take it is reported once, until it does again', async () => {
  const { activity, journal, faults, clock, receive } = aRig();
  await journal.close();
  for (let n = 0; n < 3; n++) {
    receive({ kind: 'duplicate', of: 1 });
    clock.advance(1000);
    await activity.close();
  }
  assert.equal(faults.length, 1);
});

test('each caller is shown with what it sent, and when it last did', () => {
  const { activity, clock, receive, rejectAnonymous } = aRig();
  receive({ kind: 'accepted', seq: 1 }, { kind: 'accepted', seq: 2 }, { kind: 'duplicate', of: 1 });
  rejectAnonymous();
  assert.deepEqual([...activity.callers()], [['ci', { received: 2, turnedAway: 1, lastAt: clock.now() }]]);
});

test('the sink is as the last probe or attempt showed it', () => {
  const { activity, clock, delivery } = aRig();
  const at = clock.now();
  assert.equal(activity.sink(), undefined);
  delivery.breakerOpened(UNAVAILABLE);
  assert.deepEqual(activity.sink(), { at, isReady: false, detail: 'ECONNREFUSED' });
  delivery.probed({ kind: 'ready', detail: 'Brigade v2.6.0' }, { kind: 'closed', isTrial: true });
  assert.deepEqual(activity.sink(), { at, isReady: true, detail: 'Brigade v2.6.0' });
});

test('a listener hears of each event that is kept or attempted, until it stops', () => {
  const { activity, receive, delivery } = aRig();
  const heard: number[] = [];
  const stop = activity.onChange((seq) => heard.push(seq));
  receive({ kind: 'accepted', seq: 7 }, { kind: 'duplicate', of: 1 });
  delivery.attempted(aClaim('a', { seq: 8 }), anAttempt(0, DELIVERED), { kind: 'complete' }, false);
  stop();
  receive({ kind: 'accepted', seq: 9 });
  assert.deepEqual(heard, [7, 8]);
});
