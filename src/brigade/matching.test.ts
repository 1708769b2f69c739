import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Subscription } from './brigade-event.ts';
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
  test(`${JSON.stringify(event)} reaches ${projects.join(', ') || 'nobody'}`, () => {
    const reached = subscribers(PROJECTS, { source: ACR, type: 'push', ...event });
    assert.deepEqual(
      reached.map(({ metadata }) => metadata.id),
      projects,
    );
  });
}

/** The rules once more, over sorted `key=value` texts instead of look-ups. */
function oracle(subscription: Subscription, event: MatchableEvent): boolean {
  const texts = (pairs: MatchableEvent['labels']) =>
    Object.entries(pairs ?? {}).map(([key, value]) => `${key}=${value}`);
  const wanted = new Set(texts(subscription.labels));
  return (
    event.source === subscription.source &&
    subscription.types.some((type) => type === '*' || type === event.type) &&
    texts(event.qualifiers).sort().join() === texts(subscription.qualifiers).sort().join() &&
    wanted.difference(new Set(texts(event.labels))).size === 0
  );
}

test('matching agrees with the rules as written down independently', () => {
  const source = fc.constantFrom('brigade.sh/acr', 'brigade.sh/github', '*');
  const type = fc.constantFrom('push', 'delete', '*', 'pu*');
  const key = fc.constantFrom('registry', 'repo', 'constructor', '__proto__');
  const pairs = fc.option(fc.dictionary(key, fc.constantFrom('a', 'b', '*'), { maxKeys: 3, noNullPrototype: true }));
  const subscription = fc.record({ source, types: fc.array(type, { maxLength: 3 }), qualifiers: pairs, labels: pairs });
  const event = fc.record({ source, type, qualifiers: pairs, labels: pairs });
  fc.assert(
    fc.property(subscription, event, (s, e) => matches(s, e) === oracle(s, e)),
    { numRuns: 2000 },
  );
});

test('an event is matched by the subscription made of its own fields, whatever more labels it has', () => {
  const pairs = fc.dictionary(fc.constantFrom('registry', 'repo', 'tag'), fc.constantFrom('a', 'b'));
  fc.assert(
    fc.property(pairs, pairs, pairs, (qualifiers, labels, more) => {
      const subscription = { source: ACR, types: ['push'], qualifiers, labels };
      return matches(subscription, { source: ACR, type: 'push', qualifiers, labels: { ...more, ...labels } });
    }),
  );
});
