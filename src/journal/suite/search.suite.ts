import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { claimDue, findAll, keep, keepDelivered, keepOne, list, seqs } from '../../../test/support/journal-steps.ts';
import {
  aDeadLetter,
  anAttempt,
  aRecord,
  aRegistryEvent,
  DELIVERED,
  UNMATCHED,
} from '../../../test/support/records.ts';
import { FORMATS } from '../../model/webhook.ts';
import type { EventFilter, Journal, RecordState, RecordSummary } from '../journal.ts';
import { type Harness, type Proof, proofs } from './journal-harness.ts';

const HOUR = 3_600_000;

export function searchSuite(open: () => Promise<Harness>): void {
  const proves = proofs(open);
  filterSuite(proves);
  pagingSuite(proves);
  countSuite(proves);
  propertySuite(open);
}

function filterSuite(proves: Proof): void {
  proves('an event is found by each of its fields', async ({ journal, now }) => {
    const event = { ...aRegistryEvent('wanted'), registry: 'a.azurecr.io', repository: 'team/a', tag: 'v2' };
    const wanted = aRecord('wanted', now() - 2 * HOUR, { event, format: 'cloudevents', caller: 'release' });
    const [seq] = await keep(journal, wanted, aRecord('other', now(), { event: { id: 'other', action: 'delete' } }));
    const filters: readonly EventFilter[] = [
      { registry: 'a.azurecr.io' },
      { repository: 'team/a' },
      { repository: 'team/*' },
      { tag: 'v2' },
      { digest: event.digest ?? '' },
      { id: 'wanted' },
      { action: 'push' },
      { format: 'cloudevents' },
      { caller: 'release' },
      { until: wanted.receivedAt + 1 },
      { from: wanted.receivedAt, until: wanted.receivedAt + 1 },
    ];
    for (const filter of filters) {
      assert.deepEqual(seqs(await list(journal, { ...filter, limit: 10 })), [seq], JSON.stringify(filter));
    }
  });

  proves('conditions that do not hold together find nothing', async ({ journal, now }) => {
    await keep(journal, aRecord('a', now()), aRecord('b', now()));
    assert.deepEqual(await list(journal, { id: 'a', tag: 'v2', limit: 10 }), []);
    assert.deepEqual(await list(journal, { id: 'a', state: 'delivered', limit: 10 }), []);
    assert.deepEqual(await list(journal, { matched: true, state: 'pending', limit: 10 }), []);
  });

  proves('a glob for repositories matches `*` within a segment and `**` across', async ({ journal, now }) => {
    const names = ['app', 'team/app', 'team/b/app', 'other/app'];
    const records = names.map((repository) =>
      aRecord(repository, now(), { event: { ...aRegistryEvent(repository), repository } }),
    );
    const [plain, inTeam, below] = await keep(journal, ...records);
    assert.deepEqual(seqs(await list(journal, { repository: 'team/*', limit: 10 })), [inTeam]);
    assert.deepEqual(seqs(await list(journal, { repository: 'team/**', limit: 10 })), [below, inTeam]);
    assert.deepEqual(seqs(await list(journal, { repository: 'app', limit: 10 })), [plain]);
  });

  proves('delivered events are found by whether a project subscribes to them', async ({ journal, now }) => {
    const [matched] = await keepDelivered(journal, aRecord('a', now()));
    const unmatched = await keepUnmatched(journal, 'b', now());
    assert.deepEqual(seqs(await list(journal, { matched: true, limit: 10 })), [matched]);
    const found = await list(journal, { matched: false, limit: 10 });
    assert.deepEqual([seqs(found), found[0]?.unmatched], [[unmatched], true]);

    assert.equal(await journal.redeliver(unmatched), true);
    assert.deepEqual(await list(journal, { matched: false, limit: 10 }), []);
  });

  proves('an event that a redelivery replaces is found by its new fields', async ({ journal, now }) => {
    const seq = await keepOne(journal, aDeadLetter('a', now()));
    assert.deepEqual(seqs(await list(journal, { registry: 'example.azurecr.io', limit: 10 })), [seq]);
    await journal.redeliver(seq, { ...aRegistryEvent('a'), registry: 'fixed.azurecr.io' });

    assert.deepEqual(seqs(await list(journal, { registry: 'fixed.azurecr.io', limit: 10 })), [seq]);
    assert.deepEqual(await list(journal, { registry: 'example.azurecr.io', limit: 10 }), []);
  });
}

function pagingSuite(proves: Proof): void {
  proves('new events and changed states do not disturb the paging of what was there', async ({ journal, now }) => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const kept = await keep(journal, ...names.map((name) => aDeadLetter(name, now())));
    const found: number[] = [];
    let before: number | undefined = Number.POSITIVE_INFINITY;
    while (before !== undefined) {
      const page = await journal.find({ action: 'push', before, limit: 2 });
      found.push(...seqs(page.records));
      await keepOne(journal, aRecord(`new ${before}`, now()));
      await journal.redeliver(page.records[0]?.seq ?? 0);
      before = page.next;
    }
    assert.deepEqual(found, [...kept].reverse());
  });

  proves('a page may begin at any number', async ({ journal, now }) => {
    const [seq = 0] = await keep(journal, aRecord('a', now()));
    for (const filter of [{}, { tag: 'v1' }, { state: 'pending' }, { state: 'delivered' }] as const) {
      for (const before of [Number.NaN, Number.NEGATIVE_INFINITY, -(2 ** 53), -1, -0, 0, 0.5, seq]) {
        assert.deepEqual(await journal.find({ ...filter, before, limit: 5 }), { records: [] });
      }
      for (const before of [
        seq + 0.5,
        seq + 1,
        2 ** 31,
        2 ** 53,
        2 ** 64,
        Number.MAX_VALUE,
        Number.POSITIVE_INFINITY,
      ]) {
        const { length } = await list(journal, { ...filter, before, limit: 5 });
        assert.equal(length, 'state' in filter && filter.state === 'delivered' ? 0 : 1, `${before}`);
      }
    }
  });
}

function countSuite(proves: Proof): void {
  proves('events are counted by the hour in which they were received, and by state', async ({ journal, now }) => {
    const hour = Math.floor(now() / HOUR) * HOUR;
    await keepDelivered(journal, aRecord('a', hour - HOUR), aRecord('b', hour - HOUR + 1));
    await keep(journal, aDeadLetter('c', hour - HOUR), aRecord('d', hour, { caller: 'release' }));

    assert.deepEqual(sorted(await journal.count({})), [
      { hour, state: 'pending', count: 1 },
      { hour: hour - HOUR, state: 'dead-lettered', count: 1 },
      { hour: hour - HOUR, state: 'delivered', count: 2 },
    ]);
    assert.deepEqual(await journal.count({ caller: 'release' }), [{ hour, state: 'pending', count: 1 }]);
    assert.deepEqual(await journal.count({ caller: 'nobody' }), []);
  });
}

function sorted(counts: Awaited<ReturnType<Journal['count']>>) {
  return counts.toSorted((a, b) => b.hour - a.hour || a.state.localeCompare(b.state));
}

async function keepUnmatched(journal: Journal, name: string, at: number): Promise<number> {
  const seq = await keepOne(journal, aRecord(name, at));
  const attempt = anAttempt(at, UNMATCHED);
  for (const claim of await claimDue(journal)) {
    await journal.complete({ seq: claim.seq, fence: claim.fence, attempt, decision: { kind: 'complete' } });
  }
  return seq;
}

const REGISTRIES = ['a.azurecr.io', 'b.azurecr.io'];
const REPOSITORIES = ['app', 'team/app', 'team/b/app', 'team/web'];
const TAGS = ['v1', 'v2'];
const CALLERS = ['ci', 'release'];
const ACTIONS = ['push', 'delete'] as const;
const ENDS = ['pending', 'delivered', 'unmatched', 'dead-lettered', 'discarded', 'redelivered'] as const;

const ANY_EVENT = fc.record({
  registry: fc.option(fc.constantFrom(...REGISTRIES), { nil: undefined }),
  repository: fc.option(fc.constantFrom(...REPOSITORIES), { nil: undefined }),
  tag: fc.option(fc.constantFrom(...TAGS), { nil: undefined }),
  action: fc.constantFrom(...ACTIONS),
  caller: fc.constantFrom(...CALLERS),
  format: fc.constantFrom(...FORMATS),
  hoursAgo: fc.nat(3),
  end: fc.constantFrom(...ENDS),
});

type AnyEvent = typeof ANY_EVENT extends fc.Arbitrary<infer T> ? T : never;

const ANY_FILTER = fc.record(
  {
    state: fc.constantFrom<RecordState>('pending', 'delivered', 'dead-lettered', 'discarded'),
    registry: fc.constantFrom(...REGISTRIES, 'c.azurecr.io'),
    repository: fc.constantFrom(...REPOSITORIES, '*', '**', 'team/*', 'team/**', '*/app', '**app', 'none'),
    tag: fc.constantFrom(...TAGS, 'v3'),
    id: fc.constantFrom('event 0', 'event 1', 'event 9999'),
    action: fc.constantFrom(...ACTIONS),
    caller: fc.constantFrom(...CALLERS),
    format: fc.constantFrom(...FORMATS),
    matched: fc.boolean(),
    fromHoursAgo: fc.nat(3),
    untilHoursAgo: fc.nat(3),
  },
  { requiredKeys: [] },
);

type AnyFilter = typeof ANY_FILTER extends fc.Arbitrary<infer T> ? T : never;

/** Each run opens a journal of its own. */
const RUNS = 12;

function propertySuite(open: () => Promise<Harness>): void {
  test('a filter finds and counts exactly what it means', { timeout: 300_000 }, async () => {
    const events = fc.array(ANY_EVENT, { minLength: 1, maxLength: 40 });
    const filters = fc.array(ANY_FILTER, { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(events, filters, fc.integer({ min: 1, max: 7 }), async (given, asked, limit) => {
        const harness = await open();
        try {
          const now = harness.now();
          const known = await keepAll(harness.journal, given, now);
          for (const filter of asked) await compare(harness.journal, known, { filter, limit, now });
        } finally {
          await harness.dispose();
        }
      }),
      { numRuns: RUNS },
    );
  });
}

interface Known extends AnyEvent {
  readonly id: string;
  readonly seq: number;
  readonly receivedAt: number;
  readonly state: RecordState;
}

async function keepAll(journal: Journal, given: readonly AnyEvent[], now: number): Promise<readonly Known[]> {
  const records = given.map(({ registry, repository, tag, action, caller, format, hoursAgo, end }, index) => {
    const id = `event ${index}`;
    const texts = Object.entries({ registry, repository, tag }).filter(([, text]) => text !== undefined);
    const isDead = end === 'dead-lettered' || end === 'discarded';
    const changes = { event: { id, action, ...Object.fromEntries(texts) }, caller, format };
    return (isDead ? aDeadLetter : aRecord)(id, now - hoursAgo * HOUR, changes);
  });
  const kept = await keep(journal, ...records);
  const known = given.map((event, index) => {
    const state: RecordState =
      event.end === 'unmatched' ? 'delivered' : event.end === 'redelivered' ? 'pending' : event.end;
    const [seq = 0, receivedAt = 0] = [kept[index], records[index]?.receivedAt];
    return { ...event, id: `event ${index}`, seq, receivedAt, state };
  });
  const endOf = new Map(known.map(({ seq, end }) => [seq, end]));
  const claims = known.some(({ end }) => end !== 'dead-lettered' && end !== 'discarded') ? await claimDue(journal) : [];
  for (const { seq, fence } of claims) {
    const end = endOf.get(seq);
    if (end === 'pending') continue;
    const attempt = anAttempt(now, end === 'unmatched' ? UNMATCHED : DELIVERED);
    assert.equal(await journal.complete({ seq, fence, attempt, decision: { kind: 'complete' } }), true);
    if (end === 'redelivered') assert.equal(await journal.redeliver(seq), true);
  }
  for (const { seq, end } of known) if (end === 'discarded') assert.equal(await journal.discard(seq, 'alice'), true);
  return known;
}

interface Question {
  readonly filter: AnyFilter;
  readonly limit: number;
  readonly now: number;
}

async function compare(journal: Journal, known: readonly Known[], { filter, limit, now }: Question): Promise<void> {
  const { fromHoursAgo, untilHoursAgo, ...conditions } = filter;
  const query: EventFilter = {
    ...conditions,
    ...(fromHoursAgo !== undefined && { from: now - fromHoursAgo * HOUR }),
    ...(untilHoursAgo !== undefined && { until: now - untilHoursAgo * HOUR }),
  };
  const wanted = known.filter((event) => isMeant(query, event)).reverse();
  const found = await findAll(journal, { ...query, limit });
  assert.deepEqual(seqs(found), seqs(wanted), JSON.stringify(query));
  assert.deepEqual(found.map(stateOf), wanted.map(stateOf));
  const counted = (await journal.count(query)).reduce((sum, { count }) => sum + count, 0);
  assert.equal(counted, wanted.length, JSON.stringify(query));
}

function stateOf({ state }: Pick<RecordSummary, 'state'>): RecordState {
  return state;
}

/** As plainly as it can be said. */
function isMeant(filter: EventFilter, event: Known): boolean {
  const { repository, matched, from, until, ...exact } = filter;
  for (const [field, wanted] of Object.entries(exact)) {
    if (wanted !== undefined && Object.entries(event).every(([name, value]) => name !== field || value !== wanted)) {
      return false;
    }
  }
  if (matched !== undefined && event.end !== (matched ? 'delivered' : 'unmatched')) return false;
  if (from !== undefined && event.receivedAt < from) return false;
  if (until !== undefined && event.receivedAt >= until) return false;
  if (repository === undefined) return true;
  const pattern = repository.replaceAll('**', '.+').replaceAll('*', '[^/]*').replaceAll('.+', '.*');
  return event.repository !== undefined && new RegExp(`^${pattern}$`).test(event.repository);
}
