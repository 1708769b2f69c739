import { connect, type Socket } from 'node:net';
import { type BodyKind, bodyOf, headersOf } from './bodies.ts';

/** What to send: as fast as the connections answer, or at a fixed rate whatever the answers. */
export interface LoadPlan {
  readonly port: number;
  readonly token: string;
  readonly connections: number;
  /** Open loop: requests a second. Absent: closed loop. */
  readonly ratePerSecond?: number;
  /** Ends after that many milliseconds or requests, whichever comes first. */
  readonly ms: number;
  readonly requests?: number;
  /** Absent: native webhooks. */
  readonly body?: BodyKind;
  /** Size of each push, bytes; at least that of a plain one. */
  readonly bodyBytes: number;
  /** Distinguishes the event ids of one run from those of another. */
  readonly run: string;
}

export interface LoadResult {
  readonly ok: number;
  readonly failed: number;
  readonly seconds: number;
  /** Milliseconds from sending (open loop: from when it was due) to the whole answer. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Sends webhooks and measures. Its own minimal HTTP client costs little beside what it measures. */
export async function load(plan: LoadPlan): Promise<LoadResult> {
  const run = new Run(plan);
  return plan.ratePerSecond === undefined ? run.closedLoop() : run.openLoop(plan.ratePerSecond);
}

class Run {
  readonly #plan: LoadPlan;
  readonly #latencies: number[] = [];
  readonly #idle: Client[] = [];
  readonly #due: number[] = [];
  #sent = 0;
  #ok = 0;
  #failed = 0;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
  }

  async closedLoop(): Promise<LoadResult> {
    const { connections, ms, requests = Number.POSITIVE_INFINITY } = this.#plan;
    const started = performance.now();
    const client = async () => {
      const connection = await Client.open(this.#plan.port);
      while (performance.now() - started < ms && this.#sent < requests) await this.#one(connection, performance.now());
      connection.close();
    };
    await Promise.all(Array.from({ length: connections }, client));
    return this.#result((performance.now() - started) / 1000);
  }

  async openLoop(ratePerSecond: number): Promise<LoadResult> {
    const { connections, ms } = this.#plan;
    this.#idle.push(...(await Promise.all(Array.from({ length: connections }, () => Client.open(this.#plan.port)))));
    const started = performance.now();
    const running = new Set<Promise<void>>();
    for (let n = 0; performance.now() - started < ms; ) {
      for (; (n * 1000) / ratePerSecond <= performance.now() - started; n++) {
        this.#due.push(started + (n * 1000) / ratePerSecond);
        const one = this.#next();
        if (one === undefined) continue;
        const ended: Promise<void> = one.finally(() => running.delete(ended));
        running.add(ended);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const seconds = (performance.now() - started) / 1000;
    while (running.size > 0) await Promise.all(running);
    for (const client of this.#idle) client.close();
    return this.#result(seconds);
  }

  /** Sends what is due over a connection that is idle; both wait for each other. */
  #next(): Promise<void> | undefined {
    const client = this.#idle.pop();
    if (client === undefined) return undefined;
    const due = this.#due.shift();
    if (due === undefined) {
      this.#idle.push(client);
      return undefined;
    }
    return this.#one(client, due).then(() => {
      this.#idle.push(client);
      return this.#next();
    });
  }

  async #one(client: Client, due: number): Promise<void> {
    const status = await client.send(this.#request(this.#sent++));
    this.#latencies.push(performance.now() - due);
    if (status === 200) this.#ok++;
    else this.#failed++;
  }

  #request(n: number): string {
    const { port, token, body: kind = 'acr', bodyBytes, run } = this.#plan;
    const body = bodyOf(kind, `${run}-${n}`, bodyBytes);
    return (
      `POST /events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUser-Agent: AzureContainerRegistry/1.0\r\n` +
      `Content-Type: application/json\r\n${headersOf(kind)}Authorization: Bearer ${token}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    );
  }

  #result(seconds: number): LoadResult {
    const sorted = Float64Array.from(this.#latencies).sort();
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    return { ok: this.#ok, failed: this.#failed, seconds, p50: at(0.5), p99: at(0.99), max: at(1) };
  }
}

/** One connection with one request at a time. */
class Client {
  readonly #socket: Socket;
  #received = '';
  #answer: (status: number) => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#receive(chunk.toString('latin1')));
    socket.on('close', () => this.#answer(0));
    socket.on('error', () => this.#answer(0));
  }

  static async open(port: number): Promise<Client> {
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new Client(socket);
  }

  /** Resolves to the status, or to 0 when the connection broke. */
  send(request: string): Promise<number> {
    return new Promise((resolve) => {
      this.#answer = resolve;
      if (this.#socket.destroyed) resolve(0);
      else this.#socket.write(request, 'latin1');
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(text: string): void {
    this.#received += text;
    const end = this.#received.indexOf('\r\n\r\n');
    if (end < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(this.#received)?.[1] ?? 0);
    if (this.#received.length < end + 4 + length) return;
    const status = Number(this.#received.slice(9, 12));
    this.#received = '';
    this.#answer(status);
  }
}
