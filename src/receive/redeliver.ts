import type { Authenticator } from '../auth/authenticator.ts';
import type { Decode } from '../decode/decoder.ts';
import type { Corrections, History, JournalRecord } from '../journal/journal.ts';
import type { Caller } from '../model/caller.ts';
import type { DeadLetterReason } from '../model/receipt.ts';
import { isRegistryEvent, type RegistryEvent } from '../model/registry-event.ts';
import { formatIssues, judge } from './judge.ts';
import { applyRules, type RuleDecision } from './rules.ts';

export interface RedeliverOptions {
  readonly authenticator: Authenticator;
  readonly decode: Decode;
  readonly history: Pick<History & Corrections, 'get' | 'redeliver'>;
}

export type Redelivery =
  | { readonly kind: 'redelivered' }
  | { readonly kind: 'unknown' }
  /** It waits for its delivery already. */
  | { readonly kind: 'pending' }
  /** A rule of today ignores it; nothing changed. */
  | { readonly kind: 'ignored'; readonly rule: string }
  /** It still cannot be delivered; nothing changed. */
  | { readonly kind: 'undeliverable'; readonly detail: string };

export type Redeliver = (seq: number) => Promise<Redelivery>;

/**
 * Makes a completed event pending again. A dead letter is first judged again, with the present permissions and rules of its
 * caller. One that could not be mapped on arrival is also read again, from its raw form: a binding that was added since gives
 * it the missing registry. A delivered event is sent again as it was.
 */
export function createRedeliver({ authenticator, decode, history }: RedeliverOptions): Redeliver {
  return async (seq) => {
    const record = await history.get(seq);
    if (record === undefined) return { kind: 'unknown' };
    if (record.state === 'pending') return { kind: 'pending' };
    const judged = judgeAgain(record, authenticator.callerNamed(record.caller), decode);
    if (judged.kind !== 'deliverable') return judged;
    return (await history.redeliver(seq, judged.event)) ? { kind: 'redelivered' } : { kind: 'pending' };
  };
}

type Judged =
  /** `event` replaces the one in the record. */
  | { readonly kind: 'deliverable'; readonly event?: RegistryEvent }
  | Extract<Redelivery, { kind: 'ignored' | 'undeliverable' }>;

/** The reasons for which an event becomes a dead letter when it arrives. */
const ON_ARRIVAL: ReadonlySet<DeadLetterReason> = new Set(['no-registry', 'out-of-scope', 'unreadable']);

function judgeAgain(record: JournalRecord, caller: Caller | undefined, decode: Decode): Judged {
  const { deadLetter, event } = record;
  if (deadLetter === undefined) return { kind: 'deliverable' };
  if (ON_ARRIVAL.has(deadLetter.reason)) {
    return caller === undefined
      ? undeliverable(`caller "${record.caller}" is not configured any more`)
      : readAgain(record, caller, decode);
  }
  const decision = caller !== undefined && isRegistryEvent(event) ? applyRules(event, caller) : ACCEPTED;
  return decision.kind === 'ignore' ? { kind: 'ignored', rule: decision.rule } : { kind: 'deliverable' };
}

/** What a caller without rules gets, such as one that is not configured any more. */
const ACCEPTED: RuleDecision = { kind: 'accept' };

function readAgain({ raw, headers, receivedAt }: JournalRecord, caller: Caller, decode: Decode): Judged {
  const decoded = decode(raw, headers);
  if (decoded.kind !== 'decoded') return undeliverable('the stored webhook cannot be read');
  const [judgement] = judge(decoded, { headers, body: raw, caller, receivedAt });
  if (judgement === undefined) return undeliverable('the stored webhook carries nothing to deliver');
  if (judgement.kind === 'out-of-scope') return undeliverable(`out of scope: ${formatIssues([judgement.issue])}`);
  if (judgement.kind === 'unreadable') return undeliverable(`unreadable: ${formatIssues(judgement.issues)}`);
  if (judgement.kind === 'ignored') {
    const { result } = judgement.receipt;
    return result.kind === 'ignored' && result.reason === 'rule'
      ? { kind: 'ignored', rule: result.rule }
      : undeliverable('the stored webhook carries nothing to deliver');
  }
  const { event, deadLetter } = judgement.record;
  if (deadLetter?.reason === 'no-registry') return undeliverable(deadLetter.detail);
  if (deadLetter !== undefined) return undeliverable(`${deadLetter.reason}: ${deadLetter.detail}`);
  return isRegistryEvent(event) ? { kind: 'deliverable', event } : undeliverable('the stored webhook cannot be read');
}

function undeliverable(detail: string): Judged {
  return { kind: 'undeliverable', detail };
}
