import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

interface ListenerOptions {
  readonly host: string;
  /** 0 means any free port. */
  readonly port: number;
  /** The kernel's queues together. */
  readonly backlog: number;
  /** On systems other than Linux it is 1. */
  readonly acceptsPerTurn: number;
  /** Is called when a connection cannot be accepted. */
  readonly onFault: (error: unknown) => void;
}

/** An open port. */
export interface Listener {
  readonly port: number;
  /** Accepts no further connections. Resolves when all are closed. */
  close(): Promise<void>;
}

/**
 * Opens a port for a server. Rejects with the system's error.
 *
 * Node accepts one connection of a socket in each turn of the event loop. That is too slow for a flood of connections beside batches,
 * which make turns long: the kernel's queue is full, and the kernel drops the connections of everyone. So several sockets listen on
 * the port, and the kernel divides its connections among them by a secret hash of the addresses.
 */
export async function openListener(server: Server, options: ListenerOptions): Promise<Listener> {
  const { host, onFault } = options;
  const count = process.platform === 'linux' ? options.acceptsPerTurn : 1;
  const isShared = count > 1;
  const port = isShared ? await unusedPort(options) : options.port;
  const backlog = Math.ceil(options.backlog / count);
  const servers = [server, ...Array.from({ length: count - 1 }, () => acceptFor(server))];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map(closed));
  };
  try {
    for (const each of servers) await listening(each, { host, port, backlog, reusePort: isShared });
  } catch (error) {
    await close();
    throw error;
  }
  for (const each of servers) each.on('error', onFault);
  return { port: portOf(server), close };
}

/** A shared port that another gateway of the same user shares already is no error for the system. An unshared one is. */
async function unusedPort({ host, port }: ListenerOptions): Promise<number> {
  const probe = createServer();
  await listening(probe, { host, port });
  const found = portOf(probe);
  await closed(probe);
  return found;
}

/** Its connections are like those that `server`, of node:http, accepts itself. */
function acceptFor(server: Server): Server {
  return createServer({ allowHalfOpen: true, noDelay: true }, (socket) => server.emit('connection', socket));
}

async function listening(server: Server, options: Parameters<Server['listen']>[0]): Promise<void> {
  server.listen(options);
  await once(server, 'listening');
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the server listens on no port');
  return address.port;
}
