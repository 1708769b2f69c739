import assert from 'node:assert/strict';
import {
  claimAllDue,
  claimDue,
  claimOne,
  completeDelivered,
  deadLetterClaim,
  keep,
  keepOne,
  list,
  retryClaim,
  seqs,
} from '../../../test/support/journal-steps.ts';
import { anAttempt, aRecord, UNCERTAIN } from '../../../test/support/records.ts';
import type { Journal } from '../journal.ts';
import type { Proof } from './journal-harness.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

export function completeSuite(proves: Proof): void {
  decisionSuite(proves);
  fenceSuite(proves);
  wakeSuite(proves);
}

function decisionSuite(proves: Proof): void {
  proves('a completed event is never claimed again', async ({ journal, now, advance }) => {
    const seq = await keepOne(journal, aRecord('a', now()));
    assert.equal(await completeDelivered(journal, await claimOne(journal), now()), true);

    await advance(HOUR);
    await journal.wake(0);

    assert.deepEqual(await claimAllDue(journal, now()), []);
    assert.equal((await journal.get(seq))?.state, 'delivered');
  });

  proves(
    'an event that is given up becomes a dead letter with the reason, and is not claimed again',
    async (harness) => {
      const { journal, now, advance } = harness;
      const seq = await keepOne(journal, aRecord('a', now()));
      const { fence } = await claimOne(journal);
      const attempt = anAttempt(now(), UNCERTAIN);
      const deadLetteredAfter = now();
      const decision = { kind: 'dead-letter', reason: 'uncertain' } as const;
      assert.equal(await journal.complete({ seq, fence, attempt, decision }), true);

      await advance(HOUR);
      assert.deepEqual(await claimAllDue(journal, now()), []);

      const record = await journal.get(seq);
      assert.equal(record?.state, 'dead-lettered');
      assert.equal(record?.deadLetter?.reason, 'uncertain');
      assert.equal(record?.deadLetter?.detail, '500');
      assert.ok((record?.deadLetter?.at ?? 0) >= deadLetteredAfter);
      const [summary] = await list(journal, { state: 'dead-lettered', limit: 1 });
      assert.deepEqual(summary?.deadLetter, record?.deadLetter);
    },
  );
}

function fenceSuite(proves: Proof): void {
  proves('a completion with a stale fence is not taken, and changes nothing', async ({ journal, now, advance }) => {
    const seq = await keepOne(journal, aRecord('a', now()));
    const stale = await claimOne(journal);
    await advance(121 * SECOND);
    const current = await claimOne(journal);
    const before = await journal.get(seq);

    assert.equal(await completeDelivered(journal, stale, now()), false);
    assert.equal(await deadLetterClaim(journal, stale, now()), false);
    assert.equal(await retryClaim(journal, stale, now(), now()), false);

    assert.deepEqual(await journal.get(seq), before);
    assert.deepEqual(await claimAllDue(journal, now()), []);
    assert.equal(await completeDelivered(journal, current, now()), true);
  });

  proves('a completion is taken after the lease has ended, unless the event was claimed again', async (harness) => {
    const { journal, now, advance } = harness;
    const kept = await keep(journal, aRecord('a', now()), aRecord('b', now()));
    const lapsed = await claimDue(journal, 2);
    assert.deepEqual(seqs(lapsed), kept);
    await advance(121 * SECOND);

    const [again] = await claimDue(journal, 1);
    const expected = kept.map((seq) => seq !== again?.seq);
    for (const [index, claim] of lapsed.entries()) {
      assert.equal(await completeDelivered(journal, claim, now()), expected[index]);
    }

    assert.deepEqual(await claimAllDue(journal, now()), []);
  });

  proves('a claim is completed once', async ({ journal, now }) => {
    const seq = await keepOne(journal, aRecord('a', now()));
    const claim = await claimOne(journal);
    assert.equal(await retryClaim(journal, claim, now(), now() + HOUR), true);

    assert.equal(await completeDelivered(journal, claim, now()), false);

    const record = await journal.get(seq);
    assert.equal(record?.state, 'pending');
    assert.equal(record?.attempts.length, 1);
  });

  proves('a completion from before a redelivery is not taken', async ({ journal, now }) => {
    const seq = await keepOne(journal, aRecord('a', now()));
    const claim = await claimOne(journal);
    assert.equal(await deadLetterClaim(journal, claim, now()), true);
    assert.equal(await journal.redeliver(seq), true);

    assert.equal(await completeDelivered(journal, claim, now()), false);

    assert.deepEqual(seqs(await claimAllDue(journal, now())), [seq]);
  });

  proves('a completion of a record that does not exist is not taken', async ({ journal, now }) => {
    const seq = await keepOne(journal, aRecord('a', now()));
    const { fence } = await claimOne(journal);
    assert.equal(await completeDelivered(journal, { seq: seq + 1, fence }, now()), false);
  });
}

function wakeSuite(proves: Proof): void {
  proves('waking makes waiting events due, the oldest first and spread over time', async (harness) => {
    const { journal, now, advance } = harness;
    const [younger, oldest, youngest] = await keep(
      journal,
      ...[2, 3, 1].map((age) => aRecord(`${age} minutes ago`, now() - age * MINUTE)),
    );
    await retryAll(journal, now(), now() + 10 * HOUR);

    await journal.wake(10 * MINUTE);

    for (const next of [oldest, younger, youngest]) {
      const due = await claimAllDue(journal, now());
      assert.deepEqual(seqs(due), [next]);
      for (const claim of due) assert.equal(await completeDelivered(journal, claim, now()), true);
      await advance(11 * MINUTE);
    }
  });

  proves('a claim that waits gets what waking makes due', async ({ journal, now }) => {
    const seq = await keepOne(journal, aRecord('a', now()));
    await retryAll(journal, now(), now() + HOUR);

    const waiting = claimDue(journal);
    await journal.wake(0);

    assert.deepEqual(seqs(await waiting), [seq]);
  });

  proves('waking postpones no event', async ({ journal, now, advance }) => {
    const [, soon] = await keep(journal, aRecord('a', now() - MINUTE), aRecord('b', now()));
    const [older, younger] = await claimDue(journal);
    assert.ok(older !== undefined && younger !== undefined);
    await retryClaim(journal, older, now(), now() + HOUR);
    await retryClaim(journal, younger, now(), now() + MINUTE);

    await journal.wake(HOUR);
    await advance(2 * MINUTE);

    assert.ok(seqs(await claimAllDue(journal, now())).includes(soon ?? 0));
  });

  proves('waking leaves an event that the sink may have taken at its time', async ({ journal, now, advance }) => {
    const [uncertain, other] = await keep(journal, aRecord('a', now() - MINUTE), aRecord('b', now()));
    for (const claim of await claimDue(journal)) {
      const history = { ...claim.history, uncertain: claim.seq === uncertain ? 1 : 0 };
      assert.equal(await retryClaim(journal, { ...claim, history }, now(), now() + HOUR), true);
    }

    await journal.wake(0);

    const [due, ...others] = await claimAllDue(journal, now());
    assert.deepEqual([due?.seq, others], [other, []]);
    assert.ok(due !== undefined && (await completeDelivered(journal, due, now())));
    await advance(HOUR);
    assert.deepEqual(seqs(await claimAllDue(journal, now())), [uncertain]);
  });

  proves('waking ends no lease', async ({ journal, now }) => {
    await keepOne(journal, aRecord('a', now()));
    const claim = await claimOne(journal);

    await journal.wake(0);

    assert.deepEqual(await claimAllDue(journal, now()), []);
    assert.equal(await completeDelivered(journal, claim, now()), true);
  });
}

async function retryAll(journal: Journal, now: number, dueAt: number): Promise<void> {
  for (const claim of await claimDue(journal)) assert.equal(await retryClaim(journal, claim, now, dueAt), true);
}
