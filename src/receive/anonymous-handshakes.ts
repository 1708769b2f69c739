import type { Decode } from '../decode/decoder.ts';
import type { Handshake, Rejection } from '../model/receipt.ts';
import type { Headers } from '../model/webhook.ts';
import type { IncomingWebhook } from './incoming-webhook.ts';

/** Bytes of a validation that are read without credentials: Event Grid's has about 1 KiB. */
const MAX_BYTES = 16 * 1024;

/** Event Grid's documentation names the first; Microsoft's own Functions trigger checks for the second. */
const UNSUBSCRIPTIONS: ReadonlySet<string> = new Set(['subscriptiondeletion', 'unsubscribe']);

export interface AnonymousHandshakesOptions {
  readonly decode: Decode;
  /** Whether handshakes need credentials as well. */
  readonly handshakeCredentials: 'required' | 'optional';
}

/**
 * Answers handshakes without credentials: Azure does not document whether it sends the configured headers with them.
 * Nothing of a handshake is kept, and nothing is fetched.
 *
 * Their number is not limited. An answer repeats what the request says and costs about as much as a rejection, so a limit
 * would save nothing. And behind an ingress that is not a trusted proxy all clients share one address: anyone could use the
 * limit up, and Event Grid could not validate its subscription. What a flood could use up has limits: the HTTP port bounds
 * the bytes of bodies for each address, and the log has a few lines a second.
 */
export class AnonymousHandshakes {
  readonly #decode: Decode;
  readonly areAnswered: boolean;

  constructor({ decode, handshakeCredentials }: AnonymousHandshakesOptions) {
    this.#decode = decode;
    this.areAnswered = handshakeCredentials === 'optional';
  }

  /** Resolves to `rejection` unless the webhook is a handshake. */
  async answer(webhook: IncomingWebhook, rejection: Rejection): Promise<Handshake | Rejection> {
    if (!this.areAnswered) return rejection;
    const type = textOf(webhook.headers['aeg-event-type']).toLowerCase();
    if (UNSUBSCRIPTIONS.has(type)) return { kind: 'unsubscription' };
    return type === 'subscriptionvalidation' ? this.#validate(webhook, rejection) : rejection;
  }

  async #validate({ headers, readBody }: IncomingWebhook, rejection: Rejection): Promise<Handshake | Rejection> {
    const body = await readBody(undefined, MAX_BYTES);
    if (body.kind !== 'body') return body;
    const decoded = this.#decode(body.bytes, headers);
    return decoded.kind === 'validation' ? decoded : rejection;
  }
}

/** The permission that a request's headers ask for; undefined without one, or where the origin is not a host name or origin. */
export function permissionAsked(headers: Headers): Extract<Handshake, { kind: 'permission' }> | undefined {
  const origin = textOf(headers['webhook-request-origin']);
  // Nothing else is repeated in an answer.
  if (!/^[\w.:/-]{1,255}$/.test(origin)) return undefined;
  const rate = textOf(headers['webhook-request-rate']);
  return { kind: 'permission', origin, rate: /^[1-9]\d{0,8}$/.test(rate) ? rate : '*' };
}

function textOf(header: Headers[string]): string {
  return typeof header === 'string' ? header : '';
}
