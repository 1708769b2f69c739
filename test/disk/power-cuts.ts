import assert from 'node:assert/strict';
import { mkdirSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { RecordState } from '../../src/journal/journal.ts';
import { prepareFolder } from '../../src/journal/sqlite/folder.ts';
import { Writer } from '../../src/journal/sqlite/writer/writer.ts';
import {
  type Answered,
  answeredIn,
  audit,
  type Booked,
  type Evidence,
  type Life,
  recordsAt,
} from '../support/books.ts';
import { compilePreload } from '../support/preload.ts';
import { mulberry32 } from '../support/random.ts';
import { anInstallation, type LogLine, serve } from '../support/serve-process.ts';
import { type Arrival, anError, type Cleanup, CREATED, type Reaction, StubBrigade } from '../support/stub-brigade.ts';
import { aPush, send } from '../support/webhooks.ts';
import { Disk, type Image, LOSSES, type Loss } from './disk.ts';
import { type Recorded, readRecording } from './recording.ts';

const JOURNAL = 'journal.db';

/** Concurrent callers of a recorded run. */
const SENDERS = 16;

const DOWN = anError(503, 'ServiceUnavailable');

export interface RunOptions {
  /** Processes one after the other: each is killed while it works, and the next one recovers its journal. */
  readonly lives: number;
  /** Webhooks that each of them is sent. */
  readonly webhooks: number;
  /** Every so many syncs of a file fail. Absent: none. */
  readonly failEvery?: number;
}

/** Something and when it was known: a place in the log of the recorder. */
interface At<T> {
  readonly position: number;
  readonly what: T;
}

/** What gateways did to a journal, and what is known of their events: when the power goes, what was known by then holds. */
export interface Run {
  readonly entries: readonly Recorded[];
  readonly answers: readonly At<readonly Answered[]>[];
  readonly arrivals: readonly At<Pick<Arrival, 'id' | 'token' | 'reaction'>>[];
  readonly lives: readonly { readonly token: string; readonly log: readonly At<LogLine>[] }[];
  /** The journal's folder as the last process left it. */
  readonly folder: string;
}

/** Records gateways under load. Brigade fails for some events, and is down towards the end of each life. */
export async function recordRun(t: Cleanup, { lives: count, webhooks, failEvery }: RunOptions): Promise<Run> {
  const brigade = await StubBrigade.start(t);
  const installation = await anInstallation(t, brigade.address);
  const folder = realpathSync(installation.journalFolder);
  const path = join(installation.folder, 'recording');
  const recorder = {
    LD_PRELOAD: compilePreload(new URL('recorder.c', import.meta.url)),
    RECORD_FOLDER: folder,
    RECORD_LOG: path,
    ...(failEvery !== undefined && { RECORD_FAIL_EVERY: String(failEvery) }),
  };
  const now = <T>(what: T): At<T> => ({ position: statSync(path).size, what });
  const arrivals: Run['arrivals'][number][] = [];
  const answers: Run['answers'][number][] = [];
  let isDown = false;
  brigade.onProbe = () => (isDown ? DOWN : undefined);
  brigade.onEvent = ({ sourceState: { state } }, token) => {
    const reaction = isDown ? DOWN : reactionTo(state.eventID);
    arrivals.push(now({ id: state.eventID, token, reaction }));
    return reaction;
  };
  const ends: number[] = [];
  for (let life = 0; life < count; life += 1) {
    const gateway = await serve(t, installation, {
      ...recorder,
      JOURNAL_URL: `sqlite:${join(folder, JOURNAL)}`,
      API_TOKEN: tokenOf(life),
    });
    let next = 0;
    const sendUntilCut = async (): Promise<void> => {
      for (let number = next++; number < webhooks; number = next++) {
        if (number === Math.floor(webhooks * 0.7)) isDown = true;
        if (number === webhooks - SENDERS) gateway.process.signal('SIGKILL');
        const body = aWebhook(`${life}-${number}`);
        const answer = await send(gateway, body).catch(() => undefined);
        answers.push(now(answeredIn(body, answer)));
        if (answer === undefined) return;
      }
    };
    await Promise.all(Array.from({ length: SENDERS }, sendUntilCut));
    await gateway.process.ended;
    ends.push(now('end').position);
    isDown = false;
  }
  const entries = readRecording(path);
  const lives = ends.map((end, life) => {
    const start = ends[life - 1] ?? 0;
    return { token: tokenOf(life), log: linesIn(entries.filter((entry) => entry.end > start && entry.end <= end)) };
  });
  return { entries, answers, arrivals, lives, folder };
}

function tokenOf(life: number): string {
  return `life-${life}`;
}

/** Of many sizes, together more than the log may have before a checkpoint. Some name no registry and become dead letters at once. */
function aWebhook(id: string): string {
  const number = numberIn(id);
  const request = { useragent: 'a'.repeat((number * 997) % 60_000) };
  return aPush(id, {}, number % 13 === 12 ? { ...request, host: undefined } : request);
}

/** Most events are created; some are rejected, and some fail in a way that is retried minutes later. */
function reactionTo(id: string): Reaction {
  const number = numberIn(id);
  if (number % 10 === 3) return anError(400, 'ValidationError');
  if (number % 20 === 7) return anError(500, 'InternalServerError');
  return { ...CREATED, delayMs: number % 20 };
}

function numberIn(id: string): number {
  return Number(id.slice(id.indexOf('-') + 1));
}

/** The log lines that a process printed; the last one may be cut off. */
function linesIn(entries: readonly Recorded[]): readonly At<LogLine>[] {
  const log: At<LogLine>[] = [];
  let text = '';
  for (const entry of entries) {
    if (entry.kind !== 'print') continue;
    const lines = `${text}${entry.data}`.split('\n');
    text = lines.pop() ?? '';
    log.push(...lines.map((line) => ({ position: entry.end, what: JSON.parse(line) })));
  }
  return log;
}

/** A loss of power, and what it left of the journal's folder. */
export interface Cut {
  readonly loss: Loss;
  /** How many entries of the recording came before it. */
  readonly entries: number;
  readonly position: number;
  readonly image: Image;
}

export interface CutOptions {
  readonly images: number;
  /** Determines the cuts of one recording. */
  readonly seed: number;
  /** Which syncs the disk ignores, by the name of the file; the folder's is empty. */
  readonly isIgnored?: (name: string) => boolean;
}

/** Cuts the power at random times, in all ways in turn. */
export function* cutPower({ entries }: Run, { images, seed, isIgnored }: CutOptions): Generator<Cut> {
  const random = mulberry32(seed);
  const disk = new Disk(isIgnored);
  // Squared, so that many fall into the creation of the journal, which is short.
  const cuts = Array.from({ length: images }, () => Math.round(random() ** 2 * entries.length));
  let applied = 0;
  for (const [index, cut] of cuts.toSorted((one, other) => one - other).entries()) {
    for (const entry of entries.slice(applied, cut)) disk.apply(entry);
    applied = cut;
    const loss = LOSSES[index % LOSSES.length] ?? assert.fail();
    const image = withoutMap(disk.image(loss, random), random);
    yield { loss, entries: cut, position: entries[cut - 1]?.end ?? 0, image };
  }
}

/** The index of the log is mapped into memory, which no recorder sees: after a crash it is gone, or holds anything. */
function withoutMap(image: Image, random: () => number): Image {
  const files = new Map(image);
  for (const [name, content] of image) {
    if (!name.endsWith('-shm')) continue;
    if (random() < 0.5) files.delete(name);
    else files.set(name, Buffer.from(content.map(() => random() * 256)));
  }
  return files;
}

export function writeImage(image: Image, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of image) writeFileSync(join(folder, name), content);
}

/**
 * Opens the journal that a cut left, twice and as the gateway does, and returns what is wrong with it. The folder is for this
 * alone.
 */
export function problemsOf(run: Run, cut: Cut, folder: string): readonly string[] {
  writeImage(cut.image, folder);
  try {
    const records = openAndRead(join(folder, JOURNAL));
    assert.deepEqual(openAndRead(join(folder, JOURNAL)), records, 'the second opening finds something else');
    return wrongIn(evidenceAt(run, cut), records);
  } catch (error) {
    return [String(error)];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs the gateway with the journal that a cut left until it has delivered what was never tried, and returns what is wrong then. */
export async function problemsOfServing(t: Cleanup, run: Run, cut: Cut): Promise<readonly string[]> {
  const brigade = await StubBrigade.start(t);
  const installation = await anInstallation(t, brigade.address);
  writeImage(cut.image, installation.journalFolder);
  const { answers, arrivals, lives } = evidenceAt(run, cut);
  const gateway = await serve(t, installation, { API_TOKEN: 'after-the-cut' });
  // Brigade may have these: they are delivered, or wait for minutes.
  const uncertain = run.lives.flatMap(({ log }) => log).filter(({ what }) => what['outcome'] === 'uncertain');
  const tried = new Set([...arrivals.map(({ id }) => id), ...uncertain.map(({ what }) => what['id'])]);
  for (const { id, result } of answers) {
    if (result !== 'accepted' || tried.has(id)) continue;
    await gateway.process.line('delivery.attempted', (line) => line['id'] === id);
  }
  gateway.process.signal('SIGTERM');
  assert.equal(await gateway.process.ended, 0, gateway.process.everything);
  const evidence = {
    answers,
    arrivals: [...arrivals, ...brigade.arrivals],
    lives: [...lives, { token: 'after-the-cut', log: gateway.process.log, wasCut: false }],
  };
  return wrongIn(evidence, await recordsAt(join(installation.journalFolder, JOURNAL)));
}

type Known = Omit<Evidence, 'records'>;

/** What was known when the power went. Webhooks that were answered later may have been stored. */
function evidenceAt({ answers, arrivals, lives }: Run, { position }: Cut): Known {
  const known = <T>(all: readonly At<T>[]): readonly T[] =>
    all.filter((each) => each.position <= position).map(({ what }) => what);
  return {
    answers: answers.flatMap(({ position: at, what }) => (at <= position ? what : what.map(({ id }) => ({ id })))),
    arrivals: known(arrivals),
    lives: lives.map(({ token, log }): Life => ({ token, log: known(log), wasCut: true })),
  };
}

/** The books take it that a delivered event may be pruned. These runs are too short for that: every record must be there. */
function wrongIn(known: Known, records: readonly Booked[]): readonly string[] {
  const seqs = new Set(records.map(({ seq }) => seq));
  const gone = known.answers.filter(({ seq }) => seq !== undefined && !seqs.has(seq));
  return [
    ...gone.map(({ id }) => `${id} was acknowledged, and its record is gone`),
    ...audit({ ...known, records }).faults,
  ];
}

/** The records in each state. */
const PLACES: readonly (readonly [RecordState, string])[] = [
  ['pending', 'SELECT seq FROM fresh UNION ALL SELECT seq FROM waiting'],
  ['dead-lettered', 'SELECT seq FROM dead_letter'],
  [
    'delivered',
    'SELECT seq FROM event EXCEPT SELECT seq FROM fresh EXCEPT SELECT seq FROM waiting EXCEPT SELECT seq FROM dead_letter',
  ],
];

/** In this thread, so that hundreds of images take seconds. Throws if anything is not in order. */
function openAndRead(path: string): readonly Booked[] {
  prepareFolder(path, false);
  const writer = new Writer({ path, reserveBytes: 0, maxBytes: Number.MAX_SAFE_INTEGER });
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    assert.deepEqual(db.prepare('PRAGMA integrity_check').all().map(Object.values), [['ok']]);
    const claimed = claimAll(writer);
    const records = PLACES.flatMap(([state, places]) =>
      db
        .prepare(`SELECT seq, event FROM (${places}) JOIN event USING (seq)`)
        .all()
        .map(({ seq, event }): Booked => ({ seq: Number(seq), state, event: JSON.parse(String(event)) })),
    );
    for (const { seq } of db.prepare('SELECT seq FROM fresh').all()) {
      assert.ok(claimed.has(Number(seq)), `record ${seq} was never tried and cannot be claimed`);
    }
    const { damaged, pending, deadLetters } = writer.stats();
    const inState = (wanted: RecordState): number => records.filter(({ state }) => state === wanted).length;
    assert.deepEqual([damaged, pending, deadLetters], [0, inState('pending'), inState('dead-lettered')]);
    return records;
  } finally {
    db.close();
    writer.close();
  }
}

function claimAll(writer: Writer): ReadonlySet<number> {
  const claimed = new Set<number>();
  for (;;) {
    const { claims } = writer.claim(1_000, { now: Date.now(), tick: performance.now() });
    if (claims.length === 0) return claimed;
    for (const { seq } of claims) claimed.add(seq);
  }
}
