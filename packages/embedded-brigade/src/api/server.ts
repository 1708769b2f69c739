import { once } from 'node:events';
import { createServer, IncomingMessage, type Server } from 'node:http';
import { isIPv6 } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { EmbeddedBrigadeFault } from '../fault.ts';
import { noSuchPage } from './answers.ts';
import type { Bindings } from './app.ts';

/** Milliseconds. Brigade has none of these limits. */
const TIMEOUTS = {
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 65_000,
};
/** Without a byte in either direction, milliseconds. */
const IDLE_SOCKET_MS = 120_000;
const MAX_CONNECTIONS = 256;
/** How long requests in flight may take when the server closes, milliseconds. */
const CLOSE_MS = 5000;

export interface ApiServer {
  /** `http://HOST:PORT` */
  readonly address: string;
  close(): Promise<void>;
}

type FetchCallback = Parameters<typeof getRequestListener>[0];

/** Answers a request. Must not reject. */
export type Respond = (request: Request, bindings: Bindings) => Response | Promise<Response>;

/**
 * Serves on one address, and only requests whose `Host` names that address or this machine: a web page that resolves its own
 * name to 127.0.0.1 is not served. A server on all addresses (`0.0.0.0` or `::`) cannot know its names and accepts any.
 * Rejects with an `EmbeddedBrigadeFault` if the port is taken.
 */
export async function serveApi(
  { host, port }: { readonly host: string; readonly port: number },
  respond: Respond,
): Promise<ApiServer> {
  const closing = new AbortController();
  const answer: FetchCallback = (request, { incoming }) => {
    if (!(incoming instanceof IncomingMessage) || !names(host, incoming)) return misdirected();
    return respond(request, { incoming, closing: closing.signal });
  };
  // The error handler is for a request target that is not a URL.
  const listener = getRequestListener(answer, { errorHandler: noSuchPage });
  const server = createServer(TIMEOUTS, (request, response) => {
    // The connection would be kept alive, and the server with it.
    response.once('close', () => {
      if (closing.signal.aborted) setImmediate(() => server.closeIdleConnections());
    });
    void listener(request, response);
  });
  server.timeout = IDLE_SOCKET_MS;
  server.maxConnections = MAX_CONNECTIONS;
  server.listen(port, host);
  await once(server, 'listening').catch((cause: unknown) => {
    const message = `The embedded Brigade cannot listen on ${host}, port ${port}`;
    throw new EmbeddedBrigadeFault('listen_failed', message, { cause });
  });
  return { address: `http://${inUrl(host)}:${portOf(server)}`, close: () => close(server, closing) };
}

function misdirected(): Response {
  const headers = { 'content-type': 'text/plain; charset=utf-8' };
  return new Response('This server has another name: the Host header must name its address.\n', {
    status: 421,
    headers,
  });
}

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
