import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type BenchGateway, cpuByThread, drained, type Start, startGateway } from './gateway.ts';
import { type Peer, runLoad, startPeer } from './peers.ts';

// Where the CPU of an event goes, by thread and by stage:
//
//   node bench/cpu.ts                     32 connections, Brigade 5 ms
//   node bench/cpu.ts --rate 1000         at a fixed rate
//   node bench/cpu.ts --baseline DIR      beside another checkout that has its dependencies, in turn
//   node bench/cpu.ts --files             stages by file instead of by folder
//
// The threads are measured without the profiler, over as many events as were sent before to warm up. One more gateway runs
// with it, and its samples, of all its time, say how each thread's time divides. Samples in a library or in Node count for the
// file of ours that called it.

const { values: flags } = parseArgs({
  options: {
    connections: { type: 'string', default: '32' },
    rate: { type: 'string' },
    events: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '3' },
    baseline: { type: 'string' },
    files: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: true },
  },
  allowNegative: true,
});
const events = Number(flags.events);
const rate = flags.rate === undefined ? undefined : Number(flags.rate);
const load = {
  connections: Number(flags.connections),
  bodyBytes: 600,
  ...(rate === undefined ? { ms: 600_000, requests: events } : { ms: (events / rate) * 1000, ratePerSecond: rate }),
};
const checkouts: readonly Start[] = [{}, ...(flags.baseline === undefined ? [] : [{ checkout: flags.baseline }])];

/** Microseconds for each event. */
type Costs = Map<string, number>;

interface Frame {
  readonly functionName: string;
  readonly url: string;
}

/** What Node writes with `--cpu-prof`. */
interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: Frame; readonly children?: readonly number[] }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

async function main(): Promise<void> {
  const generator = await startPeer('generator');
  const brigade = await startPeer('brigade', '5');
  const measured: Costs[][] = checkouts.map(() => []);
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const [index, start] of checkouts.entries())
      measured[index]?.push(await measureThreads(generator, brigade, start));
  }
  for (const [index, start] of checkouts.entries()) {
    const { checkout = 'this checkout' } = start;
    const threads = medianOf(measured[index] ?? []);
    print(`${checkout}: thread`, threads);
    if (!flags.profile) continue;
    for (const [thread, shares] of await profile(generator, brigade, start)) {
      const cost = threads.get(thread) ?? 0;
      print(`${checkout}: stage of ${thread}`, new Map(Array.from(shares, ([stage, share]) => [stage, share * cost])));
    }
  }
  generator.stop();
  brigade.stop();
}

/** Of the round in the middle. */
function medianOf(rounds: readonly Costs[]): Costs {
  return [...rounds].sort((a, b) => sum(a) - sum(b))[Math.floor(rounds.length / 2)] ?? new Map();
}

async function measureThreads(generator: Peer, brigade: Peer, start: Start): Promise<Costs> {
  const gateway = await startGateway(brigade.port, start);
  await sendAll(generator, gateway);
  const before = cpuByThread(gateway.pid);
  const sent = await sendAll(generator, gateway);
  const costs: Costs = new Map();
  for (const [thread, seconds] of cpuByThread(gateway.pid)) {
    costs.set(thread, ((seconds - (before.get(thread) ?? 0)) / sent) * 1e6);
  }
  await gateway.stop();
  return costs;
}

/** Returns how many events were sent, and delivered. */
async function sendAll(generator: Peer, { port, pending }: BenchGateway): Promise<number> {
  const { ok } = await runLoad(generator, { ...load, port });
  await drained(pending);
  return ok;
}

/** The shares of the stages in the time of each thread. */
async function profile(generator: Peer, brigade: Peer, start: Start): Promise<ReadonlyMap<string, Costs>> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-cpu-'));
  const nodeFlags = ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=500'];
  const gateway = await startGateway(brigade.port, { ...start, nodeFlags });
  await sendAll(generator, gateway);
  await sendAll(generator, gateway);
  const threads = [...cpuByThread(gateway.pid).keys()];
  await gateway.stop();
  const shares = new Map<string, Costs>();
  for (const name of readdirSync(folder)) {
    const costs = byStage(JSON.parse(readFileSync(join(folder, name), 'utf8')));
    const total = sum(costs);
    // CPU.20261124.215543.4242.0.001.cpuprofile: the fifth part is the number of the thread, 0 for the main one.
    const isMain = name.split('.')[4] === '0';
    const thread = isMain ? 'MainThread' : threads.find((each) => /journal|WorkerThread/.test(each));
    shares.set(thread ?? name, new Map(Array.from(costs, ([stage, time]) => [stage, time / total])));
  }
  rmSync(folder, { recursive: true });
  return shares;
}

/** The samples of a profile, without the idle ones, each with the nearest caller that is ours. */
function byStage({ nodes, samples, timeDeltas }: Profile): Costs {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const stages = new Map(nodes.map(({ id }) => [id, stageOf(id)]));
  const costs: Costs = new Map();
  for (const [index, id] of samples.entries()) {
    const stage = stages.get(id) ?? '';
    if (stage !== '(idle)') costs.set(stage, (costs.get(stage) ?? 0) + (timeDeltas[index] ?? 0));
  }
  return costs;

  function stageOf(id: number): string {
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const path = /\/((?:src|packages)\/.+\.ts)$/.exec(frames.get(at)?.url ?? '')?.[1];
      if (path !== undefined) return flags.files ? path : path.split('/').slice(0, 2).join('/');
    }
    const { functionName = '', url = '' } = frames.get(id) ?? {};
    return functionName.startsWith('(') ? functionName : url;
  }
}

function sum(costs: Costs): number {
  return costs.values().reduce((total, cost) => total + cost, 0);
}

function print(what: string, costs: Costs): void {
  const sorted = [...costs].sort(([, a], [, b]) => b - a).filter(([, cost]) => cost >= 0.5);
  const lines = sorted.map(([name, cost]) => `| ${name} | ${cost.toFixed(1)} |`);
  process.stdout.write(
    `| ${what} | µs of CPU for each event |\n|---|---|\n${lines.join('\n')}\n| all | ${sum(costs).toFixed(1)} |\n\n`,
  );
}

await main();
process.exit();
