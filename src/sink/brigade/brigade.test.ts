import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { AnsweringServer, answering, type React } from '../../../test/support/answering-server.ts';
import { Changes } from '../../../test/support/changes.ts';
import { aClaim, aRegistryEvent } from '../../../test/support/records.ts';
import type { Claim, Outcome } from '../../model/delivery.ts';
import type { RegistryEvent } from '../../model/registry-event.ts';
import { HttpClient } from '../http-client.ts';
import { type Behaviour, type SinkHarness, sinkSuite } from '../suite/sink.suite.ts';
import { BrigadeSink } from './brigade.ts';

const TOKEN = 'a-very-secret-token';
const NEVER = new AbortController().signal;
const NOW = Date.UTC(2026, 0, 1, 12);
const EMPTY_LIST = '{"kind":"EventList","apiVersion":"brigade.sh/v2","metadata":{"remainingItemCount":0}}';
const WHO = '{"kind":"PrincipalReference","apiVersion":"brigade.sh/v2","type":"SERVICE_ACCOUNT","id":"gateway"}';

/** A claim of a push with these fields of its event changed. */
function aClaimOf(changes: Partial<RegistryEvent> = {}): Claim {
  return aClaim('a', { event: { ...aRegistryEvent('a'), ...changes } });
}

function aSink(t: TestContext, address: string): BrigadeSink {
  const now = () => NOW;
  const sink = new BrigadeSink(
    new HttpClient({ address, token: () => TOKEN, ca: undefined, ignoreCertErrors: false, now }),
  );
  t.after(() => sink.close());
  return sink;
}

async function aServedSink(t: TestContext, react: React) {
  const server = await AnsweringServer.start(t, react);
  return { server, sink: aSink(t, server.address) };
}

/** The outcome of an event that the server gives this answer. */
async function outcomeOf(t: TestContext, ...answer: Parameters<typeof answering>): Promise<Outcome> {
  const { sink } = await aServedSink(t, answering(...answer));
  return sink.deliver(aClaimOf(), NEVER);
}

function anError(kind: string, reason?: string, details?: readonly string[]): string {
  return JSON.stringify({ kind, apiVersion: 'brigade.sh/v2', reason, details });
}

/** A long error of Brigade's, in many lines that repeat the token. */
const WORDY = anError('BadRequestError', `first\r\nsecond\u2028third \u001b[2J ${TOKEN}`, [
  TOKEN,
  ...Array.from({ length: 100 }, (_, index) => `labels.x${index}: Does not\nmatch`),
]);

/** A Brigade whose behaviour the suite sets. */
class FarSide {
  readonly taken: string[] = [];
  behaviour: Behaviour = 'takes';
  #asked = 0;
  readonly #changes = new Changes();
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = (await buffer(request)).toString('utf8');
    this.#asked += 1;
    if (request.url === '/v2/whoami') this.#answer(response, () => response.writeHead(200).end(WHO));
    else this.#answer(response, () => this.#take(JSON.parse(body), response));
    this.#changes.notify();
  }

  async start(t: TestContext): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    t.after(() => this.stop());
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async untilAsked(): Promise<void> {
    await this.#changes.until(
      () => (this.#asked > 0 ? true : undefined),
      () => 'a request',
    );
  }

  #answer(response: ServerResponse, take: () => void): void {
    const answers: Readonly<Record<Behaviour, () => unknown>> = {
      takes: take,
      rejects: () => response.writeHead(400).end(WORDY),
      'rejects-credentials': () => response.writeHead(401).end(WORDY),
      'is-busy': () => response.writeHead(503).end(WORDY),
      'is-away': () => assert.fail('it is away'),
      'loses-its-answer': () => response.socket?.resetAndDestroy(),
      fails: () => response.writeHead(500).end(WORDY),
      'answers-nonsense': () => response.writeHead(201).end('<html>'),
      hangs: () => {},
    };
    answers[this.behaviour]();
  }

  #take(event: { projectID?: string; sourceState?: { state: { eventID: string } } }, response: ServerResponse): void {
    if (event.projectID === undefined && event.sourceState) this.taken.push(event.sourceState.state.eventID);
    response.writeHead(201).end(EMPTY_LIST);
  }
}

/** An address whose port is not open any more. */
async function aClosedAddress(t: TestContext): Promise<string> {
  const gone = new FarSide();
  const address = await gone.start(t);
  await gone.stop();
  return address;
}

async function open(t: TestContext): Promise<SinkHarness> {
  const farSide = new FarSide();
  const sink = aSink(t, await farSide.start(t));
  const away = aSink(t, await aClosedAddress(t));
  const current = () => (farSide.behaviour === 'is-away' ? away : sink);
  return {
    sink: {
      deliver: (claim, signal) => current().deliver(claim, signal),
      preview: (event) => current().preview(event),
      probe: (signal) => current().probe(signal),
      close: () => sink.close(),
    },
    behave: async (behaviour) => {
      farSide.behaviour = behaviour;
    },
    taken: () => farSide.taken,
    untilAsked: () => farSide.untilAsked(),
    credential: TOKEN,
  };
}

sinkSuite('brigade', open);

const TABLE: readonly (readonly [number, Outcome['kind']])[] = [
  [200, 'uncertain'],
  [202, 'uncertain'],
  [204, 'uncertain'],
  [301, 'unavailable'],
  [302, 'unavailable'],
  [307, 'unavailable'],
  [400, 'rejected'],
  [401, 'unavailable'],
  [403, 'unavailable'],
  [404, 'rejected'],
  [405, 'unavailable'],
  [409, 'rejected'],
  [413, 'rejected'],
  [422, 'rejected'],
  [429, 'unavailable'],
  [500, 'uncertain'],
  [501, 'uncertain'],
  [502, 'unavailable'],
  [503, 'unavailable'],
  [504, 'unavailable'],
  [599, 'uncertain'],
];

for (const [status, kind] of TABLE) {
  test(`an event that is answered ${status} is ${kind}`, async (t) => {
    assert.equal((await outcomeOf(t, status, status === 204 ? '' : EMPTY_LIST)).kind, kind);
  });
}

test('the outcome of a 201 lists the created events and their projects', async (t) => {
  const items = [
    { kind: 'Event', metadata: { id: 'one' }, projectID: 'p', payload: '{}' },
    { kind: 'Event', metadata: { id: 'two' }, projectID: 'q' },
  ];
  assert.deepEqual(await outcomeOf(t, 201, JSON.stringify({ kind: 'EventList', items })), {
    kind: 'delivered',
    created: [
      { id: 'one', project: 'p' },
      { id: 'two', project: 'q' },
    ],
  });
});

test('a 201 without items is delivered, and created no event', async (t) => {
  assert.deepEqual(await outcomeOf(t, 201, EMPTY_LIST), { kind: 'delivered', created: [] });
});

for (const [what, body] of [
  ['nothing', ''],
  ['HTML', '<html>'],
  ['a JSON string', '"EventList"'],
  ['an array', '[]'],
  ['another kind', '{"kind":"Event"}'],
  ['items that are not an array', '{"kind":"EventList","items":{}}'],
] as const) {
  test(`a 201 with ${what} as body is uncertain`, async (t) => {
    const outcome = await outcomeOf(t, 201, body);
    assert.deepEqual(outcome, { kind: 'uncertain', detail: '201 with a body that is not an event list' });
  });
}

test('items of any shape are read without an exception', async (t) => {
  const hostile = { toString: 1, valueOf: 1 };
  const items = [null, 5, 'x', [], hostile, { metadata: null }, { metadata: { id: hostile }, projectID: hostile }];
  const outcome = await outcomeOf(t, 201, JSON.stringify({ kind: 'EventList', items }));
  assert.ok(outcome.kind === 'delivered');
  assert.deepEqual(
    outcome.created,
    items.map(() => ({ id: '', project: '' })),
  );
});

test('an answer of more than 4 MiB to an event is still delivered', async (t) => {
  const body = JSON.stringify({ kind: 'EventList', items: [{ metadata: { id: 'x' }, payload: 'x'.repeat(5 << 20) }] });
  const outcome = await outcomeOf(t, 201, body);
  assert.ok(outcome.kind === 'delivered');
  assert.match(outcome.note ?? '', /too long/);
});

test('the detail contains the reason and details of Brigade’s error', async (t) => {
  const details = ['labels.tag: Does not match', 'qualifiers.registry: String length'];
  const outcome = await outcomeOf(t, 400, anError('BadRequestError', 'Request body failed JSON validation', details));
  assert.deepEqual(outcome, {
    kind: 'rejected',
    detail: '400 Request body failed JSON validation; labels.tag: Does not match; qualifiers.registry: String length',
  });
});

test('the detail of an answer that is not Brigade’s is the status alone', async (t) => {
  assert.deepEqual(await outcomeOf(t, 502, '<html>secret</html>'), { kind: 'unavailable', detail: '502' });
  assert.deepEqual(await outcomeOf(t, 502, '{"reason":5,"details":[5,{}]}'), { kind: 'unavailable', detail: '502' });
  assert.deepEqual(await outcomeOf(t, 403, '{}\n', { 'content-type': 'text/plain' }), {
    kind: 'unavailable',
    detail: '403',
    credentials: true,
  });
});

for (const [value, expected] of [
  ['0', undefined],
  ['1', 1000],
  ['120', 120_000],
  ['86400', 3_600_000],
  ['99999999999999999999999', 3_600_000],
  [new Date(NOW + 90_000).toUTCString(), 90_000],
  [new Date(NOW - 90_000).toUTCString(), undefined],
  [new Date(NOW + 86_400_000).toUTCString(), 3_600_000],
  ['-5', undefined],
  ['soon', undefined],
  ['', undefined],
] as const) {
  test(`Retry-After: ${value || '(empty)'} asks for ${expected ?? 'no'} milliseconds`, async (t) => {
    const outcome = await outcomeOf(t, 503, '', { 'retry-after': value });
    assert.equal(outcome.kind === 'unavailable' ? outcome.retryAfterMs : 'none', expected);
  });
}

test('Retry-After also counts for a 429 and for rejected credentials, and not for a rejected event', async (t) => {
  for (const status of [429, 401]) {
    const outcome = await outcomeOf(t, status, '', { 'retry-after': '7' });
    assert.equal(outcome.kind === 'unavailable' && outcome.retryAfterMs, 7000);
  }
  assert.deepEqual(await outcomeOf(t, 400, '', { 'retry-after': '7' }), { kind: 'rejected', detail: '400' });
});

/** A Brigade before v2.6.0: labels and qualifiers of at most 63 characters. */
const beforeTwoSix: React = (response, { path, body }) => {
  if (path === '/v2/whoami') return answering(200, WHO)(response, NOTHING_ASKED);
  const { labels = {} } = JSON.parse(body);
  const details = Object.entries(labels)
    .filter(([, value]) => String(value).length > 63)
    .map(([name]) => `labels.${name}: String length must be less than or equal to 63`);
  if (details.length === 0) return answering(201, EMPTY_LIST)(response, NOTHING_ASKED);
  return answering(400, anError('BadRequestError', 'Request body failed JSON validation', details))(
    response,
    NOTHING_ASKED,
  );
};
const NOTHING_ASKED = { method: '', path: '', headers: {}, body: '' };

test('an old Brigade gets the event again without labels over 63 characters, and later events without them at once', async (t) => {
  const { server, sink } = await aServedSink(t, beforeTwoSix);
  const claim = aClaimOf({ repository: 'r'.repeat(64), tag: 't'.repeat(63) });
  assert.deepEqual(await sink.deliver(claim, NEVER), {
    kind: 'delivered',
    created: [],
    note: 'left out, not legal as a label: repo, digest',
  });
  assert.equal(server.asked.length, 2);
  assert.deepEqual(Object.keys(JSON.parse(server.asked[1]?.body ?? '').labels), ['tag', 'tagged', 'manifest']);

  await sink.deliver(claim, NEVER);
  assert.equal(server.asked.length, 3);

  await sink.probe(NEVER);
  const before = server.asked.length;
  await sink.deliver(claim, NEVER);
  assert.equal(server.asked.length - before, 2, 'after a probe, long labels are tried again');
});

test('an event that an old Brigade rejects for another reason is sent once', async (t) => {
  const error = anError('BadRequestError', 'no', [
    'qualifiers.registry: String length must be less than or equal to 63',
  ]);
  const { server, sink } = await aServedSink(t, answering(400, error));
  assert.equal((await sink.deliver(aClaimOf(), NEVER)).kind, 'rejected');
  assert.equal(server.asked.length, 1);
});

test('an event that Brigade rejects for its labels even without the long ones is rejected', async (t) => {
  const error = anError('BadRequestError', 'no', ['labels.tag: String length must be less than or equal to 63']);
  const { server, sink } = await aServedSink(t, answering(400, error));
  assert.equal((await sink.deliver(aClaimOf(), NEVER)).kind, 'rejected');
  assert.equal(server.asked.length, 2);
});

test('a label that is not legal is left out, and named in the note', async (t) => {
  const { server, sink } = await aServedSink(t, answering(201, EMPTY_LIST));
  const outcome = await sink.deliver(aClaimOf({ repository: 'über/all', tag: 'a b' }), NEVER);
  assert.deepEqual(outcome, {
    kind: 'delivered',
    created: [],
    note: 'left out, not legal as a label: repo, tag',
  });
  const { labels } = JSON.parse(server.asked[0]?.body ?? '');
  assert.deepEqual(Object.keys(labels), ['tagged', 'digest', 'manifest']);
});

test('an event that violates Brigade’s field rules is rejected, and never sent', async (t) => {
  const { server, sink } = await aServedSink(t, answering(201, EMPTY_LIST));
  const { registry: _, ...event } = aRegistryEvent('a');
  const forbidden: readonly Claim[] = [
    { ...aClaimOf(), event },
    aClaimOf({ registry: 'exämple.azurecr.io' }),
    aClaimOf({ registry: 'example.azurecr.io\n' }),
    aClaimOf({ registry: 'r'.repeat(256) }),
    { ...aClaimOf(), payload: 'x'.repeat(512 * 1024 + 1) },
    { ...aClaimOf(), payload: 'é'.repeat(256 * 1024 + 1) },
  ];
  for (const claim of forbidden) assert.equal((await sink.deliver(claim, NEVER)).kind, 'rejected');
  await sink.deliver({ ...aClaimOf(), payload: 'x'.repeat(512 * 1024) }, NEVER);
  assert.equal(server.asked.length, 1);
});

/** Answers the two requests of a preflight. */
function preflight(whoami: React, created: React): React {
  return (response, asked) => (asked.path === '/v2/whoami' ? whoami : created)(response, asked);
}

test('a probe asks for our principal, and then posts an event for a project that cannot exist', async (t) => {
  const { server, sink } = await aServedSink(t, preflight(answering(200, WHO), answering(201, EMPTY_LIST)));
  assert.deepEqual(await sink.probe(NEVER), {
    kind: 'ready',
    detail: 'service account "gateway" may create events of source brigade.sh/acr',
  });
  const [who, created] = server.asked;
  assert.deepEqual([who?.method, who?.path], ['GET', '/v2/whoami']);
  assert.deepEqual([created?.method, created?.path], ['POST', '/v2/events']);
  const event = JSON.parse(created?.body ?? '');
  assert.match(event.projectID, /^[a-z][a-z\d-]{1,61}[a-z\d]$/);
  assert.equal(event.source, 'brigade.sh/acr');
});

for (const [title, react, expected] of [
  [
    'a Brigade up to v2.3, which answers 404 for the project, is ready',
    preflight(answering(200, WHO), answering(404, anError('NotFoundError'))),
    { kind: 'ready', detail: 'service account "gateway" may create events of source brigade.sh/acr' },
  ],
  [
    'a Brigade that does not know the token is unready, because of the credentials',
    answering(401, anError('AuthenticationError', 'Session not found or may have expired. Please log in again.')),
    {
      kind: 'unready',
      detail: 'whoami: 401 Session not found or may have expired. Please log in again.',
      credentials: true,
    },
  ],
  [
    'a Brigade that locked the service account is unready, because of the credentials',
    answering(403, '{}\n'),
    { kind: 'unready', detail: 'whoami: 403', credentials: true },
  ],
  [
    'a Brigade that did not grant the role is unready, because of the credentials',
    preflight(answering(200, WHO), answering(403, anError('AuthorizationError'))),
    {
      kind: 'unready',
      detail: 'creating an event of source brigade.sh/acr as service account "gateway": 403',
      credentials: true,
    },
  ],
  [
    'a Brigade that fails is unready',
    preflight(answering(200, WHO), answering(500)),
    {
      kind: 'unready',
      detail: 'creating an event of source brigade.sh/acr as service account "gateway": 500',
      credentials: false,
    },
  ],
  [
    'another server at the address is unready',
    answering(404, 'not found'),
    { kind: 'unready', detail: 'whoami: 404', credentials: false },
  ],
] as const) {
  test(title, async (t) => {
    const { sink } = await aServedSink(t, react);
    assert.deepEqual(await sink.probe(NEVER), expected);
  });
}

test('the detail of a probe is one line, whatever whoami answers', async (t) => {
  for (const who of [`{"type":{"toString":1},"id":"a\\n${'x'.repeat(9999)}"}`, '{"id":{}}', 'garbage', '[]', 'null']) {
    const { sink } = await aServedSink(t, preflight(answering(200, who), answering(403, WORDY)));
    const { detail } = await sink.probe(NEVER);
    assert.ok(detail.length <= 500);
    assert.doesNotMatch(detail, /[\p{Cc}]/u);
    assert.match(detail, /^creating an event of source brigade\.sh\/acr as .*: 403/);
  }
});

test('a Brigade that cannot be reached is unready, and not because of the credentials', async (t) => {
  const server = await AnsweringServer.start(t, (response) => response.socket?.resetAndDestroy());
  const probe = await aSink(t, server.address).probe(NEVER);
  assert.ok(probe.kind === 'unready');
  assert.equal(probe.credentials, false);
});

test('the preview of an event is what deliver sends', async (t) => {
  const { server, sink } = await aServedSink(t, answering(201, EMPTY_LIST));
  const claim = aClaimOf({ tag: 'a b' });
  const preview = sink.preview(claim);
  await sink.deliver(claim, NEVER);
  assert.ok(preview.kind === 'message');
  assert.deepEqual([preview.body, preview.note], [server.asked[0]?.body, 'left out, not legal as a label: tag']);
});

test('the trace of the attempt, or else of the webhook, is a header and nothing else', async (t) => {
  const { server, sink } = await aServedSink(t, answering(201, EMPTY_LIST));
  const webhooks = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const attempts = webhooks.replace('00f067aa', '11f067aa');
  await sink.deliver(aClaimOf(), NEVER);
  await sink.deliver({ ...aClaimOf(), traceparent: webhooks }, NEVER);
  await sink.deliver({ ...aClaimOf(), traceparent: webhooks }, NEVER, attempts);
  assert.deepEqual(
    server.asked.map(({ headers }) => headers['traceparent']),
    [undefined, webhooks, attempts],
  );
  assert.equal(new Set(server.asked.map(({ body }) => body)).size, 1);
});
