import type { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
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

/**
 * Answers a request that node:http could not read, or not in time, and closes the connection.
 *
 * `response`: the first one for which the connection waits. `lingerMs`: how long the connection may stay open after the answer.
 *
 * Returns what to report. Undefined when the connection broke off, which is not reported, or when the body of a webhook was cut
 * short, which is reported with the webhook.
 */
export function answerError(
  error: NodeJS.ErrnoException,
  socket: Duplex,
  response: ServerResponse | undefined,
  lingerMs: number,
): RequestRejection | undefined {
  const answer = errorAnswer(error.code ?? '');
  if (answer === undefined) {
    socket.destroy();
    return undefined;
  }
  if (response?.headersSent === true) {
    // The request was answered before all of it had arrived. The answer may not have left yet.
    if (socket instanceof Socket) socket.destroySoon();
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
  setTimeout(() => socket.destroy(), lingerMs).unref();
  return response === undefined ? answer.rejection : undefined;
}
