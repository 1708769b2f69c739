import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aLineLog } from '../../test/support/line-log.ts';
import { anAttempt, aRegistryEvent, DELIVERED, REJECTED, UNAVAILABLE, UNCERTAIN } from '../../test/support/records.ts';
import type { Claim, Outcome } from '../model/delivery.ts';
import { observeDelivery } from './delivery.ts';
import { eventFields } from './event-fields.ts';
import { observeFile } from './files.ts';
import { Metrics } from './metrics.ts';

const CLAIM: Claim = {
  seq: 7,
  fence: 1,
  delivery: 2,
  receivedAt: 1000,
  caller: 'ci',
  history: { attempts: 3, uncertain: 0, agesFrom: 1000, lastAttemptAt: 1500 },
  event: aRegistryEvent('a'),
  payload: '{"secret":"payload"}',
};
const FIELDS = { seq: 7, caller: 'ci', ...eventFields(CLAIM.event), delivery: 2, attempt: 4, durationMs: 25 };
const HISTORY = CLAIM.history;

function anObserver() {
  const metrics = new Metrics();
  const { log, lines } = aLineLog();
  const has = async (series: string): Promise<void> => {
    const text = await metrics.text();
    assert.ok(text.split('\n').includes(series), `${series}\n${text}`);
  };
  return { observer: observeDelivery(log, metrics), lines, has, log, metrics };
}

test('a delivered event is one line with the created events, and is measured', async () => {
  const { observer, lines, has } = anObserver();
  observer.attempted(CLAIM, anAttempt(2000, DELIVERED), { kind: 'complete' }, false);
  const created = [{ id: 'created-1', project: 'hello' }];
  assert.deepEqual(lines, [
    {
      level: 'info',
      ...FIELDS,
      outcome: 'delivered',
      created,
      delayMs: 1025,
      decision: 'complete',
      msg: 'delivery.attempted',
    },
  ]);
  await has('acr_gateway_attempts_total{outcome="delivered"} 1');
  await has('acr_gateway_attempt_duration_seconds_sum 0.025');
  await has('acr_gateway_delivery_delay_seconds_sum 1.025');
  await has('acr_gateway_unmatched_total{registry="other"} 0');
});

test('an event that no project subscribes to is logged and counted as unmatched', async () => {
  const { observer, lines, has } = anObserver();
  observer.attempted(CLAIM, anAttempt(2000, { kind: 'delivered', created: [] }), { kind: 'complete' }, false);
  assert.deepEqual(lines[0]?.['created'], []);
  await has('acr_gateway_unmatched_total{registry="other"} 1');
});

test('the line of many created events lists twenty, and their number', () => {
  const { observer, lines } = anObserver();
  const created = Array.from({ length: 1000 }, (_, index) => ({ id: `${index}`, project: 'p' }));
  observer.attempted(CLAIM, anAttempt(2000, { kind: 'delivered', created }), { kind: 'complete' }, false);
  assert.deepEqual(lines[0]?.['created'], created.slice(0, 20));
  assert.equal(lines[0]?.['createdCount'], 1000);
});

for (const outcome of [UNAVAILABLE, UNCERTAIN]) {
  test(`an event that is ${outcome.kind} and retried is one warning with the time of the retry`, async () => {
    const { observer, lines, has } = anObserver();
    observer.attempted(CLAIM, anAttempt(2000, outcome), { kind: 'retry', at: 9000, history: HISTORY }, false);
    const { kind, ...answer } = outcome;
    const line = {
      level: 'warn',
      ...FIELDS,
      outcome: kind,
      ...answer,
      decision: 'retry',
      retryAt: '1970-01-01T00:00:09.000Z',
    };
    assert.deepEqual(lines, [{ ...line, msg: 'delivery.attempted' }]);
    await has(`acr_gateway_attempts_total{outcome="${kind}"} 1`);
    await has('acr_gateway_delivery_delay_seconds_count 0');
  });
}

test('an event that becomes a dead letter is one warning with the reason, and is counted', async () => {
  const { observer, lines, has } = anObserver();
  observer.attempted(CLAIM, anAttempt(2000, REJECTED), { kind: 'dead-letter', reason: 'rejected' }, false);
  const line = {
    level: 'warn',
    ...FIELDS,
    outcome: 'rejected',
    detail: 'label repo is not legal',
    decision: 'dead-letter',
  };
  assert.deepEqual(lines, [{ ...line, reason: 'rejected', msg: 'delivery.attempted' }]);
  await has('acr_gateway_dead_lettered_total{reason="rejected"} 1');
});

test('a stale completion is marked and counted', async () => {
  const { observer, lines, has } = anObserver();
  observer.attempted(CLAIM, anAttempt(2000, DELIVERED), { kind: 'complete' }, true);
  assert.equal(lines[0]?.['isStale'], true);
  await has('acr_gateway_stale_completions_total 1');
});

test('no line contains the payload', () => {
  const { observer, lines } = anObserver();
  observer.attempted(CLAIM, anAttempt(2000, DELIVERED), { kind: 'complete' }, false);
  assert.doesNotMatch(JSON.stringify(lines), /payload/);
});

test('an opening of the breaker is a warning, and an error when the credentials were rejected', () => {
  const { observer, lines } = anObserver();
  const credentials: Outcome = { kind: 'unavailable', detail: '401', credentials: true };
  observer.breakerOpened(UNCERTAIN);
  observer.breakerOpened(credentials);
  assert.deepEqual(lines, [
    { level: 'warn', outcome: 'uncertain', detail: '500', msg: 'breaker.opened' },
    { level: 'error', outcome: 'unavailable', detail: '401', msg: 'breaker.opened' },
  ]);
});

test('a probe is one line: ready, unready or credentials rejected', () => {
  const { observer, lines } = anObserver();
  const open = { kind: 'open', probeAt: 5000, credentials: false } as const;
  observer.probed({ kind: 'ready', detail: 'yes' }, { kind: 'closed', isTrial: true });
  observer.probed({ kind: 'unready', detail: 'away', credentials: false }, open);
  observer.probed({ kind: 'unready', detail: '401', credentials: true }, open);
  assert.deepEqual(lines, [
    { level: 'info', detail: 'yes', msg: 'sink.ready' },
    { level: 'warn', detail: 'away', nextProbeAt: '1970-01-01T00:00:05.000Z', msg: 'sink.unready' },
    { level: 'error', detail: '401', nextProbeAt: '1970-01-01T00:00:05.000Z', msg: 'sink.credentials_rejected' },
  ]);
});

test('a fault is logged at error and counted', async () => {
  const { observer, lines, has } = anObserver();
  observer.faulted(new Error('never planned'));
  assert.deepEqual([lines[0]?.['level'], lines[0]?.['msg']], ['error', 'delivery.faulted']);
  await has('acr_gateway_faults_total{edge="deliver"} 1');
});

test('new contents of a file are logged, and those that are wrong at error with every issue', async () => {
  const { log, metrics, lines, has } = anObserver();
  const observer = observeFile(log, metrics, 'tokens');
  const issues = [{ path: 'ci.token', line: 3, message: 'must be a token' }];
  observer.taken();
  observer.rejected(issues);
  assert.deepEqual(lines, [
    { level: 'info', file: 'tokens', msg: 'file.reloaded' },
    { level: 'error', file: 'tokens', issues, msg: 'file.rejected' },
  ]);
  await has('acr_gateway_reloads_total{file="tokens",result="taken"} 1');
  await has('acr_gateway_reloads_total{file="tokens",result="rejected"} 1');
});
