import type { Appended, AppendOutcome, NewRecord, OnStoredLate } from '../journal.ts';
import { LIMITS } from '../limits.ts';

/** An append without an answer. */
interface WaitingAppend {
  readonly records: readonly NewRecord[];
  /** From when its time counts, by the clock that never jumps. */
  readonly since: number;
  readonly resolve: (outcome: AppendOutcome) => void;
  /** How many of the records were given to a commit. */
  taken: number;
  /** Those of the commits that have ended. */
  results: readonly Appended[];
}

/** Records of one append that travel in one commit. */
export interface Portion {
  readonly append: WaitingAppend;
  readonly records: readonly NewRecord[];
}

/** What waits of one caller, the oldest first. */
interface Line {
  readonly appends: WaitingAppend[];
  records: number;
  bytes: number;
}

interface Size {
  readonly records: number;
  readonly bytes: number;
}

const MAX_WAITING: Size = { records: LIMITS.maxWaitingRecords, bytes: LIMITS.maxWaitingBytes };
const MAX_COMMIT: Size = { records: LIMITS.maxCommitRecords, bytes: LIMITS.maxCommitBytes };

/**
 * The appends that wait for the disk, in one line for each caller. Callers take turns to fill a commit, and each that waits
 * has a turn in every commit: so one caller's batch delays no other caller's webhook by more than a commit.
 */
export class AppendQueue {
  /** By caller. The first has the next turn. */
  readonly #lines = new Map<string, Line>();
  /** Waiting or in a commit. */
  readonly #unanswered = new Set<WaitingAppend>();
  readonly #onStoredLate: OnStoredLate | undefined;

  constructor(onStoredLate?: OnStoredLate) {
    this.#onStoredLate = onStoredLate;
  }

  get isEmpty(): boolean {
    return this.#lines.size === 0;
  }

  /** Since when the oldest append without an answer waits. Infinite if all are answered. */
  get oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { since } of this.#unanswered) oldest = Math.min(oldest, since);
    return oldest;
  }

  /** Takes in the records of one webhook, at least one. False: too much of its caller waits already. */
  add(records: readonly NewRecord[], since: number, resolve: (outcome: AppendOutcome) => void): boolean {
    const caller = callerOf(records);
    const line = this.#lines.get(caller) ?? { appends: [], records: 0, bytes: 0 };
    const grown = { records: line.records + records.length, bytes: line.bytes + bytesOf(records) };
    if (line.records > 0 && exceeds(grown, MAX_WAITING)) return false;
    const append = { records, since, resolve, taken: 0, results: [] };
    line.appends.push(append);
    this.#lines.set(caller, Object.assign(line, grown));
    this.#unanswered.add(append);
    return true;
  }

  /** What goes into the next commit. */
  take(): readonly Portion[] {
    const portions: Portion[] = [];
    const turn = turnSize(this.#lines.size);
    const commit = { records: 0, bytes: 0 };
    let firstTurns = this.#lines.size;
    for (const [caller, line] of this.#lines) {
      const grown = { records: commit.records + turn.records, bytes: commit.bytes + turn.bytes };
      if (firstTurns-- <= 0 && exceeds(grown, MAX_COMMIT)) break;
      for (const portion of takeTurn(line, turn)) {
        portions.push(portion);
        commit.records += portion.records.length;
        commit.bytes += bytesOf(portion.records);
      }
      // Behind the others, where the loop comes to it again.
      this.#lines.delete(caller);
      if (line.appends.length > 0) this.#lines.set(caller, line);
    }
    return portions;
  }

  /** The portion is durable. Its append is answered once all of it is. */
  stored({ append, records }: Portion, results: readonly Appended[]): void {
    if (!this.#unanswered.has(append)) {
      this.#onStoredLate?.(records, results);
      return;
    }
    append.results = append.results.length === 0 ? results : [...append.results, ...results];
    if (append.results.length === append.records.length) {
      this.#answer(append, { kind: 'appended', records: append.results });
    }
  }

  /** The portion is not durable, and so its append is not. */
  failed({ append }: Portion, outcome: AppendOutcome): void {
    this.#answer(append, outcome);
  }

  /** Answers the appends that wait since `latest` or longer. Their portions in a commit may yet become durable. */
  failLate(latest: number, outcome: AppendOutcome): void {
    for (const append of this.#unanswered) if (append.since <= latest) this.#answer(append, outcome);
  }

  /** Only the first answer counts. What still waits of the append is not written any more. */
  #answer(append: WaitingAppend, outcome: AppendOutcome): void {
    if (!this.#unanswered.delete(append)) return;
    append.resolve(outcome);
    if (outcome.kind === 'unavailable' && append.results.length > 0) {
      this.#onStoredLate?.(append.records.slice(0, append.results.length), append.results);
    }
    const caller = callerOf(append.records);
    const line = this.#lines.get(caller);
    const place = line?.appends.indexOf(append) ?? -1;
    if (line === undefined || place < 0) return;
    line.appends.splice(place, 1);
    shrink(line, append.records.slice(append.taken));
    if (line.appends.length === 0) this.#lines.delete(caller);
  }
}

/** With so many callers that a turn of each would overfill a commit, turns are shorter. */
function turnSize(callers: number): Size {
  return {
    records: Math.max(1, Math.min(LIMITS.maxTurnRecords, Math.floor(MAX_COMMIT.records / callers))),
    bytes: Math.min(LIMITS.maxTurnBytes, MAX_COMMIT.bytes / callers),
  };
}

/** At least one record, however large. */
function takeTurn(line: Line, turn: Size): readonly Portion[] {
  const portions: Portion[] = [];
  const taken = { records: 0, bytes: 0 };
  const fits = ({ raw }: NewRecord) => {
    const grown = { records: taken.records + 1, bytes: taken.bytes + raw.byteLength };
    if (taken.records > 0 && exceeds(grown, turn)) return false;
    Object.assign(taken, grown);
    return true;
  };
  for (let [append] = line.appends; append !== undefined; [append] = line.appends) {
    const rest = append.taken === 0 ? append.records : append.records.slice(append.taken);
    const end = rest.findIndex((record) => !fits(record));
    const records = end < 0 ? rest : rest.slice(0, end);
    if (records.length === 0) break;
    portions.push({ append, records });
    append.taken += records.length;
    shrink(line, records);
    if (end >= 0) break;
    line.appends.shift();
  }
  return portions;
}

function shrink(line: Line, records: readonly NewRecord[]): void {
  line.records -= records.length;
  line.bytes -= bytesOf(records);
}

function exceeds(size: Size, limit: Size): boolean {
  return size.records > limit.records || size.bytes > limit.bytes;
}

function bytesOf(records: readonly NewRecord[]): number {
  return records.reduce((sum, { raw }) => sum + raw.byteLength, 0);
}

/** The records of one append have one caller. */
function callerOf(records: readonly NewRecord[]): string {
  return records[0]?.caller ?? '';
}
