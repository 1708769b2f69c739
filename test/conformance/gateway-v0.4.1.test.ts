import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { anInstallation, serve, WEBHOOK_TOKEN } from '../support/serve-process.ts';
import { StubBrigade } from '../support/stub-brigade.ts';
import { accept, aPush, exchange, type HttpAnswer } from '../support/webhooks.ts';

/** A request, the answer of the real v0.4.1, and what it posted to Brigade. */
interface Step {
  readonly name: string;
  readonly request: {
    readonly method?: string;
    readonly path?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly raw?: string;
    readonly body?: unknown;
  };
  readonly response: { readonly status: number; readonly contentType: string | null; readonly body: string };
  readonly posted: readonly PostedEvent[];
}

interface PostedEvent {
  readonly source: string;
  readonly type: string;
  readonly qualifiers: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly payload: string;
}

/** A deliberate difference from v0.4.1. */
interface Difference {
  readonly reason: string;
  readonly status: number;
  /** The field `status` of the body, and the result of the event. */
  readonly body: string;
  readonly result: string;
}

const DIFFERENCES: Readonly<Record<string, Difference>> = {
  'an unsupported action': {
    reason: 'an unknown action is no error of the gateway, and some callers repeat a webhook after a 500',
    status: 200,
    body: 'ignored',
    result: 'ignored',
  },
  'a push without a host': {
    reason: 'without a registry there is no qualifier, and Brigade rejects an empty one',
    status: 200,
    body: 'success',
    result: 'dead-lettered',
  },
};

/** Actions that v0.4.1 answered with a 500 although the registry was known. */
const NEW_ACTIONS = ['quarantine', 'chart_push', 'chart_delete'];

const steps: readonly Step[] = JSON.parse(readFileSync(new URL('gateway-v0.4.1.json', import.meta.url), 'utf8'));

const brigade = await StubBrigade.start({ after });
const gateway = await serve({ after }, await anInstallation({ after }, brigade.address));

function replay({ method = 'POST', path = '/events', headers = {}, raw, body }: Step['request']): Promise<HttpAnswer> {
  const filled = Object.entries(headers).map(([name, value]) => [name, value.replace(/\$\{token\}/, WEBHOOK_TOKEN)]);
  const text = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const content = text === undefined ? {} : { body: text };
  return exchange(gateway.ingestPort, { method, path, headers: Object.fromEntries(filled), ...content });
}

/** At least that many events, and all others that arrive before a marker that is sent after them. */
async function arrivals(count: number): Promise<readonly PostedEvent[]> {
  await brigade.until((stub) => stub.arrivals.length >= count);
  const marker = randomUUID();
  await accept(gateway, aPush(marker));
  await brigade.untilTaken(marker);
  return brigade.arrivals.splice(0).flatMap(({ id, event }) => (id === marker ? [] : [event]));
}

function comparable({ source, type, qualifiers, labels, payload }: PostedEvent): PostedEvent {
  const { repo } = labels;
  return { source, type, qualifiers, labels: repo === undefined ? {} : { repo }, payload };
}

function statusField(text: string): unknown {
  return text.startsWith('{') ? JSON.parse(text).status : text;
}

for (const step of steps) {
  const difference = DIFFERENCES[step.name];
  if (difference !== undefined) continue;
  test(`${step.name}: answered and delivered as by v0.4.1`, async () => {
    const { status, headers, text } = await replay(step.request);
    assert.equal(status, step.response.status);
    assert.equal(headers['content-type'] ?? null, step.response.contentType);
    assert.equal(statusField(text), statusField(step.response.body));
    const arrived = await arrivals(step.posted.length);
    assert.deepEqual(arrived.map(comparable), step.posted.map(comparable));
  });
}

for (const [name, difference] of Object.entries(DIFFERENCES)) {
  test(`${name} is answered differently from v0.4.1: ${difference.reason}`, async () => {
    const step = steps.find((each) => each.name === name) ?? assert.fail('not in the transcript');
    const { status, text } = await replay(step.request);
    assert.equal(status, difference.status);
    assert.equal(statusField(text), difference.body);
    assert.equal(JSON.parse(text).events[0].result, difference.result);
    assert.deepEqual(await arrivals(0), []);
  });
}

for (const action of NEW_ACTIONS) {
  test(`${action} with a known registry is delivered, which v0.4.1 answered with a 500`, async () => {
    const body = JSON.stringify({ ...JSON.parse(aPush(`one-${action}`)), action });
    await accept(gateway, body);
    const [event, ...others] = await arrivals(1);
    assert.deepEqual(others, []);
    assert.equal(event?.type, action);
    assert.deepEqual(event?.qualifiers, { registry: 'example.azurecr.io' });
    assert.equal(event?.payload, body);
  });
}

test('the same event id again is a duplicate and delivered once, which v0.4.1 delivered twice', async () => {
  await accept(gateway, aPush('twice'));
  const { status, text } = await replay({
    headers: { authorization: `Bearer ${WEBHOOK_TOKEN}` },
    raw: aPush('twice'),
  });
  assert.equal(status, 200);
  assert.equal(JSON.parse(text).events[0].result, 'duplicate');
  assert.equal((await arrivals(1)).length, 1);
});

test('a body over the limit is answered 413, which v0.4.1 accepted', async () => {
  const raw = aPush('huge', { padding: 'x'.repeat(3 * 1024 * 1024) });
  const { status, text } = await replay({ headers: { authorization: `Bearer ${WEBHOOK_TOKEN}` }, raw });
  assert.equal(status, 413);
  assert.equal(statusField(text), 'failed');
  assert.deepEqual(await arrivals(0), []);
});

test('invalid UTF-8 is accepted and becomes U+FFFD, as by v0.4.1', async () => {
  const body = Buffer.from(aPush('latin', { note: 'caf?' }));
  body[body.indexOf('?')] = 0xe9;
  await accept(gateway, body);
  const [event] = await arrivals(1);
  assert.equal(event?.payload, aPush('latin', { note: 'caf\ufffd' }));
});

test('an empty array is answered 400, as by v0.4.1', async () => {
  const { status, text } = await replay({ headers: { authorization: `Bearer ${WEBHOOK_TOKEN}` }, raw: '[]' });
  assert.equal(status, 400);
  assert.equal(statusField(text), 'failed');
});
