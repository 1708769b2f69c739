import assert from 'node:assert/strict';
import { type History, type Page, RECORD_STATES, type RecordSummary } from '../../src/journal/journal.ts';
import { SqliteJournal } from '../../src/journal/sqlite/sqlite.ts';
import { systemClock } from '../../src/model/clock.ts';
import {
  type Env,
  type GatewayProcess,
  type Launch,
  type LogLine,
  type ServingGateway,
  serve,
} from './serve-process.ts';
import type { Arrival, Cleanup, StubBrigade } from './stub-brigade.ts';
import { type EventReceipt, type HttpAnswer, send } from './webhooks.ts';

/** What the answer to a webhook says of one of its events. */
export interface Answered {
  readonly id: string;
  /** Absent: no answer. */
  readonly status?: number;
  /** In a receipt. */
  readonly result?: string;
  readonly seq?: number;
}

/** One process of the gateway, from its start to its end. */
export interface Life {
  /** Its token for Brigade, which no other life has, so that each arrival names its life. */
  readonly token: string;
  readonly log: readonly LogLine[];
  /** It did not shut down: the ends of its last attempts may be neither logged nor stored. */
  readonly wasCut: boolean;
}

/** A record of the journal, once for each state in which the journal has it. */
export type Booked = Pick<RecordSummary, 'seq' | 'state' | 'event' | 'deadLetter'>;

/** Everything that is known of a run once it is over. Each event has an id of its own, and none is redelivered by hand. */
export interface Evidence {
  readonly answers: readonly Answered[];
  /** In order. */
  readonly arrivals: readonly Pick<Arrival, 'id' | 'token' | 'reaction'>[];
  /** In order. */
  readonly lives: readonly Life[];
  readonly records: readonly Booked[];
}

/** acknowledged = delivered + pending + deadLettered + discarded + pruned. */
export interface BooksReport {
  /** Events that a receipt calls accepted, duplicate or dead-lettered. */
  readonly acknowledged: number;
  readonly delivered: number;
  readonly pending: number;
  /** By reason. */
  readonly deadLettered: Readonly<Record<string, number>>;
  readonly discarded: number;
  /** Acknowledged as dead letters, and deleted since for their caller's share of the journal, as the log says. */
  readonly pruned: number;
  /** Stored or delivered without a receipt: the webhook was cut off, or answered 503 too early. */
  readonly unacknowledged: number;
  /** Arrivals at Brigade after which the same event came again or is to be sent again, by reason. */
  readonly repeated: Readonly<Record<string, number>>;
  /** What is wrong, a line for each event. */
  readonly faults: readonly string[];
}

export interface BookedGateway extends ServingGateway {
  /** See `Life`. */
  readonly token: string;
}

/** How many faults an error lists. */
const MAX_LISTED = 20;

/**
 * The books of a run: what was sent, what was acknowledged, what arrived at Brigade, and what the journal says in the end.
 * They are wrong when an acknowledged event is in no place or in two, when an event comes again without a reason, and when an
 * event is stored that was rejected or never sent.
 */
export class Books {
  readonly #brigade: StubBrigade;
  readonly #answers: Answered[] = [];
  readonly #lives: { readonly token: string; readonly process: GatewayProcess }[] = [];

  constructor(brigade: StubBrigade) {
    this.#brigade = brigade;
  }

  /** Starts the next life of the gateway, with a token of its own for Brigade. Its log must be at `info`. */
  async serve(t: Cleanup, launch: Launch, changes: Env = {}): Promise<BookedGateway> {
    const token = `life-${this.#lives.length}`;
    const gateway = await serve(t, launch, { ...changes, API_TOKEN: token });
    this.#lives.push({ token, process: gateway.process });
    return { ...gateway, token };
  }

  /** Sends a native webhook, or an envelope of several. Rejects without an answer, which the books note. */
  async send(gateway: ServingGateway, body: string, headers: Env = {}): Promise<HttpAnswer> {
    const answer = await send(gateway, body, headers).catch((error: unknown) => {
      this.note(body);
      throw error;
    });
    this.note(body, answer);
    return answer;
  }

  /** Notes a webhook that was sent in another way, and its answer if there is one. */
  note(body: string, answer?: Pick<HttpAnswer, 'status' | 'text'>): void {
    this.#answers.push(...answeredIn(body, answer));
  }

  /** The ids of the events that were acknowledged as accepted. */
  get accepted(): readonly string[] {
    return this.#answers.filter(({ result }) => result === 'accepted').map(({ id }) => id);
  }

  /** Closes the books once every life has ended: reads the journal at that path. Rejects with all that is wrong. */
  async close(journalPath: string): Promise<BooksReport> {
    const lives = await Promise.all(
      this.#lives.map(async ({ token, process }) => ({ token, log: process.log, wasCut: (await process.ended) !== 0 })),
    );
    const records = await recordsAt(journalPath);
    const report = audit({ answers: this.#answers, arrivals: this.#brigade.arrivals, lives, records });
    assertBalanced(report);
    return report;
  }
}

export function assertBalanced({ faults, ...report }: BooksReport): void {
  const listed = faults.slice(0, MAX_LISTED).join('\n');
  assert.equal(faults.length, 0, `the books are wrong, ${JSON.stringify(report)}; ${faults.length} faults:\n${listed}`);
}

/** What an answer says of each event of a webhook in ACR's format. */
export function answeredIn(body: string, answer?: Pick<HttpAnswer, 'status' | 'text'>): readonly Answered[] {
  if (answer?.status === 200) {
    const { events }: { readonly events: readonly EventReceipt[] } = JSON.parse(answer.text);
    return events.map((event) => ({ ...event, status: 200 }));
  }
  const { events, ...event } = JSON.parse(body);
  const sent: readonly { readonly id: string }[] = events ?? [event];
  return sent.map(({ id }) => (answer === undefined ? { id } : { id, status: answer.status }));
}

/** Opens the journal at that path and reads its records. Rejects with a `JournalFault` when it cannot be used. */
export async function recordsAt(path: string): Promise<readonly Booked[]> {
  const onFault = (fault: Error): void => assert.fail(fault);
  const options = { path, reserveBytes: 0, maxBytes: Number.MAX_SAFE_INTEGER, allowNetworkFileSystem: true };
  const journal = await SqliteJournal.open({ ...options, clock: systemClock, onFault });
  try {
    return await recordsOf(journal);
  } finally {
    await journal.close();
  }
}

const PAGE = 10_000;

/** The records of any journal: each state is asked for, so that a record with two of them is found twice. */
export async function recordsOf(history: Pick<History, 'find'>): Promise<readonly Booked[]> {
  const records: Booked[] = [];
  for (const state of RECORD_STATES) {
    let before: number | undefined = Number.MAX_SAFE_INTEGER;
    while (before !== undefined) {
      const page: Page = await history.find({ state, before, limit: PAGE });
      records.push(...page.records.map((record) => ({ ...record, state })));
      before = page.next;
    }
  }
  return records;
}

/** Compares the books, event by event. */
export function audit(evidence: Evidence): BooksReport {
  return new Audit(evidence).report();
}

/** Everything that the evidence says of one event. */
interface Story {
  readonly id: string;
  readonly answers: Answered[];
  readonly arrivals: Evidence['arrivals'][number][];
  readonly records: Booked[];
  /** The log lines of its attempts. */
  readonly attempts: { readonly token: string; readonly line: LogLine }[];
}

class Audit {
  readonly #evidence: Evidence;
  readonly #lives: ReadonlyMap<string, Life>;
  readonly #counts = { acknowledged: 0, delivered: 0, pending: 0, discarded: 0, pruned: 0, unacknowledged: 0 };
  readonly #deadLettered: Record<string, number> = {};
  readonly #repeated: Record<string, number> = {};
  readonly #faults: string[] = [];

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
    this.#lives = new Map(evidence.lives.map((life) => [life.token, life]));
  }

  report(): BooksReport {
    for (const story of storiesIn(this.#evidence)) {
      this.#checkPlaces(story);
      this.#checkRepetitions(story);
      const answer = bestAnswer(story.answers);
      if (isAcknowledged(answer)) this.#enter(story, answer);
      else this.#enterUnacknowledged(story, answer);
    }
    this.#checkPruned();
    const [deadLettered, repeated, faults] = [this.#deadLettered, this.#repeated, this.#faults];
    return { ...this.#counts, deadLettered, repeated, faults };
  }

  #enter(story: Story, answer: Answered): void {
    const place = placeOf(story);
    this.#counts.acknowledged += 1;
    if (place?.state === 'dead-lettered') count(this.#deadLettered, place.deadLetter?.reason ?? 'unknown');
    else if (place !== undefined) this.#counts[place.state] += 1;
    else if (answer.result === 'dead-lettered') this.#counts.pruned += 1;
    else this.#fault(story, `is lost: ${describe(answer)}, and it is nowhere`);
  }

  #enterUnacknowledged(story: Story, answer: Answered | undefined): void {
    const place = placeOf(story);
    if (place === undefined) return;
    this.#counts.unacknowledged += 1;
    if (answer === undefined || !mayBeStored(answer)) {
      this.#fault(story, `is ${place.state}, although ${describe(answer)}`);
    }
  }

  #checkPlaces(story: Story): void {
    const { records, arrivals, attempts } = story;
    if (records.length > 1) {
      const places = records.map(({ seq, state }) => `record ${seq} is ${state}`).join(', ');
      this.#fault(story, `is in two places: ${places}`);
    }
    if (records.some(({ state }) => state === 'delivered') && !arrivals.some(isCreated)) {
      this.#fault(story, 'is delivered in the journal, and Brigade never created it');
    }
    if (records.some(({ state }) => state === 'pending') && attempts.some(({ line }) => isFinal(line))) {
      this.#fault(story, 'is pending, although the log says that its last attempt was completed');
    }
  }

  /** After each arrival but the last, and after the last too if the journal does not know of it, the event comes again. */
  #checkRepetitions(story: Story): void {
    const { arrivals } = story;
    const isDelivered = placeOf(story)?.state === 'delivered';
    const failed = story.attempts.filter(({ line }) => line['outcome'] !== 'delivered' || line['isStale'] === true);
    for (const [index, arrival] of arrivals.entries()) {
      const attempt = failed.find(({ token }) => token === arrival.token);
      if (attempt !== undefined) failed.splice(failed.indexOf(attempt), 1);
      const later = arrivals.slice(index + 1);
      const isLast = later.length === 0 && (isDelivered || !isCreated(arrival));
      if (!isLast) this.#checkRepetition(story, arrival.token, later, attempt?.line);
    }
  }

  #checkRepetition(story: Story, token: string, later: Evidence['arrivals'], failed: LogLine | undefined): void {
    const isSameLife = later.some((other) => other.token === token);
    const isCompleted = story.attempts.some((attempt) => attempt.token === token && isFinal(attempt.line));
    if (later.length > 0 && !isSameLife && isCompleted) {
      this.#fault(story, `came again, although ${token} had completed it`);
    } else if (failed !== undefined) {
      count(this.#repeated, failed['isStale'] === true ? 'completed too late' : String(failed['outcome']));
    } else if (this.#lives.get(token)?.wasCut === true && !isSameLife) {
      count(this.#repeated, 'cut off');
    } else {
      this.#fault(
        story,
        `comes again without a reason: ${token} logged no failed attempt, and was not killed in between`,
      );
    }
  }

  #checkPruned(): void {
    const lines = this.#evidence.lives.flatMap(({ log }) => log.filter(({ msg }) => msg === 'dead_letter.pruned'));
    const logged = lines.reduce((sum, line) => sum + Number(line['count']), 0);
    const { pruned } = this.#counts;
    if (pruned > logged) this.#faults.push(`${pruned} dead letters are gone, and the log names ${logged}`);
  }

  #fault({ id }: Story, what: string): void {
    this.#faults.push(`${id} ${what}`);
  }
}

function storiesIn({ answers, arrivals, lives, records }: Evidence): Iterable<Story> {
  const stories = new Map<string, Story>();
  const storyOf = (id: string): Story => {
    const story = stories.get(id) ?? { id, answers: [], arrivals: [], records: [], attempts: [] };
    stories.set(id, story);
    return story;
  };
  for (const answer of answers) storyOf(answer.id).answers.push(answer);
  for (const arrival of arrivals) storyOf(arrival.id).arrivals.push(arrival);
  // A damaged record may have lost its id.
  const idOf = new Map(answers.map(({ seq, id }) => [seq, id]));
  for (const record of records) {
    const id = record.deadLetter?.reason === 'damaged' ? idOf.get(record.seq) : undefined;
    storyOf(id ?? record.event.id).records.push(record);
  }
  for (const { token, log } of lives) {
    for (const line of log.filter(({ msg }) => msg === 'delivery.attempted')) {
      storyOf(String(line['id'])).attempts.push({ token, line });
    }
  }
  return stories.values();
}

/** The answer that promises most: what was answered 503 may be sent again. */
function bestAnswer(answers: readonly Answered[]): Answered | undefined {
  return answers.find(isAcknowledged) ?? answers.find(mayBeStored) ?? answers[0];
}

function isAcknowledged(answer: Answered | undefined): answer is Answered {
  return answer?.result !== undefined && answer.result !== 'ignored';
}

/** Without a receipt: the connection was cut, or the append took too long. */
function mayBeStored({ status }: Answered): boolean {
  return status === undefined || status === 503;
}

function describe(answer: Answered | undefined): string {
  if (answer === undefined) return 'it was never sent';
  const { status, result } = answer;
  if (status === undefined) return 'its webhook had no answer';
  return result === undefined ? `its webhook was answered ${status}` : `its receipt says ${result}`;
}

/** Where the event is. A delivered one may be pruned from the journal. */
function placeOf({ records, arrivals }: Story): Pick<Booked, 'state' | 'deadLetter'> | undefined {
  return records[0] ?? (arrivals.some(isCreated) ? { state: 'delivered' } : undefined);
}

function isCreated({ reaction }: Pick<Arrival, 'reaction'>): boolean {
  return reaction.kind === 'answer' && reaction.status === 201;
}

/** The event is not sent again after it. The line is written once that is durable. */
function isFinal(line: LogLine): boolean {
  return line['decision'] !== 'retry' && line['isStale'] !== true;
}

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
