import type { Handshake, Receipt, Rejection } from '../model/receipt.ts';

/** Why a connection or request was turned away before it was a webhook. */
export type RequestRejection =
  /** Not HTTP, or not the way we read it. */
  | 'malformed'
  | 'headers-too-large'
  | 'too-slow'
  | 'unknown-path'
  /** Sent to the right path written differently, with a trailing slash for one: few senders follow a redirect. */
  | 'redirected'
  | 'wrong-method'
  | 'tls-handshake-failed'
  | 'too-many-connections';

/** One `POST /events`, or an `OPTIONS` that asks for permission, and what became of it. */
export interface WebhookRecord {
  readonly caller: string | undefined;
  /** Undefined after a fault, which is reported on its own. */
  readonly answer: Receipt | Handshake | Rejection | undefined;
  /** As answered, though the sender may have gone. */
  readonly status: number;
  /** The peer of the connection. */
  readonly remoteAddress: string | undefined;
  /** Who sent it to the trusted proxy that is our peer; undefined when the peer is none. */
  readonly clientAddress: string | undefined;
  /** The sender's text, cut. */
  readonly userAgent: string | undefined;
  /** What was read of the body: 0 when it was not wanted. */
  readonly bodyBytes: number;
  readonly durationMs: number;
}

/** Hears what happens at the ingest port. Called after the answer is on its way; must not throw. */
export interface IngestObserver {
  webhook(record: WebhookRecord): void;
  /** Anybody can cause these, as often as they like: count all, log few. */
  rejected(rejection: RequestRejection, remoteAddress: string | undefined): void;
  fault(error: unknown): void;
  certificateReloaded(): void;
  /** The new pair does not work; the one in use stays. */
  certificateRejected(reason: string): void;
}
