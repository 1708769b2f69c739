import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { drained, pause, startGateway } from './gateway.ts';
import type { LoadPlan, LoadResult } from './load.ts';
import { type Peer, runLoad, startPeer } from './peers.ts';
import { plot, type Row, report, type Start } from './report.ts';

// npm run bench                  prints the tables
// npm run bench -- --write       and puts them into docs/performance.md
// npm run bench -- --seconds 3 --rounds 1   for a quick look; a dot on standard error is a load that has begun
// npm run bench -- --baseline DIR           compares with another checkout that has its dependencies, in the same run
// npm run bench -- --shapes 2,4             only the second and the fourth kind of load

const { values: flags } = parseArgs({
  options: {
    write: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '6' },
    rounds: { type: 'string', default: '3' },
    baseline: { type: 'string' },
    shapes: { type: 'string', default: '1,2,3,4,5,6' },
  },
});
const ms = Number(flags.seconds) * 1000;
const rounds = Number(flags.rounds);

/** Load before a measurement, milliseconds: the measurement is of a server that has run for a while. */
const WARM_UP_MS = 8_000;

/** At low rates a shorter time says too little. */
const QUIET_MS = 30_000;

type Shape = Pick<LoadPlan, 'connections' | 'bodyBytes' | 'ratePerSecond'>;

/** The other checkout takes part as a gateway of its own. */
interface Contender {
  readonly what: string;
  readonly delayMs: number;
  readonly checkout?: string;
}

const CONTENDERS: readonly Contender[] = [
  { what: 'gateway, Brigade 5 ms', delayMs: 5 },
  ...(flags.baseline === undefined
    ? [{ what: 'gateway, Brigade 0 ms', delayMs: 0 }]
    : [{ what: 'baseline, Brigade 5 ms', delayMs: 5, checkout: flags.baseline }]),
];

async function main(): Promise<void> {
  const generator = await startPeer('generator');
  const rows: Row[] = [];
  for (const number of flags.shapes.split(',')) {
    const { name, shape } = SHAPES[Number(number) - 1] ?? fail(`there is no load ${number}`);
    rows.push(...(shape === undefined ? await compareIdle(name) : await compare(generator, name, shape)));
  }
  const start = await measureStart();
  generator.stop();
  const text = report({ rows, start, ms, rounds, isCompared: flags.baseline !== undefined });
  process.stdout.write(text);
  if (!flags.write) return;
  mkdirSync(new URL('../docs/', import.meta.url), { recursive: true });
  writeFileSync(new URL('../docs/performance.md', import.meta.url), text);
  writeFileSync(new URL('../docs/performance.svg', import.meta.url), plot(rows));
}

/** Without a shape: nothing is sent. */
const SHAPES: readonly { readonly name: string; readonly shape?: Shape }[] = [
  { name: '32 connections, 0.6 kB', shape: { connections: 32, bodyBytes: 600 } },
  { name: '256 connections, 0.6 kB', shape: { connections: 256, bodyBytes: 600 } },
  { name: '1,000/s, 0.6 kB', shape: { connections: 64, bodyBytes: 600, ratePerSecond: 1000 } },
  { name: '32 connections, 1 MiB', shape: { connections: 32, bodyBytes: 1024 * 1024 } },
  { name: '10/s, 0.6 kB', shape: { connections: 4, bodyBytes: 600, ratePerSecond: 10 } },
  { name: 'idle' },
];

/** The medians of rounds of floor and gateway in turn, so that a machine that becomes slower does so for both. */
async function compare(generator: Peer, name: string, shape: Shape): Promise<readonly Row[]> {
  const measured: Row[][] = [[], [], ...CONTENDERS.map(() => [])];
  for (let round = 0; round < rounds; round++) {
    const floor = await measureFloor(generator, name, shape);
    measured[0]?.push(floor);
    measured[1]?.push(await measureDurableFloor(generator, name, shape, floor));
    for (const [index, contender] of CONTENDERS.entries()) {
      measured[index + 2]?.push(await measureGateway(generator, name, shape, contender, floor));
    }
  }
  return measured.map(median);
}

async function compareIdle(name: string): Promise<readonly Row[]> {
  const measured: Row[][] = CONTENDERS.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, contender] of CONTENDERS.entries()) measured[index]?.push(await measureIdle(name, contender));
  }
  return measured.map(median);
}

async function measureIdle(name: string, { what, delayMs, checkout }: Contender): Promise<Row> {
  const brigade = await startPeer('brigade', String(delayMs));
  const gateway = await startGateway(brigade.port, { ...(checkout !== undefined && { checkout }) });
  await pause(WARM_UP_MS);
  const before = gateway.usage().cpu;
  process.stderr.write('.');
  await pause(QUIET_MS);
  const { cpu, peakRss } = gateway.usage();
  await gateway.stop();
  brigade.stop();
  const coreShare = (cpu - before) / (QUIET_MS / 1000);
  return { what: `${name}: ${what}`, acksPerSecond: 0, ofFloor: 0, p50: 0, p99: 0, coreShare, peakRss };
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

async function measureGateway(
  generator: Peer,
  name: string,
  shape: Shape,
  { what, delayMs, checkout }: Contender,
  floor: Row,
): Promise<Row> {
  const brigade = await startPeer('brigade', String(delayMs));
  const gateway = await startGateway(brigade.port, { ...(checkout !== undefined && { checkout }) });
  await loadFor(generator, { ...shape, port: gateway.port }, WARM_UP_MS);
  const before = gateway.usage().cpu;
  const deliveredBefore = (await brigade.ask({})).count;
  const isQuiet = (shape.ratePerSecond ?? 1000) < 100;
  const result = await loadFor(generator, { ...shape, port: gateway.port }, isQuiet ? QUIET_MS : ms);
  const delivered = (await brigade.ask({})).count - deliveredBefore;
  await drained(gateway.pending);
  const { cpu, peakRss } = gateway.usage();
  await gateway.stop();
  brigade.stop();
  return {
    ...row(`${name}: ${what}`, result, undefined),
    ofFloor: result.ok / result.seconds / floor.acksPerSecond,
    deliveredPerSecond: delivered / result.seconds,
    cpuPer1000: ((cpu - before) / result.ok) * 1000,
    coreShare: (cpu - before) / result.seconds,
    peakRss,
  };
}

async function loadWarm(generator: Peer, target: Shape & { port: number }): Promise<LoadResult> {
  await loadFor(generator, target, WARM_UP_MS);
  return loadFor(generator, target, ms);
}

function fail(why: string): never {
  throw new Error(why);
}

function loadFor(generator: Peer, target: Shape & { port: number }, duration: number): Promise<LoadResult> {
  process.stderr.write('.');
  return runLoad(generator, { ...target, ms: duration });
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

await main();
process.exit();
