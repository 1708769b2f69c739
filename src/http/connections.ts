import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { RequestRejection } from './ingest-observer.ts';

/** How a request that node:http could not read is answered. */
interface ErrorAnswer {
  readonly statusLine: string;
  readonly rejection: RequestRejection;
}

const MALFORMED: ErrorAnswer = { statusLine: '400 Bad Request', rejection: 'malformed' };

/** By the error's code. Every other code that begins with `HPE_` is malformed. */
const ERROR_ANSWERS: ReadonlyMap<string, ErrorAnswer> = new Map([
  ['HPE_HEADER_OVERFLOW', { statusLine: '431 Request Header Fields Too Large', rejection: 'headers-too-large' }],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', { statusLine: '413 Payload Too Large', rejection: 'malformed' }],
  ['ERR_HTTP_REQUEST_TIMEOUT', { statusLine: '408 Request Timeout', rejection: 'too-slow' }],
]);

/** Undefined when the connection itself failed: then there is no client to answer. */
function errorAnswer(code: string): ErrorAnswer | undefined {
  return ERROR_ANSWERS.get(code) ?? (code.startsWith('HPE_') ? MALFORMED : undefined);
}

/** The connections of one server, TLS handshakes under way included, and the responses that each of them waits for. */
export class Connections {
  readonly #server: Server;
  readonly #lingerMs: number;
  readonly #sockets = new Set<Socket>();
  /** In the order of the requests. node:http sends the first one and holds back those of pipelined requests behind it. */
  readonly #unanswered = new WeakMap<Duplex, ServerResponse[]>();

  /** `lingerMs`: how long a connection may stay open after the answer to a request that could not be read. */
  constructor(server: Server, lingerMs: number) {
    this.#server = server;
    this.#lingerMs = lingerMs;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  /** Call for every request that node:http hands over, before anything is sent: its connection waits for this response. */
  addUnanswered(response: ServerResponse): void {
    const { socket } = response.req;
    const unanswered = this.#unanswered.get(socket) ?? [];
    unanswered.push(response);
    this.#unanswered.set(socket, unanswered);
    response.once('finish', () => unanswered.splice(unanswered.indexOf(response), 1));
  }

  /**
   * Answers a request that node:http could not read, or not in time, and closes the connection.
   *
   * Returns what to report. Undefined when the connection broke off, which is not reported, or when the body of a webhook was cut
   * short, which is reported with the webhook.
   */
  answerError(error: NodeJS.ErrnoException, socket: Duplex): RequestRejection | undefined {
    const answer = errorAnswer(error.code ?? '');
    const response = this.#unanswered.get(socket)?.[0];
    if (answer === undefined || response?.headersSent === true) {
      socket.destroy();
      return undefined;
    }
    if (response?.req.complete === true) {
      // The error is in what follows a complete request. That request gets its own answer, and the connection closes after it.
      response.shouldKeepAlive = false;
      return answer.rejection;
    }
    // Already ended: the request was answered before, and what still arrives is dropped.
    if (!socket.writable) return undefined;
    socket.end(`HTTP/1.1 ${answer.statusLine}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    setTimeout(() => socket.destroy(), this.#lingerMs).unref();
    return response === undefined ? answer.rejection : undefined;
  }

  /** Closes the listener and the idle connections at once, and the others after `graceMs` at the latest. */
  close(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#destroy(() => true), graceMs);
      this.#server.close(() => {
        clearTimeout(timer);
        resolve();
      });
      // node:http does not count a connection that has sent nothing yet as idle.
      this.#destroy((socket) => socket.bytesRead === 0);
    });
  }

  #destroy(isChosen: (socket: Socket) => boolean): void {
    for (const socket of this.#sockets) {
      if (isChosen(socket)) socket.destroy();
    }
  }
}
