import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { read, sources } from './repository.ts';

/**
 * Who may import what: folders of `src/`, or single files of them (their ports). A folder may always import itself. A `/`
 * at the end stands for what lies directly in a folder of any name.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  model: [],
  config: ['model'],
  auth: ['model'],
  decode: ['model'],
  journal: ['model'],
  brigade: ['model'],
  sink: ['model', 'brigade'],
  receive: [
    'model',
    'auth/authenticator.ts',
    'auth/scope.ts',
    'auth/glob.ts',
    'decode/decoder.ts',
    'journal/journal.ts',
  ],
  deliver: ['model', 'journal/journal.ts', 'sink/sink.ts'],
  // The stages hold neither logger nor metrics: they declare what they tell, and this listens.
  observe: ['model', 'journal/journal.ts', 'sink/sink.ts', 'http/ingest-observer.ts', 'deliver/delivery-observer.ts'],
  http: ['model', 'receive/incoming-webhook.ts'],
  admin: ['model', 'config/schema.ts', 'journal/journal.ts', 'receive/redeliver.ts'],
  'embedded-brigade': ['model', 'brigade'],
  cli: ['gateway', '/'],
  'bin.ts': ['cli/main.ts'],
};

/** The composition root knows everything. */
const COMPOSITION_ROOT = /^gateway\//;

/** Adapters of one port, which never import each other. */
const ADAPTERS: readonly (readonly string[])[] = [
  ['journal/memory/', 'journal/sqlite/'],
  ['sink/brigade', 'sink/cloudevents-http/'],
];

/** What comes from outside appears only where its owner is: what the paths below `src/` begin with. */
const OWNERS: Readonly<Record<string, readonly string[]>> = {
  'node:child_process': ['embedded-brigade/workers/'],
  'node:http': ['http/', 'admin/admin-server.ts', 'sink/http-client.ts', 'embedded-brigade/'],
  'node:https': ['http/'],
  'node:sqlite': ['journal/sqlite/', 'embedded-brigade/'],
  'node:worker_threads': ['journal/sqlite/'],
  '@brigadecore/brigadier': ['embedded-brigade/workers/'],
  '@hono/node-server': ['admin/'],
  ajv: ['embedded-brigade/'],
  commander: ['cli/main.ts'],
  hono: ['admin/'],
  jose: ['auth/'],
  pino: ['observe/log.ts'],
  'pino-pretty': ['observe/log.ts'],
  'prom-client': ['observe/metrics.ts'],
  undici: ['sink/http-client.ts'],
  valibot: ['config/', 'admin/api.ts'],
  yaml: ['config/config-file.ts', 'embedded-brigade/load-projects.ts'],
};

interface Import {
  /** Below `src/`. */
  readonly from: string;
  /** Below `src/`, or the name of what is imported from outside. */
  readonly to: string;
  readonly isOurs: boolean;
}

/** Everything that a file imports, starts as a thread, or loads when needed. */
function importsOf(from: string): readonly Import[] {
  const text = read(join('src', from));
  const found = text.matchAll(/(?:\bfrom |\bimport\(|\bimport |new URL\()'([^']+\.(?:ts|json)|[^.'][^']*)'/g);
  return [...found].map(([, name = '']) => {
    const isOurs = name.startsWith('.');
    return { from, to: isOurs ? join(dirname(from), name) : name, isOurs };
  });
}

/** What the program loads. The other files below `src/` are there for tests. */
function program(): readonly string[] {
  const found = new Set(['bin.ts']);
  for (const from of found) {
    for (const { to, isOurs } of importsOf(from)) if (isOurs && to.endsWith('.ts')) found.add(to);
  }
  return [...found];
}

function folderOf(path: string): string {
  return path.split('/')[0] ?? path;
}

function isAllowed({ from, to }: Import): boolean {
  const folder = folderOf(from);
  if (COMPOSITION_ROOT.test(from) || folder === folderOf(to) || to === '../package.json') return true;
  return (MAY_IMPORT[folder] ?? []).some((rule) => {
    if (rule === '/') return to.split('/').length === 2;
    return rule.endsWith('.ts') ? to === rule : folderOf(to) === rule;
  });
}

function told(imports: readonly Import[]): readonly string[] {
  return imports.map(({ from, to }) => `src/${from} imports ${to}`);
}

describe('imports', () => {
  const files = program();
  const imports = files.flatMap(importsOf);

  it('of the program are found, and lead to no test', () => {
    assert.ok(files.includes('journal/sqlite/worker.ts'));
    assert.ok(files.includes('embedded-brigade/embedded-brigade.ts'));
    const known = new Set(sources().map((path) => path.slice('src/'.length)));
    assert.deepEqual(
      files.filter((file) => !known.has(file)),
      [],
    );
  });

  it('go the way of the data', () => {
    assert.deepEqual(told(imports.filter((each) => each.isOurs && !isAllowed(each))), []);
  });

  it('of an adapter never name another adapter of its port', () => {
    const between = imports.filter(({ from, to }) =>
      ADAPTERS.some((group) => {
        const [one, other] = [from, to].map((path) => group.find((prefix) => path.startsWith(prefix)));
        return one !== undefined && other !== undefined && one !== other;
      }),
    );
    assert.deepEqual(told(between), []);
  });

  it('from outside stay with their owner', () => {
    const anonymousHandshakes = imports.filter(({ from, to, isOurs }) => {
      if (isOurs) return false;
      const name = /^(?:node:\w+|@[^/]+\/[^/]+|[^/]+)/.exec(to)?.[0] ?? to;
      const owners = OWNERS[name];
      if (owners === undefined) return !name.startsWith('node:');
      return !owners.some((owner) => from.startsWith(owner));
    });
    assert.deepEqual(told(anonymousHandshakes), []);
  });

  it('leave the environment to src/config', () => {
    const readers = sources().filter((path) => /\bprocess\.env\b|\benv\b.*from 'node:process'/.test(read(path)));
    assert.deepEqual(
      readers.filter((path) => !path.startsWith('src/config/')),
      [],
    );
  });
});
