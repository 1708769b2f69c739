import { parseArgs } from 'node:util';
import { BODY_KINDS, type BodyKind, eventsOf } from './bodies.ts';
import { drained, startGateway } from './gateway.ts';
import { type Peer, runLoad, startPeer } from './peers.ts';

// npx node bench/formats.ts --seconds 6 --rounds 3   what an event costs in each format, beside the native one

const { values: flags } = parseArgs({
  options: { seconds: { type: 'string', default: '6' }, rounds: { type: 'string', default: '3' } },
});

interface Cost {
  readonly eventsPerSecond: number;
  /** CPU seconds of the gateway for 1,000 events, until they are delivered. */
  readonly cpuPer1000: number;
}

async function measure(generator: Peer, body: BodyKind): Promise<Cost> {
  const brigade = await startPeer('brigade', '0');
  const gateway = await startGateway(brigade.port);
  const plan = { port: gateway.port, body, connections: 32, bodyBytes: 600 };
  await runLoad(generator, { ...plan, ms: 2_000 });
  await drained(gateway.pending);
  const before = gateway.usage().cpu;
  const { ok, seconds } = await runLoad(generator, { ...plan, ms: Number(flags.seconds) * 1000 });
  await drained(gateway.pending);
  const events = ok * eventsOf(body);
  const { cpu } = gateway.usage();
  await gateway.stop();
  brigade.stop();
  return { eventsPerSecond: events / seconds, cpuPer1000: ((cpu - before) / events) * 1000 };
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

/** Measures all formats in each round, so that a machine that becomes slower does so for all. */
async function main(): Promise<void> {
  const generator = await startPeer('generator');
  const measured = new Map<BodyKind, Cost[]>(BODY_KINDS.map((kind) => [kind, []]));
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const [kind, costs] of measured) costs.push(await measure(generator, kind));
  }
  generator.stop();
  process.stdout.write('| format | events/s | CPU-s per 1,000 events | of native |\n|---|---|---|---|\n');
  const cpuOf = (kind: BodyKind) => median(measured.get(kind)?.map(({ cpuPer1000 }) => cpuPer1000) ?? []);
  for (const [kind, costs] of measured) {
    const rate = median(costs.map(({ eventsPerSecond }) => eventsPerSecond));
    const share = cpuOf(kind) / cpuOf('acr');
    process.stdout.write(`| ${kind} | ${Math.round(rate)} | ${cpuOf(kind).toFixed(3)} | ${share.toFixed(2)} |\n`);
  }
}

await main();
process.exit();
