import type { Claim, Outcome } from '../../model/delivery.ts';
import { oneLine, retryAfter } from '../answer.ts';
import type { HttpClient, HttpResult } from '../http-client.ts';
import type { Probe, Sink } from '../sink.ts';
import { binary, describeEvent, structured } from './cloud-event.ts';

/** Statuses by which a receiver says that this event, and not its address or its day, is at fault. */
const REQUEST_REJECTIONS: ReadonlySet<number> = new Set([400, 409, 413, 422]);

/** Of a server, or of what stands before it, that passed nothing on. */
const NOT_PASSED_ON: ReadonlySet<number> = new Set([502, 503, 504]);

/** Of receivers that know no `OPTIONS`, as most do. */
const NO_OPTIONS: ReadonlySet<number> = new Set([400, 404, 405, 415, 501]);

export interface CloudEventsOptions {
  /** Asked anew for every request: it changes when the certificate authority does. */
  readonly client: () => HttpClient;
  readonly mode: 'structured' | 'binary';
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Sends CloudEvents 1.0 to one address over HTTP, one in each request. */
export class CloudEventsSink implements Sink {
  readonly #options: CloudEventsOptions;

  constructor(options: CloudEventsOptions) {
    this.#options = options;
  }

  async deliver(claim: Claim, signal: AbortSignal): Promise<Outcome> {
    const described = describeEvent(claim);
    if (described.kind === 'unmappable') return { kind: 'rejected', detail: described.detail };
    const write = this.#options.mode === 'binary' ? binary : structured;
    const message = write(described.attributes, claim.payload);
    const exchange = await this.#options.client().exchange({ method: 'POST', path: '', ...message }, signal);
    return outcomeOf(exchange, this.#options.now);
  }

  /**
   * Asks whether we may send, as the CloudEvents webhook specification has it (section 4.1). Few receivers answer that; of
   * the others it only shows that they are there, and the answer says so.
   */
  async probe(signal: AbortSignal): Promise<Probe> {
    const headers = { 'webhook-request-origin': 'brigade-acr-gateway' };
    const exchange = await this.#options.client().exchange({ method: 'OPTIONS', path: '', headers }, signal);
    if (exchange.kind !== 'answered') return { kind: 'unready', detail: exchange.detail, credentials: false };
    const { status } = exchange;
    const isAllowed = exchange.headers['webhook-allowed-origin'] !== undefined;
    if (isTaken(status) && isAllowed) return { kind: 'ready', detail: 'the receiver allows us to send' };
    if (isTaken(status) || NO_OPTIONS.has(status)) {
      return {
        kind: 'ready',
        detail: `the receiver is there (${status}); only an event will show whether it takes one`,
      };
    }
    return { kind: 'unready', detail: `the receiver answered ${status}`, credentials: isCredentials(status) };
  }

  async close(): Promise<void> {
    await this.#options.client().close();
  }
}

/** Of the answer nothing is repeated but its status: it may be anything. */
function outcomeOf(exchange: HttpResult, now: () => number): Outcome {
  if (exchange.kind === 'unsent') return { kind: 'unavailable', detail: exchange.detail };
  if (exchange.kind === 'broken') return { kind: 'uncertain', detail: exchange.detail };
  const { status, headers } = exchange;
  if (isTaken(status)) return { kind: 'delivered' };
  const detail = oneLine(`the receiver answered ${status}`);
  if (REQUEST_REJECTIONS.has(status)) return { kind: 'rejected', detail };
  // 404, 405, 410, 415 and redirections mean that the address is wrong: events are not to be deadLettered for that.
  if (status >= 500 && !NOT_PASSED_ON.has(status)) return { kind: 'uncertain', detail };
  const retryAfterMs = retryAfter(headers['retry-after'], now);
  return {
    kind: 'unavailable',
    detail,
    ...(isCredentials(status) ? { credentials: true } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

function isTaken(status: number): boolean {
  return status >= 200 && status < 300;
}

function isCredentials(status: number): boolean {
  return status === 401 || status === 403;
}
