import type { Claim } from '../../model/delivery.ts';
import { isRegistryEvent } from '../../model/registry-event.ts';
import type { JournalStats, NewRecord } from '../journal.ts';
import { payloadOf } from '../payload.ts';
import { traceOf } from '../traceparent.ts';
import { DueLine } from './memory-due-line.ts';
import { type Entry, newEntry, type Status } from './memory-entry.ts';

const LEASE_MS = 120_000;
const CLAIM_BYTES = 8 * 1024 * 1024;

const DAY_MS = 86_400_000;
const HISTORY_MS = 7 * DAY_MS;
const DEAD_MS = 30 * DAY_MS;

/** Keeps the byte order mark, which is a part of the event. */
/** The records of a memory journal and the order in which they are lent. Is told the time; waits for nothing. */
export class MemoryEntries {
  /** By seq, which ascends. */
  readonly #entries = new Map<number, Entry>();
  readonly #line = new DueLine();
  #bytes = 0;
  #lastSeq = 0;
  #lastFence = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** When an event can next be lent. */
  get nextAt(): number {
    return this.#line.nextAt;
  }

  add(record: NewRecord, now: number): number {
    this.#lastSeq += 1;
    const entry = newEntry(this.#lastSeq, record, now);
    this.#entries.set(entry.seq, entry);
    this.#bytes += entry.bytes;
    this.change(entry, entry.status);
    return entry.seq;
  }

  get(seq: number): Entry | undefined {
    return this.#entries.get(seq);
  }

  newestFirst(): readonly Entry[] {
    return [...this.#entries.values()].reverse();
  }

  /** The only way to change an entry's status: it takes its place among those that can be lent, or leaves it. */
  change(entry: Entry, status: Status): void {
    entry.status = status;
    if (status.kind === 'pending') this.#line.put(entry.seq, status.lease?.endsAt ?? status.dueAt);
    else this.#line.remove(entry.seq);
  }

  lend(max: number, now: number): readonly Claim[] {
    const claims: Claim[] = [];
    let bytesBeyondFirst = 0;
    for (const seq of this.#line.due(now, max)) {
      const entry = this.#entries.get(seq);
      if (entry?.status.kind !== 'pending') continue;
      const { event } = entry;
      if (!isRegistryEvent(event)) continue;
      if (claims.length > 0) bytesBeyondFirst += entry.record.raw.byteLength;
      if (bytesBeyondFirst > CLAIM_BYTES) break;
      this.#lastFence += 1;
      this.#lease(entry, this.#lastFence, now);
      claims.push({
        seq,
        fence: this.#lastFence,
        delivery: entry.delivery,
        receivedAt: entry.record.receivedAt,
        history: entry.status.history,
        event,
        payload: payloadOf(entry.record.raw, entry.record.payload),
        ...traceOf(entry.record.headers),
      });
    }
    return claims;
  }

  /** The entry, if it is still lent to the claim with that fence. */
  lent(seq: number, fence: number, now: number): Entry | undefined {
    const entry = this.#entries.get(seq);
    if (entry?.status.kind !== 'pending' || entry.status.lease === undefined) return undefined;
    const { lease } = entry.status;
    return lease.fence === fence && lease.endsAt > now ? entry : undefined;
  }

  renew(seq: number, fence: number, now: number): void {
    const entry = this.lent(seq, fence, now);
    if (entry !== undefined) this.#lease(entry, fence, now);
  }

  wake(spreadMs: number, now: number): void {
    const waiting = [...this.#entries.values()]
      .filter(({ status }) => status.kind === 'pending' && status.lease === undefined && status.dueAt > now)
      .filter(({ status }) => status.kind === 'pending' && status.history.uncertain === 0)
      .sort((a, b) => a.record.receivedAt - b.record.receivedAt);
    for (const [index, entry] of waiting.entries()) {
      if (entry.status.kind !== 'pending') continue;
      this.change(entry, { ...entry.status, dueAt: Math.min(entry.status.dueAt, now + index * spreadMs) });
    }
  }

  /** Forgets at most `max` records, oldest first: those past their time, and delivered ones while above `maxBytes`. */
  forget(max: number, maxBytes: number, now: number): number {
    let gone = 0;
    for (const { seq, status, bytes } of this.#entries.values()) {
      if (gone === max) break;
      if (!isOver(status, now) && !(status.kind === 'delivered' && this.#bytes > maxBytes)) continue;
      this.#entries.delete(seq);
      this.#bytes -= bytes;
      gone += 1;
    }
    return gone;
  }

  stats(): JournalStats {
    const pendingSince: number[] = [];
    const deadSince: number[] = [];
    for (const { record, status } of this.#entries.values()) {
      if (status.kind === 'pending') pendingSince.push(record.receivedAt);
      if (status.kind === 'dead-lettered') deadSince.push(status.deadLetter.at);
    }
    return {
      pending: pendingSince.length,
      dead: deadSince.length,
      ...(pendingSince.length > 0 && { oldestPendingAt: least(pendingSince) }),
      ...(deadSince.length > 0 && { oldestDeadAt: least(deadSince) }),
      damaged: 0,
      bytes: this.#bytes,
    };
  }

  #lease(entry: Entry, fence: number, now: number): void {
    if (entry.status.kind !== 'pending') return;
    this.change(entry, { ...entry.status, lease: { fence, endsAt: now + LEASE_MS } });
  }
}

function isOver(status: Status, now: number): boolean {
  if (status.kind === 'delivered') return status.at < now - HISTORY_MS;
  return status.kind === 'dead-lettered' && status.deadLetter.at < now - DEAD_MS;
}

function least(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
}
