import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aRegistryEvent } from '../../test/support/records.ts';
import { DECODE_LIMITS } from '../decode/limits.ts';
import type { RegistryEvent } from '../model/registry-event.ts';
import { RECEIVE_LIMITS } from './limits.ts';
import { contentKey } from './record.ts';

const EVENT: RegistryEvent = { ...aRegistryEvent('a'), region: 'westeurope' };

test('events that differ only in id, time and spelling of the registry have the same content', () => {
  const other = { ...EVENT, id: 'b', timestamp: 'later', registry: 'EXAMPLE.azurecr.io:443' };
  assert.equal(contentKey(other, 'apart'), contentKey(EVENT, 'apart'));
  assert.match(contentKey(EVENT, 'apart') ?? '', /^[0-9a-f]{32}$/);
});

for (const [field, value] of [
  ['registry', 'other.azurecr.io'],
  ['repository', 'other'],
  ['action', 'delete'],
  ['tag', 'v2'],
  ['tag', undefined],
  ['digest', 'sha256:0'],
] as const) {
  test(`events with another ${field} have another content: ${value ?? 'none'}`, () => {
    const { [field]: _, ...rest } = EVENT;
    const other = { ...rest, id: EVENT.id, action: EVENT.action, ...(value === undefined ? {} : { [field]: value }) };
    assert.notEqual(contentKey(other, 'together'), contentKey(EVENT, 'together'));
  });
}

test('events of another region have the same content with `together`, and another one with `apart`', () => {
  const other = { ...EVENT, region: 'eastus' };
  assert.equal(contentKey(other, 'together'), contentKey(EVENT, 'together'));
  assert.notEqual(contentKey(other, 'apart'), contentKey(EVENT, 'apart'));
});

test('an event without registry, repository or digest has no content key', () => {
  for (const field of ['registry', 'repository', 'digest'] as const) {
    const { [field]: _, ...rest } = EVENT;
    assert.equal(contentKey(rest, 'together'), undefined);
  }
});

test('a header that an event is decoded from is kept whole', () => {
  assert.ok(RECEIVE_LIMITS.maxKeptHeaderChars.value >= DECODE_LIMITS.maxEnvelopeTextChars.value);
});
