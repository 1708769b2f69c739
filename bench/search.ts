import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { EventFilter, Journal } from '../src/journal/journal.ts';
import { SqliteJournal } from '../src/journal/sqlite/sqlite.ts';
import { systemClock } from '../src/model/clock.ts';
import { aKey, aRecord } from '../test/support/records.ts';

// What searching a large journal takes, and what it takes from others.
//
//   node bench/search.ts                     1,000,000 events
//   node bench/search.ts --events 100000     fewer
//   node bench/search.ts --seconds 20        of each load of webhooks, with and without searches beside it

const { values } = parseArgs({
  options: { events: { type: 'string', default: '1000000' }, seconds: { type: 'string', default: '10' } },
});
const EVENTS = Number(values.events);
const SECONDS = Number(values.seconds);

const ROUNDS = 5;
const RUNS = 40;
const PAGE = 50;
/** Webhooks a second beside the searches. */
const RATE = 500;
/** Between two searches of the loop beside the webhooks, milliseconds: more than a console and a redelivery ask. */
const SEARCH_PAUSE_MS = 50;
const DAY = 86_400_000;
const REPOSITORIES = 2_000;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function open(path: string): Promise<SqliteJournal> {
  return SqliteJournal.open({
    path,
    reserveBytes: 0,
    maxBytes: 64e9,
    allowNetworkFileSystem: true,
    clock: systemClock,
    onFault: (fault) => {
      throw fault;
    },
  });
}

/** A week of events, put into the tables of the journal as it would. One of 100 is unmatched, one of 1,000 a dead letter. */
function fill(path: string): void {
  const db = new DatabaseSync(path);
  db.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -65536; BEGIN');
  const insert =
    db.prepare(`INSERT INTO event (seq, received_at, dedup_key, format, caller, headers, event, delivery, raw,
    checksum) VALUES (?, ?, ?, 'acr', ?, '{"content-type":"application/json"}', ?, 1, ?, 0)`);
  const attempt = db.prepare(`INSERT INTO attempt (seq, at, delivery, duration_ms, outcome, decision)
    VALUES (?, ?, 1, 20, ?, 'complete')`);
  const unmatched = db.prepare('INSERT INTO unmatched (seq) VALUES (?)');
  const deadLetter = db.prepare(`INSERT INTO dead_letter (seq, dead_lettered_at, reason, detail, caller, bytes)
    VALUES (?, ?, 'rejected', 'label', 'ci', 900)`);
  const raw = new Uint8Array(400).fill(0x61);
  const start = Date.now() - 6 * DAY;
  for (let seq = 1; seq <= EVENTS; seq++) {
    const at = start + Math.floor((seq / EVENTS) * 6 * DAY);
    const key = aKey(`${seq}`);
    insert.run(seq, at, Buffer.from(key, 'hex'), `caller-${seq % 7}`, JSON.stringify(eventOf(seq, key)), raw);
    if (seq % 1_000 === 0) {
      deadLetter.run(seq, at);
      continue;
    }
    const created = seq % 100 === 1 ? [] : [{ id: key, project: 'hello-world' }];
    attempt.run(seq, at, JSON.stringify({ kind: 'delivered', created }));
    if (seq % 100 === 1) unmatched.run(seq);
  }
  // As if their keys had been carried to the tree on disk.
  db.exec(
    `INSERT INTO meta (name, value) VALUES ('dedup_watermark', ${EVENTS}); COMMIT; PRAGMA wal_checkpoint(TRUNCATE)`,
  );
  db.close();
}

function eventOf(seq: number, key: string): object {
  return {
    id: `id-${seq}`,
    action: seq % 20 === 0 ? 'delete' : 'push',
    registry: `registry-${seq % 5}.azurecr.io`,
    repository: `team-${seq % 40}/service-${(seq * 7) % REPOSITORIES}`,
    tag: `build-${seq % 50_000}`,
    digest: `sha256:${key}${key}`,
    mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
    manifest: 'single',
  };
}

const OLD = Math.ceil(EVENTS / 50);
const QUERIES: Readonly<Record<string, EventFilter & { readonly before?: number }>> = {
  'list, newest first': {},
  'list, from the middle on': { before: EVENTS / 2 },
  'dead letters': { state: 'dead-lettered' },
  delivered: { state: 'delivered' },
  unmatched: { matched: false },
  'a registry and a caller': { registry: 'registry-1.azurecr.io', caller: 'caller-1' },
  'a repository': { repository: 'team-7/service-1449' },
  'a glob for repositories': { repository: 'team-7/*9' },
  'a tag': { tag: `build-${OLD % 50_000}` },
  'an old event by its id': { id: `id-${OLD}` },
  'an old event by its digest': { digest: `sha256:${aKey(`${OLD}`)}${aKey(`${OLD}`)}` },
  'an hour, five days ago': { from: Date.now() - 5 * DAY, until: Date.now() - 5 * DAY + 3_600_000 },
  'what does not exist': { repository: 'none/*', action: 'delete' },
  'dead letters of a repository': { state: 'dead-lettered', repository: '**/service-0' },
};

/** The p-th of 100 parts. */
function percentile(times: readonly number[], p: number): number {
  return times.toSorted((a, b) => a - b)[Math.ceil((times.length * p) / 100) - 1] ?? 0;
}

function report(name: string, times: readonly number[], more = ''): void {
  const [p50, p95, p99] = [50, 95, 99].map((p) => percentile(times, p).toFixed(1).padStart(7));
  print(`${name.padEnd(32)} p50 ${p50} ms   p95 ${p95} ms   p99 ${p99} ms${more}`);
}

async function measureQueries(journal: Journal): Promise<void> {
  for (const [name, query] of Object.entries(QUERIES)) {
    const times: number[] = [];
    let more = '';
    for (let run = 0; run < RUNS; run++) {
      const start = performance.now();
      const { records, next } = await journal.find({ ...query, limit: PAGE });
      times.push(performance.now() - start);
      more = `   ${records.length} found${next === undefined ? '' : ', and more'}`;
    }
    report(name, times, more);
  }
  for (const [name, filter] of Object.entries({
    'count, all': {},
    'count, a repository': { repository: 'team-7/*' },
  })) {
    const times: number[] = [];
    for (let run = 0; run < 10; run++) {
      const start = performance.now();
      await journal.count(filter);
      times.push(performance.now() - start);
    }
    report(name, times);
  }
}

/** Latencies of appends at a steady rate, each a webhook of its own, which is delivered at once. */
async function load(journal: Journal, round: string): Promise<readonly number[]> {
  const times: number[] = [];
  const signal = new AbortController();
  const delivering = deliver(journal, signal.signal);
  const start = performance.now();
  const appends: Promise<unknown>[] = [];
  for (let index = 0; index < RATE * SECONDS; index++) {
    const wait = start + (index * 1_000) / RATE - performance.now();
    if (wait > 1) await sleep(wait);
    const sent = performance.now();
    appends.push(
      journal.append([aRecord(`${round}-${index}`, Date.now())]).then(() => times.push(performance.now() - sent)),
    );
  }
  await Promise.all(appends);
  signal.abort();
  await delivering;
  return times;
}

async function deliver(journal: Journal, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const claims = await journal.claim(64, signal);
    await Promise.all(claims.map(({ seq, fence }) => journal.complete({ seq, fence, decision: { kind: 'complete' } })));
  }
}

async function searchOn(journal: Journal, signal: AbortSignal): Promise<number> {
  const queries = Object.values(QUERIES);
  let count = 0;
  for (; !signal.aborted; count++) {
    await journal.find({ ...queries[count % queries.length], limit: PAGE });
    await sleep(SEARCH_PAUSE_MS);
  }
  return count;
}

async function measureIngest(journal: Journal): Promise<void> {
  const alone: number[] = [];
  const beside: number[] = [];
  let searches = 0;
  await load(journal, 'warm-up');
  for (let round = 0; round < ROUNDS; round++) {
    alone.push(...(await load(journal, `alone-${round}`)));
    const stop = new AbortController();
    const searching = searchOn(journal, stop.signal);
    beside.push(...(await load(journal, `beside-${round}`)));
    stop.abort();
    searches += await searching;
  }
  print(`\n${RATE} webhooks a second, ${ROUNDS} times ${SECONDS} s in turn`);
  report('append, alone', alone);
  report('append, beside searches', beside, `   ${(searches / ROUNDS / SECONDS).toFixed(1)} searches a second`);
}

const folder = mkdtempSync(join(tmpdir(), 'search-bench-'));
const path = join(folder, 'journal.db');
try {
  await (await open(path)).close();
  fill(path);
  const journal = await open(path);
  const start = performance.now();
  await journal.find({ id: 'none', limit: 1 });
  print(`${EVENTS} events; the first search answers after ${(performance.now() - start).toFixed(0)} ms`);
  while ((await journal.find({ id: 'none', limit: 1 })).next !== undefined) await sleep(200);
  print(`everything is indexed after ${((performance.now() - start) / 1_000).toFixed(1)} s`);
  await measureQueries(journal);
  await measureIngest(journal);
  print(`memory of the process: ${(process.memoryUsage().rss / 1e6).toFixed(0)} MB`);
  await journal.close();
} finally {
  rmSync(folder, { recursive: true });
}
