import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Rejection } from '../model/receipt.ts';
import type { IncomingWebhook } from '../receive/incoming-webhook.ts';
import type { Shares } from './shares.ts';

type BodyOrRejection = Awaited<ReturnType<IncomingWebhook['readBody']>>;

const NO_BYTES = Buffer.alloc(0);

/** From `Content-Length`, which node:http has checked. Undefined for a chunked body. */
function declaredBytes({ headers }: IncomingMessage): number | undefined {
  return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : undefined;
}

/** Whether the whole request has arrived, when `bytesRead` bytes of its body were read. */
export function hasArrived(request: IncomingMessage, bytesRead: number): boolean {
  // node:http sets `complete` one turn of the event loop after it hands out the last byte.
  return request.complete || bytesRead + request.readableLength === declaredBytes(request);
}

interface BodyOptions {
  readonly maxBytes: number;
  /** Where its bytes are charged. */
  readonly shares: Shares;
  /** To whom. */
  readonly party: string;
  /** The client waits for `100 Continue` on this response. It gets it unless the declared length is rejected. */
  readonly awaitsContinue: ServerResponse | undefined;
}

/**
 * The body of one request: at most `maxBytes`, and at most what is left of the party's share.
 *
 * Bytes are charged as they arrive. A declared length is not charged: a client could reserve everything with it and send nothing.
 * The memory is at most twice what has arrived.
 */
export class Body {
  readonly #request: IncomingMessage;
  readonly #options: BodyOptions;
  #bytes: Buffer = NO_BYTES;
  #bytesRead = 0;
  #charged = 0;
  #isReleased = false;

  constructor(request: IncomingMessage, options: BodyOptions) {
    this.#request = request;
    this.#options = options;
  }

  get bytesRead(): number {
    return this.#bytesRead;
  }

  async read(): Promise<BodyOrRejection> {
    const { maxBytes, awaitsContinue } = this.#options;
    const declared = declaredBytes(this.#request);
    if (declared !== undefined && declared > maxBytes) return { kind: 'too-large', maxBytes };
    if (this.#request.readableLength === declared) return this.#readAtOnce(declared);
    if (this.#request.destroyed) return { kind: 'incomplete' };
    awaitsContinue?.writeContinue();
    return this.#collect(declared ?? maxBytes);
  }

  /** Frees the memory. The bytes remain charged. Do not use them after it. */
  release(): void {
    this.#isReleased = true;
    this.#bytes = NO_BYTES;
  }

  /** Gives back what was charged. */
  giveBack(): void {
    this.#options.shares.giveBack(this.#options.party, this.#charged);
    this.#charged = 0;
  }

  /** The usual case: the body came with the headers. Avoids stream events, which are a tenth of the cost of a request. */
  #readAtOnce(length: number): BodyOrRejection {
    if (!this.#charge(length)) return { kind: 'overloaded' };
    const bytes: Buffer = this.#request.read() ?? NO_BYTES;
    this.#bytesRead = bytes.length;
    return { kind: 'body', bytes };
  }

  #collect(mostBytes: number): Promise<BodyOrRejection> {
    return new Promise((resolve) => {
      this.#request.on('data', (chunk: Buffer) => {
        if (this.#isReleased) return;
        const rejection = this.#append(chunk, mostBytes);
        if (rejection === undefined) return;
        this.release();
        resolve(rejection);
      });
      this.#request.once('end', () => resolve({ kind: 'body', bytes: this.#bytes.subarray(0, this.#bytesRead) }));
      this.#request.once('close', () => resolve({ kind: 'incomplete' }));
    });
  }

  #append(chunk: Buffer, mostBytes: number): Rejection | undefined {
    const length = this.#bytesRead + chunk.length;
    if (length > mostBytes) return { kind: 'too-large', maxBytes: this.#options.maxBytes };
    if (length > this.#bytes.length) {
      const capacity = this.#bytesRead === 0 ? length : Math.max(length, Math.min(2 * length, mostBytes));
      if (!this.#charge(capacity - this.#charged)) return { kind: 'overloaded' };
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

  #charge(bytes: number): boolean {
    if (!this.#options.shares.take(this.#options.party, bytes)) return false;
    this.#charged += bytes;
    return true;
  }
}
