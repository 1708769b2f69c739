import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '../decode/decode.ts';
import type { Rejection } from '../model/receipt.ts';
import type { Headers } from '../model/webhook.ts';
import { AnonymousHandshakes, permissionAsked } from './anonymous-handshakes.ts';

const REJECTION: Rejection = { kind: 'unauthenticated' };

const VALIDATION = JSON.stringify([
  {
    id: 'a',
    topic: '/subscriptions/s',
    subject: '',
    eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
    data: { validationCode: 'code-1', validationUrl: 'https://example.com/validate' },
  },
]);

class Rig {
  /** With which arguments the body was read. */
  reads: (readonly [caller: string | undefined, maxBytes: number | undefined])[] = [];
  readonly handshakes: AnonymousHandshakes;

  constructor(handshakeCredentials: 'required' | 'optional' = 'optional') {
    this.handshakes = new AnonymousHandshakes({ decode, handshakeCredentials });
  }

  answer(type: string | undefined, body = VALIDATION) {
    const headers: Headers = type === undefined ? {} : { 'aeg-event-type': type };
    return this.handshakes.answer(
      {
        headers,
        readBody: async (caller, maxBytes) => {
          this.reads.push([caller, maxBytes]);
          return { kind: 'body', bytes: Buffer.from(body) };
        },
      },
      REJECTION,
    );
  }
}

test('a validation without credentials is answered with its code, and at most 16 KiB of it are read', async () => {
  const rig = new Rig();
  assert.deepEqual(await rig.answer('SubscriptionValidation'), { kind: 'validation', code: 'code-1' });
  assert.deepEqual(rig.reads, [[undefined, 16 * 1024]]);
});

for (const type of ['SubscriptionDeletion', 'Unsubscribe', 'SUBSCRIPTIONDELETION']) {
  test(`${type} is answered without credentials, and its body is not read`, async () => {
    const rig = new Rig();
    assert.deepEqual(await rig.answer(type), { kind: 'unsubscription' });
    assert.deepEqual(rig.reads, []);
  });
}

test('without the header of a handshake the webhook is rejected, and its body is not read', async () => {
  const rig = new Rig();
  for (const type of [undefined, '', 'Notification', 'Validation']) {
    assert.equal(await rig.answer(type), REJECTION);
  }
  assert.deepEqual(rig.reads, []);
});

test('the header alone does not make a body a validation', async () => {
  const event = JSON.stringify([{ eventType: 'Microsoft.ContainerRegistry.ImagePushed', data: { action: 'push' } }]);
  for (const body of [event, '', '{}', '{"action":"push"}', VALIDATION.replace('validationCode', 'code')]) {
    assert.equal(await new Rig().answer('SubscriptionValidation', body), REJECTION);
  }
});

test('where handshakes need credentials, none is answered without', async () => {
  const rig = new Rig('required');
  assert.equal(await rig.answer('SubscriptionValidation'), REJECTION);
  assert.equal(await rig.answer('Unsubscribe'), REJECTION);
  assert.equal(rig.handshakes.areAnswered, false);
  assert.deepEqual(rig.reads, []);
});

test('handshakes are answered however many there were before', async () => {
  const rig = new Rig();
  for (let count = 0; count < 1_000; count++) await rig.answer('SubscriptionValidation');
  assert.equal((await rig.answer('SubscriptionValidation')).kind, 'validation');
});

test('the permission repeats the origin and the rate that were asked for', () => {
  for (const [origin, rate, wanted] of [
    ['eventgrid.azure.net', '120', '120'],
    ['eventgrid.azure.cn', undefined, '*'],
    ['https://example.com:8443', '0', '*'],
    ['example.com', '12x', '*'],
  ] as const) {
    const headers = { 'webhook-request-origin': origin, 'webhook-request-rate': rate };
    assert.deepEqual(permissionAsked(headers), { kind: 'permission', origin, rate: wanted });
  }
});

test('an origin that is not a host name is not repeated', () => {
  for (const origin of [undefined, '', '*', '<script>', 'a b', 'a'.repeat(256), 'a, b', 'ä']) {
    assert.equal(permissionAsked({ 'webhook-request-origin': origin }), undefined);
  }
});
