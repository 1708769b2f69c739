import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Binding, Caller } from '../model/caller.ts';
import { ACTIONS, type RegistryEvent } from '../model/registry-event.ts';
import { comparableRegistry, registriesOf } from '../model/registry-name.ts';
import { isUnbound, type Scope, scopeOf } from './scope.ts';

const anEvent: RegistryEvent = { id: 'a', action: 'push', registry: 'example.azurecr.io', repository: 'team/app' };
const { registry: _, ...unnamed } = anEvent;

const PREFIX = '/subscriptions/1/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries';

const registries = registriesOf([
  {
    name: 'Example.azurecr.io',
    aliases: ['images.example.com', 'example.westeurope.geo.azurecr.io'],
    resource: `${PREFIX}/example`,
  },
  { name: 'other.azurecr.io', aliases: [], resource: `${PREFIX}/other` },
]);

function scopeIn(binding: Binding, event: RegistryEvent, rest: Partial<Caller> = {}): Scope {
  return scopeOf({ name: 'ci', bindings: [binding], ...rest }, event);
}

function issuePath(binding: Binding, event: RegistryEvent, rest: Partial<Caller> = {}): string | undefined {
  const scope = scopeIn(binding, event, rest);
  return scope.kind === 'out-of-scope' ? scope.issue.path : undefined;
}

/** The registry that an event in scope gets. Fails for an event out of scope. */
function registryOf(caller: Partial<Caller>, event: RegistryEvent): string | undefined {
  const scope = scopeOf({ name: 'ci', registries, ...caller }, event);
  assert.equal(scope.kind, 'in-scope', JSON.stringify(scope));
  return scope.event.registry;
}

function boundTo(...names: readonly string[]): Partial<Caller> {
  return { bindings: [{ registries: names }] };
}

describe('scope', () => {
  it('leaves an event of an unbound caller as it is', () => {
    for (const event of [anEvent, unnamed])
      assert.deepEqual(scopeOf({ name: 'ci' }, event), { kind: 'in-scope', event });
  });

  it('gives an event the name of its registry as the binding has it, however the event spells it', () => {
    const binding = { registries: ['Example.azurecr.io'] };
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

  it('gives an event without a registry that of the binding', () => {
    const scope = scopeIn({ registries: ['example.azurecr.io'] }, unnamed);
    assert.deepEqual(scope, { kind: 'in-scope', event: { ...unnamed, registry: 'example.azurecr.io' } });
  });

  it('rejects an event of another registry', () => {
    for (const registry of [
      'other.azurecr.io',
      'example.azurecr.io:8443',
      'example.azurecr.io.evil.example',
      'xample.azurecr.io',
    ]) {
      assert.equal(issuePath({ registries: ['example.azurecr.io'] }, { ...anEvent, registry }), 'registry');
    }
  });

  it('allows a repository that matches a glob of the binding, and rejects an event without a repository', () => {
    const binding = { repositories: ['base/**', 'team/*'] };
    assert.deepEqual(scopeIn(binding, anEvent), { kind: 'in-scope', event: anEvent });
    assert.equal(issuePath(binding, { ...anEvent, repository: 'team/app/child' }), 'repository');
    const { repository: _, ...without } = anEvent;
    assert.equal(issuePath(binding, without), 'repository');
  });

  it('allows an action that the binding lists, and rejects any other', () => {
    assert.equal(issuePath({ actions: ['push'] }, anEvent), undefined);
    assert.equal(issuePath({ actions: ['push'] }, { ...anEvent, action: 'delete' }), 'action');
  });

  it('applies every one of several bindings', () => {
    const bindings = [{ registries: ['example.azurecr.io', 'other.azurecr.io'] }, { registries: ['other.azurecr.io'] }];
    assert.equal(registryOf({ bindings }, unnamed), 'other.azurecr.io');
    assert.equal(scopeOf({ name: 'ci', bindings }, anEvent).kind, 'out-of-scope');
    const contradictory = [{ registries: ['example.azurecr.io'] }, { registries: ['other.azurecr.io'] }];
    assert.equal(scopeOf({ name: 'ci', bindings: contradictory }, unnamed).kind, 'out-of-scope');
    const more = [...bindings, { actions: ['delete'] as const }];
    assert.equal(scopeOf({ name: 'ci', bindings: more }, unnamed).kind, 'out-of-scope');
  });

  it('is unbound when no binding names a registry', () => {
    assert.equal(isUnbound({ name: 'ci', bindings: [{ actions: ['push'] }] }), true);
    assert.equal(isUnbound({ name: 'ci', bindings: [{ actions: ['push'] }, { registries: ['a'] }] }), false);
  });
});

describe('a registry with several names', () => {
  it('has its canonical name in every event, for bound and unbound callers', () => {
    for (const caller of [{}, boundTo('example.azurecr.io'), boundTo('images.example.com')]) {
      for (const registry of ['EXAMPLE.azurecr.io.', 'images.example.com:443', 'Example.WestEurope.geo.azurecr.io']) {
        assert.equal(registryOf(caller, { ...anEvent, registry }), 'Example.azurecr.io');
      }
    }
  });

  it('is found by its resource when the event has no host, or one that is not configured', () => {
    const resource = `${PREFIX.toUpperCase()}/EXAMPLE/connectedRegistries/plant`;
    assert.equal(registryOf({}, { ...unnamed, resource }), 'Example.azurecr.io');
    assert.equal(registryOf({}, { ...anEvent, registry: '10.1.2.3', resource }), 'Example.azurecr.io');
    const both = boundTo('example.azurecr.io', 'other.azurecr.io');
    assert.equal(registryOf(both, { ...unnamed, resource }), 'Example.azurecr.io');
    assert.equal(registryOf(both, { ...unnamed, resource: `${PREFIX}/other/` }), 'other.azurecr.io');
  });

  it('stays unknown when the event does not name one of several', () => {
    const both = boundTo('example.azurecr.io', 'unlisted.azurecr.io');
    assert.equal(registryOf(both, unnamed), undefined);
    assert.equal(registryOf(both, { ...unnamed, resource: `${PREFIX}/unknown` }), undefined);
    assert.equal(registryOf({}, { ...unnamed, resource: `${PREFIX}/unknown` }), undefined);
  });

  it('is that of the binding when its resource is not configured', () => {
    const event = { ...unnamed, resource: `${PREFIX}/unknown` };
    assert.equal(registryOf(boundTo('unlisted.azurecr.io'), event), 'unlisted.azurecr.io');
  });

  it('is out of scope when either host or resource is that of another registry', () => {
    const binding = { registries: ['example.azurecr.io'] };
    for (const event of [
      { ...unnamed, resource: `${PREFIX}/other` },
      { ...unnamed, resource: `${PREFIX}/unknown` },
      { ...anEvent, resource: `${PREFIX}/other` },
      { ...anEvent, registry: 'other.azurecr.io', resource: `${PREFIX}/example` },
      { ...anEvent, registry: 'unlisted.example.com', resource: `${PREFIX}/example` },
    ]) {
      assert.equal(issuePath(binding, event, { registries }), 'registry', JSON.stringify(event));
    }
  });
});

/** Spellings of configured names, and of others. */
const host = fc
  .constantFrom('example.azurecr.io', 'images.example.com', 'other.azurecr.io', 'evil.azurecr.io', 'images.example.co')
  .chain((name) => fc.constantFrom(name, name.toUpperCase(), `${name}.`, `${name}:443`, `${name}.:443`, ` ${name}`));
const resource = fc
  .constantFrom('example', 'other', 'evil', 'example/connectedRegistries/other', 'other/connectedRegistries/example')
  .chain((name) => fc.constantFrom(`${PREFIX}/${name}`, `${PREFIX}/${name}`.toUpperCase(), name, `${PREFIX}/${name}/`));
const anyText = fc.string({ unit: 'binary', minLength: 1 });

describe('a bound caller', () => {
  it('cannot send events of another registry, by any field, alias or spelling', () => {
    const event = fc.record(
      {
        id: anyText,
        action: fc.constantFrom(...ACTIONS),
        registry: fc.oneof(host, anyText),
        resource: fc.oneof(resource, anyText),
        connectedRegistry: fc.oneof(host, anyText),
        repository: fc.oneof(host, anyText),
        region: anyText,
      },
      { requiredKeys: ['id', 'action'] },
    );
    const binding = fc.constantFrom('example.azurecr.io', 'Images.Example.com', 'EXAMPLE.azurecr.io');
    let inScope = 0;
    fc.assert(
      fc.property(event, binding, fc.boolean(), (hostile, name, isListed) => {
        const scope = scopeIn({ registries: [name] }, hostile, isListed ? { registries } : {});
        if (scope.kind === 'out-of-scope') return;
        inScope += 1;
        assert.equal(
          comparableRegistry(scope.event.registry ?? ''),
          isListed ? 'example.azurecr.io' : comparableRegistry(name),
        );
        if (!isListed) return;
        // Every name in the event is a name of this registry.
        const named = hostile.registry?.trim().toLowerCase() ?? 'example';
        assert.ok(!/other|evil|example\.co\b(?!m)/.test(named), named);
        assert.doesNotMatch(hostile.resource ?? '', /registry\/registries\/(?:other|evil)/i);
      }),
      { numRuns: 3000 },
    );
    assert.ok(inScope > 100);
  });

  it('gets an issue with what was expected, and nothing of the event', () => {
    const foreign = anyText.map((text) => `§${text}`);
    const event = fc.record({
      id: fc.string(),
      action: fc.constantFrom(...ACTIONS),
      registry: foreign,
      repository: foreign,
    });
    const binding: Binding = { registries: ['example.azurecr.io'], repositories: ['team/*'] };
    fc.assert(
      fc.property(event, fc.boolean(), (hostile, own) => {
        const scope = scopeIn(binding, own ? { ...hostile, registry: 'example.azurecr.io' } : hostile);
        assert.equal(scope.kind, 'out-of-scope');
        assert.ok(!JSON.stringify(scope.issue).includes('§'));
      }),
    );
  });
});
