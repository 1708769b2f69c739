import type { Decode } from '../decode/decoder.ts';
import type { Handshake, Rejection } from '../model/receipt.ts';
import type { Headers } from '../model/webhook.ts';
import type { IncomingWebhook } from './incoming-webhook.ts';

/** Bytes of a validation that are read without credentials: Event Grid's has about 1 KiB. */
const MAX_BYTES = 16 * 1024;

/** Handshakes without credentials that one address gets answered in a window; Event Grid tries a few times. */
const PER_ADDRESS = 10;

const WINDOW_MS = 60_000;

/** Addresses counted in a window; further addresses wait for the next window. */
const MAX_ADDRESSES = 10_000;

/** Event Grid's documentation names the first; Microsoft's own Functions trigger checks for the second. */
const UNSUBSCRIPTIONS: ReadonlySet<string> = new Set(['subscriptiondeletion', 'unsubscribe']);

export interface AnonymousHandshakesOptions {
  readonly decode: Decode;
  /** Whether handshakes need credentials as well. */
  readonly handshakeCredentials: 'required' | 'optional';
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/**
 * Answers handshakes without credentials: Azure does not document whether it sends the configured headers with them.
 * Nothing of a handshake is kept, and nothing is fetched.
 */
export class AnonymousHandshakes {
  readonly #options: AnonymousHandshakesOptions;
  #counts = new Map<string, number>();
  #windowEndsAt = 0;

  constructor(options: AnonymousHandshakesOptions) {
    this.#options = options;
  }

  /** Resolves to `rejection` unless the webhook is a handshake. */
  async answer(webhook: IncomingWebhook, rejection: Rejection): Promise<Handshake | Rejection> {
    const type = textOf(webhook.headers['aeg-event-type']).toLowerCase();
    const isValidation = type === 'subscriptionvalidation';
    if (!isValidation && !UNSUBSCRIPTIONS.has(type)) return rejection;
    const notAdmitted = this.admit(webhook.address, rejection);
    if (notAdmitted !== undefined) return notAdmitted;
    return isValidation ? this.#validate(webhook, rejection) : { kind: 'unsubscription' };
  }

  /** Undefined if a handshake from the address may be answered. */
  admit(address = '', rejection: Rejection): Rejection | undefined {
    if (this.#options.handshakeCredentials === 'required') return rejection;
    const now = this.#options.now();
    if (now >= this.#windowEndsAt) {
      this.#windowEndsAt = now + WINDOW_MS;
      this.#counts = new Map();
    }
    const count = this.#counts.get(address) ?? 0;
    if (count >= PER_ADDRESS || (count === 0 && this.#counts.size >= MAX_ADDRESSES)) return { kind: 'overloaded' };
    this.#counts.set(address, count + 1);
    return undefined;
  }

  async #validate({ headers, readBody }: IncomingWebhook, rejection: Rejection): Promise<Handshake | Rejection> {
    const body = await readBody(MAX_BYTES);
    if (body.kind !== 'body') return body;
    const decoded = this.#options.decode(body.bytes, headers);
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
