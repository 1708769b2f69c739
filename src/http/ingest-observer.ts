import type { Handshake, Receipt, Rejection } from '../model/receipt.ts';

/** Why a connection or request was rejected before it was a webhook. */
export type RequestRejection =
  /** Not HTTP, or HTTP that the gateway does not accept. */
  | 'malformed'
  /** A transfer coding other than `chunked`, or a version of HTTP other than 1.0 and 1.1. */
  | 'unsupported'
  | 'headers-too-large'
  | 'too-slow'
  | 'unknown-path'
  /** Sent to a variant of the right path, such as one with a trailing slash. Few clients follow a redirect. */
  | 'redirected'
  | 'wrong-method'
  | 'tls-handshake-failed'
  /** It made room for another one, or there was no room for it. */
  | 'too-many-connections'
  /** More requests on one connection than may wait for their answer. */
  | 'too-many-unanswered'
  /** A client that sends requests but does not read the answers. */
  | 'unread-answers';

/** One `POST /events`, or an `OPTIONS` that asks for permission, and its answer. */
export interface WebhookRecord {
  readonly caller: string | undefined;
  /** Undefined after a fault, which is reported separately. */
  readonly answer: Receipt | Handshake | Rejection | undefined;
  /** The status of the answer. The client may have gone before it was sent. */
  readonly status: number;
  /** The peer of the connection. */
  readonly remoteAddress: string | undefined;
  /** The client that sent the request to a trusted proxy. Undefined when the peer is not a trusted proxy. */
  readonly clientAddress: string | undefined;
  /** As the client wrote it, cut to `LIMITS.maxUserAgentChars`. */
  readonly userAgent: string | undefined;
  /** The bytes of the body that were read: 0 when the body was not read. */
  readonly bodyBytes: number;
  readonly durationMs: number;
}

/** Is called with what happens at the ingest port, after the answer was handed to the connection. Must not throw. */
export interface IngestObserver {
  webhook(record: WebhookRecord): void;
  /** Anyone can cause these, at any rate: count all of them, log a few. */
  rejected(rejection: RequestRejection, remoteAddress: string | undefined): void;
  fault(error: unknown): void;
  certificateReloaded(): void;
  /** The new pair does not work, and the old one stays in use. */
  certificateRejected(reason: string): void;
}
