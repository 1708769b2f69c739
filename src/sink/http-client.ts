import type { IncomingHttpHeaders } from 'node:http';
import { type Dispatcher, Pool } from 'undici';
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
 * After this an idle connection is closed from our side, milliseconds: earlier than proxies do (nginx: 60 s), because a
 * request that is written to a connection as it closes may or may not arrive.
 */
const IDLE_MS = 30_000;

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
  /** Nothing of the request left this machine. */
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

/** Speaks HTTP/1.1 with the server of a sink, over a pool of connections. Never retries. */
export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #basePath: string;
  #pool: Pool;

  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.#basePath = new URL(options.address).pathname.replace(/\/+$/, '');
    this.#pool = createPool(options, options.ca);
  }

  /** From now on connections trust this authority (PEM). Requests under way end on their old connections. */
  trust(ca: string): void {
    void this.#pool.close();
    this.#pool = createPool(this.#options, ca);
  }

  /** Always resolves: within 90 seconds, or when the signal is aborted. No answer and no detail contains the token. */
  send({ method, path, body, headers: given }: HttpRequest, signal: AbortSignal): Promise<HttpResult> {
    if (signal.aborted) return Promise.resolve({ kind: 'unsent', detail: GIVEN_UP });
    return new Promise((resolve) => {
      const { now } = this.#options;
      const token = this.#options.token();
      const handler = new AnswerHandler({ resolve, signal, token, now });
      const authorization = token === '' ? {} : { authorization: `${this.#options.scheme ?? 'Bearer'} ${token}` };
      const headers = { ...authorization, ...(given ?? jsonHeaders(body)) };
      try {
        this.#pool.dispatch({ method, path: this.#basePath + path || '/', headers, body: body ?? null }, handler);
      } catch (error) {
        // undici throws before it looks for a connection: the pool is closed, or the token is not a legal header value.
        handler.onResponseError(undefined, error);
      }
    });
  }

  /** Cuts the requests that are under way. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

function createPool({ address, ignoreCertErrors }: HttpClientOptions, ca: string | undefined): Pool {
  return new Pool(new URL(address).origin, {
    connections: CONNECTIONS,
    pipelining: 1,
    allowH2: false,
    // `AnswerHandler` limits the whole answer.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: IDLE_MS,
    connect: { timeout: CONNECT_MS, rejectUnauthorized: !ignoreCertErrors, ...(ca === undefined ? {} : { ca }) },
  });
}

function jsonHeaders(body: string | undefined): Readonly<Record<string, string>> {
  const accept = { accept: 'application/json' };
  return body === undefined ? accept : { ...accept, 'content-type': 'application/json' };
}

interface AnswerHandlerOptions {
  readonly resolve: (result: HttpResult) => void;
  readonly signal: AbortSignal;
  readonly token: string;
  readonly now: () => number;
}

/** Gathers the answer to one request from what undici reports. */
class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #options: AnswerHandlerOptions;
  readonly #abort: () => void;
  readonly #cancelDeadline: () => void;
  readonly #chunks: Buffer[] = [];
  #controller: Dispatcher.DispatchController | undefined;
  #isSent = false;
  #isOver = false;
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  #bytes = 0;

  constructor(options: AnswerHandlerOptions) {
    this.#options = options;
    this.#abort = () => this.#giveUp(GIVEN_UP);
    this.#cancelDeadline = systemClock.after(ANSWER_MS, () =>
      this.#giveUp(`no complete answer within ${ANSWER_MS / 1000} s`),
    );
    options.signal.addEventListener('abort', this.#abort);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // It was given up while it waited for a connection, and reported as unsent.
    if (this.#isOver) controller.abort(new Error(GIVEN_UP));
    else this.#isSent = true;
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes <= ANSWER_BYTES) {
      this.#chunks.push(chunk);
      return;
    }
    this.#answer(true);
    controller.abort(new Error('the answer is too long'));
  }

  onResponseEnd(): void {
    this.#answer(false);
  }

  onResponseError(_: unknown, error: unknown): void {
    this.#end({ kind: this.#isSent ? 'broken' : 'unsent', detail: describe(error) });
  }

  #answer(isCut: boolean): void {
    const { token, now } = this.#options;
    const text = Buffer.concat(this.#chunks).toString('utf8');
    // Some debugging proxies repeat the request's headers in the answer.
    const body = token === '' ? text : text.replaceAll(token, '[redacted]');
    const headers = this.#headers;
    const retryAfterMs = readRetryAfter(headers['retry-after'], now());
    const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
    this.#end({ kind: 'answered', status: this.#status, headers, body, isCut, ...wait });
  }

  #giveUp(detail: string): void {
    this.#end({ kind: this.#isSent ? 'broken' : 'unsent', detail });
    this.#controller?.abort(new Error(detail));
  }

  /** Only the first end counts. */
  #end(result: HttpResult): void {
    this.#isOver = true;
    this.#cancelDeadline();
    this.#options.signal.removeEventListener('abort', this.#abort);
    this.#options.resolve(result);
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

/** One line about a system or protocol error: undici's errors never contain a header. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  const inner =
    error instanceof AggregateError ? error.errors.map(describe).join('; ') : error.message.replace(NODE_ADVICE, '');
  return oneLine(`${code}: ${inner}`);
}
