import * as v from 'valibot';
import {
  type EventFilter,
  RECORD_STATES,
  type RecordedAttempt,
  type RecordSummary,
  type RedeliveryJob,
  type TurnedAwaySample,
} from '../../journal/journal.ts';
import { DECISIONS } from '../../model/delivery.ts';
import { DEAD_LETTER_REASONS } from '../../model/receipt.ts';
import { ACTIONS, MANIFEST_KINDS } from '../../model/registry-event.ts';
import { FORMATS } from '../../model/webhook.ts';
import { type DeliveriesState, type EventDetails, type Overview, payloadOf } from '../operator.ts';

// What the admin API answers: each schema, and what makes it of the gateway's own objects. openapi.json is generated from the schemas.

const time = v.pipe(v.string(), v.isoTimestamp());
const count = v.pipe(v.number(), v.integer());
const text = v.string();
const maybe = v.optional;

const act = v.object({ at: time, by: v.pipe(text, v.description('The name of an admin token.')) });

const event = v.object({
  action: v.picklist([...ACTIONS, 'unreadable']),
  id: maybe(text),
  registry: maybe(text),
  repository: maybe(text),
  tag: maybe(text),
  digest: maybe(text),
  mediaType: maybe(text),
  manifest: maybe(v.picklist(MANIFEST_KINDS)),
  chart: maybe(text),
  chartVersion: maybe(text),
  region: maybe(text),
  connectedRegistry: maybe(text),
  resource: maybe(text),
  timestamp: maybe(text),
});

const summary = v.object({
  seq: count,
  state: v.picklist(RECORD_STATES),
  receivedAt: time,
  format: v.picklist(FORMATS),
  caller: text,
  event,
  attemptCount: v.pipe(count, v.description('Attempts to deliver it, of all its deliveries.')),
  unmatched: maybe(v.pipe(v.literal(true), v.description('It was delivered, and no project subscribes to it.'))),
  deadLetter: maybe(v.object({ at: time, reason: v.picklist(DEAD_LETTER_REASONS), detail: text })),
  discarded: maybe(act),
});

export function summaryOf(record: RecordSummary): v.InferOutput<typeof summary> {
  const {
    seq,
    state,
    receivedAt,
    format,
    caller,
    event: kept,
    attemptCount,
    unmatched,
    deadLetter,
    discarded,
  } = record;
  return {
    seq,
    state,
    receivedAt: iso(receivedAt),
    format,
    caller,
    event: kept,
    attemptCount,
    ...(unmatched === undefined ? {} : { unmatched }),
    ...(deadLetter === undefined ? {} : { deadLetter: { ...deadLetter, at: iso(deadLetter.at) } }),
    ...(discarded === undefined ? {} : { discarded: actOf(discarded) }),
  };
}

export const eventsAnswer = v.object({
  events: v.array(summary),
  next: maybe(v.pipe(text, v.description('Give it as `cursor` for the next page. Absent: there is none.'))),
});

export const deadLettersAnswer = v.object({ deadLetters: v.array(summary) });

export const countAnswer = v.object({
  hours: v.array(v.object({ hour: time, state: v.picklist(RECORD_STATES), count })),
});

const attempt = v.object({
  at: time,
  durationMs: count,
  delivery: count,
  decision: v.picklist(DECISIONS),
  outcome: v.variant('kind', [
    v.object({
      kind: v.literal('delivered'),
      created: maybe(v.pipe(v.array(v.object({ id: text, project: text })), v.readonly())),
      note: maybe(text),
    }),
    v.object({ kind: v.literal('rejected'), detail: text }),
    v.object({
      kind: v.literal('unavailable'),
      detail: text,
      credentials: maybe(v.boolean()),
      retryAfterMs: maybe(v.number()),
    }),
    v.object({ kind: v.literal('uncertain'), detail: text }),
  ]),
});

function attemptOf({ at, durationMs, delivery, decision, outcome }: RecordedAttempt): v.InferOutput<typeof attempt> {
  return { at: iso(at), durationMs, delivery, decision, outcome };
}

const headers = v.record(text, text);

const message = v.variant('kind', [
  v.object({ kind: v.literal('message'), headers, body: text, note: maybe(text) }),
  v.object({ kind: v.literal('unmappable'), detail: text }),
]);

export const eventAnswer = v.object({
  ...summary.entries,
  headers,
  delivery: v.pipe(count, v.description('1, and one more for each time that it was redelivered.')),
  dueAt: maybe(time),
  attempts: v.array(attempt),
  payload: v.pipe(text, v.description('What projects get.')),
  raw: maybe(v.pipe(text, v.description('The event as it came, where that is more than the payload.'))),
  message: maybe(v.pipe(message, v.description('What would be sent for it now.'))),
  whyNot: maybe(
    v.pipe(
      v.object({ reason: text, nearest: v.pipe(v.array(text), v.readonly()) }),
      v.description('Why no project subscribes to it, and how the nearest subscriptions differ.'),
    ),
  ),
});

export function eventOf({ record, message: sent, whyNot }: EventDetails): v.InferOutput<typeof eventAnswer> {
  const { headers: kept, raw, payload, delivery, dueAt, attempts } = record;
  return {
    ...summaryOf(record),
    headers: kept,
    delivery,
    ...(dueAt === undefined ? {} : { dueAt: iso(dueAt) }),
    attempts: attempts.map(attemptOf),
    payload: payloadOf(record),
    ...(payload === undefined ? {} : { raw: Buffer.from(raw).toString('utf8') }),
    ...(sent === undefined ? {} : { message: sent }),
    ...(whyNot === undefined ? {} : { whyNot }),
  };
}

const turnedAway = v.object({
  id: count,
  at: time,
  caller: maybe(text),
  remoteAddress: text,
  status: count,
  reason: text,
  event: maybe(v.object({ ...event.entries, action: text, manifest: maybe(text) })),
  detail: maybe(text),
});

export const turnedAwayAnswer = v.object({ turnedAway: v.array(turnedAway), next: maybe(text) });

export function turnedAwayOf({
  at,
  ...sample
}: TurnedAwaySample & { readonly id: number }): v.InferOutput<typeof turnedAway> {
  return { ...sample, at: iso(at) };
}

export const turnedAwayCountsAnswer = v.object({
  counts: v.array(
    v.object({
      minute: time,
      caller: maybe(v.pipe(text, v.description('Absent: not authenticated.'))),
      reason: text,
      count,
    }),
  ),
});

const filter = v.object({
  state: maybe(v.picklist(RECORD_STATES)),
  registry: maybe(text),
  repository: maybe(text),
  tag: maybe(text),
  digest: maybe(text),
  id: maybe(text),
  action: maybe(v.picklist([...ACTIONS, 'unreadable'])),
  format: maybe(v.picklist(FORMATS)),
  caller: maybe(text),
  matched: maybe(v.boolean()),
  from: maybe(time),
  until: maybe(time),
});

function filterOf({ from, until, ...exact }: EventFilter): v.InferOutput<typeof filter> {
  return {
    ...exact,
    ...(from === undefined ? {} : { from: iso(from) }),
    ...(until === undefined ? {} : { until: iso(until) }),
  };
}

export const redeliveryAnswer = v.object({
  id: text,
  ...act.entries,
  filter,
  perSecond: count,
  matches: v.pipe(count, v.description('How many events the filter found at the start.')),
  redelivered: count,
  skipped: v.pipe(count, v.description('Events that were pending, or that can still not be delivered.')),
  state: v.picklist(['running', 'done', 'canceled']),
  endedAt: maybe(time),
});

export function redeliveryOf(job: RedeliveryJob): v.InferOutput<typeof redeliveryAnswer> {
  const { id, by, at, perSecond, matches, redelivered, skipped, state, endedAt } = job;
  return {
    id,
    by,
    at: iso(at),
    filter: filterOf(job.filter),
    perSecond,
    matches,
    redelivered,
    skipped,
    state,
    ...(endedAt === undefined ? {} : { endedAt: iso(endedAt) }),
  };
}

export const redeliveriesAnswer = v.object({ redeliveries: v.array(redeliveryAnswer) });

const matches = v.object({ matches: v.pipe(count, v.description('How many events it would change.')) });

export const redeliverAnswer = v.union([
  v.object({
    redeliveries: v.array(
      v.object({
        seq: count,
        kind: v.picklist(['redelivered', 'unknown', 'pending', 'ignored', 'undeliverable']),
        rule: maybe(text),
        detail: maybe(text),
      }),
    ),
  }),
  redeliveryAnswer,
  matches,
]);

export const discardAnswer = v.union([
  v.object({ discards: v.array(v.object({ seq: count, kind: v.picklist(['discarded', 'no-dead-letter']) })) }),
  v.object({ discarded: count, more: v.pipe(v.boolean(), v.description('Other dead letters match too: ask again.')) }),
  matches,
]);

export const deliveriesAnswer = v.object({
  paused: maybe(act),
  breaker: v.picklist(['open', 'closed']),
  limit: v.pipe(count, v.description('How many attempts may run at the same time.')),
  held: v.pipe(count, v.description('Events that are claimed and not completed.')),
  pending: count,
  oldestPendingAt: maybe(time),
  sink: maybe(
    v.pipe(
      v.object({ at: time, isReady: v.boolean(), detail: maybe(text) }),
      v.description('What the last probe or attempt showed.'),
    ),
  ),
});

export function deliveriesOf(state: DeliveriesState): v.InferOutput<typeof deliveriesAnswer> {
  const { paused, breaker, limit, held, pending, oldestPendingAt, sink } = state;
  return {
    ...(paused === undefined ? {} : { paused: actOf(paused) }),
    breaker,
    limit,
    held,
    pending,
    ...(oldestPendingAt === undefined ? {} : { oldestPendingAt: iso(oldestPendingAt) }),
    ...(sink === undefined ? {} : { sink: { ...sink, at: iso(sink.at) } }),
  };
}

export const statsAnswer = v.object({
  at: time,
  minutes: v.pipe(
    v.array(v.object({ at: time, received: count, delivered: count, deadLettered: count, turnedAway: count })),
    v.description('The last hour, the oldest first.'),
  ),
  deadLetters: count,
  oldestDeadLetterAt: maybe(time),
  discarded: count,
  damaged: count,
  journalBytes: count,
  deliveries: deliveriesAnswer,
  callers: v.pipe(
    v.array(v.object({ name: text, received: maybe(count), turnedAway: maybe(count), lastAt: maybe(time) })),
    v.description('Those of the tokens and configuration files, and what each sent since the start.'),
  ),
});

export function statsOf({ at, minutes, journal, deliveries, callers }: Overview): v.InferOutput<typeof statsAnswer> {
  const { deadLetters, oldestDeadLetterAt, discarded, damaged, bytes } = journal;
  return {
    at: iso(at),
    minutes: minutes.map((each) => ({ ...each, at: iso(each.at) })),
    deadLetters,
    ...(oldestDeadLetterAt === undefined ? {} : { oldestDeadLetterAt: iso(oldestDeadLetterAt) }),
    discarded,
    damaged,
    journalBytes: bytes,
    deliveries: deliveriesOf(deliveries),
    callers: callers.map(({ lastAt, ...caller }) => ({
      ...caller,
      ...(lastAt === undefined ? {} : { lastAt: iso(lastAt) }),
    })),
  };
}

export const settingsAnswer = v.object({
  settings: v.array(
    v.object({
      name: text,
      value: maybe(v.pipe(text, v.description('`[hidden]` for a secret. Absent: not set.'))),
      source: v.picklist(['environment', 'file', 'default']),
    }),
  ),
});

export const errorAnswer = v.object({ error: v.pipe(text, v.description('Everything that is wrong.')) });

export function iso(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

function actOf({ at, by }: { readonly at: number; readonly by: string }): v.InferOutput<typeof act> {
  return { at: iso(at), by };
}
