import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { type ServerType, serve } from '@hono/node-server';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { Clock } from '../model/clock.ts';
import { Fault } from '../model/fault.ts';
import type { Access, AdminEnv } from './access.ts';
import { adminApi } from './api/api.ts';
import { LIMITS } from './limits.ts';
import type { Operator } from './operator.ts';

export interface AdminOptions {
  readonly host: string;
  readonly port: number;
  readonly access: Access;
  readonly operator: Operator;
  readonly clock: Clock;
  /** The answer to `GET /healthz`. */
  readonly healthy: () => boolean;
  /** Undefined when ready, otherwise the reason. */
  readonly unreadiness: () => Promise<string | undefined>;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  readonly onFault: (error: unknown) => void;
}

/** The admin port cannot be listened on. `cause` has the system's code. */
export class AdminListenFault extends Fault {
  override readonly name = 'AdminListenFault';
  readonly code = 'listen_failed';
}

export interface AdminServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Starts the port for probes, metrics and the admin API. Rejects with an `AdminListenFault`. */
export async function startAdminServer(options: AdminOptions): Promise<AdminServer> {
  const server = await listen(createApp(options), options);
  const address = server.address();
  return {
    port: address !== null && typeof address === 'object' ? address.port : options.port,
    close: () => close(server),
  };
}

function createApp(options: AdminOptions): Hono<AdminEnv> {
  const app = new Hono<AdminEnv>();
  app.get('/healthz', (c) => (options.healthy() ? c.text('ok\n') : c.text('not healthy\n', 503)));
  app.get('/readyz', async (c) => {
    const reason = await options.unreadiness();
    return reason === undefined ? c.text('ready\n') : c.text(`not ready: ${reason}\n`, 503);
  });
  app.get('/metrics', async (c) => {
    const { contentType, text } = await options.metrics();
    return c.body(text, 200, { 'content-type': contentType });
  });
  app.use(options.access.checkOrigin());
  app.use(
    bodyLimit({
      maxSize: LIMITS.maxBodyBytes,
      onError: (c) => c.json({ error: 'the body is larger than 64 KiB' }, 413),
    }),
  );
  app.route('/api', adminApi(options));
  app.use(options.access.requires('read'));
  app.notFound((c) => c.json({ error: 'there is no such page' }, 404));
  app.onError((error, c) => {
    options.onFault(error);
    return c.json({ error: 'the gateway failed; see its log' }, 503);
  });
  return app;
}

function listen(app: Hono<AdminEnv>, { host, port }: AdminOptions): Promise<ServerType> {
  return new Promise((resolve, reject) => {
    const serverOptions = {
      headersTimeout: LIMITS.requestTimeoutMs,
      requestTimeout: LIMITS.requestTimeoutMs,
      connectionsCheckingInterval: LIMITS.timeoutCheckMs,
      maxHeaderSize: LIMITS.maxHeaderBytes,
    };
    const server = serve({ fetch: app.fetch, hostname: host, port, serverOptions }, () => resolve(server));
    server.once('error', (cause) => reject(new AdminListenFault(`cannot listen on ${host}:${port}`, { cause })));
    limitConnections(server);
  });
}

/** Beyond the limit, the oldest connection is closed. */
function limitConnections(server: ServerType): void {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    if (open.size <= LIMITS.maxConnections) return;
    const [oldest] = open;
    if (oldest === undefined) return;
    open.delete(oldest);
    oldest.destroy();
  });
}

function close(server: ServerType): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    if (isHttp1(server)) server.closeAllConnections();
  });
}

function isHttp1(server: ServerType): server is Server {
  return 'closeAllConnections' in server;
}
