import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newEvent } from './event.ts';
import { describeIssues, EventScreen } from './event-screen.ts';

const HARMFUL = 'a\u001b[2J\nb\u009bc\u202ed\u2066e\u200bf\u2028g\ud800h';

test('the screen shows no character that a terminal obeys or hides, wherever it comes from', () => {
  const lines: string[] = [];
  const screen = new EventScreen((line) => lines.push(line));
  const project = { metadata: { id: 'a-project' }, spec: { workerTemplate: {} } };
  const event = newEvent({ source: 'brigade.sh/acr', type: HARMFUL, shortTitle: HARMFUL }, project, 'an-event', 1n);
  screen.onEvent(event);
  screen.onOutput(event, HARMFUL);
  screen.onEnd(event, 'SUCCEEDED');
  const issue = { file: `${HARMFUL}.yaml`, line: 1, reason: HARMFUL };
  lines.push(...describeIssues({ projects: [], issues: [issue], warnings: [issue], files: new Map() }));
  assert.equal(lines.length, 5);
  for (const line of lines) assert.doesNotMatch(line, /[\p{C}\p{Zl}\p{Zp}]/u);
  assert.equal(lines.filter((line) => line.includes('c\\u202ed')).length, 4);
});
