import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import type { BrigadeEvent } from 'brigade-api/event';
// Decides whether an event is legal: it checks Brigade's own schema.
import { checkEventRequest } from 'embedded-brigade/event';
import fc from 'fast-check';
import { aRegistryEvent } from '../../../test/support/records.ts';
import { ACTIONS, type RegistryEvent } from '../../model/registry-event.ts';
import { type LabelRule, MAX_PAYLOAD_BYTES, toBrigadeEvent } from './event-mapping.ts';

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;

type Mappable = Parameters<typeof toBrigadeEvent>[0];

/** A push of `hello-world:v1` with changes; an undefined one removes the field. */
function aPush(changes: Partial<Record<keyof RegistryEvent, string | undefined>> = {}): Mappable {
  const fields = {
    registry: 'example.azurecr.io',
    repository: 'hello-world',
    tag: 'v1',
    digest: DIGEST,
    manifest: 'single',
    ...changes,
  };
  const known = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  return { event: { id: 'event-1', action: 'push', ...known }, payload: '{"action":"push"}', delivery: 1 };
}

function mapped(mappable: Mappable, rule: LabelRule = 'since-2.6') {
  const mapping = toBrigadeEvent(mappable, rule);
  return mapping.kind === 'mapped' ? mapping : assert.fail(mapping.detail);
}

function eventOf(mappable: Mappable, rule?: LabelRule): BrigadeEvent {
  return mapped(mappable, rule).event;
}

function detailOf(mappable: Mappable, rule: LabelRule = 'since-2.6'): string {
  const mapping = toBrigadeEvent(mappable, rule);
  return mapping.kind === 'unmappable' ? mapping.detail : assert.fail('it was mapped');
}

test('a push becomes an event with source, type, qualifier and label of v0.4.1, and more labels', () => {
  assert.deepEqual(mapped(aPush()), {
    kind: 'mapped',
    leftOut: [],
    event: {
      kind: 'Event',
      apiVersion: 'brigade.sh/v2',
      metadata: {},
      source: 'brigade.sh/acr',
      type: 'push',
      qualifiers: { registry: 'example.azurecr.io' },
      labels: { repo: 'hello-world', tag: 'v1', tagged: 'true', digest: DIGEST, manifest: 'single' },
      shortTitle: 'push hello-world:v1',
      longTitle: `push example.azurecr.io/hello-world:v1@${DIGEST}`.slice(0, 99).concat('…'),
      payload: '{"action":"push"}',
      sourceState: { state: { eventID: 'event-1', delivery: '1' } },
    },
  });
});

for (const action of ACTIONS) {
  test(`the type of a ${action} is ${action}`, () => {
    assert.equal(eventOf(aPush({ action })).type, action);
  });
}

test('a push by digest is not tagged, and a deletion has no label tagged', () => {
  assert.equal(eventOf(aPush({ tag: undefined })).labels?.['tagged'], 'false');
  assert.equal(eventOf(aPush({ tag: undefined, action: 'delete' })).labels?.['tagged'], undefined);
});

test('the region, and the kind of the manifest, are labels where they are known', () => {
  assert.equal(eventOf(aPush({ region: 'westeurope' })).labels?.['region'], 'westeurope');
  assert.equal(eventOf(aPush({ manifest: 'index' })).labels?.['manifest'], 'index');
  assert.equal(eventOf(aPush({ manifest: undefined })).labels?.['manifest'], undefined);
});

test('an event with nothing but its registry has no empty labels', () => {
  const event = { id: 'a', action: 'delete', registry: 'r.io' } as const;
  const { labels, shortTitle, longTitle } = eventOf({ event, payload: '', delivery: 1 });
  assert.deepEqual([labels, shortTitle, longTitle], [{}, 'delete', 'delete r.io']);
});

for (const [name, value] of [
  ['repo', { repository: 'Ünicode' }],
  ['repo', { repository: 'r'.repeat(256) }],
  ['repo', { repository: 'a\u0000b' }],
  ['repo', { repository: 'a\n' }],
  ['tag', { tag: 'a b' }],
  ['tag', { tag: 'a,b' }],
  ['tag', { tag: 'a@b' }],
  ['digest', { digest: 'sha256+b64:x' }],
] as const) {
  test(`a ${name} that is not legal is left out and reported, never cut: ${JSON.stringify(value).slice(0, 40)}`, () => {
    const mapping = mapped(aPush(value));
    assert.deepEqual(mapping.leftOut, [name]);
    assert.equal(mapping.event.labels?.[name], undefined);
  });
}

test('255 characters are legal since Brigade 2.6, and 63 before', () => {
  assert.deepEqual(mapped(aPush({ repository: 'r'.repeat(255) })).leftOut, []);
  assert.deepEqual(mapped(aPush({ digest: undefined, repository: 'r'.repeat(63) }), 'before-2.6').leftOut, []);
  assert.deepEqual(mapped(aPush({ repository: 'r'.repeat(64) }), 'before-2.6').leftOut, ['repo', 'digest']);
});

for (const registry of [undefined, '', 'exämple.io', 'a b', 'a\n', 'r'.repeat(256), 'a,b', '[registry].io']) {
  test(`an event of registry ${JSON.stringify(registry)?.slice(0, 20)} has no legal qualifier, and is not mapped`, () => {
    assert.equal(detailOf(aPush({ registry })), 'the registry is not legal as a qualifier');
  });
}

test('a registry of 64 characters is no qualifier for an old Brigade', () => {
  assert.equal(eventOf(aPush({ registry: 'r'.repeat(64) })).qualifiers?.['registry'], 'r'.repeat(64));
  assert.match(detailOf(aPush({ registry: 'r'.repeat(64) }), 'before-2.6'), /not legal/);
});

test('a payload of 512 KiB of UTF-8 is mapped, byte for byte, and of one more not', () => {
  for (const unit of ['x', 'é', '💥']) {
    const payload = unit.repeat(MAX_PAYLOAD_BYTES / Buffer.byteLength(unit));
    assert.equal(eventOf({ ...aPush(), payload }).payload, payload);
    assert.match(detailOf({ ...aPush(), payload: `${payload}x` }), /more than 524288 bytes/);
  }
});

test('an id that queries can contain stays as it is, any other becomes its SHA-256', () => {
  const idOf = (id: string) => eventOf(aPush({ id })).sourceState?.state['eventID'];
  assert.equal(idOf('ea889308-2F0c'), 'ea889308-2F0c');
  for (const id of ['a,b', 'a=b', 'ä', 'a\n', ' ']) assert.equal(idOf(id), hash('sha256', id));
});

test('the number of the delivery is a text', () => {
  assert.equal(eventOf({ ...aPush(), delivery: 7 }).sourceState?.state['delivery'], '7');
});

for (const [unit, what] of [
  ['x', 'letters'],
  ['💥', 'characters of two units'],
  ['é', 'characters of two bytes'],
] as const) {
  test(`titles of ${what} are cut at a character, to 50 and 100 of them`, () => {
    const exact = eventOf(aPush({ repository: unit.repeat(45), tag: undefined, digest: undefined }));
    assert.equal(exact.shortTitle, `push ${unit.repeat(45)}`);
    const { shortTitle = '', longTitle = '' } = eventOf(aPush({ repository: unit.repeat(200) }));
    assert.deepEqual([[...shortTitle].length, [...longTitle].length], [50, 100]);
    assert.equal(shortTitle, `push ${unit.repeat(44)}…`);
    assert.equal(longTitle, `push example.azurecr.io/${unit.repeat(75)}…`);
    assert.ok(shortTitle.isWellFormed() && longTitle.isWellFormed());
  });
}

test('a title of 50 characters in more than 50 units is not cut', () => {
  const repository = '💥'.repeat(45);
  assert.equal(eventOf(aPush({ repository, tag: undefined })).shortTitle, `push ${repository}`);
});

const text = fc.oneof(
  fc.string({ maxLength: 300 }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: fc.constantFrom('a', '-', '/', ':', '*', '.', '_'), minLength: 1, maxLength: 300 }),
  fc.constantFrom('\ud800', 'x'.repeat(5000), '__proto__', 'constructor'),
);
const optional = fc.option(text, { nil: undefined });

test('every mapped event is legal in Brigade, has the registry as its only qualifier, and has legal titles', () => {
  const anything = fc.record({
    id: text,
    action: fc.constantFrom(...ACTIONS),
    registry: fc.oneof(optional, fc.constant('example.azurecr.io')),
    repository: optional,
    tag: optional,
    digest: optional,
    region: optional,
    timestamp: optional,
  });
  let count = 0;
  fc.assert(
    fc.property(
      anything,
      text,
      fc.nat(),
      fc.constantFrom<LabelRule>('since-2.6', 'before-2.6'),
      (fields, payload, delivery, rule) => {
        const known = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
        const event: RegistryEvent = { ...known, id: fields.id, action: fields.action };
        const mapping = toBrigadeEvent({ event, payload, delivery }, rule);
        if (mapping.kind === 'unmappable') return;
        count += 1;
        const checked = checkEventRequest(JSON.parse(JSON.stringify(mapping.event)));
        assert.deepEqual(checked.kind === 'invalid' ? checked.violations : [], []);
        assert.deepEqual(mapping.event.qualifiers, { registry: fields.registry });
        assert.ok(
          Object.values(mapping.event.labels ?? {}).every((value) => value.length <= (rule === 'since-2.6' ? 255 : 63)),
        );
        const wanted = { repo: event.repository, tag: event.tag, digest: event.digest, region: event.region };
        for (const [name, value] of Object.entries(wanted)) {
          const label: string | undefined = mapping.event.labels?.[name];
          assert.ok(label === undefined || label === value, 'a label is whole or missing');
          assert.equal(label === undefined && value !== undefined, mapping.leftOut.includes(name));
        }
      },
    ),
    { numRuns: 3000 },
  );
  assert.ok(count > 500, `${count} were mapped`);
});

test('the same event is mapped to the same event', () => {
  const event = { ...aRegistryEvent('a') };
  const mappable = { event, payload: '{}', delivery: 1 };
  assert.deepEqual(toBrigadeEvent(mappable, 'since-2.6'), toBrigadeEvent(structuredClone(mappable), 'since-2.6'));
});
