import type { Handshake, Receipt, Rejection } from '../model/receipt.ts';
import type { Headers } from '../model/webhook.ts';

/** A webhook on arrival: its body is read only after its caller is authenticated. */
export interface IncomingWebhook {
  readonly headers: Headers;
  /** What follows the `?` in the request's address, as sent. */
  readonly query?: string;
  /** The trace (W3C Trace Context) that its events carry through the journal. Absent: the one that the headers name. */
  readonly traceparent?: string;
  /**
   * Called at most once. `caller`: whose share of the port's limits the webhook takes; undefined for a handshake without
   * credentials. Resolves to a rejection when the share is used up, or when the body does not arrive complete, or is larger
   * than `maxBytes`; without that, larger than the port accepts at all.
   */
  readonly readBody: (
    caller: string | undefined,
    maxBytes?: number,
  ) => Promise<{ readonly kind: 'body'; readonly bytes: Uint8Array } | Rejection>;
}

/** A request for permission to send: it has no body. */
export type IncomingRequest = Pick<IncomingWebhook, 'headers' | 'query'>;

/** Called by the HTTP port for every webhook. Rejects only with a Fault. */
export type Receive = (webhook: IncomingWebhook) => Promise<Reception>;

/** Called by the HTTP port for every `OPTIONS` that asks for permission to send. */
export type Permit = (request: IncomingRequest) => Promise<Reception>;

/** The answer to a webhook and, as far as it is known, its caller. */
export interface Reception {
  readonly caller?: string;
  readonly answer: Receipt | Handshake | Rejection;
}
