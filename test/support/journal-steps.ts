import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type {
  Appended,
  History,
  Intake,
  Maintenance,
  NewRecord,
  Queue,
  RecordQuery,
  RecordSummary,
} from '../../src/journal/journal.ts';
import type { Attempt, Claim, DeliveryHistory } from '../../src/model/delivery.ts';
import type { DeadLetterReason } from '../../src/model/receipt.ts';
import { anAttempt, aRecord, DELIVERED, REJECTED, UNAVAILABLE } from './records.ts';

const NEVER = new AbortController().signal;

/** Appends, and asserts that it worked. */
export async function append(journal: Intake, ...records: readonly NewRecord[]): Promise<readonly Appended[]> {
  const outcome = await journal.append(records);
  assert.equal(outcome.kind, 'appended', JSON.stringify(outcome));
  return outcome.kind === 'appended' ? outcome.records : [];
}

/** Appends records, asserts that they are new, and resolves to their numbers. */
export async function keep(journal: Intake, ...records: readonly NewRecord[]): Promise<readonly number[]> {
  return (await append(journal, ...records)).map((appended) => {
    if (appended.kind !== 'kept') return assert.fail(`expected a new record, got ${JSON.stringify(appended)}`);
    return appended.seq;
  });
}

export async function keepOne(journal: Intake, record: NewRecord): Promise<number> {
  const [seq] = await keep(journal, record);
  return seq ?? assert.fail('the append has no result');
}

/** Claims what is due, or waits until something is. */
export function claimDue(journal: Queue, max = 1_000): Promise<readonly Claim[]> {
  return journal.claim(max, NEVER);
}

export async function claimOne(journal: Queue): Promise<Claim> {
  const [claim] = await claimDue(journal, 1);
  return claim ?? assert.fail('the claim is empty');
}

/**
 * Claims everything that is due, in order, and proves that nothing else is: it appends a marker that is due now and claims
 * until the marker comes. The marker is delivered at once.
 */
export async function claimAllDue(journal: Intake & Queue, now: number): Promise<readonly Claim[]> {
  const marker = await keepOne(journal, aRecord(`marker ${randomUUID()}`, now));
  const claimed: Claim[] = [];
  for (;;) {
    const claims = await claimDue(journal);
    assert.notEqual(claims.length, 0, 'the marker is due, and the claim is empty');
    claimed.push(...claims.filter(({ seq }) => seq !== marker));
    const found = claims.find(({ seq }) => seq === marker);
    if (found === undefined) continue;
    assert.equal(await journal.complete({ seq: marker, fence: found.fence, decision: { kind: 'complete' } }), true);
    return claimed;
  }
}

/** The records of the first page. */
export async function list(history: Pick<History, 'find'>, query: RecordQuery): Promise<readonly RecordSummary[]> {
  return (await history.find(query)).records;
}

/** The records of all pages. */
export async function findAll(history: Pick<History, 'find'>, query: RecordQuery): Promise<readonly RecordSummary[]> {
  const { records, next } = await history.find(query);
  return next === undefined ? records : [...records, ...(await findAll(history, { ...query, before: next }))];
}

export function seqs(records: readonly { readonly seq: number }[]): readonly number[] {
  return records.map(({ seq }) => seq);
}

type Held = Pick<Claim, 'seq' | 'fence'>;

export function completeDelivered(journal: Queue, { seq, fence }: Held, at: number): Promise<boolean> {
  return journal.complete({ seq, fence, attempt: anAttempt(at, DELIVERED), decision: { kind: 'complete' } });
}

export function deadLetterClaim(
  journal: Queue,
  { seq, fence }: Held,
  at: number,
  reason: DeadLetterReason = 'rejected',
): Promise<boolean> {
  return journal.complete({ seq, fence, attempt: anAttempt(at, REJECTED), decision: { kind: 'dead-letter', reason } });
}

/** Appends a record and gives it up. */
export async function keepDeadLetter(
  journal: Intake & Queue,
  record: NewRecord,
  reason: DeadLetterReason,
): Promise<number> {
  const seq = await keepOne(journal, record);
  assert.equal(await deadLetterClaim(journal, await claimOne(journal), record.receivedAt, reason), true);
  return seq;
}

export function retryClaim(journal: Queue, claim: Held & Pick<Claim, 'history'>, at: number, dueAt: number) {
  const attempt = anAttempt(at, UNAVAILABLE);
  const decision = { kind: 'retry', at: dueAt, history: historyAfter(claim.history, attempt) } as const;
  return journal.complete({ seq: claim.seq, fence: claim.fence, attempt, decision });
}

function historyAfter(history: DeliveryHistory, { at }: Attempt): DeliveryHistory {
  return { ...history, attempts: history.attempts + 1, lastAttemptAt: at };
}

/** Appends records and completes them as delivered. */
export async function keepDelivered(
  journal: Intake & Queue,
  ...records: readonly NewRecord[]
): Promise<readonly number[]> {
  const kept = await keep(journal, ...records);
  const left = new Set(kept);
  while (left.size > 0) {
    for (const claim of await claimDue(journal)) {
      assert.equal(await completeDelivered(journal, claim, claim.receivedAt), true);
      assert.ok(left.delete(claim.seq), 'something else is due');
    }
  }
  return kept;
}

/** Prunes until nothing more goes. */
export async function pruneAll(journal: Maintenance): Promise<number> {
  let gone = 0;
  for (;;) {
    const step = await journal.prune();
    gone += step.gone;
    if (!step.mayBeMore) return gone;
  }
}
