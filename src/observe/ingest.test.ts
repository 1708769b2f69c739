import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aLineLog } from '../../test/support/line-log.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { aRecord } from '../../test/support/records.ts';
import type { WebhookRecord } from '../http/ingest-observer.ts';
import type { EventReceipt, Handshake, Receipt, Rejection } from '../model/receipt.ts';
import { observeIngest, observeStoredLate } from './ingest.ts';
import { Metrics } from './metrics.ts';

const EVENT = { id: 'a', action: 'push', registry: 'example.azurecr.io', repository: 'hello', tag: 'v1', digest: 'd' };
const CLIENT = { caller: 'ci', remoteAddress: '10.0.0.1', clientAddress: '203.0.113.9', userAgent: 'acr' };
const MEASURES = { status: 200, bodyBytes: 600, durationMs: 1.2 };

function anObserver() {
  const metrics = new Metrics();
  const { log, lines } = aLineLog();
  const observer = observeIngest(log, metrics, new ManualClock());
  const report = (answer: Receipt | Handshake | Rejection | undefined): void => {
    const record: WebhookRecord = { ...CLIENT, ...MEASURES, durationMs: 1.234, answer };
    observer.webhook(record);
  };
  const has = async (series: string): Promise<void> => {
    const text = await metrics.text();
    assert.ok(text.split('\n').includes(series), `${series}\n${text}`);
  };
  return { observer, lines, report, has, storedLate: observeStoredLate(log, metrics) };
}

test('a handshake is one line with its kind, and never its code', async () => {
  const { lines, report, has } = anObserver();
  report({ kind: 'validation', code: 'secret-code' });
  report({ kind: 'permission', origin: 'eventgrid.azure.net', rate: '*' });
  assert.deepEqual(
    lines.map(({ msg, level, handshake, origin }) => [msg, level, handshake, origin]),
    [
      ['handshake.answered', 'info', 'validation', undefined],
      ['handshake.answered', 'info', 'permission', 'eventgrid.azure.net'],
    ],
  );
  assert.doesNotMatch(JSON.stringify(lines), /secret-code/);
  await has('acr_gateway_webhooks_total{answer="handshake",caller="other"} 2');
});

test('handshakes without a caller are one line at first, and all of them are counted', async () => {
  const { observer, lines, has } = anObserver();
  const answer = { kind: 'permission', origin: 'eventgrid.azure.net', rate: '*' } as const;
  for (let client = 0; client < 100; client++) {
    observer.webhook({ ...CLIENT, ...MEASURES, caller: undefined, remoteAddress: `2001:db8::${client}`, answer });
  }
  assert.deepEqual(
    lines.map(({ msg, count, remoteAddress }) => [msg, count, remoteAddress]),
    [['handshake.answered', 1, '2001:db8::0']],
  );
  await has('acr_gateway_webhooks_total{answer="handshake",caller="other"} 100');
});

test('rejections without a caller are one line at first, whatever their reason', () => {
  const { observer, lines } = anObserver();
  const answer = { kind: 'unreadable', issues: [] } as const;
  for (let count = 0; count < 100; count++) observer.webhook({ ...CLIENT, ...MEASURES, caller: undefined, answer });
  assert.deepEqual(
    lines.map(({ msg, reason, count }) => [msg, reason, count]),
    [['webhook.rejected', 'unreadable', 1]],
  );
});

test('a flood of one caller does not hide the rejections of another', () => {
  const { observer, lines } = anObserver();
  for (const caller of ['a', 'a', 'b'])
    observer.webhook({ ...CLIENT, ...MEASURES, caller, answer: { kind: 'too-many' } });
  assert.deepEqual(
    lines.map(({ caller }) => caller),
    ['a', 'b'],
  );
});

test('the line of a batch lists dead letters and unknown actions first', () => {
  const { lines, report } = anObserver();
  const events: EventReceipt[] = Array.from({ length: 100 }, (_, seq) => ({
    ...EVENT,
    result: { kind: 'accepted', seq },
  }));
  events[60] = { ...EVENT, id: 'alien', result: { kind: 'dead-lettered', seq: 60, reason: 'out-of-scope' } };
  report(aReceipt(...events));
  assert.equal(lines[0]?.['eventCount'], 100);
  assert.deepEqual(lines[0]?.['results'], { accepted: 99, 'dead-lettered': 1 });
  assert.match(JSON.stringify(lines[0]?.['events']), /^\[\{"id":"alien"/);
});

function aReceipt(...events: readonly EventReceipt[]): Receipt {
  return { kind: 'receipt', events };
}

test('an accepted webhook is one line with all its fields, and is counted', async () => {
  const { lines, report, has } = anObserver();
  report(aReceipt({ ...EVENT, result: { kind: 'accepted', seq: 7 } }));
  assert.deepEqual(lines, [
    {
      level: 'info',
      ...CLIENT,
      ...MEASURES,
      events: [{ ...EVENT, result: 'accepted', seq: 7 }],
      msg: 'webhook.received',
    },
  ]);
  await has('acr_gateway_webhooks_total{answer="receipt",caller="other"} 1');
  await has('acr_gateway_events_total{result="accepted",caller="other"} 1');
  await has('acr_gateway_webhook_duration_seconds_count 1');
});

for (const [result, level] of [
  [{ kind: 'accepted', seq: 1 }, 'info'],
  [{ kind: 'duplicate', of: 1 }, 'info'],
  [{ kind: 'ignored', reason: 'ping' }, 'info'],
  [{ kind: 'ignored', reason: 'unknown-action' }, 'warn'],
  [{ kind: 'ignored', reason: 'blob' }, 'info'],
  [{ kind: 'ignored', reason: 'rule', rule: 'signatures' }, 'info'],
  [{ kind: 'duplicate', of: 1, by: 'content' }, 'info'],
  [{ kind: 'dead-lettered', seq: 1, reason: 'no-registry' }, 'warn'],
] as const) {
  test(`a webhook with an event that is ${Object.values(result).join(' ')} is logged at ${level}`, async () => {
    const { lines, report, has } = anObserver();
    report(aReceipt({ ...EVENT, result }));
    assert.deepEqual([lines.length, lines[0]?.['level'], lines[0]?.['msg']], [1, level, 'webhook.received']);
    await has(`acr_gateway_events_total{result="${result.kind}",caller="other"} 1`);
    if (result.kind === 'dead-lettered') await has('acr_gateway_dead_lettered_total{reason="no-registry"} 1');
  });
}

test('the line of many events lists ten, and their number', async () => {
  const { lines, report, has } = anObserver();
  report(
    aReceipt(...Array.from({ length: 500 }, (_, seq) => ({ ...EVENT, result: { kind: 'accepted', seq } as const }))),
  );
  const [line] = lines;
  assert.equal(Array.isArray(line?.['events']) && line['events'].length, 10);
  assert.equal(line?.['eventCount'], 500);
  await has('acr_gateway_events_total{result="accepted",caller="other"} 500');
});

test('events that the journal could not store are logged at error with all that could be read of them', async () => {
  const { lines, report, has } = anObserver();
  report({ kind: 'unavailable', reason: 'full', lost: [EVENT, EVENT] });
  const line = { level: 'error', ...CLIENT, ...MEASURES, reason: 'full' };
  assert.deepEqual(lines, [{ ...line, events: [EVENT, EVENT], msg: 'webhook.lost' }]);
  await has('acr_gateway_lost_events_total{reason="full"} 2');
  await has('acr_gateway_webhooks_total{answer="unavailable",caller="other"} 1');
});

test('events of a lost webhook that were stored after all are logged and counted with their results', async () => {
  const { lines, has, storedLate } = anObserver();
  const deadLetter = { reason: 'no-registry', detail: 'no registry' } as const;
  storedLate(
    [aRecord('a', 0), aRecord('b', 0, { deadLetter }), aRecord('c', 0), aRecord('d', 0)],
    [{ kind: 'kept', seq: 7 }, { kind: 'kept', seq: 8 }, { kind: 'duplicate', of: 7 }, { kind: 'unstorable' }],
  );
  const [line, ...others] = lines;
  assert.deepEqual(
    [line?.['msg'], line?.['level'], line?.['caller'], others],
    ['webhook.stored_late', 'warn', 'ci', []],
  );
  const events = line?.['events'] as readonly Record<string, unknown>[];
  assert.deepEqual(
    events.map(({ id, result, seq }) => [id, result, seq]),
    [
      ['a', 'accepted', 7],
      ['b', 'dead-lettered', 8],
      ['c', 'duplicate', undefined],
    ],
  );
  await has('acr_gateway_stored_late_events_total 3');
  await has('acr_gateway_events_total{result="accepted",caller="other"} 1');
  await has('acr_gateway_dead_lettered_total{reason="no-registry"} 1');
});

test('a webhook out of scope is one line with the issue, and never throttled', () => {
  const { lines, report } = anObserver();
  const issue = { path: 'registry', expected: 'example.azurecr.io', received: 'another registry' };
  report({ kind: 'out-of-scope', issue });
  report({ kind: 'out-of-scope', issue });
  const line = { level: 'warn', ...CLIENT, ...MEASURES, reason: 'out-of-scope', issue, msg: 'webhook.rejected' };
  assert.deepEqual(lines, [line, line]);
});

test('the line of an unreadable webhook lists at most ten issues', () => {
  const { lines, report } = anObserver();
  const issue = { path: 'id', expected: 'a string', received: 'a number' };
  report({ kind: 'unreadable', issues: Array.from({ length: 50 }, () => issue) });
  assert.deepEqual(
    lines[0]?.['issues'],
    Array.from({ length: 10 }, () => issue),
  );
});

for (const answer of [
  { kind: 'unauthenticated' },
  { kind: 'unverifiable' },
  { kind: 'too-large', maxBytes: 5 },
  { kind: 'incomplete' },
  { kind: 'too-many' },
  { kind: 'overloaded' },
] as const) {
  test(`a flood of webhooks that are ${answer.kind} is one line at first, and each is counted`, async () => {
    const { lines, report, has } = anObserver();
    for (let count = 0; count < 100; count++) report(answer);
    assert.deepEqual(lines, [{ level: 'warn', ...CLIENT, reason: answer.kind, count: 1, msg: 'webhook.rejected' }]);
    await has(`acr_gateway_webhooks_total{answer="${answer.kind}",caller="other"} 100`);
  });
}

test('a flood of rejected requests is one line at first, and each is counted', async () => {
  const { observer, lines, has } = anObserver();
  for (let count = 0; count < 100; count++) observer.rejected('wrong-method', '10.0.0.1');
  const line = { level: 'warn', reason: 'wrong-method', count: 1, remoteAddress: '10.0.0.1', msg: 'request.rejected' };
  assert.deepEqual(lines, [line]);
  await has('acr_gateway_rejected_requests_total{reason="wrong-method"} 100');
});

test('a fault is logged once, at error', async () => {
  const { observer, lines, report, has } = anObserver();
  report(undefined);
  observer.fault(new Error('never planned'));
  assert.deepEqual(
    lines.map(({ level, msg }) => [level, msg]),
    [['error', 'http.faulted']],
  );
  await has('acr_gateway_faults_total{edge="http"} 1');
  await has('acr_gateway_webhooks_total{answer="fault",caller="other"} 1');
});

test('a new certificate is logged, and one that does not work is logged at error', async () => {
  const { observer, lines, has } = anObserver();
  observer.certificateReloaded();
  observer.certificateRejected('key values mismatch');
  assert.deepEqual(lines, [
    { level: 'info', file: 'certificate', msg: 'file.reloaded' },
    { level: 'error', file: 'certificate', reason: 'key values mismatch', msg: 'file.rejected' },
  ]);
  await has('acr_gateway_reloads_total{file="certificate",result="taken"} 1');
  await has('acr_gateway_reloads_total{file="certificate",result="rejected"} 1');
});
