import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IncomingRequest, IncomingWebhook, Permit, Receive, Reception } from '../receive/incoming-webhook.ts';
import { answerTo, HEALTHY, type HttpAnswer, UNAVAILABLE, UNHEALTHY } from './answers.ts';
import { hasArrived } from './body.ts';
import type { TrustedProxies } from './client-address.ts';
import type { Connections } from './connections.ts';
import type { IngestObserver } from './ingest-observer.ts';
import { LIMITS, type Limits } from './limits.ts';
import { createPortShares, OpenRequest, type PortShares } from './open-request.ts';
import { queryOf, type Route, routeOf, violationOf } from './routes.ts';

interface RequestHandlerOptions {
  readonly receive: Receive;
  readonly permit: Permit;
  readonly healthy: () => boolean;
  readonly observer: IngestObserver;
  readonly limits: Limits;
  readonly proxies: TrustedProxies;
  readonly connections: Connections;
}

/** Gets the answer to a webhook, or to a request for permission. */
type Ask = (request: IncomingRequest, readBody: IncomingWebhook['readBody']) => Promise<Reception>;

/** Answers every request that node:http could read. */
export class RequestHandler {
  readonly #options: RequestHandlerOptions;
  readonly #shares: PortShares;
  readonly #askReceive: Ask;
  #draining = false;

  constructor(options: RequestHandlerOptions) {
    this.#options = options;
    this.#shares = createPortShares(options.limits);
    this.#askReceive = (request, readBody) => options.receive({ ...request, readBody });
  }

  /** From now on, every answer closes its connection. */
  drain(): void {
    this.#draining = true;
  }

  /** `awaitsContinue`: the client sends the body only after `100 Continue` (RFC 9110, 10.1.1). */
  handle(response: ServerResponse, awaitsContinue: boolean): void {
    const { connections, permit, healthy } = this.#options;
    const connection = connections.admit(response);
    if (connection === undefined) return;
    const open = new OpenRequest(response, connection, this.#shares);
    connections.addUnanswered(connection, open);
    const route = violationOf(response.req) ?? routeOf(response.req);
    if (route.kind === 'webhook') this.#answer(open, this.#askReceive, awaitsContinue);
    else if (route.kind === 'permission') this.#answer(open, permit, awaitsContinue);
    else if (route.kind === 'health') this.#send(open, healthy() ? HEALTHY : UNHEALTHY);
    else this.#reject(open, route);
  }

  #answer(open: OpenRequest, ask: Ask, awaitsContinue: boolean): void {
    this.#answerAndReport(open, ask, awaitsContinue).catch((error: unknown) => this.#options.observer.fault(error));
  }

  async #answerAndReport(open: OpenRequest, ask: Ask, awaitsContinue: boolean): Promise<void> {
    const startedAt = performance.now();
    const { limits, proxies, observer } = this.#options;
    const { headers, url = '', socket } = open.request;
    const { remoteAddress } = socket;
    const clientAddress = proxies.clientOf(remoteAddress, headers);
    const address = clientAddress ?? remoteAddress;
    const readBody: IncomingWebhook['readBody'] = (caller, maxBytes = limits.maxBodyBytes) =>
      open.readBody({ caller, address, maxBytes: Math.min(maxBytes, limits.maxBodyBytes), awaitsContinue });
    const reception = await this.#reception(() => ask({ headers, query: queryOf(url) }, readBody));
    const answer = reception === undefined ? UNAVAILABLE : answerTo(reception.answer);
    if (reception?.caller !== undefined) open.authenticated();
    this.#send(open, answer);
    observer.webhook({
      caller: reception?.caller,
      answer: reception?.answer,
      status: answer.status,
      remoteAddress,
      clientAddress,
      userAgent: headers['user-agent']?.slice(0, LIMITS.maxUserAgentChars.value),
      bodyBytes: open.bytesRead,
      durationMs: performance.now() - startedAt,
    });
  }

  /** Undefined after a fault, which is reported. */
  async #reception(ask: () => Promise<Reception>): Promise<Reception | undefined> {
    try {
      return await ask();
    } catch (error) {
      this.#options.observer.fault(error);
      return undefined;
    }
  }

  #reject(open: OpenRequest, { answer, rejection }: Extract<Route, { kind: 'rejected' }>): void {
    const { remoteAddress } = open.request.socket;
    this.#send(open, answer);
    this.#options.observer.rejected(rejection, remoteAddress);
  }

  /**
   * The connection closes after every answer while draining, after one to a client without credentials, and after one that is
   * sent before the whole request has arrived.
   */
  #send(open: OpenRequest, answer: HttpAnswer): void {
    const { request, response, connection } = open;
    const isEarly = !hasArrived(request, open.bytesRead);
    if (isEarly || this.#draining || !open.keepsConnection) {
      response.shouldKeepAlive = false;
      connection.isClosing = true;
    }
    response.writeHead(answer.status, [...answer.headers, 'Content-Length', String(Buffer.byteLength(answer.body))]);
    if (isEarly) sendEarly(request, response, answer.body, this.#options.limits);
    else response.end(answer.body);
    open.answered();
  }
}

/**
 * Sends the whole answer now, but ends it, and with it the connection, only when the rest of the request has arrived or a limit is
 * reached. If the connection closed now, the arriving bytes would cause a TCP reset, and the client could lose the answer.
 */
function sendEarly(request: IncomingMessage, response: ServerResponse, body: string, limits: Limits): void {
  if (body === '') response.flushHeaders();
  else response.write(body);
  const end = (): void => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, limits.lingerMs);
  let bytesLeft = limits.lingerBytes;
  request.on('data', (chunk: Buffer) => {
    bytesLeft -= chunk.length;
    if (bytesLeft < 0) end();
  });
  request.once('end', end);
  request.once('close', end);
  request.resume();
}
