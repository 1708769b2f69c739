import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { LIMITS } from './limits.ts';

/** What node:http parses before the gateway can stop it, bytes. */
const SLICE_BYTES = 1024;

/** The lines of a request with all its headers. */
const USUAL_LINES = LIMITS.maxHeaders.value + 2;

const LINE_END = Buffer.from('\r\n');

/**
 * Lets node:http parse in slices what may be many requests or chunks, and stops when the connection is destroyed. Call it when
 * node:http has taken over the connection.
 *
 * node:http reads up to 64 KiB at a time and hands over everything in it: 1,000 small requests, which take 10 ms of the event loop,
 * or 10,000 chunks of one byte, which take 25. It goes on when one of them made the gateway destroy the connection.
 */
export function readInSlices(socket: Socket): void {
  const listeners = socket.listeners('data');
  const parse = (bytes: Buffer): void => {
    for (const listener of listeners) listener.call(socket, bytes);
  };
  socket.removeAllListeners('data');
  socket.on('data', (bytes: Buffer) => {
    if (!hasManyLines(bytes)) return parse(bytes);
    for (let start = 0; start < bytes.length && !socket.destroyed; start += SLICE_BYTES) {
      parse(bytes.subarray(start, start + SLICE_BYTES));
    }
  });
}

function hasManyLines(bytes: Buffer): boolean {
  if (bytes.length <= SLICE_BYTES) return false;
  let lines = 0;
  for (let at = bytes.indexOf(LINE_END); at >= 0; at = bytes.indexOf(LINE_END, at + LINE_END.length)) {
    lines += 1;
    if (lines > USUAL_LINES) return true;
  }
  return false;
}

/** Destroys its connection when its body arrives in too many small parts. */
export class PartCountingRequest extends IncomingMessage {
  #parts = 0;
  #bytes = 0;

  override push(part: Buffer | null): boolean {
    if (part !== null) {
      this.#parts += 1;
      this.#bytes += part.length;
      const beyond = this.#parts - LIMITS.maxSmallParts.value;
      if (beyond * LIMITS.minPartBytes.value > this.#bytes) this.socket.destroy();
    }
    return super.push(part);
  }
}
