import type { Outcome } from '../model/delivery.ts';
import type { RegistryEvent } from '../model/registry-event.ts';

/** What is handed to a sink. */
export interface Claim {
  readonly event: RegistryEvent;
  /** What a `brigade.js` finds as `event.payload`: the native ACR object as JSON text. */
  readonly payload: string;
  /** The number of the deliberate delivery: 1, and one more for each time that an operator redelivers. */
  readonly delivery: number;
  /** The webhook's trace (W3C Trace Context), if it told one. */
  readonly traceparent?: string;
}

/** What a sink says of itself. */
export type Probe =
  | { readonly kind: 'ready'; readonly detail: string }
  /** `credentials`: it answers, and refuses ours. Else it cannot be reached or does not work. */
  | { readonly kind: 'unready'; readonly detail: string; readonly credentials: boolean };

/**
 * Where events go.
 *
 * Every implementation promises, and sink.suite.ts proves:
 * - `emit` always resolves, within 90 seconds, and earlier once `signal` is aborted;
 * - `delivered` only when the sink has taken the event;
 * - `unavailable` and `refused` only when it certainly has not; whatever is between is `uncertain`;
 * - `detail` is one line of at most 500 characters and never holds a credential;
 * - `probe` tells whether an event would be taken now, and creates none.
 */
export interface Sink {
  emit(emission: Claim, signal: AbortSignal): Promise<Outcome>;
  probe(signal: AbortSignal): Promise<Probe>;
  close(): Promise<void>;
}
