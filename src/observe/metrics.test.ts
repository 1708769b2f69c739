import assert from 'node:assert/strict';
import { test } from 'node:test';
import pino from 'pino';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { anAttempt, aRegistryEvent, DELIVERED } from '../../test/support/records.ts';
import type { WebhookRecord } from '../http/ingest-observer.ts';
import { observeDelivery } from './delivery.ts';
import { refreshGauges } from './gauges.ts';
import { observeIngest } from './ingest.ts';
import { METRICS, type MetricDeclaration, Metrics } from './metrics.ts';

interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The series that Prometheus reads. */
async function seriesOf(metrics: Metrics): Promise<readonly Series[]> {
  const lines = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => {
    const [, name = '', labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? assert.fail(line);
    const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', text = '']) => [key, text]);
    return { name, labels: Object.fromEntries(pairs), value: Number(value) };
  });
}

async function readingOf(
  metrics: Metrics,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const found = (await seriesOf(metrics)).find(
    (series) => series.name === name && Object.entries(labels).every(([key, value]) => series.labels[key] === value),
  );
  return found?.value ?? assert.fail(`no series ${name}`);
}

test('every series of a counter exists from the start, at zero', async () => {
  const series = await seriesOf(new Metrics());
  for (const [name, declaration] of Object.entries<MetricDeclaration>(METRICS)) {
    if (declaration.kind !== 'counter') continue;
    const labels = Object.values(declaration.labels ?? {});
    const expected = labels.reduce((count, values) => count * (typeof values === 'string' ? 1 : values.length), 1);
    const found = series.filter((each) => each.name === name);
    assert.equal(found.length, expected, name);
    assert.ok(found.every(({ value }) => value === 0));
  }
});

test('names follow Prometheus: counters end in _total, times in _seconds, and each has a help text', () => {
  for (const [name, { kind, help }] of Object.entries(METRICS)) {
    assert.match(name, /^acr_gateway_[a-z_]+$/);
    assert.equal(name.endsWith('_total'), kind === 'counter', name);
    if (kind === 'histogram') assert.match(name, /_seconds$/);
    assert.match(help, /^[A-Z0-9].*\.$/, name);
  }
});

test('the text contains what was counted, set and observed', async () => {
  const metrics = new Metrics();
  metrics.count('acr_gateway_attempts_total', { outcome: 'delivered' });
  metrics.count('acr_gateway_attempts_total', { outcome: 'delivered' }, 4);
  metrics.count('acr_gateway_stale_completions_total');
  metrics.set('acr_gateway_held_events', 7);
  metrics.observe('acr_gateway_delivery_delay_seconds', 0.02);
  assert.equal(await readingOf(metrics, 'acr_gateway_attempts_total', { outcome: 'delivered' }), 5);
  assert.equal(await readingOf(metrics, 'acr_gateway_stale_completions_total'), 1);
  assert.equal(await readingOf(metrics, 'acr_gateway_held_events'), 7);
  assert.equal(await readingOf(metrics, 'acr_gateway_delivery_delay_seconds_bucket', { le: '0.05' }), 1);
  assert.match(metrics.contentType, /^text\/plain/);
});

test('two gateways in one process count separately', async () => {
  const [one, other] = [new Metrics(), new Metrics()];
  one.count('acr_gateway_stale_completions_total');
  assert.equal(await readingOf(other, 'acr_gateway_stale_completions_total'), 0);
});

function aWebhook(repository: string): WebhookRecord {
  const summary = { id: repository, action: 'push', registry: `${repository}.io`, repository };
  return {
    caller: repository,
    answer: { kind: 'receipt', events: [{ ...summary, result: { kind: 'accepted', seq: 1 } }] },
    status: 200,
    remoteAddress: repository,
    clientAddress: undefined,
    userAgent: repository,
    bodyBytes: 1,
    durationMs: 1,
  };
}

test('a caller and a registry are labels under the names of the configuration, and `other` else', async () => {
  const metrics = new Metrics();
  const callers = async () => {
    const series = (await seriesOf(metrics)).filter(({ name }) => name === 'acr_gateway_events_total');
    return [...new Set(series.map(({ labels }) => labels['caller']))];
  };
  const accepted = async (caller: string) =>
    readingOf(metrics, 'acr_gateway_events_total', { result: 'accepted', caller });
  metrics.setNames('caller', ['ci', 'ci', 'cd']);
  metrics.setNames('registry', ['example.azurecr.io']);
  for (const caller of ['ci', 'ci', 'cd', 'ops', undefined]) {
    metrics.count('acr_gateway_events_total', { result: 'accepted', caller });
  }
  assert.deepEqual([await accepted('ci'), await accepted('cd'), await accepted('other')], [2, 1, 2]);
  for (const registry of ['example.azurecr.io', 'a.example', undefined]) {
    metrics.count('acr_gateway_unmatched_total', { registry });
  }
  assert.equal(await readingOf(metrics, 'acr_gateway_unmatched_total', { registry: 'example.azurecr.io' }), 1);
  assert.equal(await readingOf(metrics, 'acr_gateway_unmatched_total', { registry: 'other' }), 2);
  metrics.setNames('caller', ['ci', 'ops']);
  assert.deepEqual((await callers()).toSorted(), ['ci', 'ops', 'other']);
  assert.deepEqual([await accepted('ci'), await accepted('ops')], [2, 0], 'a caller that stays goes on');
  metrics.setNames(
    'caller',
    Array.from({ length: 1000 }, (_, index) => `caller-${index}`),
  );
  assert.equal((await callers()).length, 101);
});

test('ten thousand different repositories, callers and addresses add no series', async () => {
  const metrics = new Metrics();
  const log = pino({ level: 'silent' });
  const [ingest, delivery] = [observeIngest(log, metrics, new ManualClock()), observeDelivery(log, metrics)];
  const before = (await seriesOf(metrics)).length;
  for (let index = 0; index < 10_000; index++) {
    const event = { ...aRegistryEvent('a'), registry: `${index}.io`, repository: `repository-${index}` };
    const history = { attempts: 0, uncertain: 0, agesFrom: 0, lastAttemptAt: 0 };
    ingest.webhook(aWebhook(event.repository));
    delivery.attempted(
      { seq: index, fence: 1, delivery: 1, receivedAt: 0, caller: 'ci', history, event, payload: '' },
      anAttempt(1, DELIVERED),
      { kind: 'complete' },
      false,
    );
  }
  const after = await seriesOf(metrics);
  assert.equal(after.length, before);
  assertDeclared(after);
});

/** Every label of a series, and its value, is declared. */
function assertDeclared(series: readonly Series[]): void {
  const declared = new Map(Object.entries<MetricDeclaration>(METRICS).map(([name, { labels = {} }]) => [name, labels]));
  for (const { name, labels } of series) {
    const values = declared.get(name.replace(/_(bucket|sum|count)$/, '')) ?? assert.fail(`${name} is not declared`);
    for (const [label, value] of Object.entries(labels)) {
      const expected = typeof values[label] === 'string' ? ['other'] : values[label];
      if (label !== 'le') assert.ok(expected?.includes(value), `${name}{${label}="${value}"}`);
    }
  }
}

test('the journal’s ages are in seconds, and 0 where nothing waits', async () => {
  const metrics = new Metrics();
  const state = { isBreakerOpen: true, isOnTrial: true, attemptsLimit: 8, heldEvents: 2 };
  const stats = { pending: 3, deadLetters: 1, discarded: 0, oldestPendingAt: 1000, damaged: 4, bytes: 5 };
  refreshGauges(metrics, { ...state, stats }, 61_000);
  for (const [name, value] of [
    ['breaker_open', 1],
    ['attempts_limit', 8],
    ['held_events', 2],
    ['pending_events', 3],
    ['oldest_pending_seconds', 60],
    ['dead_letters', 1],
    ['oldest_dead_letter_seconds', 0],
    ['journal_bytes', 5],
    ['damaged_records', 4],
  ] as const) {
    assert.equal(await readingOf(metrics, `acr_gateway_${name}`), value, name);
  }
  refreshGauges(metrics, { ...state, isBreakerOpen: false, stats: { ...stats, oldestPendingAt: 99_000 } }, 61_000);
  assert.equal(await readingOf(metrics, 'acr_gateway_breaker_open'), 0);
  assert.equal(await readingOf(metrics, 'acr_gateway_oldest_pending_seconds'), 0, 'the clock was set back');
});

test('the sink is down while the breaker is open, and while events wait and attempts fail', async () => {
  const metrics = new Metrics();
  const sinkUp = (isBreakerOpen: boolean, isOnTrial: boolean, pending: number): Promise<number> => {
    const stats = { pending, deadLetters: 0, discarded: 0, damaged: 0, bytes: 0 };
    refreshGauges(metrics, { isBreakerOpen, isOnTrial, attemptsLimit: 8, heldEvents: 0, stats }, 0);
    return readingOf(metrics, 'acr_gateway_sink_up');
  };
  assert.equal(await sinkUp(false, false, 2), 1);
  assert.equal(await sinkUp(true, true, 0), 0);
  assert.equal(await sinkUp(false, true, 2), 0);
  assert.equal(await sinkUp(false, true, 0), 1, 'what failed is a dead letter now');
});

test('after `watchProcess` the text contains the metrics of the process', async () => {
  const metrics = new Metrics();
  metrics.watchProcess();
  assert.match(await metrics.text(), /process_cpu_seconds_total/);
});
