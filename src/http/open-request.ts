import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Rejection } from '../model/receipt.ts';
import type { IncomingWebhook } from '../receive/incoming-webhook.ts';
import { Body } from './body.ts';
import { networkOf } from './client-address.ts';
import type { Connection } from './connections.ts';
import type { Limits } from './limits.ts';
import { Shares } from './shares.ts';

/** What an anonymous address may hold of the reserve for handshakes, bytes. */
const GUARANTEED_ANONYMOUS_BYTES = 4 * 1024;

/** What requests in flight may hold of the port, by caller or, for handshakes without credentials, by address. */
export interface PortShares {
  readonly requests: Shares;
  readonly bodies: Shares;
  readonly anonymousBodies: Shares;
}

export function createPortShares(limits: Limits): PortShares {
  return {
    requests: new Shares({ total: Infinity, share: limits.maxCallerRequests, guaranteed: 0 }),
    bodies: new Shares({
      total: limits.maxBodyBytesInFlight,
      share: Math.max(limits.maxCallerBodyBytes, limits.maxBodyBytes),
      guaranteed: limits.maxBodyBytes,
    }),
    anonymousBodies: new Shares({
      total: limits.maxAnonymousBodyBytes,
      share: limits.maxAnonymousBodyBytesPerAddress,
      guaranteed: GUARANTEED_ANONYMOUS_BYTES,
    }),
  };
}

interface ReadOptions {
  /** Undefined for a handshake without credentials. */
  readonly caller: string | undefined;
  /** The client's. The body of a handshake without credentials is charged to it. */
  readonly address: string | undefined;
  readonly maxBytes: number;
  /** The client sends the body only after `100 Continue` (RFC 9110, 10.1.1). */
  readonly awaitsContinue: boolean;
}

/**
 * A request in flight. What it takes of the shares is given back when the gateway has answered it, and the answer was sent or the
 * connection is gone: a client that does not read its answers keeps its share in use.
 */
export class OpenRequest {
  readonly response: ServerResponse;
  readonly connection: Connection;
  readonly #shares: PortShares;
  #body: Body | undefined;
  #caller: string | undefined;
  #isAnswered = false;
  #isEnded = false;
  #isAuthenticated = false;

  constructor(response: ServerResponse, connection: Connection, shares: PortShares) {
    this.response = response;
    this.connection = connection;
    this.#shares = shares;
  }

  get request(): IncomingMessage {
    return this.response.req;
  }

  get bytesRead(): number {
    return this.#body?.bytesRead ?? 0;
  }

  readBody(options: ReadOptions): ReturnType<IncomingWebhook['readBody']> {
    const { caller, address, maxBytes } = options;
    if (caller !== undefined) {
      const rejection = this.#beginWebhookOf(caller);
      if (rejection !== undefined) return Promise.resolve(rejection);
    }
    const awaitsContinue = options.awaitsContinue ? this.response : undefined;
    const charged =
      caller === undefined
        ? { shares: this.#shares.anonymousBodies, party: networkOf(address) }
        : { shares: this.#shares.bodies, party: caller };
    this.#body = new Body(this.request, { maxBytes, awaitsContinue, ...charged });
    return this.#body.read();
  }

  /** Its credentials were accepted. */
  authenticated(): void {
    if (this.#isAuthenticated) return;
    this.#isAuthenticated = true;
    this.connection.authenticated();
  }

  /** Whether the connection may stay open after the answer. */
  get keepsConnection(): boolean {
    return this.#isAuthenticated || this.connection.isTrustedProxy;
  }

  /** The answer was handed to the connection. */
  answered(): void {
    this.#isAnswered = true;
    this.#body?.release();
    this.#giveBack();
  }

  /** The answer was sent, or the connection is gone. */
  ended(): void {
    this.#isEnded = true;
    this.#giveBack();
  }

  #beginWebhookOf(caller: string): Rejection | undefined {
    this.authenticated();
    if (!this.#shares.requests.take(caller, 1)) return { kind: 'too-many' };
    this.#caller = caller;
    this.connection.webhookBegan();
    return undefined;
  }

  #giveBack(): void {
    if (!this.#isAnswered || !this.#isEnded) return;
    this.#body?.giveBack();
    if (this.#caller === undefined) return;
    this.#shares.requests.giveBack(this.#caller, 1);
    this.#caller = undefined;
    this.connection.webhookEnded();
  }
}
