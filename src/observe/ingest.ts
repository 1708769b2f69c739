import type { IngestObserver, WebhookRecord } from '../http/ingest-observer.ts';
import type { Appended, OnStoredLate } from '../journal/journal.ts';
import type { Clock } from '../model/clock.ts';
import type {
  DeadLetterReason,
  EventReceipt,
  EventResult,
  Handshake,
  LostEvent,
  Receipt,
  Rejection,
} from '../model/receipt.ts';
import { eventFields } from './event-fields.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { Throttle } from './throttle.ts';

/** The most events, or issues, of one webhook in a log line. */
const MAX_LISTED = 10;

/** Rejections that come in floods. Whatever has no caller is throttled too: anyone can send it, as often as it likes. */
const THROTTLED: ReadonlySet<Rejection['kind']> = new Set([
  'unauthenticated',
  'unverifiable',
  'too-large',
  'incomplete',
  'too-many',
  'overloaded',
]);

const HANDSHAKES: ReadonlySet<string> = new Set<Handshake['kind']>(['validation', 'unsubscription', 'permission']);

/** Logs and counts what happens at the ingest port: one line for each webhook. */
export function observeIngest(log: Log, metrics: Metrics, clock: Clock): IngestObserver {
  const throttle = new Throttle(clock);
  return {
    webhook: (record) => {
      const { answer } = record;
      if (answer !== undefined && isHandshake(answer)) {
        metrics.count('acr_gateway_webhooks_total', { answer: 'handshake', caller: record.caller });
        const line = { ...clientFields(record), ...measures(record), ...handshakeFields(answer) };
        if (record.caller !== undefined) log.info(line, 'handshake.answered');
        else throttle.report('handshake', (count) => log.info({ ...line, count }, 'handshake.answered'));
        return;
      }
      metrics.count('acr_gateway_webhooks_total', { answer: answer?.kind ?? 'fault', caller: record.caller });
      if (answer === undefined) return;
      if (answer.kind === 'receipt') reportReceipt(log, metrics, record, answer);
      else if (record.caller === undefined || THROTTLED.has(answer.kind)) {
        // One caller's lines never take the place of another's.
        throttle.report(`${answer.kind} ${record.caller}`, (count) =>
          log.warn({ ...clientFields(record), reason: answer.kind, count }, 'webhook.rejected'),
        );
      } else reportRejection(log, metrics, record, answer);
    },
    rejected: (reason, remoteAddress) => {
      metrics.count('acr_gateway_rejected_requests_total', { reason });
      throttle.report(reason, (count) => log.warn({ reason, count, remoteAddress }, 'request.rejected'));
    },
    fault: (error) => {
      metrics.count('acr_gateway_faults_total', { edge: 'http' });
      log.error({ err: error }, 'http.faulted');
    },
    certificateReloaded: () => {
      metrics.count('acr_gateway_reloads_total', { file: 'certificate', result: 'taken' });
      log.info({ file: 'certificate' }, 'file.reloaded');
    },
    certificateRejected: (reason) => {
      metrics.count('acr_gateway_reloads_total', { file: 'certificate', result: 'rejected' });
      log.error({ file: 'certificate', reason }, 'file.rejected');
    },
  };
}

/** Logs and counts the events of lost webhooks that were stored after all. */
export function observeStoredLate(log: Log, metrics: Metrics): OnStoredLate {
  return (records, appended) => {
    const events = records.flatMap(({ event, deadLetter }, index) => {
      const result = lateResult(appended[index], deadLetter?.reason);
      return result === undefined ? [] : [{ ...event, result }];
    });
    if (events.length === 0) return;
    metrics.count('acr_gateway_stored_late_events_total', undefined, events.length);
    const caller = records[0]?.caller;
    countResults(metrics, caller, events);
    log.warn({ caller, ...listed(events) }, 'webhook.stored_late');
  };
}

/** Undefined for a record that was not stored. */
function lateResult(appended: Appended | undefined, reason: DeadLetterReason | undefined): EventResult | undefined {
  if (appended === undefined || appended.kind === 'unstorable') return undefined;
  if (appended.kind === 'duplicate') return appended;
  const { seq } = appended;
  return reason === undefined ? { kind: 'accepted', seq } : { kind: 'dead-lettered', seq, reason };
}

function countResults(
  metrics: Metrics,
  caller: string | undefined,
  events: readonly Pick<EventReceipt, 'result'>[],
): void {
  for (const { result } of events) {
    metrics.count('acr_gateway_events_total', { result: result.kind, caller });
    if (result.kind === 'dead-lettered') metrics.count('acr_gateway_dead_lettered_total', { reason: result.reason });
  }
}

function isHandshake(answer: Receipt | Handshake | Rejection): answer is Handshake {
  return HANDSHAKES.has(answer.kind);
}

function reportReceipt(log: Log, metrics: Metrics, record: WebhookRecord, { events }: Receipt): void {
  metrics.observe('acr_gateway_webhook_duration_seconds', record.durationMs / 1000);
  countResults(metrics, record.caller, events);
  const line = { ...clientFields(record), ...measures(record), ...listed(events) };
  if (events.some(isUnusual)) log.warn(line, 'webhook.received');
  else log.info(line, 'webhook.received');
}

/** Whether an operator may want to look at the event. */
function isUnusual(event: EventReceipt | LostEvent): boolean {
  if (!('result' in event)) return false;
  const { result } = event;
  return result.kind === 'dead-lettered' || (result.kind === 'ignored' && result.reason === 'unknown-action');
}

function reportRejection(log: Log, metrics: Metrics, record: WebhookRecord, answer: Rejection): void {
  const line = { ...clientFields(record), ...measures(record), reason: answer.kind };
  if (answer.kind === 'unavailable') {
    const { reason, lost } = answer;
    metrics.count('acr_gateway_lost_events_total', { reason }, lost.length);
    // ACR does not send the events again: this line is all that is left of them.
    log.error({ ...line, reason, ...listed(lost) }, 'webhook.lost');
  } else if (answer.kind === 'unreadable')
    log.warn({ ...line, issues: answer.issues.slice(0, MAX_LISTED) }, 'webhook.rejected');
  else if (answer.kind === 'out-of-scope') log.warn({ ...line, issue: answer.issue }, 'webhook.rejected');
  else log.warn(line, 'webhook.rejected');
}

/** Never the code of a validation: it is enough to finish the validation. */
function handshakeFields(answer: Handshake): object {
  return { handshake: answer.kind, ...(answer.kind === 'permission' ? { origin: answer.origin } : {}) };
}

function clientFields({ caller, remoteAddress, clientAddress, userAgent }: WebhookRecord): object {
  return { caller, remoteAddress, clientAddress, userAgent };
}

function measures({ status, bodyBytes, durationMs }: WebhookRecord): object {
  return { status, bodyBytes, durationMs: Math.round(durationMs * 10) / 10 };
}

function listed(events: readonly (EventReceipt | LostEvent)[]): object {
  // The line of a large batch names the unusual events first.
  const sorted =
    events.length <= MAX_LISTED
      ? events
      : [...events.filter(isUnusual), ...events.filter((event) => !isUnusual(event))];
  const shown = sorted.slice(0, MAX_LISTED).map((event) => ({ ...eventFields(event), ...resultFields(event) }));
  if (shown.length === events.length) return { events: shown };
  const results: Record<string, number> = {};
  for (const event of events) if ('result' in event) results[event.result.kind] = (results[event.result.kind] ?? 0) + 1;
  return { events: shown, eventCount: events.length, results };
}

function resultFields(event: EventReceipt | LostEvent): object {
  if (!('result' in event)) return {};
  const { kind, ...rest } = event.result;
  return { result: kind, ...rest };
}
