import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { subscribers } from '../brigade/matching.ts';
import { loadProjects } from './load-projects.ts';
import type { Project } from './project.ts';

const FOLDER = fileURLToPath(new URL('../../examples/', import.meta.url));
const { projects, issues } = await loadProjects(FOLDER);

const REGISTRY = 'example.azurecr.io';
const DIGEST = 'sha256:80f0d5c8786bb9e621a45ece0db56d11cdc624ad20da9fe62e9d25490f331d7d';

interface Happening {
  readonly type: string;
  readonly target: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

const TAGGED_PUSH: Happening = {
  type: 'push',
  target: { repository: 'hello-world', tag: 'v1', digest: DIGEST },
  labels: { repo: 'hello-world', tag: 'v1', tagged: 'true', digest: DIGEST, manifest: 'single' },
};
const UNTAGGED_PUSH: Happening = {
  type: 'push',
  target: { repository: 'team/app', digest: DIGEST },
  labels: { repo: 'team/app', tagged: 'false', digest: DIGEST, manifest: 'single' },
};
const DELETE: Happening = {
  type: 'delete',
  target: { repository: 'hello-world', digest: DIGEST },
  labels: { repo: 'hello-world', digest: DIGEST, manifest: 'single' },
};

function eventOf({ type, labels, target }: Happening) {
  const payload = JSON.stringify({ id: '1', action: type, target, request: { host: REGISTRY } });
  return { source: 'brigade.sh/acr', type, qualifiers: { registry: REGISTRY }, labels, payload };
}

/** What a project's script prints. Brigadier looks for a handler of the type, then for one of `*`. */
async function printed(project: Project, event: ReturnType<typeof eventOf>): Promise<readonly string[]> {
  const lines: string[] = [];
  const handlers = new Map<string, (event: unknown) => Promise<void>>();
  const running: Promise<void>[] = [];
  const events = {
    on: (source: string, type: string, handler: (event: unknown) => Promise<void>) => {
      handlers.set(`${source}:${type}`, handler);
    },
    process: () => {
      const handler = handlers.get(`${event.source}:${event.type}`) ?? handlers.get(`${event.source}:*`);
      if (handler) running.push(handler(event));
    },
  };
  const script = project.spec.workerTemplate.defaultConfigFiles?.['brigade.js'] ?? '';
  const console = { log: (line: string) => lines.push(line) };
  runInContext(script, createContext({ console, require: () => ({ events }) }));
  await Promise.all(running);
  return lines;
}

test('every file among the examples is a project named after it', async () => {
  assert.deepEqual(issues, []);
  const files = (await readdir(FOLDER)).filter((name) => name !== 'README.md').sort();
  assert.deepEqual(
    projects.map(({ metadata }) => `${metadata.id}.yaml`),
    files,
  );
});

test('every example subscribes with the registry as its one qualifier', () => {
  for (const { spec } of projects) {
    for (const { qualifiers } of spec.eventSubscriptions ?? []) assert.deepEqual(qualifiers, { registry: REGISTRY });
  }
});

const EXPECTED: readonly (readonly [name: string, Happening, Readonly<Record<string, string>>])[] = [
  [
    'a tagged push',
    TAGGED_PUSH,
    {
      'acr-everything': 'push in example.azurecr.io/hello-world',
      'acr-hello-world': 'Someone pushed an image to example.azurecr.io/hello-world!',
      'acr-pushes': 'Someone pushed an image to example.azurecr.io/hello-world!',
      'acr-tagged-pushes': 'Someone pushed example.azurecr.io/hello-world:v1!',
    },
  ],
  [
    'a push by digest to another repository',
    UNTAGGED_PUSH,
    {
      'acr-everything': 'push in example.azurecr.io/team/app',
      'acr-pushes': 'Someone pushed an image to example.azurecr.io/team/app!',
    },
  ],
  [
    'a deletion',
    DELETE,
    {
      'acr-deletes': `Someone deleted example.azurecr.io/hello-world@${DIGEST}!`,
      'acr-everything': 'delete in example.azurecr.io/hello-world',
    },
  ],
];

for (const [name, happening, lines] of EXPECTED) {
  test(`${name} makes ${Object.keys(lines).join(', ')} print their lines`, async () => {
    const event = eventOf(happening);
    const seen = await Promise.all(
      subscribers(projects, event).map(async (project) => [
        project.metadata.id,
        (await printed(project, event)).join('\n'),
      ]),
    );
    assert.deepEqual(Object.fromEntries(seen), lines);
  });
}
