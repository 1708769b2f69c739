import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { AnsweringServer, answering } from '../support/answering-server.ts';
import { anInstallation, type Env, serve, WEBHOOK_TOKEN } from '../support/serve-process.ts';
import { type Cleanup, CREATED } from '../support/stub-brigade.ts';

/** The part of OTLP/JSON that the test reads. */
interface OtlpSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes: readonly { readonly key: string; readonly value: object }[];
}

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const QUIET = '1af7651916cd43dd8448eb211c80319c';
const FORGED = '2af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';

function aPush(id: string): string {
  const target = { mediaType: 'application/vnd.oci.image.manifest.v1+json', repository: 'app', tag: 'v1' };
  return JSON.stringify({ id, action: 'push', target, request: { host: 'example.azurecr.io' } });
}

/** A gateway with a Brigade and a collector, both of which keep what they are sent. */
async function aRig(t: Cleanup, env: Env = {}) {
  const brigade = await AnsweringServer.start(t, (response, { path }) => {
    if (path === '/v2/whoami') response.writeHead(200).end('{"type":"SERVICE_ACCOUNT","id":"stub"}');
    else response.writeHead(201).end(CREATED.body);
  });
  const collector = await AnsweringServer.start(t, answering(200, '{}'));
  const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.address, ...env };
  const gateway = await serve(t, await anInstallation(t, brigade.address, settings));
  const send = async (id: string, headers: Readonly<Record<string, string>> = {}) => {
    const url = `http://127.0.0.1:${gateway.ingestPort}/events`;
    const authorization = `Bearer ${WEBHOOK_TOKEN}`;
    const { status } = await fetch(url, { method: 'POST', body: aPush(id), headers: { authorization, ...headers } });
    return status;
  };
  /** The request with which the event came to Brigade. */
  const delivered = async (id: string) => {
    await gateway.process.line('delivery.attempted', (line) => line['id'] === id);
    const asked = brigade.asked.find(({ body }) => body.includes(`"eventID":"${id}"`));
    return { traceparent: asked?.headers['traceparent'], body: asked?.body ?? '' };
  };
  const end = async () => {
    gateway.process.signal('SIGTERM');
    assert.equal(await gateway.process.ended, 0);
    return collector.asked.flatMap(({ body }) => spansOf(body));
  };
  return { collector, send, delivered, end };
}

function spansOf(body: string): readonly OtlpSpan[] {
  const { resourceSpans } = JSON.parse(body);
  return resourceSpans.flatMap((each: { readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[] }) =>
    each.scopeSpans.flatMap((scope) => scope.spans),
  );
}

/** Three webhooks, and one with a wrong token, from their arrival to the end of the gateway. */
async function tracedStory() {
  const { collector, send, delivered, end } = await aRig(
    { after },
    { OTEL_EXPORTER_OTLP_HEADERS: 'api-key=k3y', OTEL_SERVICE_NAME: 'gate' },
  );
  const statuses = [
    await send('forged', { traceparent: `00-${FORGED}-${PARENT}-01`, authorization: 'Bearer wrong' }),
    await send('traced', { traceparent: `00-${TRACE_ID}-${PARENT}-01` }),
    await send('quiet', { traceparent: `00-${QUIET}-${PARENT}-00` }),
    await send('new'),
  ];
  const [traced, quiet, begun] = [await delivered('traced'), await delivered('quiet'), await delivered('new')];
  const spans = await end();
  const spansWith = (traceId: string) => spans.filter((each) => each.traceId === traceId);
  return { statuses, traced, quiet, begun, collector, spans, spansWith };
}

const story = await tracedStory();

test('webhook, append and attempt are one trace, from the caller to Brigade', () => {
  const [append, webhook, deliver] = ['append', 'webhook', 'deliver'].map((name) =>
    story.spansWith(TRACE_ID).find((each) => each.name === name),
  );
  assert.equal(story.spansWith(TRACE_ID).length, 3);
  assert.equal(webhook?.parentSpanId, PARENT);
  assert.equal(append?.parentSpanId, webhook?.spanId);
  assert.equal(deliver?.parentSpanId, webhook?.spanId);
  assert.equal(story.traced.traceparent, `00-${TRACE_ID}-${deliver?.spanId}-01`);
  const outcome = { key: 'acr_gateway.outcome', value: { stringValue: 'delivered' } };
  assert.ok(
    deliver?.attributes.some((each) => isDeepStrictEqual(each, outcome)),
    JSON.stringify(deliver),
  );
});

test('a collector gets OTLP, with the headers and the name that the variables of OpenTelemetry ask for', () => {
  const [first] = story.collector.asked;
  assert.equal(first?.path, '/v1/traces');
  assert.equal(first?.headers['api-key'], 'k3y');
  assert.match(first?.body ?? '', /"service\.name","value":\{"stringValue":"gate"\}/);
});

test('a webhook without a trace begins one', () => {
  const [, traceId = ''] = String(story.begun.traceparent).split('-');
  assert.equal(story.spansWith(traceId).length, 3);
  assert.notEqual(traceId, TRACE_ID);
});

test('a trace that its caller does not sample is handed on, and not recorded', () => {
  assert.match(String(story.quiet.traceparent), new RegExp(`^00-${QUIET}-[\\da-f]{16}-00$`));
  assert.deepEqual(story.spansWith(QUIET), []);
});

test('a webhook without valid credentials leaves no trace', () => {
  assert.deepEqual(story.statuses, [403, 200, 200, 200]);
  assert.deepEqual(story.spansWith(FORGED), []);
});

test('the body of an event has nothing of its trace', () => {
  assert.ok(!story.traced.body.includes(TRACE_ID));
});

test('without a collector at its address events are delivered, and the gateway ends', async (t) => {
  const { send, delivered, end } = await aRig(t, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' });
  assert.equal(await send('lonely'), 200);
  await delivered('lonely');
  await end();
});

/** Makes a process fail that loads OpenTelemetry. The metrics load its API, which is small and does nothing by itself. */
const HOOK = `import { registerHooks } from 'node:module';
  registerHooks({ resolve: (name, context, next) => {
    if (name.startsWith('@opentelemetry/') && name !== '@opentelemetry/api') throw new Error(name + ' was loaded');
    return next(name, context);
  } });`;

test('without a collector nothing of OpenTelemetry is loaded, and the trace is handed on as it came', async (t) => {
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(HOOK)}`;
  await assert.rejects(aRig(t, { NODE_OPTIONS }), /@opentelemetry\/\S+ was loaded/);
  const { send, delivered } = await aRig(t, { NODE_OPTIONS, OTEL_EXPORTER_OTLP_ENDPOINT: '' });
  const traceparent = `00-${TRACE_ID}-${PARENT}-01`;
  await send('handed-on', { traceparent });
  assert.equal((await delivered('handed-on')).traceparent, traceparent);
});
