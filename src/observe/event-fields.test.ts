import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aRegistryEvent } from '../../test/support/records.ts';
import { eventFields } from './event-fields.ts';

test('the fields of an event identify it, without manifest and time', () => {
  const { mediaType: _, manifest: __, timestamp: ___, ...fields } = aRegistryEvent('a');
  assert.deepEqual(eventFields(aRegistryEvent('a')), fields);
});

test('each text of an event is cut after 256 characters', () => {
  const long = 'x'.repeat(1_000_000);
  const event = { id: long, action: 'push', registry: long, repository: long, tag: long, digest: long };
  const cut = `${'x'.repeat(256)}…`;
  const expected = { id: cut, action: 'push', registry: cut, repository: cut, tag: cut, digest: cut };
  assert.deepEqual(eventFields(event), expected);
});

test('256 characters are not cut, and an absent field is absent from the line', () => {
  const event = { action: 'push', id: 'x'.repeat(256) };
  assert.equal(JSON.stringify(eventFields(event)), JSON.stringify({ id: event.id, action: 'push' }));
});
