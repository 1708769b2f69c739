import type { DeliveryObserver } from '../deliver/delivery-observer.ts';
import type { Attempt, Claim, CreatedEvent, Decision } from '../model/delivery.ts';
import type { Probe } from '../sink/sink.ts';
import { eventFields } from './event-fields.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

/** The most created events, one for each project, in a log line. The journal keeps them all. */
const MAX_LISTED_CREATED = 20;

/** Logs and counts what happens while events are delivered: one line for each attempt. `onUnmatched` follows its line. */
export function observeDelivery(log: Log, metrics: Metrics, onUnmatched?: (claim: Claim) => void): DeliveryObserver {
  return {
    attempted: (claim, attempt, decision, isStale) => {
      const { outcome, durationMs } = attempt;
      metrics.count('acr_gateway_attempts_total', { outcome: outcome.kind });
      metrics.observe('acr_gateway_attempt_duration_seconds', durationMs / 1000);
      if (isStale) metrics.count('acr_gateway_stale_completions_total');
      if (outcome.kind === 'delivered') {
        metrics.observe('acr_gateway_delivery_delay_seconds', delayMs(claim, attempt) / 1000);
        if (outcome.created?.length === 0)
          metrics.count('acr_gateway_unmatched_total', { registry: claim.event.registry });
      }
      if (decision.kind === 'dead-letter')
        metrics.count('acr_gateway_dead_lettered_total', { reason: decision.reason });
      const line = describe(claim, attempt, decision, isStale);
      if (decision.kind === 'complete') log.info(line, 'delivery.attempted');
      else log.warn(line, 'delivery.attempted');
      if (outcome.kind === 'delivered' && outcome.created?.length === 0) onUnmatched?.(claim);
    },
    probed: (probe, breaker) => logProbe(log, probe, breaker.kind === 'open' ? breaker.probeAt : undefined),
    breakerOpened: (outcome) => {
      const isOurs = outcome.kind === 'unavailable' && outcome.credentials === true;
      const line = { outcome: outcome.kind, detail: 'detail' in outcome ? outcome.detail : undefined };
      // An operator has to fix the credentials.
      if (isOurs) log.error(line, 'breaker.opened');
      else log.warn(line, 'breaker.opened');
    },
    faulted: (error) => {
      metrics.count('acr_gateway_faults_total', { edge: 'deliver' });
      log.error({ err: error }, 'delivery.faulted');
    },
  };
}

function logProbe(log: Log, probe: Probe, nextProbeAt: number | undefined): void {
  if (probe.kind === 'ready') log.info({ detail: probe.detail }, 'sink.ready');
  else {
    const line = { detail: probe.detail, nextProbeAt: nextProbeAt === undefined ? undefined : iso(nextProbeAt) };
    if (probe.credentials) log.error(line, 'sink.credentials_rejected');
    else log.warn(line, 'sink.unready');
  }
}

function iso(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

/** From the arrival of an event to the end of its attempt, milliseconds. */
function delayMs({ receivedAt }: Claim, { at, durationMs }: Attempt): number {
  return Math.max(0, at + durationMs - receivedAt);
}

function createdFields(created: readonly CreatedEvent[]): object {
  if (created.length <= MAX_LISTED_CREATED) return { created };
  return { created: created.slice(0, MAX_LISTED_CREATED), createdCount: created.length };
}

function describe(claim: Claim, attempt: Attempt, decision: Decision, isStale: boolean): object {
  const { outcome, durationMs } = attempt;
  const created = outcome.kind === 'delivered' ? outcome.created : undefined;
  const { kind, ...answer } = created === undefined ? outcome : { ...outcome, ...createdFields(created) };
  return {
    seq: claim.seq,
    caller: claim.caller,
    ...eventFields(claim.event),
    delivery: claim.delivery,
    attempt: claim.history.attempts + 1,
    outcome: kind,
    ...answer,
    durationMs,
    ...(kind === 'delivered' ? { delayMs: delayMs(claim, attempt) } : {}),
    decision: decision.kind,
    ...(decision.kind === 'retry' ? { retryAt: iso(decision.at) } : {}),
    ...(decision.kind === 'dead-letter' ? { reason: decision.reason } : {}),
    ...(isStale ? { isStale } : {}),
  };
}
