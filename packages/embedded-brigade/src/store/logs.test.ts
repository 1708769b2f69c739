import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newEvent } from '../event.ts';
import { openDatabase } from './database.ts';
import { EventStore } from './events.ts';
import { EventLogs } from './logs.ts';

function open(maxBytes?: number): { readonly events: EventStore; readonly logs: EventLogs } {
  const database = openDatabase(':memory:');
  const events = new EventStore(database, () => 0n);
  const project = { metadata: { id: 'a-project' }, spec: { workerTemplate: {} } };
  for (const id of ['a', 'b', 'c']) events.add([newEvent({ source: 'x', type: 'y' }, project, id, 0n)], 0n);
  return { events, logs: new EventLogs(database, maxBytes) };
}

function linesOf(logs: EventLogs, event: string): readonly string[] {
  const texts: string[] = [];
  let part = logs.read(event, 0);
  for (; part; part = logs.read(event, part.next)) texts.push(...part.lines.map(({ text }) => text));
  return texts;
}

test('a log is read in parts, in the order in which they were stored', () => {
  const { logs } = open();
  logs.append('a', [{ ms: 1, text: 'one' }]);
  logs.append('b', [{ ms: 2, text: 'other' }]);
  logs.append('a', [{ ms: 3, text: 'two' }]);
  assert.deepEqual(linesOf(logs, 'a'), ['one', 'two']);
  assert.deepEqual(logs.read('a', 0)?.lines, [{ ms: 1, text: 'one' }]);
});

test('a log is deleted with its event, and a deleted event gets none', () => {
  const { events, logs } = open();
  logs.append('a', [{ ms: 1, text: 'one' }]);
  events.delete('a');
  logs.append('a', [{ ms: 2, text: 'two' }]);
  assert.deepEqual(linesOf(logs, 'a'), []);
});

test('above the limit the oldest logs are pruned, and no other', () => {
  const { logs } = open(10_000);
  const line = { ms: 1, text: 'x'.repeat(3000) };
  logs.append('a', [line]);
  logs.append('b', [line]);
  logs.append('a', [line]);
  logs.append('c', [line]);
  assert.deepEqual(
    ['a', 'b', 'c'].map((event) => linesOf(logs, event).length),
    [0, 1, 1],
  );
});

test('a reader is woken by a change of its event, and when its signal is aborted', async () => {
  const { logs } = open();
  const signal = new AbortController();
  const woken = logs.changed('a', signal.signal);
  logs.append('a', []);
  await woken;
  const given = logs.changed('b', signal.signal);
  signal.abort();
  await given;
});
