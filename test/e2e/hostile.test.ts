import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startPeer } from '../../bench/peers.ts';
import { ATTACKS, type Attack, type AttackName, isAttackName } from '../support/hostile/attacks.ts';
import {
  type HostileRow,
  JOURNAL_MAX_MB,
  runAttacks,
  startHostileGateway,
} from '../support/hostile/hostile-gateway.ts';

// The short form of bench/hostile.ts, which prints latencies too. What a loaded machine decides is not asserted here.

/** Of each attack. */
const ATTACK_MS = 1_000;

/** MB. Twice what the benchmark allows, because all attacks of a file hit the same gateway. */
const MAX_RSS = 450;

/** What a journal's files may take for no event: the write-ahead log, and pages that are not full. MB. */
const JOURNAL_SLACK = 16;

const brigade = await startPeer('brigade', '0');
after(() => brigade.stop());
const gateways = {
  plain: await startHostileGateway({ after }, brigade.port, false),
  tls: await startHostileGateway({ after }, brigade.port, true),
};

function underAttack(...attacks: readonly AttackName[]): Promise<HostileRow> {
  const isTls = attacks.some((name) => (ATTACKS[name] as Attack).tls === true);
  return runAttacks(isTls ? gateways.tls : gateways.plain, attacks, { ms: ATTACK_MS, restMs: 0 });
}

function assertHarmless(row: HostileRow): void {
  const { sent, lost, reasons, peakRss, journalGrowth, attackersSent, callerSent, redProbes } = row;
  assert.ok(sent >= ATTACK_MS / 100);
  assert.equal(lost, 0, `lost ${lost} of ${sent}: ${JSON.stringify(reasons)}`);
  assert.deepEqual(redProbes, []);
  assert.ok(peakRss < MAX_RSS, `${peakRss} MB`);
  const allowed = Math.min(3 * (attackersSent + callerSent), JOURNAL_MAX_MB) + JOURNAL_SLACK;
  assert.ok(journalGrowth < allowed, `the journal grew by ${journalGrowth} MB, for ${attackersSent} MB sent`);
}

for (const name of Object.keys(ATTACKS).filter(isAttackName)) {
  test(`no other caller loses a webhook under attack by ${name}`, async () => {
    assertHarmless(await underAttack(name));
  });
}

test('no other caller loses a webhook under two attacks at the same time', async () => {
  assertHarmless(await underAttack('pipelining', 'batches'));
});

test('the answers to a caller at its limits are receipts, 429 and 503', async () => {
  const { answers } = await underAttack('unreadable-batches', 'batches');
  assert.deepEqual(
    Object.keys(answers).filter((status) => !['200', '429', '503'].includes(status)),
    [],
  );
});
