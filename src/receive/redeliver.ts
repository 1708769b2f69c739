import type { Authenticator } from '../auth/authenticator.ts';
import { scopeOf } from '../auth/scope.ts';
import type { Decode } from '../decode/decoder.ts';
import type { History, JournalRecord } from '../journal/journal.ts';
import type { DeadLetterReason } from '../model/receipt.ts';
import type { RegistryEvent } from '../model/registry-event.ts';

export interface RedeliverOptions {
  readonly authenticator: Authenticator;
  readonly decode: Decode;
  readonly history: History;
}

export type Redelivery =
  | { readonly kind: 'redelivered' }
  | { readonly kind: 'unknown' }
  /** It is on its way already. */
  | { readonly kind: 'pending' }
  /** It is as undeliverable as it was; nothing changed. */
  | { readonly kind: 'undeliverable'; readonly detail: string };

export type Redeliver = (seq: number) => Promise<Redelivery>;

/**
 * Offers a completed event to the sink once more. One that could not be mapped when it came is received once more first,
 * from its raw form and for its caller as bound now: a binding that was added since gives it the registry it lacked.
 */
export function createRedeliver({ authenticator, decode, history }: RedeliverOptions): Redeliver {
  return async (seq) => {
    const record = await history.get(seq);
    if (record === undefined) return { kind: 'unknown' };
    if (record.state === 'pending') return { kind: 'pending' };
    const isUnmapped = record.deadLetter !== undefined && ON_ARRIVAL.has(record.deadLetter.reason);
    const event = isUnmapped ? replay(record, authenticator, decode) : undefined;
    if (typeof event === 'string') return { kind: 'undeliverable', detail: event };
    return (await history.redeliver(seq, event)) ? { kind: 'redelivered' } : { kind: 'pending' };
  };
}

/** Why an event is deadLettered when it comes, and would be once more if nothing had changed. */
const ON_ARRIVAL: ReadonlySet<DeadLetterReason> = new Set(['no-registry', 'out-of-scope', 'unreadable']);

/** The event as it is read today, or why it still cannot be delivered. */
function replay(record: JournalRecord, authenticator: Authenticator, decode: Decode): RegistryEvent | string {
  const caller = authenticator.callerNamed(record.caller);
  if (caller === undefined) return `caller "${record.caller}" is not configured any more`;
  const decoded = decode(record.raw, record.headers);
  const event = decoded.kind === 'decoded' ? decoded.events[0] : undefined;
  if (event?.kind !== 'event') return 'the stored webhook cannot be read';
  const scope = scopeOf(caller, event.event);
  if (scope.kind === 'out-of-scope') return `out of scope: ${scope.issue.path} is to be ${scope.issue.expected}`;
  if (scope.event.registry === undefined) return 'no registry is known for it: bind its caller to one';
  return scope.event;
}
