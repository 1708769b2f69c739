import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  append,
  claimDue,
  claimOne,
  keep,
  keepDelivered,
  keepOne,
  list,
  pruneAll,
  retryClaim,
  seqs,
} from '../../../test/support/journal-steps.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { aLargeRecord, aRecord } from '../../../test/support/records.ts';
import { systemClock } from '../../model/clock.ts';
import { LIMITS } from '../limits.ts';
import { type Harness, journalSuite } from '../suite/journal.suite.ts';
import { MemoryJournal, type MemoryLimits } from './memory.ts';

const MIB = 1024 * 1024;

function aMemoryJournal(limits?: MemoryLimits): { readonly journal: MemoryJournal; readonly clock: ManualClock } {
  const clock = new ManualClock();
  return { clock, journal: new MemoryJournal(limits ? { clock, limits } : { clock }) };
}

async function open(): Promise<Harness> {
  const limits = { maxBytes: 64 * MIB, maxKeys: 100_000 };
  const { journal, clock } = aMemoryJournal(limits);
  return {
    journal,
    now: () => clock.now(),
    advance: async (ms) => clock.advance(ms),
    setClock: (wrongMs) => clock.set(wrongMs),
    durable: false,
    reopen: async () => journal,
    obstruct: async () => {
      limits.maxBytes = 0;
      return async () => {
        limits.maxBytes = 64 * MIB;
      };
    },
    maxHistoryBytes: 32 * MIB,
    dispose: () => journal.close(),
  };
}

journalSuite('memory', open);

test('a memory journal that has reached its size is full until something is pruned', async () => {
  const { journal, clock } = aMemoryJournal({ maxBytes: 4 * MIB, maxKeys: 100 });
  const [first = 0] = await keepDelivered(journal, aLargeRecord('a', clock.now(), 3 * MIB));
  const large = aLargeRecord('b', clock.now(), MIB);

  assert.deepEqual(await journal.append([aRecord('c', clock.now()), large]), { kind: 'unavailable', reason: 'full' });
  assert.deepEqual(seqs(await list(journal, { limit: 10 })), [first]);

  assert.deepEqual(await journal.prune(), { gone: 1, mayBeMore: true, early: new Map() });
  await keep(journal, aRecord('c', clock.now()), large);
});

test('a full memory journal still recognizes duplicates', async () => {
  const { journal, clock } = aMemoryJournal({ maxBytes: MIB, maxKeys: 1 });
  const seq = await keepOne(journal, aRecord('a', clock.now()));

  await assert.rejects(journal.check(), { name: 'JournalFault', message: 'the memory journal is full' });
  assert.deepEqual(await append(journal, aRecord('a', clock.now())), [{ kind: 'duplicate', of: seq }]);
});

test('a memory journal with its maximum of keys is full until some are 7 days old', async () => {
  const { journal, clock } = aMemoryJournal({ maxBytes: MIB, maxKeys: 2 });
  await keepDelivered(journal, aRecord('a', clock.now()), aRecord('b', clock.now()));
  assert.deepEqual(await journal.append([aRecord('c', clock.now())]), { kind: 'unavailable', reason: 'full' });

  clock.advance(LIMITS.keysMs + 1);
  await pruneAll(journal);

  await keepOne(journal, aRecord('c', clock.now()));
});

test('leases end and events fall due to the millisecond', async () => {
  const { journal, clock } = aMemoryJournal();
  const seq = await keepOne(journal, aRecord('a', clock.now()));
  await retryClaim(journal, await claimOne(journal), clock.now(), clock.now() + 10);
  const first = claimDue(journal);
  clock.advance(9);
  const early = await keepOne(journal, aRecord('b', clock.now()));
  assert.deepEqual(seqs(await first), [early]);
  clock.advance(1);
  assert.deepEqual(seqs(await claimDue(journal)), [seq]);

  clock.advance(LIMITS.leaseMs - 2);
  const next = claimDue(journal, 1);
  clock.advance(1);
  assert.deepEqual(seqs(await next), [early]);
  clock.advance(1);
  assert.deepEqual(seqs(await claimDue(journal)), [seq]);
});

test('a claim waits by the clock of the system', async () => {
  const journal = new MemoryJournal({ clock: systemClock });
  const seq = await keepOne(journal, aRecord('a', systemClock.now()));
  await retryClaim(journal, await claimOne(journal), journal.time(), journal.time() + 20);
  assert.deepEqual(seqs(await claimDue(journal)), [seq]);
});

test('a large backlog is claimed completely and in order', async () => {
  const { journal, clock } = aMemoryJournal();
  const names = Array.from({ length: 10_000 }, (_, index) => `event ${index}`);
  const kept = await keep(journal, ...names.map((name) => aRecord(name, clock.now())));

  const claimed: number[] = [];
  while (claimed.length < kept.length) claimed.push(...seqs(await claimDue(journal, 64)));

  assert.deepEqual(claimed, kept);
});
