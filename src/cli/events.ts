import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordState } from '../journal/journal.ts';
import { printable } from '../model/printable.ts';
import type { Format } from '../model/webhook.ts';
import { type AdminClient, type Query, withAdmin } from './admin-client.ts';
import { describeEvent, type EventDetails, type EventSummary, eventTable } from './event-text.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { followRedelivery } from './redeliveries.ts';
import { print, printError } from './terminal.ts';

/** Events in one request: the limit of the admin API. */
const CHUNK = 100;

/** Events that `tail` begins with. */
const TAIL_LINES = 10;

/** Events whose last state `tail` remembers: those of some seconds of the highest load. */
const MAX_KNOWN = 10_000;

/** How often `tail` looks for changes, milliseconds. */
const TAIL_MS = 1000;

/** Which events a command is about: all given conditions hold. */
export interface Filter {
  readonly state?: RecordState;
  readonly registry?: string;
  readonly repository?: string;
  readonly tag?: string;
  readonly digest?: string;
  readonly id?: string;
  readonly action?: string;
  readonly format?: Format;
  readonly caller?: string;
  readonly matched?: boolean;
  readonly unmatched?: boolean;
  /** RFC 3339, or a duration ago. */
  readonly since?: string;
  readonly until?: string;
}

interface ListOptions extends Filter {
  readonly limit: number;
  /** Only events with smaller numbers. */
  readonly before?: number;
  readonly json?: boolean;
}

interface ChangeOptions extends Filter {
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function listEvents({ limit, before, json, ...filter }: ListOptions): Promise<ExitCode> {
  return withAdmin(async (admin) => {
    const events: EventSummary[] = [];
    let cursor = before === undefined ? undefined : String(before);
    do {
      const page: Page = await admin.get('/api/events', {
        ...inApi(filter),
        limit: Math.min(limit - events.length, CHUNK),
        cursor,
      });
      events.push(...page.events);
      cursor = page.next;
    } while (cursor !== undefined && events.length < limit);
    if (json === true) print(JSON.stringify(events, null, 2));
    else if (events.length === 0)
      print(filter.state === 'dead-lettered' ? 'There are no dead letters.' : 'There are no such events.');
    else eventTable(filter.state).print(events);
    if (cursor !== undefined && process.stdout.isTTY) print(`There are more: add --before ${events.at(-1)?.seq}`);
    return EXIT_CODES.ok.code;
  });
}

interface Page {
  readonly events: readonly EventSummary[];
  readonly next?: string;
}

/** Prints the last events, and every one that comes or changes its state within an hour, until a signal. */
export function tailEvents({ json, ...filter }: Filter & { readonly json?: boolean }): Promise<ExitCode> {
  return withAdmin(async (admin) => {
    const table = eventTable(undefined);
    const tail = new Tail();
    for (;;) {
      const changed = tail.take(await newestEvents(admin, filter, tail.newest));
      if (json === true) for (const event of changed) print(JSON.stringify(event));
      else if (changed.length > 0) table.print(changed);
      await sleep(TAIL_MS);
    }
  });
}

/** Which of the newest events are worth a line: at first the last ones, then those that are new or have changed. */
class Tail {
  readonly #known = new Map<number, string>();
  #newest: number | undefined;
  /** What was there before the first events is not new when a filter begins to find it. */
  #oldest = 0;

  /** The greatest number that was taken. Undefined at first. */
  get newest(): number | undefined {
    return this.#newest;
  }

  /** The oldest of them first. */
  take({ events, next }: Page): readonly EventSummary[] {
    const isFirst = this.#newest === undefined;
    if (isFirst && next !== undefined) this.#oldest = events.at(-1)?.seq ?? 0;
    const changed = events.filter(({ seq }) => seq >= this.#oldest).filter((event) => this.#note(event));
    this.#newest = Math.max(this.#newest ?? 0, events[0]?.seq ?? 0);
    for (const seq of [...this.#known.keys()].slice(0, -MAX_KNOWN)) this.#known.delete(seq);
    return (isFirst ? changed.slice(0, TAIL_LINES) : changed).toReversed();
  }

  /** Returns whether it differs from what was known. */
  #note(event: EventSummary): boolean {
    const stamp = stampOf(event);
    if (this.#known.get(event.seq) === stamp) return false;
    this.#known.set(event.seq, stamp);
    return true;
  }
}

/** At first enough of them to show; later all that are newer, and some that may have changed. */
async function newestEvents(admin: AdminClient, filter: Filter, newest: number | undefined): Promise<Page> {
  const query = inApi(newest === undefined ? filter : { since: '1h', ...filter });
  const events: EventSummary[] = [];
  let next: string | undefined;
  do {
    const page: Page = await admin.get('/api/events', { ...query, limit: CHUNK, cursor: next });
    events.push(...page.events);
    next = page.next;
  } while (next !== undefined && (newest === undefined ? events.length < TAIL_LINES : Number(next) > newest));
  return next === undefined ? { events } : { events, next };
}

/** Differs after a change that is worth a line. */
function stampOf({ state, unmatched, attemptCount }: EventSummary): string {
  return [state, unmatched, state === 'pending' ? attemptCount : ''].join();
}

/** Dead letters are shown as JSON, as they always were. */
export function showEvent(seq: number, { json }: { readonly json?: boolean }): Promise<ExitCode> {
  return withAdmin(async (admin) => {
    const event: EventDetails = await admin.get(`/api/events/${seq}`);
    if (json === true) print(JSON.stringify(event, null, 2));
    else for (const line of describeEvent(event)) print(line);
    return EXIT_CODES.ok.code;
  });
}

interface RedeliverOptions extends ChangeOptions {
  readonly perSecond?: number;
  /** Does not wait until all are redelivered. */
  readonly detach?: boolean;
}

export function redeliverEvents(seqs: readonly number[], options: RedeliverOptions): Promise<ExitCode> {
  const { yes, json, perSecond, detach, ...filter } = options;
  return change(seqs, filter, async (admin) => {
    if (seqs.length > 0) return redeliverListed(admin, seqs);
    if (yes !== true) return announce(admin, '/api/redeliveries', filter, 'redeliver');
    const { id }: { id: string } = await admin.post('/api/redeliveries', { filter: inApi(filter), perSecond });
    if (detach !== true) return followRedelivery(admin, id, json);
    print(printable(`Redelivery ${id} runs in the gateway: see "redeliveries list".`));
    return EXIT_CODES.ok.code;
  });
}

async function redeliverListed(admin: AdminClient, seqs: readonly number[]): Promise<ExitCode> {
  let isFailed = false;
  for (const chunk of chunked(seqs)) {
    const answer: { redeliveries: { seq: number; kind: string; detail?: string; rule?: string }[] } = await admin.post(
      '/api/redeliveries',
      { seqs: chunk },
    );
    for (const { seq, kind, detail, rule } of answer.redeliveries) {
      const reason = rule === undefined ? detail : `rule ${rule}`;
      print(printable(`${seq}  ${kind}${reason === undefined ? '' : `: ${reason}`}`));
      isFailed ||= kind !== 'redelivered';
    }
  }
  return isFailed ? EXIT_CODES.failed.code : EXIT_CODES.ok.code;
}

export function discardEvents(seqs: readonly number[], { yes, json, ...filter }: ChangeOptions): Promise<ExitCode> {
  return change(seqs, filter, async (admin) => {
    if (seqs.length > 0) return discardListed(admin, seqs);
    if (yes !== true) return announce(admin, '/api/discards', filter, 'discard');
    let discarded = 0;
    let answer: { discarded: number; more: boolean };
    do {
      answer = await admin.post('/api/discards', { filter: inApi(filter) });
      discarded += answer.discarded;
    } while (answer.more && answer.discarded > 0);
    print(json === true ? JSON.stringify({ discarded }) : `${discarded} discarded`);
    return EXIT_CODES.ok.code;
  });
}

async function discardListed(admin: AdminClient, seqs: readonly number[]): Promise<ExitCode> {
  let isFailed = false;
  for (const chunk of chunked(seqs)) {
    const answer: { discards: { seq: number; kind: string }[] } = await admin.post('/api/discards', { seqs: chunk });
    for (const { seq, kind } of answer.discards) {
      print(printable(`${seq}  ${kind}`));
      isFailed ||= kind !== 'discarded';
    }
  }
  return isFailed ? EXIT_CODES.failed.code : EXIT_CODES.ok.code;
}

/** A change needs numbers or conditions: one without either would be of everything. */
function change(
  seqs: readonly number[],
  filter: Filter,
  work: (admin: AdminClient) => Promise<ExitCode>,
): Promise<ExitCode> {
  const isFiltered = Object.values(filter).some((condition) => condition !== undefined);
  if (seqs.length > 0 !== isFiltered) return withAdmin(work);
  printError('error: give either sequence numbers, or flags that say which events');
  return Promise.resolve(EXIT_CODES.usage.code);
}

/** Says how many events a change would be of, and changes nothing. */
async function announce(admin: AdminClient, path: string, filter: Filter, verb: string): Promise<ExitCode> {
  const { matches }: { matches: number } = await admin.post(path, { filter: inApi(filter), dryRun: true });
  print(
    `${matches} ${matches === 1 ? 'event matches' : 'events match'}. Add --yes to ${verb} ${matches === 1 ? 'it' : 'them'}.`,
  );
  return EXIT_CODES.ok.code;
}

function inApi({ since, until, matched, unmatched, ...conditions }: Filter): Query {
  return { ...conditions, matched: unmatched === true ? false : matched, from: since, until };
}

function* chunked(seqs: readonly number[]): Generator<readonly number[]> {
  for (let start = 0; start < seqs.length; start += CHUNK) yield seqs.slice(start, start + CHUNK);
}
