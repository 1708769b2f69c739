import http from 'node:http';
import https from 'node:https';
import { Socket } from 'node:net';
import { Fault } from '../model/fault.ts';
import type { Permit, Receive } from '../receive/incoming-webhook.ts';
import { type CertificateSource, secureContextOf } from './certificate.ts';
import { type AddressRange, TrustedProxies } from './client-address.ts';
import { answerClientError } from './client-error.ts';
import { Connections } from './connections.ts';
import type { IngestObserver } from './ingest-observer.ts';
import { CLOSE_GRACE_MS, DEFAULT_LIMITS, type Limits } from './limits.ts';
import { RequestHandler } from './request-handler.ts';

export interface IngestOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  readonly receive: Receive;
  readonly permit: Permit;
  /** What `GET /healthz` tells; must not throw. */
  readonly healthy: () => boolean;
  readonly observer: IngestObserver;
  /** The proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly AddressRange[];
  /** Absent: plain HTTP. */
  readonly tls?: CertificateSource;
  /** In place of the defaults. */
  readonly limits?: Partial<Limits>;
}

/** The port cannot be listened on: taken, not ours to take, or no address of this machine. `cause` has the system's code. */
export class ListenFault extends Fault {
  override readonly name = 'ListenFault';
  readonly code = 'listen_failed';
}

/** A listening ingest port. */
export interface IngestServer {
  /** The real port where any was asked for. */
  readonly address: { readonly host: string; readonly port: number };
  /** Goes on accepting, and closes each connection with its next answer, so that senders come back to somebody else. */
  beginDrain(): void;
  /** Closes the listener and what is idle at once, and cuts what is not answered after `graceMs`. Resolves when all is closed. */
  close(graceMs?: number): Promise<void>;
}

type Server = http.Server | https.Server;

/**
 * Listens for webhooks.
 *
 * Rejects with a ListenFault or a CertificateFault. Later faults go to the observer.
 */
export async function startIngestServer(options: IngestOptions): Promise<IngestServer> {
  const limits: Limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { receive, permit, healthy, observer } = options;
  const proxies = new TrustedProxies(options.trustedProxies);
  const handler = new RequestHandler({ receive, permit, healthy, observer, limits, proxies });
  const server = options.tls === undefined ? createPlainServer(limits) : createTlsServer(limits, options.tls, observer);
  limitConnections(server, limits);
  const connections = new Connections(server);
  handleRequests(server, handler);
  handleRequestRejections(server, limits, observer);
  const port = await listen(server, options);
  return {
    address: { host: options.host, port },
    beginDrain: () => handler.drain(),
    close: (graceMs = CLOSE_GRACE_MS) => {
      handler.drain();
      return connections.close(graceMs);
    },
  };
}

function createPlainServer(limits: Limits): Server {
  return http.createServer(httpSettings(limits));
}

function createTlsServer(limits: Limits, certificate: CertificateSource, observer: IngestObserver): Server {
  const server = https.createServer({
    ...httpSettings(limits),
    ...secureContextOf(certificate.current()),
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: limits.headersTimeoutMs,
  });
  certificate.onChange(() => {
    try {
      server.setSecureContext(secureContextOf(certificate.current()));
      observer.certificateReloaded();
    } catch (error) {
      observer.certificateRejected(error instanceof Error ? error.message : String(error));
    }
  });
  return server;
}

function httpSettings(limits: Limits): http.ServerOptions {
  return {
    insecureHTTPParser: false,
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: limits.timeoutCheckMs,
    keepAliveTimeout: limits.idleTimeoutMs,
  };
}

function limitConnections(server: Server, limits: Limits): void {
  server.timeout = limits.stallTimeoutMs;
  server.maxHeadersCount = limits.maxHeaders;
  server.maxConnections = limits.maxConnections;
}

function handleRequests(server: Server, handler: RequestHandler): void {
  server.on('request', (request, response) => handler.handle(request, response, false));
  server.on('checkContinue', (request, response) => handler.handle(request, response, true));
  // Expectations that nobody knows may be ignored (RFC 9110, 10.1.1); an event is worth more than a 417.
  server.on('checkExpectation', (request, response) => handler.handle(request, response, false));
}

function handleRequestRejections(server: Server, limits: Limits, observer: IngestObserver): void {
  server.on('clientError', (error, socket) => {
    const rejection = answerClientError(error, socket, limits.lingerMs);
    if (rejection !== undefined)
      observer.rejected(rejection, socket instanceof Socket ? socket.remoteAddress : undefined);
  });
  server.on('drop', (connection) => observer.rejected('too-many-connections', connection?.remoteAddress));
  if (server instanceof https.Server) {
    server.on('tlsClientError', (_error, socket) => observer.rejected('tls-handshake-failed', socket.remoteAddress));
  }
}

function listen(server: Server, { host, port, observer }: IngestOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.on('error', (cause) => {
      if (server.listening) observer.fault(cause);
      else reject(new ListenFault(`cannot listen on ${host}:${port}`, { cause }));
    });
    server.listen({ host, port }, () => {
      const address = server.address();
      resolve(address !== null && typeof address === 'object' ? address.port : port);
    });
  });
}
