import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { tokenAuthenticator } from '../auth/token.ts';
import { parseTokens } from '../auth/tokens-file.ts';
import { decodeAcr } from '../decode/acr.ts';
import { MemoryJournal } from '../journal/memory.ts';
import type { Fate, Receipt, Rejection } from '../model/receipt.ts';
import type { Headers } from '../model/webhook.ts';
import type { Reception } from './incoming-webhook.ts';
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

class Rig {
  readonly clock = new ManualClock();
  readonly journal = new MemoryJournal({ clock: this.clock });
  bodiesRead = 0;
  readonly #receive = createReceive({
    authenticator: authenticator(),
    decode: decodeAcr,
    intake: this.journal,
    now: () => this.clock.now(),
  });

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

function fateOf(reception: Reception): Fate {
  const [event, ...others] = receiptOf(reception).events;
  assert.deepEqual(others, []);
  return event?.fate ?? assert.fail('no event');
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
    answer: { kind: 'receipt', events: [{ ...told, fate: { kind: 'accepted', seq: 1 } }] },
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
  assert.deepEqual(fateOf(await rig.receive('free', aBody({ host: HOST }))), { kind: 'duplicate', of: 1 });
  assert.equal(await rig.kept(), 1);
});

test('a ping is ignored, and so is an action that nobody knows', async () => {
  const rig = new Rig();
  assert.deepEqual(receiptOf(await rig.receive('free', '{"action":"ping"}')).events, [
    { action: 'ping', fate: { kind: 'ignored', reason: 'ping' } },
  ]);
  assert.deepEqual(receiptOf(await rig.receive('team', aBody({ id: 'b', action: 'import' }))).events, [
    { id: 'b', action: 'import', fate: { kind: 'ignored', reason: 'unknown-action' } },
  ]);
  assert.equal(await rig.kept(), 0);
});

test('an event without a registry goes to the dead letters of an unbound caller', async () => {
  const rig = new Rig();
  const fate = fateOf(await rig.receive('free', aBody({ action: 'chart_push' })));
  assert.deepEqual(fate, { kind: 'buried', seq: 1, reason: 'no-registry' });
  const record = await rig.journal.get(1);
  assert.equal(record?.state, 'dead');
  assert.equal(record?.burial?.reason, 'no-registry');
});

test('a duplicate of a dead letter is a duplicate and does not revive it', async () => {
  const rig = new Rig();
  await rig.receive('free', aBody());
  assert.deepEqual(fateOf(await rig.receive('free', aBody())), { kind: 'duplicate', of: 1 });
  assert.equal((await rig.journal.get(1))?.state, 'dead');
});

test('a bound caller gives events without a registry his own', async () => {
  const rig = new Rig();
  const receipt = receiptOf(await rig.receive('bound', aBody({ action: 'chart_delete' })));
  assert.equal(receipt.events[0]?.registry, 'Example.azurecr.io');
  assert.equal(receipt.events[0]?.fate.kind, 'accepted');
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
    assert.deepEqual(fateOf(await rig.receive('free', body)), { kind: 'accepted', seq: index + 1 });
  }
});

test('one registry in other words is the same: case, :443 and a dot at the end do not count', async () => {
  const rig = new Rig();
  await rig.receive('free', aBody({ host: HOST }));
  for (const host of ['EXAMPLE.azurecr.io', `${HOST}:443`, `${HOST}.`, `${HOST}.:443`]) {
    assert.deepEqual(fateOf(await rig.receive('free', aBody({ host }))), { kind: 'duplicate', of: 1 });
  }
  assert.deepEqual(fateOf(await rig.receive('bound', aBody({}))), { kind: 'duplicate', of: 1 });
});

test('events without a registry are told apart by their caller', async () => {
  const tokens = parseTokens(Buffer.from(JSON.stringify({ one: 'one-token', two: 'two-token' })));
  assert.equal(tokens.kind, 'value');
  const clock = new ManualClock();
  const intake = new MemoryJournal({ clock });
  const current = tokenAuthenticator({ current: () => tokens.value });
  const receive = createReceive({ authenticator: current, decode: decodeAcr, intake, now: () => clock.now() });
  for (const name of ['one', 'two']) {
    const bytes = Buffer.from(aBody());
    const headers = { authorization: `Bearer ${name}-token` };
    const reception = await receive({ headers, readBody: async () => ({ kind: 'body', bytes }) });
    assert.equal(fateOf(reception).kind, 'buried');
  }
});

test('no two different events are taken for one, whatever their ids and registries are', async () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '1', '2'), minLength: 1, maxLength: 6 });
  const event = fc.record({ id: text, host: fc.option(text, { nil: undefined }) });
  await fc.assert(
    fc.asyncProperty(event, event, async (one, other) => {
      const rig = new Rig();
      await rig.receive('free', aBody(defined(one)));
      const { kind } = fateOf(await rig.receive('free', aBody(defined(other))));
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
  assert.equal(fateOf(await rig.receive('free', '{"action":"ping"}')).kind, 'ignored');
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
