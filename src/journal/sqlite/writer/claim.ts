import type { Time } from '../../../model/clock.ts';
import type { Claim, DeliveryHistory } from '../../../model/delivery.ts';
import { LIMITS } from '../../limits.ts';
import { payloadOf } from '../../payload.ts';
import { type Claimed, DamageError } from '../protocol.ts';
import type { Row } from '../row.ts';
import { checkedOf, checksum, type JournalDatabase, maybeNumber } from './database.ts';
import { addDeadLetter } from './dead-letters.ts';
import { removePending } from './pending.ts';

/** An event that is due, from one of the two queues. */
export interface DueEvent {
  readonly seq: number;
  readonly dueAt: number;
  readonly receivedAt: number;
  readonly history: DeliveryHistory;
  /** It comes from the queue `fresh`: it was never tried. */
  readonly isFresh: boolean;
}

type Claimable = Pick<DueEvent, 'seq' | 'receivedAt' | 'isFresh'>;

/** What completing a claimed event needs to know. */
export interface Lease extends Claimable {
  readonly delivery: number;
  readonly fence: number;
  /** When it ends, and the event can be claimed again. Until it is, its fence completes and renews it. */
  until: number;
}

/** The claims in force. They are in memory only: the journal has one owner, and when that dies every claim is free. */
export class Leases {
  readonly #leases = new Map<number, Lease>();
  #lastFence: number;
  #waitingCount = 0;
  #freshCursor = 0;

  /** No earlier owner may have given out a fence beyond `lastFence`. */
  constructor(lastFence: number) {
    this.#lastFence = lastFence;
  }

  /** How many claimed events were tried before. */
  get waitingCount(): number {
    return this.#waitingCount;
  }

  /** Every fresh event up to this seq was claimed. */
  get freshCursor(): number {
    return this.#freshCursor;
  }

  /** Returns the fence. */
  start({ seq, receivedAt, isFresh }: Claimable, delivery: number, tick: number): number {
    const fence = ++this.#lastFence;
    this.end(seq);
    this.#leases.set(seq, { seq, receivedAt, isFresh, delivery, fence, until: tick + LIMITS.leaseMs });
    if (isFresh) this.#freshCursor = Math.max(this.#freshCursor, seq);
    else this.#waitingCount += 1;
    return fence;
  }

  /** The lease, if the claim with this fence is the latest of its event. */
  held({ seq, fence }: Pick<Claim, 'seq' | 'fence'>): Lease | undefined {
    const lease = this.#leases.get(seq);
    return lease?.fence === fence ? lease : undefined;
  }

  isClaimable(seq: number, tick: number): boolean {
    return (this.#leases.get(seq)?.until ?? 0) <= tick;
  }

  renew(claim: Pick<Claim, 'seq' | 'fence'>, tick: number): void {
    const lease = this.held(claim);
    if (lease !== undefined) lease.until = tick + LIMITS.leaseMs;
  }

  end(seq: number): void {
    const lease = this.#leases.get(seq);
    if (lease === undefined) return;
    if (!lease.isFresh) this.#waitingCount -= 1;
    this.#leases.delete(seq);
  }

  /** The fresh events whose lease has ended, in order. They are behind the cursor. */
  endedFresh(tick: number): readonly Lease[] {
    const ended: Lease[] = [];
    for (const lease of this.#leases.values()) if (lease.isFresh && lease.until <= tick) ended.push(lease);
    return ended.sort((a, b) => a.seq - b.seq);
  }

  /** When the first lease ends. Infinite if none is held. */
  nextEnd(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { until } of this.#leases.values()) next = Math.min(next, until);
    return next;
  }
}

export interface ClaimRequest {
  readonly max: number;
  readonly time: Time;
  /** The payload bytes of records that the main thread has just had written, by seq: they are not read back. */
  readonly own?: ReadonlyMap<number, number>;
}

/** Claims what is due. */
export function claimDue(database: JournalDatabase, leases: Leases, request: ClaimRequest): Claimed {
  const { time, max } = request;
  const { found, damaged, isCut } = database.reading(() => loadDue(database, leases, request));
  // Only now: events that were leased when the disk failed would be delivered a lease later.
  const { claims, fences } = claimFound(found, leases, time);
  if (damaged.length > 0) deadLetterDamaged(database, leases, damaged, time);
  // Something may be behind what was left out for its size, behind what is damaged, or beyond `max`.
  const mayBeMore = isCut || damaged.length > 0 || claims.length + fences.size === max;
  return {
    claims,
    fences,
    nextDueAt: mayBeMore ? time.tick : database.reading(() => nextDueAt(database, leases, time.tick)),
  };
}

/** When a retried event falls due, or a lease ends. */
function nextDueAt({ sql }: JournalDatabase, leases: Leases, now: number): number {
  return Math.min(leases.nextEnd(), maybeNumber(sql.nextWaiting, now) ?? Number.POSITIVE_INFINITY);
}

interface Found {
  readonly due: DueEvent;
  readonly loaded: Loaded;
}

function loadDue(database: JournalDatabase, leases: Leases, { max, time, own }: ClaimRequest) {
  const found: Found[] = [];
  const damaged: DueEvent[] = [];
  let bytes = 0;
  for (const due of dueEvents(database, leases, max, time.tick)) {
    const ownBytes = own?.get(due.seq);
    const loaded = ownBytes === undefined ? load(database, due) : { bytes: ownBytes };
    if (loaded === undefined) {
      damaged.push(due);
      continue;
    }
    if (found.length > 0) bytes += loaded.bytes;
    if (bytes > LIMITS.maxClaimBytes) return { found, damaged, isCut: true };
    found.push({ due, loaded });
  }
  return { found, damaged, isCut: false };
}

function claimFound(found: readonly Found[], leases: Leases, { tick }: Time): Pick<Claimed, 'claims' | 'fences'> {
  const claims: Claim[] = [];
  const fences = new Map<number, number>();
  for (const { due, loaded } of found) {
    const fence = leases.start(due, loaded.claim?.delivery ?? 1, tick);
    if (loaded.claim === undefined) fences.set(due.seq, fence);
    else claims.push({ ...loaded.claim, fence });
  }
  return { claims, fences };
}

/** The first `max` events that are due and not claimed, from both queues in one order. */
function dueEvents({ sql }: JournalDatabase, leases: Leases, max: number, now: number): readonly DueEvent[] {
  // Claimed events stay at the head of their queue until they are completed.
  const waiting = sql.waitingDue
    .all(now, max + leases.waitingCount)
    .map(waitingEvent)
    .filter(({ seq }) => leases.isClaimable(seq, now));
  const fresh = [...leases.endedFresh(now), ...sql.freshAfter.all(leases.freshCursor, max).map(freshClaimable)];
  return merge(waiting, fresh.map(freshEvent), max);
}

/** The first of two queues, by their due times. Each keeps its own order: the fresh ones, that of their seq. */
function merge(waiting: readonly DueEvent[], fresh: readonly DueEvent[], max: number): readonly DueEvent[] {
  const merged: DueEvent[] = [];
  let [nextWaiting, nextFresh] = [0, 0];
  while (merged.length < max) {
    const [a, b] = [waiting[nextWaiting], fresh[nextFresh]];
    const first = a !== undefined && (b === undefined || a.dueAt <= b.dueAt) ? a : b;
    if (first === undefined) break;
    merged.push(first);
    if (first === a) nextWaiting += 1;
    else nextFresh += 1;
  }
  return merged;
}

function freshClaimable(row: Row): Claimable {
  return { seq: Number(row['seq']), receivedAt: Number(row['received_at']), isFresh: true };
}

function freshEvent({ seq, receivedAt }: Claimable): DueEvent {
  const history = { attempts: 0, uncertain: 0, agesFrom: receivedAt, lastAttemptAt: 0 };
  return { seq, dueAt: receivedAt, receivedAt, isFresh: true, history };
}

function waitingEvent(row: Row): DueEvent {
  return {
    seq: Number(row['seq']),
    dueAt: Number(row['due_at']),
    receivedAt: Number(row['received_at']),
    isFresh: false,
    history: {
      attempts: Number(row['attempts']),
      uncertain: Number(row['uncertain']),
      agesFrom: Number(row['ages_from']),
      lastAttemptAt: Number(row['last_attempt_at']),
    },
  };
}

interface Loaded {
  /** Of the raw event. */
  readonly bytes: number;
  /** Absent for a record that the main thread has. */
  readonly claim?: Omit<Claim, 'fence'>;
}

/** Undefined for a record that is not what was stored. Throws when the entry in its queue is not. */
function load({ sql }: JournalDatabase, { seq, receivedAt, history }: DueEvent): Loaded | undefined {
  const row = sql.loadEvent.get(seq);
  if (row?.['received_at'] !== receivedAt) throw new DamageError(`the record of event ${seq} is missing`);
  const checked = checkedOf(row);
  if (checksum(checked) !== row['checksum']) return undefined;
  const { raw, eventJson, payload } = checked;
  const { delivery, caller, traceparent } = row;
  const claim = {
    seq,
    delivery: Number(delivery),
    receivedAt: Number(row['received_at']) + Number(row['clock_lead']),
    caller: String(caller),
    history,
    event: JSON.parse(eventJson),
    payload: payloadOf(raw, payload),
    ...(typeof traceparent === 'string' && { traceparent }),
  };
  return { bytes: raw.byteLength, claim };
}

/** Damaged records become dead letters. The others go on. */
function deadLetterDamaged(database: JournalDatabase, leases: Leases, events: readonly DueEvent[], at: Time): void {
  const { counters } = database;
  database.transaction(() => {
    for (const { seq, isFresh } of events) {
      removePending(database, { seq, isFresh });
      addDeadLetter(database, { seq, at, reason: 'damaged', detail: 'the record fails its checksum' });
    }
    counters.damaged += events.length;
  });
  for (const { seq } of events) leases.end(seq);
}
