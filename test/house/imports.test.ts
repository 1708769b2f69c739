import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { list, read, sources } from './repository.ts';

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
  sink: ['model'],
  receive: [
    'model',
    'auth/authenticator.ts',
    'auth/scope.ts',
    'auth/glob.ts',
    'decode/decoder.ts',
    'journal/journal.ts',
    'journal/journal-fault.ts',
  ],
  deliver: ['model', 'journal/journal.ts', 'journal/clock.ts', 'sink/sink.ts'],
  // The stages hold neither logger nor metrics: they declare what they tell, and this listens.
  observe: [
    'model',
    'journal/journal.ts',
    'journal/clock.ts',
    'sink/sink.ts',
    'http/ingest-observer.ts',
    'deliver/delivery-observer.ts',
  ],
  http: ['model', 'receive/incoming-webhook.ts'],
  admin: ['model', 'config/schema.ts', 'journal/journal.ts', 'receive/redeliver.ts'],
  // `check --explain` maps events, and `dev` prepares the embedded Brigade for them.
  cli: ['gateway', 'sink/brigade/event-mapping.ts', 'sink/brigade/unmatched-subscriptions.ts', '/'],
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
  'node:http': ['http/', 'admin/admin-server.ts', 'sink/http-client.ts'],
  'node:https': ['http/'],
  'node:sqlite': ['journal/sqlite/'],
  'node:worker_threads': ['journal/sqlite/'],
  '@hono/node-server': ['admin/'],
  'brigade-api': ['sink/brigade/'],
  commander: ['cli/main.ts'],
  // Loaded when they run: the image contains neither them nor the package.
  'embedded-brigade': ['cli/brigade.ts', 'cli/dev.ts', 'cli/dev-files.ts'],
  hono: ['admin/'],
  jose: ['auth/'],
  pino: ['observe/log.ts'],
  'pino-pretty': ['observe/log.ts'],
  'prom-client': ['observe/metrics.ts'],
  undici: ['sink/http-client.ts'],
  valibot: ['config/', 'admin/api.ts'],
  yaml: ['config/config-file.ts'],
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

/** `@scope/name/path` → `@scope/name`; a module of Node as it is. */
function packageOf(name: string): string {
  return /^(?:node:\w+|@[^/]+\/[^/]+|[^/]+)/.exec(name)?.[0] ?? name;
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
    assert.ok(files.includes('journal/sqlite/writer/writer.ts'));
    assert.ok(files.includes('cli/dev.ts'));
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
    const misplaced = imports.filter(({ from, to, isOurs }) => {
      if (isOurs) return false;
      const owners = OWNERS[packageOf(to)];
      if (owners === undefined) return !to.startsWith('node:');
      return !owners.some((owner) => from.startsWith(owner));
    });
    assert.deepEqual(told(misplaced), []);
  });

  it('of a package stay in it, or name one of its dependencies', () => {
    for (const folder of list('packages/*')) {
      const { dependencies = {} } = JSON.parse(read(join(folder, 'package.json')));
      const outside = list(`${folder}/*.{js,ts}`, `${folder}/src/**/*.ts`)
        .filter((path) => !path.endsWith('.test.ts'))
        .flatMap((path) => importsOf(join('..', path)))
        .filter(({ to, isOurs }) => {
          if (isOurs) return !join('src', to).startsWith(`${folder}/`);
          return !to.startsWith('node:') && !Object.hasOwn(dependencies, packageOf(to));
        });
      assert.deepEqual(told(outside), []);
    }
  });

  it('leave the environment to src/config', () => {
    const readers = sources().filter((path) => /\bprocess\.env\b|\benv\b.*from 'node:process'/.test(read(path)));
    assert.deepEqual(
      readers.filter((path) => !path.startsWith('src/config/')),
      [],
    );
  });
});
