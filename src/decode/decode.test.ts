import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { isPrintable } from '../model/names.ts';
import { ACTIONS } from '../model/registry-event.ts';
import { FORMATS, type Format, type Headers } from '../model/webhook.ts';
import { decode } from './decode.ts';
import type { Decoded, DecodedEvent, RawEvent } from './decoder.ts';

interface Fixture {
  readonly provenance: string;
  readonly headers?: Headers;
  readonly webhook: unknown;
  readonly decoded: Readonly<Record<string, unknown>>;
}

interface Golden extends Fixture {
  readonly format: Format;
  readonly name: string;
}

const GOLDEN: readonly Golden[] = FORMATS.flatMap((format) => {
  const folder = new URL(`fixtures/${format}/`, import.meta.url);
  return readdirSync(folder).map((name) => {
    const fixture: Fixture = JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
    return { ...fixture, format, name };
  });
});

function decodeJson(json: unknown, headers: Headers = {}): Decoded {
  return decode(Buffer.from(JSON.stringify(json)), headers);
}

function eventsOf(decoded: Decoded): readonly DecodedEvent[] {
  return decoded.kind === 'decoded' ? [...decoded.events] : assert.fail(JSON.stringify(decoded));
}

/** With all its events decoded. */
function readAll(decoded: Decoded): object {
  return decoded.kind === 'decoded' ? { ...decoded, events: [...decoded.events] } : decoded;
}

function oneOf(decoded: Decoded): DecodedEvent {
  const [event, ...others] = eventsOf(decoded);
  assert.deepEqual(others, []);
  return event ?? assert.fail('no event');
}

function withoutRaw(event: DecodedEvent): object {
  return event.kind === 'nothing' ? event : { ...event, raw: undefined };
}

function assertSame(one: DecodedEvent, other: DecodedEvent): void {
  assert.deepEqual(withoutRaw(one), withoutRaw(other));
}

function payloadOf({ bytes, payload }: RawEvent): unknown {
  return JSON.parse(Buffer.from(bytes.subarray(payload?.start, payload?.end)).toString());
}

function anEventGridEvent(changes: object = {}): Readonly<Record<string, unknown>> {
  return {
    id: 'outer',
    topic: TOPIC,
    subject: 'hello:v1',
    eventType: 'Microsoft.ContainerRegistry.ImagePushed',
    data: { id: 'inner', action: 'push', target: { repository: 'hello', tag: 'v1' } },
    ...changes,
  };
}

const TOPIC =
  '/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/example/connectedRegistries/factory';

for (const { format, name, webhook, headers = {}, decoded, provenance } of GOLDEN) {
  test(`fixtures/${format}/${name} is decoded as it says, and so is its raw form`, () => {
    assert.ok(provenance.length > 0);
    const body = Buffer.from(JSON.stringify(webhook));
    const all = decode(body, headers);
    assert.equal(all.kind === 'decoded' && all.format, format);
    const one = oneOf(all);
    assert.deepEqual(JSON.parse(JSON.stringify(withoutRaw(one))), decoded);
    if (one.kind === 'event') assertSame(oneOf(decode(one.raw?.bytes ?? body, headers)), one);
  });
}

test('there is a fixture for every action that a format has', () => {
  const has = (format: Format): readonly string[] => [
    ...new Set(GOLDEN.filter((each) => each.format === format).map(({ decoded }) => JSON.stringify(decoded))),
  ];
  const wanted: Readonly<Record<Format, readonly string[]>> = {
    acr: ACTIONS,
    'event-grid': ['push', 'delete', 'chart_push', 'chart_delete'],
    cloudevents: ACTIONS,
    distribution: ['push', 'delete'],
  };
  for (const format of FORMATS) {
    for (const action of wanted[format]) {
      assert.ok(
        has(format).some((text) => text.includes(`"action":"${action}"`)),
        `${format} ${action}`,
      );
    }
  }
});

test('the payload is the native object in every format, also if it is JSON in a string', () => {
  for (const { format, name, webhook, headers } of GOLDEN) {
    const one = oneOf(decodeJson(webhook, headers));
    if (one.kind !== 'event' || one.raw === undefined) continue;
    const payload = payloadOf(one.raw);
    assert.ok(typeof payload === 'object' && payload !== null && !('eventType' in payload), `${format} ${name}`);
    assert.ok('target' in payload || 'request' in payload, `${format} ${name}`);
  }
});

test('the action in data counts in every format, whatever the type says', () => {
  for (const action of ACTIONS) {
    const data = { id: 'a', action, target: { repository: 'hello' } };
    for (const json of [
      data,
      [{ eventType: 'Microsoft.ContainerRegistry.ImagePushed', data }],
      { specversion: '1.0', type: 'sh.brigade.acr', source: 'x', id: 'y', data },
      { events: [data] },
    ]) {
      const one = oneOf(decodeJson(json));
      assert.deepEqual([one.kind, one.kind === 'event' && one.event.action], ['event', action]);
    }
  }
});

test('the id of an event is that of the native object, else that of the envelope, else a hash of the event alone', () => {
  const idOf = (changes: object) => {
    const one = oneOf(decodeJson([anEventGridEvent(changes)]));
    return one.kind === 'event' ? one.event.id : assert.fail(JSON.stringify(one));
  };
  assert.equal(idOf({}), 'inner');
  assert.equal(idOf({ data: { action: 'push' } }), 'outer');
  assert.equal(idOf({ id: 'x'.repeat(257), data: { action: 'push' } }).length, 64);
  const raw = { topic: TOPIC, subject: 'hello:v1', eventType: 'ImagePushed', data: { action: 'push' } };
  assert.equal(idOf({ id: undefined, ...raw }), hash('sha256', JSON.stringify(raw)));
});

test('an unreadable event in a batch does not affect the others', () => {
  const batch = [anEventGridEvent(), 5, anEventGridEvent({ data: { action: 5 } }), anEventGridEvent({ data: 'x' }), {}];
  const events = eventsOf(decodeJson(batch));
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['event', 'unreadable', 'unreadable', 'unreadable', 'unreadable'],
  );
  assert.deepEqual(
    events.map((event) => (event.kind === 'unreadable' ? event.issues : [])),
    [
      [],
      [{ path: '[1]', expected: 'an Event Grid event or a CloudEvent', received: 'a number' }],
      [{ path: '[2].data.action', expected: 'a string', received: 'a number' }],
      [{ path: '[3].data', expected: 'an object, or one as JSON in a string', received: 'a string' }],
      [{ path: '[4]', expected: 'an Event Grid event or a CloudEvent', received: 'an object' }],
    ],
  );
});

test('an unreadable event has the fields that could be read', () => {
  const data = { id: 5, action: 'delete', target: { repository: 'hello', tag: [] } };
  const [, one] = eventsOf(decodeJson([anEventGridEvent(), anEventGridEvent({ topic: '', data })]));
  assert.deepEqual(one?.kind === 'unreadable' && one.event, { id: 'outer', action: 'delete', repository: 'hello' });
});

test('a batch may have 5000 events, and with one more all of it is unreadable', () => {
  const batch = (count: number) => Array.from({ length: count }, (_, index) => anEventGridEvent({ id: `${index}` }));
  assert.equal(eventsOf(decodeJson(batch(5000))).length, 5000);
  assert.deepEqual(decodeJson(batch(5001)), {
    kind: 'unreadable',
    issues: [{ path: '', expected: 'at most 5000 events', received: 'more' }],
  });
  assert.equal(decodeJson({ events: batch(5001) }).kind, 'unreadable');
});

test('an event is decoded when it is read, not before', () => {
  for (const json of [[anEventGridEvent()], { events: [{ id: 'a', action: 'push' }] }]) {
    const decoded = decodeJson(json);
    const [first, again] = [oneOf(decoded), oneOf(decoded)];
    assert.notEqual(first, again);
    assert.deepEqual(first, again);
  }
});

const NAMES_TO_REFUSE: readonly (readonly [path: string, target: object])[] = [
  ['repository', { repository: 'team/../other/x' }],
  ['repository', { repository: 'team/a\nb' }],
  ['repository', { repository: 'team/\u202egnp' }],
  ['repository', { repository: 'a'.repeat(257) }],
  ['tag', { tag: '../v1' }],
  ['tag', { tag: 'a'.repeat(129) }],
  ['tag', { tag: 'x:../y' }],
  ['digest', { digest: 'sha256' }],
  ['mediaType', { mediaType: 'a\u0085' }],
  ['mediaType', { mediaType: 'a'.repeat(257) }],
];

for (const [path, target] of NAMES_TO_REFUSE) {
  const [shown] = Object.values(target);
  test(`an event whose ${path} is ${JSON.stringify(shown).slice(0, 20)} is unreadable in every format`, () => {
    const data = { id: 'a', action: 'push', target: { repository: 'team/app', ...target } };
    const pathsOf = (json: unknown) => {
      const decoded = decodeJson(json);
      const found = decoded.kind === 'decoded' ? [...decoded.events][0] : decoded;
      if (found?.kind === 'unreadable') return found.issues.map((each) => each.path);
      return assert.fail(JSON.stringify(found));
    };
    assert.deepEqual(pathsOf(data), [`target.${path}`]);
    assert.deepEqual(pathsOf({ events: [data] }), [`events[0].target.${path}`]);
    assert.deepEqual(pathsOf([anEventGridEvent({ data })]), [`[0].data.target.${path}`]);
    assert.deepEqual(pathsOf({ specversion: '1.0', type: 'x', data }), [`data.target.${path}`]);
  });
}

test('what the subject of an envelope names is held to the same grammar', () => {
  for (const subject of ['team/../other/x:v1', 'Team/app', 'a b', `app:${'v'.repeat(129)}`, 'x'.repeat(513)]) {
    const one = oneOf(decodeJson([anEventGridEvent({ subject, data: { target: {} } })]));
    assert.deepEqual(one.kind === 'unreadable' && one.issues.map((issue) => issue.path), ['[0].subject'], subject);
  }
});

test('an attribute in a header may have 512 characters, and with one more the webhook is unreadable', () => {
  const kindOf = (source: string) =>
    decode(Buffer.from('{"action":"push"}'), { 'ce-specversion': '1.0', 'ce-source': source }).kind;
  assert.equal(kindOf('s'.repeat(512)), 'decoded');
  assert.equal(kindOf('s'.repeat(513)), 'unreadable');
  assert.equal(kindOf('\u009b31m'), 'unreadable');
});

test('a field in an unreadable event never has what made it unreadable', () => {
  const data = {
    id: 'a\u202e',
    action: 'push',
    target: { repository: 'a/../b', tag: 'v1' },
    request: { host: '\u0007' },
  };
  const one = oneOf(decodeJson([anEventGridEvent({ subject: '', data })]));
  assert.deepEqual(one.kind === 'unreadable' && one.event, {
    id: 'outer',
    action: 'push',
    tag: 'v1',
    resource: TOPIC.replace('/connectedRegistries/factory', ''),
    connectedRegistry: 'factory',
  });
});

test('every text of a decoded event is printable and has at most 512 characters', () => {
  const odd = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.constantFrom('\u202e', 'a'.repeat(600), 'a/../b'),
  );
  const target = fc.record({ repository: odd, tag: odd, digest: odd, mediaType: odd }, { requiredKeys: [] });
  const data = fc.record(
    { id: odd, action: fc.constant('push'), target, timestamp: odd },
    { requiredKeys: ['action'] },
  );
  const envelope = fc.record({ id: odd, subject: odd, topic: odd, eventTime: odd }, { requiredKeys: [] });
  fc.assert(
    fc.property(envelope, data, (outer, inner) => {
      const one = oneOf(decodeJson({ eventType: 'ImagePushed', ...outer, data: inner }));
      const fields = one.kind === 'nothing' ? {} : one.event;
      for (const [name, text] of Object.entries<string>(fields)) {
        assert.ok(text.length <= 512 && isPrintable(text), `${name}: ${JSON.stringify(text)}`);
      }
    }),
    { numRuns: 1000 },
  );
});

test('an event that is nested too deep is unreadable, and the next one is not', () => {
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
  const body = `[${JSON.stringify(anEventGridEvent({ id: 'a' }))},{"eventType":"ImagePushed","data":{"id":"b","x":${deep}}}]`;
  const kinds = eventsOf(decode(Buffer.from(body), {})).map(({ kind }) => kind);
  assert.deepEqual(kinds, ['event', 'unreadable']);
  const [notification] = eventsOf(decode(Buffer.from(`{"events":[{"action":"push","x":${deep}}]}`), {}));
  assert.equal(notification?.kind, 'unreadable');
});

for (const [what, json, expected] of [
  ['a native object', { action: 'push', eventType: 'x', events: [] }, 'acr'],
  ['an Event Grid event', anEventGridEvent(), 'event-grid'],
  ['a CloudEvent that is also a native object', { specversion: '1.0', type: 'x', action: 'push' }, 'cloudevents'],
  ['an envelope without events', { events: [] }, 'distribution'],
] as const) {
  test(`${what} is recognized by its content, whatever the Content-Type says`, () => {
    for (const type of ['application/cloudevents-batch+json', 'text/plain', 'application/xml']) {
      const decoded = decodeJson(json, { 'content-type': type });
      assert.equal(decoded.kind === 'decoded' && decoded.format, expected);
    }
  });
}

test('the URL says whether a push is of a blob or a manifest, whatever the name of the repository', () => {
  for (const [url, kind] of [
    ['http://r/v2/team/app/manifests/sha256:0', 'event'],
    ['http://r/v2/team/app/blobs/sha256:0', 'nothing'],
    ['http://r/v2/team/blobs/manifests/sha256:0', 'event'],
    ['http://r/v2/team/manifests/app/blobs/sha256:0', 'nothing'],
    [undefined, 'nothing'],
  ]) {
    const target = { repository: 'x', mediaType: 'application/octet-stream', url };
    assert.equal(oneOf(decodeJson({ events: [{ id: 'a', action: 'push', target }] })).kind, kind, url);
  }
});

test('a field events that is not an array is unreadable', () => {
  assert.deepEqual(decodeJson({ events: {} }), {
    kind: 'unreadable',
    issues: [{ path: 'events', expected: 'an array', received: 'an object' }],
  });
});

test('a CloudEvent of another version, or with data twice, is unreadable', () => {
  const event = { specversion: '1.0', type: 'ImagePushed', id: 'a', data: { action: 'push' } };
  for (const [changes, path] of [
    [{ specversion: '0.3' }, 'specversion'],
    [{ specversion: 1 }, 'specversion'],
    [{ data_base64: 'e30=' }, 'data_base64'],
    [{ source: 5 }, 'source'],
    [{ data: undefined, data_base64: 'bm8=' }, 'data'],
  ] as const) {
    const one = oneOf(decodeJson({ ...event, ...changes }));
    assert.deepEqual(one.kind === 'unreadable' && one.issues.map((issue) => issue.path), [path]);
  }
});

test('a CloudEvent whose headers are not UTF-8, or of another version, is unreadable', () => {
  for (const headers of [{ 'ce-specversion': '1.0', 'ce-subject': '%ff' }, { 'ce-specversion': '2.0' }]) {
    assert.equal(oneOf(decodeJson({ action: 'push' }, headers)).kind, 'unreadable');
  }
});

test('the tag is taken from the subject only if the data has no repository', () => {
  for (const [subject, target, wanted] of [
    ['hello:v1', {}, ['hello', 'v1']],
    ['team/hello', {}, ['team/hello', undefined]],
    ['hello@sha256:abc', {}, [undefined, undefined]],
    ['hello:sha256:abc', {}, [undefined, undefined]],
    ['hello:v1', { repository: 'hello' }, ['hello', undefined]],
  ] as const) {
    const one = oneOf(decodeJson([anEventGridEvent({ subject, data: { target } })]));
    assert.deepEqual(one.kind === 'event' && [one.event.repository, one.event.tag], wanted);
  }
});

test('a validation is a single event with a code, as an object or in an array', () => {
  const type = 'Microsoft.EventGrid.SubscriptionValidationEvent';
  const event = { id: 'a', eventType: type, data: { validationCode: 'code-1', validationUrl: 'https://example.com' } };
  for (const json of [event, [event], [{ ...event, data: JSON.stringify(event.data) }]]) {
    assert.deepEqual(decodeJson(json), { kind: 'validation', code: 'code-1' });
  }
  for (const data of [
    undefined,
    {},
    { validationCode: '' },
    { validationCode: 5 },
    { validationCode: 'x'.repeat(1025) },
  ]) {
    assert.equal(decodeJson([{ ...event, data }]).kind, 'unreadable');
  }
  const [among] = eventsOf(decodeJson([event, anEventGridEvent()]));
  assert.deepEqual(among, { kind: 'nothing', reason: 'unknown-action', id: 'a', action: type });
});

const json = fc.jsonValue({ maxDepth: 4 });
const golden = fc.constantFrom(...GOLDEN);

/** A fixture with some values replaced by any others, as JSON, with or without its headers. */
const mutated: fc.Arbitrary<{ readonly body: Buffer; readonly headers: Headers }> = fc
  .tuple(golden, fc.array(fc.tuple(fc.nat(), json), { maxLength: 4 }), fc.boolean())
  .map(([{ webhook, headers = {} }, changes, isBare]) => {
    let text = JSON.stringify(webhook);
    for (const [seed, value] of changes) {
      const places = [...text.matchAll(/:("(?:[^"\\]|\\.)*"|\d+)/g)];
      const place = places[seed % Math.max(places.length, 1)];
      if (place === undefined) continue;
      text = `${text.slice(0, place.index)}:${JSON.stringify(value)}${text.slice(place.index + place[0].length)}`;
    }
    return { body: Buffer.from(text), headers: isBare ? {} : headers };
  });

const anyHeaders: fc.Arbitrary<Headers> = fc.dictionary(
  fc.constantFrom('ce-specversion', 'ce-type', 'ce-id', 'ce-subject', 'content-type', 'aeg-event-type'),
  fc.oneof(fc.string(), fc.constant('1.0')),
);

test('no body and no headers make it throw, and the same ones give the same result, ids included', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        mutated,
        fc.record({ body: json.map((value) => Buffer.from(JSON.stringify(value))), headers: anyHeaders }),
      ),
      ({ body, headers }) => {
        const copy = Buffer.from(body);
        const first = readAll(decode(body, headers));
        assert.deepEqual(body, copy);
        assert.deepEqual(readAll(decode(copy, headers)), first);
      },
    ),
    { numRuns: 3000 },
  );
});

test('the raw form of an event decodes to that event alone, with the same payload', () => {
  fc.assert(
    fc.property(mutated, ({ body, headers }) => {
      const decoded = decode(body, headers);
      for (const event of decoded.kind === 'decoded' ? decoded.events : []) {
        if (event.kind !== 'event') continue;
        const again = oneOf(decode(event.raw?.bytes ?? body, headers));
        assertSame(again, event);
        if (event.raw !== undefined && again.kind === 'event') assert.deepEqual(again.raw, event.raw);
      }
    }),
    { numRuns: 2000 },
  );
});

test('no issue repeats anything of the body', () => {
  const secret = 'S3CRET';
  fc.assert(
    fc.property(golden, fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), ({ webhook, headers }, seeds) => {
      let text = JSON.stringify(webhook);
      for (const seed of seeds) {
        const places = [...text.matchAll(/:"(?:[^"\\]|\\.)*"/g)];
        const place = places[seed % Math.max(places.length, 1)];
        if (place === undefined) continue;
        text = `${text.slice(0, place.index)}:["${secret}"]${text.slice(place.index + place[0].length)}`;
      }
      const decoded = decode(Buffer.from(text), headers ?? {});
      const issues =
        decoded.kind === 'decoded'
          ? [...decoded.events].flatMap((event) => (event.kind === 'unreadable' ? event.issues : []))
          : decoded;
      assert.doesNotMatch(JSON.stringify(issues), /S3CRET/i);
    }),
  );
});
