import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedBrigade, type EmbeddedBrigadeOptions, startEmbeddedBrigade } from '../src/embedded-brigade.ts';

/** Of a test or a suite. */
interface Cleanup {
  after(clean: () => unknown): void;
}

export const ROOT_PASSWORD = 'correct horse';

/** What an API answered. */
export interface ApiAnswer {
  readonly status: number;
  readonly contentType: string | null;
  readonly text: string;
  /** The parsed text, if it is JSON. Each test knows its shape. */
  readonly json: ReturnType<typeof JSON.parse>;
}

/** Talks to a Brigade with one token. */
export class ApiClient {
  readonly address: string;
  readonly token: string;

  constructor(address: string, token: string) {
    this.address = address;
    this.token = token;
  }

  get(path: string): Promise<ApiAnswer> {
    return this.send('GET', path);
  }

  post(path: string, body?: object): Promise<ApiAnswer> {
    return this.send('POST', path, body);
  }

  put(path: string, body?: object): Promise<ApiAnswer> {
    return this.send('PUT', path, body);
  }

  delete(path: string): Promise<ApiAnswer> {
    return this.send('DELETE', path);
  }

  /** A text is sent as it is, an object as JSON. */
  async send(method: string, path: string, body?: object | string): Promise<ApiAnswer> {
    const response = await fetch(this.address + path, {
      method,
      redirect: 'manual',
      headers: { authorization: `Bearer ${this.token}` },
      body: body === undefined || typeof body === 'string' ? (body ?? null) : JSON.stringify(body),
    });
    const text = await response.text();
    const contentType = response.headers.get('content-type');
    return { status: response.status, contentType, text, json: contentType === 'application/json' ? parse(text) : {} };
  }
}

/** `/ping` declares plain text to be JSON. */
function parse(text: string): ReturnType<typeof JSON.parse> {
  return text.startsWith('version ') ? text : JSON.parse(text);
}

export interface TestBrigade {
  readonly brigade: EmbeddedBrigade;
  /** Logged in by password. */
  readonly root: ApiClient;
  /** A service account with a role, or without one. */
  serviceAccount(id: string, role?: string, scope?: string): Promise<ApiClient>;
}

/** An embedded Brigade on a free port, which stores everything in memory. A fault fails the test. */
export async function startTestBrigade(
  t: Cleanup,
  options: Partial<EmbeddedBrigadeOptions> = {},
): Promise<TestBrigade> {
  const brigade = await startEmbeddedBrigade({
    port: 0,
    database: ':memory:',
    rootPassword: ROOT_PASSWORD,
    onFault: (fault) => assert.fail(String(fault)),
    ...options,
  });
  t.after(() => brigade.close());
  const root = await logIn(brigade.address, ROOT_PASSWORD);
  return { brigade, root, serviceAccount: (...account) => makeServiceAccount(root, ...account) };
}

export async function aFolder(t: Cleanup): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'embedded-brigade-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** As `brig login --root`: without a body. */
export async function logIn(address: string, password: string): Promise<ApiClient> {
  const authorization = `Basic ${Buffer.from(`root:${password}`).toString('base64')}`;
  const response = await fetch(`${address}/v2/sessions?root=true`, { method: 'POST', headers: { authorization } });
  assert.equal(response.status, 201);
  return new ApiClient(address, JSON.parse(await response.text()).value);
}

async function makeServiceAccount(root: ApiClient, id: string, role?: string, scope?: string): Promise<ApiClient> {
  const { status, json } = await root.post('/v2/service-accounts', aServiceAccount(id));
  assert.equal(status, 201);
  if (role !== undefined) {
    assert.equal((await root.post('/v2/role-assignments', aRoleAssignment(id, role, scope))).status, 200);
  }
  return new ApiClient(root.address, json.value);
}

const API_VERSION = 'brigade.sh/v2';

export function aServiceAccount(id: string): object {
  return { kind: 'ServiceAccount', apiVersion: API_VERSION, metadata: { id }, description: `This is ${id}` };
}

export function aRoleAssignment(id: string, role: string, scope?: string): object {
  const principal = { type: 'SERVICE_ACCOUNT', id };
  return { kind: 'RoleAssignment', apiVersion: API_VERSION, role, principal, ...(scope !== undefined && { scope }) };
}

/** Gets every event of `brigade.sh/acr` without qualifiers. */
export function aProject(id: string, spec: object = {}): object {
  const eventSubscriptions = [{ source: 'brigade.sh/acr', types: ['*'] }];
  return {
    apiVersion: API_VERSION,
    kind: 'Project',
    metadata: { id },
    spec: { eventSubscriptions, workerTemplate: {}, ...spec },
  };
}

export function anEvent(fields: object = {}): object {
  return { kind: 'Event', apiVersion: API_VERSION, metadata: {}, source: 'brigade.sh/acr', type: 'push', ...fields };
}
