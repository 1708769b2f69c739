import { scopeOf } from '../auth/scope.ts';
import type { Decoded, DecodedEvent } from '../decode/decoder.ts';
import type { NewRecord } from '../journal/journal.ts';
import { recordBytes } from '../journal/record-bytes.ts';
import type { EventReceipt, Rejection } from '../model/receipt.ts';
import type { RegistryEvent } from '../model/registry-event.ts';
import type { Issue } from '../model/webhook.ts';
import { LIMITS } from './limits.ts';
import { acceptedRecord, deadLetterRecord, type RecordBase, recordBase, summaryOf, type Webhook } from './record.ts';
import { applyRules } from './rules.ts';

/** What becomes of one event of a webhook. */
export type Judgement =
  /** It goes into the journal, for delivery or as a dead letter. `rule` names the rule that accepted it, if one did. */
  | { readonly kind: 'kept'; readonly record: NewRecord; readonly rule?: string }
  | { readonly kind: 'ignored'; readonly receipt: EventReceipt };

/** Why nothing of the webhook is kept. */
type Rejected = Extract<Rejection, { kind: 'out-of-scope' | 'unreadable' }>;

/**
 * Scope, rules, and what is kept of each event: one judgement for each, made when it is read, so that judging a large batch can
 * pause. Pure.
 *
 * After a rejection nothing of the webhook may be kept. A native ACR webhook out of scope is rejected as a whole, as in v0.4.1. In an envelope each event has its own result: Event
 * Grid drops a rejected batch, and a CNCF registry repeats it for ever.
 */
export function* judge(
  { format, events }: Extract<Decoded, { kind: 'decoded' }>,
  webhook: Webhook,
): Generator<Judgement | Rejected> {
  const base = recordBase(format, webhook);
  const maxBytes = Math.max(sentBytes(webhook) * LIMITS.growthFactor, LIMITS.minGrowthBytes);
  let bytes = JSON.stringify(base.headers).length;
  for (const event of events) {
    const judgement = judgeEvent(event, base, webhook);
    bytes += judgement.kind === 'kept' ? recordBytes(judgement.record) : 0;
    yield bytes > maxBytes ? TOO_SMALL_EVENTS : judgement;
  }
}

const TOO_SMALL_EVENTS: Rejected = {
  kind: 'unreadable',
  issues: [{ path: '', expected: 'events of the size that registries send', received: 'much smaller ones' }],
};

/** The bytes of a webhook over HTTP/1.1. */
function sentBytes({ headers, body }: Webhook): number {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((each) => name.length + each.length + ': \r\n'.length),
  );
  return lines.reduce((sum, each) => sum + each, 'POST /events HTTP/1.1\r\n\r\n'.length + body.byteLength);
}

/** Whether it is a rejection, after which nothing of the webhook may be kept. */
export function isRejected(judgement: Judgement | Rejected): judgement is Rejected {
  return judgement.kind === 'out-of-scope' || judgement.kind === 'unreadable';
}

function judgeEvent(decoded: DecodedEvent, base: RecordBase, { caller, contentWindow }: Webhook): Judgement | Rejected {
  if (decoded.kind === 'nothing') {
    const { id, action, reason } = decoded;
    const result = { kind: 'ignored', reason } as const;
    return { kind: 'ignored', receipt: id === undefined ? { action, result } : { id, action, result } };
  }
  if (decoded.kind === 'unreadable') {
    const detail = formatIssues(decoded.issues);
    return { kind: 'kept', record: deadLetterRecord(base, decoded, { reason: 'unreadable', detail }) };
  }
  const scope = scopeOf(caller, decoded.event);
  if (scope.kind === 'out-of-scope') {
    if (base.format === 'acr') return scope;
    const detail = formatIssues([scope.issue]);
    return { kind: 'kept', record: deadLetterRecord(base, decoded, { reason: 'out-of-scope', detail }) };
  }
  const { event } = scope;
  const { kind, rule } = applyRules(event, caller);
  if (kind === 'ignore') {
    return { kind: 'ignored', receipt: { ...summaryOf(event), result: { kind: 'ignored', reason: 'rule', rule } } };
  }
  const { raw } = decoded;
  const record = hasRegistry(event)
    ? acceptedRecord(base, { event, raw }, contentWindow)
    : deadLetterRecord(base, { event, raw }, NO_REGISTRY);
  return { kind: 'kept', record, ...(rule === undefined ? {} : { rule }) };
}

function hasRegistry(event: RegistryEvent): event is RegistryEvent & { readonly registry: string } {
  return event.registry !== undefined;
}

/** Without the qualifier `registry` the event would match the subscriptions of other people's projects. */
const NO_REGISTRY = {
  reason: 'no-registry',
  detail: 'no registry is known for the event: bind its caller to one',
} as const;

/** One line for a dead letter or a person. */
export function formatIssues(issues: readonly Issue[]): string {
  return issues
    .slice(0, LIMITS.maxListedIssues)
    .map(({ path, expected, received }) => `${path}: expected ${expected}, got ${received}`)
    .join('; ');
}
