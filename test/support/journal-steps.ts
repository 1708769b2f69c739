import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Appended, Intake, Maintenance, NewRecord, Queue } from '../../src/journal/journal.ts';
import type { Attempt, Claim, DeliveryHistory } from '../../src/model/delivery.ts';
import { anAttempt, aRecord, DELIVERED, REJECTED, UNAVAILABLE } from './records.ts';

const NEVER = new AbortController().signal;

/** Appends, and insists that it worked. */
export async function append(journal: Intake, ...records: readonly NewRecord[]): Promise<readonly Appended[]> {
  const outcome = await journal.append(records);
  assert.equal(outcome.kind, 'appended', JSON.stringify(outcome));
  return outcome.kind === 'appended' ? outcome.records : [];
}

/** Appends records that are new; resolves to their numbers. */
export async function keep(journal: Intake, ...records: readonly NewRecord[]): Promise<readonly number[]> {
  return (await append(journal, ...records)).map((appended) => {
    if (appended.kind !== 'kept') return assert.fail(`expected a new record, got ${JSON.stringify(appended)}`);
    return appended.seq;
  });
}

export async function keepOne(journal: Intake, record: NewRecord): Promise<number> {
  const [seq] = await keep(journal, record);
  return seq ?? assert.fail('an append answered for no record');
}

/** Claims what is due, or waits until something is. */
export function lend(journal: Queue, max = 1_000): Promise<readonly Claim[]> {
  return journal.claim(max, NEVER);
}

export async function lendOne(journal: Queue): Promise<Claim> {
  const [claim] = await lend(journal, 1);
  return claim ?? assert.fail('nothing was lent');
}

/**
 * Claims all that is due, in the order in which it is lent, and proves that no more is: a marker that falls due now is
 * appended, and whatever was due before it must come before it. The marker is delivered at once.
 */
export async function lendAllDue(journal: Intake & Queue, now: number): Promise<readonly Claim[]> {
  const marker = await keepOne(journal, aRecord(`marker ${randomUUID()}`, now));
  const lent: Claim[] = [];
  for (;;) {
    const claims = await lend(journal);
    assert.notEqual(claims.length, 0, 'the marker was due, and was not lent');
    lent.push(...claims.filter(({ seq }) => seq !== marker));
    const found = claims.find(({ seq }) => seq === marker);
    if (found === undefined) continue;
    assert.equal(await journal.complete({ seq: marker, fence: found.fence, decision: { kind: 'complete' } }), true);
    return lent;
  }
}

export function seqs(records: readonly { readonly seq: number }[]): readonly number[] {
  return records.map(({ seq }) => seq);
}

type Lent = Pick<Claim, 'seq' | 'fence'>;

export function completeDelivered(journal: Queue, { seq, fence }: Lent, at: number): Promise<boolean> {
  return journal.complete({ seq, fence, attempt: anAttempt(at, DELIVERED), decision: { kind: 'complete' } });
}

export function deadLetterClaim(journal: Queue, { seq, fence }: Lent, at: number): Promise<boolean> {
  return journal.complete({
    seq,
    fence,
    attempt: anAttempt(at, REJECTED),
    decision: { kind: 'dead-letter', reason: 'rejected' },
  });
}

export function settleRetried(journal: Queue, claim: Lent & Pick<Claim, 'history'>, at: number, dueAt: number) {
  const attempt = anAttempt(at, UNAVAILABLE);
  const decision = { kind: 'retry', at: dueAt, history: historyAfter(claim.history, attempt) } as const;
  return journal.complete({ seq: claim.seq, fence: claim.fence, attempt, decision });
}

function historyAfter(history: DeliveryHistory, { at }: Attempt): DeliveryHistory {
  return { ...history, attempts: history.attempts + 1, lastAttemptAt: at };
}

/** Appends records and has them delivered. */
export async function keepDelivered(
  journal: Intake & Queue,
  ...records: readonly NewRecord[]
): Promise<readonly number[]> {
  const kept = await keep(journal, ...records);
  const left = new Set(kept);
  while (left.size > 0) {
    for (const claim of await lend(journal)) {
      assert.equal(await completeDelivered(journal, claim, claim.receivedAt), true);
      assert.ok(left.delete(claim.seq), 'something else was due');
    }
  }
  return kept;
}

/** Prunes until there is nothing left to forget. */
export async function pruneAll(journal: Maintenance, now: number): Promise<number> {
  let gone = 0;
  for (;;) {
    const step = await journal.prune(now);
    gone += step.gone;
    if (!step.mayBeMore) return gone;
  }
}
