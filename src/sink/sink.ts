import type { Claim, Outcome } from '../model/delivery.ts';
import type { RegistryEvent } from '../model/registry-event.ts';
import type { WhyNot } from '../model/why-not.ts';

/** Whether a sink takes events now. */
export type Probe =
  | { readonly kind: 'ready'; readonly detail: string }
  /** `credentials`: it answers, and rejects ours. Otherwise it cannot be reached or does not work. */
  | { readonly kind: 'unready'; readonly detail: string; readonly credentials: boolean };

type MessageHeaders = Readonly<Record<string, string>>;

/** What a sink sends for an event. */
export type Message =
  | {
      readonly kind: 'message';
      readonly headers: MessageHeaders;
      readonly body: string;
      /** What the message lacks, for the operator. */
      readonly note?: string;
    }
  /** The event does not fit the sink's field rules. */
  | { readonly kind: 'unmappable'; readonly detail: string };

/** The fields of a claim that a message is made of. */
export type Deliverable = Pick<Claim, 'event' | 'payload' | 'delivery' | 'traceparent'>;

/**
 * Where events go.
 *
 * Every implementation promises, and sink.suite.ts proves:
 * - `deliver` always resolves, within 90 seconds, and earlier when `signal` is aborted;
 * - `delivered` only when the sink has taken the event;
 * - `unavailable` and `rejected` only when it certainly has not; everything between is `uncertain`;
 * - `detail` is one line of at most 500 characters and never contains a credential;
 * - the trace of the attempt, or else of the claim, goes along as the header `traceparent`, and changes nothing else;
 * - `preview` returns what `deliver` would send, and sends nothing;
 * - `probe` finds out whether the sink would take an event now, and creates none.
 */
export interface Sink {
  /** `traceparent`: the trace of this attempt (W3C Trace Context). */
  deliver(claim: Claim, signal: AbortSignal, traceparent?: string): Promise<Outcome>;
  preview(event: Deliverable): Message;
  probe(signal: AbortSignal): Promise<Probe>;
  close(): Promise<void>;
}

/**
 * Explains why no project subscribes to an event: never a reason to wait, or to fail, for who delivers it.
 *
 * `explain` always resolves. It asks the sink at most once a minute.
 */
export interface Explainer {
  explain(event: RegistryEvent): Promise<WhyNot>;
}

/** The headers of a message, with the trace of its attempt. */
export function tracedHeaders(headers: MessageHeaders, traceparent: string | undefined): MessageHeaders {
  return traceparent === undefined ? headers : { ...headers, traceparent };
}

/** Characters. */
const DETAIL_LENGTH = 500;

/** One line of at most 500 characters: the form of every `detail`. */
export function oneLine(text: string): string {
  return text
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .slice(0, DETAIL_LENGTH)
    .toWellFormed();
}
