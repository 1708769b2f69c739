import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { aLargeRecord, aRecord } from '../../../test/support/records.ts';
import type { Completion } from '../../model/delivery.ts';
import type { NewRecord } from '../journal.ts';
import type { WriteBatch, WriteResult } from './protocol.ts';
import { WriteQueue } from './write-queue.ts';

const HANG = { timeout: 30_000 };
const MIB = 1024 * 1024;
const COMPLETED: Completion = { seq: 1, fence: 1, decision: { kind: 'complete' } };

/** A disk that answers when the test says so. */
class Disk {
  readonly batches: WriteBatch[] = [];
  readonly #owed: ((result: WriteResult) => void)[] = [];
  readonly #expected: (() => void)[] = [];

  readonly commit = (batch: WriteBatch): Promise<WriteResult> => {
    this.batches.push(batch);
    for (const seen of this.#expected.splice(0)) seen();
    return new Promise((resolve) => {
      this.#owed.push(resolve);
    });
  };

  /** Resolves once so many batches have come. */
  async until(count: number): Promise<void> {
    while (this.batches.length < count) {
      await new Promise<void>((resolve) => {
        this.#expected.push(resolve);
      });
    }
  }

  /** Answers the oldest batch. */
  answer(result: (batch: WriteBatch) => WriteResult = kept): void {
    const batch = this.batches[this.batches.length - this.#owed.length] ?? assert.fail('no batch waits');
    this.#owed.shift()?.(result(batch));
  }
}

function kept({ records, completions }: WriteBatch): WriteResult {
  return {
    appended: records.map((_, index) => ({ kind: 'kept', seq: index + 1 })),
    completed: completions.map(() => true),
  };
}

function full({ records }: WriteBatch): WriteResult {
  return records.length === 0 ? {} : { refusal: { kind: 'full', detail: 'full' } };
}

function many(count: number): readonly NewRecord[] {
  return Array.from({ length: count }, (_, index) => aRecord(`record ${index}`, 0));
}

describe('the queue before the disk', () => {
  test('what comes while a batch is on its way travels together in the next', HANG, async () => {
    const disk = new Disk();
    const queue = new WriteQueue(disk.commit);
    const first = queue.append(many(1));
    await disk.until(1);
    const others = [queue.append(many(1)), queue.append(many(2)), queue.complete(COMPLETED)] as const;
    disk.answer();
    await disk.until(2);
    disk.answer();

    assert.equal((await first).kind, 'appended');
    assert.deepEqual(
      disk.batches.map(({ records, completions }) => [records.length, completions.length]),
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

  test('beyond so many waiting records an append is refused at once', HANG, async () => {
    const disk = new Disk();
    const queue = new WriteQueue(disk.commit);
    const under = queue.append(many(1));
    await disk.until(1);
    const waiting = queue.append(many(4_096));

    assert.deepEqual(await queue.append(many(1)), { kind: 'unavailable', reason: 'slow' });

    disk.answer();
    await disk.until(2);
    disk.answer();
    assert.equal((await under).kind, 'appended');
    assert.equal((await waiting).kind, 'appended');
    await queue.close();
  });

  test('beyond so many waiting bytes an append is refused at once', HANG, async () => {
    const disk = new Disk();
    const queue = new WriteQueue(disk.commit);
    const large = Array.from({ length: 65 }, () => queue.append([aLargeRecord('large', 0, MIB)]));
    assert.deepEqual(await large.at(-1), { kind: 'unavailable', reason: 'slow' });
    let isOver = false;
    const all = Promise.all(large).then(() => {
      isOver = true;
    });
    for (let batch = 1; !isOver; batch++) {
      await Promise.race([all, disk.until(batch)]);
      if (!isOver) disk.answer();
      await new Promise((resolve) => setImmediate(resolve));
    }
    // No commit takes more than a few of them: those who came first are not made to wait for the last.
    assert.ok(disk.batches.every(({ raw }) => raw.byteLength <= 8 * MIB));
    await queue.close();
  });

  test('an append for which the disk has no answer within 4 seconds is refused', HANG, async () => {
    const disk = new Disk();
    const queue = new WriteQueue(disk.commit);
    const under = queue.append(many(1));
    await disk.until(1);
    const waiting = queue.append(many(1));

    assert.deepEqual(await under, { kind: 'unavailable', reason: 'slow' });
    assert.deepEqual(await waiting, { kind: 'unavailable', reason: 'slow' });

    // What waited is not written any more, and makes room for others.
    const later = queue.append(many(2));
    disk.answer();
    await disk.until(2);
    disk.answer();
    assert.equal((await later).kind, 'appended');
    assert.equal(disk.batches[1]?.records.length, 2);
    await queue.close();
  });

  test('completions that the disk refuses are sent again until it takes them', HANG, async () => {
    const disk = new Disk();
    const queue = new WriteQueue(disk.commit);
    const completed = queue.complete(COMPLETED);
    for (let time = 1; time <= 2; time++) {
      await disk.until(time);
      disk.answer(full);
    }
    await disk.until(3);
    disk.answer();

    assert.equal(await completed, true);
    assert.deepEqual(
      disk.batches.map(({ completions }) => completions),
      [[COMPLETED], [COMPLETED], [COMPLETED]],
    );
    await queue.close();
  });

  test('closing waits for what is on its way, and refuses what comes later', HANG, async () => {
    const disk = new Disk();
    const queue = new WriteQueue(disk.commit);
    const under = queue.append(many(1));
    await disk.until(1);
    const waiting = queue.append(many(1));
    const closing = queue.close();
    assert.deepEqual(await queue.append(many(1)), { kind: 'unavailable', reason: 'closed' });
    assert.equal(await queue.complete(COMPLETED), false);

    disk.answer();
    await disk.until(2);
    disk.answer();
    await closing;

    assert.equal((await under).kind, 'appended');
    assert.equal((await waiting).kind, 'appended');
  });

  test('closing ends completions that the disk refuses', HANG, async () => {
    const disk = new Disk();
    const queue = new WriteQueue(disk.commit);
    const under = queue.complete(COMPLETED);
    await disk.until(1);
    const waiting = queue.complete(COMPLETED);
    const closing = queue.close();
    disk.answer(full);
    await disk.until(2);
    disk.answer(full);
    await closing;

    assert.equal(await under, false);
    assert.equal(await waiting, false);
  });

  test('an append on its way when the journal closes is answered within 4 seconds all the same', HANG, async () => {
    const disk = new Disk();
    const queue = new WriteQueue(disk.commit);
    const under = queue.append(many(1));
    await disk.until(1);
    const closing = queue.close();

    assert.deepEqual(await under, { kind: 'unavailable', reason: 'slow' });

    disk.answer();
    await closing;
  });
});
