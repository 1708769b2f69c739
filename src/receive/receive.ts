import { hash } from 'node:crypto';
import type { Authenticator } from '../auth/authenticator.ts';
import { scopeOf } from '../auth/scope.ts';
import type { Decode, DecodedEvent } from '../decode/decoder.ts';
import type { Appended, AppendOutcome, Intake, NewRecord } from '../journal/journal.ts';
import type { Caller } from '../model/caller.ts';
import type { EventReceipt, Receipt, Rejection } from '../model/receipt.ts';
import type { RegistryEvent } from '../model/registry-event.ts';
import { comparableRegistry } from '../model/registry-name.ts';
import type { Format, Headers } from '../model/webhook.ts';
import type { Receive } from './incoming-webhook.ts';
import { keptHeaders } from './kept-headers.ts';

export interface ReceiveOptions {
  readonly authenticator: Authenticator;
  readonly decode: Decode;
  readonly intake: Intake;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** One event on its way: nothing to do but tell, or to be appended. */
type Taken =
  | { readonly kind: 'told'; readonly receipt: EventReceipt }
  | { readonly kind: 'record'; readonly record: NewRecord };

/**
 * authenticate → decode → scope → append → receipt. What it answers with a receipt is durable, was already, or carries
 * nothing to deliver; after a rejection nothing of the webhook was kept.
 */
export function createReceive({ authenticator, decode, intake, now }: ReceiveOptions): Receive {
  return async ({ headers, readBody }) => {
    const authentication = await authenticator.authenticate(headers);
    if (authentication.kind !== 'caller') return { answer: authentication };
    const { caller } = authentication;
    const body = await readBody();
    if (body.kind !== 'body') return { caller: caller.name, answer: body };
    const decoded = decode(body.bytes, headers);
    if (decoded.kind === 'unreadable') return { caller: caller.name, answer: decoded };
    const webhook = { headers, body: body.bytes, format: decoded.format, receivedAt: now() };
    const taken: Taken[] = [];
    for (const event of decoded.events) {
      const one = take(event, caller, webhook);
      if (one.kind === 'out-of-scope') return { caller: caller.name, answer: one };
      taken.push(one);
    }
    return { caller: caller.name, answer: await append(taken, intake) };
  };
}

interface ReadWebhook {
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly format: Format;
  readonly receivedAt: number;
}

function take(
  decoded: DecodedEvent,
  caller: Caller,
  webhook: ReadWebhook,
): Taken | Extract<Rejection, { kind: 'out-of-scope' }> {
  if (decoded.kind === 'nothing') {
    const { id, action, reason } = decoded;
    const fate = { kind: 'ignored', reason } as const;
    return { kind: 'told', receipt: id === undefined ? { action, fate } : { id, action, fate } };
  }
  const scope = scopeOf(caller, decoded.event);
  if (scope.kind === 'out-of-scope') return scope;
  return { kind: 'record', record: recordOf(scope.event, caller, webhook) };
}

function recordOf(event: RegistryEvent, caller: Caller, webhook: ReadWebhook): NewRecord {
  const record = {
    dedupKey: dedupKey(event, caller),
    receivedAt: webhook.receivedAt,
    format: webhook.format,
    caller: caller.name,
    headers: keptHeaders(webhook.headers),
    raw: webhook.body,
    event,
  };
  return event.registry === undefined ? { ...record, burial: NO_REGISTRY } : record;
}

/** Without the qualifier the event would match other people's projects. */
const NO_REGISTRY = {
  reason: 'no-registry',
  detail: 'the event names no registry, and its caller is bound to none',
} as const;

/** One (registry or caller, action, event id) is taken once. The length keeps the parts apart. */
function dedupKey(event: RegistryEvent, caller: Caller): string {
  const [kind, name] =
    event.registry === undefined ? ['caller', caller.name] : ['registry', comparableRegistry(event.registry)];
  return hash('sha256', `${event.action} ${kind} ${name.length} ${name} ${event.id}`).slice(0, 32);
}

async function append(taken: readonly Taken[], intake: Intake): Promise<Receipt | Rejection> {
  const records = taken.flatMap((one) => (one.kind === 'record' ? [one.record] : []));
  const outcome: AppendOutcome = records.length === 0 ? NOTHING_APPENDED : await intake.append(records);
  if (outcome.kind === 'unavailable') return unavailable(outcome.reason, records);
  // Its neighbours are durable, and duplicates when the sender repeats the whole.
  if (outcome.records.some(({ kind }) => kind === 'unstorable')) return unavailable('unwritable', records);
  const fates = outcome.records.values();
  return {
    kind: 'receipt',
    events: taken.map((one) => (one.kind === 'told' ? one.receipt : receiptOf(one.record, fates.next().value))),
  };
}

const NOTHING_APPENDED: AppendOutcome = { kind: 'appended', records: [] };

function receiptOf({ event, burial }: NewRecord, appended: Appended | undefined): EventReceipt {
  if (appended?.kind === 'duplicate') return { ...told(event), fate: { kind: 'duplicate', of: appended.of } };
  const seq = appended?.kind === 'kept' ? appended.seq : 0;
  if (burial !== undefined) return { ...told(event), fate: { kind: 'buried', seq, reason: burial.reason } };
  return { ...told(event), fate: { kind: 'accepted', seq } };
}

function unavailable(
  reason: Extract<Rejection, { kind: 'unavailable' }>['reason'],
  records: readonly NewRecord[],
): Rejection {
  return { kind: 'unavailable', reason, lost: records.map(({ event }) => told(event)) };
}

function told(event: RegistryEvent): Omit<EventReceipt, 'fate'> {
  const { id, action, registry, repository, tag, digest } = event;
  return {
    id,
    action,
    ...(registry === undefined ? {} : { registry }),
    ...(repository === undefined ? {} : { repository }),
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}
