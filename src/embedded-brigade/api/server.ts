import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv6 } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { Fault } from '../../model/fault.ts';
import { type Answer, refuse } from './answer.ts';

/** Above this Brigade's database fails, and Brigade with 500. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** Brigade has none of these limits; a server on somebody's machine had better. */
const TIMEOUTS = {
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 65_000,
};
/** Without a byte in either direction, in milliseconds. */
const IDLE_SOCKET_MS = 120_000;
const MAX_CONNECTIONS = 256;
/** What requests in flight get when the server closes, in milliseconds. */
const CLOSE_MS = 5000;

export interface ApiServer {
  /** `http://HOST:PORT` */
  readonly address: string;
  close(): Promise<void>;
}

/** The port is taken, or the address is none of this machine. */
class ListenFailed extends Fault {
  override readonly name = 'ListenFailed';
  override readonly code = 'listen_failed';
}

/** Answers a request. The signal tells that nobody waits any more: the client went away, or the server closes. */
export type Respond = (request: IncomingMessage, signal: AbortSignal) => Promise<Answer>;

/**
 * Serves on one address, and only requests that name it or this machine in their `Host`: a web page that resolves its own
 * name to 127.0.0.1 gets nowhere. Who listens on all addresses (`0.0.0.0` or `::`) cannot know what it is called, and takes
 * any name. Rejects when the port is taken.
 */
export async function serveApi(
  { host, port }: { readonly host: string; readonly port: number },
  respond: Respond,
  onFault: (error: unknown) => void,
): Promise<ApiServer> {
  const closing = new AbortController();
  const server = createServer(TIMEOUTS, (request, response) => {
    const gone = new AbortController();
    response.once('close', () => {
      gone.abort();
      // Its connection would be kept alive, and the server with it.
      if (closing.signal.aborted) setImmediate(() => server.closeIdleConnections());
    });
    const signal = AbortSignal.any([gone.signal, closing.signal]);
    answerOf(request, signal)
      .then((answer) => send(response, answer, gone.signal))
      .catch(onFault);
  });
  server.timeout = IDLE_SOCKET_MS;
  server.maxConnections = MAX_CONNECTIONS;
  server.listen(port, host);
  await once(server, 'listening').catch((cause: unknown) => {
    throw new ListenFailed(`The embedded Brigade cannot listen on ${host}, port ${port}`, { cause });
  });
  return { address: `http://${inUrl(host)}:${portOf(server)}`, close: () => close(server, closing) };

  async function answerOf(request: IncomingMessage, signal: AbortSignal): Promise<Answer> {
    if (!names(host, request)) return MISDIRECTED;
    try {
      return await respond(request, signal);
    } catch (error) {
      onFault(error);
      return refuse({ kind: 'InternalServerError' });
    }
  }
}

/** Reads a body as UTF-8, what is none as U+FFFD; undefined when it is above 16 MiB or the client went away. */
export async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request) {
      const bytes: Buffer = chunk;
      size += bytes.length;
      // What is too much is still taken off the wire, lest the client sees a reset instead of our answer.
      if (size > MAX_BODY_BYTES) chunks.length = 0;
      else chunks.push(bytes);
    }
  } catch {
    // The client went away: nobody hears whatever we answer.
    return undefined;
  }
  return size > MAX_BODY_BYTES ? undefined : Buffer.concat(chunks).toString('utf8');
}

const MISDIRECTED: Answer = {
  status: 421,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: 'This server goes by another name.\n',
};

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'];
const ALL_ADDRESSES = ['0.0.0.0', '::'];

function names(address: string, { socket, headers }: IncomingMessage): boolean {
  if (ALL_ADDRESSES.includes(address)) return true;
  const host = headers.host?.toLowerCase();
  return [...LOOPBACK_NAMES, inUrl(address)].some((name) => host === `${name}:${socket.localPort}`);
}

function inUrl(address: string): string {
  return isIPv6(address) ? `[${address}]` : address;
}

async function send(response: ServerResponse, { status, headers, body }: Answer, gone: AbortSignal): Promise<void> {
  if (typeof body === 'string') {
    response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body);
    return;
  }
  response.writeHead(status, headers).flushHeaders();
  try {
    await pipeline(body, response);
  } catch (error) {
    if (!gone.aborted) throw error;
  }
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function close(server: Server, closing: AbortController): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  closing.abort();
  const hurry = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
  await closed;
  clearTimeout(hurry);
}
