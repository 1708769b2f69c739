import type { IngestObserver, WebhookRecord } from '../http/ingest-observer.ts';
import type { EventReceipt, Receipt, Rejection } from '../model/receipt.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { Throttle } from './throttle.ts';
import { toldEvent } from './told-event.ts';

/** Events, or issues, of one webhook that a log line tells of. */
const TOLD_EVENTS = 10;

/** Rejections that strangers can cause at will, or that come in floods. */
const THROTTLED: ReadonlySet<Rejection['kind']> = new Set([
  'unauthenticated',
  'undecidable',
  'too-large',
  'incomplete',
  'overloaded',
]);

/** Logs and counts what happens at the ingest port: one line for each webhook. */
export function observeIngest(log: Log, metrics: Metrics): IngestObserver {
  const throttle = new Throttle();
  return {
    webhook: (record) => {
      const { answer } = record;
      metrics.count('acr_gateway_webhooks_total', { answer: answer?.kind ?? 'fault' });
      if (answer === undefined) return;
      if (answer.kind === 'receipt') accepted(log, metrics, record, answer);
      else if (THROTTLED.has(answer.kind)) {
        throttle.tell(answer.kind, (count) =>
          log.warn({ ...sender(record), reason: answer.kind, count }, 'webhook.rejected'),
        );
      } else rejected(log, metrics, record, answer);
    },
    refused: (reason, remoteAddress) => {
      metrics.count('acr_gateway_refusals_total', { reason });
      throttle.tell(reason, (count) => log.warn({ reason, count, remoteAddress }, 'request.refused'));
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
  for (const { fate } of events) {
    metrics.count('acr_gateway_events_total', { fate: fate.kind });
    if (fate.kind === 'buried') metrics.count('acr_gateway_buried_total', { reason: fate.reason });
  }
  const line = { ...sender(record), ...measures(record), ...told(events) };
  const isOdd = events.some(
    ({ fate }) => fate.kind === 'buried' || (fate.kind === 'ignored' && fate.reason !== 'ping'),
  );
  if (isOdd) log.warn(line, 'webhook.received');
  else log.info(line, 'webhook.received');
}

function rejected(log: Log, metrics: Metrics, record: WebhookRecord, answer: Rejection): void {
  const line = { ...sender(record), ...measures(record), reason: answer.kind };
  if (answer.kind === 'unavailable') {
    metrics.count('acr_gateway_lost_events_total', { reason: answer.reason }, answer.lost.length);
    // ACR never sends it again: this line is all that is left of it.
    log.error({ ...line, because: answer.reason, ...told(answer.lost) }, 'webhook.lost');
  } else if (answer.kind === 'unreadable')
    log.warn({ ...line, issues: answer.issues.slice(0, TOLD_EVENTS) }, 'webhook.rejected');
  else if (answer.kind === 'out-of-scope') log.warn({ ...line, issue: answer.issue }, 'webhook.rejected');
  else log.warn(line, 'webhook.rejected');
}

function sender({ caller, remoteAddress, clientAddress, userAgent }: WebhookRecord): object {
  return { caller, remoteAddress, clientAddress, userAgent };
}

function measures({ status, bodyBytes, durationMs }: WebhookRecord): object {
  return { status, bodyBytes, durationMs: Math.round(durationMs * 10) / 10 };
}

function told(events: readonly (EventReceipt | Omit<EventReceipt, 'fate'>)[]): object {
  const shown = events.slice(0, TOLD_EVENTS).map((event) => ({ ...toldEvent(event), ...fateOf(event) }));
  return shown.length === events.length ? { events: shown } : { events: shown, eventCount: events.length };
}

function fateOf(event: EventReceipt | Omit<EventReceipt, 'fate'>): object {
  if (!('fate' in event)) return {};
  const { kind, ...rest } = event.fate;
  return { fate: kind, ...rest };
}
