import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { TerminalLines } from './terminal-lines.ts';

const TIME = '2026-01-01T14:49:50.123Z';
/** Where this machine is. */
const CLOCK = new Date(TIME).toTimeString().slice(0, 8);
const PUSH = { action: 'push', id: 'a', registry: 'other.azurecr.io', repository: 'team/app', tag: 'v1' };

function aTerminal() {
  const clock = new ManualClock();
  const lines: string[] = [];
  const terminal = new TerminalLines((line) => lines.push(line.replace(`${CLOCK} `, '')), clock);
  const take = (msg: string, fields: object) =>
    terminal.take(JSON.stringify({ level: 'info', time: TIME, ...fields, msg }));
  return { clock, lines, terminal, take };
}

function received(...events: readonly object[]): object {
  return { caller: 'ci', events: events.map((event) => ({ ...PUSH, ...event })) };
}

const ACCEPTED = received({ result: 'accepted', seq: 1 });
const DELIVERED = { ...PUSH, seq: 1, outcome: 'delivered', decision: 'complete', durationMs: 9, delayMs: 18 };

test('a line begins with the time of day', () => {
  const lines: string[] = [];
  new TerminalLines((line) => lines.push(line), new ManualClock()).take(
    JSON.stringify({ level: 'info', time: TIME, msg: 'x' }),
  );
  assert.deepEqual(lines, [`${CLOCK} · x`]);
});

test('an event that is accepted and delivered at once has one line', () => {
  const { take, lines, clock } = aTerminal();
  take('webhook.received', ACCEPTED);
  assert.deepEqual(lines, []);
  take('delivery.attempted', { ...DELIVERED, created: [{}, {}, {}, {}, {}, {}] });
  clock.advance(10_000);
  assert.deepEqual(lines, ['✓ push team/app:v1 · accepted #1 · 6 projects · 18 ms']);
});

test('an accepted event that waits for its delivery has a line after a second, and another when it is delivered', () => {
  const { take, lines, clock } = aTerminal();
  take('webhook.received', ACCEPTED);
  clock.advance(1000);
  take('delivery.attempted', { ...DELIVERED, created: [{}], delayMs: 2500 });
  assert.deepEqual(lines, ['… push team/app:v1 · accepted #1', '✓ push team/app:v1 · #1 · 1 project · 2500 ms']);
});

test('what waits is written at the end, and beyond a hundred at once', () => {
  const { take, lines, terminal } = aTerminal();
  for (let seq = 1; seq <= 101; seq++) take('webhook.received', received({ result: 'accepted', seq }));
  assert.deepEqual(lines, ['… push team/app:v1 · accepted #101']);
  terminal.flush();
  assert.equal(lines.length, 101);
});

test('an event that no project subscribes to is named with its registry, and below it why', () => {
  const { take, lines } = aTerminal();
  take('webhook.received', ACCEPTED);
  take('delivery.attempted', { ...DELIVERED, created: [] });
  take('event.unmatched', { ...PUSH, reason: 'no project', nearest: ['project hello wants', 'project two wants'] });
  take('event.unmatched', { ...PUSH, reason: 'grant READER', nearest: [] });
  assert.deepEqual(lines, [
    '✗ no project subscribes to push other.azurecr.io/team/app:v1 · accepted #1 · 18 ms',
    '           project hello wants',
    '           project two wants',
    '           grant READER',
  ]);
});

test('other results and outcomes have their words', () => {
  const { take, lines } = aTerminal();
  take(
    'webhook.received',
    received({ result: 'duplicate', of: 7 }, { result: 'ignored', reason: 'rule', rule: 'no-dev' }),
  );
  take('webhook.received', received({ result: 'dead-lettered', seq: 8, reason: 'no-registry' }));
  const attempt = { ...DELIVERED, outcome: 'unavailable', detail: 'ECONNREFUSED', delayMs: undefined };
  take('delivery.attempted', { ...attempt, decision: 'retry', retryAt: TIME });
  take('delivery.attempted', {
    ...attempt,
    outcome: 'rejected',
    detail: '400',
    decision: 'dead-letter',
    reason: 'rejected',
  });
  take('delivery.attempted', DELIVERED);
  assert.deepEqual(lines, [
    '· push team/app:v1 · duplicate of #7',
    '· push team/app:v1 · ignored: no-dev',
    '✗ push team/app:v1 · dead letter #8: no-registry',
    `↻ push team/app:v1 · #1 · unavailable: ECONNREFUSED · again at ${CLOCK}`,
    '✗ push team/app:v1 · #1 · dead letter (rejected): 400',
    '✓ push team/app:v1 · #1 · delivered · 18 ms',
  ]);
});

test('events of a large batch that its line does not list are counted', () => {
  const { take, lines } = aTerminal();
  take('webhook.received', { ...received({ result: 'duplicate', of: 7 }), eventCount: 50 });
  assert.equal(lines[1], '· and 49 more events');
});

test('any other line is its name and its fields, and below it the stack of an error', () => {
  const { take, lines } = aTerminal();
  take('gateway.started', { ingestPort: 8080, tls: false });
  take('sink.unready', { level: 'warn', detail: 'ECONNREFUSED: away' });
  take('delivery.faulted', { level: 'error', err: { type: 'Error', stack: 'Error: oops\n    at x' } });
  assert.deepEqual(lines, [
    '· gateway.started ingestPort=8080 tls=false',
    '! sink.unready detail=ECONNREFUSED: away',
    '✗ delivery.faulted',
    '           Error: oops',
    '               at x',
  ]);
});

test('no text of an event begins a line of its own or controls the terminal', () => {
  const { take, lines } = aTerminal();
  const harmful = '\u001b[2J\n✓ forged';
  const event = Object.fromEntries(Object.keys(PUSH).map((name) => [name, harmful]));
  take(
    'webhook.received',
    received({ ...event, result: 'duplicate', of: 7 }, { ...event, result: 'accepted', seq: 1 }),
  );
  take('delivery.attempted', { ...DELIVERED, ...event, created: [] });
  take('delivery.attempted', { ...DELIVERED, ...event, decision: 'dead-letter', reason: harmful, detail: harmful });
  take('event.unmatched', { ...event, reason: harmful, nearest: [harmful] });
  take(harmful, { [harmful]: harmful, in: { a: harmful }, err: { stack: harmful } });
  for (const line of lines) assert.doesNotMatch(line, /\p{Cc}/u);
});
