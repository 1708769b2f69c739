import type { Claim, Outcome } from '../model/delivery.ts';

/** What a sink says of itself. */
export type Probe =
  | { readonly kind: 'ready'; readonly detail: string }
  /** `credentials`: it answers, and refuses ours. Else it cannot be reached or does not work. */
  | { readonly kind: 'unready'; readonly detail: string; readonly credentials: boolean };

/**
 * Where events go.
 *
 * Every implementation promises, and sink.suite.ts proves:
 * - `deliver` always resolves, within 90 seconds, and earlier once `signal` is aborted;
 * - `delivered` only when the sink has taken the event;
 * - `unavailable` and `refused` only when it certainly has not; whatever is between is `uncertain`;
 * - `detail` is one line of at most 500 characters and never holds a credential;
 * - `probe` tells whether an event would be taken now, and creates none.
 */
export interface Sink {
  deliver(claim: Claim, signal: AbortSignal): Promise<Outcome>;
  probe(signal: AbortSignal): Promise<Probe>;
  close(): Promise<void>;
}
