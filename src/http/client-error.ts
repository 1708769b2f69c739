import { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { RequestRejection } from './ingest-observer.ts';

interface Judgement {
  readonly statusLine: string;
  readonly rejection: RequestRejection;
}

const MALFORMED: Judgement = { statusLine: '400 Bad Request', rejection: 'malformed' };

const JUDGEMENTS: ReadonlyMap<string, Judgement> = new Map([
  ['HPE_HEADER_OVERFLOW', { statusLine: '431 Request Header Fields Too Large', rejection: 'headers-too-large' }],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', { statusLine: '413 Payload Too Large', rejection: 'malformed' }],
  ['ERR_HTTP_REQUEST_TIMEOUT', { statusLine: '408 Request Timeout', rejection: 'too-slow' }],
]);

/**
 * Answers what node:http could not read, or not in time, and closes the connection within `lingerMs`.
 *
 * Returns why, unless that is told elsewhere: a connection that broke off is nobody's fault, and a webhook whose body is cut short
 * has a record of its own.
 */
export function answerClientError(
  error: NodeJS.ErrnoException,
  socket: Duplex,
  lingerMs: number,
): RequestRejection | undefined {
  const judgement = judgementOn(error.code ?? '');
  const owed = owedResponse(socket);
  if (judgement === undefined || owed?.headersSent === true) {
    socket.destroy();
    return undefined;
  }
  if (owed?.req.complete === true) {
    // What follows a whole request is at fault, not that request: it gets its answer, and nothing else may be taken for it.
    owed.shouldKeepAlive = false;
    return judgement.rejection;
  }
  // Ended: it was answered before, and what still comes is dropped.
  if (!socket.writable) return undefined;
  socket.end(`HTTP/1.1 ${judgement.statusLine}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  setTimeout(() => socket.destroy(), lingerMs).unref();
  return owed === undefined ? judgement.rejection : undefined;
}

/** Undefined for what befell the connection itself, which leaves nobody to answer. */
function judgementOn(code: string): Judgement | undefined {
  return JUDGEMENTS.get(code) ?? (code.startsWith('HPE_') ? MALFORMED : undefined);
}

/** The response that a connection waits for. node:http keeps it there, undocumented, since its first days; it has no other way to ask. */
function owedResponse(socket: Duplex): ServerResponse | undefined {
  if (!('_httpMessage' in socket)) return undefined;
  return socket._httpMessage instanceof ServerResponse ? socket._httpMessage : undefined;
}
