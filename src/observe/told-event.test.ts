import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aRegistryEvent } from '../../test/support/records.ts';
import { eventFields } from './event-fields.ts';

test('of an event is told which it is, and nothing of its manifest and time', () => {
  const { mediaType: _, manifest: __, timestamp: ___, ...told } = aRegistryEvent('a');
  assert.deepEqual(eventFields(aRegistryEvent('a')), told);
});

test('each text of the sender’s is cut after 256 characters', () => {
  const long = 'x'.repeat(1_000_000);
  const event = { id: long, action: 'push', registry: long, repository: long, tag: long, digest: long };
  const cut = `${'x'.repeat(256)}…`;
  const expected = { id: cut, action: 'push', registry: cut, repository: cut, tag: cut, digest: cut };
  assert.deepEqual(eventFields(event), expected);
});

test('256 characters are told whole, and what is absent is absent from the line', () => {
  const event = { action: 'push', id: 'x'.repeat(256) };
  assert.equal(JSON.stringify(eventFields(event)), JSON.stringify({ id: event.id, action: 'push' }));
});
