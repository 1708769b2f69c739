import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** The connections of one server, also those that node:http does not know yet because they still shake hands for TLS. */
export class Connections {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  /** Closes the listener and what is idle at once, and cuts what is left after `graceMs`. */
  close(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#cut(() => true), graceMs);
      this.#server.close(() => {
        clearTimeout(timer);
        resolve();
      });
      // To node:http a connection that never said a word is not idle.
      this.#cut((socket) => socket.bytesRead === 0);
    });
  }

  #cut(chosen: (socket: Socket) => boolean): void {
    for (const socket of this.#sockets) {
      if (chosen(socket)) socket.destroy();
    }
  }
}
