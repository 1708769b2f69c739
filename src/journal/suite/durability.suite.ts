import assert from 'node:assert/strict';
import {
  append,
  claimAllDue,
  claimDue,
  claimOne,
  completeDelivered,
  deadLetterClaim,
  keep,
  keepDelivered,
  keepOne,
  list,
  pruneAll,
  retryClaim,
  seqs,
} from '../../../test/support/journal-steps.ts';
import { aDeadLetter, aRecord } from '../../../test/support/records.ts';
import type { Harness, Proof } from './journal-harness.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

export function durabilitySuite(proves: Proof): void {
  crashSuite(durable(proves));
  damageSuite(durable(proves));
}

function durable(proves: Proof): Proof {
  return (title, run) =>
    proves(title, async (harness, context) => {
      if (!harness.durable) return context.skip('a journal in memory ends with its process');
      await run(harness, context);
    });
}

function crashSuite(proves: Proof): void {
  proves('after a crash, everything that was taken in is there', async ({ journal, now, reopen }) => {
    await keepDelivered(journal, aRecord('delivered', now()));
    await keep(journal, aDeadLetter('dead-lettered', now()), aRecord('given up', now()));
    await deadLetterClaim(journal, await claimOne(journal), now());
    await keepOne(journal, aRecord('retried', now()));
    await retryClaim(journal, await claimOne(journal), now(), now() + HOUR);
    await keepOne(journal, aRecord('new', now()));
    const before = await everything(journal);

    assert.deepEqual(await everything(await reopen()), before);
  });

  proves('a webhook that is redelivered after a crash is kept once', async ({ journal, now, reopen }) => {
    const seq = await keepOne(journal, aRecord('a', now()));
    assert.deepEqual(await append(journal, aRecord('a', now())), [{ kind: 'duplicate', of: seq }]);

    const reopened = await reopen();

    assert.deepEqual(await append(reopened, aRecord('a', now())), [{ kind: 'duplicate', of: seq }]);
    assert.deepEqual(seqs(await claimAllDue(reopened, now())), [seq]);
  });

  proves('after a crash, events can be claimed again, and earlier claims cannot be completed', async (harness) => {
    const { journal, now, reopen } = harness;
    const kept = await keep(journal, aRecord('a', now()), aRecord('b', now()));
    const lost = await claimDue(journal);
    assert.equal(lost.length, 2);

    const reopened = await reopen();

    for (const claim of lost) assert.equal(await completeDelivered(reopened, claim, now()), false);
    const again = await claimAllDue(reopened, now());
    assert.deepEqual(new Set(seqs(again)), new Set(kept));
    for (const claim of lost) assert.equal(await completeDelivered(reopened, claim, now()), false);
    for (const claim of again) assert.equal(await completeDelivered(reopened, claim, now()), true);
  });

  proves('a completed event is not claimed again after a crash', async ({ journal, now, reopen }) => {
    await keepDelivered(journal, aRecord('a', now()));
    assert.deepEqual(await claimAllDue(await reopen(), now()), []);
  });

  proves('a retried event waits for its time across a crash', async ({ journal, now, advance, reopen }) => {
    await keepOne(journal, aRecord('a', now()));
    const claim = await claimOne(journal);
    await retryClaim(journal, claim, now(), now() + HOUR);

    const reopened = await reopen();

    assert.deepEqual(await claimAllDue(reopened, now()), []);
    await advance(2 * HOUR);
    assert.equal((await claimOne(reopened)).history.attempts, 1);
  });

  proves('a number is never used again, even after its record was pruned and a crash', async (harness) => {
    const { journal, now, advance, reopen } = harness;
    const used = await keepDelivered(journal, aRecord('a', now()), aRecord('b', now()));
    await advance(8 * DAY);
    await pruneAll(journal);
    assert.deepEqual(await list(journal, { limit: 10 }), []);

    const reopened = await reopen();

    assert.ok((await keepOne(reopened, aRecord('c', now()))) > Math.max(...used));
  });

  proves('what an append during closing reports as kept is there after a restart', async ({ journal, now, reopen }) => {
    const appending = journal.append([aRecord('a', now())]);
    await journal.close();
    const outcome = await appending;

    const found = await list(await reopen(), { limit: 10 });

    const kept = outcome.kind === 'appended' ? outcome.records.map(({ kind }) => kind) : [];
    assert.equal(found.length, kept.filter((kind) => kind === 'kept').length);
  });
}

function damageSuite(proves: Proof): void {
  proves('a damaged record becomes a dead letter, and its neighbours are delivered', async (harness, context) => {
    if (harness.damage === undefined) return context.skip('its records cannot be damaged from outside');
    const { journal, now, reopen } = harness;
    const names = ['a', 'b', 'c'];
    const [before = 0, damaged = 0, after = 0] = await keep(journal, ...names.map((name) => aRecord(name, now())));

    await harness.damage(damaged);
    const reopened = await reopen();

    assert.deepEqual(new Set(seqs(await claimAllDue(reopened, now()))), new Set([before, after]));
    const [letter, ...others] = await list(reopened, { state: 'dead-lettered', limit: 10 });
    assert.equal(letter?.seq, damaged);
    assert.equal(letter?.deadLetter?.reason, 'damaged');
    assert.deepEqual(others, []);
    const { pending, deadLetters, damaged: count } = await reopened.stats();
    assert.deepEqual({ pending, deadLetters, count }, { pending: 2, deadLetters: 1, count: 1 });
  });
}

async function everything(journal: Harness['journal']) {
  const records = await list(journal, { limit: 100 });
  return Promise.all(records.map(({ seq }) => journal.get(seq)));
}
