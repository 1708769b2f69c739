import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eventually } from '../../test/support/eventually.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { tokenAuthenticator } from '../auth/token.ts';
import { parseTokens } from '../config/tokens-file.ts';
import { decode } from '../decode/decode.ts';
import { MemoryJournal } from '../journal/memory/memory.ts';
import type { Caller } from '../model/caller.ts';
import type { EventResult, Receipt, Rejection } from '../model/receipt.ts';
import type { Headers } from '../model/webhook.ts';
import { AnonymousHandshakes } from './anonymous-handshakes.ts';
import type { Receive, Reception } from './incoming-webhook.ts';
import { LIMITS } from './limits.ts';
import { createReceive } from './receive.ts';
import type { ContentWindow } from './record.ts';

const TOKENS = {
  free: 'free-token',
  bound: { token: 'bound-token', registry: 'Example.azurecr.io' },
  team: { token: 'team-token', registry: 'example.azurecr.io', repositories: ['team/*'], actions: ['push'] },
};

type CallerName = keyof typeof TOKENS;

const DIGEST = 'sha256:80f0d5c8786bb9e621a45ece0db56d11cdc624ad20da9fe62e9d25490f331d7d';

interface Push {
  readonly id?: string;
  readonly action?: string;
  readonly host?: string;
  readonly repository?: string;
}

/** A webhook's body; without `host` it names no registry. */
function aBody({ id = 'a', action = 'push', host, repository = 'team/hello' }: Push = {}): string {
  const request = host === undefined ? {} : { request: { host } };
  return JSON.stringify({ id, action, target: { repository, tag: 'v1', digest: DIGEST }, ...request });
}

const HOST = 'example.azurecr.io';

const HANDSHAKES = new AnonymousHandshakes({ decode, handshakeCredentials: 'required' });

/** What HTTP clients send as well. */
const OTHER_HEADERS = { host: 'gateway.example.com', connection: 'keep-alive', 'content-length': '1000' };

class Rig {
  readonly clock = new ManualClock();
  readonly journal = new MemoryJournal({ clock: this.clock });
  bodiesRead = 0;
  readonly #receive: Receive;

  constructor(contentWindow?: ContentWindow) {
    this.#receive = createReceive({
      authenticator: authenticator(),
      anonymousHandshakes: HANDSHAKES,
      decode,
      contentWindow,
      intake: this.journal,
      clock: this.clock,
    });
  }

  async receive(caller: CallerName, body: string | Uint8Array, headers: Headers = {}): Promise<Reception> {
    return this.receiveFrom(`Bearer ${caller}-token`, body, headers);
  }

  receiveFrom(authorization: string, body: string | Uint8Array, headers: Headers = {}): Promise<Reception> {
    return this.#receive({
      headers: { ...OTHER_HEADERS, ...headers, authorization },
      readBody: async () => {
        this.bodiesRead += 1;
        return { kind: 'body', bytes: Buffer.from(body) };
      },
    });
  }

  /** With a body that does not arrive complete. */
  receiveRejected(rejection: Rejection): Promise<Reception> {
    const headers = { authorization: 'Bearer free-token' };
    return this.#receive({ headers, readBody: async () => rejection });
  }

  async kept(): Promise<number> {
    return (await this.journal.find({ limit: 1000 })).records.length;
  }
}

function authenticator() {
  const tokens = parseTokens(Buffer.from(JSON.stringify(TOKENS)));
  assert.equal(tokens.kind, 'value');
  return tokenAuthenticator({ current: () => tokens.value });
}

function receiptOf({ answer }: Reception): Receipt {
  return answer.kind === 'receipt' ? answer : assert.fail(JSON.stringify(answer));
}

function resultOf(reception: Reception): EventResult {
  const [event, ...others] = receiptOf(reception).events;
  assert.deepEqual(others, []);
  return event?.result ?? assert.fail('no event');
}

test('without valid credentials a webhook is rejected before its body is read', async () => {
  const rig = new Rig();
  for (const authorization of ['', 'Bearer wrong', 'Basic free-token']) {
    assert.deepEqual(await rig.receiveFrom(authorization, aBody({ host: HOST })), {
      answer: { kind: 'unauthenticated' },
    });
  }
  assert.equal(rig.bodiesRead, 0);
  assert.equal(await rig.kept(), 0);
});

test('an event is stored unchanged, with its format, caller and allow-listed headers', async () => {
  const rig = new Rig();
  const body = aBody({ host: HOST });
  const reception = await rig.receive('free', body, { 'content-type': 'text/plain', cookie: 'c' });
  const summary = { id: 'a', action: 'push', registry: HOST, repository: 'team/hello', tag: 'v1', digest: DIGEST };
  assert.deepEqual(reception, {
    caller: 'free',
    answer: { kind: 'receipt', events: [{ ...summary, result: { kind: 'accepted', seq: 1 } }] },
  });
  const record = await rig.journal.get(1);
  assert.deepEqual(
    { ...record, raw: Buffer.from(record?.raw ?? []).toString() },
    {
      seq: 1,
      state: 'pending',
      receivedAt: rig.clock.now(),
      dueAt: rig.clock.now(),
      caller: 'free',
      format: 'acr',
      headers: { 'content-type': 'text/plain' },
      raw: body,
      event: summary,
      delivery: 1,
      attempts: [],
    },
  );
});

test('an event that comes again is a duplicate of the first', async () => {
  const rig = new Rig();
  await rig.receive('free', aBody({ host: HOST }));
  assert.deepEqual(resultOf(await rig.receive('free', aBody({ host: HOST }))), { kind: 'duplicate', of: 1 });
  assert.equal(await rig.kept(), 1);
});

test('a ping is ignored, and so is an unknown action', async () => {
  const rig = new Rig();
  assert.deepEqual(receiptOf(await rig.receive('free', '{"action":"ping"}')).events, [
    { action: 'ping', result: { kind: 'ignored', reason: 'ping' } },
  ]);
  assert.deepEqual(receiptOf(await rig.receive('team', aBody({ id: 'b', action: 'import' }))).events, [
    { id: 'b', action: 'import', result: { kind: 'ignored', reason: 'unknown-action' } },
  ]);
  assert.equal(await rig.kept(), 0);
});

test('an event without a registry from an unbound caller becomes a dead letter', async () => {
  const rig = new Rig();
  const result = resultOf(await rig.receive('free', aBody({ action: 'chart_push' })));
  assert.deepEqual(result, { kind: 'dead-lettered', seq: 1, reason: 'no-registry' });
  const record = await rig.journal.get(1);
  assert.equal(record?.state, 'dead-lettered');
  assert.equal(record?.deadLetter?.reason, 'no-registry');
});

test('a duplicate does not revive a dead letter', async () => {
  const rig = new Rig();
  await rig.receive('free', aBody());
  assert.deepEqual(resultOf(await rig.receive('free', aBody())), { kind: 'duplicate', of: 1 });
  assert.equal((await rig.journal.get(1))?.state, 'dead-lettered');
});

test('an event without a registry gets the one that its caller is bound to', async () => {
  const rig = new Rig();
  const receipt = receiptOf(await rig.receive('bound', aBody({ action: 'chart_delete' })));
  assert.equal(receipt.events[0]?.registry, 'Example.azurecr.io');
  assert.equal(receipt.events[0]?.result.kind, 'accepted');
});

test('the registry of a bound caller is spelled as in its binding', async () => {
  const rig = new Rig();
  await rig.receive('bound', aBody({ host: 'EXAMPLE.azurecr.io.:443' }));
  assert.equal((await rig.journal.get(1))?.event.registry, 'Example.azurecr.io');
});

test('the registry of an unbound caller is stored verbatim', async () => {
  const rig = new Rig();
  await rig.receive('free', aBody({ host: 'EXAMPLE.azurecr.io:443' }));
  assert.equal((await rig.journal.get(1))?.event.registry, 'EXAMPLE.azurecr.io:443');
});

for (const [what, path, push] of [
  ['registry', 'registry', { host: 'other.azurecr.io' }],
  ['repository', 'repository', { host: HOST, repository: 'others/hello' }],
  ['action', 'action', { host: HOST, action: 'delete' }],
] as const) {
  test(`a webhook with another ${what} than its caller is bound to is rejected, and nothing is stored`, async () => {
    const rig = new Rig();
    const { caller, answer } = await rig.receive('team', aBody(push));
    assert.equal(caller, 'team');
    assert.equal(answer.kind === 'out-of-scope' && answer.issue.path, path);
    assert.equal(await rig.kept(), 0);
  });
}

test('the same id for another registry or another action is another event', async () => {
  const rig = new Rig();
  const bodies = [
    aBody({ host: HOST }),
    aBody({ host: 'other.azurecr.io' }),
    aBody({ host: HOST, action: 'delete' }),
    aBody({ host: HOST, id: 'b' }),
    aBody({ host: `${HOST}:5000` }),
  ];
  for (const [index, body] of bodies.entries()) {
    assert.deepEqual(resultOf(await rig.receive('free', body)), { kind: 'accepted', seq: index + 1 });
  }
});

test('spellings of a registry that differ in case, :443 or a final dot are the same registry', async () => {
  const rig = new Rig();
  await rig.receive('free', aBody({ host: HOST }));
  for (const host of ['EXAMPLE.azurecr.io', `${HOST}:443`, `${HOST}.`, `${HOST}.:443`]) {
    assert.deepEqual(resultOf(await rig.receive('free', aBody({ host }))), { kind: 'duplicate', of: 1 });
  }
  assert.deepEqual(resultOf(await rig.receive('bound', aBody({}))), { kind: 'duplicate', of: 1 });
});

test('events without a registry are deduplicated for each caller', async () => {
  const tokens = parseTokens(Buffer.from(JSON.stringify({ one: 'one-token', two: 'two-token' })));
  assert.equal(tokens.kind, 'value');
  const clock = new ManualClock();
  const intake = new MemoryJournal({ clock });
  const current = tokenAuthenticator({ current: () => tokens.value });
  const receive = createReceive({
    authenticator: current,
    anonymousHandshakes: HANDSHAKES,
    decode,
    intake,
    clock,
  });
  for (const name of ['one', 'two']) {
    const bytes = Buffer.from(aBody());
    const headers = { authorization: `Bearer ${name}-token` };
    const reception = await receive({ headers, readBody: async () => ({ kind: 'body', bytes }) });
    assert.equal(resultOf(reception).kind, 'dead-lettered');
  }
});

test('different events are never duplicates, whatever their ids and registries are', async () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '1', '2'), minLength: 1, maxLength: 6 });
  const event = fc.record({ id: text, host: fc.option(text, { nil: undefined }) });
  await fc.assert(
    fc.asyncProperty(event, event, async (one, other) => {
      const rig = new Rig();
      await rig.receive('free', aBody(defined(one)));
      const { kind } = resultOf(await rig.receive('free', aBody(defined(other))));
      assert.equal(kind === 'duplicate', one.id === other.id && one.host === other.host);
    }),
    {
      examples: [
        [
          { id: 'b c', host: 'a' },
          { id: 'c', host: 'a b' },
        ],
      ],
    },
  );
});

function defined({ id, host }: { readonly id: string; readonly host: string | undefined }): Push {
  return host === undefined ? { id } : { id, host };
}

test('the rejection of an event that the journal cannot store describes the event', async () => {
  const rig = new Rig();
  await rig.journal.close();
  const { caller, answer } = await rig.receive('free', aBody({ host: HOST }));
  assert.equal(caller, 'free');
  assert.deepEqual(answer, {
    kind: 'unavailable',
    reason: 'closed',
    lost: [{ id: 'a', action: 'push', registry: HOST, repository: 'team/hello', tag: 'v1', digest: DIGEST }],
  });
});

test('a ping needs no journal', async () => {
  const rig = new Rig();
  await rig.journal.close();
  assert.equal(resultOf(await rig.receive('free', '{"action":"ping"}')).kind, 'ignored');
});

test('a body that cannot be read is rejected with its issues', async () => {
  const rig = new Rig();
  const { caller, answer } = await rig.receive('free', '{"action":5}');
  assert.equal(caller, 'free');
  assert.deepEqual(answer, {
    kind: 'unreadable',
    issues: [{ path: 'action', expected: 'a string', received: 'a number' }],
  });
  assert.equal(await rig.kept(), 0);
});

test('a body that does not arrive complete is rejected', async () => {
  const rig = new Rig();
  for (const answer of [{ kind: 'too-large', maxBytes: 5 }, { kind: 'incomplete' }, { kind: 'overloaded' }] as const) {
    assert.deepEqual(await rig.receiveRejected(answer), { caller: 'free', answer });
  }
});

test('only the headers on the list are stored, and never credentials', async () => {
  const rig = new Rig();
  const kept = {
    'content-type': 'application/json',
    'user-agent': 'AzureContainerRegistry/1.0',
    traceparent: '00-1-2-01',
    'aeg-event-type': 'Notification',
    'aeg-delivery-count': '1',
    'ce-id': 'x',
  };
  await rig.receive('free', aBody({ host: HOST }), {
    ...kept,
    'aeg-delivery-count': ['1'],
    'aeg-sas-key': 'no',
    'aeg-sas-token': 'no',
    'ce-authorization': 'no',
    'ce-x': 'no',
    'proxy-authorization': 'no',
    cookie: 'no',
    'set-cookie': ['no'],
    'x-api-key': 'no',
    'x-forwarded-for': 'no',
    aeg: 'no',
    referer: 'no',
    host: 'no',
  });
  assert.deepEqual((await rig.journal.get(1))?.headers, kept);
});

test('a header is stored up to 512 characters, and not at all if it is not printable', async () => {
  const rig = new Rig();
  const headers = { 'content-type': 'c'.repeat(512), 'user-agent': 'u'.repeat(513), traceparent: 'a\u009b31m' };
  await rig.receive('free', aBody({ host: HOST }), headers);
  assert.deepEqual((await rig.journal.get(1))?.headers, {
    'content-type': 'c'.repeat(512),
    'user-agent': 'u'.repeat(512),
  });
});

test('of one webhook at most 4,096 characters of headers are stored, the attributes of a CloudEvent first', async () => {
  const rig = new Rig();
  const attributes = ['type', 'source', 'subject', 'id', 'time'].map((name) => [`ce-${name}`, 'x'.repeat(512)]);
  const headers = Object.fromEntries([
    ['user-agent', 'u'.repeat(200)],
    ['content-type', 'c'.repeat(512)],
    ['aeg-event-type', 'e'.repeat(512)],
    ['aeg-subscription-name', 's'.repeat(512)],
    ...attributes,
  ]);
  await rig.receive('free', aBody({ host: HOST }), headers);
  const kept = Object.entries((await rig.journal.get(1))?.headers ?? {});
  assert.deepEqual(
    kept.map(([name]) => name),
    [...attributes.map(([name]) => name), 'content-type', 'aeg-event-type', 'user-agent'],
  );
  const chars = kept.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  assert.ok(chars <= 4096 && chars > 3600, `${chars}`);
});

test('a CloudEvent in binary mode with the longest attributes is decoded again from what is stored', async () => {
  const rig = new Rig();
  const repository = 'r'.repeat(256);
  const headers = {
    'user-agent': 'u'.repeat(512),
    'content-type': 'c'.repeat(512),
    'ce-specversion': '1.0',
    'ce-id': 'i'.repeat(256),
    'ce-type': `Microsoft.ContainerRegistry.${'x'.repeat(512 - 28)}`,
    'ce-source': 's'.repeat(512),
    'ce-subject': `${repository}:${'t'.repeat(128)}`,
    'ce-time': '2'.repeat(256),
  };
  assert.equal(resultOf(await rig.receive('free', '{"action":"push"}', headers)).kind, 'dead-lettered');
  const record = (await rig.journal.get(1)) ?? assert.fail('nothing is stored');
  const again = decode(record.raw, record.headers);
  const [event] = again.kind === 'decoded' ? again.events : [];
  assert.deepEqual(event?.kind === 'event' && event.event, record.event);
  assert.equal(record.event.repository, repository);
});

const TOPIC = '/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/example';

function anEventGridEvent(push: Push = {}): object {
  const data = JSON.parse(aBody({ host: HOST, ...push }));
  return { id: 'outer', topic: TOPIC, eventType: 'Microsoft.ContainerRegistry.ImagePushed', data };
}

test('an unreadable, an out-of-scope and an oversized event among a hundred cost none of the others', async () => {
  const rig = new Rig();
  const batch: unknown[] = Array.from({ length: 100 }, (_, index) => anEventGridEvent({ id: `${index}` }));
  batch[10] = { eventType: 'ImagePushed', data: { id: 'bad', action: 'push', target: { repository: 5 } } };
  batch[50] = anEventGridEvent({ id: 'alien', host: 'other.azurecr.io' });
  batch[90] = {
    eventType: 'ImagePushed',
    data: { ...JSON.parse(aBody({ host: HOST })), padding: 'x'.repeat(600_000) },
  };
  const { events } = receiptOf(await rig.receive('bound', JSON.stringify(batch)));
  assert.deepEqual(events[10]?.result, { kind: 'dead-lettered', seq: 11, reason: 'unreadable' });
  assert.deepEqual(events[50]?.result, { kind: 'dead-lettered', seq: 51, reason: 'out-of-scope' });
  assert.equal(events.filter(({ result }) => result.kind === 'accepted').length, 98);
  const [unreadable, alien] = [await rig.journal.get(11), await rig.journal.get(51)];
  assert.equal(unreadable?.deadLetter?.detail, '[10].data.target.repository: expected a string, got a number');
  assert.match(alien?.deadLetter?.detail ?? '', /^registry: expected Example.azurecr.io/);
  assert.equal(alien?.event.registry, 'other.azurecr.io');
});

test('a webhook is unreadable if its events take more than three times its bytes in the journal', async () => {
  const rig = new Rig();
  const events = (...jsons: readonly string[]) => `{"events":[${jsons.join(',')}]}`;
  const numbers = (number: string) => `{"id":"${number}","action":"push","x":[${Array(500).fill(number).join(',')}]}`;
  const pushes = (count: number) => Array.from({ length: count }, (_, index) => aBody({ id: `${index}`, host: HOST }));
  for (const body of [events('1'), events('{}'), events(...pushes(2)), events(numbers('1e2'))]) {
    assert.equal(receiptOf(await rig.receive('bound', body)).kind, 'receipt', body);
  }
  const kept = await rig.kept();
  for (const body of [events(...Array(16).fill('1')), events(...pushes(100)), events(numbers('1e20'))]) {
    assert.equal((await rig.receive('bound', body)).answer.kind, 'unreadable', body);
  }
  assert.equal(await rig.kept(), kept);
});

test('an element of a batch that is not an event is stored with the action `unreadable`', async () => {
  const rig = new Rig();
  const { events } = receiptOf(await rig.receive('bound', JSON.stringify([anEventGridEvent(), 5])));
  assert.deepEqual(
    events.map(({ action, result }) => [action, result.kind]),
    [
      ['push', 'accepted'],
      ['unreadable', 'dead-lettered'],
    ],
  );
});

test('a batch that comes again after a 503 is not stored again', async () => {
  const rig = new Rig();
  const batch = JSON.stringify([anEventGridEvent({ id: 'a' }), anEventGridEvent({ id: 'b' }), 5]);
  await rig.receive('bound', batch);
  const { events } = receiptOf(await rig.receive('bound', batch));
  assert.deepEqual(
    events.map(({ result }) => result),
    [1, 2, 3].map((of) => ({ kind: 'duplicate', of })),
  );
  assert.equal(await rig.kept(), 3);
});

test('while a large batch is judged, the event loop goes on', async () => {
  const clock = new ManualClock();
  const journal = new MemoryJournal({ clock });
  let pauses = 0;
  let time = 0;
  const look = () => time++;
  const receive = createReceive({
    authenticator: authenticator(),
    anonymousHandshakes: HANDSHAKES,
    decode,
    intake: { append: (records) => journal.append(records) },
    // Every look at the clock takes a millisecond.
    clock: { now: look, tick: look },
  });
  let isAnswered = false;
  const count = (): void => {
    pauses += 1;
    if (!isAnswered) setImmediate(count);
  };
  setImmediate(count);
  const batch = Array.from({ length: 200 }, (_, index) => anEventGridEvent({ id: `${index}` }));
  const bytes = Buffer.from(JSON.stringify(batch));
  const headers = { authorization: 'Bearer free-token' };
  const reception = await receive({ headers, readBody: async () => ({ kind: 'body', bytes }) });
  isAnswered = true;
  assert.equal(receiptOf(reception).events.length, 200);
  assert.ok(pauses >= 80, `${pauses} pauses`);
});

test('a caller’s batches are taken one at a time, and its single events and other callers do not wait', async () => {
  const clock = new ManualClock();
  const journal = new MemoryJournal({ clock });
  const gate = Promise.withResolvers<void>();
  const appends: number[] = [];
  const receive = createReceive({
    authenticator: authenticator(),
    anonymousHandshakes: HANDSHAKES,
    decode,
    intake: {
      append: async (records, since) => {
        appends.push(records.length);
        if (records.length === 50 && appends.length === 1) await gate.promise;
        return journal.append(records, since);
      },
    },
    clock,
  });
  const send = (caller: CallerName, count: number, from: number): Promise<Reception> => {
    const events = Array.from({ length: count }, (_, index) => anEventGridEvent({ id: `${caller}-${from + index}` }));
    const bytes = Buffer.from(JSON.stringify(events));
    return receive({
      headers: { authorization: `Bearer ${caller}-token` },
      readBody: async () => ({ kind: 'body', bytes }),
    });
  };

  const first = send('free', 50, 0);
  const second = send('free', 60, 100);
  const late = send('free', 70, 200);
  assert.equal(receiptOf(await send('free', 1, 300)).events.length, 1);
  assert.equal(receiptOf(await send('bound', 55, 0)).events.length, 55);
  assert.deepEqual(appends.toSorted(), [1, 50, 55]);

  clock.advance(3_999);
  gate.resolve();
  assert.equal(receiptOf(await first).events.length, 50);
  assert.equal(receiptOf(await second).events.length, 60);
  assert.equal(receiptOf(await late).events.length, 70);
});

test('a batch that waits for its turn until its time is over is rejected with what was read, and not kept', async () => {
  const clock = new ManualClock();
  const journal = new MemoryJournal({ clock });
  const gate = Promise.withResolvers<void>();
  const sinces: (number | undefined)[] = [];
  const receive = createReceive({
    authenticator: authenticator(),
    anonymousHandshakes: HANDSHAKES,
    decode,
    intake: {
      append: async (records, since) => {
        sinces.push(since);
        await gate.promise;
        return journal.append(records);
      },
    },
    clock,
  });
  const send = (prefix: string): Promise<Reception> => {
    const events = Array.from({ length: 50 }, (_, index) => anEventGridEvent({ id: `${prefix}-${index}` }));
    const bytes = Buffer.from(JSON.stringify(events));
    return receive({
      headers: { authorization: 'Bearer free-token' },
      readBody: async () => ({ kind: 'body', bytes }),
    });
  };

  const arrivedAt = clock.tick();
  const first = send('a');
  const late = send('b');
  await eventually('the first batch is appended', async () => sinces.length === 1);
  clock.advance(3_999);
  const next = send('c');
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(1);
  gate.resolve();

  assert.equal(receiptOf(await first).events.length, 50);
  const { answer } = await late;
  assert.equal(answer.kind, 'unavailable');
  assert.deepEqual(answer.kind === 'unavailable' && [answer.reason, answer.lost.map(({ id }) => id)], [
    'slow',
    Array.from({ length: LIMITS.maxLateEvents }, (_, index) => `b-${index}`),
  ]);
  assert.equal(receiptOf(await next).events.length, 50);
  assert.deepEqual(sinces, [arrivedAt, arrivedAt + 3_999]);
  assert.equal((await journal.find({ limit: 1000 })).records.length, 100);
});

test('an event that comes in four formats is accepted once', async () => {
  const rig = new Rig();
  const native = JSON.parse(aBody({ host: HOST }));
  const kinds: string[] = [];
  for (const [body, headers] of [
    [native, {}],
    [[anEventGridEvent()], {}],
    [{ specversion: '1.0', type: 'ImagePushed', source: TOPIC, id: 'other', data: JSON.stringify(native) }, {}],
    [native, { 'ce-specversion': '1.0', 'ce-id': 'other', 'ce-type': 'ImagePushed', 'ce-source': TOPIC }],
    [{ events: [native] }, {}],
  ] as const) {
    kinds.push(resultOf(await rig.receive('free', JSON.stringify(body), headers)).kind);
  }
  assert.deepEqual(kinds, ['accepted', 'duplicate', 'duplicate', 'duplicate', 'duplicate']);
});

test('only the manifests of a notification are accepted', async () => {
  const rig = new Rig();
  const event = (id: string, action: string, mediaType: string) => ({
    id,
    action,
    target: { repository: 'team/hello', mediaType },
    request: { host: HOST },
  });
  const manifest = 'application/vnd.oci.image.manifest.v1+json';
  const events = [
    event('a', 'push', 'application/octet-stream'),
    event('b', 'pull', manifest),
    event('c', 'mount', 'application/octet-stream'),
    event('d', 'push', manifest),
    { id: 'e', action: 'delete', target: { repository: 'team/hello', tag: 'v1' }, request: { host: HOST } },
  ];
  const receipt = receiptOf(await rig.receive('free', JSON.stringify({ events })));
  assert.deepEqual(
    receipt.events.map(({ result }) => (result.kind === 'ignored' ? result.reason : result.kind)),
    ['blob', 'pull', 'mount', 'accepted', 'accepted'],
  );
});

test('an event of an envelope out of scope becomes a dead letter, and the answer is a receipt', async () => {
  for (const body of [
    [anEventGridEvent({ host: 'other.azurecr.io' })],
    { events: [JSON.parse(aBody({ host: 'x.io' }))] },
  ]) {
    const rig = new Rig();
    assert.equal(resultOf(await rig.receive('bound', JSON.stringify(body))).kind, 'dead-lettered');
  }
});

test('a validation with credentials is answered with its code, and nothing is stored', async () => {
  const rig = new Rig();
  const eventType = 'Microsoft.EventGrid.SubscriptionValidationEvent';
  const body = JSON.stringify([{ eventType, data: { validationCode: 'code-1' } }]);
  assert.deepEqual(await rig.receive('free', body), { caller: 'free', answer: { kind: 'validation', code: 'code-1' } });
  assert.equal(await rig.kept(), 0);
});

test('the result of an event that a rule ignores names the rule, and nothing is stored', async () => {
  const clock = new ManualClock();
  const journal = new MemoryJournal({ clock });
  const rules = [{ name: 'no-pushes', decision: 'ignore', when: { actions: ['push'] } }] as const;
  const caller: Caller = { name: 'ruled', rules };
  const receive = createReceive({
    authenticator: { authenticate: async () => ({ kind: 'caller', caller }), callerNamed: () => caller },
    anonymousHandshakes: HANDSHAKES,
    decode,
    intake: journal,
    clock,
  });
  const bytes = Buffer.from(JSON.stringify([anEventGridEvent(), anEventGridEvent({ id: 'b', action: 'delete' })]));
  const { events } = receiptOf(await receive({ headers: {}, readBody: async () => ({ kind: 'body', bytes }) }));
  assert.deepEqual(events[0]?.result, { kind: 'ignored', reason: 'rule', rule: 'no-pushes' });
  assert.equal(events[0]?.repository, 'team/hello');
  assert.deepEqual(events[1]?.result, { kind: 'accepted', seq: 1 });
});

test('the payload of an event is the native object alone, whatever the format', async () => {
  const rig = new Rig();
  const data = JSON.parse(aBody({ id: 'ü', host: HOST }));
  await rig.receive('free', JSON.stringify([{ ...anEventGridEvent(), data }]));
  const [claim] = await rig.journal.claim(1, AbortSignal.timeout(1000));
  assert.deepEqual(JSON.parse(claim?.payload ?? ''), data);
});

test('within the window the events of several replicas about one push are duplicates of the first', async () => {
  const rig = new Rig({ ms: 60_000, regions: 'together' });
  const replica = (id: string) => JSON.stringify([anEventGridEvent({ id })]);
  assert.deepEqual(resultOf(await rig.receive('bound', replica('a'))), { kind: 'accepted', seq: 1 });
  assert.deepEqual(resultOf(await rig.receive('bound', replica('b'))), { kind: 'duplicate', of: 1, by: 'content' });
  rig.clock.advance(60_000);
  assert.deepEqual(resultOf(await rig.receive('bound', replica('c'))), { kind: 'accepted', seq: 2 });
});

test('a forged event does not make the real one a duplicate', async () => {
  const rig = new Rig({ ms: 60_000, regions: 'together' });
  const alien = anEventGridEvent({ host: 'other.azurecr.io' });
  const unreadable = {
    eventType: 'ImagePushed',
    data: { ...JSON.parse(aBody({ host: 'other.azurecr.io' })), id: 'b', timestamp: 5 },
  };
  const { events } = receiptOf(await rig.receive('bound', JSON.stringify([alien, unreadable])));
  assert.deepEqual(
    events.map(({ result }) => result.kind),
    ['dead-lettered', 'dead-lettered'],
  );
  for (const id of ['a', 'b']) {
    assert.equal(
      resultOf(await rig.receive('free', aBody({ id, host: 'other.azurecr.io', repository: id }))).kind,
      'accepted',
    );
  }
});

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const OTHER_TRACE = TRACE.replace('b7ad', '0000');

for (const [what, headers, expected] of [
  ['the header traceparent', { traceparent: TRACE }, TRACE],
  ['ce-traceparent before traceparent', { traceparent: OTHER_TRACE, 'ce-traceparent': TRACE }, TRACE],
  ['no header of another form', { traceparent: '00-1-2-01' }, undefined],
] as const) {
  test(`the trace of a webhook comes from ${what}`, async () => {
    const rig = new Rig();
    await rig.receive('free', aBody({ host: HOST }), headers);
    const [claim] = await rig.journal.claim(1, AbortSignal.timeout(1000));
    assert.equal(claim?.traceparent, expected);
  });
}

test('a trace that a webhook is given counts more than that of its headers', async () => {
  const clock = new ManualClock();
  const intake = new MemoryJournal({ clock });
  const receive = createReceive({
    authenticator: authenticator(),
    anonymousHandshakes: HANDSHAKES,
    decode,
    intake,
    clock,
  });
  const bytes = Buffer.from(aBody({ host: HOST }));
  const headers = { authorization: 'Bearer free-token', traceparent: OTHER_TRACE };
  await receive({ headers, traceparent: TRACE, readBody: async () => ({ kind: 'body', bytes }) });
  const [claim] = await intake.claim(1, AbortSignal.timeout(1000));
  assert.equal(claim?.traceparent, TRACE);
});

test('a journal that does not answer for every event is a fault', async () => {
  const receive = createReceive({
    authenticator: authenticator(),
    anonymousHandshakes: HANDSHAKES,
    decode,
    intake: { append: async () => ({ kind: 'appended', records: [] }) },
    clock: new ManualClock(),
  });
  const bytes = Buffer.from(aBody({ host: HOST }));
  const headers = { authorization: 'Bearer free-token' };
  await assert.rejects(receive({ headers, readBody: async () => ({ kind: 'body', bytes }) }), {
    code: 'journal_failed',
  });
});
