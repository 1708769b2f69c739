import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IncomingRequest, Permit, Receive, Reception } from '../receive/incoming-webhook.ts';
import { type Answer, answerTo, HEALTHY, UNAVAILABLE, UNHEALTHY } from './answers.ts';
import { Body, BodyBudget } from './body.ts';
import type { TrustedProxies } from './client-address.ts';
import type { IngestObserver } from './ingest-observer.ts';
import { type Limits, MAX_USER_AGENT_CHARS } from './limits.ts';
import { queryOf, type Route, routeOf } from './routes.ts';
import { send } from './send.ts';

interface RequestHandlerOptions {
  readonly receive: Receive;
  readonly permit: Permit;
  readonly healthy: () => boolean;
  readonly observer: IngestObserver;
  readonly limits: Limits;
  readonly proxies: TrustedProxies;
}

type RejectedRoute = Extract<Route, { kind: 'rejected' }>;

/** Who answers a request. */
type Ask = (from: IncomingRequest, body: Body) => Promise<Reception>;

/** Answers every request that node:http could read. */
export class RequestHandler {
  readonly #options: RequestHandlerOptions;
  readonly #budget: BodyBudget;
  #draining = false;

  constructor(options: RequestHandlerOptions) {
    this.#options = options;
    this.#budget = new BodyBudget(options.limits.maxBodyBytesInFlight);
  }

  /** From now on every answer is the last one of its connection. */
  drain(): void {
    this.#draining = true;
  }

  /** `expectant`: the sender holds its body back until it is told to continue. */
  handle(request: IncomingMessage, response: ServerResponse, expectant: boolean): void {
    const route = routeOf(request.method ?? '', request.url ?? '');
    if (route.kind === 'events') this.#serve(request, response, expectant).catch(this.#reportFault);
    else if (route.kind === 'rejected') this.#refuse(request, response, route);
    else if (route.kind === 'permission') this.#permit(request, response, route.refused);
    else this.#send(request, response, this.#options.healthy() ? HEALTHY : UNHEALTHY, 0);
  }

  /** What does not ask for permission is no `OPTIONS` of ours, as in v0.4.1. */
  #permit(request: IncomingMessage, response: ServerResponse, refused: RejectedRoute): void {
    if (request.headers['webhook-request-origin'] === undefined) this.#refuse(request, response, refused);
    else this.#answer(request, response, (from) => this.#options.permit(from)).catch(this.#reportFault);
  }

  #serve(request: IncomingMessage, response: ServerResponse, expectant: boolean): Promise<void> {
    const expecting = expectant ? response : undefined;
    return this.#answer(request, response, (from, body) =>
      this.#options.receive({ ...from, readBody: (maxBytes) => body.read(expecting, maxBytes) }),
    );
  }

  async #answer(request: IncomingMessage, response: ServerResponse, ask: Ask): Promise<void> {
    const startedAt = performance.now();
    const { remoteAddress } = request.socket;
    const clientAddress = this.#options.proxies.clientOf(remoteAddress, request.headers);
    const body = new Body(request, this.#options.limits.maxBodyBytes, this.#budget);
    const from = {
      headers: request.headers,
      query: queryOf(request.url ?? ''),
      address: clientAddress ?? remoteAddress,
    };
    const reception = await this.#reception(() => ask(from, body), body);
    const answer = reception === undefined ? UNAVAILABLE : answerTo(reception.answer);
    this.#send(request, response, answer, body.bytesRead);
    this.#options.observer.webhook({
      caller: reception?.caller,
      answer: reception?.answer,
      status: answer.status,
      remoteAddress,
      clientAddress,
      userAgent: request.headers['user-agent']?.slice(0, MAX_USER_AGENT_CHARS),
      bodyBytes: body.bytesRead,
      durationMs: performance.now() - startedAt,
    });
  }

  /** Undefined when it ended with a fault, which is reported. */
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

  #refuse(request: IncomingMessage, response: ServerResponse, { answer, rejection }: RejectedRoute): void {
    const { remoteAddress } = request.socket;
    this.#send(request, response, answer, 0);
    this.#options.observer.rejected(rejection, remoteAddress);
  }

  #send(request: IncomingMessage, response: ServerResponse, answer: Answer, bytesRead: number): void {
    send({ request, response, answer, bytesRead, last: this.#draining, limits: this.#options.limits });
  }

  readonly #reportFault = (error: unknown): void => this.#options.observer.fault(error);
}
