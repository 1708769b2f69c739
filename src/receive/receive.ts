import { hash } from 'node:crypto';
import type { Authenticator } from '../auth/authenticator.ts';
import { scopeOf } from '../auth/scope.ts';
import type { Decode, DecodedEvent, RawEvent } from '../decode/decoder.ts';
import type { Appended, AppendOutcome, Intake, NewRecord } from '../journal/journal.ts';
import type { Caller } from '../model/caller.ts';
import type { EventReceipt, Receipt, Rejection } from '../model/receipt.ts';
import type { KeptEvent, RegistryEvent } from '../model/registry-event.ts';
import { comparableRegistry } from '../model/registry-name.ts';
import type { Format, Issue } from '../model/webhook.ts';
import { type AnonymousHandshakes, permissionAsked } from './anonymous-handshakes.ts';
import { type ContentWindow, contentKey } from './content-key.ts';
import type { Permit, Receive } from './incoming-webhook.ts';
import { keptHeaders } from './kept-headers.ts';
import { decide } from './rules.ts';

export interface ReceiveOptions {
  readonly authenticator: Authenticator;
  readonly anonymousHandshakes: AnonymousHandshakes;
  readonly decode: Decode;
  /** Absent: events are told apart by their ids alone. */
  readonly contentWindow?: ContentWindow | undefined;
  readonly intake: Intake;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** One event on its way: nothing to do but tell, or to be appended. */
type Taken =
  | { readonly kind: 'told'; readonly receipt: EventReceipt }
  | { readonly kind: 'record'; readonly record: NewRecord };

/**
 * authenticate → decode → scope → rules → append → receipt. What it answers with a receipt is durable, was already, or
 * carries nothing to deliver; after a rejection nothing of the webhook was kept.
 */
export function createReceive({
  authenticator,
  anonymousHandshakes,
  decode,
  contentWindow,
  intake,
  now,
}: ReceiveOptions): Receive {
  return async (webhook) => {
    const { headers, query } = webhook;
    const authentication = await authenticator.authenticate(headers, query);
    if (authentication.kind !== 'caller') return { answer: await anonymousHandshakes.answer(webhook, authentication) };
    const { caller } = authentication;
    const body = await webhook.readBody(caller.name);
    if (body.kind !== 'body') return { caller: caller.name, answer: body };
    const decoded = decode(body.bytes, headers);
    if (decoded.kind !== 'decoded') return { caller: caller.name, answer: decoded };
    const { format } = decoded;
    const taken = takeAll(decoded.events, {
      format,
      headers: keptHeaders(headers),
      body: body.bytes,
      caller,
      receivedAt: now(),
      contentWindow,
    });
    return { caller: caller.name, answer: 'kind' in taken ? taken : await append(taken, intake) };
  };
}

/** Answers those who ask whether they may send. */
export function createPermit({
  authenticator,
  anonymousHandshakes,
}: Pick<ReceiveOptions, 'authenticator' | 'anonymousHandshakes'>): Permit {
  return async ({ headers, query }) => {
    const permission = permissionAsked(headers) ?? ILL_ASKED;
    const authentication = await authenticator.authenticate(headers, query);
    if (authentication.kind === 'caller') return { caller: authentication.caller.name, answer: permission };
    return { answer: anonymousHandshakes.areAnswered ? permission : authentication };
  };
}

const ILL_ASKED: Rejection = {
  kind: 'unreadable',
  issues: [{ path: 'webhook-request-origin', expected: 'a host name', received: 'something else' }],
};

interface ReadWebhook {
  readonly format: Format;
  /** Those that are kept. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly caller: Caller;
  readonly receivedAt: number;
  readonly contentWindow: ContentWindow | undefined;
}

type OutOfScope = Extract<Rejection, { kind: 'out-of-scope' }>;

/**
 * A native webhook out of scope is refused as a whole, as v0.4.1 would. In an envelope each event has its own result: Event
 * Grid drops a refused batch, and a CNCF registry repeats it for ever.
 */
function takeAll(events: readonly DecodedEvent[], webhook: ReadWebhook): readonly Taken[] | OutOfScope {
  const taken: Taken[] = [];
  for (const event of events) {
    const one = take(event, webhook);
    if (one.kind === 'out-of-scope') return one;
    taken.push(one);
  }
  return taken;
}

/** decode → scope → rules, for one event. */
function take(decoded: DecodedEvent, webhook: ReadWebhook): Taken | OutOfScope {
  if (decoded.kind === 'nothing') {
    const { id, action, reason } = decoded;
    const result = { kind: 'ignored', reason } as const;
    return { kind: 'told', receipt: id === undefined ? { action, result } : { id, action, result } };
  }
  const { raw } = decoded;
  if (decoded.kind === 'unreadable') {
    return deadLetter(decoded.event, { reason: 'unreadable', detail: told(decoded.issues) }, raw, webhook);
  }
  const scope = scopeOf(webhook.caller, decoded.event);
  if (scope.kind === 'out-of-scope') {
    if (webhook.format === 'acr') return scope;
    return deadLetter(decoded.event, { reason: 'out-of-scope', detail: told([scope.issue]) }, raw, webhook);
  }
  const { event } = scope;
  const decision = decide(event, webhook.caller);
  if (decision.kind === 'ignore') {
    return {
      kind: 'told',
      receipt: { ...summaryOf(event), result: { kind: 'ignored', reason: 'rule', rule: decision.rule } },
    };
  }
  return event.registry === undefined ? deadLetter(event, NO_REGISTRY, raw, webhook) : accept(event, raw, webhook);
}

function accept(event: RegistryEvent, raw: RawEvent | undefined, webhook: ReadWebhook): Taken {
  const { contentWindow } = webhook;
  const key = contentWindow === undefined ? undefined : contentKey(event, contentWindow.regions);
  const record = recordOf(event, ['registry', comparableRegistry(event.registry ?? '')], raw, webhook);
  if (contentWindow === undefined || key === undefined) return { kind: 'record', record };
  return { kind: 'record', record: { ...record, content: { key, windowMs: contentWindow.ms } } };
}

/** What a caller may not say of a registry does not count as said of it: it would make a duplicate of the real event. */
function deadLetter(event: KeptEvent, deadLetter: DeadLetter, raw: RawEvent | undefined, webhook: ReadWebhook): Taken {
  const record = recordOf(event, ['caller', webhook.caller.name], raw, webhook);
  return { kind: 'record', record: { ...record, deadLetter } };
}

type DeadLetter = NonNullable<NewRecord['deadLetter']>;

/** What a dead letter's detail tells of issues. */
const MAX_LISTED_ISSUES = 5;

function told(issues: readonly Issue[]): string {
  const texts = issues
    .slice(0, MAX_LISTED_ISSUES)
    .map(({ path, expected, received }) => `${path} is to be ${expected}, not ${received}`);
  return texts.join('; ');
}

/** Whose an event is: ids are told apart within it. */
type Owner = readonly [kind: 'registry' | 'caller', name: string];

function recordOf(event: KeptEvent, owner: Owner, raw: RawEvent | undefined, webhook: ReadWebhook): NewRecord {
  const { format, headers, body, caller, receivedAt } = webhook;
  return {
    dedupKey: dedupKey(event, owner),
    receivedAt,
    format,
    caller: caller.name,
    headers,
    raw: raw?.bytes ?? body,
    ...(raw?.payload === undefined ? {} : { payload: raw.payload }),
    event,
  };
}

/** One (registry or caller, action, event id) is taken once. The length keeps the parts apart. */
function dedupKey({ action, id }: KeptEvent, [kind, name]: Owner): string {
  return hash('sha256', `${action} ${kind} ${name.length} ${name} ${id}`).slice(0, 32);
}

/** Without the qualifier the event would match other people's projects. */
const NO_REGISTRY = {
  reason: 'no-registry',
  detail: 'the event names no registry, and its caller is bound to none',
} as const;

async function append(taken: readonly Taken[], intake: Intake): Promise<Receipt | Rejection> {
  const records = taken.flatMap((one) => (one.kind === 'record' ? [one.record] : []));
  const outcome: AppendOutcome = records.length === 0 ? NOTHING_APPENDED : await intake.append(records);
  if (outcome.kind === 'unavailable') return unavailable(outcome.reason, records);
  // Its neighbours are durable, and duplicates when the sender repeats the whole.
  if (outcome.records.some(({ kind }) => kind === 'unstorable')) return unavailable('unwritable', records);
  const results = outcome.records.values();
  return {
    kind: 'receipt',
    events: taken.map((one) => (one.kind === 'told' ? one.receipt : receiptOf(one.record, results.next().value))),
  };
}

const NOTHING_APPENDED: AppendOutcome = { kind: 'appended', records: [] };

function receiptOf({ event, deadLetter }: NewRecord, appended: Appended | undefined): EventReceipt {
  if (appended?.kind === 'duplicate') return { ...summaryOf(event), result: appended };
  const seq = appended?.kind === 'kept' ? appended.seq : 0;
  if (deadLetter !== undefined)
    return { ...summaryOf(event), result: { kind: 'dead-lettered', seq, reason: deadLetter.reason } };
  return { ...summaryOf(event), result: { kind: 'accepted', seq } };
}

function unavailable(
  reason: Extract<Rejection, { kind: 'unavailable' }>['reason'],
  records: readonly NewRecord[],
): Rejection {
  return { kind: 'unavailable', reason, lost: records.map(({ event }) => summaryOf(event)) };
}

function summaryOf(event: KeptEvent): Omit<EventReceipt, 'result'> {
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
