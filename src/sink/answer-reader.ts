/** An answer of HTTP/1.1, as it was sent. */
export interface Answer {
  readonly kind: 'answer';
  readonly status: number;
  /** By names in lower case. Values of a name that comes more than once are joined by commas. */
  readonly headers: Headers;
  readonly body: string;
  /** It was longer than `maxBodyBytes`, and the rest was not read. */
  readonly isCut: boolean;
  /** For how long the server keeps the connection, milliseconds: zero if it closes it, infinite if it does not say. */
  readonly keptMs: number;
}

export type Headers = Readonly<Record<string, string | undefined>>;

export type Read =
  | Answer
  /** The server asks for the body of the request. More may have been read: call again, with no bytes. */
  | { readonly kind: 'continue' }
  | { readonly kind: 'malformed'; readonly detail: string };

/** The status line and headers of one answer, or the trailers after it, bytes. Node's limit too. */
const MAX_HEAD_BYTES = 16_384;

/** The line before a chunk, with extensions that no one uses, bytes. */
const MAX_CHUNK_LINE_BYTES = 1024;

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
/** Neither folded lines nor blanks before the colon: proxies and servers do not agree on what these mean. */
const HEADER_LINE = /^([!#$%&'*+.^_`|~\w-]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)$/;
const CHUNK_LINE = /^([\da-f]{1,8})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/i;
const LENGTH = /^\d{1,15}$/;

const NO_BYTES = Buffer.alloc(0);

interface Head {
  readonly status: number;
  readonly headers: Headers;
  readonly keptMs: number;
}

type Step = 'head' | 'body' | 'until-end' | 'chunk-line' | 'chunk' | 'chunk-end' | 'trailer';

/**
 * Reads the answers of one connection (RFC 9112), one after the other. It is strict: what two readers could understand
 * differently is malformed, and the connection of no more use.
 */
export class AnswerReader {
  readonly #maxBodyBytes: number;
  #step: Step = 'head';
  #unread: Buffer = NO_BYTES;
  #head: Head | undefined;
  /** Of the body or the chunk, bytes. */
  #missing = 0;
  /** The first `#bodyBytes` are read. */
  #body: Buffer = NO_BYTES;
  #bodyBytes = 0;

  constructor(maxBodyBytes: number) {
    this.#maxBodyBytes = maxBodyBytes;
  }

  /** Whether nothing was sent beyond the last answer. */
  get isBetweenAnswers(): boolean {
    return this.#step === 'head' && this.#unread.length === 0;
  }

  /** Undefined if the answer is not complete yet. The bytes may be overwritten afterwards. */
  read(bytes: Buffer = NO_BYTES): Read | undefined {
    this.#unread = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]);
    const read = this.#readAll();
    if (this.#unread.length > 0) this.#unread = Buffer.from(this.#unread);
    return read;
  }

  /** The connection ended: an answer without a length is complete. */
  end(): Answer | undefined {
    return this.#step === 'until-end' ? this.#answer(false) : undefined;
  }

  #readAll(): Read | undefined {
    for (;;) {
      const before = this.#step;
      const length = this.#unread.length;
      const read = this.#readStep();
      if (read !== undefined) return read;
      if (this.#step === before && this.#unread.length === length) return undefined;
    }
  }

  #readStep(): Read | undefined {
    switch (this.#step) {
      case 'head':
        return this.#readHead();
      case 'body':
      case 'until-end':
        return this.#readBody();
      case 'chunk-line':
        return this.#readChunkLine();
      case 'chunk':
        return this.#readChunk();
      case 'chunk-end':
        return this.#readChunkEnd();
      case 'trailer':
        return this.#readTrailer();
    }
  }

  #readHead(): Read | undefined {
    const end = this.#unread.indexOf('\r\n\r\n');
    if (end > MAX_HEAD_BYTES || (end < 0 && this.#unread.length > MAX_HEAD_BYTES))
      return malformed('its headers are too long');
    if (end < 0) return undefined;
    const [statusLine = '', ...lines] = this.#unread.toString('latin1', 0, end).split('\r\n');
    this.#unread = this.#unread.subarray(end + 4);
    const [, minor, digits] = STATUS_LINE.exec(statusLine) ?? [];
    if (digits === undefined) return malformed('its first line is not a status');
    const status = Number(digits);
    const headers = parseHeaders(lines);
    if (headers === undefined) return malformed('a line is not a header');
    if (status === 101) return malformed('the server changes the protocol');
    if (status === 100) return { kind: 'continue' };
    // Hints, such as 102 and 103, come before the answer.
    if (status < 200) return undefined;
    this.#head = { status, headers, keptMs: keptMs(headers, minor === '1') };
    return this.#beginBody(status, headers);
  }

  #beginBody(status: number, headers: Headers): Read | undefined {
    const coding = headers['transfer-encoding'];
    const length = headers['content-length'];
    if (status === 204 || status === 304) this.#missing = 0;
    else if (coding !== undefined) {
      if (length !== undefined) return malformed('it has two lengths');
      if (coding.toLowerCase() !== 'chunked') return malformed('its transfer coding is unknown');
      this.#step = 'chunk-line';
      return undefined;
    } else if (length !== undefined) {
      if (!LENGTH.test(length)) return malformed('its length is not a number');
      this.#missing = Number(length);
    } else {
      this.#missing = Number.POSITIVE_INFINITY;
      this.#step = 'until-end';
      return undefined;
    }
    this.#step = 'body';
    return this.#missing === 0 ? this.#answer(false) : undefined;
  }

  #readBody(): Read | undefined {
    const isCut = this.#takeBody();
    return isCut || this.#missing === 0 ? this.#answer(isCut) : undefined;
  }

  #readChunkLine(): Read | undefined {
    const line = this.#takeLine(MAX_CHUNK_LINE_BYTES);
    if (typeof line !== 'string') return line;
    const [, size] = CHUNK_LINE.exec(line) ?? [];
    if (size === undefined) return malformed('a chunk has no length');
    this.#missing = Number.parseInt(size, 16);
    this.#step = this.#missing === 0 ? 'trailer' : 'chunk';
    return undefined;
  }

  #readChunk(): Read | undefined {
    if (this.#takeBody()) return this.#answer(true);
    if (this.#missing === 0) this.#step = 'chunk-end';
    return undefined;
  }

  #readChunkEnd(): Read | undefined {
    if (this.#unread.length < 2) return undefined;
    if (this.#unread.toString('latin1', 0, 2) !== '\r\n') return malformed('a chunk is longer than its length');
    this.#unread = this.#unread.subarray(2);
    this.#step = 'chunk-line';
    return undefined;
  }

  #readTrailer(): Read | undefined {
    const line = this.#takeLine(MAX_HEAD_BYTES);
    if (typeof line !== 'string') return line;
    if (line === '') return this.#answer(false);
    this.#missing += line.length;
    return this.#missing <= MAX_HEAD_BYTES && HEADER_LINE.test(line) ? undefined : malformed('a line is not a header');
  }

  #takeLine(maxBytes: number): string | Read | undefined {
    const end = this.#unread.indexOf('\r\n');
    if (end > maxBytes || (end < 0 && this.#unread.length > maxBytes)) return malformed('a line is too long');
    if (end < 0) return undefined;
    const line = this.#unread.toString('latin1', 0, end);
    this.#unread = this.#unread.subarray(end + 2);
    return line;
  }

  /** Returns whether there is more than is read of a body. */
  #takeBody(): boolean {
    const part = this.#unread.subarray(0, Math.min(this.#missing, this.#maxBodyBytes - this.#bodyBytes));
    const isCut = this.#missing > part.length && this.#unread.length > part.length;
    this.#missing -= part.length;
    this.#unread = this.#unread.subarray(part.length);
    const isWhole = this.#step === 'body' && this.#missing === 0 && this.#bodyBytes === 0;
    if (isWhole) this.#body = part;
    else this.#keep(part);
    this.#bodyBytes += part.length;
    return isCut;
  }

  #keep(part: Buffer): void {
    const size = this.#bodyBytes + part.length;
    if (size > this.#body.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#maxBodyBytes, Math.max(4096, 2 * size)));
      this.#body.copy(larger, 0, 0, this.#bodyBytes);
      this.#body = larger;
    }
    part.copy(this.#body, this.#bodyBytes);
  }

  #answer(isCut: boolean): Answer | undefined {
    const head = this.#head;
    if (head === undefined) return undefined;
    const body = this.#body.toString('utf8', 0, this.#bodyBytes);
    this.#step = 'head';
    this.#head = undefined;
    this.#body = NO_BYTES;
    this.#bodyBytes = 0;
    return { kind: 'answer', ...head, body, isCut };
  }
}

function malformed(detail: string): Read {
  return { kind: 'malformed', detail: `not an answer in HTTP/1.1: ${detail}` };
}

function parseHeaders(lines: readonly string[]): Headers | undefined {
  const headers: Record<string, string> = Object.create(null);
  for (const line of lines) {
    const [, name, value] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    const key = name.toLowerCase();
    const earlier = headers[key];
    headers[key] = earlier === undefined ? value.trimEnd() : `${earlier}, ${value.trimEnd()}`;
  }
  return headers;
}

function keptMs({ connection = '', 'keep-alive': limits = '' }: Headers, isByDefault: boolean): number {
  const options = connection.toLowerCase();
  const isKept =
    options === '' ? isByDefault : isByDefault ? !options.includes('close') : options.includes('keep-alive');
  if (!isKept) return 0;
  const seconds = /\btimeout=(\d{1,6})\b/i.exec(limits)?.[1];
  return seconds === undefined ? Number.POSITIVE_INFINITY : Number(seconds) * 1000;
}
