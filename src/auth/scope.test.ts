import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Binding } from '../model/caller.ts';
import { ACTIONS, type RegistryEvent } from '../model/registry-event.ts';
import { type Scope, scopeOf } from './scope.ts';

const anEvent: RegistryEvent = { id: 'a', action: 'push', registry: 'example.azurecr.io', repository: 'team/app' };
const { registry: _, ...unnamed } = anEvent;

function scopeIn(binding: Binding, event: RegistryEvent): Scope {
  return scopeOf({ name: 'ci', binding }, event);
}

function pathAtFault(binding: Binding, event: RegistryEvent): string | undefined {
  const scope = scopeIn(binding, event);
  return scope.kind === 'out-of-scope' ? scope.issue.path : undefined;
}

describe('the scope of a caller', () => {
  it('an unbound caller’s event stays as it is', () => {
    for (const event of [anEvent, unnamed])
      assert.deepEqual(scopeOf({ name: 'ci' }, event), { kind: 'in-scope', event });
  });

  it('an event gets the name of the registry that the binding gives it, however the event writes it', () => {
    const binding = { registry: 'Example.azurecr.io' };
    for (const registry of [
      'example.azurecr.io',
      'EXAMPLE.AZURECR.IO.',
      'example.azurecr.io:443',
      'example.azurecr.io.:443',
    ]) {
      assert.deepEqual(scopeIn(binding, { ...anEvent, registry }), {
        kind: 'in-scope',
        event: { ...anEvent, registry: 'Example.azurecr.io' },
      });
    }
  });

  it('an event that names no registry gets the binding’s', () => {
    const scope = scopeIn({ registry: 'example.azurecr.io' }, unnamed);
    assert.deepEqual(scope, { kind: 'in-scope', event: { ...unnamed, registry: 'example.azurecr.io' } });
  });

  it('another registry is out of scope', () => {
    for (const registry of [
      'other.azurecr.io',
      'example.azurecr.io:8443',
      'example.azurecr.io.evil.example',
      'xample.azurecr.io',
    ]) {
      assert.equal(pathAtFault({ registry: 'example.azurecr.io' }, { ...anEvent, registry }), 'registry');
    }
  });

  it('a repository is in scope when one glob matches it, and none is when globs are bound', () => {
    const binding = { repositories: ['base/**', 'team/*'] };
    assert.deepEqual(scopeIn(binding, anEvent), { kind: 'in-scope', event: anEvent });
    assert.equal(pathAtFault(binding, { ...anEvent, repository: 'team/app/child' }), 'repository');
    const { repository: _, ...without } = anEvent;
    assert.equal(pathAtFault(binding, without), 'repository');
  });

  it('an action is in scope when it is listed', () => {
    assert.equal(pathAtFault({ actions: ['push'] }, anEvent), undefined);
    assert.equal(pathAtFault({ actions: ['push'] }, { ...anEvent, action: 'delete' }), 'action');
  });

  it('whatever a bound caller’s event says, it is out of scope or carries the binding’s registry, and is told without quoting it', () => {
    const foreign = fc.string({ unit: 'binary', minLength: 1 }).map((text) => `§${text}`);
    const event = fc.record({
      id: fc.string(),
      action: fc.constantFrom(...ACTIONS),
      registry: foreign,
      repository: foreign,
    });
    const binding: Binding = { registry: 'example.azurecr.io', repositories: ['team/*'] };
    fc.assert(
      fc.property(event, fc.boolean(), (hostile, own) => {
        const scope = scopeIn(binding, own ? { ...hostile, registry: 'example.azurecr.io' } : hostile);
        assert.equal(scope.kind, 'out-of-scope');
        assert.ok(!JSON.stringify(scope.issue).includes('§'));
      }),
    );
  });
});
