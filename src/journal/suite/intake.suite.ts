import assert from 'node:assert/strict';
import {
  append,
  claimAllDue,
  keep,
  keepDeadLetter,
  keepOne,
  list,
  pruneAll,
  seqs,
} from '../../../test/support/journal-steps.ts';
import { aDeadLetter, aKey, aRecord } from '../../../test/support/records.ts';
import type { Appended, Journal } from '../journal.ts';
import type { Proof } from './journal-harness.ts';

export function intakeSuite(proves: Proof): void {
  appendSuite(proves);
  deadLetterKeySuite(proves);
}

function appendSuite(proves: Proof): void {
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
    assert.deepEqual(seqs(await list(journal, { limit: 10 })), [b, a, earlier]);
  });

  proves('of concurrent appends with the same key, exactly one is kept', async ({ journal, now }) => {
    const record = aRecord('a', now());

    const answers = await Promise.all(Array.from({ length: 20 }, () => append(journal, record)));

    const kept = answers.flat().filter(({ kind }) => kind === 'kept');
    assert.equal(kept.length, 1);
    const seq = keptSeq(kept[0]);
    const duplicates = answers.flat().filter(({ kind }) => kind === 'duplicate');
    assert.deepEqual(duplicates, Array(19).fill({ kind: 'duplicate', of: seq }));
    assert.deepEqual(seqs(await list(journal, { limit: 10 })), [seq]);
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
    await pruneAll(current);
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

  proves('an append whose time is over is `unavailable`, and keeps nothing', async ({ journal, now }) => {
    const records = [aRecord('a', now())];
    assert.deepEqual(await journal.append(records, Number.NEGATIVE_INFINITY), { kind: 'unavailable', reason: 'slow' });
    assert.deepEqual(await list(journal, { limit: 10 }), []);
    await keepOne(journal, aRecord('a', now()));
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

      const [summary] = await list(journal, { state: 'dead-lettered', limit: 10 });
      assert.equal(summary?.seq, deadLettered);
      assert.equal(summary?.deadLetter?.reason, 'no-registry');
      assert.equal(summary?.deadLetter?.detail, 'request.host is absent');
      assert.ok((summary?.deadLetter?.at ?? 0) >= arrivedAt);
    },
  );

  proves('an append of one caller does not wait until all events of another are written', async ({ journal, now }) => {
    const names = Array.from({ length: 5_000 }, (_, index) => `event ${index}`);
    const flood = ['a', 'b', 'c'].map((part) =>
      journal.append(names.map((name) => aRecord(`${part} ${name}`, now(), { caller: 'flood' }))),
    );
    const other = journal.append([aRecord('other', now(), { caller: 'release' })]);

    const first = await Promise.race([other.then(() => 'other'), Promise.all(flood).then(() => 'flood')]);

    assert.equal(first, 'other');
    assert.equal((await other).kind, 'appended');
    for (const outcome of await Promise.all(flood)) {
      if (outcome.kind === 'appended') assert.equal(outcome.records.length, names.length);
      else assert.equal(outcome.reason, 'busy');
    }
    await keepOne(journal, aRecord('later', now(), { caller: 'flood' }));
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

function deadLetterKeySuite(proves: Proof): void {
  proves('a duplicate of a dead letter that keeps its key does not revive it', async (harness) => {
    const { journal, now } = harness;
    const kept = [
      ['no registry', await keepOne(journal, aDeadLetter('no registry', now()))],
      ['uncertain', await keepDeadLetter(journal, aRecord('uncertain', now()), 'uncertain')],
      ['expired', await keepDeadLetter(journal, aRecord('expired', now()), 'expired')],
    ] as const;
    const current = harness.durable ? await harness.reopen() : journal;

    for (const [name, seq] of kept) {
      assert.deepEqual(await append(current, aRecord(name, now())), [{ kind: 'duplicate', of: seq }]);
      assert.equal((await current.get(seq))?.state, 'dead-lettered');
    }
    assert.deepEqual(await claimAllDue(current, now()), []);
  });

  const content = { key: aKey('content'), windowMs: 3_600_000 };
  const releasing: Readonly<Record<string, (journal: Journal, now: number) => Promise<number>>> = {
    unreadable: (journal, now) => keepOne(journal, aDeadLetter('a', now, { content, deadLetter: UNREADABLE })),
    'out-of-scope': (journal, now) => keepOne(journal, aDeadLetter('a', now, { content, deadLetter: OUT_OF_SCOPE })),
    rejected: (journal, now) => keepDeadLetter(journal, aRecord('a', now, { content }), 'rejected'),
  };
  for (const [reason, keepReleased] of Object.entries(releasing)) {
    proves(`a dead letter leaves its key and its content to one later event (${reason})`, async (harness) => {
      const { journal, now } = harness;
      const dead = await keepReleased(journal, now());
      const current = harness.durable ? await harness.reopen() : journal;
      const again = aDeadLetter('a', now(), { deadLetter: UNREADABLE });
      assert.deepEqual(await append(current, again), [{ kind: 'duplicate', of: dead }]);

      const answers = await Promise.all(
        Array.from({ length: 20 }, () => append(current, aRecord('a', now(), { content }))),
      );

      const kept = answers.flat().filter(({ kind }) => kind === 'kept');
      assert.equal(kept.length, 1);
      const seq = keptSeq(kept[0]);
      const reopened = harness.durable ? await harness.reopen() : journal;
      assert.deepEqual(await append(reopened, aRecord('a', now())), [{ kind: 'duplicate', of: seq }]);
      const sameContent = await append(reopened, aRecord('b', now(), { content }));
      assert.deepEqual(sameContent, [{ kind: 'duplicate', of: seq, by: 'content' }]);
      assert.deepEqual(seqs(await claimAllDue(reopened, now())), [seq]);
      assert.equal((await reopened.get(dead))?.state, 'dead-lettered');
    });
  }

  proves('a dead letter that is redelivered has its key again, unless a later event has it', async (harness) => {
    const { journal, now } = harness;
    const free = await keepDeadLetter(journal, aRecord('free', now()), 'rejected');
    const taken = await keepDeadLetter(journal, aRecord('taken', now()), 'rejected');
    const later = await keepOne(journal, aRecord('taken', now()));
    for (const seq of [free, taken]) assert.equal(await journal.redeliver(seq), true);
    const current = harness.durable ? await harness.reopen() : journal;

    assert.deepEqual(await append(current, aRecord('free', now())), [{ kind: 'duplicate', of: free }]);
    assert.deepEqual(await append(current, aRecord('taken', now())), [{ kind: 'duplicate', of: later }]);
    assert.deepEqual(new Set(seqs(await claimAllDue(current, now()))), new Set([free, taken, later]));
  });
}

const UNREADABLE = { reason: 'unreadable', detail: 'no action' } as const;
const OUT_OF_SCOPE = { reason: 'out-of-scope', detail: 'not the binding of ci' } as const;

function keptSeq(answer: Appended | undefined): number {
  return answer?.kind === 'kept' ? answer.seq : assert.fail(`expected a kept record, got ${JSON.stringify(answer)}`);
}

function whenAborted(signal: AbortSignal): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  signal.addEventListener('abort', () => resolve(undefined));
  return promise;
}
