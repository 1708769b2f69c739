import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { FUZZ_TOKEN } from '../test/support/fuzz/corpora.ts';
import { type FuzzPlan, type FuzzReport, fuzzPort, fuzzReader } from '../test/support/fuzz/fuzz.ts';
import { anInstallation, serve } from '../test/support/serve-process.ts';
import { usage } from './gateway.ts';
import { heapOf, INSPECTED } from './heap.ts';
import { startPeer } from './peers.ts';

// node bench/fuzz.ts [--inputs N] [--seed S] [--from N]: sends changed copies of valid requests to a gateway, and gives changed
// copies of valid files and bodies to their readers. Ends with 1 if it finds anything. Input N of a seed is always the same.

const { values: flags } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000000' },
    seed: { type: 'string' },
    from: { type: 'string', default: '0' },
  },
});
const inputs = Number(flags.inputs);
const seed = Number(flags.seed ?? randomInt(2 ** 31));
const from = Number(flags.from);

/** Inputs between two lines of progress. */
const STEP = 10_000;

/** How often memory is looked at after the first step: at even distances, last at the end. */
const LOOKS = 4;

/** A heap that grows by more from the first step to the end is a finding, MB: 40 bytes for each request. */
const MAX_GROWTH = 10;

/** The part of all inputs that each target gets. */
const SHARES = { http: 0.27, decode: 0.5, tokens: 0.2, config: 0.03 } as const;

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const works: (() => unknown)[] = [];
let found = 0;

async function main(): Promise<void> {
  print(`seed ${seed}, inputs from ${from}`);
  print(
    `| target | inputs | inputs/s | findings | results | heap in use after the first ${STEP} inputs, and each further quarter, MB | RSS then, MB |`,
  );
  print('|---|---|---|---|---|---|---|');
  for (const name of ['decode', 'tokens', 'config'] as const) {
    await inSteps(name, async (plan) => fuzzReader(name, plan), { pid: process.pid, heap: async () => heapInUse() });
  }
  await fuzzGateway();
}

/** The gateway runs in a process of its own: a crash would end it. */
async function fuzzGateway(): Promise<void> {
  const cleanup = { after: (work: () => unknown) => works.push(work) };
  const brigade = await startPeer('brigade', '0');
  works.push(() => brigade.stop());
  const installation = await anInstallation(cleanup, `http://127.0.0.1:${brigade.port}`);
  writeFileSync(join(installation.folder, 'tokens.json'), JSON.stringify({ fuzz: FUZZ_TOKEN }));
  const gateway = await serve(cleanup, installation, INSPECTED);
  const { pid } = gateway.process;
  const heap = await heapOf(gateway.process);
  await inSteps('http', (plan) => fuzzPort(gateway.ingestPort, plan), { pid, heap });
  const faults = gateway.process.log.filter(
    ({ level, msg }) => (level === 'error' || level === 'fatal') && msg !== 'webhook.lost',
  );
  for (const line of faults.slice(0, 20)) print(JSON.stringify(line));
  found += faults.length;
}

/** MB, without what a collection frees. */
function heapInUse(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed / 1e6;
}

/** The process that reads the inputs. */
interface Reader {
  readonly pid: number;
  readonly heap: () => Promise<number>;
}

async function inSteps(
  name: keyof typeof SHARES,
  run: (plan: FuzzPlan) => Promise<FuzzReport>,
  { pid, heap }: Reader,
): Promise<void> {
  const end = from + Math.round(inputs * SHARES[name]);
  const steps = Math.ceil((end - from) / STEP);
  const reports: FuzzReport[] = [];
  const heaps: number[] = [];
  const sizes: number[] = [];
  for (let step = 0; step < steps; step += 1) {
    const start = from + step * STEP;
    reports.push(await run({ seed, from: start, to: Math.min(start + STEP, end) }));
    process.stderr.write(`${name} ${start}\r`);
    if (Math.floor((step * LOOKS) / (steps - 1)) < heaps.length) continue;
    heaps.push(await heap());
    sizes.push(usage(pid).rss);
  }
  const findings = reports.flatMap((report) => report.findings);
  const growth = (heaps.at(-1) ?? 0) - (heaps[0] ?? 0);
  if (growth > MAX_GROWTH) findings.push(`the heap grew by ${growth.toFixed(1)} MB`);
  const sum = (of: (report: FuzzReport) => number): number => reports.reduce((total, report) => total + of(report), 0);
  const count = sum((report) => report.inputs);
  const results: Record<string, number> = {};
  for (const [result, times] of reports.flatMap((report) => Object.entries(report.results))) {
    results[result] = (results[result] ?? 0) + times;
  }
  const memory = [heaps, sizes].map((values) => values.map((value) => value.toFixed(0)).join(', ')).join(' | ');
  const rate = Math.round(count / sum((report) => report.seconds));
  print(`| ${name} | ${count} | ${rate} | ${findings.length} | ${JSON.stringify(results)} | ${memory} |`);
  for (const finding of findings.slice(0, 20)) print(finding);
  found += findings.length;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

try {
  await main();
} finally {
  for (const work of works.toReversed()) await work();
}
process.exit(found === 0 ? 0 : 1);
