import type { JournalStats } from '../journal/journal.ts';
import type { Metrics } from './metrics.ts';

/** The state of deliverer and journal when the metrics are read. */
export interface GatewayState {
  readonly isBreakerOpen: boolean;
  /** Whether no event was taken since the breaker opened, although a probe closed it. */
  readonly isOnTrial: boolean;
  readonly attemptsLimit: number;
  readonly heldEvents: number;
  readonly stats: JournalStats;
}

/** Sets every gauge of the gateway. */
export function refreshGauges(
  metrics: Metrics,
  { isBreakerOpen, isOnTrial, attemptsLimit, heldEvents, stats }: GatewayState,
  now: number,
): void {
  // A probe may find the sink ready that takes no event: a trial proves it only while events wait.
  const isDown = isBreakerOpen || (isOnTrial && stats.pending > 0);
  metrics.set('acr_gateway_sink_up', isDown ? 0 : 1);
  metrics.set('acr_gateway_breaker_open', isBreakerOpen ? 1 : 0);
  metrics.set('acr_gateway_paused', stats.paused === undefined ? 0 : 1);
  metrics.set('acr_gateway_attempts_limit', attemptsLimit);
  metrics.set('acr_gateway_held_events', heldEvents);
  metrics.set('acr_gateway_pending_events', stats.pending);
  metrics.set('acr_gateway_oldest_pending_seconds', ageSeconds(stats.oldestPendingAt, now));
  metrics.set('acr_gateway_dead_letters', stats.deadLetters);
  metrics.set('acr_gateway_oldest_dead_letter_seconds', ageSeconds(stats.oldestDeadLetterAt, now));
  metrics.set('acr_gateway_journal_bytes', stats.bytes);
  metrics.set('acr_gateway_damaged_records', stats.damaged);
}

function ageSeconds(since: number | undefined, now: number): number {
  return since === undefined ? 0 : Math.max(0, now - since) / 1000;
}
