import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { tokenAuthenticator } from '../auth/token.ts';
import { parseTokens } from '../auth/tokens-file.ts';
import { decode } from '../decode/decode.ts';
import { MemoryJournal } from '../journal/memory/memory.ts';
import type { Caller } from '../model/caller.ts';
import type { EventResult, Receipt, Rejection } from '../model/receipt.ts';
import type { Headers } from '../model/webhook.ts';
import { AnonymousHandshakes } from './anonymous-handshakes.ts';
import type { ContentWindow } from './content-key.ts';
import type { Receive, Reception } from './incoming-webhook.ts';
import { createReceive } from './receive.ts';

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

const STRANGERS = new AnonymousHandshakes({ decode, handshakeCredentials: 'required' });

class Rig {
  readonly clock = new ManualClock();
  readonly journal = new MemoryJournal({ clock: this.clock });
  bodiesRead = 0;
  readonly #receive: Receive;

  constructor(contentWindow?: ContentWindow) {
    this.#receive = createReceive({
      authenticator: authenticator(),
      anonymousHandshakes: STRANGERS,
      decode,
      contentWindow,
      intake: this.journal,
      now: () => this.clock.now(),
    });
  }

  async receive(caller: CallerName, body: string | Uint8Array, headers: Headers = {}): Promise<Reception> {
    return this.receiveFrom(`Bearer ${caller}-token`, body, headers);
  }

  receiveFrom(authorization: string, body: string | Uint8Array, headers: Headers = {}): Promise<Reception> {
    return this.#receive({
      headers: { ...headers, authorization },
      readBody: async () => {
        this.bodiesRead += 1;
        return { kind: 'body', bytes: Buffer.from(body) };
      },
    });
  }

  /** With a body that cannot be had whole. */
  receiveRejected(rejection: Rejection): Promise<Reception> {
    const headers = { authorization: 'Bearer free-token' };
    return this.#receive({ headers, readBody: async () => rejection });
  }

  async kept(): Promise<number> {
    return (await this.journal.find({ limit: 1000 })).length;
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

test('a stranger is turned away before his body is read', async () => {
  const rig = new Rig();
  for (const authorization of ['', 'Bearer wrong', 'Basic free-token']) {
    assert.deepEqual(await rig.receiveFrom(authorization, aBody({ host: HOST })), {
      answer: { kind: 'unauthenticated' },
    });
  }
  assert.equal(rig.bodiesRead, 0);
  assert.equal(await rig.kept(), 0);
});

test('an event is kept as it came, with all that is needed to understand it later', async () => {
  const rig = new Rig();
  const body = aBody({ host: HOST });
  const reception = await rig.receive('free', body, { 'content-type': 'text/plain', cookie: 'c' });
  const told = { id: 'a', action: 'push', registry: HOST, repository: 'team/hello', tag: 'v1', digest: DIGEST };
  assert.deepEqual(reception, {
    caller: 'free',
    answer: { kind: 'receipt', events: [{ ...told, result: { kind: 'accepted', seq: 1 } }] },
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
      event: told,
      delivery: 1,
      attempts: [],
    },
  );
});

test('the same event once more is a duplicate of the first', async () => {
  const rig = new Rig();
  await rig.receive('free', aBody({ host: HOST }));
  assert.deepEqual(resultOf(await rig.receive('free', aBody({ host: HOST }))), { kind: 'duplicate', of: 1 });
  assert.equal(await rig.kept(), 1);
});

test('a ping is ignored, and so is an action that nobody knows', async () => {
  const rig = new Rig();
  assert.deepEqual(receiptOf(await rig.receive('free', '{"action":"ping"}')).events, [
    { action: 'ping', result: { kind: 'ignored', reason: 'ping' } },
  ]);
  assert.deepEqual(receiptOf(await rig.receive('team', aBody({ id: 'b', action: 'import' }))).events, [
    { id: 'b', action: 'import', result: { kind: 'ignored', reason: 'unknown-action' } },
  ]);
  assert.equal(await rig.kept(), 0);
});

test('an event without a registry goes to the dead letters of an unbound caller', async () => {
  const rig = new Rig();
  const result = resultOf(await rig.receive('free', aBody({ action: 'chart_push' })));
  assert.deepEqual(result, { kind: 'dead-lettered', seq: 1, reason: 'no-registry' });
  const record = await rig.journal.get(1);
  assert.equal(record?.state, 'dead-lettered');
  assert.equal(record?.deadLetter?.reason, 'no-registry');
});

test('a duplicate of a dead letter is a duplicate and does not revive it', async () => {
  const rig = new Rig();
  await rig.receive('free', aBody());
  assert.deepEqual(resultOf(await rig.receive('free', aBody())), { kind: 'duplicate', of: 1 });
  assert.equal((await rig.journal.get(1))?.state, 'dead-lettered');
});

test('a bound caller gives events without a registry his own', async () => {
  const rig = new Rig();
  const receipt = receiptOf(await rig.receive('bound', aBody({ action: 'chart_delete' })));
  assert.equal(receipt.events[0]?.registry, 'Example.azurecr.io');
  assert.equal(receipt.events[0]?.result.kind, 'accepted');
});

test('the registry of a bound caller is written as in his binding, however the event spells it', async () => {
  const rig = new Rig();
  await rig.receive('bound', aBody({ host: 'EXAMPLE.azurecr.io.:443' }));
  assert.equal((await rig.journal.get(1))?.event.registry, 'Example.azurecr.io');
});

test('the registry of an unbound caller is kept verbatim', async () => {
  const rig = new Rig();
  await rig.receive('free', aBody({ host: 'EXAMPLE.azurecr.io:443' }));
  assert.equal((await rig.journal.get(1))?.event.registry, 'EXAMPLE.azurecr.io:443');
});

for (const [what, path, push] of [
  ['registry', 'registry', { host: 'other.azurecr.io' }],
  ['repository', 'repository', { host: HOST, repository: 'others/hello' }],
  ['action', 'action', { host: HOST, action: 'delete' }],
] as const) {
  test(`nothing is kept of an event of another ${what} than its caller is bound to`, async () => {
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

test('one registry in other words is the same: case, :443 and a dot at the end do not count', async () => {
  const rig = new Rig();
  await rig.receive('free', aBody({ host: HOST }));
  for (const host of ['EXAMPLE.azurecr.io', `${HOST}:443`, `${HOST}.`, `${HOST}.:443`]) {
    assert.deepEqual(resultOf(await rig.receive('free', aBody({ host }))), { kind: 'duplicate', of: 1 });
  }
  assert.deepEqual(resultOf(await rig.receive('bound', aBody({}))), { kind: 'duplicate', of: 1 });
});

test('events without a registry are told apart by their caller', async () => {
  const tokens = parseTokens(Buffer.from(JSON.stringify({ one: 'one-token', two: 'two-token' })));
  assert.equal(tokens.kind, 'value');
  const clock = new ManualClock();
  const intake = new MemoryJournal({ clock });
  const current = tokenAuthenticator({ current: () => tokens.value });
  const receive = createReceive({
    authenticator: current,
    anonymousHandshakes: STRANGERS,
    decode,
    intake,
    now: () => clock.now(),
  });
  for (const name of ['one', 'two']) {
    const bytes = Buffer.from(aBody());
    const headers = { authorization: `Bearer ${name}-token` };
    const reception = await receive({ headers, readBody: async () => ({ kind: 'body', bytes }) });
    assert.equal(resultOf(reception).kind, 'dead-lettered');
  }
});

test('no two different events are taken for one, whatever their ids and registries are', async () => {
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

test('of an event that the journal cannot keep all that could be read is told', async () => {
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

test('a body that cannot be read is told with its issues', async () => {
  const rig = new Rig();
  const { caller, answer } = await rig.receive('free', '{"action":5}');
  assert.equal(caller, 'free');
  assert.deepEqual(answer, {
    kind: 'unreadable',
    issues: [{ path: 'action', expected: 'a string', received: 'a number' }],
  });
  assert.equal(await rig.kept(), 0);
});

test('a body that cannot be had whole is told as it is', async () => {
  const rig = new Rig();
  for (const answer of [{ kind: 'too-large', maxBytes: 5 }, { kind: 'incomplete' }, { kind: 'overloaded' }] as const) {
    assert.deepEqual(await rig.receiveRejected(answer), { caller: 'free', answer });
  }
});

test('of the headers those on the list are kept, and never credentials', async () => {
  const rig = new Rig();
  await rig.receive('free', aBody({ host: HOST }), {
    'content-type': 'application/json',
    'user-agent': 'AzureContainerRegistry/1.0',
    traceparent: '00-1-2-01',
    'aeg-event-type': 'Notification',
    'aeg-output-event-id': ['1', '2'],
    'ce-id': 'x',
    'proxy-authorization': 'no',
    cookie: 'no',
    'set-cookie': ['no'],
    'x-api-key': 'no',
    'x-forwarded-for': 'no',
    aeg: 'no',
    referer: 'no',
    host: 'no',
  });
  assert.deepEqual((await rig.journal.get(1))?.headers, {
    'content-type': 'application/json',
    'user-agent': 'AzureContainerRegistry/1.0',
    traceparent: '00-1-2-01',
    'aeg-event-type': 'Notification',
    'aeg-output-event-id': '1, 2',
    'ce-id': 'x',
  });
});

const TOPIC = '/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/example';

function anEventGridEvent(push: Push = {}): object {
  const data = JSON.parse(aBody({ host: HOST, ...push }));
  return { id: 'outer', topic: TOPIC, eventType: 'Microsoft.ContainerRegistry.ImagePushed', data };
}

test('one unreadable, one out-of-scope and one oversized event among a hundred cost none of the others', async () => {
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
  assert.equal(unreadable?.deadLetter?.detail, '[10].data.target.repository is to be a string, not a number');
  assert.match(alien?.deadLetter?.detail ?? '', /^registry is to be Example.azurecr.io/);
  assert.equal(alien?.event.registry, 'other.azurecr.io');
});

test('an element of a batch that is no event at all is kept, and its action is told as unreadable', async () => {
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

test('a batch that comes again after a 503 brings no duplicates', async () => {
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

test('one happening that comes by four roads is taken once', async () => {
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

test('of a notification nothing but the manifests is taken', async () => {
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

test('in an envelope an event out of scope is a dead letter, and the answer is a receipt', async () => {
  for (const body of [
    [anEventGridEvent({ host: 'other.azurecr.io' })],
    { events: [JSON.parse(aBody({ host: 'x.io' }))] },
  ]) {
    const rig = new Rig();
    assert.equal(resultOf(await rig.receive('bound', JSON.stringify(body))).kind, 'dead-lettered');
  }
});

test('a validation with credentials gets its code back, and nothing is kept of it', async () => {
  const rig = new Rig();
  const eventType = 'Microsoft.EventGrid.SubscriptionValidationEvent';
  const body = JSON.stringify([{ eventType, data: { validationCode: 'code-1' } }]);
  assert.deepEqual(await rig.receive('free', body), { caller: 'free', answer: { kind: 'validation', code: 'code-1' } });
  assert.equal(await rig.kept(), 0);
});

test('an event that a rule ignores is told with the rule, and not kept', async () => {
  const clock = new ManualClock();
  const journal = new MemoryJournal({ clock });
  const rules = [{ name: 'no-pushes', decision: 'ignore', when: { actions: ['push'] } }] as const;
  const caller: Caller = { name: 'ruled', rules };
  const receive = createReceive({
    authenticator: { authenticate: async () => ({ kind: 'caller', caller }), callerNamed: () => caller },
    anonymousHandshakes: STRANGERS,
    decode,
    intake: journal,
    now: () => clock.now(),
  });
  const bytes = Buffer.from(JSON.stringify([anEventGridEvent(), anEventGridEvent({ id: 'b', action: 'delete' })]));
  const { events } = receiptOf(await receive({ headers: {}, readBody: async () => ({ kind: 'body', bytes }) }));
  assert.deepEqual(events[0]?.result, { kind: 'ignored', reason: 'rule', rule: 'no-pushes' });
  assert.equal(events[0]?.repository, 'team/hello');
  assert.deepEqual(events[1]?.result, { kind: 'accepted', seq: 1 });
});

test('the payload of an event is the native object alone, whatever brought it', async () => {
  const rig = new Rig();
  const data = JSON.parse(aBody({ id: 'ü', host: HOST }));
  await rig.receive('free', JSON.stringify([{ ...anEventGridEvent(), data }]));
  const [claim] = await rig.journal.claim(1, AbortSignal.timeout(1000));
  assert.deepEqual(JSON.parse(claim?.payload ?? ''), data);
});

test('within the window what replicas tell of one push is taken once, and counted as duplicates of the first', async () => {
  const rig = new Rig({ ms: 60_000, regions: 'together' });
  const replica = (id: string) => JSON.stringify([anEventGridEvent({ id })]);
  assert.deepEqual(resultOf(await rig.receive('bound', replica('a'))), { kind: 'accepted', seq: 1 });
  assert.deepEqual(resultOf(await rig.receive('bound', replica('b'))), { kind: 'duplicate', of: 1, by: 'content' });
  rig.clock.advance(60_000);
  assert.deepEqual(resultOf(await rig.receive('bound', replica('c'))), { kind: 'accepted', seq: 2 });
});

test('what a caller may not say of a registry makes no duplicate of the real event', async () => {
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
