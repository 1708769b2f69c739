import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../bin.js', import.meta.url));
const WEBHOOK_TOKEN = 'a webhook token of these tests';

/** What is not there by then never comes. */
const PATIENCE_MS = 30_000;

/** A folder that goes when the test ends. */
export function temporaryFolder(context: TestContext): string {
  const folder = createFolder();
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function createFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'disk-'));
  // Also a user without rights is to get into it.
  chmodSync(folder, 0o755);
  return folder;
}

/** Mounts a file system in memory of that size; skips the test and returns undefined where that is not allowed. */
export function mountMemory(context: TestContext, size: string): string | undefined {
  const folder = createFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'none', folder], { stdio: 'pipe' });
  } catch {
    rmdirSync(folder);
    context.skip('mounting a file system is not allowed here');
    return undefined;
  }
  context.after(() => {
    execFileSync('umount', ['--lazy', folder]);
    rmdirSync(folder);
  });
  return folder;
}

/** Tries until it is so. */
export async function eventually(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await isSo())) {
    assert.ok(performance.now() < deadline, `still not: ${what}`);
    await sleep(25);
  }
}

/** As much of a Brigade as takes events. */
export class Brigade {
  /** Ids of the events that it was given, in order. */
  readonly taken: string[] = [];
  readonly #server: Server;
  #held: (() => void)[] | undefined;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(context: TestContext): Promise<Brigade> {
    const server = createServer();
    const brigade = new Brigade(server);
    server.on('request', (request, response) => void brigade.#answer(request, response));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    context.after(() => {
      server.close();
      server.closeAllConnections();
    });
    return brigade;
  }

  get address(): string {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : '';
  }

  /** Answers nothing any more. */
  hold(): void {
    this.#held = [];
  }

  /** Answers all that it owes, and at once from now on. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const answer of held) answer();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    await this.#answering();
    if (request.url === '/v2/events' && request.method === 'POST') this.#take(body);
    response.writeHead(request.method === 'POST' ? 201 : 200, { 'content-type': 'application/json' });
    response.end('{"kind":"EventList","apiVersion":"brigade.sh/v2","metadata":{},"items":[]}');
  }

  #answering(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#held === undefined) resolve();
      else this.#held.push(resolve);
    });
  }

  #take(body: string): void {
    const event: { readonly projectID?: string; readonly payload?: string } = JSON.parse(body);
    // The preflight is for a project, the events of registries are for whoever subscribes.
    if (event.projectID === undefined) this.taken.push(JSON.parse(event.payload ?? '{}').id);
  }
}

export interface LogLine {
  readonly msg: string;
  readonly level: string;
  readonly [field: string]: unknown;
}

export interface StartOptions {
  readonly context: TestContext;
  readonly brigade: Brigade;
  /** Path of the journal's database. */
  readonly journal: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A command that runs the gateway: `strace -o FILE`, `setpriv --reuid N`. */
  readonly runner?: readonly string[];
}

/** A gateway as people run it: a process. */
export class GatewayProcess {
  readonly #child: ChildProcess;
  readonly lines: LogLine[] = [];
  /** What it printed for people. */
  printed = '';
  /** Resolves to its exit code, or to the signal that ended it. */
  readonly ended: Promise<number | string>;
  #isEnded = false;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.ended = once(child, 'close').then(([code, signal]) => code ?? signal);
    void this.ended.then(() => {
      this.#isEnded = true;
    });
    child.stderr?.on('data', (data) => {
      this.printed += String(data);
    });
    const { stdout } = child;
    if (stdout !== null) createInterface({ input: stdout }).on('line', (line) => this.lines.push(JSON.parse(line)));
  }

  /** Starts one without waiting for it. */
  static spawn({ context, brigade, journal, env = {}, runner = [] }: StartOptions): GatewayProcess {
    const tokens = join(temporaryFolder(context), 'tokens.json');
    writeFileSync(tokens, JSON.stringify({ ci: WEBHOOK_TOKEN }));
    const [command = '', ...args] = [...runner, process.execPath, BIN, 'serve'];
    const child = spawn(command, args, {
      env: {
        PATH: process.env['PATH'],
        API_ADDRESS: brigade.address,
        API_TOKEN: 'a token for Brigade',
        TOKENS_PATH: tokens,
        HOST: '127.0.0.1',
        PORT: '0',
        ADMIN_PORT: '0',
        JOURNAL_URL: `sqlite:${journal}`,
        JOURNAL_RESERVE: '0',
        ...env,
      },
    });
    const gateway = new GatewayProcess(child);
    context.after(() => gateway.kill());
    return gateway;
  }

  static async start(options: StartOptions): Promise<GatewayProcess> {
    const gateway = GatewayProcess.spawn(options);
    await gateway.line('gateway.started');
    return gateway;
  }

  get pid(): number {
    return this.#child.pid ?? assert.fail('it has no process');
  }

  /** The first line of that name, once it is there. */
  async line(msg: string): Promise<LogLine> {
    const find = () => this.lines.find((line) => line.msg === msg);
    await eventually(`${msg} is logged`, () => {
      assert.ok(!this.#isEnded || find() !== undefined, `it ended before ${msg}: ${this.printed}`);
      return find() !== undefined;
    });
    return find() ?? assert.fail();
  }

  /** Sends the webhook of a push. */
  async push(id: string, padding = 0): Promise<Response> {
    const { ingestPort } = await this.line('gateway.started');
    return fetch(`http://127.0.0.1:${ingestPort}/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${WEBHOOK_TOKEN}`, 'content-type': 'application/json' },
      body: pushBody(id, padding),
    });
  }

  /** Sends any request of a caller who is known. */
  async send(method: string, headers: object, body?: unknown): Promise<Response> {
    const { ingestPort } = await this.line('gateway.started');
    return fetch(`http://127.0.0.1:${ingestPort}/events`, {
      method,
      headers: { authorization: `Bearer ${WEBHOOK_TOKEN}`, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async readyz(): Promise<number> {
    const { adminPort } = await this.line('gateway.started');
    const answer = await fetch(`http://127.0.0.1:${adminPort}/readyz`);
    await answer.text();
    return answer.status;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    if (!this.#isEnded) this.#child.kill('SIGKILL');
    await this.ended;
  }
}

export function pushBody(id: string, padding = 0): string {
  return JSON.stringify({
    id,
    timestamp: '2025-09-01T12:00:00.1234567Z',
    action: 'push',
    target: {
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      size: 524,
      digest: digestOf(id),
      length: 524,
      repository: 'hello-world',
      tag: 'v1',
    },
    request: { id: `request of ${id}`, host: 'example.azurecr.io', method: 'PUT', useragent: 'a'.repeat(padding) },
  });
}

/** 64 characters of hexadecimal that tell pushes apart. */
export function digestOf(id: string): string {
  return `sha256:${Buffer.from(id).toString('hex').padEnd(64, '0').slice(0, 64)}`;
}
