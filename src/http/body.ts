import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Rejection } from '../model/receipt.ts';
import type { IncomingWebhook } from '../receive/incoming-webhook.ts';

type BodyOrRejection = Awaited<ReturnType<IncomingWebhook['readBody']>>;

const NO_BYTES = Buffer.alloc(0);

/** The bytes that the bodies of all requests may take together. */
export class BodyBudget {
  #free: number;

  constructor(bytes: number) {
    this.#free = bytes;
  }

  /** Takes the bytes if they are free. Returns whether they were. */
  take(bytes: number): boolean {
    if (bytes > this.#free) return false;
    this.#free -= bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#free += bytes;
  }
}

/** From `Content-Length`, which node:http has checked. Undefined for a chunked body. */
function declaredBytes({ headers }: IncomingMessage): number | undefined {
  return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : undefined;
}

/** Whether the whole request has arrived, when `bytesRead` bytes of its body were read. */
export function hasArrived(request: IncomingMessage, bytesRead: number): boolean {
  // node:http sets `complete` one turn of the event loop after it hands out the last byte.
  return request.complete || bytesRead + request.readableLength === declaredBytes(request);
}

/**
 * The body of one request: at most `maxBytes`, and at most what is left of the budget.
 *
 * Takes nothing from the budget before `read`. `release` gives everything back; do not use the bytes after it.
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

  /** `awaitsContinue`: the client waits for `100 Continue` on this response. It gets it unless the declared length is rejected. */
  async read(awaitsContinue: ServerResponse | undefined, maxBytes = this.#maxBytes): Promise<BodyOrRejection> {
    this.#maxBytes = Math.min(maxBytes, this.#maxBytes);
    const declared = declaredBytes(this.#request);
    const rejection = this.#reserve(declared ?? 0);
    if (rejection !== undefined) return rejection;
    if (this.#request.readableLength === declared) return this.#readAtOnce();
    if (this.#request.destroyed) return { kind: 'incomplete' };
    awaitsContinue?.writeContinue();
    return this.#collect(declared);
  }

  release(): void {
    this.#released = true;
    this.#bytes = NO_BYTES;
    this.#budget.giveBack(this.#taken);
    this.#taken = 0;
  }

  /** The usual case: the body came with the headers. Avoids stream events, which are a tenth of the cost of a request. */
  #readAtOnce(): BodyOrRejection {
    const bytes: Buffer = this.#request.read() ?? NO_BYTES;
    this.#bytesRead = bytes.length;
    return { kind: 'body', bytes };
  }

  #collect(declared: number | undefined): Promise<BodyOrRejection> {
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
