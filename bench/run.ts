import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { startGateway, TOKEN } from './gateway.ts';
import type { LoadPlan, LoadResult } from './load.ts';
import { type Peer, startPeer } from './peers.ts';
import { plot, report } from './report.ts';

// npm run bench                  prints the tables
// npm run bench -- --write       and puts them into docs/performance.md
// npm run bench -- --long        with a million webhooks, and a backlog of a million
// npm run bench -- --seconds 3 --rounds 1   for a quick look; a dot on standard error is a load that has begun

/** One measured run. */
export interface Row {
  readonly what: string;
  readonly acksPerSecond: number;
  /** Acknowledged in the run over acknowledged by the floor in the same round. */
  readonly ofFloor: number;
  readonly p50: number;
  readonly p99: number;
  /** While it was accepting. */
  readonly deliveredPerSecond?: number;
  /** Of the gateway alone, until everything was delivered. */
  readonly cpuPer1000?: number;
  readonly peakRss?: number;
}

export interface Start {
  readonly startMs: number;
  readonly idleRss: number;
}

export interface Long {
  readonly what: string;
  readonly lines: readonly string[];
}

const { values: flags } = parseArgs({
  options: {
    write: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '6' },
    rounds: { type: 'string', default: '3' },
  },
});
const ms = Number(flags.seconds) * 1000;
const rounds = Number(flags.rounds);

/** Load before a measurement, milliseconds: a server that runs for weeks is measured, not the first seconds of its code. */
const WARM_UP_MS = 8_000;

type Shape = Pick<LoadPlan, 'connections' | 'bodyBytes' | 'ratePerSecond'>;

async function main(): Promise<void> {
  const generator = await startPeer('generator');
  const rows: Row[] = [];
  for (const { name, shape } of SHAPES) rows.push(...(await compare(generator, name, shape)));
  const start = await measureStart();
  const long = flags.long ? [await million(generator), await backlog(generator)] : [];
  generator.stop();
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
  const text = report({ machine, rows, start, long, ms, rounds });
  process.stdout.write(text);
  if (!flags.write) return;
  mkdirSync(new URL('../docs/', import.meta.url), { recursive: true });
  writeFileSync(new URL('../docs/performance.md', import.meta.url), text);
  writeFileSync(new URL('../docs/performance.svg', import.meta.url), plot(rows));
}

const SHAPES: readonly { readonly name: string; readonly shape: Shape }[] = [
  { name: '32 connections, 0.6 kB', shape: { connections: 32, bodyBytes: 600 } },
  { name: '256 connections, 0.6 kB', shape: { connections: 256, bodyBytes: 600 } },
  { name: '1,000/s, 0.6 kB', shape: { connections: 64, bodyBytes: 600, ratePerSecond: 1000 } },
  { name: '32 connections, 1 MiB', shape: { connections: 32, bodyBytes: 1024 * 1024 } },
];

/** Floor and gateway in turn, so that a machine that grows slower does so for both; the median of the rounds of each. */
async function compare(generator: Peer, name: string, shape: Shape): Promise<readonly Row[]> {
  const measured: Row[][] = [[], [], [], []];
  for (let round = 0; round < rounds; round++) {
    const floor = await measureFloor(generator, name, shape);
    measured[0]?.push(floor);
    measured[1]?.push(await measureDurableFloor(generator, name, shape, floor));
    for (const [index, delayMs] of [5, 0].entries()) {
      measured[index + 2]?.push(await measureGateway(generator, name, shape, delayMs, floor));
    }
  }
  return measured.map(median);
}

async function measureFloor(generator: Peer, name: string, shape: Shape): Promise<Row> {
  const floor = await startPeer('floor');
  const result = await loadWarm(generator, { ...shape, port: floor.port });
  floor.stop();
  return row(`${name}: floor`, result, result);
}

async function measureDurableFloor(generator: Peer, name: string, shape: Shape, floor: Row): Promise<Row> {
  const peer = await startPeer('durable-floor');
  const result = await loadWarm(generator, { ...shape, port: peer.port });
  peer.stop();
  const ofFloor = result.ok / result.seconds / floor.acksPerSecond;
  return { ...row(`${name}: floor, each body synced`, result, undefined), ofFloor };
}

async function measureGateway(generator: Peer, name: string, shape: Shape, delayMs: number, floor: Row): Promise<Row> {
  const brigade = await startPeer('brigade', String(delayMs));
  const gateway = await startGateway(brigade.port);
  await loadFor(generator, { ...shape, port: gateway.port }, WARM_UP_MS);
  const before = gateway.usage().cpu;
  const deliveredBefore = (await brigade.ask({})).count;
  const result = await loadFor(generator, { ...shape, port: gateway.port }, ms);
  const delivered = (await brigade.ask({})).count - deliveredBefore;
  await drained(gateway.pending);
  const { cpu, peakRss } = gateway.usage();
  await gateway.stop();
  brigade.stop();
  return {
    ...row(`${name}: gateway, Brigade ${delayMs} ms`, result, undefined),
    ofFloor: result.ok / result.seconds / floor.acksPerSecond,
    deliveredPerSecond: delivered / result.seconds,
    cpuPer1000: ((cpu - before) / result.ok) * 1000,
    peakRss,
  };
}

async function loadWarm(generator: Peer, target: Shape & { port: number }): Promise<LoadResult> {
  await loadFor(generator, target, WARM_UP_MS);
  return loadFor(generator, target, ms);
}

let runs = 0;

async function loadFor(generator: Peer, target: Shape & { port: number }, duration: number): Promise<LoadResult> {
  runs += 1;
  process.stderr.write('.');
  const plan: LoadPlan = { ...target, token: TOKEN, ms: duration, run: `${process.pid}-${runs}` };
  const { result, error } = await generator.ask(plan);
  if (error !== undefined) throw new Error(error);
  if (result.failed > 0) process.stderr.write(`${result.failed} requests failed\n`);
  return result;
}

function row(what: string, { ok, seconds, p50, p99 }: LoadResult, floor: LoadResult | undefined): Row {
  return { what, acksPerSecond: ok / seconds, ofFloor: floor === undefined ? 0 : 1, p50, p99 };
}

function median(rows: readonly Row[]): Row {
  const sorted = [...rows].sort((a, b) => a.acksPerSecond - b.acksPerSecond);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error('no rounds');
  return middle;
}

async function drained(pending: () => Promise<number>): Promise<void> {
  while ((await pending()) > 0) await pause(100);
}

function pause(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration));
}

/** The second start: the first has filled Node's compile cache. */
async function measureStart(): Promise<Start> {
  const brigade = await startPeer('brigade', '0');
  await (await startGateway(brigade.port)).stop();
  const gateway = await startGateway(brigade.port);
  await pause(10_000);
  const { rss } = gateway.usage();
  await gateway.stop();
  brigade.stop();
  return { startMs: gateway.startMs, idleRss: rss };
}

/** Whether memory grows with what was received: a million webhooks, delivered as they come. */
async function million(generator: Peer): Promise<Long> {
  const brigade = await startPeer('brigade', '0');
  const gateway = await startGateway(brigade.port);
  const lines: string[] = [];
  for (let part = 1; part <= 10; part++) {
    const plan = { port: gateway.port, token: TOKEN, connections: 64, ms: 600_000, requests: 100_000, bodyBytes: 600 };
    const { result } = await generator.ask({ ...plan, run: `million-${part}` });
    await drained(gateway.pending);
    const { rss } = gateway.usage();
    lines.push(`| ${part}00,000 | ${Math.round(result.ok / result.seconds)} | ${Math.round(rss)} |`);
  }
  await gateway.stop();
  brigade.stop();
  return { what: 'webhooks so far | acknowledged/s | RSS, MB', lines };
}

/** A million events gathered while Brigade is away, delivered while more come in at a steady rate. */
async function backlog(generator: Peer): Promise<Long> {
  const away = await startPeer('brigade', '0');
  const { port } = away;
  away.stop();
  const gateway = await startGateway(port);
  const shape = { port: gateway.port, token: TOKEN, bodyBytes: 600, connections: 64 };
  await generator.ask({ ...shape, ms: 900_000, requests: 1_000_000, run: 'backlog' });
  const steady = { ...shape, ms: 10_000, ratePerSecond: 1000 };
  const { result: without } = await generator.ask({ ...steady, run: 'without' });
  const brigade = await startPeer('brigade', '0', String(port));
  while ((await brigade.ask({})).count === 0) await pause(100);
  const before = (await brigade.ask({})).count;
  const { result: during } = await generator.ask({ ...steady, run: 'during' });
  const rate = ((await brigade.ask({})).count - before) / during.seconds;
  const began = performance.now();
  const left = await gateway.pending();
  await drained(gateway.pending);
  const drainRate = (left / (performance.now() - began)) * 1000;
  const { peakRss } = gateway.usage();
  await gateway.stop();
  brigade.stop();
  const line = (what: string, { ok, seconds, p50, p99 }: LoadResult, delivered: number) =>
    `| ${what} | ${Math.round(ok / seconds)} | ${p50.toFixed(1)} | ${p99.toFixed(1)} | ${Math.round(delivered)} |`;
  return {
    what: 'backlog of 1,000,000 | acknowledged/s | p50, ms | p99, ms | delivered/s',
    lines: [
      line('Brigade away', without, 0),
      line('draining', during, rate),
      `| draining, nothing coming in | – | – | – | ${Math.round(drainRate)} |`,
      `| peak RSS: ${Math.round(peakRss)} MB | | | | |`,
    ],
  };
}

await main();
process.exit();
