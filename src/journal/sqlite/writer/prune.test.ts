import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { aRecord } from '../../../../test/support/records.ts';
import { IN_MEMORY, TestDatabase, temporaryFolder } from '../../../../test/support/test-database.ts';
import { names } from '../../../../test/support/webhooks.ts';
import type { Time } from '../../../model/clock.ts';
import { Pruner } from './prune.ts';

const DAY = 86_400_000;
const START: Time = { now: Date.UTC(2026, 8, 1), tick: 0 };
const LATER: Time = { now: START.now + 31 * DAY, tick: 31 * DAY };

test('the file shrinks in small steps once what was in it is pruned, and takes events all the while', (context) => {
  const path = join(temporaryFolder(context, IN_MEMORY), 'journal.db');
  const journal = new TestDatabase(path);
  const append = (name: string, time: Time) => {
    const raw = new Uint8Array(4_000).fill(0x61);
    const { appended } = journal.append(time, ...names(name, 100).map((id) => aRecord(id, time.now, { raw })));
    assert.equal(appended?.length, 100);
  };
  for (let batch = 0; batch < 20; batch++) append(`old-${batch}`, START);
  journal.deliverAll(START);
  journal.db.exec('PRAGMA wal_checkpoint(RESTART)');
  const before = statSync(path).size;

  const pruner = new Pruner(journal.database, Number.MAX_SAFE_INTEGER);
  let steps = 0;
  while (pruner.step(LATER).mayBeMore) if (steps++ % 10 === 0) append(`new-${steps}`, LATER);
  journal.db.exec('PRAGMA wal_checkpoint(RESTART)');
  append('last', LATER);

  assert.ok(steps > 10);
  assert.ok(statSync(path).size < before / 2, `${statSync(path).size} of ${before} bytes`);
  journal.db.close();
});
