import type { Claim, Outcome } from '../../model/delivery.ts';
import { type HttpClient, type HttpResult, rejectsCredentials, unanswered, unavailable } from '../http-client.ts';
import { type Deliverable, type Message, type Probe, type Sink, tracedHeaders } from '../sink.ts';
import { type Mode, toCloudEvent } from './cloud-event.ts';

/** With these a receiver rejects this event. */
const REJECTED: ReadonlySet<number> = new Set([400, 409, 413, 422]);

/** With these a server, or a proxy before it, reports that it did not pass the event on. */
const NOT_PASSED_ON: ReadonlySet<number> = new Set([502, 503, 504]);

/** Receivers that do not support `OPTIONS`, as most do not, answer with one of these. */
const NO_OPTIONS: ReadonlySet<number> = new Set([400, 404, 405, 415, 501]);

/** Sends CloudEvents 1.0 to one address over HTTP, one in each request. */
export class CloudEventsSink implements Sink {
  readonly #client: HttpClient;
  readonly #mode: Mode;

  constructor(client: HttpClient, mode: Mode) {
    this.#client = client;
    this.#mode = mode;
  }

  async deliver(claim: Claim, signal: AbortSignal, traceparent = claim.traceparent): Promise<Outcome> {
    const message = this.preview(claim);
    if (message.kind === 'unmappable') return { kind: 'rejected', detail: message.detail };
    const headers = tracedHeaders(message.headers, traceparent);
    return outcomeOf(await this.#client.send({ method: 'POST', path: '', headers, body: message.body }, signal));
  }

  preview(event: Deliverable): Message {
    return toCloudEvent(event, this.#mode);
  }

  /**
   * Asks for permission to send, as in the CloudEvents webhook specification, section 4.1. Few receivers answer that. Of the
   * others the probe only shows that they are there, and its detail says so.
   */
  async probe(signal: AbortSignal): Promise<Probe> {
    const headers = { 'webhook-request-origin': 'brigade-acr-gateway' };
    const result = await this.#client.send({ method: 'OPTIONS', path: '', headers }, signal);
    if (result.kind !== 'answered') return { kind: 'unready', detail: result.detail, credentials: false };
    const { status } = result;
    if (isSuccess(status) && result.headers['webhook-allowed-origin'] !== undefined) {
      return { kind: 'ready', detail: 'the receiver allows us to send' };
    }
    if (isSuccess(status) || NO_OPTIONS.has(status)) {
      return {
        kind: 'ready',
        detail: `the receiver is there (${status}); only an event will show whether it takes one`,
      };
    }
    return { kind: 'unready', detail: `the receiver answered ${status}`, credentials: rejectsCredentials(result) };
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}

/** The detail repeats nothing of the answer but its status: the body may be anything. */
function outcomeOf(result: HttpResult): Outcome {
  if (result.kind !== 'answered') return unanswered(result);
  const { status } = result;
  if (isSuccess(status)) return { kind: 'delivered' };
  const detail = `the receiver answered ${status}`;
  if (REJECTED.has(status)) return { kind: 'rejected', detail };
  if (status >= 500 && !NOT_PASSED_ON.has(status)) return { kind: 'uncertain', detail };
  // 404, 405, 410, 415 and redirections mean that the address is wrong: events must not become dead letters for that.
  return unavailable(result, detail);
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}
