import type { Receipt, Rejection } from '../model/receipt.ts';
import type { Headers } from '../model/webhook.ts';

/** A webhook at the door: its body is read only once its sender is known. */
export interface IncomingWebhook {
  readonly headers: Headers;
  /** Called at most once. Resolves to a rejection when the body cannot be had whole. */
  readonly readBody: () => Promise<{ readonly kind: 'body'; readonly bytes: Uint8Array } | Rejection>;
}

/** What the HTTP port calls for every webhook. Never rejects but for a Fault. */
export type Receive = (webhook: IncomingWebhook) => Promise<Reception>;

/** What came of one webhook, and who sent it as far as that is known. */
export interface Reception {
  readonly caller?: string;
  readonly answer: Receipt | Rejection;
}
