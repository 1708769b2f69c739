import type { Decode } from '../decode/decoder.ts';
import type { Handshake, Rejection } from '../model/receipt.ts';
import type { Headers } from '../model/webhook.ts';
import type { IncomingWebhook } from './incoming-webhook.ts';

/** Bytes of a validation that are read for a stranger: Event Grid's has about 1 KiB. */
const MAX_BYTES = 16 * 1024;

/** Handshakes of one address that are answered without credentials in a window; Event Grid tries a handful of times. */
const PER_ADDRESS = 10;

const WINDOW_MS = 60_000;

/** Addresses counted in a window; those beyond wait for the next. */
const MAX_ADDRESSES = 10_000;

/** Event Grid's documentation has the first, Microsoft's own Functions trigger looks for the second. */
const UNSUBSCRIPTIONS: ReadonlySet<string> = new Set(['subscriptiondeletion', 'unsubscribe']);

export interface AnonymousHandshakesOptions {
  readonly decode: Decode;
  /** Whether handshakes need credentials as well. */
  readonly handshakeCredentials: 'required' | 'optional';
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/**
 * What is answered to somebody whose credentials are not known: handshakes, for nobody says whether Azure sends the
 * configured headers along with them. Nothing is kept of them, and nothing is fetched.
 */
export class AnonymousHandshakes {
  readonly #options: AnonymousHandshakesOptions;
  #counts = new Map<string, number>();
  #windowEndsAt = 0;

  constructor(options: AnonymousHandshakesOptions) {
    this.#options = options;
  }

  /** `rejection` unless the webhook is a handshake. */
  async answer(webhook: IncomingWebhook, rejection: Rejection): Promise<Handshake | Rejection> {
    const type = textOf(webhook.headers['aeg-event-type']).toLowerCase();
    const isValidation = type === 'subscriptionvalidation';
    if (!isValidation && !UNSUBSCRIPTIONS.has(type)) return rejection;
    const notAdmitted = this.admit(webhook.sender, rejection);
    if (notAdmitted !== undefined) return notAdmitted;
    return isValidation ? this.#validate(webhook, rejection) : { kind: 'unsubscription' };
  }

  /** Undefined if a handshake from there may be answered. */
  admit(sender = '', rejection: Rejection): Rejection | undefined {
    if (this.#options.handshakeCredentials === 'required') return rejection;
    const now = this.#options.now();
    if (now >= this.#windowEndsAt) {
      this.#windowEndsAt = now + WINDOW_MS;
      this.#counts = new Map();
    }
    const count = this.#counts.get(sender) ?? 0;
    if (count >= PER_ADDRESS || (count === 0 && this.#counts.size >= MAX_ADDRESSES)) return { kind: 'overloaded' };
    this.#counts.set(sender, count + 1);
    return undefined;
  }

  async #validate({ headers, readBody }: IncomingWebhook, rejection: Rejection): Promise<Handshake | Rejection> {
    const body = await readBody(MAX_BYTES);
    if (body.kind !== 'body') return body;
    const decoded = this.#options.decode(body.bytes, headers);
    return decoded.kind === 'validation' ? decoded : rejection;
  }
}

/** What of a request's headers asks for permission to send; undefined if nothing does, or not in words of this use. */
export function permissionAsked(headers: Headers): Extract<Handshake, { kind: 'permission' }> | undefined {
  const origin = textOf(headers['webhook-request-origin']);
  // A host name or an origin: nothing else is to be repeated to anybody.
  if (!/^[\w.:/-]{1,255}$/.test(origin)) return undefined;
  const rate = textOf(headers['webhook-request-rate']);
  return { kind: 'permission', origin, rate: /^[1-9]\d{0,8}$/.test(rate) ? rate : '*' };
}

function textOf(header: Headers[string]): string {
  return typeof header === 'string' ? header : '';
}
