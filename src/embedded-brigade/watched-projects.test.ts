import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Changes } from '../../test/support/changes.ts';
import type { LoadedProjects } from './load-projects.ts';
import { WatchedProjects } from './watched-projects.ts';

function aProject(id: string): string {
  return `{apiVersion: brigade.sh/v2, kind: Project, metadata: {id: ${id}}, spec: {workerTemplate: {}}}`;
}

async function aFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'projects-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

interface Watch {
  readonly projects: WatchedProjects;
  readonly changes: Changes;
  /** Resolves to what was read when its projects have these ids. */
  until(...ids: readonly string[]): Promise<LoadedProjects>;
}

async function watch(t: TestContext, folder: string): Promise<Watch> {
  const changes = new Changes();
  const projects = await WatchedProjects.open({
    folder,
    pollMs: 10,
    onChange: () => changes.notify(),
    onFault: (fault) => assert.fail(String(fault)),
  });
  t.after(() => projects.close());
  const ids = () => projects.current().projects.map(({ metadata }) => metadata.id);
  return {
    projects,
    changes,
    until: (...wanted) =>
      changes.until(
        () => (ids().join() === wanted.join() ? projects.current() : undefined),
        () => ids().join(),
      ),
  };
}

test('projects follow their files: new ones, other ones, and ones that are gone', async (t) => {
  const folder = await aFolder(t);
  await writeFile(join(folder, 'a.yaml'), aProject('first'));
  const { until } = await watch(t, folder);
  await until('first');
  await writeFile(join(folder, 'b.yaml'), aProject('second'));
  await until('first', 'second');
  await writeFile(join(folder, 'a.yaml'), aProject('third'));
  await until('third', 'second');
  await rm(join(folder, 'b.yaml'));
  await until('third');
});

test('a file that became unfit keeps its project, and says why, until it is fit or gone', async (t) => {
  const folder = await aFolder(t);
  await writeFile(join(folder, 'a.yaml'), aProject('good'));
  const { projects, until } = await watch(t, folder);
  await writeFile(join(folder, 'a.yaml'), 'types:\n- *');
  await writeFile(join(folder, 'b.yaml'), aProject('other'));
  const { issues } = await until('good', 'other');
  assert.deepEqual(
    issues.map(({ file, line }) => ({ file, line })),
    [{ file: join(folder, 'a.yaml'), line: 2 }],
  );
  await writeFile(join(folder, 'a.yaml'), aProject('better'));
  await until('better', 'other');
  assert.deepEqual(projects.current().issues, []);
});

test('the swap of a symbolic link is a change, and so is a rename over a file', async (t) => {
  const folder = await aFolder(t);
  for (const version of ['one', 'two']) {
    await mkdir(join(folder, version));
    await writeFile(join(folder, version, 'a.yaml'), aProject(version));
  }
  await symlink('one', join(folder, 'data'));
  await symlink('data/a.yaml', join(folder, 'a.yaml'));
  const { until } = await watch(t, folder);
  await until('one');
  await symlink('two', join(folder, 'new'));
  await rename(join(folder, 'new'), join(folder, 'data'));
  await until('two');
  await writeFile(join(folder, 'three'), aProject('three'));
  await rename(join(folder, 'three'), join(folder, 'a.yaml'));
  await until('three');
});

test('a folder that is gone keeps its projects, and says so', async (t) => {
  const folder = join(await aFolder(t), 'projects');
  await mkdir(folder);
  await writeFile(join(folder, 'a.yaml'), aProject('one'));
  const { projects, changes } = await watch(t, folder);
  await rename(folder, `${folder}-away`);
  const { issues, projects: kept } = await changes.until(
    () => (projects.current().issues.length > 0 ? projects.current() : undefined),
    () => 'no issue',
  );
  assert.match(issues[0]?.reason ?? '', /ENOENT/);
  assert.equal(kept[0]?.metadata.id, 'one');
});
