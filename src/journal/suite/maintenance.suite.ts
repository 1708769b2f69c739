import assert from 'node:assert/strict';
import {
  append,
  claimDue,
  claimOne,
  completeDelivered,
  keep,
  keepDeadLetter,
  keepDelivered,
  keepOne,
  pruneAll,
  retryClaim,
  seqs,
} from '../../../test/support/journal-steps.ts';
import { aDeadLetter, aLargeRecord, aRecord } from '../../../test/support/records.ts';
import type { Proof } from './journal-harness.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

export function maintenanceSuite(proves: Proof): void {
  retentionSuite(proves);
  deadLetterSuite(proves);
  keySuite(proves);
  closeSuite(proves);
}

function retentionSuite(proves: Proof): void {
  proves('completed history is kept for 7 days', async ({ journal, now, advance }) => {
    await keepDelivered(journal, aRecord('a', now()), aRecord('b', now()));

    await advance(7 * DAY - HOUR);
    assert.equal(await pruneAll(journal), 0);
    assert.equal((await journal.find({ limit: 10 })).length, 2);
    await advance(2 * HOUR);
    assert.ok((await pruneAll(journal)) >= 2);

    assert.deepEqual(await journal.find({ limit: 10 }), []);
  });

  proves('dead letters are kept for 30 days', async ({ journal, now, advance }) => {
    const seq = await keepOne(journal, aDeadLetter('a', now()));

    await advance(30 * DAY - HOUR);
    await pruneAll(journal);
    assert.equal((await journal.get(seq))?.state, 'dead-lettered');
    await advance(2 * HOUR);
    await pruneAll(journal);

    assert.equal(await journal.get(seq), undefined);
  });

  proves('a pending event is never pruned, whether claimed or waiting', async ({ journal, now, advance }) => {
    const [waiting, claimed] = await keep(journal, aRecord('a', now() - HOUR), aRecord('b', now()));
    await retryClaim(journal, await claimOne(journal), now(), now() + 90 * DAY);
    await advance(89 * DAY);
    assert.deepEqual(seqs(await claimDue(journal)), [claimed]);

    await pruneAll(journal);

    assert.deepEqual(seqs(await journal.find({ state: 'pending', limit: 10 })), [claimed, waiting]);
  });

  proves(
    'beyond the size of the journal, delivered events are pruned early, the oldest first, and nothing else is',
    async (harness, context) => {
      const { journal, now, maxHistoryBytes } = harness;
      if (maxHistoryBytes === undefined) return context.skip('no test can reach its size');
      const dead = await keepOne(journal, aDeadLetter('dead-lettered', now()));
      const names = ['a', 'b', 'c', 'd', 'e', 'f'];
      const delivered: number[] = [];
      for (const name of names) {
        delivered.push(...(await keepDelivered(journal, aLargeRecord(name, now(), maxHistoryBytes / 4))));
      }
      const pending = await keepOne(journal, aRecord('pending', now()));

      await pruneAll(journal);

      const left = seqs(await journal.find({ state: 'delivered', limit: 10 }));
      assert.ok(left.length < delivered.length);
      assert.deepEqual(left, delivered.slice(delivered.length - left.length).reverse());
      assert.equal((await journal.get(pending))?.state, 'pending');
      assert.equal((await journal.get(dead))?.state, 'dead-lettered');
      assert.deepEqual(await append(journal, aRecord('a', now())), [{ kind: 'duplicate', of: delivered[0] ?? 0 }]);
    },
  );
}

function deadLetterSuite(proves: Proof): void {
  proves(
    'the dead letters of a caller give way to its newer ones, the oldest first, beyond an eighth of the journal',
    async ({ journal, now, maxHistoryBytes }, context) => {
      if (maxHistoryBytes === undefined) return context.skip('no test can reach its size');
      const others = await keepOne(journal, aDeadLetter('other', now(), { caller: 'other' }));
      const raw = new Uint8Array(maxHistoryBytes / 8 / 16);
      const flood: number[] = [];
      for (let index = 0; index < 30; index++) {
        flood.push(await keepOne(journal, aDeadLetter(`arrived ${index}`, now(), { caller: 'flood', raw })));
        const record = aRecord(`rejected ${index}`, now(), { caller: 'flood', raw });
        flood.push(await keepDeadLetter(journal, record, 'rejected'));
      }

      const left = seqs(await journal.find({ state: 'dead-lettered', limit: 100 }));
      assert.ok(left.length > 10 && left.length <= 16, `${left.length} are left`);
      assert.deepEqual(left, [...flood.slice(1 - left.length).reverse(), others]);
      assert.equal((await journal.stats()).deadLetters, left.length);
      assert.deepEqual((await journal.prune()).early, new Map([['flood', 61 - left.length]]));
      assert.deepEqual((await journal.prune()).early, new Map());
      assert.equal(await journal.get(flood[0] ?? 0), undefined);
      assert.deepEqual(await append(journal, aRecord('arrived 0', now())), [{ kind: 'duplicate', of: flood[0] ?? 0 }]);
      await keepOne(journal, aRecord('rejected 0', now()));
    },
  );

  proves(
    'all dead letters take at most half of the journal: those of the caller that has most give way',
    async ({ journal, now, maxHistoryBytes }, context) => {
      if (maxHistoryBytes === undefined) return context.skip('no test can reach its size');
      const raw = new Uint8Array(maxHistoryBytes / 8 / 16);
      const small = await keepOne(journal, aDeadLetter('small', now(), { caller: 'small', raw }));
      for (let caller = 0; caller < 6; caller++) {
        const names = Array.from({ length: 15 }, (_, index) => `${caller} ${index}`);
        await keep(journal, ...names.map((name) => aDeadLetter(name, now(), { caller: `caller ${caller}`, raw })));
      }

      const left = await journal.find({ state: 'dead-lettered', limit: 1_000 });
      assert.ok(left.length > 50 && left.length <= 64, `${left.length} are left`);
      assert.equal(left.at(-1)?.seq, small);
      const { early } = await journal.prune();
      assert.equal(
        early.values().reduce((sum, count) => sum + count, 0),
        91 - left.length,
      );
      assert.ok(early.size >= 5);
    },
  );

  proves(
    'the newest dead letter of a caller stays, however large',
    async ({ journal, now, maxHistoryBytes }, context) => {
      if (maxHistoryBytes === undefined) return context.skip('no test can reach its size');
      await keepOne(journal, aDeadLetter('a', now()));
      const raw = new Uint8Array(maxHistoryBytes / 8);
      const large = await keepOne(journal, aDeadLetter('b', now(), { raw }));

      assert.deepEqual(seqs(await journal.find({ limit: 10 })), [large]);
      await pruneAll(journal);
      assert.deepEqual(seqs(await journal.find({ limit: 10 })), [large]);
    },
  );
}

function keySuite(proves: Proof): void {
  proves('a key is kept for 7 days; after them, its event is kept again', async ({ journal, now, advance }) => {
    const [seq = 0] = await keepDelivered(journal, aRecord('a', now()));

    await advance(7 * DAY - HOUR);
    await pruneAll(journal);
    assert.deepEqual(await append(journal, aRecord('a', now())), [{ kind: 'duplicate', of: seq }]);
    await advance(2 * HOUR);
    await pruneAll(journal);

    const anew = await keepOne(journal, aRecord('a', now()));
    assert.ok(anew > seq);
    assert.equal((await claimOne(journal)).seq, anew);
  });
}

function closeSuite(proves: Proof): void {
  proves('a journal that can append passes its check', async ({ journal }) => {
    await journal.check();
  });

  proves('a closed journal takes nothing in and hands nothing out', async ({ journal, now }) => {
    await keepOne(journal, aRecord('a', now()));

    await journal.close();

    assert.deepEqual(await journal.append([aRecord('b', now())]), { kind: 'unavailable', reason: 'closed' });
    assert.deepEqual(await claimDue(journal), []);
  });

  proves('a closed journal neither shows nor changes anything', async ({ journal, now }) => {
    const seq = await keepOne(journal, aDeadLetter('a', now()));
    await keepOne(journal, aRecord('b', now()));
    const claim = await claimOne(journal);

    await journal.close();

    await assert.rejects(journal.check());
    await assert.rejects(journal.renew([claim]));
    await assert.rejects(journal.wake(0));
    await assert.rejects(journal.find({ limit: 1 }));
    await assert.rejects(journal.get(seq));
    await assert.rejects(journal.redeliver(seq));
    await assert.rejects(journal.stats());
    await assert.rejects(journal.prune());
  });

  proves('a closed journal takes no completion', async ({ journal, now }) => {
    await keepOne(journal, aRecord('a', now()));
    const claim = await claimOne(journal);

    await journal.close();

    assert.equal(await completeDelivered(journal, claim, now()), false);
  });

  proves('closing ends the claims that wait', async ({ journal }) => {
    const waiting = claimDue(journal);
    await journal.close();
    assert.deepEqual(await waiting, []);
  });
}
