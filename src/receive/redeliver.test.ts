import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claimOne, completeDelivered, deadLetterClaim, keepOne } from '../../test/support/journal-steps.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { aRecord } from '../../test/support/records.ts';
import { tokenAuthenticator } from '../auth/token.ts';
import { parseTokens } from '../config/tokens-file.ts';
import { decode } from '../decode/decode.ts';
import { MemoryJournal } from '../journal/memory/memory.ts';
import type { Tokens } from '../model/policy.ts';
import type { Rule } from '../model/rule.ts';
import type { Headers } from '../model/webhook.ts';
import { AnonymousHandshakes } from './anonymous-handshakes.ts';
import { createReceive } from './receive.ts';
import { createRedeliver, type Redelivery } from './redeliver.ts';

const CHART = JSON.stringify({ id: 'a', action: 'chart_push', target: { repository: 'repo', tag: 'x-1.0.0.tgz' } });

/** A caller `ci` whose entry in the tokens file a test replaces. */
class Rig {
  readonly clock = new ManualClock();
  readonly journal = new MemoryJournal({ clock: this.clock });
  #tokens: Tokens = [];
  readonly #authenticator = tokenAuthenticator({ current: () => this.#tokens });

  configure(file: object): void {
    const tokens = parseTokens(Buffer.from(JSON.stringify(file)));
    assert.equal(tokens.kind, 'value');
    this.#tokens = tokens.value;
  }

  async receive(body: string, headers: Headers = {}): Promise<void> {
    const receive = createReceive({
      authenticator: this.#authenticator,
      anonymousHandshakes: new AnonymousHandshakes({ decode, handshakeCredentials: 'required' }),
      decode,
      intake: this.journal,
      clock: this.clock,
    });
    const bytes = Buffer.from(body);
    await receive({
      headers: { ...headers, authorization: 'Bearer x' },
      readBody: async () => ({ kind: 'body', bytes }),
    });
  }

  redeliver(seq: number): Promise<Redelivery> {
    return createRedeliver({ authenticator: this.#authenticator, decode, history: this.journal })(seq);
  }
}

/** With a chart event as a dead letter: its caller is bound to no registry. */
async function aRigWithDeadLetter(): Promise<Rig> {
  const rig = new Rig();
  rig.configure({ ci: 'x' });
  await rig.receive(CHART);
  assert.equal((await rig.journal.get(1))?.state, 'dead-lettered');
  return rig;
}

test('a dead letter without a registry gets the one that its caller has been bound to since, and becomes pending', async () => {
  const rig = await aRigWithDeadLetter();
  rig.configure({ ci: { token: 'x', registry: 'example.azurecr.io' } });
  assert.deepEqual(await rig.redeliver(1), { kind: 'redelivered' });
  const record = await rig.journal.get(1);
  assert.equal(record?.state, 'pending');
  const claim = await claimOne(rig.journal);
  assert.equal(claim.delivery, 2);
  assert.equal(claim.payload, CHART);
  assert.deepEqual(claim.event, {
    id: 'a',
    action: 'chart_push',
    registry: 'example.azurecr.io',
    repository: 'repo',
    tag: 'x-1.0.0.tgz',
  });
});

for (const [what, file, detail] of [
  ['is still bound to no registry', { ci: 'x' }, /bind its caller/],
  ['is not configured any more', { other: 'x' }, /"ci" is not configured/],
  [
    'is bound to other repositories now',
    { ci: { token: 'x', registry: 'example.azurecr.io', repositories: ['other'] } },
    /out of scope: repository/,
  ],
] as const) {
  test(`a dead letter stays one when its caller ${what}`, async () => {
    const rig = await aRigWithDeadLetter();
    rig.configure(file);
    const redelivery = await rig.redeliver(1);
    assert.match(redelivery.kind === 'undeliverable' ? redelivery.detail : '', detail);
    const record = await rig.journal.get(1);
    assert.deepEqual([record?.state, record?.delivery], ['dead-lettered', 1]);
  });
}

const TYPE = 'Microsoft.ContainerRegistry.ChartPushed';
const CHART_DATA = JSON.parse(CHART);

for (const [format, body, headers] of [
  ['an Event Grid event', [{ eventType: TYPE, data: CHART_DATA }], {}],
  ['a CloudEvent', { specversion: '1.0', type: TYPE, source: 's', id: 'i', data: CHART_DATA }, {}],
  ['a CloudEvent with its data as a text', { specversion: '1.0', type: TYPE, source: 's', id: 'i', data: CHART }, {}],
  ['a CloudEvent in binary mode', CHART_DATA, { 'ce-specversion': '1.0', 'ce-type': TYPE, 'ce-id': 'i' }],
  ['a notification', { events: [CHART_DATA] }, {}],
] as const) {
  test(`a dead letter that came as ${format} is redelivered alone, and its payload is the native object`, async () => {
    const rig = new Rig();
    rig.configure({ ci: 'x' });
    await rig.receive(JSON.stringify(body), headers);
    rig.configure({ ci: { token: 'x', registry: 'example.azurecr.io' } });
    assert.deepEqual(await rig.redeliver(1), { kind: 'redelivered' });
    const claim = await claimOne(rig.journal);
    assert.deepEqual([claim.event.id, claim.event.registry], ['a', 'example.azurecr.io']);
    assert.deepEqual(JSON.parse(claim.payload), CHART_DATA);
  });
}

test('an out-of-scope event of a batch is redelivered alone after its binding was changed to allow it', async () => {
  const rig = new Rig();
  rig.configure({ ci: { token: 'x', registry: 'example.azurecr.io', repositories: ['other'] } });
  const event = (id: string) => ({ eventType: TYPE, data: { ...CHART_DATA, id, padding: 'x'.repeat(200) } });
  await rig.receive(JSON.stringify([event('a'), event('b'), 5]));
  rig.configure({ ci: { token: 'x', registry: 'example.azurecr.io' } });
  assert.deepEqual(await rig.redeliver(2), { kind: 'redelivered' });
  const claimed = (await claimOne(rig.journal)).event;
  assert.deepEqual([claimed.id, claimed.registry], ['b', 'example.azurecr.io']);
  assert.equal((await rig.redeliver(3)).kind, 'undeliverable');
});

test('a dead letter whose stored webhook cannot be read stays one', async () => {
  const rig = new Rig();
  rig.configure({ ci: { token: 'x', registry: 'example.azurecr.io' } });
  for (const [name, text] of Object.entries({ a: 'garbage', b: '{"action":"ping"}' })) {
    const deadLetter = { reason: 'no-registry', detail: 'none' } as const;
    const seq = await keepOne(rig.journal, aRecord(name, rig.clock.now(), { raw: Buffer.from(text), deadLetter }));
    assert.equal((await rig.redeliver(seq)).kind, 'undeliverable');
  }
});

test('a rejected event is redelivered as it was decoded, even if its caller is not configured any more', async () => {
  const rig = new Rig();
  const seq = await keepOne(rig.journal, aRecord('a', rig.clock.now(), { raw: Buffer.from('garbage') }));
  await deadLetterClaim(rig.journal, await claimOne(rig.journal), rig.clock.now());
  assert.deepEqual(await rig.redeliver(seq), { kind: 'redelivered' });
  const claim = await claimOne(rig.journal);
  assert.deepEqual(claim.event, aRecord('a', 0).event);
  assert.deepEqual([claim.delivery, claim.history.attempts], [2, 0]);
});

test('a delivered event can be delivered again', async () => {
  const rig = new Rig();
  const seq = await keepOne(rig.journal, aRecord('a', rig.clock.now()));
  await completeDelivered(rig.journal, await claimOne(rig.journal), rig.clock.now());
  assert.deepEqual(await rig.redeliver(seq), { kind: 'redelivered' });
});

test('a pending event is not changed', async () => {
  const rig = new Rig();
  const seq = await keepOne(rig.journal, aRecord('a', rig.clock.now()));
  assert.deepEqual(await rig.redeliver(seq), { kind: 'pending' });
  assert.equal((await claimOne(rig.journal)).delivery, 1);
});

test('of two redeliveries at the same time one succeeds', async () => {
  const rig = new Rig();
  const seq = await keepOne(rig.journal, aRecord('a', rig.clock.now()));
  await deadLetterClaim(rig.journal, await claimOne(rig.journal), rig.clock.now());
  const kinds = (await Promise.all([rig.redeliver(seq), rig.redeliver(seq)])).map(({ kind }) => kind);
  assert.deepEqual(kinds.sort(), ['pending', 'redelivered']);
});

test('a number without an event is unknown', async () => {
  assert.deepEqual(await new Rig().redeliver(5), { kind: 'unknown' });
});

test('a dead letter that a rule ignores today stays one, and the answer names the rule', async () => {
  const rig = new Rig();
  rig.configure({ ci: 'x' });
  await rig.receive(CHART);
  const rejected = aRecord('b', rig.clock.now(), { caller: 'ci' });
  const seq = await keepOne(rig.journal, rejected);
  await deadLetterClaim(rig.journal, await claimOne(rig.journal), rig.clock.now());
  const bindings = [{ registries: ['example.azurecr.io'] }];
  const redeliver = (rules: readonly Rule[]) => {
    const caller = { name: 'ci', bindings, rules };
    const authenticator = {
      authenticate: async () => ({ kind: 'caller', caller }) as const,
      callerNamed: () => caller,
    };
    return createRedeliver({ authenticator, decode, history: rig.journal });
  };
  for (const dead of [1, seq]) {
    const ignoring = redeliver([{ name: 'none', decision: 'ignore', when: {} }]);
    assert.deepEqual(await ignoring(dead), { kind: 'ignored', rule: 'none' });
    assert.equal((await rig.journal.get(dead))?.state, 'dead-lettered');
    assert.deepEqual(await redeliver([])(dead), { kind: 'redelivered' });
  }
});

test('a delivered event is delivered again also if a rule ignores it today', async () => {
  const rig = new Rig();
  const seq = await keepOne(rig.journal, aRecord('a', rig.clock.now(), { caller: 'ci' }));
  await completeDelivered(rig.journal, await claimOne(rig.journal), rig.clock.now());
  const caller = { name: 'ci', rules: [{ name: 'none', decision: 'ignore', when: {} }] } as const;
  const authenticator = { authenticate: async () => ({ kind: 'caller', caller }) as const, callerNamed: () => caller };
  const redeliver = createRedeliver({ authenticator, decode, history: rig.journal });
  assert.deepEqual(await redeliver(seq), { kind: 'redelivered' });
});
