import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ATTACKS, type Attack, type AttackName, isAttackName, needsTls } from '../test/support/hostile/attacks.ts';
import { type LimitsReport, runAtLimits } from '../test/support/hostile/caller-at-limits.ts';
import {
  type HostileRow,
  JOURNAL_MAX_MB,
  runAttacks,
  startHostileGateway,
} from '../test/support/hostile/hostile-gateway.ts';
import type { Cleanup } from '../test/support/stub-brigade.ts';
import { startPeer } from './peers.ts';
import { machine } from './report.ts';

// node bench/hostile.ts                   every attack for 30 s, then pairs of the strongest; prints docs/performance-hostile.md
// node bench/hostile.ts --write           and writes that page
// node bench/hostile.ts --short           5 s each
// node bench/hostile.ts --attack batches  one attack; repeat it for several at the same time
// node bench/hostile.ts --limits          only the caller at its limits

const { values: flags } = parseArgs({
  options: {
    attack: { type: 'string', multiple: true, default: [] },
    limits: { type: 'boolean', default: false },
    seconds: { type: 'string' },
    short: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});

const seconds = Number(flags.seconds ?? (flags.short ? 5 : 30));
/** From the end of an attack until the memory is looked at. */
const REST_S = flags.short ? 3 : 10;

/** How long one caller sends as much as it can. */
const LIMITS_S = flags.short ? 5 : 60;

/** All pairs of these run too. */
const STRONGEST = [
  'idle-everywhere',
  'pipelining',
  'unread-receipts',
  'unreadable-batches',
  'batches',
  'globs',
] as const;

const PAIRS = STRONGEST.flatMap((one, index) => STRONGEST.slice(index + 1).map((other) => [one, other]));

async function main(): Promise<void> {
  const chosen = flags.attack.map((name) => {
    if (!isAttackName(name)) throw new Error(`no attack ${name}: ${Object.keys(ATTACKS).join(', ')}`);
    return name;
  });
  if (chosen.length > 0) return print(table([await measure(chosen)]));
  const atLimits = await withCleanup((cleanup) => runAtLimits(cleanup, LIMITS_S * 1000));
  if (flags.limits) return print(limitsSection(atLimits));
  const single: HostileRow[] = [];
  for (const name of Object.keys(ATTACKS).filter(isAttackName)) single.push(await measure([name]));
  const pairs: HostileRow[] = [];
  for (const pair of PAIRS) pairs.push(await measure(pair));
  const text = page(single, pairs, atLimits);
  print(text);
  if (flags.write) writeFileSync(new URL('../docs/performance-hostile.md', import.meta.url), text);
}

/** Each run has a gateway of its own. */
function measure(attacks: readonly AttackName[]): Promise<HostileRow> {
  return withCleanup(async (cleanup) => {
    const brigade = await startPeer('brigade', '0');
    cleanup.after(() => brigade.stop());
    const gateway = await startHostileGateway(cleanup, brigade.port, attacks.some(needsTls));
    const row = await runAttacks(gateway, attacks, { ms: seconds * 1000, restMs: REST_S * 1000 });
    process.stderr.write(`${line(row)} ${JSON.stringify({ reasons: row.reasons, answers: row.answers })}\n`);
    return row;
  });
}

async function withCleanup<T>(run: (cleanup: Cleanup) => Promise<T>): Promise<T> {
  const works: (() => unknown)[] = [];
  try {
    return await run({ after: (work) => works.push(work) });
  } finally {
    for (const work of works.toReversed()) await work();
  }
}

function page(single: readonly HostileRow[], pairs: readonly HostileRow[], atLimits: LimitsReport): string {
  const attacks: readonly (readonly [string, Attack])[] = Object.entries(ATTACKS);
  return `# Under attack

Printed by \`node bench/hostile.ts ${flags.short ? '--short' : `--seconds ${seconds}`} --write\`. No figure on this page is typed by hand. One run on one machine (${machine()}). The gateway,
the attackers, the well-behaved caller and a stand-in for Brigade share all cores.

Each row is ${seconds} s of one attack on a gateway of its own, with default settings but for a journal of at most ${JOURNAL_MAX_MB} MB. Meanwhile another
caller sends ten webhooks a second as ACR does: each on a new connection, with five seconds for the answer, once. A webhook is
lost when its event was not accepted in that time. What attackers wrote is what the kernel took from them. A probe is green unless it fails three times in a row.

| attack | what it does |
|---|---|
${attacks.map(([name, { about }]) => `| \`${name}\` | ${about} |`).join('\n')}

## One attack

${table(single)}
## Two attacks at the same time

${table(pairs)}
${limitsSection(atLimits)}
The limits that decide these figures are in [limits](limits.md).

## Goals that are not reached yet

In every row: no webhook lost, a p99 below 500 ms, a peak RSS below 300 MB that returns to within 30 % of what it was, and a
journal that grows by at most three times what was sent. Node accepts one connection in each turn of the event loop: a flood of
connections from many addresses, beside batches that make turns long, fills the queue of the kernel.
`;
}

function limitsSection({ answers, books }: LimitsReport): string {
  const { acknowledged, delivered, pending } = books;
  return `## One caller at its limits

For ${LIMITS_S} s one caller has more webhooks in flight than it may, and sends batches that wait longer than they may. Webhooks by the
status of their answer, each 429 and 503 with \`Retry-After\`: ${JSON.stringify(answers)}. After the gateway shut down, each
of the ${acknowledged} acknowledged events is in the books once: ${delivered} are delivered and ${pending} are pending.
`;
}

function table(rows: readonly HostileRow[]): string {
  return `| attack | webhooks sent | lost | p50, ms | p99, ms | longest, ms | peak RSS, MB | RSS before and ${REST_S} s after, MB | attackers wrote, MB | journal grew, MB | log, MB | probes |
|---|---|---|---|---|---|---|---|---|---|---|---|
${rows.map(line).join('\n')}
`;
}

function line(row: HostileRow): string {
  const cells = [
    row.attacks.map((name) => `\`${name}\``).join(' + '),
    row.sent,
    row.lost,
    row.p50.toFixed(1),
    row.p99.toFixed(0),
    row.max.toFixed(0),
    row.peakRss.toFixed(0),
    `${row.rssBefore.toFixed(0)}, ${row.rssAfter.toFixed(0)}`,
    row.attackersSent.toFixed(1),
    row.journalGrowth.toFixed(1),
    row.logGrowth.toFixed(1),
    row.redProbes.length === 0 ? 'green' : `red: ${row.redProbes.join(', ')}`,
  ];
  return `| ${cells.join(' | ')} |`;
}

function print(text: string): void {
  process.stdout.write(text);
}

process.once('SIGTERM', () => process.exit(1));
process.once('SIGINT', () => process.exit(1));
await main();
process.exit();
