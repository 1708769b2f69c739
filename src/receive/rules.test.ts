import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { RegistryEvent } from '../model/registry-event.ts';
import type { Conditions, Rule } from '../model/rule.ts';
import { applyRules } from './rules.ts';

const aPush: RegistryEvent = {
  id: 'a',
  action: 'push',
  registry: 'Example.azurecr.io',
  repository: 'team/app',
  tag: 'v1',
  manifest: 'index',
  region: 'WestEurope',
};

function ignoring(when: Conditions, name = 'one'): Rule {
  return { name, decision: 'ignore', when };
}

/** Whether a rule with this condition matches the push with these changes. */
function holds(when: Conditions, changes: Partial<RegistryEvent> = {}): boolean {
  return applyRules({ ...aPush, ...changes }, { name: 'ci', rules: [ignoring(when)] }).kind === 'ignore';
}

/** The push without one of its fields. */
function without(field: keyof RegistryEvent): RegistryEvent {
  const { [field]: _, ...rest } = aPush;
  return { id: 'a', action: 'push', ...rest };
}

describe('rules', () => {
  it('accept what no rule matches', () => {
    assert.deepEqual(applyRules(aPush, { name: 'ci' }), { kind: 'accept' });
    assert.deepEqual(applyRules(aPush, { name: 'ci', rules: [ignoring({ actions: ['delete'] })] }), { kind: 'accept' });
  });

  it('decide by the first that matches, and name it', () => {
    const keep: Rule = { name: 'keep', decision: 'accept', when: { tags: ['v*'] } };
    const rules = [keep, ignoring({}, 'rest')];
    assert.deepEqual(applyRules(aPush, { name: 'ci', rules }), { kind: 'accept', rule: 'keep' });
    assert.deepEqual(applyRules({ ...aPush, tag: 'x' }, { name: 'ci', rules }), { kind: 'ignore', rule: 'rest' });
    assert.deepEqual(applyRules(aPush, { name: 'ci', rules: rules.toReversed() }), { kind: 'ignore', rule: 'rest' });
  });

  it('match every event where they have no condition', () => {
    assert.equal(holds({}), true);
    assert.equal(applyRules({ id: 'a', action: 'delete' }, { name: 'ci', rules: [ignoring({})] }).kind, 'ignore');
  });

  const conditions: readonly (readonly [keyof RegistryEvent, Conditions, Partial<RegistryEvent>])[] = [
    ['registry', { registries: ['other.azurecr.io', 'example.*'] }, { registry: 'other.example.com' }],
    ['repository', { repositories: ['base/**', 'team/*'] }, { repository: 'team/app/part' }],
    ['tag', { tags: ['latest', 'v*'] }, { tag: 'nightly' }],
    ['manifest', { manifests: ['single', 'index'] }, { manifest: 'chart' }],
    ['region', { regions: ['west*'] }, { region: 'eastus' }],
  ];
  for (const [field, when, other] of conditions) {
    it(`match by ${field} where one of their globs or names does, and never an event without it`, () => {
      assert.equal(holds(when), true);
      assert.equal(holds(when, other), false);
      assert.equal(applyRules(without(field), { name: 'ci', rules: [ignoring(when)] }).kind, 'accept');
    });
  }

  it('match by action', () => {
    assert.equal(holds({ actions: ['delete', 'push'] }), true);
    assert.equal(holds({ actions: ['delete'] }), false);
  });

  it('match events with or without a tag', () => {
    const tagless = { name: 'ci', rules: [ignoring({ tagged: false })] };
    assert.equal(applyRules(without('tag'), tagless).kind, 'ignore');
    assert.equal(applyRules(aPush, tagless).kind, 'accept');
    assert.equal(holds({ tagged: true }), true);
    assert.equal(applyRules(without('tag'), { name: 'ci', rules: [ignoring({ tagged: true })] }).kind, 'accept');
  });

  it('compare registries and regions without regard to case, and repositories and tags with it', () => {
    assert.equal(holds({ registries: ['example.azurecr.io'], regions: ['westeurope'] }), true);
    assert.equal(holds({ repositories: ['Team/app'] }), false);
    assert.equal(holds({ tags: ['V1'] }), false);
  });

  it('match where all their conditions do', () => {
    const met: readonly Conditions[] = [
      { actions: ['push'] },
      { tagged: true },
      { repositories: ['team/*'] },
      { tags: ['v1'] },
    ];
    const unmet: Conditions = { manifests: ['chart'] };
    fc.assert(
      fc.property(fc.subarray([...met]), fc.boolean(), (some, withUnmet) => {
        assert.equal(holds(Object.assign({}, ...some, withUnmet ? unmet : {})), !withUnmet);
      }),
    );
  });
});
