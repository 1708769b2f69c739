import { fork } from 'node:child_process';
import { fdatasync, mkdtempSync, openSync, rmSync, writev } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TOKEN } from './gateway.ts';
import { type LoadPlan, type LoadResult, load } from './load.ts';

// The other processes of a benchmark, started by run.ts as `node peers.ts ROLE`: each has a core's worth of its own.

/** A bare `node:http` server that reads the body and answers 200: no gateway in this language can be faster. */
function floor(): void {
  const answer = '{"status":"success"}';
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      Buffer.concat(chunks);
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length });
      response.end(answer);
    });
  });
  server.listen(0, '127.0.0.1', () => reportPort(server.address()));
}

/**
 * The floor with every body on the disk before its answer: appended to one file, with a sync for all that came meanwhile. No
 * gateway that keeps its promise can be faster on this disk, whatever its journal.
 */
function durableFloor(): void {
  const answer = '{"status":"success"}';
  const folder = mkdtempSync(join(tmpdir(), 'bench-floor-'));
  process.on('exit', () => rmSync(folder, { recursive: true }));
  const file = openSync(join(folder, 'log'), 'a');
  let waiting: { readonly body: Buffer; readonly response: ServerResponse }[] = [];
  let isSyncing = false;
  const sync = () => {
    if (waiting.length === 0) return;
    isSyncing = true;
    const batch = waiting;
    waiting = [];
    writev(
      file,
      batch.map(({ body }) => body),
      (failure) => {
        if (failure) throw failure;
        fdatasync(file, () => {
          isSyncing = false;
          const headers = { 'content-type': 'application/json', 'content-length': answer.length };
          for (const { response } of batch) response.writeHead(200, headers).end(answer);
          sync();
        });
      },
    );
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      waiting.push({ body: Buffer.concat(chunks), response });
      if (!isSyncing) sync();
    });
  });
  server.listen(0, '127.0.0.1', () => reportPort(server.address()));
}

/** A Brigade that creates every event, after that many milliseconds. */
function brigade(delayMs: number, port: number): void {
  let count = 0;
  const created = JSON.stringify({
    kind: 'EventList',
    apiVersion: 'brigade.sh/v2',
    metadata: { remainingItemCount: 0 },
    items: [{ kind: 'Event', metadata: { id: 'cde473d5-1c0f-4b8e-9a53-0d2f6c1e7b90' }, projectID: 'acr-demo' }],
  });
  const whoami = JSON.stringify({ kind: 'PrincipalReference', type: 'SERVICE_ACCOUNT', id: 'bench' });
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      const isEvent = request.method === 'POST';
      const answer = isEvent ? created : whoami;
      if (isEvent) count++;
      const send = () => {
        const headers = { 'content-type': 'application/json', 'content-length': answer.length };
        response.writeHead(isEvent ? 201 : 200, headers).end(answer);
      };
      if (delayMs > 0) setTimeout(send, delayMs);
      else send();
    });
  });
  server.listen(port, '127.0.0.1', () => reportPort(server.address()));
  process.on('message', () => process.send?.({ count }));
}

function generator(): void {
  process.on('message', (plan: LoadPlan) => {
    load(plan).then(
      (result) => process.send?.({ result }),
      (error: unknown) => process.send?.({ error: String(error) }),
    );
  });
  process.send?.({ port: 0 });
}

function reportPort(address: ReturnType<ReturnType<typeof createServer>['address']>): void {
  process.send?.({ port: typeof address === 'object' ? address?.port : undefined });
}

/** Starts this file in a role; resolves once it listens. */
export async function startPeer(
  role: 'floor' | 'durable-floor' | 'brigade' | 'generator',
  ...args: string[]
): Promise<Peer> {
  const child = fork(new URL(import.meta.url).pathname, [role, ...args]);
  const { port } = await new Promise<{ port: number }>((resolve, reject) => {
    child.once('message', (message: { port: number }) => resolve(message));
    child.once('exit', () => reject(new Error(`${role} ended`)));
  });
  return {
    port,
    pid: child.pid ?? 0,
    ask: (message) =>
      new Promise((resolve) => {
        child.once('message', resolve);
        child.send(message);
      }),
    stop: () => {
      child.kill();
    },
  };
}

let runs = 0;

/** Lets the generator send webhooks to a gateway; resolves to what it measured. */
export async function runLoad(
  generator: Peer,
  { token = TOKEN, ...plan }: Omit<LoadPlan, 'run' | 'token'> & { readonly token?: string },
): Promise<LoadResult> {
  runs += 1;
  const { result, error } = await generator.ask({ ...plan, token, run: `${process.pid}-${runs}` });
  if (error !== undefined) throw new Error(error);
  if (result.failed > 0) process.stderr.write(`${result.failed} requests failed\n`);
  return result;
}

export interface Peer {
  readonly port: number;
  readonly pid: number;
  ask(message: object): Promise<ReturnType<typeof JSON.parse>>;
  stop(): void;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const [, , role, delay, port] = process.argv;
  process.on('disconnect', () => process.exit());
  process.on('SIGTERM', () => process.exit());
  if (role === 'floor') floor();
  else if (role === 'durable-floor') durableFloor();
  else if (role === 'brigade') brigade(Number(delay), Number(port ?? 0));
  else generator();
}
