import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
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

export interface LoopbackServer {
  /** `http://127.0.0.1:PORT` */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Serves on 127.0.0.1 alone, and only requests that name this machine in their `Host`: a web page that resolves its own
 * name to 127.0.0.1 gets nowhere. Rejects when the port is taken.
 */
export async function serveOnLoopback(
  port: number,
  respond: (request: IncomingMessage) => Promise<Answer>,
  onFault: (error: unknown) => void,
): Promise<LoopbackServer> {
  const server = createServer(TIMEOUTS, (request, response) => {
    answerOf(request)
      .then((answer) => send(response, answer))
      .catch(onFault);
  });
  server.timeout = IDLE_SOCKET_MS;
  server.maxConnections = MAX_CONNECTIONS;
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { address: `http://127.0.0.1:${portOf(server)}`, close: () => close(server) };

  async function answerOf(request: IncomingMessage): Promise<Answer> {
    if (!namesLoopback(request)) return MISDIRECTED;
    try {
      return await respond(request);
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
  body: 'This server answers to localhost only.\n',
};

function namesLoopback(request: IncomingMessage): boolean {
  const port = request.socket.localPort;
  const host = request.headers.host?.toLowerCase();
  return ['localhost', '127.0.0.1', '[::1]'].some((name) => host === `${name}:${port}`);
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body);
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  const hurry = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
  await closed;
  clearTimeout(hurry);
}
