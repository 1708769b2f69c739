import type { IncomingHttpHeaders } from 'node:http';
import { type Dispatcher, Pool } from 'undici';

/** Connections kept to the sink's server: as many as there are attempts at a time, so that none waits for another. */
const CONNECTIONS = 64;

const CONNECT_MS = 10_000;

/** Brigade answers some errors after 58 seconds, when its broker is down. */
const ANSWER_MS = 90_000;

/** Brigade repeats payload and scripts for every created event. What is longer is not read to its end. */
const ANSWER_BYTES = 4 * 1024 * 1024;

/**
 * After which an idle connection is closed from our side, milliseconds: before proxies do (nginx: 60 s), since a request
 * written to a connection that is just being closed may or may not have arrived.
 */
const IDLE_MS = 30_000;

const GIVEN_UP = 'given up: shutting down';

export interface HttpClientOptions {
  /** `https://brigade.example.com`, with or without a path or a trailing slash. */
  readonly address: string;
  /** What stands behind the scheme in `Authorization`; empty for a server that wants none. */
  readonly token: () => string;
  /** Absent: `Bearer`. */
  readonly scheme?: 'Bearer' | 'Basic';
  /** PEM; the authority to trust instead of the system's. */
  readonly ca: string | undefined;
  /** Whether any certificate will do. */
  readonly ignoreCertErrors: boolean;
}

export type HttpResult =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      readonly body: string;
      /** The answer was longer than what is read of one. */
      readonly isCut: boolean;
    }
  /** Nothing of the request left this machine. */
  | { readonly kind: 'unsent'; readonly detail: string }
  /** It may have arrived; no whole answer came. */
  | { readonly kind: 'broken'; readonly detail: string };

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'OPTIONS';
  /** Below the address, `/v2/events`; empty for the address itself. */
  readonly path: string;
  readonly body?: string;
  /** Absent: those of JSON. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Speaks HTTP/1.1 with the server of a sink, over a pool of kept connections. Never retries. */
export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #basePath: string;
  readonly #pool: Pool;

  constructor(options: HttpClientOptions) {
    const { origin, pathname } = new URL(options.address);
    const { ca, ignoreCertErrors } = options;
    this.#options = options;
    this.#basePath = pathname.replace(/\/+$/, '');
    this.#pool = new Pool(origin, {
      connections: CONNECTIONS,
      pipelining: 1,
      allowH2: false,
      headersTimeout: ANSWER_MS,
      bodyTimeout: ANSWER_MS,
      keepAliveTimeout: IDLE_MS,
      connect: { timeout: CONNECT_MS, rejectUnauthorized: !ignoreCertErrors, ...(ca === undefined ? {} : { ca }) },
    });
  }

  /** Always resolves: within 90 seconds, or once the signal is aborted. No answer and no detail holds the token. */
  exchange({ method, path, body, headers: given }: HttpRequest, signal: AbortSignal): Promise<HttpResult> {
    if (signal.aborted) return Promise.resolve({ kind: 'unsent', detail: GIVEN_UP });
    return new Promise((resolve) => {
      const token = this.#options.token();
      const handler = new ExchangeHandler(resolve, signal, token);
      const authorization = token === '' ? {} : { authorization: `${this.#options.scheme ?? 'Bearer'} ${token}` };
      const headers = { ...authorization, ...(given ?? jsonHeaders(body)) };
      try {
        this.#pool.dispatch({ method, path: this.#basePath + path || '/', headers, body: body ?? null }, handler);
      } catch (error) {
        // What undici finds wrong before it looks for a connection: a closed pool, a token that is no header value.
        handler.onResponseError(undefined, error);
      }
    });
  }

  /** Takes no more exchanges, and resolves when those under way have ended. */
  async retire(): Promise<void> {
    await this.#pool.close();
  }

  /** Cuts the exchanges that are under way. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

function jsonHeaders(body: string | undefined): Readonly<Record<string, string>> {
  const accept = { accept: 'application/json' };
  return body === undefined ? accept : { ...accept, 'content-type': 'application/json' };
}

/** One exchange as undici reports it. */
class ExchangeHandler implements Dispatcher.DispatchHandler {
  readonly #resolve: (exchange: HttpResult) => void;
  readonly #signal: AbortSignal;
  readonly #token: string;
  readonly #abort: () => void;
  readonly #deadline: NodeJS.Timeout;
  readonly #chunks: Buffer[] = [];
  #controller: Dispatcher.DispatchController | undefined;
  #isSent = false;
  #isOver = false;
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  #bytes = 0;

  constructor(resolve: (exchange: HttpResult) => void, signal: AbortSignal, token: string) {
    this.#resolve = resolve;
    this.#signal = signal;
    this.#token = token;
    this.#abort = () => this.#giveUp(GIVEN_UP);
    this.#deadline = setTimeout(() => this.#giveUp(`no whole answer within ${ANSWER_MS / 1000} s`), ANSWER_MS);
    signal.addEventListener('abort', this.#abort);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Given up while it waited for a connection, and reported as unsent: so it stays.
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
    const text = Buffer.concat(this.#chunks).toString('utf8');
    // Proxies made for debugging repeat what they were asked with.
    const body = this.#token === '' ? text : text.replaceAll(this.#token, '[redacted]');
    this.#end({ kind: 'answered', status: this.#status, headers: this.#headers, body, isCut });
  }

  #giveUp(detail: string): void {
    this.#end({ kind: this.#isSent ? 'broken' : 'unsent', detail });
    this.#controller?.abort(new Error(detail));
  }

  /** Only the first end counts. */
  #end(exchange: HttpResult): void {
    this.#isOver = true;
    clearTimeout(this.#deadline);
    this.#signal.removeEventListener('abort', this.#abort);
    this.#resolve(exchange);
  }
}

/** What Node says of a certificate whose authority it does not know, and what does not help here. */
const NODE_ADVICE = /; if the root CA is installed locally, .*$/;

/** One line, of system and protocol errors only: undici's errors never hold a header. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  const inner =
    error instanceof AggregateError ? error.errors.map(describe).join('; ') : error.message.replace(NODE_ADVICE, '');
  return `${code}: ${inner}`.replace(/[\s\p{Cc}]+/gu, ' ').slice(0, 300);
}
