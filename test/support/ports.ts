import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ports that systems assign, so that nothing else gets the port of a server that is down. */
const PORTS = { from: 10_000, count: 20_000 };

/** A port that nothing listens on. */
export async function aFreePort(): Promise<number> {
  for (;;) {
    const port = PORTS.from + Math.floor(Math.random() * PORTS.count);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
