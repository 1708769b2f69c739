import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startEmbeddedBrigade } from '../../src/embedded-brigade/embedded-brigade.ts';
import { checkProject, type Project } from '../../src/embedded-brigade/project.ts';
import { detail } from '../../src/embedded-brigade/schemas/check.ts';

/**
 * A request and what the real Brigade 2.6.0 API server answered. Steps follow on one another, from an empty server on.
 * `<uuid>`, `<token>`, `<time>` and `<version>` stand for whatever the server chose.
 */
interface Step {
  readonly name: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly auth?: string;
    readonly raw?: string;
    readonly body?: unknown;
  };
  /** Name of the variable to where in the answer it stands. */
  readonly save?: Readonly<Record<string, string>>;
  readonly response: {
    readonly status: number;
    readonly contentType: string | null;
    readonly json?: unknown;
    readonly text?: string;
    readonly projects?: readonly string[];
  };
}

const steps: readonly Step[] = JSON.parse(readFileSync(new URL('brigade-v2.6.0.json', import.meta.url), 'utf8'));

const folder = await mkdtemp(join(tmpdir(), 'conformance-'));
const projects: Project[] = [];
const brigade = await startEmbeddedBrigade({
  port: 0,
  database: join(folder, 'brigade.db'),
  projects: () => projects,
  onFault: (fault) => assert.fail(String(fault)),
});
after(async () => {
  await brigade.close();
  await rm(folder, { recursive: true });
});

const variables = new Map([['rootPassword', 'correct horse']]);

interface Unspoken {
  readonly reason: string;
  /** Does what the endpoint would do, by another way; only where later steps need it. */
  readonly perform?: (step: Step) => void;
}

const SESSIONS = 'logging in';
const ACCOUNTS = 'managing service accounts';
const ROLES = 'managing roles';
const PROJECTS = 'managing projects';
const WORKERS = 'cancelling a worker';

/** The steps with endpoints that are not spoken yet, by name. Whoever adds an endpoint takes its steps from here. */
const UNSPOKEN: Readonly<Record<string, Unspoken>> = {
  'login without basic auth': { reason: SESSIONS },
  'login with a wrong password': { reason: SESSIONS },
  'root logs in': { reason: SESSIONS, perform: () => variables.set('root', brigade.accounts.openRootSession()) },
  'a service account is created': { reason: ACCOUNTS, perform: createGatewayAccount },
  'the same service account again': {
    reason: ACCOUNTS,
    perform: () => assert.equal(brigade.accounts.createServiceAccount('gateway-v', 'gateway'), undefined),
  },
  'a service account with a bad id': { reason: ACCOUNTS },
  'a role for an unknown service account': { reason: ROLES, perform: () => assert.ok(!grantRole('nobody')) },
  'the role is granted': { reason: ROLES, perform: () => assert.ok(grantRole('gateway-v')) },
  'roles of the service account': { reason: ROLES },
  'project acr-all is created': { reason: PROJECTS, perform: createProject },
  'project acr-push is created': { reason: PROJECTS, perform: createProject },
  'project acr-label is created': { reason: PROJECTS, perform: createProject },
  'project acr-label2 is created': { reason: PROJECTS, perform: createProject },
  'project acr-noqual is created': { reason: PROJECTS, perform: createProject },
  'project acr-two is created': { reason: PROJECTS, perform: createProject },
  'a project twice': { reason: PROJECTS },
  'a project with an invalid id': { reason: PROJECTS, perform: refuseProject },
  'a project made by a service account': { reason: PROJECTS },
  'a project is read': { reason: PROJECTS },
  'a project that is not there': { reason: PROJECTS },
  'an event is cancelled': { reason: WORKERS },
  'and cancelled again': { reason: WORKERS },
  'a project is deleted': { reason: PROJECTS },
};

function createGatewayAccount(): void {
  const token = brigade.accounts.createServiceAccount('gateway-v', 'gateway');
  assert.match(token ?? '', /^[A-Za-z0-9]{256}$/);
  variables.set('sa', token ?? '');
}

function grantRole(serviceAccount: string): boolean {
  return brigade.accounts.grant(serviceAccount, { role: 'EVENT_CREATOR', source: 'brigade.sh/acr' });
}

function createProject({ request }: Step): void {
  const checked = checkProject(request.body);
  assert.ok(checked.kind === 'valid');
  projects.push(checked.value);
}

function refuseProject({ request, response }: Step): void {
  const checked = checkProject(request.body);
  assert.ok(checked.kind === 'invalid');
  assert.deepEqual(checked.violations.map(detail).sort(), Object(response.json).details);
}

function filled(text: string): string {
  return text.replace(/\$\{(\w+)\}/g, (_, name) => variables.get(name) ?? assert.fail(`no ${name} was saved`));
}

async function send(request: Step['request']): Promise<{ response: Response; text: string }> {
  const response = await fetch(brigade.address + filled(request.path), {
    method: request.method,
    redirect: 'manual',
    headers: request.auth === undefined ? {} : { authorization: encoded(filled(request.auth)) },
    ...(request.raw !== undefined && { body: request.raw }),
    ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
  });
  return { response, text: await response.text() };
}

/** The transcript has `Basic user:password` as it stands before it is encoded. */
function encoded(authorization: string): string {
  return authorization.replace(/(?<=^Basic ).*/, (credentials) => Buffer.from(credentials).toString('base64'));
}

function save(step: Step, text: string): void {
  for (const [variable, path] of Object.entries(step.save ?? {})) {
    const value = path.split('.').reduce((inner, key) => Object(inner)[key], JSON.parse(text));
    variables.set(variable, String(value));
  }
}

/** With the placeholders of the transcript in place of what a server chooses itself, and with sorted details. */
function normalized(text: string): unknown {
  const body = text
    .replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, '<uuid>')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>')
    .replace(/(?<="Version":")[^"]+/, '<version>')
    .replace(/(?<="Commit":")[^"]+/, '<commit>');
  return JSON.parse(body, (key, value) => (key === 'details' ? value.sort() : value));
}

function projectsIn(text: string, listed: boolean): readonly string[] {
  const items: readonly { projectID: string }[] = JSON.parse(text).items ?? [];
  const ids = items.map(({ projectID }) => projectID);
  return listed ? ids.sort() : ids;
}

for (const step of steps) {
  const unspoken = UNSPOKEN[step.name];
  if (unspoken) {
    test(`${step.name}: ${unspoken.reason} is not spoken yet`, async () => {
      unspoken.perform?.(step);
      const { text } = await send(step.request);
      assert.equal(text, '404 page not found\n');
    });
    continue;
  }
  test(`${step.name}: as Brigade 2.6.0 answers`, async () => {
    const { response, text } = await send(step.request);
    save(step, text);
    const expected = step.response;
    assert.equal(response.status, expected.status);
    assert.equal(response.headers.get('content-type'), expected.contentType);
    if (expected.text !== undefined) assert.equal(text, expected.text);
    if (expected.projects) assert.deepEqual(projectsIn(text, step.request.method === 'GET'), expected.projects);
    // As texts: the order of the keys counts.
    if ('json' in expected) assert.equal(JSON.stringify(normalized(text)), JSON.stringify(expected.json));
  });
}

test('every step that is not spoken yet is in the transcript', () => {
  const names = new Set(steps.map(({ name }) => name));
  assert.deepEqual(
    Object.keys(UNSPOKEN).filter((name) => !names.has(name)),
    [],
  );
});
