import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { findAll, seqs } from '../../../../test/support/journal-steps.ts';
import { aDeadLetter, aRecord, aRegistryEvent } from '../../../../test/support/records.ts';
import { IN_MEMORY, TestDatabase, temporaryFolder } from '../../../../test/support/test-database.ts';
import { matches } from '../../filter.ts';
import type { EventFilter, History, NewRecord, RecordSummary } from '../../journal.ts';
import { BLOCK_SIZE } from '../blocks.ts';
import { Pruner } from '../writer/prune.ts';
import { Reader } from './reader.ts';

const DAY = 86_400_000;
const TIME = { now: 10 * DAY, tick: 10 * DAY };
/** Some blocks, the newest in part. */
const EVENTS = 2 * BLOCK_SIZE + 100;

function record(index: number): NewRecord {
  const event = {
    ...aRegistryEvent(`${index}`),
    repository: `team-${index % 3}/app-${index % 50}`,
    tag: `v${index % 7}`,
  };
  const make = index % 1_000 === 0 ? aDeadLetter : aRecord;
  return make(`${index}`, index < BLOCK_SIZE + 10 ? 1 : TIME.now, { event, caller: `caller-${index % 2}` });
}

function fill(path: string): TestDatabase {
  const database = new TestDatabase(path);
  for (let from = 0; from < EVENTS; from += 500) {
    const count = Math.min(500, EVENTS - from);
    database.append(TIME, ...Array.from({ length: count }, (_, index) => record(from + index)));
  }
  return database;
}

function historyOf(reader: Reader): Pick<History, 'find'> {
  return { find: async (query) => reader.find(query) };
}

async function countAll(reader: Reader, filter: EventFilter): Promise<number> {
  let total = 0;
  let before = Number.POSITIVE_INFINITY;
  while (before > 0) {
    const { hours, next = 0 } = reader.count(filter, before);
    total += hours.reduce((sum, { count }) => sum + count, 0);
    before = next;
  }
  return total;
}

const FILTERS: readonly EventFilter[] = [
  { tag: 'v3' },
  { repository: 'team-1/app-7' },
  { repository: '*/app-7', caller: 'caller-1' },
  { state: 'delivered', tag: 'v3' },
  { state: 'dead-lettered', repository: 'team-1/**' },
  { state: 'pending', caller: 'caller-1', tag: 'v1' },
  { id: '17' },
  { id: `${BLOCK_SIZE * 2}` },
  { tag: 'none' },
  { from: 1, until: 2 },
  { repository: 'fixed' },
];

async function assertFindsAll(reader: Reader): Promise<void> {
  const all: readonly RecordSummary[] = await findAll(historyOf(reader), { limit: 1_000 });
  for (const filter of FILTERS) {
    const expected = all.filter((each) => matches(filter, each));
    const found = await findAll(historyOf(reader), { ...filter, limit: 300 });
    assert.deepEqual(seqs(found), seqs(expected), JSON.stringify(filter));
    assert.equal(await countAll(reader, filter), expected.length, JSON.stringify(filter));
  }
}

test('a search finds everything in a journal that changes', async (t) => {
  const path = join(temporaryFolder(t, IN_MEMORY), 'journal.db');
  const database = fill(path);
  const reader = new Reader({ path });
  await assertFindsAll(reader);

  database.append(TIME, ...Array.from({ length: 200 }, (_, index) => record(EVENTS + index)));
  await assertFindsAll(reader);

  database.deliverAll(TIME);
  await assertFindsAll(reader);

  // The journal is too large: it removes the oldest.
  const pruner = new Pruner(database.database, 0);
  for (let step = 0; step < 10; step++) pruner.step(TIME);
  assert.deepEqual(reader.find({ id: '17', limit: 1 }), { records: [] });
  assert.equal(reader.find({ id: `${BLOCK_SIZE}`, limit: 1 }).records.length, 1);
  await assertFindsAll(reader);
  for (let step = 0; step < 20; step++) pruner.step(TIME);
  assert.deepEqual(reader.find({ id: `${BLOCK_SIZE}`, limit: 1 }), { records: [] });
  await assertFindsAll(reader);
  database.db.close();
});
