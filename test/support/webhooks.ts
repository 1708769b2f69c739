import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { eventually } from './eventually.ts';
import { ADMIN_TOKEN, type ServingGateway, WEBHOOK_TOKEN } from './serve-process.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The body of a push whose event id is its name. */
export function aPush(id: string, target: Fields = {}, request: Fields = {}): string {
  return JSON.stringify({
    id,
    timestamp: '2026-11-22T12:00:00.1234567Z',
    action: 'push',
    target: {
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      size: 524,
      repository: 'hello-world',
      tag: 'v1',
      ...target,
    },
    request: { host: 'example.azurecr.io', method: 'PUT', useragent: 'docker/27.0', ...request },
  });
}

/** That many event ids: `prefix-0`, `prefix-1`, … */
export function names(prefix: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, number) => `${prefix}-${number}`);
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly text: string;
}

export interface Request {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

const AUTHORIZED = { authorization: `Bearer ${WEBHOOK_TOKEN}` };

/** Sends a request on a connection of its own. Rejects without an answer. */
export function exchange(
  port: number,
  { method = 'POST', path = '/events', headers, body }: Request,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const given = { 'content-length': String(Buffer.byteLength(body ?? '')), ...headers };
    const request = httpRequest({ host: '127.0.0.1', port, method, path, headers: given, agent: false });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    request.end(body);
  });
}

/** Sends a webhook with the token of the caller `ci`. */
export function send(
  { ingestPort }: ServingGateway,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<HttpAnswer> {
  return exchange(ingestPort, { body, headers: { ...AUTHORIZED, 'content-type': 'application/json', ...headers } });
}

/** One event of a receipt. */
export interface EventReceipt {
  readonly id: string;
  readonly result: string;
  readonly seq?: number;
  readonly reason?: string;
}

/** Sends a webhook that must be accepted; resolves to the sequence number of its event. */
export async function accept(gateway: ServingGateway, body: string | Uint8Array): Promise<number> {
  const { status, text } = await send(gateway, body);
  assert.equal(status, 200, text);
  const [event]: readonly EventReceipt[] = JSON.parse(text).events;
  assert.equal(event?.result, 'accepted', text);
  return event?.seq ?? assert.fail(text);
}

/** Sends a push of that name, which must be accepted. */
export function push(gateway: ServingGateway, id: string): Promise<number> {
  return accept(gateway, aPush(id));
}

/** An event in the admin API. */
export interface AdminEvent {
  readonly state: 'pending' | 'delivered' | 'dead-lettered';
  readonly dueAt?: string;
  readonly delivery: number;
  readonly deadLetter?: { readonly reason: string; readonly detail: string };
  readonly attempts: readonly {
    readonly at: string;
    readonly outcome: { readonly kind: string; readonly detail?: string };
    readonly decision: string;
  }[];
}

export async function adminGet(gateway: ServingGateway, path: string): Promise<HttpAnswer> {
  return exchange(gateway.adminPort, { method: 'GET', path, headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
}

/** The value of a series, such as `acr_gateway_events_total{result="accepted",caller="ci"}`; NaN if there is none. */
export async function metricOf(gateway: ServingGateway, series: string): Promise<number> {
  const { text } = await adminGet(gateway, '/metrics');
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return Number(line?.slice(series.length) ?? Number.NaN);
}

/** Resolves once `/readyz` answers with that status, which no log line reports. */
export function untilReadyz(gateway: ServingGateway, status: 200 | 503): Promise<void> {
  return eventually(`/readyz answers ${status}`, async () => (await adminGet(gateway, '/readyz')).status === status);
}

/** Resolves once the journal has stored that the event is delivered: the line is logged after that. */
export async function untilCompleted({ process }: ServingGateway, id: string): Promise<void> {
  await process.line(
    'delivery.attempted',
    (line) => line['id'] === id && line['decision'] === 'complete' && line['isStale'] === undefined,
  );
}

export async function eventOf(gateway: ServingGateway, seq: number): Promise<AdminEvent> {
  const { status, text } = await adminGet(gateway, `/api/events/${seq}`);
  assert.equal(status, 200, text);
  return JSON.parse(text);
}

/** The settings of a command that uses the admin port. */
export function operatorEnv({ adminPort }: ServingGateway): Readonly<Record<string, string>> {
  return { ADMIN_URL: `http://127.0.0.1:${adminPort}`, ADMIN_TOKEN };
}
