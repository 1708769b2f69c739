import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CloudEvent, HTTP, type Message } from 'cloudevents';
import fc from 'fast-check';
import { ACTIONS } from '../model/registry-event.ts';
import type { Headers } from '../model/webhook.ts';
import { decode } from './decode.ts';
import type { DecodedEvent } from './decoder.ts';

/** Text that a header has as it is. Percent-encoding, which the package does not do, has a fixture. */
const text = fc
  .string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)), minLength: 1 })
  .filter((value) => !/[%"\\]/.test(value));

const native = fc.record({
  id: text,
  timestamp: fc
    .date({ noInvalidDate: true, min: new Date(0), max: new Date(2 ** 42) })
    .map((date) => date.toISOString()),
  action: fc.constantFrom(...ACTIONS),
  location: fc.constantFrom('westus', 'westeurope'),
  target: fc.record({
    repository: fc.stringMatching(/^[a-z0-9]{1,20}(\/[a-z0-9]{1,20})?$/),
    digest: fc.stringMatching(/^sha256:[0-9a-f]{64}$/),
    note: fc.jsonValue(),
  }),
  request: fc.record({ host: text }),
});

const attributes = fc.record({
  id: text,
  type: fc.constantFrom('Microsoft.ContainerRegistry.ImagePushed', 'sh.example.other'),
  source: fc.webUrl(),
  subject: text,
  time: fc.constant('2026-11-22T12:00:00.000Z'),
});

function eventsOf(body: string, headers: Headers = {}): readonly DecodedEvent[] {
  const decoded = decode(Buffer.from(body), headers);
  assert.equal(decoded.kind === 'decoded' && decoded.format, 'cloudevents', JSON.stringify(decoded));
  return decoded.kind === 'decoded' ? [...decoded.events] : [];
}

function withoutRaw(event: DecodedEvent | undefined): unknown {
  return event?.kind === 'event' ? event.event : event;
}

/** The headers with lower-case names and one text each, as node:http has them. */
function received({ headers, body }: Message): { readonly body: string; readonly headers: Headers } {
  const entries = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]);
  return { headers: Object.fromEntries(entries), body: String(body) };
}

test('structured, binary and batched mode of the official package decode to the same event', () => {
  fc.assert(
    fc.property(attributes, native, (given, data) => {
      const cloudEvent = new CloudEvent({ ...given, data });
      const [structured, binary] = [received(HTTP.structured(cloudEvent)), received(HTTP.binary(cloudEvent))];
      const [one, ...others] = eventsOf(structured.body, structured.headers);
      assert.deepEqual(others, []);
      assert.equal(one?.kind, 'event');
      assert.equal(one.kind === 'event' && one.event.id, data.id);
      assert.equal(one.kind === 'event' && one.event.repository, data.target.repository);
      assert.deepEqual(eventsOf(binary.body, binary.headers).map(withoutRaw), [withoutRaw(one)]);
      const batch = eventsOf(JSON.stringify([cloudEvent, cloudEvent]), {
        'content-type': 'application/cloudevents-batch+json',
      });
      assert.deepEqual(batch.map(withoutRaw), [withoutRaw(one), withoutRaw(one)]);
    }),
  );
});

test('data in Base64, as the official package writes bytes, is decoded', () => {
  fc.assert(
    fc.property(attributes, native, (given, data) => {
      const bytes = new TextEncoder().encode(JSON.stringify(data));
      const cloudEvent = new CloudEvent({ ...given, datacontenttype: 'application/json', data: bytes });
      const [one] = eventsOf(received(HTTP.structured(cloudEvent)).body);
      assert.equal(one?.kind === 'event' && one.event.id, data.id);
    }),
  );
});

test('the raw form of an event in a batch is a CloudEvent with the same attributes and data for the official package', () => {
  fc.assert(
    fc.property(attributes, native, (given, data) => {
      const cloudEvent = { specversion: '1.0', ...given, data };
      const [one] = eventsOf(JSON.stringify([cloudEvent]));
      const body = Buffer.from(one?.kind === 'event' ? (one.raw?.bytes ?? []) : []).toString();
      const read = HTTP.toEvent({ headers: { 'content-type': 'application/cloudevents+json' }, body });
      assert.ok(read instanceof CloudEvent);
      const { id, type, source, subject, time, data: carried } = read;
      assert.deepEqual(
        { id, type, source, subject, time, data: carried },
        JSON.parse(JSON.stringify({ ...given, data })),
      );
    }),
  );
});
