import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RegistryEvent } from '../model/registry-event.ts';
import type { Issue } from '../model/webhook.ts';
import { decode as decodeWebhook } from './decode.ts';
import type { Decoded, DecodedEvent } from './decoder.ts';

interface Fixture {
  readonly provenance: string;
  readonly webhook: Readonly<Record<string, unknown>>;
  readonly decoded: DecodedEvent;
}

const FOLDER = new URL('fixtures/acr/', import.meta.url);
const FIXTURES: ReadonlyMap<string, Fixture> = new Map(
  readdirSync(FOLDER).map((name) => [name, JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8'))]),
);

const PUSH = FIXTURES.get('push.json')?.webhook ?? assert.fail();

function decode(body: string | Uint8Array): Decoded {
  return decodeWebhook(typeof body === 'string' ? Buffer.from(body) : body, {});
}

function decodeJson(json: unknown): Decoded {
  return decode(JSON.stringify(json));
}

/** The one event of a native webhook. */
function oneOf(decoded: Decoded): DecodedEvent {
  assert.equal(decoded.kind, 'decoded', JSON.stringify(decoded));
  const [event, ...others] = decoded.kind === 'decoded' ? decoded.events : [];
  assert.deepEqual(others, []);
  return event ?? assert.fail('no event');
}

function eventOf(decoded: Decoded): RegistryEvent {
  const one = oneOf(decoded);
  return one.kind === 'event' ? one.event : assert.fail(JSON.stringify(one));
}

function issuesOf(decoded: Decoded): readonly Issue[] {
  return decoded.kind === 'unreadable' ? decoded.issues : assert.fail('it is readable');
}

/** A push with other values of `target`. */
function aPushOf(target: Readonly<Record<string, unknown>>): unknown {
  return { ...PUSH, target };
}

test('an event without an id has the SHA-256 of the body as its id, byte for byte', () => {
  const { id: _, ...withoutId } = PUSH;
  for (const body of [JSON.stringify(withoutId), JSON.stringify(withoutId, null, 2), `${JSON.stringify(withoutId)} `]) {
    assert.equal(eventOf(decode(body)).id, hash('sha256', body));
  }
});

for (const [what, id] of [
  ['null', null],
  ['empty', ''],
  ['longer than 256 characters', 'x'.repeat(257)],
] as const) {
  test(`an id that is ${what} counts as absent`, () => {
    const body = JSON.stringify({ ...PUSH, id });
    assert.equal(eventOf(decode(body)).id, hash('sha256', body));
  });
}

test('an id of 256 characters is kept as it is', () => {
  assert.equal(eventOf(decodeJson({ ...PUSH, id: 'x'.repeat(256) })).id, 'x'.repeat(256));
});

test('a ping and an unknown action have no id if the webhook has none', () => {
  assert.deepEqual(oneOf(decodeJson({ action: 'wave' })), {
    kind: 'nothing',
    reason: 'unknown-action',
    action: 'wave',
  });
  assert.deepEqual(oneOf(decodeJson({ action: 'ping', id: 'x'.repeat(257) })), {
    kind: 'nothing',
    reason: 'ping',
    action: 'ping',
  });
});

for (const action of ['Push', 'push ', 'PING', '__proto__', 'constructor', 'toString', 'pull']) {
  test(`"${action}" is an unknown action`, () => {
    assert.deepEqual(oneOf(decodeJson({ action })), { kind: 'nothing', reason: 'unknown-action', action });
  });
}

test('an unknown action is cut to 64 characters', () => {
  const one = oneOf(decodeJson({ action: 'x'.repeat(256) }));
  assert.equal(one.kind === 'nothing' && one.action, 'x'.repeat(64));
});

for (const [mediaType, manifest] of [
  ['application/vnd.docker.distribution.manifest.v2+json', 'single'],
  ['application/vnd.oci.image.manifest.v1+json', 'single'],
  ['application/vnd.docker.distribution.manifest.list.v2+json', 'index'],
  ['application/vnd.oci.image.index.v1+json', 'index'],
  ['application/vnd.acr.helm.chart', 'chart'],
  ['application/vnd.cncf.helm.config.v1+json', undefined],
  ['constructor', undefined],
  [undefined, undefined],
] as const) {
  test(`the manifest of ${mediaType ?? 'no media type'} is ${manifest ?? 'unknown'}`, () => {
    assert.equal(eventOf(decodeJson(aPushOf({ mediaType }))).manifest, manifest);
  });
}

test('null and empty fields count as absent', () => {
  for (const value of [undefined, null, '']) {
    const target = { repository: value, tag: value, digest: value, mediaType: value };
    const event = eventOf(decodeJson({ id: 'a', action: 'push', timestamp: value, target, request: { host: value } }));
    assert.deepEqual(event, { id: 'a', action: 'push' });
  }
  for (const value of [undefined, null]) {
    assert.deepEqual(eventOf(decodeJson({ id: 'a', action: 'push', target: value, request: value })), {
      id: 'a',
      action: 'push',
    });
  }
});

for (const [what, body, received] of [
  ['no bytes', '', 'nothing'],
  ['blanks', '  \n', 'no JSON'],
  ['no JSON', 'hello', 'no JSON'],
  ['JSON that breaks off', JSON.stringify(PUSH).slice(0, -1), 'no JSON'],
  ['JSON with something after it', `${JSON.stringify(PUSH)}x`, 'no JSON'],
  ['a byte order mark before the JSON', `\ufeff${JSON.stringify(PUSH)}`, 'no JSON'],
  ['UTF-16', Buffer.from(JSON.stringify(PUSH), 'utf16le'), 'no JSON'],
  ['null', 'null', 'null'],
  ['a number', '5', 'a number'],
  ['a string', '"push"', 'a string'],
  ['a million open brackets', '['.repeat(1_000_000), 'no JSON'],
] as const) {
  test(`a body of ${what} is unreadable, and the issue says what was expected`, () => {
    assert.deepEqual(issuesOf(decode(body)), [{ path: '', expected: 'a JSON object or an array of events', received }]);
  });
}

for (const [what, body] of [
  ['native webhooks', `[${JSON.stringify(PUSH)}]`],
  ['nothing', '[]'],
  ['10,000 nested arrays', '['.repeat(10_000) + ']'.repeat(10_000)],
]) {
  test(`an array of ${what} is unreadable`, () => {
    const issue = { path: '', expected: 'events in the array', received: 'an array' };
    assert.deepEqual(issuesOf(decode(body ?? '')), [issue]);
  });
}

test('a webhook with 10,000 nested arrays in an unused field is decoded', () => {
  const nested = '['.repeat(10_000) + ']'.repeat(10_000);
  assert.equal(eventOf(decode(`{"id":"a","action":"push","extra":${nested}}`)).id, 'a');
});

test('a webhook without an action is unreadable', () => {
  const { action: _, ...withoutAction } = PUSH;
  const expected = [{ path: 'action', expected: 'a string', received: 'nothing' }];
  for (const json of [withoutAction, { ...PUSH, action: null }, { ...PUSH, action: '' }]) {
    assert.deepEqual(issuesOf(decodeJson(json)), expected);
  }
});

test('all issues are reported, the missing action included', () => {
  const json = {
    id: 5,
    timestamp: {},
    target: { repository: [], tag: true, digest: 1.5, mediaType: {} },
    request: { host: 0 },
  };
  assert.deepEqual(issuesOf(decodeJson(json)), [
    { path: 'id', expected: 'a string', received: 'a number' },
    { path: 'request.host', expected: 'a string', received: 'a number' },
    { path: 'target.repository', expected: 'a string', received: 'an array' },
    { path: 'target.tag', expected: 'a string', received: 'a boolean' },
    { path: 'target.digest', expected: 'a string', received: 'a number' },
    { path: 'target.mediaType', expected: 'a string', received: 'an object' },
    { path: 'timestamp', expected: 'a string', received: 'an object' },
    { path: 'action', expected: 'a string', received: 'nothing' },
  ]);
  assert.deepEqual(issuesOf(decodeJson({ action: 5, target: 'x', request: [] })), [
    { path: 'action', expected: 'a string', received: 'a number' },
    { path: 'request', expected: 'an object', received: 'an array' },
    { path: 'target', expected: 'an object', received: 'a string' },
  ]);
});

test('__proto__ and constructor are ordinary names', () => {
  const event = eventOf(
    decode('{"id":"a","action":"push","__proto__":{"timestamp":"x","target":{"tag":"x"}},"constructor":5}'),
  );
  assert.deepEqual(event, { id: 'a', action: 'push' });
  const body = '{"__proto__":{"action":"push"}}';
  assert.deepEqual(issuesOf(decode(body)), [{ path: 'action', expected: 'a string', received: 'nothing' }]);
  assert.equal(eventOf(decode('{"id":"a","action":"push","target":{"__proto__":{"tag":"x"}}}')).tag, undefined);
  assert.equal(Object.getOwnPropertyNames(Object.prototype).includes('action'), false);
});

test('the last of several equal keys counts', () => {
  const body = '{"id":"a","id":"b","action":"delete","action":"push","target":{"tag":"x"},"target":{"tag":"y"}}';
  assert.deepEqual(eventOf(decode(body)), { id: 'b', action: 'push', tag: 'y' });
});

test('bytes that are not UTF-8 become U+FFFD', () => {
  const body = Buffer.concat([Buffer.from('{"id":"a'), Buffer.of(0xff), Buffer.from('","action":"push"}')]);
  assert.equal(eventOf(decode(body)).id, 'a\ufffd');
});

test('a body that is part of a larger buffer is read within its bounds', () => {
  const whole = Buffer.from(`xxx${JSON.stringify(PUSH)}yyy`);
  assert.equal(eventOf(decode(whole.subarray(3, -3))).id, PUSH['id']);
});

/** Every path to a value within a value. */
function pathsOf(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, child]) => pathsOf(child, [...path, key]))];
}

/** A copy with another value at a path. */
function replaced(value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by;
  return { ...Object(value), [key]: replaced(Object(value)[key], rest, by) };
}

const fixture = fc.constantFrom(...[...FIXTURES.values()].map(({ webhook }) => webhook));
const mutated = fixture.chain((webhook) =>
  fc
    .array(fc.tuple(fc.constantFrom(...pathsOf(webhook)), fc.oneof(fc.jsonValue(), fc.string())), { maxLength: 3 })
    .map((changes) => changes.reduce<unknown>((json, [path, value]) => replaced(json, path, value), webhook)),
);
const broken = fc
  .tuple(
    fixture,
    fc.array(fc.tuple(fc.nat(2000), fc.integer({ min: 0, max: 255 })), { maxLength: 5 }),
    fc.option(fc.nat(2000)),
  )
  .map(([webhook, changes, end]) => {
    const bytes = Buffer.from(JSON.stringify(webhook));
    for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
    return end === null ? bytes : bytes.subarray(0, end);
  });
const anyBody: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.json().map((text) => Buffer.from(text)),
  mutated.map((json) => Buffer.from(JSON.stringify(json) ?? '')),
  broken,
);

test('no body makes it throw, and the same body gives the same result, ids included', () => {
  fc.assert(
    fc.property(anyBody, (body) => {
      const copy = Uint8Array.from(body);
      const first = decodeWebhook(body, {});
      assert.deepEqual(Uint8Array.from(body), copy, 'the body is not changed');
      assert.deepEqual(decodeWebhook(copy, { 'content-type': 'text/plain' }), first);
      if (first.kind === 'unreadable') assert.ok(first.issues.length > 0);
    }),
    { numRuns: 3000 },
  );
});

test('a decoded event has only texts, and no empty one', () => {
  fc.assert(
    fc.property(mutated, (json) => {
      const decoded = decodeJson(json);
      if (decoded.kind === 'unreadable') return;
      const one = oneOf(decoded);
      const texts = one.kind === 'nothing' ? [one.action, one.id ?? 'none'] : Object.values(one.event);
      for (const text of texts) assert.ok(typeof text === 'string' && text !== '');
    }),
    { numRuns: 2000 },
  );
});

test('no issue repeats anything of the body', () => {
  const secret = 'S3CRET';
  const wrong = fc.constantFrom<unknown>([secret], { [secret]: secret }, [[{ secret }]]);
  fc.assert(
    fc.property(fixture, fc.array(wrong, { minLength: 1, maxLength: 5 }), fc.nat(), (webhook, values, seed) => {
      const paths = pathsOf(webhook).slice(1);
      const json = values.reduce<unknown>(
        (made, value, index) => replaced(made, paths[(seed + index * 3) % paths.length] ?? [], value),
        webhook,
      );
      const decoded = decodeJson(json);
      if (decoded.kind === 'unreadable') assert.doesNotMatch(JSON.stringify(decoded), /S3CRET/i);
    }),
  );
  for (const body of [secret, `{"${secret}`, `"${secret}"`, `["${secret}"]`, `{"action":"push","id":${secret}}`]) {
    assert.doesNotMatch(JSON.stringify(decode(body)), /S3CRET/i);
  }
});
