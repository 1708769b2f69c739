import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { type Answer, AnswerReader } from './answer-reader.ts';
import { oneLine } from './sink.ts';

/** Brigade repeats payload and scripts for every created event. The rest of a longer answer is not read. */
const ANSWER_BYTES = 4 * 1024 * 1024;

const CONNECT_MS = 10_000;

/**
 * After this an idle connection is closed from our side, milliseconds: before Node's and Apache's 5 s. If a server announces that
 * it closes earlier (`Keep-Alive: timeout=3`), a second before that.
 */
const IDLE_MS = 4000;
const BEFORE_ITS_END_MS = 1000;

/**
 * A connection that was idle for so long may be closing as it is used again, and then no one knows what arrived. On such a
 * connection the client asks before it sends the body (`Expect: 100-continue`), which costs a round trip.
 */
const ASK_AFTER_IDLE_MS = 5;

/** A server that does not answer the question within this time, milliseconds, is sent the body: some never do. */
const ASK_MS = 1000;

/** Every connection reads into this, one after the other: what is read is taken before the next read. */
const READ_BUFFER = Buffer.alloc(65_536);

/** What a connection sends. */
export interface OutgoingRequest {
  /** Request line and headers, each with its line's end. */
  readonly head: string;
  readonly body: string | undefined;
  /** Whether the connection has begun to send what the server could act on. */
  isSent: boolean;
}

export interface ConnectionOptions<R extends OutgoingRequest> {
  readonly host: string;
  readonly port: number;
  /** Absent: without TLS. */
  readonly tls: { readonly secureContext: SecureContext; readonly rejectUnauthorized: boolean } | undefined;
  readonly first: R;
  readonly onAnswer: (connection: Connection<R>, request: R, answer: Answer) => void;
  /** Called once, whether or not a request was under way. */
  readonly onEnd: (connection: Connection<R>, request: R | undefined, failure: Failure) => void;
}

export interface Failure {
  readonly detail: string;
  /** A kept connection ended before the request was sent: another one may carry it. */
  readonly isStale: boolean;
}

/** A connection to the server of a sink: one request at a time. */
export class Connection<R extends OutgoingRequest> {
  readonly #options: ConnectionOptions<R>;
  readonly #socket: Socket;
  readonly #reader = new AnswerReader(ANSWER_BYTES);
  #request: R | undefined;
  #step: 'connecting' | 'asking' | 'sent' | 'idle' | 'over' = 'connecting';
  /** For how long the current step lasts, without the time in which the process stood still. */
  #stepMs = 0;
  #isReused = false;
  #isRetired = false;
  #idleSince = 0;
  #idleLimitMs = IDLE_MS;

  /** Throws what `net.connect` throws. */
  constructor(options: ConnectionOptions<R>) {
    this.#options = options;
    this.#request = options.first;
    const { host, port, tls } = options;
    const onread = { buffer: READ_BUFFER, callback: (length: number) => this.#read(length) };
    const target = { host, port, noDelay: true, onread };
    this.#socket =
      tls === undefined
        ? connect(target)
        : connectTls({ ...target, ...tls, servername: isIP(host) === 0 ? host : '', ALPNProtocols: ['http/1.1'] });
    this.#socket.once(tls === undefined ? 'connect' : 'secureConnect', () => this.#send());
    this.#socket.on('end', () => this.#readEnd());
    this.#socket.on('error', (error) => this.end(describe(error)));
    this.#socket.on('close', () => this.end('the connection was closed'));
  }

  /** Whether the connection may take a request, as far as this side knows. */
  get isUsable(): boolean {
    return this.#step === 'idle' && performance.now() - this.#idleSince < this.#idleLimitMs;
  }

  /** Only while it is usable. */
  use(request: R): void {
    this.#request = request;
    this.#isReused = true;
    const isFresh = performance.now() - this.#idleSince < ASK_AFTER_IDLE_MS;
    if (request.body === undefined || isFresh) this.#send();
    else {
      this.#enter('asking');
      this.#socket.write(`${request.head}Expect: 100-continue\r\n\r\n`, 'latin1');
    }
  }

  /** Ends after the request that is under way. */
  retire(): void {
    this.#isRetired = true;
    if (this.#step === 'idle') this.end('retired');
  }

  /** Ends at once. */
  end(detail: string): void {
    if (this.#step === 'over') return;
    this.#step = 'over';
    this.#socket.destroy();
    const request = this.#request;
    this.#request = undefined;
    const isStale = this.#isReused && request?.isSent === false;
    this.#options.onEnd(this, request, { detail, isStale });
  }

  /** To be called every `ms`: looks at the time limits. */
  tick(ms: number): void {
    this.#stepMs += ms;
    if (this.#step === 'connecting' && this.#stepMs >= CONNECT_MS)
      this.end(`no connection within ${CONNECT_MS / 1000} s`);
    else if (this.#step === 'asking' && this.#stepMs > ASK_MS) this.#send();
    else if (this.#step === 'idle' && !this.isUsable) this.end('idle');
  }

  #enter(step: 'asking' | 'sent' | 'idle'): void {
    this.#step = step;
    this.#stepMs = 0;
  }

  #send(): void {
    const request = this.#request;
    if (request === undefined || request.isSent) return;
    const { head, body = '' } = request;
    request.isSent = true;
    this.#socket.write(this.#step === 'asking' ? body : `${head}\r\n${body}`, 'utf8');
    this.#enter('sent');
  }

  #read(length: number): boolean {
    let read = this.#reader.read(READ_BUFFER.subarray(0, length));
    while (read?.kind === 'continue') {
      if (this.#step === 'asking') this.#send();
      read = this.#reader.read();
    }
    if (this.#request === undefined) this.end('bytes without a request');
    else if (read?.kind === 'malformed') this.end(read.detail);
    else if (read !== undefined) this.#answer(this.#request, read);
    return true;
  }

  #readEnd(): void {
    const answer = this.#reader.end();
    if (answer !== undefined && this.#request !== undefined) this.#answer(this.#request, answer);
    else this.end('ECONNRESET: the connection ended without a complete answer');
  }

  #answer(request: R, answer: Answer): void {
    const { status, isCut, keptMs } = answer;
    if (!request.isSent && (status < 300 || status === 417)) {
      this.end(`${status} before the body was sent`);
      return;
    }
    this.#request = undefined;
    this.#idleLimitMs = Math.min(IDLE_MS, keptMs - BEFORE_ITS_END_MS);
    // A request that is not complete leaves its connection of no use to another.
    const isComplete = request.isSent && this.#socket.writableLength === 0;
    const isKept = isComplete && !isCut && !this.#isRetired && this.#idleLimitMs > 0 && this.#reader.isBetweenAnswers;
    if (isKept) {
      this.#enter('idle');
      this.#idleSince = performance.now();
    } else this.end('not kept');
    this.#options.onAnswer(this, request, answer);
  }
}

/** Node appends this advice for a certificate of an unknown authority. It does not help here. */
const NODE_ADVICE = /; if the root CA is installed locally, .*$/;

/** One line about a system or protocol error: Node's errors never contain the value of a header. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  const inner =
    error instanceof AggregateError ? error.errors.map(describe).join('; ') : error.message.replace(NODE_ADVICE, '');
  return oneLine(`${code}: ${inner}`);
}
