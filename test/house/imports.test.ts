import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { absolute, isTest, list, read, sources } from './repository.ts';

/**
 * What each folder of `src/` may import besides itself: other folders, or single files of them (their ports); `/` stands for
 * the files directly in any folder. The composition root, `gateway/`, may import everything.
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
    'decode/decoder.ts',
    'journal/journal.ts',
    'journal/journal-fault.ts',
    'journal/limits.ts',
    'journal/record-bytes.ts',
  ],
  deliver: ['model', 'journal/journal.ts', 'journal/limits.ts', 'sink/sink.ts'],
  // The stages hold neither logger nor metrics: they declare observers, and this implements them.
  observe: [
    'model',
    'journal/journal.ts',
    'sink/sink.ts',
    'http/ingest-observer.ts',
    'receive/incoming-webhook.ts',
    'deliver/delivery-observer.ts',
  ],
  http: ['model', 'receive/incoming-webhook.ts'],
  admin: [
    'model',
    'config/schema.ts',
    'config/text-types.ts',
    'journal/journal.ts',
    'receive/redeliver.ts',
    'observe/activity.ts',
    'sink/sink.ts',
  ],
  // `check --explain` maps events, and `dev` prepares the embedded Brigade for them. The admin API's answers are types.
  cli: [
    'gateway',
    'admin/api/answers.ts',
    'sink/brigade/event-mapping.ts',
    'sink/brigade/unmatched-subscriptions.ts',
    '/',
  ],
  'bin.ts': ['cli/main.ts'],
};

/** Adapters of one port never import each other. */
const ADAPTERS: readonly (readonly string[])[] = [
  ['journal/memory/', 'journal/sqlite/'],
  ['sink/brigade', 'sink/cloudevents-http/'],
];

/** Only the owners of a library, or of a module of Node that reaches outside, import it: the beginnings of their paths in `src/`. */
const OWNERS: Readonly<Record<string, readonly string[]>> = {
  'node:http': ['http/', 'admin/admin-server.ts', 'sink/http-client.ts'],
  'node:https': ['http/', 'sink/http-client.ts'],
  'node:sqlite': ['journal/sqlite/'],
  'node:worker_threads': ['journal/sqlite/'],
  '@hono/node-server': ['admin/'],
  // Loaded only where a collector is configured.
  '@opentelemetry/api': ['observe/traces.ts'],
  '@opentelemetry/exporter-trace-otlp-http': ['observe/traces.ts'],
  '@opentelemetry/resources': ['observe/traces.ts'],
  '@opentelemetry/sdk-trace': ['observe/traces.ts'],
  'brigade-api': ['sink/brigade/'],
  commander: ['cli/main.ts', 'cli/program.ts', 'cli/completion.ts'],
  // These load it when they run: the image contains neither them nor the package.
  'embedded-brigade': ['cli/brigade.ts', 'cli/dev.ts', 'cli/dev-files.ts'],
  hono: ['admin/'],
  jose: ['auth/'],
  pino: ['observe/log.ts'],
  'prom-client': ['observe/metrics.ts'],
  valibot: ['config/', 'admin/api/'],
  yaml: ['config/config-file.ts'],
};

interface Import {
  readonly from: string;
  /** A path from the root, or the name of what is imported from outside. */
  readonly to: string;
  readonly isOurs: boolean;
}

/** Everything that a file imports, loads when needed, or starts as a thread. */
function importsOf(from: string): readonly Import[] {
  const found = read(from).matchAll(/(?:\bfrom |\bimport\(|\bimport |new URL\()'([^']+\.(?:ts|json)|[^.'][^']*)'/g);
  return [...found].map(([, name = '']) => {
    const isOurs = name.startsWith('.');
    return { from, to: isOurs ? join(dirname(from), name) : name, isOurs };
  });
}

function describeAll(imports: readonly Import[]): readonly string[] {
  return imports.map(({ from, to }) => `${from} imports ${to}`);
}

/** `node:http`, `@hono/node-server`, `hono`: without the path in it. */
function packageOf(name: string): string {
  return /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name;
}

function isAllowed({ from, to }: Import): boolean {
  const [folder = '', other] = [from, to].map((path) => path.split('/')[1]);
  if (folder === 'gateway' || folder === other || to === 'package.json') return true;
  return (MAY_IMPORT[folder] ?? []).some((rule) => {
    return rule === '/' ? to.split('/').length === 3 : rule === other || `src/${rule}` === to;
  });
}

/** What is left of the imports once files that import none of the others, or are imported by none, are taken out. */
function circlesIn(imports: readonly Import[]): readonly Import[] {
  const [importers, imported] = [new Set(imports.map(({ from }) => from)), new Set(imports.map(({ to }) => to))];
  const left = imports.filter(({ from, to }) => imported.has(from) && importers.has(to));
  return left.length === imports.length ? left : circlesIn(left);
}

describe('imports', () => {
  const imports = sources().flatMap(importsOf);

  it('follow the way of the data', () => {
    const within = imports.filter(({ from, isOurs }) => isOurs && from.startsWith('src/'));
    assert.deepEqual(describeAll(within.filter((each) => !isAllowed(each))), []);
  });

  it('of an adapter never name another adapter of its port', () => {
    const between = imports.filter(({ from, to }) =>
      ADAPTERS.some((group) => {
        const [one, other] = [from, to].map((path) => group.find((prefix) => path.startsWith(`src/${prefix}`)));
        return one !== undefined && other !== undefined && one !== other;
      }),
    );
    assert.deepEqual(describeAll(between), []);
  });

  it('of the product never name a test or a suite', () => {
    assert.deepEqual(describeAll(imports.filter(({ to, isOurs }) => isOurs && isTest(to))), []);
  });

  it('of a library stay with its owner', () => {
    const misplaced = imports.filter(({ from, to, isOurs }) => {
      const owners = OWNERS[packageOf(to)];
      if (isOurs || !from.startsWith('src/')) return false;
      return owners === undefined ? !to.startsWith('node:') : !owners.some((owner) => from.startsWith(`src/${owner}`));
    });
    assert.deepEqual(describeAll(misplaced), []);
  });

  it('of a package stay in it, or name one of its dependencies', () => {
    for (const folder of list('packages/*')) {
      const { dependencies = {} } = JSON.parse(read(`${folder}/package.json`));
      const outside = imports.filter(({ from, to, isOurs }) => {
        if (!from.startsWith(`${folder}/`)) return false;
        if (isOurs) return !to.startsWith(`${folder}/`);
        return !to.startsWith('node:') && !Object.hasOwn(dependencies, packageOf(to));
      });
      assert.deepEqual(describeAll(outside), []);
    }
  });

  it('of a library name what it exports', () => {
    const deep = imports.filter(({ to, isOurs }) => !isOurs && !to.startsWith('node:') && to !== packageOf(to));
    const isPrivate = ({ to }: Import): boolean => {
      const path = `node_modules/${packageOf(to)}/package.json`;
      return !existsSync(absolute(path)) || JSON.parse(read(path)).exports === undefined;
    };
    assert.deepEqual(describeAll(deep.filter(isPrivate)), []);
  });

  it('make no circle', () => {
    const all = list('{src,packages,bench,scripts,test}/**/*.ts').flatMap(importsOf);
    assert.deepEqual(describeAll(circlesIn(all.filter(({ isOurs }) => isOurs))), []);
  });
});
