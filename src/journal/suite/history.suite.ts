import assert from 'node:assert/strict';
import {
  claimAllDue,
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
import {
  aDeadLetter,
  anAttempt,
  aRecord,
  aRegistryEvent,
  DELIVERED,
  REJECTED,
  UNAVAILABLE,
} from '../../../test/support/records.ts';
import type { Journal } from '../journal.ts';
import type { Proof } from './journal-harness.ts';

const MINUTE = 60_000;

export function historySuite(proves: Proof): void {
  findSuite(proves);
  getSuite(proves);
  redeliverSuite(proves);
  statsSuite(proves);
}

function findSuite(proves: Proof): void {
  proves('history is read newest first, page by page', async ({ journal, now }) => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const [a = 0, b = 0, c = 0, d = 0, e = 0] = await keep(journal, ...names.map((name) => aRecord(name, now())));

    assert.deepEqual(seqs(await list(journal, { limit: 2 })), [e, d]);
    assert.deepEqual(seqs(await list(journal, { limit: 2, before: d })), [c, b]);
    assert.deepEqual(seqs(await list(journal, { limit: 2, before: b })), [a]);
    assert.deepEqual(await list(journal, { limit: 2, before: a }), []);
  });

  proves('history is read by state', async ({ journal, now }) => {
    const [a, b] = await keepDelivered(journal, aRecord('a', now()), aRecord('b', now()));
    const [c, d] = await keep(journal, aDeadLetter('c', now()), aDeadLetter('d', now()));
    const pending = await keepOne(journal, aRecord('e', now()));

    assert.deepEqual(seqs(await list(journal, { state: 'delivered', limit: 10 })), [b, a]);
    assert.deepEqual(seqs(await list(journal, { state: 'dead-lettered', limit: 10 })), [d, c]);
    assert.deepEqual(seqs(await list(journal, { state: 'dead-lettered', limit: 10, before: d ?? 0 })), [c]);
    assert.deepEqual(seqs(await list(journal, { state: 'pending', limit: 10 })), [pending]);
  });

  proves(
    'a record in a list says what happened in the registry, and which caller reported it',
    async ({ journal, now }) => {
      const receivedAt = now();
      const seq = await keepOne(journal, aRecord('a', receivedAt, { caller: 'release' }));

      assert.deepEqual(await list(journal, { limit: 10 }), [
        {
          seq,
          state: 'pending',
          receivedAt,
          format: 'acr',
          caller: 'release',
          event: aRegistryEvent('a'),
          attemptCount: 0,
        },
      ]);
    },
  );
}

function getSuite(proves: Proof): void {
  proves('a record is kept as it came, byte for byte, with its headers', async ({ journal, now }) => {
    const receivedAt = now();
    const raw = Uint8Array.from({ length: 1_024 }, (_, index) => index % 256);
    const headers = { 'content-type': 'application/json; charset=utf-8', 'aeg-event-type': 'Notification ✓' };
    const seq = await keepOne(journal, aRecord('a', receivedAt, { raw, headers }));

    const record = await journal.get(seq);

    assert.ok(record !== undefined);
    assert.deepEqual(
      { ...record, raw: [...record.raw], headers: { ...record.headers } },
      {
        seq,
        state: 'pending',
        receivedAt,
        caller: 'ci',
        event: aRegistryEvent('a'),
        format: 'acr',
        headers,
        raw: [...raw],
        delivery: 1,
        dueAt: receivedAt,
        attemptCount: 0,
        attempts: [],
      },
    );
  });

  proves('the events of one webhook have its headers, also when other events of it are deleted', async (harness) => {
    const { journal, now, advance } = harness;
    const shared = { headers: { 'content-type': 'application/json', 'aeg-event-type': 'Notification' } };
    const records = ['a', 'b', 'c'].map((name) => aRecord(name, now(), shared));
    const [a = 0, b = 0, c = 0] = await keep(journal, ...records, aDeadLetter('d', now(), shared), aRecord('e', now()));
    for (const claim of await claimAllDue(journal, now())) {
      if (claim.seq === a) await completeDelivered(journal, claim, now());
      else await deadLetterClaim(journal, claim, now());
    }
    await advance(8 * 24 * 60 * MINUTE);
    await pruneAll(journal);
    const current = harness.durable ? await harness.reopen() : journal;

    assert.equal(await current.get(a), undefined);
    for (const seq of [b, c, c + 1]) assert.deepEqual({ ...(await current.get(seq))?.headers }, shared.headers);
    assert.equal(await current.redeliver(b), true);
    assert.equal((await claimOne(current)).seq, b);
  });

  proves('a record does not change when the bytes that were appended change later', async ({ journal, now }) => {
    const buffer = Uint8Array.of(1, 2, 3, 4);
    const appending = journal.append([aRecord('a', now(), { raw: buffer.subarray(1, 3) })]);
    await appending;
    buffer.fill(0);

    const [summary] = await list(journal, { limit: 1 });
    assert.deepEqual([...((await journal.get(summary?.seq ?? 0))?.raw ?? [])], [2, 3]);
  });

  proves('a record lists its attempts in order, with outcomes, created events and decisions', async (harness) => {
    const { journal, now, advance } = harness;
    const seq = await keepOne(journal, aRecord('a', now()));
    const times: number[] = [];
    for (const complete of [retrySoon, deadLetterClaim]) {
      const at = now();
      times.push(at);
      assert.equal(await complete(journal, await claimOne(journal), at), true);
      await advance(2 * MINUTE);
    }
    assert.equal(await journal.redeliver(seq), true);
    times.push(now());
    assert.equal(await completeDelivered(journal, await claimOne(journal), times[2] ?? 0), true);

    const record = await journal.get(seq);

    assert.equal(record?.state, 'delivered');
    assert.equal(record?.attemptCount, 3);
    assert.deepEqual(record?.attempts, [
      { ...anAttempt(times[0] ?? 0, UNAVAILABLE), delivery: 1, decision: 'retry' },
      { ...anAttempt(times[1] ?? 0, REJECTED), delivery: 1, decision: 'dead-letter' },
      { ...anAttempt(times[2] ?? 0, DELIVERED), delivery: 2, decision: 'complete' },
    ]);
  });

  proves('a record that does not exist is not found', async ({ journal }) => {
    assert.equal(await journal.get(1), undefined);
    assert.equal(await journal.redeliver(1), false);
  });
}

function retrySoon(journal: Journal, claim: Awaited<ReturnType<typeof claimOne>>, at: number) {
  return retryClaim(journal, claim, at, at + MINUTE);
}

function redeliverSuite(proves: Proof): void {
  proves('a redelivered dead letter is claimed with a new budget and the next delivery number', async (harness) => {
    const { journal, now, advance } = harness;
    const receivedAt = now();
    const seq = await keepOne(journal, aRecord('a', receivedAt));
    await retrySoon(journal, await claimOne(journal), now());
    await advance(2 * MINUTE);
    await deadLetterClaim(journal, await claimOne(journal), now());
    await advance(MINUTE);
    const redeliveredAfter = now();

    assert.equal(await journal.redeliver(seq), true);

    const [claim] = await claimAllDue(journal, now());
    const agesFrom = claim?.history.agesFrom ?? 0;
    assert.ok(agesFrom >= redeliveredAfter);
    assert.deepEqual(claim?.history, { attempts: 0, uncertain: 0, agesFrom, lastAttemptAt: 0 });
    assert.equal(claim?.delivery, 2);
    assert.equal(claim?.receivedAt, receivedAt);
    assert.equal((await journal.get(seq))?.deadLetter, undefined);
    assert.deepEqual(await list(journal, { state: 'dead-lettered', limit: 1 }), []);
  });

  proves('a delivered event can be redelivered any number of times', async ({ journal, now }) => {
    const [seq = 0] = await keepDelivered(journal, aRecord('a', now()));

    for (const delivery of [2, 3]) {
      assert.equal(await journal.redeliver(seq), true);
      const claim = await claimOne(journal);
      assert.equal(claim.delivery, delivery);
      assert.equal(await completeDelivered(journal, claim, now()), true);
    }
  });

  proves('a redelivery can replace what was decoded', async ({ journal, now }) => {
    const seq = await keepOne(journal, aDeadLetter('a', now()));
    const fixed = { ...aRegistryEvent('a'), registry: 'fixed.azurecr.io' };

    assert.equal(await journal.redeliver(seq, fixed), true);

    assert.deepEqual((await claimOne(journal)).event, fixed);
    assert.deepEqual((await journal.get(seq))?.event, fixed);
  });

  proves('a pending event is not redelivered, claimed or not', async ({ journal, now }) => {
    const seq = await keepOne(journal, aRecord('a', now()));
    assert.equal(await journal.redeliver(seq), false);

    const claim = await claimOne(journal);
    assert.equal(await journal.redeliver(seq, aRegistryEvent('b')), false);

    assert.equal(await completeDelivered(journal, claim, now()), true);
    assert.deepEqual((await journal.get(seq))?.event, aRegistryEvent('a'));
  });
}

function statsSuite(proves: Proof): void {
  proves('the statistics of an empty journal name no oldest event', async ({ journal }) => {
    const { bytes, ...counts } = await journal.stats();
    assert.deepEqual(counts, { pending: 0, deadLetters: 0, discarded: 0, damaged: 0 });
    assert.ok(bytes >= 0);
  });

  proves('the statistics count pending events, claimed or not, and dead letters', async ({ journal, now }) => {
    const before = await journal.stats();
    const [oldest, younger] = [now() - 2 * MINUTE, now() - MINUTE];
    await keepDelivered(journal, aRecord('delivered', oldest - MINUTE));
    await keep(journal, aRecord('a', oldest), aRecord('b', younger), aDeadLetter('c', now()));
    await claimOne(journal);

    const { bytes, oldestDeadLetterAt, ...counts } = await journal.stats();

    assert.deepEqual(counts, { pending: 2, deadLetters: 1, discarded: 0, damaged: 0, oldestPendingAt: oldest });
    assert.ok(oldestDeadLetterAt !== undefined && oldestDeadLetterAt > oldest);
    assert.ok(bytes >= before.bytes);
  });
}
