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

/** The part of all inputs that each target gets. */
const SHARES = { http: 0.27, decode: 0.5, tokens: 0.2, config: 0.03 } as const;

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const works: (() => unknown)[] = [];
let found = 0;

async function main(): Promise<void> {
  print(`seed ${seed}, inputs from ${from}`);
  print(
    '| target | inputs | inputs/s | findings | results | heap (of the gateway: RSS) after the first inputs and at the end, MB |',
  );
  print('|---|---|---|---|---|---|');
  for (const name of ['decode', 'tokens', 'config'] as const) {
    await inSteps(name, async (plan) => fuzzReader(name, plan), heapInUse);
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
  const gateway = await serve(cleanup, installation);
  await inSteps(
    'http',
    (plan) => fuzzPort(gateway.ingestPort, plan),
    () => usage(gateway.process.pid).rss,
  );
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

async function inSteps(
  name: keyof typeof SHARES,
  run: (plan: FuzzPlan) => Promise<FuzzReport>,
  measure: () => number,
): Promise<void> {
  const end = from + Math.round(inputs * SHARES[name]);
  const reports: FuzzReport[] = [];
  let atFirst: number | undefined;
  for (let start = from; start < end; start += STEP) {
    reports.push(await run({ seed, from: start, to: Math.min(start + STEP, end) }));
    atFirst ??= measure();
    process.stderr.write(`${name} ${start}\r`);
  }
  const findings = reports.flatMap((report) => report.findings);
  const sum = (of: (report: FuzzReport) => number): number => reports.reduce((total, report) => total + of(report), 0);
  const count = sum((report) => report.inputs);
  const results: Record<string, number> = {};
  for (const [result, times] of reports.flatMap((report) => Object.entries(report.results))) {
    results[result] = (results[result] ?? 0) + times;
  }
  const memory = `${Math.round(atFirst ?? 0)}, ${Math.round(measure())}`;
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
