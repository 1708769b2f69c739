import { connect } from 'node:http2';
import { request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { Changes } from '../support/changes.ts';
import { aPush } from '../support/webhooks.ts';
import { HOST } from './proxy.ts';

/** ACR waits about five seconds, and never retries. */
const ACR_PATIENCE_MS = 5_000;

/** Concurrent webhooks. */
const LANES = 4;

/** Between two webhooks of a lane, so that the load leaves the processor to what it tests. */
const PAUSE_MS = 50;

export interface Sent {
  readonly id: string;
  /** Milliseconds of the epoch when it was sent, and when its result was known. */
  readonly from: number;
  readonly to: number;
  /** The status of the answer, or why there was none. */
  readonly answer: number | string;
}

export interface Target {
  readonly host?: string;
  readonly port: number;
  readonly protocol: 'h1' | 'h2';
}

/** Sends one webhook as ACR does, over TLS and on a connection of its own. Never rejects. */
export async function sendOnce(target: Target, id: string, token: string): Promise<Sent> {
  const from = Date.now();
  const sending = (target.protocol === 'h2' ? overHttp2 : overHttp1)(target, aPush(id), token);
  const answer = await sending.catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
  return { id, from, to: Date.now(), answer };
}

function overHttp1({ host = '127.0.0.1', port }: Target, body: string, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', host: HOST };
  const where = { host, port, servername: HOST, path: '/events', method: 'POST', rejectUnauthorized: false };
  return new Promise((resolve, reject) => {
    const sent = request({ ...where, headers, agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
      response.on('error', reject);
    });
    sent.setTimeout(ACR_PATIENCE_MS, () => sent.destroy(new Error('no answer')));
    sent.on('error', reject);
    sent.end(body);
  });
}

function overHttp2({ host = '127.0.0.1', port }: Target, body: string, token: string): Promise<number> {
  const options = { servername: HOST, rejectUnauthorized: false, ALPNProtocols: ['h2'] };
  return new Promise((resolve, reject) => {
    const session = connect(`https://${host}:${port}`, options);
    const fail = (error: Error) => {
      session.destroy();
      reject(error);
    };
    session.on('error', fail);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/events',
      ':authority': HOST,
      authorization: `Bearer ${token}`,
    });
    stream.setTimeout(ACR_PATIENCE_MS, () => fail(new Error('no answer')));
    stream.on('error', fail);
    let status = 0;
    stream.on('response', (headers) => {
      status = headers[':status'] ?? 0;
    });
    stream.on('end', () => {
      session.close();
      resolve(status);
    });
    stream.resume();
    stream.end(body);
  });
}

/** Sends webhooks at a steady rate until `stop`. */
export class Load {
  readonly sent: Sent[] = [];
  token: string;
  readonly #target: Target;
  readonly #name: string;
  readonly #changes = new Changes();
  readonly #lanes: readonly Promise<void>[];
  #number = 0;
  #isOver = false;

  constructor(target: Target, token: string, name = 'load') {
    this.#target = target;
    this.token = token;
    this.#name = name;
    this.#lanes = Array.from({ length: LANES }, () => this.#lane());
  }

  /** Resolves once that many more have an answer, whatever it is. */
  async more(count: number): Promise<void> {
    const goal = this.sent.length + count;
    await this.#changes.until(
      () => (this.sent.length >= goal ? true : undefined),
      () => `${this.sent.length} of ${goal} webhooks were answered`,
    );
  }

  /** Ends once all requests have an answer; resolves to everything that was sent. */
  async stop(): Promise<readonly Sent[]> {
    this.#isOver = true;
    await Promise.all(this.#lanes);
    return this.sent;
  }

  async #lane(): Promise<void> {
    while (!this.#isOver) {
      this.sent.push(await sendOnce(this.#target, `${this.#name}-${this.#number++}`, this.token));
      this.#changes.notify();
      await sleep(PAUSE_MS);
    }
  }
}
