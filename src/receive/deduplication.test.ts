import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '../../test/support/manual-clock.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import { scopeOf } from '../auth/scope.ts';
import { decode } from '../decode/decode.ts';
import { MemoryJournal } from '../journal/memory/memory.ts';
import type { Binding, Caller } from '../model/caller.ts';
import type { EventReceipt } from '../model/receipt.ts';
import { ACTIONS, type Action } from '../model/registry-event.ts';
import { AnonymousHandshakes } from './anonymous-handshakes.ts';
import { createReceive, type ReceiveOptions } from './receive.ts';

/** What a caller sends. There are few values, so that many events have most of them in common. */
interface Sent {
  readonly format: 'acr' | 'distribution';
  readonly id?: string;
  readonly action: Action;
  readonly host?: string;
  readonly repository?: string;
  readonly tag?: string;
  readonly digest?: string;
}

const REGISTRIES = ['one.azurecr.io', 'two.azurecr.io'];

const sent: fc.Arbitrary<Sent> = fc.record(
  {
    format: fc.constantFrom('acr', 'distribution'),
    id: fc.constantFrom('1', '2'),
    action: fc.constantFrom(...ACTIONS.slice(0, 2)),
    host: fc.constantFrom(...REGISTRIES, 'ONE.azurecr.io:443'),
    repository: fc.constantFrom('team/app', 'other/app', 'app'),
    tag: fc.constant('v1'),
    digest: fc.constant('sha256:0'),
  },
  { requiredKeys: ['format', 'action'] },
);

const binding: fc.Arbitrary<Binding> = fc.record(
  {
    registries: fc.subarray(REGISTRIES, { minLength: 1 }),
    repositories: fc.subarray(['team/**', 'other/*', '*'], { minLength: 1 }),
    actions: fc.subarray<Action>(['push', 'delete'], { minLength: 1 }),
  },
  { requiredKeys: [] },
);

const callerOf = (name: string): fc.Arbitrary<Caller> =>
  fc.array(binding, { maxLength: 2 }).map((bindings) => ({ name, bindings }));

function bodyOf({ format, id, action, host, repository, tag, digest }: Sent): Buffer {
  const native = { id, action, target: { repository, tag, digest }, request: { host } };
  return Buffer.from(JSON.stringify(format === 'acr' ? native : { events: [native] }));
}

/** Receives what any caller sends. */
function gateway(contentWindow: ReceiveOptions['contentWindow']) {
  const clock = new ManualClock();
  const journal = new MemoryJournal({ clock });
  return async (caller: Caller, body: Buffer): Promise<EventReceipt | undefined> => {
    const authenticator: Authenticator = {
      authenticate: async () => ({ kind: 'caller', caller }),
      callerNamed: () => caller,
    };
    const anonymousHandshakes = new AnonymousHandshakes({ decode, handshakeCredentials: 'required' });
    const receive = createReceive({
      authenticator,
      anonymousHandshakes,
      decode,
      contentWindow,
      intake: journal,
      clock,
    });
    const { answer } = await receive({ headers: {}, readBody: async () => ({ kind: 'body', bytes: body }) });
    return answer.kind === 'receipt' ? answer.events[0] : undefined;
  };
}

test('no caller can make an event that it may not send a duplicate, whatever it has sent before', async () => {
  let forbidden = 0;
  let duplicates = 0;
  await fc.assert(
    fc.asyncProperty(
      callerOf('attacker'),
      fc.array(sent, { minLength: 1, maxLength: 6 }),
      callerOf('victim'),
      sent,
      fc.constantFrom(undefined, { ms: 60_000, regions: 'together' } as const),
      async (attacker, attack, victim, real, contentWindow) => {
        const receive = gateway(contentWindow);
        for (const each of attack) await receive(attacker, bodyOf(each));
        const received = await receive(victim, bodyOf(real));
        if (received === undefined || received.result.kind === 'dead-lettered') return;
        const { registry, repository } = received;
        const place = {
          ...(registry === undefined ? {} : { registry }),
          ...(repository === undefined ? {} : { repository }),
        };
        if (received.result.kind === 'duplicate') duplicates += 1;
        if (scopeOf(attacker, { id: 'any', action: real.action, ...place }).kind === 'in-scope') return;
        forbidden += 1;
        assert.equal(received.result.kind, 'accepted');
      },
    ),
    { numRuns: 3000 },
  );
  // Both sides were reached: events that the first caller may not send, and duplicates of those that it may.
  assert.ok(forbidden > 100 && duplicates > 20, `${forbidden} forbidden, ${duplicates} duplicates`);
});

test('one id in two repositories is two events, and one id in one repository is one', async () => {
  const receive = gateway(undefined);
  const team: Caller = { name: 'team', bindings: [{ registries: ['one.azurecr.io'], repositories: ['team/**'] }] };
  const all: Caller = { name: 'all', bindings: [{ registries: ['one.azurecr.io'] }] };
  const push = (repository: string) => bodyOf({ format: 'acr', id: '1', action: 'push', repository });
  assert.equal((await receive(team, push('team/app')))?.result.kind, 'accepted');
  assert.equal((await receive(all, push('app')))?.result.kind, 'accepted');
  assert.equal((await receive(all, push('team/app')))?.result.kind, 'duplicate');
});
