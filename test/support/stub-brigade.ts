import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Changes } from './changes.ts';
import { aFreePort } from './ports.ts';

/** A test, or a benchmark: runs the work when it ends. */
export interface Cleanup {
  after(work: () => unknown): void;
}

/** A Brigade event as the gateway posts it. */
export interface PostedEvent {
  readonly kind: string;
  readonly apiVersion: string;
  readonly projectID?: string;
  readonly source: string;
  readonly type: string;
  readonly qualifiers: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly payload: string;
  readonly sourceState: { readonly state: { readonly eventID: string; readonly delivery: string } };
}

export interface Arrival {
  /** The event id that it carries. */
  readonly id: string;
  readonly event: PostedEvent;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly token: string;
  readonly reaction: Reaction;
}

interface Answer {
  readonly kind: 'answer';
  readonly status: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly delayMs?: number;
  /** Not before this resolves. */
  readonly after?: Promise<unknown>;
}

/** How the stub reacts to a request. */
export type Reaction = Answer | { readonly kind: 'reset' } | { readonly kind: 'hang' };

export const CREATED = {
  kind: 'answer',
  status: 201,
  body: '{"kind":"EventList","items":[{"metadata":{"id":"created-1"},"projectID":"hello"}]}',
} as const;

/** An error in Brigade's format. */
export function anError(status: number, reason: string, headers: Readonly<Record<string, string>> = {}): Reaction {
  const body = JSON.stringify({ apiVersion: 'brigade.sh/v2', kind: 'Error', reason });
  return { kind: 'answer', status, body, headers };
}

const WHO: Reaction = { kind: 'answer', status: 200, body: '{"type":"SERVICE_ACCOUNT","id":"stub"}' };
const PING: Reaction = { kind: 'answer', status: 200, body: '{"kind":"PingResponse","Version":"v2.6.0"}' };
const NOTHING_CREATED: Reaction = { kind: 'answer', status: 201, body: '{"kind":"EventList","items":[]}' };

/**
 * A server with the part of Brigade's API that the gateway uses. It creates every event unless a test sets another
 * reaction, and records each.
 */
export class StubBrigade {
  readonly arrivals: Arrival[] = [];
  /** The reaction to an event. */
  onEvent: (event: PostedEvent, token: string) => Reaction = () => CREATED;
  /** The reaction to both requests of a preflight; undefined: the right one. */
  onProbe: (token: string) => Reaction | undefined = () => undefined;
  readonly #taken = new Set<string>();
  #probes = 0;
  readonly #changes = new Changes();
  #server: Server | undefined;
  #port = 0;

  private constructor() {}

  static async start(t: Cleanup): Promise<StubBrigade> {
    const stub = new StubBrigade();
    t.after(() => stub.goDown());
    stub.#port = await aFreePort();
    await stub.comeBack();
    return stub;
  }

  get address(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get probes(): number {
    return this.#probes;
  }

  get ids(): readonly string[] {
    return this.arrivals.map(({ id }) => id);
  }

  arrivalsOf(id: string): readonly Arrival[] {
    return this.arrivals.filter((arrival) => arrival.id === id);
  }

  /** The ids of the events that got the answer of a created event. */
  get taken(): ReadonlySet<string> {
    return this.#taken;
  }

  until(condition: (stub: this) => boolean): Promise<true> {
    return this.#changes.until(
      () => (condition(this) ? true : undefined),
      () =>
        `${condition}; arrived: ${this.arrivals.map(({ id, reaction }) => `${id} ${describe(reaction)}`).join(', ')}`,
    );
  }

  async untilTaken(...ids: readonly string[]): Promise<void> {
    await this.#changes.until(
      () => (ids.every((id) => this.#taken.has(id)) ? true : undefined),
      () => {
        const missing = ids.filter((id) => !this.#taken.has(id));
        return `${missing.length} never taken: ${missing.slice(0, 20).join(', ')}`;
      },
    );
  }

  /** Refuses connections from now on, and cuts those that are open. */
  goDown(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#server === undefined) return resolve();
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
      this.#server = undefined;
    });
  }

  /** Listens at the same address as before. */
  comeBack(): Promise<void> {
    return new Promise((resolve, reject) => {
      const server = createServer((request, response) => {
        // Tests cut connections in the middle.
        this.#serve(request, response).catch(() => response.destroy());
      });
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', () => {
        this.#server = server;
        resolve();
      });
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    if (request.url === '/v2/whoami') {
      await perform(this.onProbe(token) ?? WHO, response);
      return;
    }
    if (request.url === '/v2/ping') {
      await perform(PING, response);
      return;
    }
    const event: PostedEvent = JSON.parse(Buffer.concat(chunks).toString());
    if (event.projectID === undefined) return this.#take(event, token, response);
    await perform(this.onProbe(token) ?? NOTHING_CREATED, response);
    this.#probes += 1;
    this.#changes.notify();
  }

  async #take(event: PostedEvent, token: string, response: ServerResponse): Promise<void> {
    const reaction = this.onEvent(event, token);
    const id = event.sourceState.state.eventID;
    this.arrivals.push({ id, event, at: Date.now(), token, reaction });
    this.#changes.notify();
    const answer = await perform(reaction, response);
    if (answer?.body !== CREATED.body) return;
    this.#taken.add(id);
    this.#changes.notify();
  }
}

/** Resolves to the answer, unless there was none or the client was gone by then. */
async function perform(reaction: Reaction, response: ServerResponse): Promise<Answer | undefined> {
  if (reaction.kind === 'hang') return undefined;
  if (reaction.kind === 'reset') {
    response.socket?.resetAndDestroy();
    return undefined;
  }
  if (reaction.delayMs !== undefined) await sleep(reaction.delayMs);
  await reaction.after;
  const isHeard = !response.destroyed;
  response.writeHead(reaction.status, { 'content-type': 'application/json', ...reaction.headers });
  response.end(reaction.body ?? '');
  return isHeard ? reaction : undefined;
}

function describe(reaction: Reaction): string {
  return reaction.kind === 'answer' ? String(reaction.status) : reaction.kind;
}
