import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';
import { missing } from '../support/programs.ts';
import { ALERTS, ALERTS_PATH, dashboardExpressions } from './monitoring.ts';

/** Values a minute apart, in the notation of promtool, by series. */
type Samples = Readonly<Record<string, string>>;

interface Case {
  /** The alert fires after an hour, once. */
  readonly fires: Samples;
  /** It does not fire in that hour. */
  readonly quiet: Samples;
}

const DAY = 86_400;

const CASES: Readonly<Record<string, Case>> = {
  AcrGatewayAbsent: {
    fires: { 'acr_gateway_build_info{version="1"}': '1x50 stale' },
    quiet: { 'acr_gateway_build_info{version="1"}': '1x60' },
  },
  AcrGatewaySinkDown: {
    fires: { acr_gateway_sink_up: '1x50 0x10' },
    quiet: { acr_gateway_sink_up: '1 0 1 1 0 1x55' },
  },
  AcrGatewayPaused: {
    fires: { acr_gateway_paused: '0x20 1x40' },
    quiet: { acr_gateway_paused: '0x20 1x25 0x15' },
  },
  AcrGatewayBacklog: {
    fires: { acr_gateway_oldest_pending_seconds: '0+60x60', acr_gateway_sink_up: '1x60', acr_gateway_paused: '0x60' },
    // AcrGatewaySinkDown says more.
    quiet: { acr_gateway_oldest_pending_seconds: '0+60x60', acr_gateway_sink_up: '0x60', acr_gateway_paused: '0x60' },
  },
  AcrGatewayEventsExpire: {
    fires: { acr_gateway_oldest_pending_seconds: `${5 * DAY}+60x60` },
    quiet: { acr_gateway_oldest_pending_seconds: `${5 * DAY - 3600}+60x60` },
  },
  AcrGatewayEventsLost: {
    fires: {
      'acr_gateway_lost_events_total{reason="full"}': '0x55 1x5',
      'acr_gateway_lost_events_total{reason="slow"}': '3x55 5x5',
      acr_gateway_stored_late_events_total: '3x55 5x5',
    },
    // All of them were stored late.
    quiet: {
      'acr_gateway_lost_events_total{reason="full"}': '7x60',
      'acr_gateway_lost_events_total{reason="slow"}': '3x30 5x30',
      acr_gateway_stored_late_events_total: '3x30 5x30',
    },
  },
  AcrGatewayWebhooksTurnedAway: {
    fires: {
      'acr_gateway_webhooks_total{answer="out-of-scope",caller="ci"}': '0x50 1x10',
      'acr_gateway_webhooks_total{answer="unreadable",caller="ci"}': '0x60',
    },
    // Anyone can send those without a known caller.
    quiet: {
      'acr_gateway_webhooks_total{answer="receipt",caller="ci"}': '0+5x60',
      'acr_gateway_webhooks_total{answer="out-of-scope",caller="ci"}': '4x60',
      'acr_gateway_webhooks_total{answer="unauthenticated",caller="other"}': '0+9x60',
      'acr_gateway_webhooks_total{answer="too-large",caller="other"}': '0+9x60',
    },
  },
  AcrGatewaySlowAcknowledgement: {
    fires: {
      'acr_gateway_webhook_duration_seconds_bucket{le="1"}': '0+9x60',
      'acr_gateway_webhook_duration_seconds_bucket{le="2.5"}': '0+10x60',
      'acr_gateway_webhook_duration_seconds_bucket{le="+Inf"}': '0+10x60',
    },
    quiet: {
      'acr_gateway_webhook_duration_seconds_bucket{le="1"}': '0+100x60',
      'acr_gateway_webhook_duration_seconds_bucket{le="2.5"}': '0+100x60',
      'acr_gateway_webhook_duration_seconds_bucket{le="+Inf"}': '0+100x60',
    },
  },
  AcrGatewayDeadLetters: {
    fires: { acr_gateway_dead_letters: '0x50 2x10' },
    quiet: { acr_gateway_dead_letters: '0x50 2x3 0x7' },
  },
  AcrGatewayDeadLettersExpire: {
    fires: { acr_gateway_oldest_dead_letter_seconds: `${27 * DAY}+60x60` },
    quiet: { acr_gateway_oldest_dead_letter_seconds: `${27 * DAY - 3600}+60x60` },
  },
  AcrGatewayDeadLettersPruned: {
    fires: { acr_gateway_pruned_dead_letters_total: '0x30 4x30' },
    quiet: { acr_gateway_pruned_dead_letters_total: '4x60' },
  },
  AcrGatewayUnmatched: {
    fires: { 'acr_gateway_unmatched_total{registry="other"}': '0x30 1x30' },
    quiet: { 'acr_gateway_unmatched_total{registry="other"}': '1x60' },
  },
  AcrGatewayJournalDamaged: {
    fires: { acr_gateway_damaged_records: '0x50 1x10' },
    quiet: { acr_gateway_damaged_records: '0x60' },
  },
  AcrGatewayFileRejected: {
    fires: { 'acr_gateway_reloads_total{file="tokens",result="rejected"}': '0x30 1x30' },
    quiet: { 'acr_gateway_reloads_total{file="tokens",result="taken"}': '0+1x60' },
  },
  AcrGatewayCertificateExpires: {
    // Time begins at 0.
    fires: { 'acr_gateway_certificate_expiry_timestamp_seconds{file="certificate"}': `${14 * DAY}x60` },
    quiet: { 'acr_gateway_certificate_expiry_timestamp_seconds{file="certificate"}': `${15 * DAY}x60` },
  },
  AcrGatewayFaults: {
    fires: { 'acr_gateway_faults_total{edge="http"}': '0x55 1x5' },
    quiet: { 'acr_gateway_faults_total{edge="http"}': '1x60' },
  },
};

suite('promtool', { skip: missing('promtool') }, () => {
  test('accepts the alerts and the expressions of the dashboard', async (t) => {
    await promtool('check', 'rules', ALERTS_PATH);
    const rules = dashboardExpressions().map(({ expr }, index) => ({ record: `panel:${index}`, expr }));
    const file = await aFile(t, { groups: [{ name: 'dashboard', rules }] });
    // Panels may share an expression, which the lint would report.
    await promtool('check', 'rules', '--lint=none', file);
  });

  test('finds that each alert fires in its case, and in no quiet one', async (t) => {
    assert.deepEqual(
      Object.keys(CASES),
      ALERTS.map(({ alert }) => alert),
    );
    const tests = Object.entries(CASES).flatMap(([alert, { fires, quiet }]) => [
      unitTest(alert, fires, ['60m'], 1),
      unitTest(alert, quiet, ['15m', '30m', '45m', '60m'], 0),
    ]);
    await promtool('test', 'rules', await aFile(t, { rule_files: [ALERTS_PATH], evaluation_interval: '1m', tests }));
  });
});

function unitTest(alert: string, samples: Samples, times: readonly string[], firing: 0 | 1): object {
  const expr = `count(ALERTS{alertname="${alert}", alertstate="firing"})`;
  return {
    name: `${alert} ${firing === 1 ? 'fires' : 'is quiet'}`,
    interval: '1m',
    input_series: Object.entries(samples).map(([series, values]) => ({ series, values })),
    promql_expr_test: times.map((time) => ({
      expr,
      eval_time: time,
      exp_samples: firing === 1 ? [{ labels: '{}', value: 1 }] : [],
    })),
  };
}

/** JSON is YAML too. */
async function aFile(t: { after(work: () => unknown): void }, content: object): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'acr-monitoring-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'rules.yaml');
  await writeFile(file, JSON.stringify(content));
  return file;
}

/** Rejects with everything that it prints when it finds a mistake. */
async function promtool(...args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)('promtool', [...args], { timeout: 60_000 });
  } catch (error) {
    if (!(error instanceof Error && 'stderr' in error && 'stdout' in error)) throw error;
    assert.fail(`${error.stdout}${error.stderr}`);
  }
}
