import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { Readiness } from './readiness.ts';

/** A journal whose checks end when a test says so. */
function aRig() {
  const clock = new ManualClock();
  const checks: PromiseWithResolvers<void>[] = [];
  const check = () => {
    const started = Promise.withResolvers<void>();
    checks.push(started);
    return started.promise;
  };
  return { clock, checks, readiness: new Readiness({ check }, clock) };
}

test('the gateway is ready when the journal can append', async () => {
  const { checks, readiness } = aRig();
  const answer = readiness.unreadiness();
  checks[0]?.resolve();
  assert.equal(await answer, undefined);
});

test('the gateway is not ready when the journal cannot append', async () => {
  const { checks, readiness } = aRig();
  const answer = readiness.unreadiness();
  checks[0]?.reject(new Error('disk full'));
  assert.equal(await answer, 'the journal cannot append');
});

test('the gateway is not ready when the journal takes two seconds, until a later check is faster', async () => {
  const { clock, checks, readiness } = aRig();
  const answer = readiness.unreadiness();
  clock.advance(2000);
  assert.equal(await answer, 'the journal is slow');
  checks[0]?.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(await readiness.unreadiness(), 'the journal is slow');
  clock.advance(1001);
  const later = readiness.unreadiness();
  checks[1]?.resolve();
  assert.equal(await later, undefined);
});

test('one check is under way at a time, and its answer is reused for a second, however often anyone asks', async () => {
  const { clock, checks, readiness } = aRig();
  const first = readiness.unreadiness();
  clock.advance(10_000);
  const second = readiness.unreadiness();
  checks[0]?.resolve();
  await Promise.all([first, second]);
  clock.advance(1000);
  await readiness.unreadiness();
  assert.equal(checks.length, 1);
});

test('a gateway that shuts down is not ready', async () => {
  const { readiness } = aRig();
  readiness.drain();
  assert.equal(await readiness.unreadiness(), 'shutting down');
});
