import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ALICE, anOperator, type OperatorRig } from '../../test/support/an-operator.ts';
import { keep, keepDelivered } from '../../test/support/journal-steps.ts';
import { aRecord } from '../../test/support/records.ts';
import type { EventFilter, RedeliveryJob } from '../journal/journal.ts';
import { type NewRedelivery, Redeliveries, type RedeliveriesOptions } from './redeliveries.ts';

/** The most that a test waits, milliseconds of its own clock. */
const PATIENCE_MS = 60_000;

interface Rig extends OperatorRig {
  readonly redeliveries: Redeliveries;
  /** In their order. */
  readonly redelivered: readonly number[];
  /** Another process on the same journal. */
  restart(): Rig;
}

function aRig(base: OperatorRig = anOperator(), changes: Partial<RedeliveriesOptions> = {}): Rig {
  const { journal, clock } = base;
  const redelivered: number[] = [];
  const redeliveries = new Redeliveries({
    history: journal,
    jobs: journal,
    redeliver: async (seq) => {
      redelivered.push(seq);
      return (await journal.redeliver(seq)) ? { kind: 'redelivered' } : { kind: 'pending' };
    },
    clock,
    onFault: (error) => assert.fail(String(error)),
    ...changes,
  });
  return { ...base, redeliveries, redelivered, restart: () => aRig(base, changes) };
}

function delivered({ journal, clock }: Rig, count: number): Promise<readonly number[]> {
  return keepDelivered(journal, ...Array.from({ length: count }, (_, index) => aRecord(`${index}`, clock.now())));
}

async function start({ redeliveries }: Rig, changes: Partial<NewRedelivery> = {}): Promise<RedeliveryJob> {
  const job = await redeliveries.start({
    by: 'alice',
    filter: { caller: 'ci' },
    perSecond: 10,
    matches: 3,
    ...changes,
  });
  return job ?? assert.fail('another one runs');
}

/** Lets time pass until it is so. */
async function passTime({ clock }: Rig, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const startedAt = clock.tick();
  while (!(await isSo())) {
    assert.ok(clock.tick() - startedAt < PATIENCE_MS);
    clock.advance(1);
    await setImmediate();
  }
}

async function end(rig: Rig, id: string): Promise<RedeliveryJob> {
  const find = async () => (await rig.redeliveries.list()).find((each) => each.id === id);
  await passTime(rig, async () => (await find())?.state !== 'running');
  return (await find()) ?? assert.fail();
}

test('everything that the filter finds is redelivered, the newest first', async () => {
  const rig = aRig();
  const seqs = await delivered(rig, 25);
  const { id } = await start(rig);
  const { state, redelivered, skipped } = await end(rig, id);
  assert.deepEqual([state, redelivered, skipped], ['done', 25, 0]);
  assert.deepEqual(rig.redelivered, seqs.toReversed());
});

test('a redelivery keeps its pace', async () => {
  const rig = aRig();
  await delivered(rig, 30);
  const startedAt = rig.clock.tick();
  const { id } = await start(rig, { perSecond: 10 });
  await passTime(rig, () => rig.redelivered.length === 10);
  assert.ok(rig.clock.tick() - startedAt >= 900);
  await end(rig, id);
  assert.ok(rig.clock.tick() - startedAt >= 2900);
});

test('events that arrive after its start are not redelivered, nor those that the filter does not find', async () => {
  const rig = aRig();
  const seqs = await delivered(rig, 5);
  await keepDelivered(rig.journal, aRecord('other', rig.clock.now(), { caller: 'other' }));
  const { id } = await start(rig);
  await passTime(rig, () => rig.redelivered.length === 1);
  await keep(rig.journal, aRecord('late', rig.clock.now()));
  await end(rig, id);
  assert.deepEqual(rig.redelivered, seqs.toReversed());
});

test('pending events are skipped, and discarded ones unless the filter asks for them', async () => {
  const rig = aRig();
  const deadLetter = { reason: 'no-registry', detail: 'none' } as const;
  const [pending = 0, discarded = 0] = await keep(
    rig.journal,
    aRecord('pending', rig.clock.now()),
    aRecord('discarded', rig.clock.now(), { deadLetter }),
  );
  assert.ok(await rig.journal.discard(discarded, 'alice'));
  const first = await end(rig, (await start(rig)).id);
  assert.deepEqual([first.redelivered, first.skipped, rig.redelivered], [0, 2, [pending]]);
  const filter: EventFilter = { state: 'discarded' };
  const second = await end(rig, (await start(rig, { filter })).id);
  assert.deepEqual([second.redelivered, rig.redelivered], [1, [pending, discarded]]);
});

test('a canceled redelivery stops at once, and says how far it was', async () => {
  const rig = aRig();
  await delivered(rig, 50);
  const { id } = await start(rig);
  await passTime(rig, () => rig.redelivered.length === 3);
  assert.equal(await rig.redeliveries.cancel(id), true);
  const [job] = await rig.redeliveries.list();
  assert.deepEqual([job?.state, job?.redelivered, rig.redelivered.length], ['canceled', 3, 3]);
  assert.equal(await rig.redeliveries.cancel(id), false);
});

test('one redelivery runs at a time', async () => {
  const rig = aRig();
  await delivered(rig, 5);
  const { id } = await start(rig);
  assert.equal(
    await rig.redeliveries.start({ by: 'bob', filter: { caller: 'ci' }, perSecond: 1, matches: 5 }),
    undefined,
  );
  await end(rig, id);
  await start(rig);
});

test('a redelivery is seen while it runs', async () => {
  const rig = aRig();
  await delivered(rig, 5);
  await start(rig, { matches: 5 });
  await passTime(rig, () => rig.redelivered.length === 2);
  await setImmediate();
  const [job] = await rig.redeliveries.list();
  assert.deepEqual([job?.by, job?.state, job?.matches, job?.redelivered], ['alice', 'running', 5, 2]);
});

test('a redelivery continues after a restart where it was', async () => {
  const rig = aRig();
  const seqs = await delivered(rig, 20);
  const { id } = await start(rig);
  await passTime(rig, () => rig.redelivered.length === 12);
  await rig.redeliveries.close();
  const next = rig.restart();
  await next.redeliveries.resume();
  const { state, redelivered } = await end(next, id);
  assert.deepEqual([state, redelivered], ['done', 20]);
  assert.deepEqual([...rig.redelivered, ...next.redelivered], seqs.toReversed());
});

test('a redelivery that was canceled or has ended does not continue', async () => {
  const rig = aRig();
  await delivered(rig, 5);
  await rig.redeliveries.cancel((await start(rig)).id);
  await end(rig, (await start(rig)).id);
  const next = rig.restart();
  await next.redeliveries.resume();
  await start(next);
});

test('a failure of the journal is reported, and delays a redelivery only', async () => {
  const base = anOperator();
  const faults: unknown[] = [];
  const jobs = {
    redeliveries: () => base.journal.redeliveries(),
    putRedelivery: (job: RedeliveryJob) =>
      faults.length < 2 && job.redelivered > 0 ? Promise.reject(new Error('disk')) : base.journal.putRedelivery(job),
  };
  const rig = aRig(base, { jobs, onFault: (error) => faults.push(error) });
  const seqs = await delivered(rig, 15);
  const { state, redelivered } = await end(rig, (await start(rig)).id);
  assert.deepEqual([state, redelivered, faults.length], ['done', 15, 2]);
  assert.deepEqual(rig.redelivered, seqs.toReversed());
});

test('an operator learns before how many events a redelivery would send, and every change is reported by name', async () => {
  const { operator, journal, clock, changes, deliveries } = anOperator();
  const deadLetter = { reason: 'no-registry', detail: 'none' } as const;
  await keepDelivered(journal, aRecord('a', clock.now()), aRecord('b', clock.now()));
  const seqs = await keep(
    journal,
    aRecord('pending', clock.now()),
    aRecord('dead', clock.now(), { deadLetter }),
    aRecord('hopeless', clock.now(), { deadLetter }),
  );
  const filter: EventFilter = { caller: 'ci' };
  assert.equal(await operator.redeliverable(filter), 4);
  assert.equal(await operator.discardable(filter), 2);
  assert.deepEqual(changes, []);
  assert.deepEqual(await operator.discard(ALICE, seqs), [
    { seq: seqs[0], kind: 'no-dead-letter' },
    { seq: seqs[1], kind: 'discarded' },
    { seq: seqs[2], kind: 'discarded' },
  ]);
  await operator.pause(ALICE);
  assert.ok(deliveries.isPaused);
  assert.deepEqual((await operator.deliveries()).paused, { by: 'alice', at: clock.now() });
  await operator.resume(ALICE);
  assert.ok(!deliveries.isPaused);
  const job = await operator.startRedelivery(ALICE, filter, 10);
  assert.equal(job?.matches, 2);
  await operator.cancelRedelivery(ALICE, job.id);
  assert.deepEqual(
    changes.map(({ by, action }) => `${by} ${action}`),
    [
      'alice discarded',
      'alice deliveries-paused',
      'alice deliveries-resumed',
      'alice redelivery-started',
      'alice redelivery-canceled',
    ],
  );
  await operator.close();
});
