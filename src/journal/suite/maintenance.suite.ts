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
  list,
  pruneAll,
  retryClaim,
  seqs,
} from '../../../test/support/journal-steps.ts';
import { aDeadLetter, aLargeRecord, aRecord } from '../../../test/support/records.ts';
import type { Claim } from '../../model/delivery.ts';
import type { Queue } from '../journal.ts';
import type { Proof } from './journal-harness.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

export function maintenanceSuite(proves: Proof): void {
  retentionSuite(proves);
  pendingSuite(proves);
  deadLetterSuite(proves);
  keySuite(proves);
  closeSuite(proves);
}

function retentionSuite(proves: Proof): void {
  proves('completed history is kept for 7 days', async ({ journal, now, advance }) => {
    await keepDelivered(journal, aRecord('a', now()), aRecord('b', now()));

    await advance(7 * DAY - HOUR);
    assert.equal(await pruneAll(journal), 0);
    assert.equal((await list(journal, { limit: 10 })).length, 2);
    await advance(2 * HOUR);
    assert.ok((await pruneAll(journal)) >= 2);

    assert.deepEqual(await list(journal, { limit: 10 }), []);
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

    assert.deepEqual(seqs(await list(journal, { state: 'pending', limit: 10 })), [claimed, waiting]);
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

      const left = seqs(await list(journal, { state: 'delivered', limit: 10 }));
      assert.ok(left.length < delivered.length);
      assert.deepEqual(left, delivered.slice(delivered.length - left.length).reverse());
      assert.equal((await journal.get(pending))?.state, 'pending');
      assert.equal((await journal.get(dead))?.state, 'dead-lettered');
      assert.deepEqual(await append(journal, aRecord('a', now())), [{ kind: 'duplicate', of: delivered[0] ?? 0 }]);
    },
  );
}

function pendingSuite(proves: Proof): void {
  proves(
    'once pending events take half of the journal, each caller keeps at most an eighth pending, and no other notices',
    async (harness, context) => {
      const { now, maxHistoryBytes } = harness;
      if (maxHistoryBytes === undefined) return context.skip('no test can reach its size');
      const raw = new Uint8Array(maxHistoryBytes / 128);
      const keepUntilRejected = async (caller: string): Promise<number> => {
        for (let count = 0; count < 128; count++) {
          const outcome = await harness.journal.append([aRecord(`${caller} ${count}`, now(), { caller, raw })]);
          if (outcome.kind === 'appended') continue;
          assert.deepEqual(outcome, { kind: 'unavailable', reason: 'share' });
          return count;
        }
        return assert.fail('it may keep all pending that it likes');
      };

      const flood = await keepUntilRejected('flood');
      assert.ok(flood > 56 && flood <= 65, `${flood} of 128`);
      const other = await keepUntilRejected('other');
      assert.ok(other > 12 && other <= 17, `${other} of 128`);
      const journal = harness.durable ? await harness.reopen() : harness.journal;
      await keepOne(journal, aRecord('a', now(), { caller: 'third' }));
      assert.equal((await append(journal, aRecord('flood 0', now(), { caller: 'flood', raw })))[0]?.kind, 'duplicate');
      await keepOne(journal, aDeadLetter('dead letter', now(), { caller: 'flood' }));
      const next = aRecord('next', now(), { caller: 'flood' });
      assert.deepEqual(await journal.append([next]), { kind: 'unavailable', reason: 'share' });

      const claims = await claimAtLeast(journal, 24);
      for (const claim of claims.slice(1)) await completeDelivered(journal, claim, now());
      await keepOne(journal, next);
    },
  );

  proves(
    'a retried, a redelivered and a delivered event change what a caller has pending',
    async (harness, context) => {
      const { journal, now, maxHistoryBytes } = harness;
      if (maxHistoryBytes === undefined) return context.skip('no test can reach its size');
      const raw = new Uint8Array(maxHistoryBytes / 5);
      const record = (name: string) => aRecord(name, now(), { raw });
      const a = await keepOne(journal, record('a'));
      const others = [await keepOne(journal, record('b')), await keepOne(journal, record('c'))];
      const isFull = async () => (await journal.append([aRecord('d', now())])).kind === 'unavailable';
      assert.ok(await isFull());

      for (const claim of await claimAtLeast(journal, 3)) {
        if (claim.seq === a) await retryClaim(journal, claim, now(), now() + HOUR);
        else await completeDelivered(journal, claim, now());
      }
      await keepOne(journal, aRecord('e', now()));
      for (const seq of others) assert.ok(await journal.redeliver(seq));
      assert.ok(await isFull());
    },
  );
}

/** A claim carries few large events. */
async function claimAtLeast(journal: Queue, count: number): Promise<readonly Claim[]> {
  const claims: Claim[] = [];
  while (claims.length < count) claims.push(...(await claimDue(journal)));
  return claims;
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

      const left = seqs(await list(journal, { state: 'dead-lettered', limit: 100 }));
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

      const left = await list(journal, { state: 'dead-lettered', limit: 1_000 });
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

      assert.deepEqual(seqs(await list(journal, { limit: 10 })), [large]);
      await pruneAll(journal);
      assert.deepEqual(seqs(await list(journal, { limit: 10 })), [large]);
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
