import { createSecureContext, type SecureContext } from 'node:tls';
import { systemClock } from '../model/clock.ts';
import type { Outcome } from '../model/delivery.ts';
import type { Answer, Headers } from './answer-reader.ts';
import { Connection, describe, type Failure, type OutgoingRequest } from './http-connection.ts';

/** Connections to the sink's server: one for each of the attempts that run at a time, so that none waits for another. */
const CONNECTIONS = 64;

/** Brigade answers some errors after 58 seconds, when its broker is down. */
const ANSWER_MS = 90_000;

/** How often all time limits are looked at while there are connections, milliseconds: one timer costs less than one for each. */
const TICK_MS = 250;

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
  readonly headers: Headers;
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

interface PendingRequest extends OutgoingRequest {
  readonly token: string;
  readonly signal: AbortSignal;
  readonly resolve: (result: HttpResult) => void;
  /** Absent while all connections are taken. */
  connection?: Connection<PendingRequest>;
  /** Without the time in which the process stood still, milliseconds. */
  waitedMs: number;
}

/**
 * Speaks HTTP/1.1 with the server of a sink, over kept connections. It repeats a request only if a kept connection ended
 * before the body was sent.
 */
export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #origin: URL;
  readonly #basePath: string;
  readonly #requests = new Set<PendingRequest>();
  /** Of the requests, those without a connection. */
  #waiting: PendingRequest[] = [];
  readonly #connections = new Set<Connection<PendingRequest>>();
  /** Of the connections, those without a request. The latest is used first. */
  #idle: Connection<PendingRequest>[] = [];
  readonly #signals = new WeakSet<AbortSignal>();
  #ca: string | undefined;
  #secureContext: SecureContext | undefined;
  #cancelTick: (() => void) | undefined;
  #isClosed = false;

  constructor(options: HttpClientOptions) {
    const { origin, pathname } = new URL(options.address);
    this.#options = options;
    this.#origin = new URL(origin);
    this.#basePath = pathname.replace(/\/+$/, '');
    this.#ca = options.ca;
  }

  /** From now on connections trust this authority (PEM). Requests under way end on their old connections. */
  trust(ca: string): void {
    this.#ca = ca;
    this.#secureContext = undefined;
    for (const connection of this.#connections) connection.retire();
  }

  /** Always resolves: within 90 seconds, or when the signal is aborted. No answer and no detail contains the token. */
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpResult> {
    if (signal.aborted || this.#isClosed) return Promise.resolve({ kind: 'unsent', detail: GIVEN_UP });
    const token = this.#options.token();
    const head = this.#headOf(request, token);
    if (head === undefined)
      return Promise.resolve({ kind: 'unsent', detail: 'a header has characters that are not legal' });
    this.#watch(signal);
    return new Promise((resolve) => {
      const pending: PendingRequest = { head, body: request.body, token, signal, resolve, waitedMs: 0, isSent: false };
      this.#requests.add(pending);
      this.#begin(pending);
    });
  }

  /** Cuts the requests that are under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const request of this.#requests) this.#giveUp(request, GIVEN_UP);
    for (const connection of this.#connections) connection.end('closed');
    this.#cancelTick?.();
  }

  /** Undefined if it would not be a legal one. */
  #headOf({ method, path, body, headers }: HttpRequest, token: string): string | undefined {
    const { scheme = 'Bearer' } = this.#options;
    const lines = [`${method} ${this.#basePath + path || '/'} HTTP/1.1\r\nhost: ${this.#origin.host}`];
    if (token !== '') lines.push(`authorization: ${scheme} ${token}`);
    const given: Readonly<Record<string, string>> = headers ?? (body === undefined ? ACCEPT_JSON : SEND_JSON);
    for (const name in given) lines.push(`${name}: ${given[name]}`);
    if (body !== undefined) lines.push(`content-length: ${Buffer.byteLength(body)}`);
    return lines.some((line, index) => index > 0 && !LEGAL_LINE.test(line)) ? undefined : `${lines.join('\r\n')}\r\n`;
  }

  /** One listener for all requests of a signal: to add and remove one for each costs more than all else here. */
  #watch(signal: AbortSignal): void {
    if (this.#signals.has(signal)) return;
    this.#signals.add(signal);
    signal.addEventListener('abort', () => {
      for (const request of this.#requests) if (request.signal === signal) this.#giveUp(request, GIVEN_UP);
    });
  }

  #begin(request: PendingRequest): void {
    const kept = this.#takeIdle();
    if (kept !== undefined) {
      request.connection = kept;
      kept.use(request);
    } else if (this.#connections.size < CONNECTIONS) this.#connect(request);
    else this.#waiting.push(request);
  }

  #takeIdle(): Connection<PendingRequest> | undefined {
    for (let last = this.#idle.pop(); last !== undefined; last = this.#idle.pop()) {
      if (last.isUsable) return last;
      last.end('idle for too long');
    }
    return undefined;
  }

  #connect(first: PendingRequest): void {
    try {
      const connection = new Connection<PendingRequest>({
        // Brackets are of the URL, not of an IPv6 address.
        host: this.#origin.hostname.replace(/^\[|\]$/g, ''),
        port: Number(this.#origin.port || (this.#isSecure ? 443 : 80)),
        tls: this.#isSecure ? this.#tlsOptions() : undefined,
        first,
        onAnswer: (used, request, answer) => this.#answered(used, request, answer),
        onEnd: (ended, request, failure) => this.#ended(ended, request, failure),
      });
      first.connection = connection;
      this.#connections.add(connection);
      this.#scheduleTick();
    } catch (error) {
      // An authority that cannot be read.
      this.#giveUp(first, describe(error));
    }
  }

  get #isSecure(): boolean {
    return this.#origin.protocol === 'https:';
  }

  #tlsOptions() {
    const ca = this.#ca;
    this.#secureContext ??= createSecureContext(ca === undefined ? {} : { ca });
    return { secureContext: this.#secureContext, rejectUnauthorized: !this.#options.ignoreCertErrors };
  }

  #answered(connection: Connection<PendingRequest>, request: PendingRequest, answer: Answer): void {
    if (connection.isUsable) this.#idle.push(connection);
    const { status, headers, isCut } = answer;
    // Some debugging proxies repeat the request's headers in the answer.
    const body = request.token === '' ? answer.body : answer.body.replaceAll(request.token, '[redacted]');
    const retryAfterMs = readRetryAfter(headers['retry-after'], this.#options.now());
    const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
    this.#resolve(request, { kind: 'answered', status, headers, body, isCut, ...wait });
    this.#beginNext();
  }

  #ended(
    connection: Connection<PendingRequest>,
    request: PendingRequest | undefined,
    { detail, isStale }: Failure,
  ): void {
    this.#connections.delete(connection);
    this.#idle = this.#idle.filter((each) => each !== connection);
    if (request !== undefined && isStale && this.#requests.has(request)) this.#begin(request);
    else if (request !== undefined) this.#giveUp(request, detail);
    this.#beginNext();
  }

  #beginNext(): void {
    const isFree = this.#idle.length > 0 || this.#connections.size < CONNECTIONS;
    const next = isFree && !this.#isClosed ? this.#waiting.shift() : undefined;
    if (next !== undefined) this.#begin(next);
  }

  #giveUp(request: PendingRequest, detail: string): void {
    this.#waiting = this.#waiting.filter((each) => each !== request);
    this.#resolve(request, { kind: request.isSent ? 'broken' : 'unsent', detail });
    request.connection?.end(detail);
  }

  /** Only the first result counts. */
  #resolve(request: PendingRequest, result: HttpResult): void {
    this.#requests.delete(request);
    request.resolve(result);
  }

  #scheduleTick(): void {
    this.#cancelTick ??= systemClock.after(TICK_MS, () => {
      this.#cancelTick = undefined;
      for (const connection of this.#connections) connection.tick(TICK_MS);
      for (const request of this.#requests) {
        request.waitedMs += TICK_MS;
        if (request.waitedMs >= ANSWER_MS) this.#giveUp(request, `no complete answer within ${ANSWER_MS / 1000} s`);
      }
      if (this.#connections.size > 0) this.#scheduleTick();
    });
  }
}

const ACCEPT_JSON = { accept: 'application/json' };
const SEND_JSON = { ...ACCEPT_JSON, 'content-type': 'application/json' };
const LEGAL_LINE = /^[\w-]+: [\t\x20-\x7e]*$/;

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
