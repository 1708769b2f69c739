import http, { type ServerResponse } from 'node:http';
import https from 'node:https';
import { Socket } from 'node:net';
import { Fault } from '../model/fault.ts';
import type { Permit, Receive } from '../receive/incoming-webhook.ts';
import { type CertificateSource, secureContextOf } from './certificate.ts';
import { type AddressRange, TrustedProxies } from './client-address.ts';
import { Connections } from './connections.ts';
import type { IngestObserver } from './ingest-observer.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import { type Listener, openListener } from './listener.ts';
import { answerError } from './request-errors.ts';
import { RequestHandler } from './request-handler.ts';
import { PartCountingRequest, readInSlices } from './sliced-reading.ts';

export interface IngestOptions {
  readonly host: string;
  /** 0 means any free port. */
  readonly port: number;
  readonly receive: Receive;
  readonly permit: Permit;
  /** The answer to `GET /healthz`; must not throw. */
  readonly healthy: () => boolean;
  readonly observer: IngestObserver;
  /** The proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly AddressRange[];
  /** Absent: HTTP without TLS. */
  readonly tls?: CertificateSource;
  /** Instead of `DEFAULT_LIMITS`. */
  readonly limits?: Partial<Limits>;
}

/** The port cannot be opened: in use, not permitted, or not an address of this machine. `cause` has the system's error code. */
export class ListenFault extends Fault {
  override readonly name = 'ListenFault';
  readonly code = 'listen_failed';
}

/** A listening ingest port. */
export interface IngestServer {
  /** With the real port, if the options say 0. */
  readonly address: { readonly host: string; readonly port: number };
  /** Goes on accepting, but closes each connection with its next answer, so that clients connect to another replica. */
  beginDrain(): void;
  /** Closes the listener and the idle connections at once, and the others after `graceMs` at the latest. Resolves when all are closed. */
  close(graceMs?: number): Promise<void>;
}

type Server = http.Server | https.Server;

/**
 * Opens the ingest port.
 *
 * Rejects with a ListenFault or a CertificateFault. Reports later faults to the observer.
 */
export async function startIngestServer(options: IngestOptions): Promise<IngestServer> {
  const limits: Limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { receive, permit, healthy, observer } = options;
  const proxies = new TrustedProxies(options.trustedProxies);
  const server = createServer(options, limits);
  const onRejected = observer.rejected.bind(observer);
  const connections = new Connections({ server, limits, proxies, onRejected });
  const handler = new RequestHandler({ receive, permit, healthy, observer, limits, proxies, connections });
  handleRequests(server, handler);
  handleErrors(server, connections, observer, limits);
  const listener = await listen(server, options, limits);
  return {
    address: { host: options.host, port: listener.port },
    beginDrain: () => handler.drain(),
    close: async (graceMs = limits.closeGraceMs) => {
      handler.drain();
      const closed = listener.close();
      connections.closeSilent();
      const timer = setTimeout(() => connections.closeAll(), graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

function createServer({ tls, observer }: IngestOptions, limits: Limits): Server {
  const server = tls === undefined ? http.createServer(httpSettings(limits)) : createTlsServer(limits, tls, observer);
  server.timeout = limits.stallTimeoutMs;
  server.maxHeadersCount = limits.maxHeaders;
  server.on(tls === undefined ? 'connection' : 'secureConnection', readInSlices);
  return server;
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
    IncomingMessage: PartCountingRequest,
    insecureHTTPParser: false,
    // `routeOf` looks at `Host`: node:http would not report its answer.
    requireHostHeader: false,
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: limits.timeoutCheckMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    keepAliveTimeoutBuffer: limits.idleGraceMs,
  };
}

function handleRequests(server: Server, handler: RequestHandler): void {
  const handle = (response: ServerResponse, awaitsContinue = false): void => handler.handle(response, awaitsContinue);
  server.on('request', (_, response) => handle(response));
  server.on('checkContinue', (_, response) => handle(response, true));
  // An unknown expectation may be ignored (RFC 9110, 10.1.1). A 417 would lose the event.
  server.on('checkExpectation', (_, response) => handle(response));
}

function handleErrors(server: Server, connections: Connections, observer: IngestObserver, limits: Limits): void {
  server.on('clientError', (error, socket) => {
    const response = connections.of(socket)?.unanswered[0]?.response;
    const rejection = answerError(error, socket, response, limits.lingerMs);
    if (rejection !== undefined)
      observer.rejected(rejection, socket instanceof Socket ? socket.remoteAddress : undefined);
  });
  if (server instanceof https.Server) {
    server.on('tlsClientError', (_error, socket) => observer.rejected('tls-handshake-failed', socket.remoteAddress));
  }
}

async function listen(server: Server, { host, port, observer }: IngestOptions, limits: Limits): Promise<Listener> {
  const { backlog, acceptsPerTurn } = limits;
  const onFault = observer.fault.bind(observer);
  try {
    return await openListener(server, { host, port, backlog, acceptsPerTurn, onFault });
  } catch (cause) {
    throw new ListenFault(`cannot listen on ${host}:${port}`, { cause });
  }
}
