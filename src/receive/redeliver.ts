import type { Authenticator } from '../auth/authenticator.ts';
import type { Decode } from '../decode/decoder.ts';
import type { History, JournalRecord } from '../journal/journal.ts';
import type { DeadLetterReason } from '../model/receipt.ts';
import { isRegistryEvent, type RegistryEvent } from '../model/registry-event.ts';
import { formatIssues, judge } from './judge.ts';

export interface RedeliverOptions {
  readonly authenticator: Authenticator;
  readonly decode: Decode;
  readonly history: History;
}

export type Redelivery =
  | { readonly kind: 'redelivered' }
  | { readonly kind: 'unknown' }
  /** It waits for its delivery already. */
  | { readonly kind: 'pending' }
  /** It still cannot be delivered; nothing changed. */
  | { readonly kind: 'undeliverable'; readonly detail: string };

export type Redeliver = (seq: number) => Promise<Redelivery>;

/**
 * Makes a completed event pending again. One that could not be mapped on arrival is first read and judged again, from its raw
 * form and with the present permissions of its caller: a binding that was added since gives it the missing registry.
 */
export function createRedeliver({ authenticator, decode, history }: RedeliverOptions): Redeliver {
  return async (seq) => {
    const record = await history.get(seq);
    if (record === undefined) return { kind: 'unknown' };
    if (record.state === 'pending') return { kind: 'pending' };
    const isUnmapped = record.deadLetter !== undefined && ON_ARRIVAL.has(record.deadLetter.reason);
    const event = isUnmapped ? readAgain(record, authenticator, decode) : undefined;
    if (typeof event === 'string') return { kind: 'undeliverable', detail: event };
    return (await history.redeliver(seq, event)) ? { kind: 'redelivered' } : { kind: 'pending' };
  };
}

/** The reasons for which an event becomes a dead letter when it arrives. */
const ON_ARRIVAL: ReadonlySet<DeadLetterReason> = new Set(['no-registry', 'out-of-scope', 'unreadable']);

/** The event as it is judged today, or why it still cannot be delivered. Rules do not apply: an operator asked for it. */
function readAgain(
  { caller: name, raw, headers, receivedAt }: JournalRecord,
  authenticator: Authenticator,
  decode: Decode,
): RegistryEvent | string {
  const caller = authenticator.callerNamed(name);
  if (caller === undefined) return `caller "${name}" is not configured any more`;
  const decoded = decode(raw, headers);
  if (decoded.kind !== 'decoded') return 'the stored webhook cannot be read';
  const judged = judge(decoded, { headers, body: raw, caller: { ...caller, rules: [] }, receivedAt });
  if ('kind' in judged) return `out of scope: ${formatIssues([judged.issue])}`;
  const [judgement] = judged;
  if (judgement?.kind !== 'kept') return 'the stored webhook carries nothing to deliver';
  const { event, deadLetter } = judgement.record;
  if (deadLetter?.reason === 'no-registry') return deadLetter.detail;
  if (deadLetter !== undefined) return `${deadLetter.reason}: ${deadLetter.detail}`;
  return isRegistryEvent(event) ? event : 'the stored webhook cannot be read';
}
