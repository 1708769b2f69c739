import assert from 'node:assert/strict';
import {
  append,
  claimAllDue,
  claimOne,
  keep,
  keepDeadLetter,
  keepOne,
  list,
  pruneAll,
  seqs,
} from '../../../test/support/journal-steps.ts';
import { aDeadLetter, aLargeRecord, aRecord } from '../../../test/support/records.ts';
import type { RedeliveryJob, TurnedAwaySample } from '../journal.ts';
import { LIMITS } from '../limits.ts';
import type { Proof } from './journal-harness.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

export function operationSuite(proves: Proof): void {
  discardSuite(proves);
  pauseSuite(proves);
  jobSuite(proves);
  turnedAwaySuite(proves);
}

function discardSuite(proves: Proof): void {
  proves('a discarded dead letter keeps its payload and its reason, and says who discarded it', async (harness) => {
    const { journal, now } = harness;
    const record = aDeadLetter('a', now());
    const seq = await keepOne(journal, record);
    const before = now();

    assert.equal(await journal.discard(seq, 'alice'), true);

    const current = harness.durable ? await harness.reopen() : journal;
    const kept = await current.get(seq);
    assert.equal(kept?.state, 'discarded');
    assert.equal(kept.discarded?.by, 'alice');
    assert.ok(kept.discarded.at >= before && kept.discarded.at <= now());
    assert.equal(kept.deadLetter?.reason, record.deadLetter?.reason);
    assert.deepEqual([...kept.raw], [...record.raw]);
    assert.deepEqual(seqs(await list(current, { state: 'discarded', limit: 10 })), [seq]);
    assert.deepEqual(await list(current, { state: 'dead-lettered', limit: 10 }), []);
    const { pending, deadLetters, discarded, oldestDeadLetterAt } = await current.stats();
    assert.deepEqual({ pending, deadLetters, discarded }, { pending: 0, deadLetters: 0, discarded: 1 });
    assert.equal(oldestDeadLetterAt, undefined);
  });

  proves('only a dead letter can be discarded, once', async ({ journal, now }) => {
    const [pending = 0, dead = 0] = await keep(journal, aRecord('a', now()), aDeadLetter('b', now()));
    assert.equal(await journal.discard(pending, 'alice'), false);
    assert.equal(await journal.discard(99, 'alice'), false);
    assert.equal(await journal.discard(dead, 'alice'), true);
    assert.equal(await journal.discard(dead, 'bob'), false);
    assert.equal((await journal.get(dead))?.discarded?.by, 'alice');
  });

  proves('a discarded event can be redelivered', async ({ journal, now }) => {
    const seq = await keepDeadLetter(journal, aRecord('a', now()), 'rejected');
    await journal.discard(seq, 'alice');

    assert.equal(await journal.redeliver(seq), true);

    assert.equal((await claimOne(journal)).seq, seq);
    const { state, deadLetter, discarded } = (await journal.get(seq)) ?? {};
    assert.deepEqual(
      { state, deadLetter, discarded },
      { state: 'pending', deadLetter: undefined, discarded: undefined },
    );
    assert.equal((await journal.stats()).discarded, 0);
  });

  proves('discarding a dead letter changes nothing about its key', async (harness) => {
    const { journal, now } = harness;
    const rejected = await keepDeadLetter(journal, aRecord('a', now()), 'rejected');
    const expired = await keepDeadLetter(journal, aRecord('b', now()), 'expired');
    await journal.discard(rejected, 'alice');
    await journal.discard(expired, 'alice');

    const current = harness.durable ? await harness.reopen() : journal;
    await keepOne(current, aRecord('a', now()));
    assert.deepEqual(await append(current, aRecord('b', now())), [{ kind: 'duplicate', of: expired }]);
  });

  proves('a discarded event is kept for 7 days from then on', async ({ journal, now, advance }) => {
    const seq = await keepOne(journal, aDeadLetter('a', now()));
    await advance(20 * DAY);
    await journal.discard(seq, 'alice');

    await advance(7 * DAY - MINUTE);
    await pruneAll(journal);
    assert.equal((await journal.get(seq))?.state, 'discarded');
    await advance(2 * MINUTE);
    await pruneAll(journal);

    assert.equal(await journal.get(seq), undefined);
    assert.equal((await journal.stats()).discarded, 0);
  });

  proves('beyond the size of the journal, discarded events are pruned early', async (harness, context) => {
    const { journal, now, maxHistoryBytes } = harness;
    if (maxHistoryBytes === undefined) return context.skip('no test can reach its size');
    const letters = await keep(
      journal,
      ...['a', 'b'].map((name) => ({ ...aLargeRecord(name, now(), maxHistoryBytes / 20), deadLetter: LETTER })),
    );
    for (const seq of letters) await journal.discard(seq, 'alice');
    for (const name of ['c', 'd', 'e', 'f']) {
      await keepOne(journal, aLargeRecord(name, now(), maxHistoryBytes / 4 + 1));
      for (const { seq, fence } of await claimAllDue(journal, now())) {
        await journal.complete({ seq, fence, decision: { kind: 'complete' } });
      }
    }

    await pruneAll(journal);

    assert.deepEqual(await list(journal, { state: 'discarded', limit: 10 }), []);
  });
}

const LETTER = { reason: 'no-registry', detail: '' } as const;

function pauseSuite(proves: Proof): void {
  proves('a pause of deliveries lasts through a crash until they are resumed', async (harness) => {
    const { journal } = harness;
    assert.equal(await journal.pauseState(), undefined);
    await journal.pause('alice', 1_000);
    await journal.pause('bob', 2_000);

    const current = harness.durable ? await harness.reopen() : journal;
    assert.deepEqual(await current.pauseState(), { by: 'alice', at: 1_000 });
    assert.deepEqual((await current.stats()).paused, { by: 'alice', at: 1_000 });
    await current.resume();
    assert.equal(await current.pauseState(), undefined);
    assert.equal((await current.stats()).paused, undefined);
  });
}

function aJob(id: string, changes: Partial<RedeliveryJob> = {}): RedeliveryJob {
  const filter = { repository: 'team/*', from: 5 };
  const numbers = { at: 1_000, perSecond: 10, before: 50, matches: 7, redelivered: 0, skipped: 0 };
  return { id, by: 'alice', filter, ...numbers, state: 'running', ...changes };
}

function jobSuite(proves: Proof): void {
  proves('redelivery jobs last through a crash, with their progress', async (harness) => {
    const { journal } = harness;
    await journal.putRedelivery(aJob('a'));
    await journal.putRedelivery(aJob('b'));
    await journal.putRedelivery(aJob('a', { before: 20, redelivered: 4, state: 'done', endedAt: 2_000 }));

    const current = harness.durable ? await harness.reopen() : journal;
    assert.deepEqual(await current.redeliveries(), [
      aJob('b'),
      aJob('a', { before: 20, redelivered: 4, state: 'done', endedAt: 2_000 }),
    ]);
  });

  proves('of many redelivery jobs, the oldest that have ended are forgotten', async ({ journal }) => {
    await journal.putRedelivery(aJob('first'));
    for (let index = 0; index < LIMITS.maxRedeliveryJobs; index++) {
      await journal.putRedelivery(aJob(`${index}`, { state: 'canceled' }));
    }
    const ids = (await journal.redeliveries()).map(({ id }) => id);
    assert.equal(ids.length, LIMITS.maxRedeliveryJobs);
    assert.deepEqual([ids[0], ids.at(-2), ids.at(-1)], [`${LIMITS.maxRedeliveryJobs - 1}`, '1', 'first']);
  });
}

function turnedAwaySuite(proves: Proof): void {
  proves('what was turned away is counted by minute, caller and reason', async ({ journal, now }) => {
    const minute = Math.floor(now() / MINUTE) * MINUTE;
    const duplicates = { minute, caller: 'ci', reason: 'duplicate', count: 2 };
    const strange = { minute: minute - MINUTE, reason: 'unauthenticated', count: 1 };
    await journal.noteTurnedAway({ counts: [duplicates, strange], samples: [] });
    await journal.noteTurnedAway({ counts: [{ ...duplicates, count: 3 }], samples: [] });

    const all = await journal.turnedAway({ from: 0, until: minute + 1 });
    assert.deepEqual(all, [strange, { ...duplicates, count: 5 }]);
    assert.deepEqual(await journal.turnedAway({ from: minute, until: minute + 1 }), [{ ...duplicates, count: 5 }]);
    assert.deepEqual(await journal.turnedAway({ from: 0, until: minute }), [strange]);
  });

  proves('samples of what was turned away are read newest first, page by page', async ({ journal }) => {
    const event = { id: 'a', action: 'push', registry: 'example.azurecr.io' };
    const full = { at: 1, caller: 'ci', remoteAddress: '::1', status: 200, reason: 'ignored', event, detail: 'rule x' };
    await journal.noteTurnedAway({ counts: [], samples: [full, aSample(2), aSample(3)] });

    const page = await journal.recentlyTurnedAway(2);
    assert.deepEqual(
      page.map(({ at }) => at),
      [3, 2],
    );
    const [last, ...others] = await journal.recentlyTurnedAway(2, page[1]?.id);
    assert.deepEqual([{ ...last, id: 0 }, others], [{ ...full, id: 0 }, []]);
  });

  proves('of what was turned away, the newest thousand samples and the counts of 7 days are kept', async (harness) => {
    const { journal, now, advance } = harness;
    const samples = Array.from({ length: LIMITS.maxTurnedAwaySamples + 5 }, (_, index) => aSample(index));
    await journal.noteTurnedAway({ counts: [{ minute: now(), reason: 'unreadable', count: 1 }], samples });
    const kept = await journal.recentlyTurnedAway(10_000);
    assert.equal(kept.length, LIMITS.maxTurnedAwaySamples);
    assert.deepEqual([kept[0]?.at, kept.at(-1)?.at], [samples.length - 1, 5]);

    await advance(LIMITS.turnedAwayMs + MINUTE);
    const newest = { minute: now(), reason: 'unreadable', count: 4 };
    await journal.noteTurnedAway({ counts: [newest], samples: [] });
    assert.deepEqual(await journal.turnedAway({ from: 0, until: Number.MAX_SAFE_INTEGER }), [newest]);
  });

  proves('counts of what was turned away are bounded', async ({ journal, now }) => {
    const counts = Array.from({ length: LIMITS.maxTurnedAwayCounts + 10 }, (_, index) => ({
      minute: now(),
      reason: `${index}`,
      count: 1,
    }));
    await journal.noteTurnedAway({ counts, samples: [] });
    const kept = await journal.turnedAway({ from: 0, until: Number.MAX_SAFE_INTEGER });
    assert.equal(kept.length, LIMITS.maxTurnedAwayCounts);
    assert.ok(kept.every(({ reason }) => Number(reason) >= 10));
  });
}

function aSample(at: number): TurnedAwaySample {
  return { at, remoteAddress: '127.0.0.1', status: 403, reason: 'unauthenticated' };
}
