import assert from 'node:assert/strict';
import {
  claimAllDue,
  claimDue,
  claimOne,
  completeDelivered,
  keep,
  keepOne,
  retryClaim,
  seqs,
} from '../../../test/support/journal-steps.ts';
import { aLargeRecord, aRecord, aRegistryEvent, UNAVAILABLE } from '../../../test/support/records.ts';
import type { Proof } from './journal-harness.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const MIB = 1024 * 1024;

export function queueSuite(proves: Proof): void {
  claimSuite(proves);
  orderSuite(proves);
  waitingSuite(proves);
  boundsSuite(proves);
}

function claimSuite(proves: Proof): void {
  proves('a claim of a new event carries what is needed to deliver it, and an empty history', async (harness) => {
    const { journal, now } = harness;
    const receivedAt = now();
    const raw = Uint8Array.of(0x22, 0xc3, 0xa9, 0xff, 0x22);
    const seq = await keepOne(journal, aRecord('a', receivedAt, { raw }));

    const claim = await claimOne(journal);

    assert.deepEqual(claim, {
      seq,
      fence: claim.fence,
      delivery: 1,
      receivedAt,
      caller: 'ci',
      history: { attempts: 0, uncertain: 0, agesFrom: receivedAt, lastAttemptAt: 0 },
      event: aRegistryEvent('a'),
      payload: '"é\u{fffd}"',
    });
  });

  proves(
    'a claim of an event that came in an envelope carries its payload alone, at once and after a crash',
    async (harness) => {
      const { journal, now } = harness;
      const raw = Buffer.from('{"ü":1,"data":{"é":2},"x":3}');
      const start = raw.indexOf('{', 1);
      const payload = { start, end: raw.indexOf('}', start) + 1 };
      const seq = await keepOne(journal, aRecord('a', now(), { raw, payload }));

      assert.equal((await claimOne(journal)).payload, '{"é":2}');
      assert.deepEqual((await journal.get(seq))?.payload, payload);

      if (!harness.durable) return;
      const reopened = await harness.reopen();
      assert.equal((await claimOne(reopened)).payload, '{"é":2}');
    },
  );

  proves('a claim carries the caller and the trace of its webhook, at once and after a crash', async (harness) => {
    const { journal, now } = harness;
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const [traced = 0, other = 0] = await keep(
      journal,
      aRecord('a', now(), { traceparent }),
      aRecord('b', now(), { caller: 'two' }),
    );
    const expected = [
      [traced, 'ci', traceparent],
      [other, 'two', undefined],
    ];

    const claims = await claimDue(journal);
    assert.deepEqual(
      claims.map((claim) => [claim.seq, claim.caller, claim.traceparent]),
      expected,
    );
    assert.equal((await journal.get(traced))?.traceparent, traceparent);

    if (!harness.durable) return;
    const again = await claimDue(await harness.reopen());
    assert.deepEqual(
      again.map((claim) => [claim.seq, claim.caller, claim.traceparent]),
      expected,
    );
  });

  proves('an event has one claim at a time', async ({ journal, now, advance }) => {
    const seq = await keepOne(journal, aRecord('a', now()));
    assert.deepEqual(seqs(await claimDue(journal)), [seq]);

    assert.deepEqual(await claimAllDue(journal, now()), []);
    await advance(90 * SECOND);
    assert.deepEqual(await claimAllDue(journal, now()), []);
  });

  proves('concurrent claims share no event', async ({ journal, now }) => {
    const names = Array.from({ length: 40 }, (_, index) => `event ${index}`);
    await keep(journal, ...names.map((name) => aRecord(name, now())));

    const claimed = await Promise.all(Array.from({ length: 8 }, () => claimDue(journal, 5)));

    assert.equal(new Set(seqs(claimed.flat())).size, claimed.flat().length);
  });

  proves('an event whose lease ended can be claimed again, with another fence', async ({ journal, now, advance }) => {
    await keepOne(journal, aRecord('a', now()));
    const lapsed = await claimOne(journal);

    await advance(121 * SECOND);

    const [again] = await claimAllDue(journal, now());
    assert.deepEqual(again, { ...lapsed, fence: again?.fence });
    assert.notEqual(again?.fence, lapsed.fence);
  });

  proves('a renewed lease lasts another 120 seconds', async ({ journal, now, advance }) => {
    await keepOne(journal, aRecord('a', now()));
    const claim = await claimOne(journal);

    await advance(90 * SECOND);
    await journal.renew([claim]);
    await advance(90 * SECOND);

    assert.deepEqual(await claimAllDue(journal, now()), []);
    assert.equal(await completeDelivered(journal, claim, now()), true);
  });

  proves('a lease that has ended can be renewed until its event is claimed again', async (harness) => {
    const { journal, now, advance } = harness;
    await keepOne(journal, aRecord('a', now()));
    const claim = await claimOne(journal);
    await advance(121 * SECOND);

    await journal.renew([claim]);

    assert.deepEqual(await claimAllDue(journal, now()), []);
    assert.equal(await completeDelivered(journal, claim, now()), true);
  });

  proves('a stale fence renews nothing', async ({ journal, now, advance }) => {
    await keepOne(journal, aRecord('a', now()));
    const stale = await claimOne(journal);
    await advance(121 * SECOND);
    const current = await claimOne(journal);

    await advance(90 * SECOND);
    await journal.renew([stale]);
    await advance(90 * SECOND);

    assert.deepEqual(seqs(await claimAllDue(journal, now())), [current.seq]);
  });
}

function orderSuite(proves: Proof): void {
  proves('new events are claimed in the order in which they were kept', async ({ journal, now }) => {
    const ages = [4, 3, 2, 1];
    const [d, c, b, a] = await keep(journal, ...ages.map((age) => aRecord(`${age} minutes ago`, now() - age * MINUTE)));

    assert.deepEqual(seqs([...(await claimDue(journal, 2)), ...(await claimDue(journal, 2))]), [d, c, b, a]);
  });

  proves('a retried event yields its place', async ({ journal, now, advance }) => {
    const [first, second] = await keep(journal, aRecord('a', now() - MINUTE), aRecord('b', now()));
    const claim = await claimOne(journal);
    assert.equal(claim.seq, first);

    assert.equal(await retryClaim(journal, claim, now(), now() + MINUTE), true);
    await advance(2 * MINUTE);

    assert.deepEqual(seqs(await claimAllDue(journal, now())), [second, first]);
  });

  proves('a retried event can be claimed when it is due, with the history of its retry', async (harness) => {
    const { journal, now, advance } = harness;
    const seq = await keepOne(journal, aRecord('a', now()));
    const [startedAt, dueAt] = [now(), now() + 10 * MINUTE];
    const claim = await claimOne(journal);
    const history = { attempts: 1, uncertain: 1, agesFrom: startedAt - 5, lastAttemptAt: startedAt };
    const attempt = { at: startedAt, durationMs: 7, outcome: UNAVAILABLE };
    const decision = { kind: 'retry', at: dueAt, history } as const;
    assert.equal(await journal.complete({ seq, fence: claim.fence, attempt, decision }), true);
    assert.equal((await journal.get(seq))?.dueAt, dueAt);

    await advance(9 * MINUTE);
    assert.deepEqual(await claimAllDue(journal, now()), []);
    await advance(2 * MINUTE);

    const [again] = await claimAllDue(journal, now());
    assert.deepEqual(again, { ...claim, fence: again?.fence, history });
    assert.deepEqual((await journal.get(seq))?.attempts, [{ ...attempt, delivery: 1, decision: 'retry' }]);
  });

  proves('an event that is given back untried can be claimed again, and no attempt is recorded', async (harness) => {
    const { journal, now } = harness;
    await keepOne(journal, aRecord('a', now()));
    const { seq, fence, history } = await claimOne(journal);

    assert.equal(await journal.complete({ seq, fence, decision: { kind: 'retry', at: now(), history } }), true);

    assert.deepEqual((await claimOne(journal)).history, history);
    assert.deepEqual((await journal.get(seq))?.attempts, []);
  });
}

function waitingSuite(proves: Proof): void {
  proves('a claim that waits gets what is appended', async ({ journal, now }) => {
    const waiting = claimDue(journal);
    assert.equal((await journal.stats()).pending, 0);

    const seq = await keepOne(journal, aRecord('a', now()));

    assert.deepEqual(seqs(await waiting), [seq]);
  });

  proves('a claim that is aborted during an append loses no event', async (harness) => {
    const { journal, now } = harness;
    const abort = new AbortController();
    const waiting = journal.claim(10, abort.signal);
    assert.equal((await journal.stats()).pending, 0);

    const kept = keepOne(journal, aRecord('a', now()));
    await new Promise((resolve) => setImmediate(resolve));
    abort.abort();

    const seq = await kept;
    assert.deepEqual(
      [...seqs(await waiting), ...seqs(await claimAllDue(journal, now()))].filter((each) => each === seq),
      [seq],
    );
  });

  proves('a claim that waits gets what falls due', async ({ journal, now, advance }) => {
    const seq = await keepOne(journal, aRecord('a', now()));
    await retryClaim(journal, await claimOne(journal), now(), now() + 30 * SECOND);

    const waiting = claimDue(journal);
    await advance(40 * SECOND);

    assert.deepEqual(seqs(await waiting), [seq]);
  });

  proves('a claim that waits gets what is redelivered', async ({ journal, now }) => {
    const seq = await keepOne(journal, aRecord('a', now()));
    await completeDelivered(journal, await claimOne(journal), now());

    const waiting = claimDue(journal);
    assert.equal(await journal.redeliver(seq), true);

    assert.deepEqual(seqs(await waiting), [seq]);
  });

  proves('a claim is empty when nothing falls due within 60 seconds', async ({ journal, advance }) => {
    const waiting = claimDue(journal);
    await advance(61 * SECOND);
    assert.deepEqual(await waiting, []);
  });

  proves('an aborted claim is empty and takes no event', async ({ journal, now }) => {
    const abort = new AbortController();
    const waiting = journal.claim(10, abort.signal);
    abort.abort();
    assert.deepEqual(await waiting, []);

    const seq = await keepOne(journal, aRecord('a', now()));
    assert.deepEqual(await journal.claim(10, abort.signal), []);

    assert.deepEqual(seqs(await claimAllDue(journal, now())), [seq]);
  });
}

function boundsSuite(proves: Proof): void {
  proves('a claim has at most as many events as were asked for', async ({ journal, now }) => {
    const kept = await keep(journal, ...['a', 'b', 'c'].map((name) => aRecord(name, now())));

    const two = await claimDue(journal, 2);

    assert.equal(two.length, 2);
    assert.deepEqual(new Set(seqs([...two, ...(await claimAllDue(journal, now()))])), new Set(kept));
  });

  proves('a claim has at most 8 MiB beyond its first event, and the rest can be claimed next', async (harness) => {
    const { journal, now } = harness;
    await keepOne(journal, aRecord('small', now() - MINUTE));
    for (const name of ['a', 'b', 'c', 'd']) await keepOne(journal, aLargeRecord(name, now(), 3 * MIB));

    const first = await claimDue(journal);

    const beyondFirst = first.slice(1).reduce((sum, { payload }) => sum + payload.length, 0);
    assert.ok(first.length > 0 && beyondFirst <= 8 * MIB, `${first.length} events were claimed`);
    const rest = await claimAllDue(journal, now());
    assert.equal(new Set(seqs([...first, ...rest])).size, 5);
  });
}
