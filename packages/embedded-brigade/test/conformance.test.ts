import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startEmbeddedBrigade } from '../src/embedded-brigade.ts';

/**
 * A request and the answer of the real Brigade 2.6.0 API server. The steps run in order, from an empty server on. `<uuid>`,
 * `<token>`, `<time>` and `<version>` stand for what the server chose.
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
  /** Path in the answer by the name of the variable that stores the value. */
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
const rootPassword = 'correct horse';
const brigade = await startEmbeddedBrigade({
  port: 0,
  database: join(folder, 'brigade.db'),
  rootPassword,
  onFault: (fault) => assert.fail(String(fault)),
});
after(async () => {
  await brigade.close();
  await rm(folder, { recursive: true });
});

const variables = new Map([['rootPassword', rootPassword]]);

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

/** The transcript has `Basic user:password` before encoding. */
function encoded(authorization: string): string {
  return authorization.replace(/(?<=^Basic ).*/, (credentials) => Buffer.from(credentials).toString('base64'));
}

function save(step: Step, text: string): void {
  for (const [variable, path] of Object.entries(step.save ?? {})) {
    const value = path.split('.').reduce((inner, key) => Object(inner)[key], JSON.parse(text));
    variables.set(variable, String(value));
  }
}

/** With placeholders for what a server chooses, as in the transcript, and with sorted details. */
function normalized(text: string): unknown {
  const body = text
    .replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, '<uuid>')
    .replace(/(?<="value":")[A-Za-z\d]{256}(?=")/, '<token>')
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
