import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { aRecord, UNAVAILABLE } from '../../../test/support/records.ts';
import type { Completion } from '../../model/delivery.ts';
import type { Appended, NewRecord } from '../journal.ts';
import { JournalClock } from '../journal-clock.ts';
import type { JournalFault } from '../journal-fault.ts';
import { LIMITS } from '../limits.ts';
import type { Claimed, StoreFailure, WriteBatch, WriteResult } from './protocol.ts';
import { WriteQueue } from './write-queue.ts';
import type { Writer } from './writer/writer.ts';

const HANG = { timeout: 30_000 };
const SECOND = 1_000;
const COMPLETED: Completion = { seq: 1, fence: 1, decision: { kind: 'complete' } };
const NOTHING: Claimed = { claims: [], fences: new Map(), nextDueAt: Number.POSITIVE_INFINITY };
const NEVER = new AbortController().signal;

/** A writer that answers a commit when the test says so, and any other call at once. */
class ScriptedWriter {
  readonly batches: WriteBatch[] = [];
  /** For each batch, how many events a waiting claim asks for along with it. */
  readonly claims: number[] = [];
  /** How often the queue asked what is due. */
  asked = 0;
  due: Claimed = NOTHING;
  readonly #owed: ((result: never) => void)[] = [];
  readonly #expected: (() => void)[] = [];

  call<M extends keyof Writer>(method: M, args: Parameters<Writer[M]>): Promise<ReturnType<Writer[M]>> {
    const [batch, claim]: readonly unknown[] = args;
    if (method !== 'write') {
      if (method === 'claim') this.asked += 1;
      return Promise.resolve(this.due as never);
    }
    this.batches.push(batch as WriteBatch);
    this.claims.push(Number(claim));
    for (const seen of this.#expected.splice(0)) seen();
    return new Promise((resolve) => {
      this.#owed.push(resolve);
    });
  }

  /** Resolves once so many commits have begun. */
  async until(count: number): Promise<void> {
    while (this.batches.length < count) {
      await new Promise<void>((resolve) => {
        this.#expected.push(resolve);
      });
    }
  }

  get isWriting(): boolean {
    return this.#owed.length > 0;
  }

  /** Answers the oldest commit. */
  answer(result: (batch: WriteBatch) => WriteResult = kept): void {
    const batch = this.batches[this.batches.length - this.#owed.length] ?? assert.fail('no commit is under way');
    this.#owed.shift()?.(result(batch) as never);
  }
}

function kept({ records, completions }: WriteBatch): WriteResult {
  return {
    appended: records.map((_, index) => ({ kind: 'kept', seq: index + 1 })),
    completed: completions.map(() => true),
  };
}

function failed(kind: StoreFailure['kind']): (batch: WriteBatch) => WriteResult {
  return ({ records }) => (records.length === 0 ? {} : { failure: { kind, detail: kind } });
}

function many(count: number): readonly NewRecord[] {
  return Array.from({ length: count }, (_, index) => aRecord(`record ${index}`, 0));
}

/** Answers commits until all are over. */
async function answerAll(writer: ScriptedWriter, answers: readonly Promise<unknown>[]): Promise<void> {
  let isOver = false;
  const all = Promise.all(answers).then(() => {
    isOver = true;
  });
  while (!isOver) {
    if (writer.isWriting) writer.answer();
    await Promise.race([all, new Promise((resolve) => setImmediate(resolve))]);
  }
}

function aQueue() {
  const writer = new ScriptedWriter();
  const clock = new ManualClock();
  const faults: JournalFault[] = [];
  const storedLate: (readonly [readonly NewRecord[], readonly Appended[]])[] = [];
  const queue = new WriteQueue({
    writer,
    clock: new JournalClock(clock),
    onFault: (fault) => faults.push(fault),
    onStoredLate: (records, appended) => storedLate.push([records, appended]),
  });
  return { writer, clock, faults, storedLate, queue };
}

/** Resolves when the queue has done what it can do without time passing. */
async function untilIdle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('group commit', () => {
  test('what arrives during a commit travels together in the next', HANG, async () => {
    const { writer, queue } = aQueue();
    const first = queue.append(many(1));
    await writer.until(1);
    const others = [queue.append(many(1)), queue.append(many(2)), queue.complete(COMPLETED)] as const;
    writer.answer();
    await writer.until(2);
    writer.answer();

    assert.equal((await first).kind, 'appended');
    assert.deepEqual(
      writer.batches.map(({ records, completions }) => [records.length, completions.length]),
      [
        [1, 0],
        [3, 1],
      ],
    );
    assert.deepEqual(await others[1], {
      kind: 'appended',
      records: [
        { kind: 'kept', seq: 2 },
        { kind: 'kept', seq: 3 },
      ],
    });
    await queue.close();
  });

  test('a large append is spread over several commits, and answered once all of them are durable', HANG, async () => {
    const { writer, queue } = aQueue();
    let isAnswered = false;
    const appended = queue.append(many(1_000)).then((outcome) => {
      isAnswered = true;
      return outcome;
    });
    for (const [index, size] of [512, 488].entries()) {
      await writer.until(index + 1);
      assert.equal(writer.batches[index]?.records.length, size);
      assert.equal(isAnswered, false);
      writer.answer();
    }
    const outcome = await appended;
    assert.equal(outcome.kind === 'appended' && outcome.records.length, 1_000);
    await queue.close();
  });

  test('while a caller has 10,000 events waiting, an event of another is in the next commit', HANG, async () => {
    const { writer, queue } = aQueue();
    const under = queue.append(many(1));
    await writer.until(1);
    const flood = [queue.append(many(5_000)), queue.append(many(5_000))];
    assert.deepEqual(await queue.append(many(1)), { kind: 'unavailable', reason: 'busy' });
    const other = queue.append([aRecord('other', 0, { caller: 'release' })]);
    const completed = queue.complete(COMPLETED);
    writer.answer();
    await writer.until(2);
    assert.equal(writer.batches[1]?.records.filter(({ caller }) => caller === 'release').length, 1);
    writer.answer();

    assert.equal((await under).kind, 'appended');
    assert.equal((await other).kind, 'appended');
    assert.equal(await completed, true);
    await answerAll(writer, flood);
    assert.deepEqual(await Promise.all(flood.map(async (each) => (await each).kind)), ['appended', 'appended']);
    await queue.close();
  });

  test(
    'an append of which a part cannot be written is unavailable, and the rest of it is not written',
    HANG,
    async () => {
      const { writer, queue } = aQueue();
      const appended = queue.append(many(2_000));
      await writer.until(1);
      writer.answer();
      await writer.until(2);
      writer.answer(failed('full'));

      assert.deepEqual(await appended, { kind: 'unavailable', reason: 'full' });
      await queue.close();
      assert.equal(writer.batches.length, 2);
    },
  );

  test('completions do not wait for appends, however many wait, nor appends for completions', HANG, async () => {
    const { writer, queue } = aQueue();
    const under = queue.append(many(1));
    await writer.until(1);
    const completed = Array.from({ length: 1_000 }, () => queue.complete(COMPLETED));
    const appended = queue.append(many(10_000));
    await answerAll(writer, [under, appended, ...completed]);

    const [, second, third] = writer.batches.map(({ records, completions }) => [records.length, completions.length]);
    assert.deepEqual(
      [second, third],
      [
        [512, 512],
        [512, 488],
      ],
    );
    await queue.close();
  });

  test('the time of an append counts from when its webhook came', HANG, async () => {
    const { clock, queue } = aQueue();
    const earlier = clock.tick() - 3 * SECOND;
    const young = queue.append(many(1));
    const old = queue.append(many(1), earlier);
    assert.deepEqual(await queue.append(many(1), earlier - SECOND), { kind: 'unavailable', reason: 'slow' });
    clock.advance(SECOND);
    assert.deepEqual(await old, { kind: 'unavailable', reason: 'slow' });
    clock.advance(3 * SECOND);
    assert.deepEqual(await young, { kind: 'unavailable', reason: 'slow' });
  });

  test('an append without an answer of the disk is unavailable after 4 seconds', HANG, async () => {
    const { writer, clock, queue } = aQueue();
    const under = queue.append(many(1));
    await writer.until(1);
    const waiting = queue.append(many(1));
    clock.advance(SECOND);
    const younger = queue.append(many(3));

    clock.advance(LIMITS.appendMs - SECOND);
    assert.deepEqual(await under, { kind: 'unavailable', reason: 'slow' });
    assert.deepEqual(await waiting, { kind: 'unavailable', reason: 'slow' });
    clock.advance(SECOND);
    assert.deepEqual(await younger, { kind: 'unavailable', reason: 'slow' });

    // What waited is not written any more, and makes room for others.
    const later = queue.append(many(2));
    writer.answer();
    await writer.until(2);
    writer.answer();
    assert.equal((await later).kind, 'appended');
    assert.equal(writer.batches[1]?.records.length, 2);
    await queue.close();
  });

  test('what becomes durable after its append was unavailable is reported', HANG, async () => {
    const { writer, clock, storedLate, queue } = aQueue();
    const records = many(1);
    const late = queue.append(records);
    await writer.until(1);
    clock.advance(LIMITS.appendMs);
    assert.equal((await late).kind, 'unavailable');
    assert.deepEqual(storedLate, []);
    writer.answer();
    await untilIdle();
    assert.deepEqual(storedLate, [[records, [{ kind: 'kept', seq: 1 }]]]);
    await queue.close();
  });

  test('the part of an append that was durable before the rest was unavailable is reported', HANG, async () => {
    const { writer, storedLate, queue } = aQueue();
    const records = many(LIMITS.maxCommitRecords + 1);
    const append = queue.append(records);
    await writer.until(1);
    writer.answer();
    await writer.until(2);
    writer.answer(failed('full'));
    assert.equal((await append).kind, 'unavailable');
    assert.deepEqual(
      storedLate.map(([stored, appended]) => [stored, appended.length]),
      [[records.slice(0, LIMITS.maxCommitRecords), LIMITS.maxCommitRecords]],
    );
    await queue.close();
  });

  test('an append that comes alone is committed at once, and one soon after another waits for more', HANG, async () => {
    const { writer, clock, queue } = aQueue();
    const first = queue.append(many(1));
    await writer.until(1);
    writer.answer();
    await first;
    await untilIdle();
    const others = [queue.append(many(1)), queue.append(many(1))];
    await untilIdle();
    assert.equal(writer.batches.length, 1);

    clock.advance(2);
    await writer.until(2);
    writer.answer();
    await Promise.all(others);
    assert.equal(writer.batches[1]?.records.length, 2);

    clock.advance(2);
    const last = queue.append(many(1));
    await writer.until(3);
    writer.answer();
    await last;
    await queue.close();
  });

  test('64 completions wait for no others', HANG, async () => {
    const { writer, queue } = aQueue();
    const completed = Array.from({ length: 64 }, () => queue.complete(COMPLETED));
    await writer.until(1);
    writer.answer();
    assert.equal((await Promise.all(completed)).length, 64);
    await queue.close();
  });

  test('a completion waits a moment for others to share its commit', HANG, async () => {
    const { writer, clock, queue } = aQueue();
    const completed = [queue.complete(COMPLETED), queue.complete(COMPLETED)];
    await untilIdle();
    assert.equal(writer.batches.length, 0);

    clock.advance(100);
    await writer.until(1);
    writer.answer();

    assert.deepEqual(await Promise.all(completed), [true, true]);
    await queue.close();
  });

  test('completions that the disk does not take are sent again until it does', HANG, async () => {
    const { writer, clock, queue } = aQueue();
    const completed = queue.complete(COMPLETED);
    clock.advance(100);
    for (let time = 1; time <= 2; time++) {
      await writer.until(time);
      writer.answer(failed('full'));
      await untilIdle();
      assert.equal(writer.batches.length, time);
      clock.advance(SECOND);
    }
    await writer.until(3);
    writer.answer();

    assert.equal(await completed, true);
    assert.deepEqual(
      writer.batches.map(({ completions }) => completions),
      [[COMPLETED], [COMPLETED], [COMPLETED]],
    );
    await queue.close();
  });

  test('a disk that cannot be written for a minute is a fault, and a full one is not', HANG, async () => {
    const { writer, clock, faults, queue } = aQueue();
    async function commit(failure: StoreFailure['kind']): Promise<void> {
      const outcome = queue.append(many(1));
      await writer.until(writer.batches.length + 1);
      writer.answer(failed(failure));
      assert.equal((await outcome).kind, 'unavailable');
    }
    for (const kind of ['unwritable', 'full', 'locked', 'unwritable'] as const) {
      await commit(kind);
      clock.advance(59 * SECOND);
    }
    assert.equal(faults.length, 0);

    await commit('unwritable');

    assert.deepEqual(
      faults.map(({ code }) => code),
      ['journal_failed'],
    );
    await queue.close();
  });

  test('closing waits for what is on its way, and takes nothing more', HANG, async () => {
    const { writer, queue } = aQueue();
    const under = queue.append(many(1));
    await writer.until(1);
    const waiting = queue.append(many(1));
    const closing = queue.close();
    assert.deepEqual(await queue.append(many(1)), { kind: 'unavailable', reason: 'closed' });
    assert.equal(await queue.complete(COMPLETED), false);

    writer.answer();
    await writer.until(2);
    writer.answer();
    await closing;

    assert.equal((await under).kind, 'appended');
    assert.equal((await waiting).kind, 'appended');
  });

  test('closing ends completions that the disk does not take', HANG, async () => {
    const { writer, clock, queue } = aQueue();
    const under = queue.complete(COMPLETED);
    clock.advance(100);
    await writer.until(1);
    const waiting = queue.complete(COMPLETED);
    const closing = queue.close();
    writer.answer(failed('full'));
    await writer.until(2);
    writer.answer(failed('full'));
    await closing;

    assert.equal(await under, false);
    assert.equal(await waiting, false);
  });

  test('an append under way when the journal closes is answered within 4 seconds all the same', HANG, async () => {
    const { writer, clock, queue } = aQueue();
    const under = queue.append(many(1));
    await writer.until(1);
    const closing = queue.close();

    clock.advance(LIMITS.appendMs);
    assert.deepEqual(await under, { kind: 'unavailable', reason: 'slow' });

    writer.answer();
    await closing;
  });
});

describe('waiting claims', () => {
  test('a claim that waits gets the records of a commit along with it, without asking', HANG, async () => {
    const { writer, queue } = aQueue();
    const claim = queue.claim(7, NEVER);
    await untilIdle();
    assert.equal(writer.asked, 1);

    const appended = queue.append(many(2));
    await writer.until(1);
    writer.answer((batch) => ({ ...kept(batch), claimed: { ...NOTHING, fences: new Map([[2, 20]]) } }));

    assert.equal((await appended).kind, 'appended');
    assert.deepEqual(
      (await claim).map(({ seq, fence, event }) => [seq, fence, event.id]),
      [[2, 20, 'record 1']],
    );
    assert.deepEqual([writer.claims, writer.asked], [[7], 1]);
    await queue.close();
  });

  test('a claim asks again only once something may be due', HANG, async () => {
    const { writer, clock, queue } = aQueue();
    writer.due = { ...NOTHING, nextDueAt: clock.now() + 10 * SECOND };
    const claim = queue.claim(1, NEVER);
    await untilIdle();
    clock.advance(9 * SECOND);
    await untilIdle();
    assert.equal(writer.asked, 1);

    const attempt = { at: 0, durationMs: 1, outcome: UNAVAILABLE };
    const history = { attempts: 1, uncertain: 0, agesFrom: 0, lastAttemptAt: 0 };
    const retried = queue.complete({ ...COMPLETED, attempt, decision: { kind: 'retry', at: clock.now(), history } });
    clock.advance(100);
    await writer.until(1);
    // The writer cannot claim along: the claim asks for itself.
    writer.answer();
    assert.equal(await retried, true);
    writer.due = NOTHING;
    await untilIdle();
    assert.equal(writer.asked, 2);

    clock.advance(LIMITS.claimWaitMs);
    assert.deepEqual(await claim, []);
    await queue.close();
  });

  test('an append during the question of a claim wakes it', HANG, async () => {
    const { writer, clock, queue } = aQueue();
    const appended = queue.append(many(1));
    await writer.until(1);
    const claim = queue.claim(1, NEVER);
    await untilIdle();
    writer.answer();
    assert.equal((await appended).kind, 'appended');
    assert.equal(writer.asked, 1);

    clock.advance(2);
    await untilIdle();
    assert.equal(writer.asked, 2);

    const closing = queue.close();
    assert.deepEqual(await claim, []);
    await closing;
  });
});
