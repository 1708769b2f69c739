import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startPeer } from '../../bench/peers.ts';
import { ATTACKS, type AttackName, needsTls } from '../support/hostile/attacks.ts';
import { runAtLimits } from '../support/hostile/caller-at-limits.ts';
import {
  type HostileRow,
  JOURNAL_MAX_MB,
  runAttacks,
  startHostileGateway,
} from '../support/hostile/hostile-gateway.ts';

// The short form of bench/hostile.ts, which prints latencies too. What a loaded machine decides is not asserted here.

/** Of each pair of attacks. */
const ATTACK_MS = 1_000;

/** Of a caller that sends batches, until one of them gets a receipt. */
const MAX_FLOODS = 20;

/** MB. Twice the goal of the benchmark, because all attacks hit the same gateway, one after the other. */
const MAX_RSS = 600;

/** What a journal's files may grow by for something else: their own pages, and events of the attack before. MB. */
const JOURNAL_SLACK = 48;

/** At the same time, to save time. */
const PAIRS: readonly (readonly AttackName[])[] = [
  ['idle-connections', 'unread-answers'],
  ['idle-everywhere', 'unreadable-batches'],
  ['slow-headers', 'guessed-ids'],
  ['pipelining', 'batches'],
  ['tiny-chunks', 'unread-receipts'],
  ['globs', 'declared-bodies'],
  ['handshakes', 'forwarded-handshakes'],
  ['idle-tls', 'silent-tls'],
  ['tls-handshakes'],
];

const brigade = await startPeer('brigade', '0');
after(() => brigade.stop());
const gateways = {
  plain: await startHostileGateway({ after }, brigade.port, false),
  tls: await startHostileGateway({ after }, brigade.port, true),
};

function underAttack(attacks: readonly AttackName[]): Promise<HostileRow> {
  const gateway = attacks.some(needsTls) ? gateways.tls : gateways.plain;
  return runAttacks(gateway, attacks, { ms: ATTACK_MS, restMs: 0 });
}

for (const attacks of PAIRS) {
  test(`no other caller loses a webhook under attack by ${attacks.join(' and ')}`, async () => {
    const row = await underAttack(attacks);
    const { sent, lost, reasons, peakRss, journalGrowth, attackersSent, callerSent, redProbes } = row;
    assert.ok(sent >= ATTACK_MS / 100);
    assert.equal(lost, 0, `lost ${lost} of ${sent}: ${JSON.stringify(reasons)}`);
    assert.deepEqual(redProbes, []);
    assert.ok(peakRss < MAX_RSS, `${peakRss} MB`);
    const allowed = Math.min(3 * (attackersSent + callerSent), JOURNAL_MAX_MB) + JOURNAL_SLACK;
    assert.ok(journalGrowth < allowed, `the journal grew by ${journalGrowth} MB, for ${attackersSent} MB sent`);
  });
}

test('every attack runs', () => {
  assert.deepEqual(PAIRS.flat().toSorted(), Object.keys(ATTACKS).toSorted());
});

test('a caller that floods the gateway with batches gets receipts, or 429 or 503 with Retry-After', async () => {
  // A slow machine answers no batch in the time of a single attack.
  for (let flood = 0; flood < MAX_FLOODS; flood += 1) {
    const { answers } = await underAttack(['unreadable-batches', 'batches']);
    const { 200: receipts = 0, 429: _tooMany, 503: _unavailable, ...others } = answers;
    assert.deepEqual(others, {});
    if (receipts > 0) return;
  }
  assert.fail('no batch got a receipt');
});

test('a caller at its limits gets 429 or 503 with Retry-After, and loses nothing that was acknowledged', async (t) => {
  const { answers, books } = await runAtLimits(t, ATTACK_MS);
  t.diagnostic(JSON.stringify({ answers, books }));
  const { 200: receipts = 0, ...rejected } = answers;
  assert.ok(receipts > 0);
  assert.notDeepEqual(rejected, {});
});
