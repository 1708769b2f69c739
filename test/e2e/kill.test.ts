import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { killAgainAndAgain } from '../support/kill-harness.ts';
import { anInstallation } from '../support/serve-process.ts';
import { CREATED, StubBrigade } from '../support/stub-brigade.ts';

/** The long form is `node bench/kill.ts`. */
const ROUNDS = 7;

test('every acknowledged event survives kill -9 and is repeated only if an attempt was cut off', async (t) => {
  const seed = Number(process.env['KILL_SEED'] ?? randomInt(2 ** 31));
  t.diagnostic(`seed: ${seed} (give it as KILL_SEED to repeat the run)`);
  const brigade = await StubBrigade.start(t);
  // Slow enough that attempts are under way and events wait at each kill.
  brigade.onEvent = () => ({ ...CREATED, delayMs: 20 });
  const installation = await anInstallation(t, brigade.address);
  const options = { rounds: ROUNDS, seed, senders: 16, maxLifeMs: 600 };
  const report = await killAgainAndAgain(t, { installation, brigade }, options);
  t.diagnostic(JSON.stringify({ ...report, resumedAfterMs: undefined }));
  assert.ok(report.acknowledged > 0, 'no webhook was acknowledged');
});
