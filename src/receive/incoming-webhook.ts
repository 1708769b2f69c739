import type { Handshake, Receipt, Rejection } from '../model/receipt.ts';
import type { Headers } from '../model/webhook.ts';

/** A webhook at the door: its body is read only once its sender is known. */
export interface IncomingWebhook {
  readonly headers: Headers;
  /** What stands behind the `?` of the address that was called, as sent. */
  readonly query?: string;
  /**
   * Called at most once. `caller`: whose share of the port's limits the webhook takes; undefined for a handshake without
   * credentials. Resolves to a rejection when the body cannot be had whole, or has more than `maxBytes`; without
   * that, more than the port takes at all.
   */
  readonly readBody: (
    caller: string | undefined,
    maxBytes?: number,
  ) => Promise<{ readonly kind: 'body'; readonly bytes: Uint8Array } | Rejection>;
}

/** A request for permission to send: it has no body. */
export type IncomingRequest = Pick<IncomingWebhook, 'headers' | 'query'>;

/** What the HTTP port calls for every webhook. Never rejects but for a Fault. */
export type Receive = (webhook: IncomingWebhook) => Promise<Reception>;

/** What the HTTP port calls for every `OPTIONS` that asks for permission to send. */
export type Permit = (request: IncomingRequest) => Promise<Reception>;

/** What came of one webhook, and who sent it as far as that is known. */
export interface Reception {
  readonly caller?: string;
  readonly answer: Receipt | Handshake | Rejection;
}
