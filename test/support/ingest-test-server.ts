import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import type { IngestObserver, RequestRejection, WebhookRecord } from '../../src/http/ingest-observer.ts';
import { type IngestOptions, type IngestServer, startIngestServer } from '../../src/http/ingest-server.ts';
import type { IncomingWebhook, Receive, Reception } from '../../src/receive/incoming-webhook.ts';

/** Keeps everything that is reported to it, and lets a test wait for more. */
export class RecordingObserver implements IngestObserver {
  readonly records: WebhookRecord[] = [];
  readonly rejections: RequestRejection[] = [];
  readonly faults: unknown[] = [];
  readonly certificates: string[] = [];
  readonly #waiting: (() => void)[] = [];

  webhook(record: WebhookRecord): void {
    this.records.push(record);
    this.#wake();
  }

  rejected(rejection: RequestRejection): void {
    this.rejections.push(rejection);
    this.#wake();
  }

  fault(error: unknown): void {
    this.faults.push(error);
    this.#wake();
  }

  certificateReloaded(): void {
    this.certificates.push('reloaded');
  }

  certificateRejected(reason: string): void {
    this.certificates.push(reason);
  }

  async until(condition: (observed: this) => boolean): Promise<void> {
    while (!condition(this)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** By their tokens. */
const CALLERS: ReadonlyMap<string, string> = new Map([
  ['Bearer good', 'tester'],
  ['Bearer other', 'other'],
]);

/**
 * Accepts every webhook of `tester`, whose token is `good`, and of `other`: one event, whose id is the text of the body. Without a
 * token, the text of a validation is its code.
 */
export async function receiveAnything({ headers, readBody }: IncomingWebhook): Promise<Reception> {
  const caller = CALLERS.get(String(headers['authorization']));
  if (caller === undefined && headers['aeg-event-type'] === undefined) return { answer: { kind: 'unauthenticated' } };
  const body = await readBody(caller);
  if (body.kind !== 'body') return caller === undefined ? { answer: body } : { caller, answer: body };
  if (caller === undefined) return { answer: { kind: 'validation', code: Buffer.from(body.bytes).toString() } };
  const id = body.bytes.length > 100 ? `${body.bytes.length} bytes` : Buffer.from(body.bytes).toString();
  return {
    caller,
    answer: { kind: 'receipt', events: [{ id, action: 'push', result: { kind: 'accepted', seq: 1 } }] },
  };
}

export async function permitNothing(): Promise<Reception> {
  return { answer: { kind: 'unauthenticated' } };
}

export interface TestServer extends IngestServer {
  readonly url: string;
  readonly observed: RecordingObserver;
}

export async function aServer(t: TestContext, options: Partial<IngestOptions> = {}): Promise<TestServer> {
  const observed = new RecordingObserver();
  const server = await startIngestServer({
    host: '127.0.0.1',
    port: 0,
    receive: receiveAnything,
    permit: permitNothing,
    healthy: () => true,
    observer: observed,
    trustedProxies: [],
    ...options,
  });
  t.after(() => server.close(0));
  const scheme = options.tls === undefined ? 'http' : 'https';
  return { ...server, observed, url: `${scheme}://127.0.0.1:${server.address.port}` };
}

/** For limits: connections are accepted in the order in which they were made. */
export const IN_ORDER = { acceptsPerTurn: 1 } as const;

export const AUTHORIZED = { authorization: 'Bearer good' };

/** The head of a `POST /events` with a good token, up to and including its blank line. */
export function head(...headers: readonly string[]): string {
  return ['POST /events HTTP/1.1', 'Host: gateway', 'Authorization: Bearer good', ...headers, '', ''].join('\r\n');
}

interface PeerOptions {
  readonly allowHalfOpen?: boolean;
  readonly localAddress?: string;
}

/** The client's end of a TCP connection. */
export class Peer {
  readonly socket: Socket;
  #text = '';
  #ended = false;
  readonly #waiting: (() => void)[] = [];

  /** `localAddress`: such as `127.0.0.2`. Every address of 127.0.0.0/8 is this machine. */
  constructor({ address }: Pick<IngestServer, 'address'>, options: PeerOptions = {}) {
    this.socket = connect({ ...address, ...options });
    this.socket.setEncoding('latin1');
    this.socket.on('data', (text: string) => {
      this.#text += text;
      this.#wake();
    });
    // A reset closes the connection, which is what tests look at.
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  send(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  /** Everything received so far, once it matches. */
  async read(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#text)) {
      if (this.#ended) throw new Error(`closed without ${pattern}: ${JSON.stringify(this.#text)}`);
      await this.#change();
    }
    return this.#text;
  }

  /** Everything received until the connection was closed. */
  async readAll(): Promise<string> {
    while (!this.#ended) await this.#change();
    return this.#text;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** A Receive that waits, before it reads the body or before it answers, until the test lets it go on. */
export function aSlowReceive(waitsBefore: 'reading' | 'answering' = 'reading'): {
  readonly receive: Receive;
  readonly called: Promise<void>;
  readonly goOn: () => void;
} {
  const called = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const receive: Receive = async (webhook) => {
    const early = waitsBefore === 'answering' ? receiveAnything(webhook) : undefined;
    called.resolve();
    await gate.promise;
    return early ?? receiveAnything(webhook);
  };
  return { receive, called: called.promise, goOn: () => gate.resolve() };
}
