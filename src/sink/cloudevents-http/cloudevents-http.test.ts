import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { AnsweringServer, answering, type React } from '../../../test/support/answering-server.ts';
import { aClaim, aRegistryEvent } from '../../../test/support/records.ts';
import type { Claim, Outcome } from '../../model/delivery.ts';
import type { RegistryEvent } from '../../model/registry-event.ts';
import { HttpClient } from '../http-client.ts';
import { type Behaviour, type SinkHarness, sinkSuite } from '../suite/sink.suite.ts';
import { CloudEventsSink } from './cloudevents-http.ts';

const TOKEN = 'a-very-secret-token';
const NEVER = new AbortController().signal;
const MODES = ['structured', 'binary'] as const;

function aClaimOf(changes: Partial<RegistryEvent> = {}, payload = '{"action":"push","n":12345678901234567890}'): Claim {
  return aClaim('a', { event: { ...aRegistryEvent('a'), ...changes }, payload });
}

function aClient(t: TestContext, address: string, scheme?: 'Basic'): HttpClient {
  const more = scheme === undefined ? {} : { scheme };
  const client = new HttpClient({
    address,
    token: () => TOKEN,
    ca: undefined,
    ignoreCertErrors: false,
    now: () => 0,
    ...more,
  });
  t.after(() => client.close());
  return client;
}

async function aServedSink(t: TestContext, react: React, mode: (typeof MODES)[number] = 'structured') {
  const server = await AnsweringServer.start(t, react);
  const client = aClient(t, `${server.address}/ingest`);
  return { server, sink: new CloudEventsSink(client, mode) };
}

/** An address whose port is not open any more. */
async function aClosedAddress(): Promise<string> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  server.close();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
}

for (const mode of MODES) {
  sinkSuite(`cloudevents-http, ${mode}`, async (t): Promise<SinkHarness> => {
    const taken: string[] = [];
    let behaviour: Behaviour = 'takes';
    const wordy = `first\r\nsecond ${TOKEN}\u2028`;
    const reactions: Readonly<Record<Exclude<Behaviour, 'takes' | 'answers-nonsense'>, React>> = {
      rejects: answering(400, wordy),
      'rejects-credentials': answering(401, wordy),
      'is-busy': answering(503, wordy),
      'is-away': () => assert.fail('it is away'),
      'loses-its-answer': (response) => response.socket?.resetAndDestroy(),
      fails: answering(500, wordy),
      hangs: () => {},
    };
    const { server, sink } = await aServedSink(
      t,
      (response, asked) => {
        if (behaviour !== 'takes' && behaviour !== 'answers-nonsense') return reactions[behaviour](response, asked);
        if (asked.method === 'POST') taken.push(String(asked.headers['ce-id'] ?? JSON.parse(asked.body).id));
        response.writeHead(behaviour === 'takes' ? 202 : 200).end(behaviour === 'takes' ? '' : '<html>');
      },
      mode,
    );
    const away = aClient(t, await aClosedAddress());
    const awaySink = new CloudEventsSink(away, mode);
    const current = () => (behaviour === 'is-away' ? awaySink : sink);
    return {
      sink: {
        deliver: (claim, signal) => current().deliver(claim, signal),
        preview: (event) => sink.preview(event),
        probe: (signal) => current().probe(signal),
        close: () => sink.close(),
      },
      behave: async (next) => {
        behaviour = next;
      },
      taken: () => taken,
      untilAsked: () => server.untilAsked(1),
      credential: TOKEN,
    };
  });
}

test('an event in structured mode has its attributes and its unchanged payload', async (t) => {
  const { server, sink } = await aServedSink(t, answering(204));
  assert.deepEqual(await sink.deliver(aClaimOf(), NEVER), { kind: 'delivered' });
  const [asked] = server.asked;
  assert.deepEqual([asked?.method, asked?.path], ['POST', '/ingest']);
  assert.equal(asked?.headers['content-type'], 'application/cloudevents+json; charset=utf-8');
  assert.equal(asked?.headers.authorization, `Bearer ${TOKEN}`);
  const { data, ...attributes } = JSON.parse(asked?.body ?? '');
  assert.deepEqual(attributes, {
    specversion: '1.0',
    id: 'a',
    source: 'example.azurecr.io',
    type: 'sh.brigade.acr.push',
    subject: 'team/hello-world:v1',
    time: '2025-09-01T12:00:00.1234567Z',
    datacontenttype: 'application/json',
    delivery: '1',
  });
  assert.equal(data.action, 'push');
  assert.ok(asked?.body.endsWith('"data":{"action":"push","n":12345678901234567890}}'));
});

test('an event carries the trace of its webhook', async (t) => {
  const { server, sink } = await aServedSink(t, answering(204));
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  await sink.deliver({ ...aClaimOf(), traceparent }, NEVER);
  assert.equal(JSON.parse(server.asked[0]?.body ?? '').traceparent, traceparent);
  assert.equal(server.asked[0]?.headers['traceparent'], traceparent);

  const attempts = traceparent.replace('00f067aa', '11f067aa');
  await sink.deliver({ ...aClaimOf(), traceparent }, NEVER, attempts);
  assert.equal(server.asked[1]?.body, server.asked[0]?.body);
  assert.equal(server.asked[1]?.headers['traceparent'], attempts);
});

test('an event in binary mode has its attributes as headers, percent-encoded, and its payload as body', async (t) => {
  const { server, sink } = await aServedSink(t, answering(200), 'binary');
  await sink.deliver(aClaimOf({ id: 'a "b" 100% ü€😀', repository: 'team/é' }), NEVER);
  const [asked] = server.asked;
  assert.equal(asked?.body, '{"action":"push","n":12345678901234567890}');
  assert.equal(asked?.headers['content-type'], 'application/json');
  assert.equal(asked?.headers['ce-id'], 'a%20%22b%22%20100%25%20%C3%BC%E2%82%AC%F0%9F%98%80');
  assert.equal(asked?.headers['ce-subject'], 'team/%C3%A9:v1');
  assert.equal(asked?.headers['ce-source'], 'example.azurecr.io');
  assert.equal(asked?.headers['ce-datacontenttype'], undefined);
});

test('any text in an event arrives unchanged, in both modes', async (t) => {
  for (const mode of MODES) {
    const { server, sink } = await aServedSink(t, answering(200), mode);
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 100 });
    await fc.assert(
      fc.asyncProperty(text, text, text, async (id, repository, tag) => {
        assert.equal((await sink.deliver(aClaimOf({ id, repository, tag }), NEVER)).kind, 'delivered');
        const { body = '', headers = {} } = server.asked.at(-1) ?? {};
        const read = (name: string) =>
          mode === 'binary' ? decodeURIComponent(String(headers[`ce-${name}`])) : JSON.parse(body)[name];
        assert.deepEqual(
          [read('id'), read('subject')],
          [id, `${repository}:${tag}`].map((it) => it.toWellFormed()),
        );
      }),
    );
  }
});

test('an event that cannot be a CloudEvent is rejected, and not sent', async (t) => {
  const { server, sink } = await aServedSink(t, answering(200));
  for (const registry of ['', 'two words', 'x\r\ny', 'a/b']) {
    assert.equal((await sink.deliver(aClaimOf({ registry }), NEVER)).kind, 'rejected');
  }
  assert.equal((await sink.deliver(aClaimOf({}, 'no JSON'), NEVER)).kind, 'rejected');
  assert.equal(server.asked.length, 0);
});

test('a value that is not legal as an attribute is left out', async (t) => {
  const { server, sink } = await aServedSink(t, answering(200));
  await sink.deliver(aClaimOf({ repository: 'x'.repeat(1000), timestamp: 'yesterday' }), NEVER);
  const { subject, time } = JSON.parse(server.asked[0]?.body ?? '');
  assert.deepEqual([subject, time], [undefined, undefined]);
});

const TABLE: readonly (readonly [number, Outcome['kind']])[] = [
  [200, 'delivered'],
  [202, 'delivered'],
  [204, 'delivered'],
  [302, 'unavailable'],
  [400, 'rejected'],
  [401, 'unavailable'],
  [403, 'unavailable'],
  [404, 'unavailable'],
  [409, 'rejected'],
  [410, 'unavailable'],
  [413, 'rejected'],
  [415, 'unavailable'],
  [422, 'rejected'],
  [429, 'unavailable'],
  [500, 'uncertain'],
  [501, 'uncertain'],
  [502, 'unavailable'],
  [503, 'unavailable'],
  [504, 'unavailable'],
];

for (const [status, kind] of TABLE) {
  test(`an event that the receiver answers with ${status} is ${kind}`, async (t) => {
    const { sink } = await aServedSink(t, answering(status, ''));
    assert.equal((await sink.deliver(aClaimOf(), NEVER)).kind, kind);
  });
}

test('a receiver can ask for a delay with Retry-After', async (t) => {
  const { sink } = await aServedSink(t, answering(429, '', { 'retry-after': '7' }));
  const outcome = await sink.deliver(aClaimOf(), NEVER);
  assert.equal(outcome.kind === 'unavailable' && outcome.retryAfterMs, 7000);
});

for (const [status, headers, kind, detail] of [
  [200, { 'webhook-allowed-origin': '*' }, 'ready', /allows us/],
  [200, {}, 'ready', /only an event will show/],
  [405, {}, 'ready', /only an event will show/],
  [404, {}, 'ready', /only an event will show/],
  [403, {}, 'unready', /answered 403/],
  [302, {}, 'unready', /answered 302/],
  [502, {}, 'unready', /answered 502/],
] as const) {
  test(`a receiver that answers OPTIONS with ${status}${JSON.stringify(headers)} is ${kind}`, async (t) => {
    const { server, sink } = await aServedSink(t, answering(status, '', headers));
    const probe = await sink.probe(NEVER);
    assert.equal(probe.kind, kind);
    assert.match(probe.detail, detail);
    assert.equal(server.asked[0]?.headers['webhook-request-origin'], 'brigade-acr-gateway');
  });
}

test('credentials can be of the scheme Basic', async (t) => {
  const server = await AnsweringServer.start(t, answering(200));
  const client = aClient(t, server.address, 'Basic');
  await new CloudEventsSink(client, 'structured').deliver(aClaimOf(), NEVER);
  assert.equal(server.asked[0]?.headers.authorization, `Basic ${TOKEN}`);
});

test('the preview of an event is what deliver sends, in both modes', async (t) => {
  for (const mode of MODES) {
    const { server, sink } = await aServedSink(t, answering(200), mode);
    const preview = sink.preview(aClaimOf());
    await sink.deliver(aClaimOf(), NEVER);
    const [asked] = server.asked;
    assert.ok(preview.kind === 'message');
    assert.equal(preview.body, asked?.body);
    for (const [name, value] of Object.entries(preview.headers)) assert.equal(asked?.headers[name], value);
  }
});
