import type { Attempt, Claim, Decision, Outcome } from '../model/delivery.ts';
import type { Probe } from '../sink/sink.ts';
import type { BreakerState } from './breaker.ts';

/** Is called for everything that happens while events are delivered. Times are of the machine's clock. */
export interface DeliveryObserver {
  /** The decision is durable. `isStale`: the event had been claimed again, and the journal did not take the decision. */
  attempted(claim: Claim, attempt: Attempt, decision: Decision, isStale: boolean): void;
  probed(probe: Probe, breaker: BreakerState): void;
  breakerOpened(outcome: Outcome): void;
  faulted(error: unknown): void;
}
