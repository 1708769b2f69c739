import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Subscription } from './event.ts';
import { type MatchableEvent, matches, type Subscriber } from './matching.ts';
import { describeNearMatch, differencesBetween, nearMatches } from './near-matches.ts';

const ACR = 'brigade.sh/acr';
const EVENT: MatchableEvent = {
  source: ACR,
  type: 'push',
  qualifiers: { registry: 'a.azurecr.io' },
  labels: { repo: 'app', tag: 'v1' },
};
const SUBSCRIPTION: Subscription = { source: ACR, types: ['push'], qualifiers: { registry: 'a.azurecr.io' } };

function aProject(id: string, ...changes: Partial<Subscription>[]): Subscriber {
  return { metadata: { id }, spec: { eventSubscriptions: changes.map((each) => ({ ...SUBSCRIPTION, ...each })) } };
}

const SENTENCES: readonly (readonly [changes: Partial<Subscription>, sentence: string])[] = [
  [{ source: 'brigade.sh/github' }, `wants the source "brigade.sh/github", and the event has "${ACR}"`],
  [{ types: ['delete', 'chart_push'] }, 'wants the type "delete, chart_push", and the event has "push"'],
  [
    { qualifiers: { registry: 'b.azurecr.io' } },
    'wants the qualifier registry "b.azurecr.io", and the event has "a.azurecr.io"',
  ],
  [
    { qualifiers: { registry: 'A.azurecr.io' } },
    'wants the qualifier registry "A.azurecr.io", and the event has "a.azurecr.io": case matters',
  ],
  [{ qualifiers: null }, 'does not name the qualifier registry "a.azurecr.io", which the event has'],
  [
    { qualifiers: { registry: 'a.azurecr.io', zone: 'z1' } },
    'wants the qualifier zone "z1", which the event does not have',
  ],
  [{ labels: { repo: 'other' } }, 'wants the label repo "other", and the event has "app"'],
  [{ labels: { region: 'westeurope' } }, 'wants the label region "westeurope", which the event does not have'],
  [
    { types: ['delete'], labels: { repo: 'other' } },
    'wants the type "delete", and the event has "push"; it wants the label repo "other", and the event has "app"',
  ],
];

for (const [changes, sentence] of SENTENCES) {
  test(`a subscription with ${JSON.stringify(changes)} ${sentence}`, () => {
    const [near] = nearMatches([aProject('hello', changes)], EVENT, 1);
    assert.equal(near && describeNearMatch(near), `project hello ${sentence}`);
  });
}

test('the subscription with the fewest differences comes first, one for each project, and projects that match are left out', () => {
  const projects = [
    aProject('another-source', { source: 'brigade.sh/github' }),
    aProject('two', { types: ['delete'], labels: { repo: 'x' } }),
    aProject('one', { types: ['delete'], labels: { repo: 'x' } }, { labels: { repo: 'x' } }),
    aProject('case', { labels: { repo: 'App' } }),
    aProject('also-one', { types: ['delete'] }),
    aProject('subscribed', {}, { types: ['delete'] }),
    { metadata: { id: 'none' }, spec: {} },
  ];
  const ids = nearMatches(projects, EVENT, 10).map(({ projectID }) => projectID);
  assert.deepEqual(ids, ['case', 'also-one', 'one', 'two', 'another-source']);
  assert.equal(nearMatches(projects, EVENT, 2).length, 2);
});

const someText = fc.constantFrom('a', 'A', 'b', '*');
const somePairs = fc.option(
  fc.dictionary(fc.constantFrom('registry', 'repo', 'constructor'), someText, { maxKeys: 3 }),
);
const aSubscription = fc.record({
  source: someText,
  types: fc.array(someText, { minLength: 1, maxLength: 2 }),
  qualifiers: somePairs,
  labels: somePairs,
});
const anEvent = fc.record({ source: someText, type: someText, qualifiers: somePairs, labels: somePairs });

test('there is a difference if and only if the subscription does not match', () => {
  fc.assert(
    fc.property(aSubscription, anEvent, (subscription, event) => {
      assert.equal(differencesBetween(subscription, event).length === 0, matches(subscription, event));
    }),
    { numRuns: 2000 },
  );
});
