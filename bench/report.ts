import { cpus, totalmem } from 'node:os';

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
  /** Of one core, while it was accepting and until everything was delivered. */
  readonly coreShare?: number;
  readonly peakRss?: number;
}

export interface Start {
  readonly startMs: number;
  readonly idleRss: number;
}

export interface Report {
  readonly rows: readonly Row[];
  readonly start: Start;
  readonly ms: number;
  readonly rounds: number;
  /** With another checkout, row by row: its rows come after ours. */
  readonly isCompared: boolean;
}

const GOALS = `## Goals that are not reached yet

0.6 of the floor, a p99 below 12 ms at 32 connections and below 4 ms at 1,000/s, 4,000 deliveries/s while accepting, an idle RSS below
90 MB and a peak below 200 MB.
`;

/** The text of `docs/performance.md`. */
export function report({ rows, start, ms, rounds, isCompared }: Report): string {
  return `# Performance

Printed by \`npm run bench -- --rounds ${rounds} --seconds ${ms / 1000} --write\` (\`bench/\`). No figure on this page is typed by hand.

One run on one machine (${machine()}). The gateway, the load generator and a stand-in for Brigade share all
cores. Each figure is from ${rounds === 1 ? 'one round' : `the median of ${rounds} interleaved rounds`} of ${ms / 1000} s, after 8 s of the same load. Absolute figures depend on the machine and
the day: compare the column "of the floor".

- The **floor** is a bare \`node:http\` server that reads the body and answers 200. It uses the same Node and the same load generator,
  and writes nothing.
- The floor **with each body synced** appends each body to a file and answers after an fdatasync, one for all bodies that arrived in
  the meantime. This is the cost of the promise alone on this disk.
- The **gateway** runs with default settings: default logging, and a SQLite journal with an fsync before every answer. At the same
  time it delivers to a Brigade that answers after 0 or 5 ms.

| | acknowledged/s | of the floor | p50, ms | p99, ms | delivered/s meanwhile | CPU-s per 1,000 until delivered | CPU, % of a core | peak RSS, MB |
|---|---|---|---|---|---|---|---|---|
${rows.map(line).join('\n')}
${isCompared ? ratios(rows) : ''}
![Acknowledged webhooks a second](performance.svg)

From start to the first 200, with a warm compile cache: ${Math.round(start.startMs)} ms. Idle, ten seconds after the start: ${Math.round(start.idleRss)} MB RSS.

[A million webhooks, and a backlog of a million](performance-long.md) · [beside local workers](performance-workers.md) ·
[under attack](performance-hostile.md)

${GOALS}`;
}

function line(row: Row): string {
  const { what, acksPerSecond, ofFloor, p50, p99, deliveredPerSecond, cpuPer1000, coreShare, peakRss } = row;
  const cells = [
    what,
    whole(acksPerSecond),
    ofFloor.toFixed(2),
    p50.toFixed(1),
    p99.toFixed(1),
    deliveredPerSecond === undefined ? '–' : whole(deliveredPerSecond),
    cpuPer1000 === undefined ? '–' : cpuPer1000.toFixed(3),
    coreShare === undefined ? '–' : (coreShare * 100).toFixed(2),
    peakRss === undefined ? '–' : whole(peakRss),
  ];
  return `| ${cells.join(' | ')} |`;
}

/** Each gateway over the baseline beside it. */
function ratios(rows: readonly Row[]): string {
  const lines = rows.flatMap((base, index) => {
    const own = rows[index - 1];
    if (own === undefined || !base.what.includes('baseline')) return [];
    const over = (of: (row: Row) => number | undefined) => {
      const [ours, theirs] = [of(own), of(base)];
      return ours === undefined || !theirs ? '–' : (ours / theirs).toFixed(2);
    };
    const cells = [
      own.what.slice(0, own.what.indexOf(':')),
      over(({ acksPerSecond }) => acksPerSecond),
      over(({ p50 }) => p50),
      over(({ p99 }) => p99),
      over(({ deliveredPerSecond }) => deliveredPerSecond),
      over(({ cpuPer1000, coreShare }) => cpuPer1000 ?? coreShare),
      over(({ peakRss }) => peakRss),
    ];
    return [`| ${cells.join(' | ')} |`];
  });
  return `
This checkout over the baseline:

| | acknowledged/s | p50 | p99 | delivered/s meanwhile | CPU for each event | peak RSS |
|---|---|---|---|---|---|---|
${lines.join('\n')}
`;
}

/** The machine of a run. */
export function machine(): string {
  return `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

const PLOT = { width: 760, bar: 22, gap: 8, label: 300 };

/** Acknowledged webhooks a second, a bar for each row with small bodies in a closed loop. */
export function plot(rows: readonly Row[]): string {
  const shown = rows.filter(({ what }) => what.includes('connections, 0.6'));
  const most = Math.max(...shown.map(({ acksPerSecond }) => acksPerSecond));
  const height = shown.length * (PLOT.bar + PLOT.gap) + PLOT.gap;
  const bars = shown.map((row, index) => bar(row, index, most)).join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${PLOT.width}" height="${height}" font-family="sans-serif" font-size="12">
<title>Acknowledged webhooks a second</title>
<rect width="100%" height="100%" fill="#fff"/>
${bars}
</svg>
`;
}

function bar({ what, acksPerSecond }: Row, index: number, most: number): string {
  const y = PLOT.gap + index * (PLOT.bar + PLOT.gap);
  const width = ((PLOT.width - PLOT.label - 80) * acksPerSecond) / most;
  const colour = what.includes('floor') ? '#b8b8b8' : '#2b6cb0';
  return `<text x="${PLOT.label - 8}" y="${y + 15}" text-anchor="end">${what}</text>
<rect x="${PLOT.label}" y="${y}" width="${width.toFixed(1)}" height="${PLOT.bar}" fill="${colour}"/>
<text x="${PLOT.label + width + 6}" y="${y + 15}">${whole(acksPerSecond)}</text>`;
}
