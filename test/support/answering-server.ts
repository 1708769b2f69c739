import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { Changes } from './changes.ts';
import type { Cleanup } from './stub-brigade.ts';

/** A request that was read to its end. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Handles a request; it may leave it unanswered. */
export type React = (response: ServerResponse, asked: Asked) => void;

/** An HTTP server on a port of its own that answers as a test wants, and records its requests. */
export class AnsweringServer {
  readonly asked: Asked[] = [];
  connections = 0;
  address = '';
  port = 0;
  react: React;
  readonly #changes = new Changes();

  private constructor(react: React) {
    this.react = react;
  }

  /** Speaks TLS if it gets a key pair. */
  static async start(
    t: Cleanup,
    react: React,
    pair?: { readonly cert: Buffer; readonly key: Buffer },
  ): Promise<AnsweringServer> {
    const self = new AnsweringServer(react);
    const server = pair === undefined ? createServer() : createTlsServer(pair);
    server.on('connection', () => {
      self.connections += 1;
    });
    server.on('request', (request, response) => void self.#serve(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    self.port = (server.address() as AddressInfo).port;
    self.address = `${pair === undefined ? 'http' : 'https'}://127.0.0.1:${self.port}`;
    return self;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A request that breaks off does not count.
    const body = await buffer(request).catch(() => undefined);
    if (body === undefined) return;
    const { method = '', url: path = '', headers } = request;
    const asked = { method, path, headers, body: body.toString('utf8') };
    this.asked.push(asked);
    this.react(response, asked);
    this.#changes.notify();
  }

  /** Resolves once that many requests were read. */
  async untilAsked(count: number): Promise<void> {
    await this.#changes.until(
      () => (this.asked.length >= count ? true : undefined),
      () => `${count} requests, there were ${this.asked.length}`,
    );
  }
}

/** Gives every request the same answer. */
export function answering(status: number, body = '', headers: Readonly<Record<string, string>> = {}): React {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  };
}
