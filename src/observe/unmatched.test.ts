import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aLineLog } from '../../test/support/line-log.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { aClaim, aRegistryEvent } from '../../test/support/records.ts';
import type { Claim } from '../model/delivery.ts';
import type { WhyNot } from '../model/why-not.ts';
import { eventFields } from './event-fields.ts';
import { observeUnmatched } from './unmatched.ts';

const WHY_NOT: WhyNot = { reason: 'no project subscribes', nearest: ['project hello wants another registry'] };
const tick = () => new Promise((resolve) => setImmediate(resolve));

function ofRepository(repository: string): Claim {
  return aClaim('a', { event: { ...aRegistryEvent('a'), repository } });
}

function aRig(explain: () => Promise<WhyNot> = async () => WHY_NOT) {
  const { log, lines } = aLineLog();
  const clock = new ManualClock();
  return { clock, lines, observe: observeUnmatched(log, explain, clock) };
}

test('an unmatched event is followed by a line that says why', async () => {
  const { lines, observe } = aRig();
  observe(aClaim('a'));
  assert.deepEqual(lines, []);
  await tick();
  const fields = eventFields(aRegistryEvent('a'));
  assert.deepEqual(lines, [{ level: 'info', seq: 1, caller: 'ci', ...fields, ...WHY_NOT, msg: 'event.unmatched' }]);
});

test('events of one action and repository have one line a minute', async () => {
  const { lines, observe, clock } = aRig();
  for (const name of ['a', 'b', 'c']) observe(aClaim(name));
  observe(ofRepository('another'));
  await tick();
  assert.equal(lines.length, 2);
  clock.advance(60_000);
  observe(aClaim('d'));
  await tick();
  assert.equal(lines.length, 3);
});

test('events of ever new repositories have at most a hundred lines a minute', async () => {
  const { lines, observe } = aRig();
  for (let index = 0; index < 1000; index++) observe(ofRepository(`repository-${index}`));
  await tick();
  assert.equal(lines.length, 100);
});

test('a fault of the explanation is logged, and goes no further', async () => {
  const { lines, observe } = aRig(() => Promise.reject(new Error('oops')));
  observe(aClaim('a'));
  await tick();
  assert.deepEqual(
    lines.map(({ level, msg }) => [level, msg]),
    [['error', 'event.unmatched']],
  );
});
