import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Journal, NewRecord } from '../src/journal/journal.ts';
import { SqliteJournal } from '../src/journal/sqlite/sqlite.ts';
import { systemClock } from '../src/model/clock.ts';
import { aRecord } from '../test/support/records.ts';

// What the SQLite journal costs by itself: CPU of an event from append to completion, and memory after a burst.
//
//   node bench/journal.ts                 CPU of an event that comes alone
//   node bench/journal.ts --burst 600     MB that are appended at once; then the memory that stays
//   node bench/journal.ts --flood 20      seconds in which one caller sends batches of 5,000 dead letters; what another waits

const { values } = parseArgs({ options: { burst: { type: 'string' }, flood: { type: 'string' } } });

const EVENTS = 20_000;
const IN_FLIGHT = 64;
const ROUNDS = 5;
const MB = 1_000_000;
const NEVER = new AbortController().signal;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function withJournal(run: (journal: Journal) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'journal-bench-'));
  const journal = await SqliteJournal.open({
    path: join(folder, 'journal.db'),
    reserveBytes: 0,
    maxBytes: values.flood === undefined ? 4_000 * MB : 256 * MB,
    allowNetworkFileSystem: true,
    clock: systemClock,
    onFault: (fault) => {
      throw fault;
    },
  });
  try {
    await run(journal);
  } finally {
    await journal.close();
    rmSync(folder, { recursive: true });
  }
}

async function append(journal: Journal, records: readonly NewRecord[]): Promise<void> {
  const { kind } = await journal.append(records);
  if (kind !== 'appended') throw new Error('an append was not taken');
}

/** Appends and completes so many events; each is a webhook of its own. */
async function pass(journal: Journal, round: number): Promise<void> {
  let next = 0;
  async function appendSome(): Promise<void> {
    while (next < EVENTS) await append(journal, [aRecord(`${round}-${next++}`, Date.now())]);
  }
  async function completeAll(): Promise<void> {
    for (let left = EVENTS; left > 0; ) {
      const claims = await journal.claim(IN_FLIGHT, NEVER);
      left -= claims.length;
      await Promise.all(
        claims.map(({ seq, fence }) => journal.complete({ seq, fence, decision: { kind: 'complete' } })),
      );
    }
  }
  await Promise.all([completeAll(), ...Array.from({ length: IN_FLIGHT }, appendSome)]);
}

async function measureCpu(): Promise<void> {
  await withJournal(async (journal) => {
    for (let round = 0; round < ROUNDS; round++) {
      const before = process.cpuUsage();
      const start = performance.now();
      await pass(journal, round);
      const { user, system } = process.cpuUsage(before);
      const seconds = (performance.now() - start) / 1000;
      print(
        `${((user + system) / EVENTS).toFixed(1)} µs of CPU for an event, ${Math.round(EVENTS / seconds)} events/s`,
      );
    }
  });
}

async function measureMemory(burstMb: number): Promise<void> {
  const rss = () => Math.round(process.memoryUsage.rss() / MB);
  await withJournal(async (journal) => {
    await pass(journal, 0);
    await sleep(5_000);
    const before = rss();
    let peak = before;
    const timer = setInterval(() => {
      peak = Math.max(peak, rss());
    }, 20);
    const bytes = 100_000;
    for (let sent = 0; sent < burstMb * MB; ) {
      const batches = Array.from({ length: 16 }, (_, batch) =>
        Array.from({ length: 10 }, (_, index) =>
          aRecord(`burst ${sent} ${batch} ${index}`, Date.now(), {
            raw: new Uint8Array(bytes).fill(0x61),
            caller: `caller ${batch % 4}`,
          }),
        ),
      );
      sent += batches.length * 10 * bytes;
      await Promise.all(batches.map((records) => append(journal, records)));
    }
    clearInterval(timer);
    print(`RSS ${before} MB before, ${peak} MB at most`);
    for (const seconds of [1, 10, 30, 60]) {
      await sleep(seconds * 1000);
      print(`${rss()} MB ${seconds} s later, ${JSON.stringify(process.memoryUsage())}`);
    }
  });
}

function aNumberKey(part: number, batch: number, index: number): string {
  const text = ((part * 1_000 + batch) * 5_000 + index).toString(16);
  return text.padStart(8, '0').padEnd(32, '0');
}

async function measureFlood(seconds: number): Promise<void> {
  await withJournal(async (journal) => {
    const end = performance.now() + seconds * 1000;
    const deadLetter = { reason: 'out-of-scope', detail: 'not the binding of flood' } as const;
    const headers = { 'content-type': 'application/json', 'user-agent': 'x'.repeat(2_000) };
    // Made once: the bench must not delay the event loop that it measures.
    const sample = aRecord('sample', Date.now(), { caller: 'flood', headers, deadLetter });
    const answers = { taken: 0, unavailable: 0 };
    async function flood(part: number): Promise<void> {
      for (let batch = 0; performance.now() < end; batch++) {
        const records = Array.from({ length: 5_000 }, (_, index) => ({
          ...sample,
          dedupKey: aNumberKey(part, batch, index),
        }));
        const { kind } = await journal.append(records);
        answers[kind === 'appended' ? 'taken' : 'unavailable'] += 1;
        if (kind !== 'appended') await sleep(10);
      }
    }
    const waits: number[] = [];
    async function behaveWell(): Promise<void> {
      for (let index = 0; performance.now() < end; index++) {
        const start = performance.now();
        await append(journal, [aRecord(`other ${index}`, Date.now(), { caller: 'other' })]);
        waits.push(performance.now() - start);
        await sleep(100);
      }
    }
    await Promise.all([flood(0), flood(1), flood(2), behaveWell()]);
    waits.sort((a, b) => a - b);
    const [p50, p99] = [0.5, 0.99].map((share) => Math.round(waits[Math.floor(waits.length * share)] ?? 0));
    const { bytes } = await journal.stats();
    print(
      `${answers.taken} batches taken, ${answers.unavailable} unavailable; the journal has ${Math.round(bytes / MB)} MB`,
    );
    print(`the other caller waited ${p50} ms (median), ${p99} ms (p99) for each of ${waits.length} events`);
  });
}

if (values.burst !== undefined) await measureMemory(Number(values.burst));
else if (values.flood !== undefined) await measureFlood(Number(values.flood));
else await measureCpu();
