import { connect, createServer } from 'node:net';
import type { Cleanup } from '../support/stub-brigade.ts';

/** One of the loopback's sixteen million addresses: every pod and Service has its own, and the ports of the manifest. */
export function anAddress(): string {
  const part = () => 1 + Math.floor(Math.random() * 250);
  return `127.${part()}.${part()}.${part()}`;
}

/** A Service as kube-proxy implements it: new connections go to its endpoints in turn, and open ones stay. */
export class Service {
  readonly address = anAddress();
  readonly port: number;
  #endpoints: readonly string[];
  #turn = 0;

  private constructor(port: number, endpoints: readonly string[]) {
    this.port = port;
    this.#endpoints = endpoints;
  }

  static async start(t: Cleanup, port: number, targetPort: number, endpoints: readonly string[]): Promise<Service> {
    const service = new Service(port, endpoints);
    const server = createServer((socket) => {
      const host = service.#endpoints[service.#turn++ % service.#endpoints.length];
      const pod = connect({ host: host ?? '', port: targetPort });
      const ends = [socket, pod];
      for (const end of ends) end.on('error', () => ends.map((each) => each.destroy()));
      socket.pipe(pod).pipe(socket);
    });
    t.after(() => server.close());
    await new Promise<void>((resolve, reject) => {
      server.on('error', reject);
      server.listen({ host: service.address, port }, resolve);
    });
    return service;
  }

  lead(endpoints: readonly string[]): void {
    this.#endpoints = endpoints;
  }
}
