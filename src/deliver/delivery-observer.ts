import type { Attempt, Claim, Decision, Outcome } from '../model/delivery.ts';
import type { Probe } from '../sink/sink.ts';
import type { BreakerState } from './breaker.ts';

/** What happened, for those who watch. */
export interface DeliveryObserver {
  /** The decision is durable; `isStale` when somebody else had claimed the event meanwhile and it was not taken. */
  attempted(claim: Claim, attempt: Attempt, decision: Decision, isStale: boolean): void;
  probed(probe: Probe, breaker: BreakerState): void;
  breakerOpened(outcome: Outcome): void;
  faulted(error: unknown): void;
}
