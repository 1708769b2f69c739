import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { aDeadLetter, aRecord } from '../../../test/support/records.ts';
import { TestDatabase, temporaryFolder } from '../../../test/support/test-database.ts';
import type { Time } from './protocol.ts';
import { Pruner } from './prune.ts';

const TIME: Time = { now: Date.UTC(2025, 8, 1), tick: 0 };

describe('forgetting', () => {
  test('goes in small steps, and reaches history that stands behind many records which stay', (context) => {
    const journal = new TestDatabase(join(temporaryFolder(context), 'journal.db'), 100_000);
    context.after(() => journal.db.close());
    const names = Array.from({ length: 500 }, (_, index) => `${index}`);
    journal.append(TIME, ...names.map((name) => aDeadLetter(`dead ${name}`, TIME.now)));
    journal.append(TIME, ...names.map((name) => aRecord(`delivered ${name}`, TIME.now)));
    journal.deliverAll(TIME);
    const pruner = new Pruner(journal.database, 0);

    const gone: number[] = [];
    for (let mayBeMore = true; mayBeMore; ) {
      const pruned = pruner.step(TIME.now);
      gone.push(pruned.gone);
      mayBeMore = pruned.mayBeMore;
    }

    assert.ok(gone.every((count) => count <= 200));
    assert.equal(
      gone.reduce((sum, count) => sum + count, 0),
      500,
    );
    assert.equal(journal.database.counters.dead, 500);
  });
});
