import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IncomingRequest, Permit, Receive, Reception } from '../receive/incoming-webhook.ts';
import { answerTo, HEALTHY, type HttpAnswer, UNAVAILABLE, UNHEALTHY } from './answers.ts';
import { Body, BodyBudget, hasArrived } from './body.ts';
import type { TrustedProxies } from './client-address.ts';
import type { IngestObserver } from './ingest-observer.ts';
import { type Limits, MAX_USER_AGENT_CHARS } from './limits.ts';
import { queryOf, type Route, routeOf } from './routes.ts';

interface RequestHandlerOptions {
  readonly receive: Receive;
  readonly permit: Permit;
  readonly healthy: () => boolean;
  readonly observer: IngestObserver;
  readonly limits: Limits;
  readonly proxies: TrustedProxies;
}

/** Gets the answer to a webhook, or to a request for permission. */
type Ask = (request: IncomingRequest, body: Body) => Promise<Reception>;

/** Answers every request that node:http could read. */
export class RequestHandler {
  readonly #options: RequestHandlerOptions;
  readonly #budget: BodyBudget;
  #draining = false;

  constructor(options: RequestHandlerOptions) {
    this.#options = options;
    this.#budget = new BodyBudget(options.limits.maxBodyBytesInFlight);
  }

  /** From now on, every answer closes its connection. */
  drain(): void {
    this.#draining = true;
  }

  /** `awaitsContinue`: the client sends the body only after `100 Continue` (RFC 9110, 10.1.1). */
  handle(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void {
    const route = routeOf(request);
    if (route.kind === 'webhook') this.#receive(request, response, awaitsContinue);
    else if (route.kind === 'permission') this.#answer(request, response, this.#options.permit);
    else if (route.kind === 'health') this.#send(request, response, this.#options.healthy() ? HEALTHY : UNHEALTHY);
    else this.#reject(request, response, route);
  }

  #receive(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void {
    const continued = awaitsContinue ? response : undefined;
    this.#answer(request, response, (incoming, body) =>
      this.#options.receive({ ...incoming, readBody: (maxBytes) => body.read(continued, maxBytes) }),
    );
  }

  #answer(request: IncomingMessage, response: ServerResponse, ask: Ask): void {
    this.#answerAndReport(request, response, ask).catch((error: unknown) => this.#options.observer.fault(error));
  }

  async #answerAndReport(request: IncomingMessage, response: ServerResponse, ask: Ask): Promise<void> {
    const startedAt = performance.now();
    const { headers, url = '' } = request;
    const { remoteAddress } = request.socket;
    const clientAddress = this.#options.proxies.clientOf(remoteAddress, headers);
    const body = new Body(request, this.#options.limits.maxBodyBytes, this.#budget);
    const incoming = { headers, query: queryOf(url), sender: clientAddress ?? remoteAddress };
    const reception = await this.#reception(() => ask(incoming, body), body);
    const answer = reception === undefined ? UNAVAILABLE : answerTo(reception.answer);
    this.#send(request, response, answer, body.bytesRead);
    this.#options.observer.webhook({
      caller: reception?.caller,
      answer: reception?.answer,
      status: answer.status,
      remoteAddress,
      clientAddress,
      userAgent: headers['user-agent']?.slice(0, MAX_USER_AGENT_CHARS),
      bodyBytes: body.bytesRead,
      durationMs: performance.now() - startedAt,
    });
  }

  /** Undefined after a fault, which is reported. */
  async #reception(ask: () => Promise<Reception>, body: Body): Promise<Reception | undefined> {
    try {
      return await ask();
    } catch (error) {
      this.#options.observer.fault(error);
      return undefined;
    } finally {
      body.release();
    }
  }

  #reject(
    request: IncomingMessage,
    response: ServerResponse,
    { answer, rejection }: Extract<Route, { kind: 'rejected' }>,
  ): void {
    const { remoteAddress } = request.socket;
    this.#send(request, response, answer);
    this.#options.observer.rejected(rejection, remoteAddress);
  }

  /** An answer that is sent before the whole request has arrived closes the connection, as every answer does while draining. */
  #send(request: IncomingMessage, response: ServerResponse, answer: HttpAnswer, bytesRead = 0): void {
    const isEarly = !hasArrived(request, bytesRead);
    if (isEarly || this.#draining) response.shouldKeepAlive = false;
    response.writeHead(answer.status, [...answer.headers, 'Content-Length', String(Buffer.byteLength(answer.body))]);
    if (isEarly) sendEarly(request, response, answer.body, this.#options.limits);
    else response.end(answer.body);
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
