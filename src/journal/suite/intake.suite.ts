import assert from 'node:assert/strict';
import { append, claimAllDue, keep, keepOne, pruneAll, seqs } from '../../../test/support/journal-steps.ts';
import { aDeadLetter, aKey, aRecord } from '../../../test/support/records.ts';
import type { Appended } from '../journal.ts';
import type { Proof } from './journal-harness.ts';

export function intakeSuite(proves: Proof): void {
  proves('a redelivered webhook is acknowledged and kept once', async ({ journal, now }) => {
    const seq = await keepOne(journal, aRecord('a', now()));

    assert.deepEqual(await append(journal, aRecord('a', now())), [{ kind: 'duplicate', of: seq }]);

    assert.deepEqual(seqs(await claimAllDue(journal, now())), [seq]);
  });

  proves('a duplicate within one append names the first of its key', async ({ journal, now }) => {
    const earlier = await keepOne(journal, aRecord('earlier', now()));

    const names = ['a', 'earlier', 'b', 'a'];
    const answers = await append(journal, ...names.map((name) => aRecord(name, now())));

    const [a, b] = [keptSeq(answers[0]), keptSeq(answers[2])];
    assert.deepEqual(answers, [
      { kind: 'kept', seq: a },
      { kind: 'duplicate', of: earlier },
      { kind: 'kept', seq: b },
      { kind: 'duplicate', of: a },
    ]);
    assert.deepEqual(seqs(await journal.find({ limit: 10 })), [b, a, earlier]);
  });

  proves('of concurrent appends with the same key, exactly one is kept', async ({ journal, now }) => {
    const record = aRecord('a', now());

    const answers = await Promise.all(Array.from({ length: 20 }, () => append(journal, record)));

    const kept = answers.flat().filter(({ kind }) => kind === 'kept');
    assert.equal(kept.length, 1);
    const seq = keptSeq(kept[0]);
    const duplicates = answers.flat().filter(({ kind }) => kind === 'duplicate');
    assert.deepEqual(duplicates, Array(19).fill({ kind: 'duplicate', of: seq }));
    assert.deepEqual(seqs(await journal.find({ limit: 10 })), [seq]);
  });

  proves('concurrent appends of different keys are all kept, each with a number of its own', async (harness) => {
    const { journal, now } = harness;
    const names = Array.from({ length: 50 }, (_, index) => `event ${index}`);

    const kept = await Promise.all(names.map((name) => keepOne(journal, aRecord(name, now()))));

    assert.equal(new Set(kept).size, 50);
    for (const [index, seq] of kept.entries()) {
      assert.equal((await journal.get(seq))?.event.id, names[index]);
    }
  });

  proves('within its window, a record with the same content is a duplicate; after it, it is kept', async (harness) => {
    const { journal, now, advance } = harness;
    const content = { key: aKey('content'), windowMs: 60_000 };
    const seq = await keepOne(journal, aRecord('a', now(), { content }));
    const duplicate = { kind: 'duplicate', of: seq, by: 'content' };

    assert.deepEqual(await append(journal, aRecord('b', now(), { content })), [duplicate]);
    await advance(59_000);
    const current = harness.durable ? await harness.reopen() : journal;
    assert.deepEqual(await append(current, aRecord('c', now(), { content })), [duplicate]);
    assert.deepEqual(await append(current, aRecord('a', now(), { content })), [{ kind: 'duplicate', of: seq }]);
    await keepOne(current, aRecord('d', now(), { content: { ...content, key: aKey('other') } }));
    await keepOne(current, aRecord('e', now()));
    await advance(2_000);

    const anew = await keepOne(current, aRecord('b', now(), { content }));
    assert.deepEqual(await append(current, aRecord('f', now(), { content })), [{ ...duplicate, of: anew }]);
    await pruneAll(current, now());
    assert.deepEqual(await append(current, aRecord('f', now(), { content })), [{ ...duplicate, of: anew }]);
  });

  proves('of concurrent records with the same content, exactly one is kept', async ({ journal, now }) => {
    const content = { key: aKey('content'), windowMs: 60_000 };
    const names = Array.from({ length: 20 }, (_, index) => `event ${index}`);

    const answers = await Promise.all(names.map((name) => append(journal, aRecord(name, now(), { content }))));

    assert.equal(answers.flat().filter(({ kind }) => kind === 'kept').length, 1);
    assert.equal((await claimAllDue(journal, now())).length, 1);
  });

  proves('a dead letter does not make other records with its content duplicates', async ({ journal, now }) => {
    const content = { key: aKey('content'), windowMs: 60_000 };
    await keepOne(journal, { ...aDeadLetter('a', now()), content });
    await keepOne(journal, aRecord('b', now(), { content }));
  });

  proves('records are numbered in the order in which they were kept', async ({ journal, now }) => {
    const first = await keep(journal, aRecord('a', now()), aRecord('b', now()));
    const then = await keep(journal, aRecord('c', now()), aRecord('d', now()));

    const numbers = [...first, ...then];
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(numbers).size, 4);
  });

  proves('an append of nothing is appended', async ({ journal }) => {
    assert.deepEqual(await journal.append([]), { kind: 'appended', records: [] });
  });

  proves(
    'an event that is dead-lettered on arrival is listed with the reason and never claimed',
    async ({ journal, now }) => {
      const arrivedAt = now();
      const [deadLettered, healthy] = await keep(journal, aDeadLetter('a', arrivedAt), aRecord('b', arrivedAt));

      assert.deepEqual(seqs(await claimAllDue(journal, now())), [healthy]);

      const [summary] = await journal.find({ state: 'dead-lettered', limit: 10 });
      assert.equal(summary?.seq, deadLettered);
      assert.equal(summary?.deadLetter?.reason, 'no-registry');
      assert.equal(summary?.deadLetter?.detail, 'request.host is absent');
      assert.ok((summary?.deadLetter?.at ?? 0) >= arrivedAt);
    },
  );

  proves('a duplicate of a dead letter does not revive it', async ({ journal, now }) => {
    const seq = await keepOne(journal, aDeadLetter('a', now()));

    assert.deepEqual(await append(journal, aRecord('a', now())), [{ kind: 'duplicate', of: seq }]);

    assert.deepEqual(await claimAllDue(journal, now()), []);
    assert.equal((await journal.get(seq))?.state, 'dead-lettered');
  });

  proves(
    'while the disk cannot be written, an append is unavailable within 5 seconds; afterwards it succeeds',
    async (harness, context) => {
      if (harness.obstruct === undefined) return context.skip('its storage cannot be obstructed from outside');
      const { journal, now } = harness;
      const records = [aRecord('a', now()), aRecord('b', now())];

      const release = await harness.obstruct();
      const deadline = AbortSignal.timeout(6_000);
      const outcome = await Promise.race([journal.append(records), whenAborted(deadline)]);
      assert.equal(outcome?.kind, 'unavailable');
      await assert.rejects(journal.check());
      await release();

      await journal.check();
      // Nothing is promised of an unavailable append: each record is kept now, or was kept then.
      const answers = await append(journal, ...records);
      const kept = answers.map((answer) => (answer.kind === 'duplicate' ? answer.of : keptSeq(answer)));
      assert.deepEqual(new Set(seqs(await claimAllDue(journal, now()))), new Set(kept));
    },
  );
}

function keptSeq(answer: Appended | undefined): number {
  return answer?.kind === 'kept' ? answer.seq : assert.fail(`expected a kept record, got ${JSON.stringify(answer)}`);
}

function whenAborted(signal: AbortSignal): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  signal.addEventListener('abort', () => resolve(undefined));
  return promise;
}
