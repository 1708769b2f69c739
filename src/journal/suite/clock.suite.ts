import assert from 'node:assert/strict';
import {
  append,
  claimAllDue,
  claimDue,
  claimOne,
  completeDelivered,
  keep,
  keepDelivered,
  keepOne,
  list,
  pruneAll,
  retryClaim,
  seqs,
} from '../../../test/support/journal-steps.ts';
import { aDeadLetter, aKey, aRecord } from '../../../test/support/records.ts';
import { LIMITS } from '../limits.ts';
import type { Proof } from './journal-harness.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const YEAR = 365 * 24 * HOUR;

const WRONG_CLOCKS = [
  { name: '10 years ahead', ms: 10 * YEAR },
  { name: '10 years behind', ms: -10 * YEAR },
];

/** What holds when the clock of the machine is set, and set right again. */
export function clockSuite(proves: Proof): void {
  orderSuite(proves);
  for (const wrong of WRONG_CLOCKS) {
    queueSuite(proves, wrong);
    retentionSuite(proves, wrong);
    reopenSuite(proves, wrong);
  }
}

function orderSuite(proves: Proof): void {
  proves(
    'an event that was kept before the clock was set back is claimed, before those kept after it',
    async (harness) => {
      const { journal, now } = harness;
      const retried = await keepOne(journal, aRecord('retried', now()));
      await retryClaim(journal, await claimOne(journal), now(), now());
      const [before, after] = await keep(journal, aRecord('before', now()), aRecord('after', now() - HOUR));

      const two = seqs(await claimDue(journal, 2));

      const all = [...two, ...seqs(await claimAllDue(journal, now()))];
      assert.deepEqual(new Set(all), new Set([retried, before, after]));
      assert.deepEqual(
        all.filter((seq) => seq !== retried),
        [before, after],
      );
    },
  );
}

interface WrongClock {
  readonly name: string;
  readonly ms: number;
}

function queueSuite(proves: Proof, { name, ms }: WrongClock): void {
  proves(`an event that was retried by a clock ${name} is due when it has waited`, async (harness) => {
    const { journal, now, advance, setClock } = harness;
    setClock(ms);
    const seq = await keepOne(journal, aRecord('a', now()));
    await retryClaim(journal, await claimOne(journal), journal.time(), journal.time() + 10 * MINUTE);
    setClock(0);

    const dueInMs = ((await journal.get(seq))?.dueAt ?? 0) - now();
    assert.ok(dueInMs > 9 * MINUTE && dueInMs <= 10 * MINUTE, `it is due in ${dueInMs} ms`);
    const { oldestPendingAt = 0 } = await journal.stats();
    assert.ok(Math.abs(now() - oldestPendingAt) < MINUTE);
    await advance(9 * MINUTE);
    assert.deepEqual(await claimAllDue(journal, now()), []);
    await advance(2 * MINUTE);
    const [claim, ...others] = await claimAllDue(journal, now());
    assert.deepEqual([claim?.seq, others], [seq, []]);
    const ageMs = journal.time() - (claim?.history.agesFrom ?? 0);
    assert.ok(ageMs >= 11 * MINUTE && ageMs < HOUR, `its age is ${ageMs} ms`);
  });

  proves(`a clock that is set ${name} makes no event due and ends no lease`, async (harness) => {
    const { journal, now, advance, setClock } = harness;
    const [waiting, claimed] = await keep(journal, aRecord('a', now()), aRecord('b', now()));
    await retryClaim(journal, await claimOne(journal), journal.time(), journal.time() + HOUR);
    const claim = await claimOne(journal);
    assert.equal(claim.seq, claimed);

    setClock(ms);

    assert.deepEqual(await claimAllDue(journal, now()), []);
    const waits = claimDue(journal);
    assert.equal(await completeDelivered(journal, claim, now()), true);
    const added = await keepOne(journal, aRecord('c', now()));
    assert.deepEqual(seqs(await waits), [added]);
    await advance(61 * MINUTE);
    assert.deepEqual(new Set(seqs(await claimAllDue(journal, now()))), new Set([waiting, added]));
  });

  proves(`an event that arrives by a clock ${name} is shown with the time of that clock`, async (harness) => {
    const { journal, now, setClock } = harness;
    setClock(ms);
    const receivedAt = now();
    const seq = await keepOne(journal, aRecord('a', receivedAt));
    const dead = await keepOne(journal, aDeadLetter('b', receivedAt));
    setClock(0);

    assert.equal((await claimOne(journal)).receivedAt, receivedAt);
    assert.equal((await journal.get(seq))?.receivedAt, receivedAt);
    assert.ok(Math.abs(((await journal.get(dead))?.deadLetter?.at ?? 0) - receivedAt) < MINUTE);
    const { oldestDeadLetterAt = 0 } = await journal.stats();
    assert.ok(Math.abs(now() - oldestDeadLetterAt) < MINUTE);
  });
}

function retentionSuite(proves: Proof, { name, ms }: WrongClock): void {
  proves(`pruning by a clock ${name} removes no history, no dead letter and no key`, async (harness) => {
    const { journal, now, setClock } = harness;
    const content = { key: aKey('content'), windowMs: HOUR };
    const [delivered = 0] = await keepDelivered(journal, aRecord('delivered', now(), { content }));
    const dead = await keepOne(journal, aDeadLetter('dead', now()));

    setClock(ms);
    assert.equal(await pruneAll(journal), 0);

    assert.deepEqual(seqs(await list(journal, { limit: 10 })), [dead, delivered]);
    const twice = { kind: 'duplicate', of: delivered } as const;
    assert.deepEqual(await append(journal, aRecord('delivered', now())), [twice]);
    assert.deepEqual(await append(journal, aRecord('other', now(), { content })), [{ ...twice, by: 'content' }]);
  });

  proves(`what was kept by a clock ${name} is pruned when it is old, keys too`, async (harness) => {
    const { journal, now, advance, setClock } = harness;
    const content = { key: aKey('content'), windowMs: HOUR };
    setClock(ms);
    await keepDelivered(journal, aRecord('delivered', now(), { content }));
    await keepOne(journal, aDeadLetter('dead', now()));
    setClock(0);

    await advance(HOUR + MINUTE);
    const anew = await keepOne(journal, aRecord('other', now(), { content }));
    await advance(LIMITS.deliveredMs);
    await pruneAll(journal);
    await keepOne(journal, aRecord('delivered', now()));
    await advance(LIMITS.deadLettersMs);
    await pruneAll(journal);

    assert.deepEqual(
      (await list(journal, { limit: 10 })).map(({ seq, state }) => [seq >= anew, state]),
      [
        [true, 'pending'],
        [true, 'pending'],
      ],
    );
  });
}

function reopenSuite(proves: Proof, { name, ms }: WrongClock): void {
  proves(
    `a journal that is opened by a clock ${name} prunes nothing, and its events fall due`,
    async (harness, context) => {
      const { journal, now, advance, setClock, reopen } = harness;
      if (!harness.durable) return context.skip('a journal in memory ends with its process');
      const [delivered] = await keepDelivered(journal, aRecord('delivered', now()));
      const dead = await keepOne(journal, aDeadLetter('dead', now()));
      const waiting = await keepOne(journal, aRecord('waiting', now()));
      await retryClaim(journal, await claimOne(journal), journal.time(), journal.time() + 20 * MINUTE);

      setClock(ms);
      const wrong = await reopen();
      await pruneAll(wrong);
      assert.deepEqual(seqs(await list(wrong, { limit: 10 })), [waiting, dead, delivered]);
      setClock(0);
      const right = await reopen();
      await pruneAll(right);

      assert.deepEqual(seqs(await list(right, { limit: 10 })), [waiting, dead, delivered]);
      await advance(21 * MINUTE);
      const [claim] = await claimAllDue(right, now());
      assert.equal(claim?.seq, waiting);
      assert.ok(right.time() - (claim?.history.agesFrom ?? 0) < 3 * HOUR);
    },
  );
}
