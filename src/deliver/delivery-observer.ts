import type { Claim } from '../journal/journal.ts';
import type { Attempt, Outcome, Verdict } from '../model/delivery.ts';
import type { Probe } from '../sink/sink.ts';
import type { BreakerState } from './breaker.ts';

/** What happened, for those who watch. */
export interface DeliveryObserver {
  /** The verdict is durable; `isStale` when somebody else had claimed the event meanwhile and it was not taken. */
  attempted(claim: Claim, attempt: Attempt, verdict: Verdict, isStale: boolean): void;
  probed(probe: Probe, breaker: BreakerState): void;
  breakerOpened(outcome: Outcome): void;
  faulted(error: unknown): void;
}
