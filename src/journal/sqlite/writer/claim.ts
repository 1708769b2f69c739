import type { Time } from '../../../model/clock.ts';
import type { Claim, DeliveryHistory } from '../../../model/delivery.ts';
import { LIMITS } from '../../limits.ts';
import { payloadOf } from '../../payload.ts';
import type { Claimed } from '../protocol.ts';
import type { Row } from '../row.ts';
import { checkedOf, checksum, type JournalDatabase, maybeNumber } from './database.ts';
import { addDeadLetter } from './dead-letters.ts';

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
  /** When it ends, by the clock that never jumps: setting the machine's clock must not hand out an event twice. */
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

  /** Every fresh event up to this seq is claimed or completed. */
  get freshCursor(): number {
    return this.#freshCursor;
  }

  /** Returns the fence. */
  start({ seq, receivedAt, isFresh }: Claimable, delivery: number, tick: number): number {
    const fence = ++this.#lastFence;
    this.#leases.set(seq, { seq, receivedAt, isFresh, delivery, fence, until: tick + LIMITS.leaseMs });
    if (isFresh) this.#freshCursor = Math.max(this.#freshCursor, seq);
    else this.#waitingCount += 1;
    return fence;
  }

  /** The lease, if the claim with this fence still holds it. */
  held({ seq, fence }: Pick<Claim, 'seq' | 'fence'>, tick: number): Lease | undefined {
    const lease = this.#leases.get(seq);
    return lease !== undefined && lease.fence === fence && lease.until > tick ? lease : undefined;
  }

  isHeld(seq: number): boolean {
    return this.#leases.has(seq);
  }

  renew(claim: Pick<Claim, 'seq' | 'fence'>, tick: number): void {
    const lease = this.held(claim, tick);
    if (lease !== undefined) lease.until = tick + LIMITS.leaseMs;
  }

  end(seq: number): void {
    const lease = this.#leases.get(seq);
    if (lease === undefined) return;
    if (!lease.isFresh) this.#waitingCount -= 1;
    this.#leases.delete(seq);
  }

  /** Drops the leases that have ended, so that their events can be claimed again. */
  dropEnded(tick: number): void {
    for (const lease of [...this.#leases.values()].filter(({ until }) => until <= tick)) {
      this.end(lease.seq);
      if (lease.isFresh) this.#freshCursor = Math.min(this.#freshCursor, lease.seq - 1);
    }
  }

  /** When the first lease ends, by the same clock. Infinite if none is held. */
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
  if (damaged.length > 0) deadLetterDamaged(database, damaged, time.now);
  // Something may be behind what was left out for its size, behind what is damaged, or beyond `max`.
  const mayBeMore = isCut || damaged.length > 0 || claims.length + fences.size === max;
  return {
    claims,
    fences,
    nextDueAt: mayBeMore ? time.now : database.reading(() => nextDueAt(database, leases, time)),
  };
}

/** When a retried event falls due, or a lease ends. */
function nextDueAt({ sql }: JournalDatabase, leases: Leases, { now, tick }: Time): number {
  const leaseEndsAt = now + (leases.nextEnd() - tick);
  return Math.min(leaseEndsAt, maybeNumber(sql.nextWaiting, now) ?? Number.POSITIVE_INFINITY);
}

interface Found {
  readonly due: DueEvent;
  readonly loaded: Loaded;
}

function loadDue(database: JournalDatabase, leases: Leases, { max, time, own }: ClaimRequest) {
  const found: Found[] = [];
  const damaged: DueEvent[] = [];
  let bytes = 0;
  for (const due of dueEvents(database, leases, max, time)) {
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
function dueEvents({ sql }: JournalDatabase, leases: Leases, max: number, { now, tick }: Time): readonly DueEvent[] {
  leases.dropEnded(tick);
  // Claimed events stay at the head of their queue until they are completed.
  const waiting = sql.waitingDue.all(now, max + leases.waitingCount).map(waitingEvent);
  const fresh = sql.freshAfter.all(leases.freshCursor, max).map(freshEvent);
  return [...waiting, ...fresh]
    .filter(({ seq }) => !leases.isHeld(seq))
    .sort((a, b) => a.dueAt - b.dueAt || a.seq - b.seq)
    .slice(0, max);
}

function freshEvent(row: Row): DueEvent {
  const receivedAt = Number(row['received_at']);
  const history = { attempts: 0, uncertain: 0, agesFrom: receivedAt, lastAttemptAt: 0 };
  return { seq: Number(row['seq']), dueAt: receivedAt, receivedAt, isFresh: true, history };
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

/** Undefined for a record that is not what was stored. */
function load({ sql }: JournalDatabase, { seq, receivedAt, history }: DueEvent): Loaded | undefined {
  const row = sql.loadEvent.get(seq);
  if (row === undefined) return undefined;
  const checked = checkedOf(row);
  if (checksum(checked) !== row['checksum']) return undefined;
  const { raw, eventJson, payload } = checked;
  const { delivery, traceparent } = row;
  const claim = {
    seq,
    delivery: Number(delivery),
    receivedAt,
    history,
    event: JSON.parse(eventJson),
    payload: payloadOf(raw, payload),
    ...(typeof traceparent === 'string' && { traceparent }),
  };
  return { bytes: raw.byteLength, claim };
}

/** Damaged records become dead letters. The others go on. */
function deadLetterDamaged(database: JournalDatabase, events: readonly DueEvent[], now: number): void {
  const { sql, counters } = database;
  database.transaction(() => {
    for (const { seq, isFresh } of events) {
      (isFresh ? sql.dropFresh : sql.dropWaiting).run(seq);
      addDeadLetter(database, { seq, at: now, reason: 'damaged', detail: 'the record fails its checksum' });
    }
    counters.pending -= events.length;
    counters.damaged += events.length;
  });
}
