import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { decode } from '../decode/decode.ts';
import { MemoryJournal } from '../journal/memory/memory.ts';
import type { Caller } from '../model/caller.ts';
import { FORMATS, type Headers } from '../model/webhook.ts';
import { AnonymousHandshakes } from '../receive/anonymous-handshakes.ts';
import type { Reception } from '../receive/incoming-webhook.ts';
import { createReceive } from '../receive/receive.ts';
import { BrigadeSink } from '../sink/brigade/brigade.ts';
import { CloudEventsSink } from '../sink/cloudevents-http/cloudevents-http.ts';
import { HttpClient } from '../sink/http-client.ts';
import type { Sink } from '../sink/sink.ts';
import { explainWebhook, rejectionText, resultText } from './explain.ts';

interface Fixture {
  readonly webhook: unknown;
  readonly headers?: Headers;
}

const FIXTURES: readonly (Fixture & { readonly name: string })[] = FORMATS.flatMap((format) => {
  const folder = new URL(`../decode/fixtures/${format}/`, import.meta.url);
  return readdirSync(folder).map((name) => {
    const fixture: Fixture = JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
    return { ...fixture, name: `${format}/${name}` };
  });
});

const HOST = 'example.azurecr.io';

function aPush(host: string): object {
  return { id: 'a', action: 'push', target: { repository: 'team/app', tag: 'v1' }, request: { host } };
}

/** Webhooks that no fixture has: batches with events of every result, and unreadable ones. */
const MORE: readonly (Fixture & { readonly name: string })[] = [
  { name: 'a native event of another registry', webhook: aPush('other.azurecr.io') },
  {
    name: 'a batch with an event out of scope, an unreadable one and one without a registry',
    webhook: [
      { eventType: 'ImagePushed', data: aPush(HOST) },
      { eventType: 'ImagePushed', data: aPush('other.azurecr.io') },
      { eventType: 'ImagePushed', data: { action: 'push', target: { repository: 5 } } },
      { eventType: 'ChartPushed', data: { id: 'c', action: 'chart_push', target: { repository: 'x' } } },
      5,
    ],
  },
  { name: 'an empty envelope', webhook: { events: [] } },
  {
    name: 'a validation',
    webhook: [{ eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent', data: { validationCode: 'c' } }],
  },
  { name: 'an unreadable object', webhook: { action: 5 } },
  { name: 'a number', webhook: 5 },
];

const CALLERS: readonly Caller[] = [
  { name: 'unbound' },
  { name: 'bound', bindings: [{ registries: [HOST] }] },
  { name: 'team', bindings: [{ registries: [HOST], repositories: ['team/*'], actions: ['push'] }] },
  {
    name: 'ruled',
    rules: [
      { name: 'pushes', decision: 'accept', when: { actions: ['push'] } },
      { name: 'rest', decision: 'ignore', when: {} },
    ],
  },
  { name: 'ignored', bindings: [{ registries: [HOST] }], rules: [{ name: 'all', decision: 'ignore', when: {} }] },
];

async function receive(caller: Caller, body: Uint8Array, headers: Headers): Promise<Reception> {
  const clock = new ManualClock();
  const receiver = createReceive({
    authenticator: { authenticate: async () => ({ kind: 'caller', caller }), callerNamed: () => caller },
    anonymousHandshakes: new AnonymousHandshakes({ decode, handshakeCredentials: 'required' }),
    decode,
    intake: new MemoryJournal({ clock }),
    clock,
  });
  return receiver({ headers, readBody: async () => ({ kind: 'body', bytes: body }) });
}

/** The lines `result` that match the answer of the gateway. */
function expectedResults({ answer }: Reception): readonly string[] {
  if (answer.kind === 'receipt') return answer.events.map(({ result }) => resultText(result));
  if (answer.kind === 'validation') return ['answered with the code of the validation'];
  if (answer.kind === 'permission' || answer.kind === 'unsubscription') return assert.fail(answer.kind);
  return [rejectionText(answer)];
}

const NOTHING_SENT: Pick<Sink, 'preview'> = { preview: () => ({ kind: 'unmappable', detail: 'not asked for' }) };

function resultsOf(lines: readonly string[]): readonly string[] {
  return lines.flatMap((line) => /^ *result +(.*)$/.exec(line)?.[1] ?? []);
}

for (const { name, webhook, headers = {} } of [...FIXTURES, ...MORE]) {
  test(`the explanation of ${name} has the results that receiving gives, for every caller`, async () => {
    const body = Buffer.from(JSON.stringify(webhook));
    for (const caller of CALLERS) {
      const { lines } = explainWebhook({ body, headers, caller }, NOTHING_SENT);
      assert.deepEqual(resultsOf(lines), expectedResults(await receive(caller, body, headers)), caller.name);
    }
  });
}

const CLIENT = new HttpClient({
  address: 'http://127.0.0.1:1',
  token: () => '',
  ca: undefined,
  ignoreCertErrors: false,
  now: Date.now,
});

for (const [what, sink, ...patterns] of [
  ['the Brigade event', new BrigadeSink(CLIENT), /"source": "brigade\.sh\/acr"/, /"registry": "example\.azurecr\.io"/],
  [
    'the CloudEvent as one object',
    new CloudEventsSink(CLIENT, 'structured'),
    /header +content-type: application\/cloudevents\+json/,
    /"type": "sh\.brigade\.acr\.push"/,
    /"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"/,
  ],
  ['the CloudEvent as headers', new CloudEventsSink(CLIENT, 'binary'), /header +ce-type: sh\.brigade\.acr\.push/],
] as const) {
  test(`the explanation of an accepted event shows ${what} that the configured sink would send`, () => {
    const headers = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };
    const body = Buffer.from(JSON.stringify(aPush(HOST)));
    const { lines, isSent } = explainWebhook({ body, headers, caller: { name: 'ci' } }, sink);
    assert.equal(isSent, true);
    for (const pattern of patterns) assert.match(lines.join('\n'), pattern);
  });
}

test('an event that the sink would reject is accepted, and nothing is sent', () => {
  const body = Buffer.from(JSON.stringify(aPush('exämple.azurecr.io')));
  const { lines, isSent } = explainWebhook({ body, headers: {}, caller: { name: 'ci' } }, new BrigadeSink(CLIENT));
  assert.equal(isSent, false);
  assert.match(
    lines.join('\n'),
    /result +accepted\n +sent +nothing.*\n +detail +the registry is not legal as a qualifier/,
  );
});

test('a body with a number that JavaScript cannot represent is shown unchanged', () => {
  const text = '{"id":"a","action":"push","size":12345678901234567890,"request":{"host":"example.azurecr.io"}}';
  const sink = new CloudEventsSink(CLIENT, 'binary');
  const { lines } = explainWebhook({ body: Buffer.from(text), headers: {}, caller: { name: 'ci' } }, sink);
  assert.ok(lines.includes(`  sent     ${text}`), lines.join('\n'));
});
