import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Cleanup } from './stub-brigade.ts';

export interface BrigAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/**
 * Sends what the real `brig` 2.6.0 sends, as recorded through a proxy: no Content-Type, Go's User-Agent, the address
 * verbatim before `/v2`, every command one request on a connection that is kept alive.
 */
export class Brig {
  readonly #server: string;
  readonly #agent = new Agent({ keepAlive: true });
  #authorization = '';

  constructor(t: Cleanup, server: string) {
    this.#server = server;
    t.after(() => this.#agent.destroy());
  }

  /** `brig login --root`, with an empty body. */
  async login(password: string): Promise<BrigAnswer> {
    this.#authorization = `Basic ${Buffer.from(`root:${password}`).toString('base64')}`;
    const answer = await this.send('POST', '/v2/sessions?root=true');
    if (answer.status === 201) this.use(JSON.parse(answer.body).value);
    return answer;
  }

  use(token: string): void {
    this.#authorization = `Bearer ${token}`;
  }

  send(method: string, path: string, body = ''): Promise<BrigAnswer> {
    const headers = {
      'User-Agent': 'Go-http-client/1.1',
      ...(method === 'GET' || (body === '' && method === 'DELETE')
        ? {}
        : { 'Content-Length': Buffer.byteLength(body) }),
      Accept: 'application/json',
      Authorization: this.#authorization,
      'Accept-Encoding': 'gzip',
    };
    const { host, port } = new URL(this.#server);
    const prefix = this.#server.slice(this.#server.indexOf(host) + host.length);
    return new Promise((resolve, reject) => {
      const sent = request({ port, host: '127.0.0.1', agent: this.#agent, method, headers, path: prefix + path });
      sent.on('error', reject);
      sent.on('response', (response) => {
        const { statusCode: status = 0, headers } = response;
        text(response).then((answered) => resolve({ status, headers, body: answered }), reject);
      });
      sent.end(body);
    });
  }
}
