import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startProgram } from './gateway.ts';
import type { LoadResult } from './load.ts';
import { type Peer, runLoad, startPeer } from './peers.ts';
import { machine } from './report.ts';

// node bench/workers.ts [--seconds 10] [--rate 200] [--write]: prints docs/performance-workers.md.
//
// The cost of webhooks while local workers misbehave, compared with a run without workers. One process is gateway, embedded
// Brigade and parent of the workers, as in `npm start`. No webhook of the load is for a project that has a worker.

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rate: { type: 'string', default: '200' },
    write: { type: 'boolean', default: false },
  },
});
const ms = Number(flags.seconds) * 1000;

/** Load before a measurement, milliseconds. */
const WARM_UP_MS = 5000;

/** More than run at once, so that some run all the time, even if each is soon killed. */
const EVENTS = 300;

const SCRIPTS: Readonly<Record<string, string | undefined>> = {
  none: undefined,
  'that wait': 'setInterval(() => {}, 1000)',
  'that loop without end': 'for (;;);',
  'that print without end': 'for (;;) console.log("x".repeat(9999))',
  'that fill their heap': 'const all = []; for (;;) all.push(new Array(1000).fill(Math.random()))',
  'that fill memory outside it': 'const all = []; for (;;) all.push(Buffer.alloc(1 << 20, 1))',
  'that exit at once': 'process.exit(7)',
};

async function main(): Promise<void> {
  const generator = await startPeer('generator');
  const lines: string[] = [];
  for (const [name, script] of Object.entries(SCRIPTS)) {
    const { ok, failed, seconds, p50, p99, max } = await measure(generator, script);
    const cells = [Math.round(ok / seconds), failed, ...[p50, p99, max].map((value) => value.toFixed(1))];
    lines.push(`| ${name} | ${cells.join(' | ')} |`);
  }
  generator.stop();
  const text = `# Webhooks beside local workers

Printed by \`node bench/workers.ts --rate ${flags.rate} --seconds ${flags.seconds} --write\`. No figure here is typed by hand. One run on one machine
(${machine()}): ${flags.rate} webhooks a second to a gateway with an embedded Brigade in the same
process, as in \`npm start\`. Meanwhile ${EVENTS} events have workers that misbehave; the embedded Brigade runs as many at once as it can.

| workers | acknowledged/s | failed | p50, ms | p99, ms | longest, ms |
|---|---|---|---|---|---|
${lines.join('\n')}
`;
  process.stdout.write(text);
  if (flags.write) writeFileSync(new URL('../docs/performance-workers.md', import.meta.url), text);
}

async function measure(generator: Peer, script: string | undefined): Promise<LoadResult> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-workers-'));
  const projects = join(folder, 'projects');
  mkdirSync(projects);
  if (script !== undefined) writeFileSync(join(projects, 'project.yaml'), aProject(script));
  const env = { DATA_DIR: join(folder, 'data'), PORT: '0', ADMIN_PORT: '0', BRIGADE_PORT: '0' };
  const { found: port, stop } = await startProgram(['dev', '--projects', projects], env, portIn);
  try {
    const token = readFileSync(join(folder, 'data', 'webhook-token'), 'utf8').trim();
    const plan = { port, token, connections: 64, bodyBytes: 600, ratePerSecond: Number(flags.rate) };
    for (let n = 0; n < EVENTS; n++) await trigger(port, token, n);
    await runLoad(generator, { ...plan, ms: WARM_UP_MS });
    return await runLoad(generator, { ...plan, ms });
  } finally {
    await stop();
    rmSync(folder, { recursive: true });
  }
}

/** The port in the line with the address for webhooks. */
function portIn(line: string): number | undefined {
  const [, port] = /webhooks +http:\/\/127\.0\.0\.1:(\d+)\//.exec(line) ?? [];
  return port === undefined ? undefined : Number(port);
}

/** Sends an event for the project. */
async function trigger(port: number, token: string, n: number): Promise<void> {
  const target = { repository: 'for-the-workers', tag: 'v1' };
  const body = JSON.stringify({ id: `worker-${n}`, action: 'push', target, request: { host: 'example.azurecr.io' } });
  const headers = { authorization: `Bearer ${token}` };
  const { status } = await fetch(`http://127.0.0.1:${port}/events`, { method: 'POST', headers, body });
  if (status !== 200) throw new Error(`answered ${status}`);
}

function aProject(script: string): string {
  const subscription = {
    source: 'brigade.sh/acr',
    types: ['push'],
    qualifiers: { registry: 'example.azurecr.io' },
    labels: { repo: 'for-the-workers' },
  };
  return JSON.stringify({
    apiVersion: 'brigade.sh/v2',
    kind: 'Project',
    metadata: { id: 'misbehaving' },
    spec: {
      eventSubscriptions: [subscription],
      workerTemplate: { timeoutDuration: '1h', defaultConfigFiles: { 'brigade.js': script } },
    },
  });
}

await main();
