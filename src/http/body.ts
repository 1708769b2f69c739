import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Rejection } from '../model/receipt.ts';
import type { IncomingWebhook } from '../receive/incoming-webhook.ts';

type BodyOutcome = Awaited<ReturnType<IncomingWebhook['readBody']>>;

const NO_BYTES = Buffer.alloc(0);

/** What the bodies of all requests may take together. */
export class BodyBudget {
  #free: number;

  constructor(bytes: number) {
    this.#free = bytes;
  }

  /** Whether so many bytes were free; they are taken then. */
  take(bytes: number): boolean {
    if (bytes > this.#free) return false;
    this.#free -= bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#free += bytes;
  }
}

/** By its Content-Length, which the parser has checked; undefined for a body in chunks. */
function declaredBytes({ headers }: IncomingMessage): number | undefined {
  return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : undefined;
}

/** Whether nothing of a request is still to come once `bytesRead` of its body were read. */
export function hasArrived(request: IncomingMessage, bytesRead: number): boolean {
  // The parser itself says `complete` a turn later than it hands out the last byte.
  return request.complete || bytesRead + request.readableLength === declaredBytes(request);
}

/**
 * The body of one request, of at most `maxBytes`, and of no more than the budget has left.
 *
 * Nothing is taken from the budget before `read`, and everything is given back by `release`, after which the bytes must not be used.
 */
export class Body {
  readonly #request: IncomingMessage;
  #maxBytes: number;
  readonly #budget: BodyBudget;
  #bytes: Buffer = NO_BYTES;
  #bytesRead = 0;
  #taken = 0;
  #released = false;

  constructor(request: IncomingMessage, maxBytes: number, budget: BodyBudget) {
    this.#request = request;
    this.#maxBytes = maxBytes;
    this.#budget = budget;
  }

  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** `expectant` waits to be told to continue, and is told so unless the body's length alone speaks against it. */
  async read(expectant: ServerResponse | undefined, maxBytes = this.#maxBytes): Promise<BodyOutcome> {
    this.#maxBytes = Math.min(maxBytes, this.#maxBytes);
    const declared = declaredBytes(this.#request);
    const rejection = this.#reserve(declared ?? 0);
    if (rejection !== undefined) return rejection;
    if (this.#request.readableLength === declared) return this.#readAtOnce();
    if (this.#request.destroyed) return { kind: 'incomplete' };
    expectant?.writeContinue();
    return this.#collect(declared);
  }

  release(): void {
    this.#released = true;
    this.#bytes = NO_BYTES;
    this.#budget.giveBack(this.#taken);
    this.#taken = 0;
  }

  /** The usual case: all of it came with the headers. Spares the events of a stream, a tenth of the whole request's cost. */
  #readAtOnce(): BodyOutcome {
    const bytes: Buffer = this.#request.read() ?? NO_BYTES;
    this.#bytesRead = bytes.length;
    return { kind: 'body', bytes };
  }

  #collect(declared: number | undefined): Promise<BodyOutcome> {
    return new Promise((resolve) => {
      this.#request.on('data', (chunk: Buffer) => {
        if (this.#released) return;
        const rejection = this.#append(chunk, declared);
        if (rejection === undefined) return;
        this.release();
        resolve(rejection);
      });
      this.#request.once('end', () => resolve({ kind: 'body', bytes: this.#bytes.subarray(0, this.#bytesRead) }));
      this.#request.once('close', () => resolve({ kind: 'incomplete' }));
    });
  }

  #append(chunk: Buffer, declared: number | undefined): Rejection | undefined {
    const length = this.#bytesRead + chunk.length;
    if (length > this.#bytes.length) {
      const capacity =
        this.#bytesRead === 0 ? length : (declared ?? Math.max(length, Math.min(2 * length, this.#maxBytes)));
      const rejection = this.#reserve(capacity);
      if (rejection !== undefined) return rejection;
      this.#bytes = this.#bytesRead === 0 ? chunk : this.#movedTo(Buffer.allocUnsafe(capacity));
    }
    if (this.#bytes !== chunk) chunk.copy(this.#bytes, this.#bytesRead);
    this.#bytesRead = length;
    return undefined;
  }

  #movedTo(buffer: Buffer): Buffer {
    this.#bytes.copy(buffer);
    return buffer;
  }

  #reserve(bytes: number): Rejection | undefined {
    if (bytes > this.#maxBytes) return { kind: 'too-large', maxBytes: this.#maxBytes };
    if (bytes <= this.#taken) return undefined;
    if (!this.#budget.take(bytes - this.#taken)) return { kind: 'overloaded' };
    this.#taken = bytes;
    return undefined;
  }
}
