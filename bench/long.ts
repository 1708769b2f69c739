import { writeFileSync } from 'node:fs';
import { drained, pause, startGateway } from './gateway.ts';
import type { LoadResult } from './load.ts';
import { type Peer, runLoad, startPeer } from './peers.ts';
import { machine } from './report.ts';

// node bench/long.ts [--write]: a million webhooks, then a backlog of a million; prints docs/performance-long.md.

async function main(): Promise<void> {
  const generator = await startPeer('generator');
  const text = `# A million webhooks, and a backlog of a million

Printed by \`node bench/long.ts --write\`. No figure on this page is typed by hand. One run on one machine (${machine()}). The gateway, the
load generator and a stand-in for Brigade share all cores. Brigade answers at once.

The first table shows whether memory grows with the number of webhooks. The test sends webhooks over 64 connections as fast as
they are answered, and waits until each hundred thousand is delivered before it sends the next.

${await million(generator)}
The second table shows what happens when Brigade comes back after a long time. A million events wait. The gateway delivers them
while more arrive at 1,000/s, and then while nothing arrives.

${await backlog(generator)}`;
  generator.stop();
  process.stdout.write(text);
  if (process.argv.includes('--write')) writeFileSync(new URL('../docs/performance-long.md', import.meta.url), text);
}

function table(what: string, lines: readonly string[]): string {
  return `| ${what} |\n|${'---|'.repeat(what.split('|').length)}\n${lines.join('\n')}\n`;
}

/** Whether memory grows with what was received: a million webhooks, delivered as they come. */
async function million(generator: Peer): Promise<string> {
  const brigade = await startPeer('brigade', '0');
  const gateway = await startGateway(brigade.port);
  const lines: string[] = [];
  for (let part = 1; part <= 10; part++) {
    const plan = { port: gateway.port, connections: 64, ms: 600_000, requests: 100_000, bodyBytes: 600 };
    const result = await runLoad(generator, plan);
    await drained(gateway.pending);
    const { rss } = gateway.usage();
    lines.push(`| ${part}00,000 | ${Math.round(result.ok / result.seconds)} | ${Math.round(rss)} |`);
  }
  await gateway.stop();
  brigade.stop();
  return table('webhooks so far | acknowledged/s | RSS, MB', lines);
}

/** A million events gathered while Brigade is away, delivered while more come in at a steady rate. */
async function backlog(generator: Peer): Promise<string> {
  const away = await startPeer('brigade', '0');
  const { port } = away;
  away.stop();
  const gateway = await startGateway(port);
  const shape = { port: gateway.port, bodyBytes: 600, connections: 64 };
  await runLoad(generator, { ...shape, ms: 900_000, requests: 1_000_000 });
  const steady = { ...shape, ms: 10_000, ratePerSecond: 1000 };
  const without = await runLoad(generator, steady);
  const brigade = await startPeer('brigade', '0', String(port));
  while ((await brigade.ask({})).count === 0) await pause(100);
  const before = (await brigade.ask({})).count;
  const during = await runLoad(generator, steady);
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
  const lines = [
    line('Brigade away', without, 0),
    line('draining', during, rate),
    `| draining, nothing coming in | – | – | – | ${Math.round(drainRate)} |`,
  ];
  const what = 'backlog of 1,000,000 | acknowledged/s | p50, ms | p99, ms | delivered/s';
  return `${table(what, lines)}\nPeak RSS: ${Math.round(peakRss)} MB.\n`;
}

await main();
process.exit();
