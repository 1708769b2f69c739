import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Answer } from './answers.ts';
import { hasArrived } from './body.ts';
import type { Limits } from './limits.ts';

interface Sending {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly answer: Answer;
  /** What was read of the request's body. */
  readonly bytesRead: number;
  /** Whether the connection closes after this answer, which it also does when it precedes the end of the request. */
  readonly last: boolean;
  readonly limits: Limits;
}

export function send(sending: Sending): void {
  const { request, response, answer } = sending;
  const early = !hasArrived(request, sending.bytesRead);
  if (early || sending.last) response.shouldKeepAlive = false;
  response.writeHead(answer.status, [...answer.headers, 'Content-Length', String(Buffer.byteLength(answer.body))]);
  if (early) endLate(sending);
  else response.end(answer.body);
}

/**
 * Sends the whole answer at once but ends it, and with it the connection, only when the rest of the request has come, within bounds.
 * Closed at once, the connection would be reset by what still arrives, and the reset may overtake the answer.
 */
function endLate({ request, response, answer, limits }: Sending): void {
  if (answer.body === '') response.flushHeaders();
  else response.write(answer.body);
  const end = (): void => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, limits.lingerMs);
  let bytesLeft = limits.lingerBytes;
  request.on('data', (chunk: Buffer) => {
    bytesLeft -= chunk.length;
    if (bytesLeft < 0) end();
  });
  request.once('end', end);
  request.once('close', end);
  request.resume();
}
