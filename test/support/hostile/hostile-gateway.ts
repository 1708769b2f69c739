import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { startProgram, usage } from '../../../bench/gateway.ts';
import { aFolder } from '../serve-process.ts';
import type { Cleanup } from '../stub-brigade.ts';
import { type AttackName, RULES, TOKENS, TRUSTED_PROXY } from './attacks.ts';
import { startAttack, startCaller } from './peers.ts';
import type { CallerReport } from './well-behaved.ts';

const SAMPLE_MS = 250;

/** As long as Kubernetes waits for a probe, and as many as must fail in a row before it acts. */
const PROBE_TIMEOUT_MS = 1_000;
const PROBE_FAILURES = 3;

/** How long the well-behaved caller is alone before the attacks begin. */
const LEAD_MS = 300;

/** The limit of the journal of a gateway under attack. */
export const JOURNAL_MAX_MB = 256;

/** `serve` with default settings, rules, and a caller for each kind of attack. */
export interface HostileGateway {
  readonly tls: boolean;
  readonly pid: number;
  readonly ingestPort: number;
  readonly adminPort: number;
  readonly journalFolder: string;
  outputBytes(): number;
}

export interface HostileRow extends CallerReport {
  readonly attacks: readonly AttackName[];
  /** Sizes in MB. */
  readonly rssBefore: number;
  readonly peakRss: number;
  readonly rssAfter: number;
  readonly attackersSent: number;
  readonly callerSent: number;
  readonly journalGrowth: number;
  readonly logGrowth: number;
  /** The probes that failed three times in a row. */
  readonly redProbes: readonly string[];
  /** Answers to the attackers by status, where they wait for answers. */
  readonly answers: Readonly<Record<string, number>>;
  /** Events of attackers that were accepted. */
  readonly accepted: number;
}

export async function startHostileGateway(t: Cleanup, brigadePort: number, tls: boolean): Promise<HostileGateway> {
  const folder = await aFolder(t);
  const journalFolder = join(folder, 'journal');
  mkdirSync(journalFolder);
  writeFileSync(join(folder, 'tokens.json'), JSON.stringify(TOKENS));
  writeFileSync(join(folder, 'gateway.yaml'), RULES);
  const fixtures = new URL('../../../src/config/fixtures/', import.meta.url).pathname;
  const env = {
    PATH: process.env['PATH'],
    API_ADDRESS: `http://127.0.0.1:${brigadePort}`,
    API_TOKEN: 'token-of-the-gateway',
    TOKENS_PATH: join(folder, 'tokens.json'),
    CONFIG_PATH: join(folder, 'gateway.yaml'),
    JOURNAL_URL: `sqlite:${join(journalFolder, 'journal.db')}`,
    JOURNAL_MAX_BYTES: `${JOURNAL_MAX_MB}MB`,
    TRUSTED_PROXIES: TRUSTED_PROXY,
    HOST: '127.0.0.1',
    PORT: '0',
    ADMIN_PORT: '0',
    ...(tls && {
      TLS_ENABLED: 'true',
      TLS_CERT_PATH: join(fixtures, 'one.crt'),
      TLS_KEY_PATH: join(fixtures, 'one.key'),
    }),
  };
  const { pid, found, outputBytes, stop } = await startProgram(['serve'], env, (line) => {
    const { msg, ingestPort, adminPort } = JSON.parse(line);
    return msg === 'gateway.started' ? { ingestPort, adminPort } : undefined;
  });
  t.after(stop);
  return { ...found, tls, pid, journalFolder, outputBytes };
}

/** Runs attacks at the same time, beside the well-behaved caller; then waits for `restMs`. */
export async function runAttacks(
  gateway: HostileGateway,
  attacks: readonly AttackName[],
  { ms, restMs }: { readonly ms: number; readonly restMs: number },
): Promise<HostileRow> {
  const { pid, ingestPort: port, tls } = gateway;
  const run = randomUUID().slice(0, 8);
  const [rssBefore, journalBefore, logBefore] = [usage(pid).rss, bytesIn(gateway.journalFolder), gateway.outputBytes()];
  const probes = startProbes(gateway);
  const called = startCaller({ port, tls, run, ms: LEAD_MS + ms });
  await pause(LEAD_MS);
  const attacked = Promise.all(attacks.map((name) => startAttack(name, { port, tls, run, ms })));
  const [caller, reports] = await Promise.all([called, attacked]);
  const journalGrowth = (bytesIn(gateway.journalFolder) - journalBefore) / 1e6;
  const redProbes = probes.end();
  await pause(restMs);
  const { rss: rssAfter, peakRss } = usage(pid);
  const answers: Record<string, number> = {};
  for (const [status, count] of reports.flatMap((report) => Object.entries(report.answers))) {
    answers[status] = (answers[status] ?? 0) + count;
  }
  return {
    ...caller,
    attacks,
    rssBefore,
    peakRss,
    rssAfter,
    attackersSent: reports.reduce((sum, { bytesSent }) => sum + bytesSent, 0) / 1e6,
    // Body and headers of a webhook.
    callerSent: (caller.sent * 600) / 1e6,
    journalGrowth,
    logGrowth: (gateway.outputBytes() - logBefore) / 1e6,
    redProbes,
    answers,
    accepted: reports.reduce((sum, { accepted }) => sum + accepted, 0),
  };
}

/** Asks each probe again and again, one request after the other, as a kubelet does. */
function startProbes({ adminPort }: HostileGateway): { end(): readonly string[] } {
  const red = new Set<string>();
  let hasEnded = false;
  const ask = async (path: string): Promise<void> => {
    for (let failures = 0; !hasEnded; await pause(SAMPLE_MS)) {
      failures = (await isGreen(adminPort, path)) ? 0 : failures + 1;
      if (failures >= PROBE_FAILURES) red.add(path);
    }
  };
  for (const path of ['/readyz', '/healthz']) void ask(path);
  return {
    end: () => {
      hasEnded = true;
      return [...red];
    },
  };
}

function isGreen(port: number, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = request({ host: '127.0.0.1', port, path, agent: false, timeout: PROBE_TIMEOUT_MS });
    probe.on('timeout', () => probe.destroy());
    probe.on('error', () => resolve(false));
    probe.on('response', (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    probe.end();
  });
}

/** Without the ballast, which does not depend on what was sent. */
function bytesIn(folder: string): number {
  const names = readdirSync(folder).filter((name) => !name.endsWith('.ballast'));
  return names.reduce((sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0), 0);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
