import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Subscription } from './event.ts';
import { type MatchableEvent, matches, type Subscriber, subscribers } from './matching.ts';

const ACR = 'brigade.sh/acr';
const A = { registry: 'a.azurecr.io' };

function aProject(id: string, ...eventSubscriptions: Subscription[]): Subscriber {
  return { metadata: { id }, spec: { eventSubscriptions } };
}

const PROJECTS = [
  aProject('two', { source: ACR, types: ['push'], qualifiers: A }, { source: ACR, types: ['push'], qualifiers: A }),
  aProject('twoqual', { source: ACR, types: ['push'], qualifiers: { ...A, zone: 'z1' } }),
  aProject('star', { source: ACR, types: ['*'], qualifiers: A }),
  aProject('push', { source: ACR, types: ['push'], qualifiers: A }),
  aProject('noqual', { source: ACR, types: ['push'] }),
  aProject('qualstar', { source: ACR, types: ['push'], qualifiers: { registry: '*' } }),
  aProject('label', { source: ACR, types: ['push'], qualifiers: A, labels: { repo: 'x' } }),
  aProject('label2', { source: ACR, types: ['push'], qualifiers: A, labels: { repo: 'x', tag: 'v1' } }),
  { metadata: { id: 'none' }, spec: {} },
  { metadata: { id: 'null' }, spec: { eventSubscriptions: null } },
];

/** What the real server answered for the projects above. */
const OBSERVED: readonly (readonly [event: Partial<MatchableEvent>, projects: readonly string[]])[] = [
  [{ qualifiers: A }, ['push', 'star', 'two']],
  [{ type: 'delete', qualifiers: A }, ['star']],
  [{ qualifiers: A, labels: { repo: 'x' } }, ['label', 'push', 'star', 'two']],
  [{ qualifiers: A, labels: { repo: 'x', tag: 'v1', extra: 'e' } }, ['label', 'label2', 'push', 'star', 'two']],
  [{ qualifiers: A, labels: { repo: 'y' } }, ['push', 'star', 'two']],
  [{}, ['noqual']],
  [{ qualifiers: {} }, ['noqual']],
  [{ qualifiers: null }, ['noqual']],
  [{ qualifiers: { registry: 'A.azurecr.io' } }, []],
  [{ qualifiers: { registry: '*' } }, ['qualstar']],
  [{ qualifiers: { zone: 'z1', ...A } }, ['twoqual']],
  [{ type: '*', qualifiers: A }, ['star']],
  [{ qualifiers: A, projectID: 'label' }, []],
  [{ qualifiers: A, projectID: 'star' }, ['star']],
  [{ qualifiers: A, projectID: '' }, ['push', 'star', 'two']],
  [{ source: 'brigade.sh/*', qualifiers: A }, []],
];

for (const [event, projects] of OBSERVED) {
  test(`${JSON.stringify(event)} reaches ${projects.join(', ') || 'no project'}`, () => {
    const reached = subscribers(PROJECTS, { source: ACR, type: 'push', ...event });
    assert.deepEqual(
      reached.map(({ metadata }) => metadata.id),
      projects,
    );
  });
}

type Rule = (subscription: Subscription, event: MatchableEvent) => boolean;

/** Every pair of one is in the other, with the same value; null and missing are empty. */
function isWithin(part: Subscription['labels'], whole: MatchableEvent['labels']): boolean {
  const found = new Map(Object.entries(whole ?? {}));
  for (const [key, value] of Object.entries(part ?? {})) if (found.get(key) !== value) return false;
  return true;
}

/** The rules once more, as Brigade's documentation numbers them. They share nothing with what they judge. */
const RULES: readonly Rule[] = [
  // 1. The source is the same, and `*` is nothing special in it.
  (subscription, event) => subscription.source === event.source,
  // 2. The type is among the types, or the literal `*` is.
  (subscription, event) => new Set(subscription.types).intersection(new Set([event.type, '*'])).size > 0,
  // 3. The qualifiers are equal in both directions.
  (subscription, event) => isWithin(event.qualifiers, subscription.qualifiers),
  (subscription, event) => isWithin(subscription.qualifiers, event.qualifiers),
  // 4. Every label of the subscription is on the event; more labels of the event do not matter.
  (subscription, event) => isWithin(subscription.labels, event.labels),
];

/** Each project once, by id. `projectID` only narrows. A project without subscriptions gets nothing. */
function expected(projects: readonly Subscriber[], event: MatchableEvent): readonly string[] {
  const ids = new Set<string>();
  for (const { metadata, spec } of projects) {
    for (const subscription of spec.eventSubscriptions ?? []) {
      if (RULES.every((rule) => rule(subscription, event))) ids.add(metadata.id);
    }
  }
  return [...(event.projectID ? ids.intersection(new Set([event.projectID])) : ids)].sort();
}

const anId = fc.constantFrom('aa', 'ab', 'b-b', 'cc');
const aSource = fc.constantFrom(ACR, ACR, ACR, ACR, 'brigade.sh/*');
const aType = fc.constantFrom('push', 'push', 'push', 'delete', '*', 'pu*');
/** Often the same for two, and now and then with a key that every JavaScript object seems to have. */
const somePairs = fc.option(
  fc.oneof(
    { weight: 7, arbitrary: fc.constantFrom<Readonly<Record<string, string>>>({}, {}, A) },
    fc.dictionary(fc.constantFrom('registry', 'repo', 'constructor', '__proto__'), fc.constantFrom('a', '*', ''), {
      maxKeys: 3,
      noNullPrototype: true,
    }),
  ),
);
const aSubscription = fc.record({
  source: aSource,
  types: fc.array(aType, { minLength: 1, maxLength: 3 }),
  qualifiers: somePairs,
  labels: somePairs,
});
const someProjects = fc.uniqueArray(
  fc.record({
    metadata: fc.record({ id: anId }),
    spec: fc.record({ eventSubscriptions: fc.option(fc.array(aSubscription, { maxLength: 3 })) }, { requiredKeys: [] }),
  }),
  { minLength: 1, selector: ({ metadata }) => metadata.id },
);
const anEvent = fc.record(
  {
    projectID: fc.oneof(fc.constant(''), anId),
    source: aSource,
    type: aType,
    qualifiers: somePairs,
    labels: somePairs,
  },
  { requiredKeys: ['source', 'type'] },
);

test('the projects that get an event agree with an independent implementation of the rules', () => {
  const seen = { none: 0, some: 0 };
  fc.assert(
    fc.property(someProjects, anEvent, (projects, event) => {
      const reached = subscribers(projects, event).map(({ metadata }) => metadata.id);
      assert.deepEqual(reached, expected(projects, event));
      seen[reached.length === 0 ? 'none' : 'some'] += 1;
    }),
    { numRuns: 5000 },
  );
  for (const [count, times] of Object.entries(seen)) assert.ok(times > 1000, `${count}: ${times} of 5000`);
});

test('a subscription made of the fields of an event matches it, however many more labels it has', () => {
  const pairs = fc.dictionary(fc.constantFrom('registry', 'repo', 'tag'), fc.constantFrom('a', 'b'));
  fc.assert(
    fc.property(pairs, pairs, pairs, (qualifiers, labels, more) => {
      const subscription = { source: ACR, types: ['push'], qualifiers, labels };
      return matches(subscription, { source: ACR, type: 'push', qualifiers, labels: { ...more, ...labels } });
    }),
  );
});
