import {
  type AgentOptions,
  type ClientRequest,
  Agent as HttpAgent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as requestHttp,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { Socket } from 'node:net';
import { systemClock } from '../model/clock.ts';
import type { Outcome } from '../model/delivery.ts';
import { oneLine } from './sink.ts';

/** Connections to the sink's server: one for each of the attempts that run at a time, so that none waits for another. */
const CONNECTIONS = 64;

const CONNECT_MS = 10_000;

/** Brigade answers some errors after 58 seconds, when its broker is down. */
const ANSWER_MS = 90_000;

/** Brigade repeats payload and scripts for every created event. The rest of a longer answer is not read. */
const ANSWER_BYTES = 4 * 1024 * 1024;

/**
 * After this an idle connection is closed from our side, milliseconds: before Node's and Apache's 5 s. If a server announces that
 * it closes earlier (`Keep-Alive: timeout=3`), a second before that.
 */
const IDLE_MS = 4000;

/**
 * A connection that was idle for so long may be closing as it is used again, and then no one knows what arrived. On such a
 * connection the client asks before it sends the body (`Expect: 100-continue`), which costs a round trip.
 */
const ASK_AFTER_IDLE_MS = 5;

/** A server that does not answer the question within this time, milliseconds, is sent the body: some never do. */
const ASK_MS = 1000;

/** Longest `Retry-After` that is honoured, milliseconds. */
const MAX_RETRY_AFTER_MS = 3_600_000;

const GIVEN_UP = 'given up: shutting down';

export interface HttpClientOptions {
  /** `https://brigade.example.com`, with or without a path or a trailing slash. */
  readonly address: string;
  /** Read for every request. What follows the scheme in `Authorization`; empty for a server that needs none. */
  readonly token: () => string;
  /** Default: `Bearer`. */
  readonly scheme?: 'Bearer' | 'Basic';
  /** PEM; the authority to trust instead of the system's. */
  readonly ca: string | undefined;
  /** Whether any certificate is accepted. */
  readonly ignoreCertErrors: boolean;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

export interface HttpAnswer {
  readonly kind: 'answered';
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The answer was longer than 4 MiB, and the rest was not read. */
  readonly isCut: boolean;
  /** How long the server asks us to wait, by `Retry-After`: at most an hour. */
  readonly retryAfterMs?: number;
}

/** What came of a request. */
export type HttpResult =
  | HttpAnswer
  /** Nothing that the server could act on left this machine. */
  | { readonly kind: 'unsent'; readonly detail: string }
  /** It may have arrived; no complete answer came. */
  | { readonly kind: 'broken'; readonly detail: string };

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'OPTIONS';
  /** Below the address, `/v2/events`; empty for the address itself. */
  readonly path: string;
  readonly body?: string;
  /** Default: those of JSON. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Speaks HTTP/1.1 with the server of a sink, over kept connections. It repeats a request only if a kept connection ended
 * before the body was sent.
 */
export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #origin: URL;
  readonly #basePath: string;
  readonly #underWay = new Set<RequestUnderWay>();
  readonly #idleSince = new WeakMap<Socket, number>();
  #agent: HttpAgent;
  #isClosed = false;

  constructor(options: HttpClientOptions) {
    const { origin, pathname } = new URL(options.address);
    this.#options = options;
    this.#origin = new URL(origin);
    this.#basePath = pathname.replace(/\/+$/, '');
    this.#agent = this.#createAgent(options.ca);
  }

  /** From now on connections trust this authority (PEM). Requests under way end on their old connections. */
  trust(ca: string): void {
    this.#agent = this.#createAgent(ca);
  }

  /** Always resolves: within 90 seconds, or when the signal is aborted. No answer and no detail contains the token. */
  send({ method, path, body, headers: given }: HttpRequest, signal: AbortSignal): Promise<HttpResult> {
    if (signal.aborted || this.#isClosed) return Promise.resolve({ kind: 'unsent', detail: GIVEN_UP });
    const token = this.#options.token();
    const authorization = token === '' ? {} : { authorization: `${this.#options.scheme ?? 'Bearer'} ${token}` };
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const headers = { ...authorization, ...(given ?? jsonHeaders(body)), ...length };
    const request = this.#origin.protocol === 'https:' ? requestHttps : requestHttp;
    const open = () =>
      request(this.#origin, { agent: this.#agent, method, path: this.#basePath + path || '/', headers });
    return new Promise((resolve) => {
      const underWay = new RequestUnderWay({
        open,
        body,
        signal,
        token,
        now: this.#options.now,
        idleSince: this.#idleSince,
        onEnd: (result) => {
          this.#underWay.delete(underWay);
          resolve(result);
        },
      });
      this.#underWay.add(underWay);
      underWay.start();
    });
  }

  /** Cuts the requests that are under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const request of this.#underWay) request.giveUp(GIVEN_UP);
    this.#agent.destroy();
  }

  #createAgent(ca: string | undefined): HttpAgent {
    const options: AgentOptions = { keepAlive: true, maxSockets: CONNECTIONS, scheduling: 'lifo', timeout: IDLE_MS };
    if (this.#origin.protocol !== 'https:') return new HttpAgent(options);
    const rejectUnauthorized = !this.#options.ignoreCertErrors;
    return new HttpsAgent({ ...options, rejectUnauthorized, ...(ca === undefined ? {} : { ca }) });
  }
}

function jsonHeaders(body: string | undefined): Readonly<Record<string, string>> {
  const accept = { accept: 'application/json' };
  return body === undefined ? accept : { ...accept, 'content-type': 'application/json' };
}

interface RequestOptions {
  readonly open: () => ClientRequest;
  readonly body: string | undefined;
  readonly signal: AbortSignal;
  readonly token: string;
  readonly now: () => number;
  /** Since when each kept connection is idle, by the clock that never jumps. */
  readonly idleSince: WeakMap<Socket, number>;
  readonly onEnd: (result: HttpResult) => void;
}

/** One request, from its connection to the end of its answer. */
class RequestUnderWay {
  readonly #options: RequestOptions;
  readonly #abort: () => void;
  readonly #cancelDeadline: () => void;
  #request: ClientRequest | undefined;
  /** Ends the wait for the connection, or for the answer to the question. */
  #cancelStep: () => void = () => {};
  #isSent = false;
  #isOver = false;

  constructor(options: RequestOptions) {
    this.#options = options;
    this.#abort = () => this.giveUp(GIVEN_UP);
    this.#cancelDeadline = systemClock.after(ANSWER_MS, () =>
      this.giveUp(`no complete answer within ${ANSWER_MS / 1000} s`),
    );
    options.signal.addEventListener('abort', this.#abort);
  }

  start(): void {
    try {
      const request = this.#options.open();
      this.#request = request;
      request.on('socket', (socket) => this.#connect(request, socket));
      request.on('response', (response) => this.#receive(request, response));
      request.on('error', (error) => this.#fail(request, error));
      request.on('upgrade', () => this.giveUp('the server changes the protocol'));
    } catch (error) {
      // The token is not a legal header value.
      this.giveUp(describe(error));
    }
  }

  giveUp(detail: string): void {
    this.#end({ kind: this.#isSent ? 'broken' : 'unsent', detail });
    this.#request?.destroy();
  }

  #connect(request: ClientRequest, socket: Socket): void {
    const { body, idleSince } = this.#options;
    if (socket.connecting) {
      this.#cancelStep = systemClock.after(CONNECT_MS, () =>
        this.giveUp(`no connection within ${CONNECT_MS / 1000} s`),
      );
      socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => this.#send(request));
    } else if (body !== undefined && systemClock.tick() - (idleSince.get(socket) ?? 0) >= ASK_AFTER_IDLE_MS) {
      request.setHeader('expect', '100-continue');
      request.flushHeaders();
      request.once('continue', () => this.#send(request));
      this.#cancelStep = systemClock.after(ASK_MS, () => this.#send(request));
    } else this.#send(request);
  }

  #send(request: ClientRequest): void {
    this.#cancelStep();
    if (this.#isOver || this.#isSent) return;
    this.#isSent = true;
    request.end(this.#options.body);
  }

  #receive(request: ClientRequest, response: IncomingMessage): void {
    const { statusCode = 0 } = response;
    if (!this.#isSent && (statusCode < 300 || statusCode === 417)) {
      request.destroy(new Error(`${statusCode} before the body was sent`));
      return;
    }
    const chunks: Buffer[] = [];
    let length = 0;
    response.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= ANSWER_BYTES) chunks.push(chunk);
      else this.#answer(request, response, { bytes: Buffer.concat(chunks), isCut: true });
    });
    response.on('end', () => this.#answer(request, response, { bytes: Buffer.concat(chunks), isCut: false }));
    response.on('error', (error) => this.#fail(request, error));
  }

  #fail(request: ClientRequest, error: Error): void {
    // A response and its request may both fail.
    if (request !== this.#request) return;
    this.#cancelStep();
    // The other end closed the connection between two requests.
    const isStale = request.reusedSocket && !this.#isSent;
    if (isStale && !this.#isOver) this.start();
    else this.giveUp(describe(error));
  }

  #answer(
    request: ClientRequest,
    { statusCode = 0, headers }: IncomingMessage,
    { bytes, isCut }: { readonly bytes: Buffer; readonly isCut: boolean },
  ): void {
    const { token, now, idleSince } = this.#options;
    const text = bytes.toString('utf8');
    // Some debugging proxies repeat the request's headers in the answer.
    const body = token === '' ? text : text.replaceAll(token, '[redacted]');
    const retryAfterMs = readRetryAfter(headers['retry-after'], now());
    const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
    this.#end({ kind: 'answered', status: statusCode, headers, body, isCut, ...wait });
    // Without its body the request is not complete, and its connection of no use to another.
    if (isCut || !this.#isSent) request.destroy();
    else if (request.socket !== null) idleSince.set(request.socket, systemClock.tick());
  }

  /** Only the first end counts. */
  #end(result: HttpResult): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelDeadline();
    this.#cancelStep();
    this.#options.signal.removeEventListener('abort', this.#abort);
    this.#options.onEnd(result);
  }
}

/** Seconds or a date (RFC 9110, section 10.2.3). */
function readRetryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, MAX_RETRY_AFTER_MS) : undefined;
}

/** 401 and 403 mean that our credentials are wrong, or may not do this. */
export function rejectsCredentials({ status }: HttpAnswer): boolean {
  return status === 401 || status === 403;
}

/** The outcome of a request that the server, or something before it, did not take. */
export function unavailable(answer: HttpAnswer, detail: string): Outcome {
  const { retryAfterMs } = answer;
  return {
    kind: 'unavailable',
    detail,
    ...(rejectsCredentials(answer) ? { credentials: true } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** The outcome of a request without an answer. */
export function unanswered({ kind, detail }: Exclude<HttpResult, HttpAnswer>): Outcome {
  return { kind: kind === 'unsent' ? 'unavailable' : 'uncertain', detail };
}

/** Node appends this advice for a certificate of an unknown authority. It does not help here. */
const NODE_ADVICE = /; if the root CA is installed locally, .*$/;

/** One line about a system or protocol error: Node's errors never contain the value of a header. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  const inner =
    error instanceof AggregateError ? error.errors.map(describe).join('; ') : error.message.replace(NODE_ADVICE, '');
  return oneLine(`${code}: ${inner}`);
}
