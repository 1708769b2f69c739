import type { IngestObserver, WebhookRecord } from '../http/ingest-observer.ts';
import type { EventReceipt, Handshake, LostEvent, Receipt, Rejection } from '../model/receipt.ts';
import { eventFields } from './event-fields.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { Throttle } from './throttle.ts';

/** Events, or issues, of one webhook that a log line tells of. */
const MAX_LISTED_EVENTS = 10;

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

function isHandshake(answer: Receipt | Handshake | Rejection): answer is Handshake {
  return HANDSHAKES.has(answer.kind);
}

/** Logs and counts what happens at the ingest port: one line for each webhook. */
export function observeIngest(log: Log, metrics: Metrics): IngestObserver {
  const throttle = new Throttle();
  return {
    webhook: (record) => {
      const { answer } = record;
      if (answer !== undefined && isHandshake(answer)) {
        metrics.count('acr_gateway_webhooks_total', { answer: 'handshake' });
        const line = { ...sender(record), ...measures(record), ...handshake(answer) };
        if (record.caller !== undefined) log.info(line, 'handshake.answered');
        else throttle.tell('handshake', (count) => log.info({ ...line, count }, 'handshake.answered'));
        return;
      }
      metrics.count('acr_gateway_webhooks_total', { answer: answer?.kind ?? 'fault' });
      if (answer === undefined) return;
      if (answer.kind === 'receipt') accepted(log, metrics, record, answer);
      else if (record.caller === undefined || THROTTLED.has(answer.kind)) {
        // One caller's lines never take the place of another's.
        throttle.tell(`${answer.kind} ${record.caller}`, (count) =>
          log.warn({ ...sender(record), reason: answer.kind, count }, 'webhook.rejected'),
        );
      } else rejected(log, metrics, record, answer);
    },
    rejected: (reason, remoteAddress) => {
      metrics.count('acr_gateway_rejected_requests_total', { reason });
      throttle.tell(reason, (count) => log.warn({ reason, count, remoteAddress }, 'request.rejected'));
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

function accepted(log: Log, metrics: Metrics, record: WebhookRecord, { events }: Receipt): void {
  metrics.observe('acr_gateway_webhook_duration_seconds', record.durationMs / 1000);
  for (const { result } of events) {
    metrics.count('acr_gateway_events_total', { result: result.kind });
    if (result.kind === 'dead-lettered') metrics.count('acr_gateway_dead_lettered_total', { reason: result.reason });
  }
  const line = { ...sender(record), ...measures(record), ...told(events) };
  if (events.some(isOdd)) log.warn(line, 'webhook.received');
  else log.info(line, 'webhook.received');
}

/** An operator may want to look at it. */
function isOdd(event: EventReceipt | LostEvent): boolean {
  if (!('result' in event)) return false;
  return (
    event.result.kind === 'dead-lettered' ||
    (event.result.kind === 'ignored' && event.result.reason === 'unknown-action')
  );
}

function rejected(log: Log, metrics: Metrics, record: WebhookRecord, answer: Rejection): void {
  const line = { ...sender(record), ...measures(record), reason: answer.kind };
  if (answer.kind === 'unavailable') {
    metrics.count('acr_gateway_lost_events_total', { reason: answer.reason }, answer.lost.length);
    // ACR never sends it again: this line is all that is left of it.
    log.error({ ...line, because: answer.reason, ...told(answer.lost) }, 'webhook.lost');
  } else if (answer.kind === 'unreadable')
    log.warn({ ...line, issues: answer.issues.slice(0, MAX_LISTED_EVENTS) }, 'webhook.rejected');
  else if (answer.kind === 'out-of-scope') log.warn({ ...line, issue: answer.issue }, 'webhook.rejected');
  else log.warn(line, 'webhook.rejected');
}

/** Never a validation's code: who has it can finish the validation. */
function handshake(answer: Handshake): object {
  return { handshake: answer.kind, ...(answer.kind === 'permission' ? { origin: answer.origin } : {}) };
}

function sender({ caller, remoteAddress, clientAddress, userAgent }: WebhookRecord): object {
  return { caller, remoteAddress, clientAddress, userAgent };
}

function measures({ status, bodyBytes, durationMs }: WebhookRecord): object {
  return { status, bodyBytes, durationMs: Math.round(durationMs * 10) / 10 };
}

function told(events: readonly (EventReceipt | LostEvent)[]): object {
  // Of a batch, those at which somebody may have to look.
  const first =
    events.length <= MAX_LISTED_EVENTS ? events : [...events.filter(isOdd), ...events.filter((each) => !isOdd(each))];
  const shown = first.slice(0, MAX_LISTED_EVENTS).map((event) => ({ ...eventFields(event), ...resultOf(event) }));
  return shown.length === events.length ? { events: shown } : { events: shown, eventCount: events.length };
}

function resultOf(event: EventReceipt | LostEvent): object {
  if (!('result' in event)) return {};
  const { kind, ...rest } = event.result;
  return { result: kind, ...rest };
}
