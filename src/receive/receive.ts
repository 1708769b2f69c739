import type { Authenticator } from '../auth/authenticator.ts';
import type { Decode } from '../decode/decoder.ts';
import type { Appended, Intake, NewRecord } from '../journal/journal.ts';
import { JournalFault } from '../journal/journal-fault.ts';
import { LIMITS as JOURNAL } from '../journal/limits.ts';
import type { Caller } from '../model/caller.ts';
import type { Clock } from '../model/clock.ts';
import type { EventReceipt, Receipt, Rejection, UnavailableReason } from '../model/receipt.ts';
import { type AnonymousHandshakes, permissionAsked } from './anonymous-handshakes.ts';
import type { IncomingWebhook, Permit, Receive, Reception } from './incoming-webhook.ts';
import { isRejected, type Judgement, judge } from './judge.ts';
import { LIMITS } from './limits.ts';
import { type ContentWindow, summaryOf } from './record.ts';
import { inSlices } from './slices.ts';
import { mayHoldMoreThan, Turns } from './turns.ts';

export interface ReceiveOptions {
  readonly authenticator: Authenticator;
  readonly anonymousHandshakes: AnonymousHandshakes;
  readonly decode: Decode;
  /** Absent: only the ids of events are compared. */
  readonly contentWindow?: ContentWindow | undefined;
  readonly intake: Intake;
  readonly clock: Pick<Clock, 'now' | 'tick'>;
}

type Traced = Pick<IncomingWebhook, 'headers' | 'traceparent'>;

/**
 * authenticate → decode → judge → append → receipt. After a receipt every event of the webhook is durable, or carries
 * nothing to deliver; after a rejection nothing of the webhook was kept.
 */
export function createReceive({
  authenticator,
  anonymousHandshakes,
  decode,
  contentWindow,
  intake,
  clock,
}: ReceiveOptions): Receive {
  const batches = new Turns();

  async function take(
    body: Uint8Array,
    { headers, traceparent }: Traced,
    caller: Caller,
    since: number,
  ): Promise<Reception['answer']> {
    const decoded = decode(body, headers);
    if (decoded.kind !== 'decoded') return decoded;
    const judged = judge(decoded, { headers, body, caller, traceparent, receivedAt: clock.now(), contentWindow });
    const judgements: Judgement[] = [];
    let kept = 0;
    for await (const judgement of inSlices(judged, clock)) {
      if (isRejected(judgement)) return judgement;
      judgements.push(judgement);
      if (judgement.kind === 'kept') kept++;
      const isLate = clock.tick() - since >= JOURNAL.appendMs;
      if (isLate && kept >= LIMITS.maxLateEvents) return unavailable('slow', recordsOf(judgements));
    }
    return append(judgements, intake, since);
  }

  return async (webhook) => {
    const { headers, query } = webhook;
    const authentication = await authenticator.authenticate(headers, query);
    if (authentication.kind !== 'caller') return { answer: await anonymousHandshakes.answer(webhook, authentication) };
    const { caller } = authentication;
    const body = await webhook.readBody(caller.name);
    if (body.kind !== 'body') return { caller: caller.name, answer: body };
    const since = clock.tick();
    const taken = () => take(body.bytes, webhook, caller, since);
    const isBatch = mayHoldMoreThan(LIMITS.maxValuesAtOnce, body.bytes);
    return { caller: caller.name, answer: await (isBatch ? batches.take(caller.name, taken) : taken()) };
  };
}

/** Answers requests for permission to send. */
export function createPermit({
  authenticator,
  anonymousHandshakes,
}: Pick<ReceiveOptions, 'authenticator' | 'anonymousHandshakes'>): Permit {
  return async ({ headers, query }) => {
    const permission = permissionAsked(headers) ?? NO_ORIGIN;
    const authentication = await authenticator.authenticate(headers, query);
    if (authentication.kind === 'caller') return { caller: authentication.caller.name, answer: permission };
    return { answer: anonymousHandshakes.areAnswered ? permission : authentication };
  };
}

const NO_ORIGIN: Rejection = {
  kind: 'unreadable',
  issues: [{ path: 'webhook-request-origin', expected: 'a host name', received: 'something else' }],
};

async function append(judgements: readonly Judgement[], intake: Intake, since: number): Promise<Receipt | Rejection> {
  const records = recordsOf(judgements);
  const appended: Appended[] = [];
  if (records.length > 0) {
    const outcome = await intake.append(records, since);
    if (outcome.kind === 'unavailable') return unavailable(outcome.reason, records);
    // Its neighbours are durable, and duplicates when the whole webhook comes again.
    if (outcome.records.some(({ kind }) => kind === 'unstorable')) return unavailable('unwritable', records);
    appended.push(...outcome.records);
  }
  const results = appended.values();
  return {
    kind: 'receipt',
    events: judgements.map((each) =>
      each.kind === 'ignored' ? each.receipt : receiptOf(each.record, results.next().value),
    ),
  };
}

function recordsOf(judgements: readonly Judgement[]): readonly NewRecord[] {
  return judgements.flatMap((each) => (each.kind === 'kept' ? [each.record] : []));
}

/** Throws a `JournalFault` when the journal did not answer for the event. */
function receiptOf({ event, deadLetter }: NewRecord, appended: Appended | undefined): EventReceipt {
  switch (appended?.kind) {
    case 'duplicate':
      return { ...summaryOf(event), result: appended };
    case 'kept': {
      const { seq } = appended;
      const isAccepted = deadLetter === undefined;
      return {
        ...summaryOf(event),
        result: isAccepted ? { kind: 'accepted', seq } : { kind: 'dead-lettered', seq, reason: deadLetter.reason },
      };
    }
    default:
      throw new JournalFault('journal_failed', 'the journal did not answer for every event of a webhook');
  }
}

function unavailable(reason: UnavailableReason, records: readonly NewRecord[]): Rejection {
  return { kind: 'unavailable', reason, lost: records.map(({ event }) => summaryOf(event)) };
}
