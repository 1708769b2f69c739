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

function pathAtFault(binding: Binding, event: RegistryEvent, rest: Partial<Caller> = {}): string | undefined {
  const scope = scopeIn(binding, event, rest);
  return scope.kind === 'out-of-scope' ? scope.issue.path : undefined;
}

/** The name that an event in scope gets; fails for one out of scope. */
function registryGiven(caller: Partial<Caller>, event: RegistryEvent): string | undefined {
  const scope = scopeOf({ name: 'ci', registries, ...caller }, event);
  assert.equal(scope.kind, 'in-scope', JSON.stringify(scope));
  return scope.event.registry;
}

function boundTo(...names: readonly string[]): Partial<Caller> {
  return { bindings: [{ registries: names }] };
}

describe('the scope of a caller', () => {
  it('an unbound caller’s event stays as it is', () => {
    for (const event of [anEvent, unnamed])
      assert.deepEqual(scopeOf({ name: 'ci' }, event), { kind: 'in-scope', event });
  });

  it('an event gets the name of the registry that the binding gives it, however the event writes it', () => {
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

  it('an event that names no registry gets the binding’s', () => {
    const scope = scopeIn({ registries: ['example.azurecr.io'] }, unnamed);
    assert.deepEqual(scope, { kind: 'in-scope', event: { ...unnamed, registry: 'example.azurecr.io' } });
  });

  it('another registry is out of scope', () => {
    for (const registry of [
      'other.azurecr.io',
      'example.azurecr.io:8443',
      'example.azurecr.io.evil.example',
      'xample.azurecr.io',
    ]) {
      assert.equal(pathAtFault({ registries: ['example.azurecr.io'] }, { ...anEvent, registry }), 'registry');
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

  it('a caller is held to every one of several bindings', () => {
    const bindings = [{ registries: ['example.azurecr.io', 'other.azurecr.io'] }, { registries: ['other.azurecr.io'] }];
    assert.equal(registryGiven({ bindings }, unnamed), 'other.azurecr.io');
    assert.equal(scopeOf({ name: 'ci', bindings }, anEvent).kind, 'out-of-scope');
    const contradictory = [{ registries: ['example.azurecr.io'] }, { registries: ['other.azurecr.io'] }];
    assert.equal(scopeOf({ name: 'ci', bindings: contradictory }, unnamed).kind, 'out-of-scope');
    const more = [...bindings, { actions: ['delete'] as const }];
    assert.equal(scopeOf({ name: 'ci', bindings: more }, unnamed).kind, 'out-of-scope');
  });

  it('is any registry where no binding names one', () => {
    assert.equal(isUnbound({ name: 'ci', bindings: [{ actions: ['push'] }] }), true);
    assert.equal(isUnbound({ name: 'ci', bindings: [{ actions: ['push'] }, { registries: ['a'] }] }), false);
  });
});

describe('a registry with several names', () => {
  it('is one, under its canonical name, for a bound and for an unbound caller', () => {
    for (const caller of [{}, boundTo('example.azurecr.io'), boundTo('images.example.com')]) {
      for (const registry of ['EXAMPLE.azurecr.io.', 'images.example.com:443', 'Example.WestEurope.geo.azurecr.io']) {
        assert.equal(registryGiven(caller, { ...anEvent, registry }), 'Example.azurecr.io');
      }
    }
  });

  it('is told by its resource where the event names no host, or one that nobody listed', () => {
    const resource = `${PREFIX.toUpperCase()}/EXAMPLE/connectedRegistries/plant`;
    assert.equal(registryGiven({}, { ...unnamed, resource }), 'Example.azurecr.io');
    assert.equal(registryGiven({}, { ...anEvent, registry: '10.1.2.3', resource }), 'Example.azurecr.io');
    const both = boundTo('example.azurecr.io', 'other.azurecr.io');
    assert.equal(registryGiven(both, { ...unnamed, resource }), 'Example.azurecr.io');
    assert.equal(registryGiven(both, { ...unnamed, resource: `${PREFIX}/other/` }), 'other.azurecr.io');
  });

  it('is not guessed where nothing tells which of several it is', () => {
    const both = boundTo('example.azurecr.io', 'unlisted.azurecr.io');
    assert.equal(registryGiven(both, unnamed), undefined);
    assert.equal(registryGiven(both, { ...unnamed, resource: `${PREFIX}/unknown` }), undefined);
    assert.equal(registryGiven({}, { ...unnamed, resource: `${PREFIX}/unknown` }), undefined);
  });

  it('is the binding’s where its resource is not known', () => {
    const event = { ...unnamed, resource: `${PREFIX}/unknown` };
    assert.equal(registryGiven(boundTo('unlisted.azurecr.io'), event), 'unlisted.azurecr.io');
  });

  it('is another one where either host or resource says so', () => {
    const binding = { registries: ['example.azurecr.io'] };
    for (const event of [
      { ...unnamed, resource: `${PREFIX}/other` },
      { ...unnamed, resource: `${PREFIX}/unknown` },
      { ...anEvent, resource: `${PREFIX}/other` },
      { ...anEvent, registry: 'other.azurecr.io', resource: `${PREFIX}/example` },
      { ...anEvent, registry: 'unlisted.example.com', resource: `${PREFIX}/example` },
    ]) {
      assert.equal(pathAtFault(binding, event, { registries }), 'registry', JSON.stringify(event));
    }
  });
});

/** Spellings of names that the configuration knows, and of others. */
const host = fc
  .constantFrom('example.azurecr.io', 'images.example.com', 'other.azurecr.io', 'evil.azurecr.io', 'images.example.co')
  .chain((name) => fc.constantFrom(name, name.toUpperCase(), `${name}.`, `${name}:443`, `${name}.:443`, ` ${name}`));
const resource = fc
  .constantFrom('example', 'other', 'evil', 'example/connectedRegistries/other', 'other/connectedRegistries/example')
  .chain((name) => fc.constantFrom(`${PREFIX}/${name}`, `${PREFIX}/${name}`.toUpperCase(), name, `${PREFIX}/${name}/`));
const anyText = fc.string({ unit: 'binary', minLength: 1 });

describe('a bound caller', () => {
  it('cannot emit for another registry by any field, alias or case of letters', () => {
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
        // What it named was this registry and nothing else.
        const named = hostile.registry?.trim().toLowerCase() ?? 'example';
        assert.ok(!/other|evil|example\.co\b(?!m)/.test(named), named);
        assert.doesNotMatch(hostile.resource ?? '', /registry\/registries\/(?:other|evil)/i);
      }),
      { numRuns: 3000 },
    );
    assert.ok(inScope > 100);
  });

  it('is told what was expected without a word of the event', () => {
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
