import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Changes } from '../../../test/support/changes.ts';
import {
  type Examine,
  type LoadedProjects,
  loadProjects,
  type ProjectIssue,
  WatchedProjects,
} from './project-files.ts';

function aProject(
  id: string,
  subscription = 'source: brigade.sh/acr, types: [push], qualifiers: {registry: a}',
): string {
  return `apiVersion: brigade.sh/v2
kind: Project
metadata:
  id: ${id}
spec:
  eventSubscriptions:
    - {${subscription}}
  workerTemplate: {}
`;
}

async function load(t: TestContext, files: Readonly<Record<string, string>>): Promise<LoadedProjects> {
  const folder = await mkdtemp(join(tmpdir(), 'projects-'));
  t.after(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const loaded = await loadProjects({ folder, examine });
  const bare = (issue: ProjectIssue) => ({ ...issue, file: basename(issue.file) });
  return { ...loaded, issues: loaded.issues.map(bare), warnings: loaded.warnings.map(bare) };
}

/** Warns of every subscription without qualifiers. */
const examine: Examine = ({ spec }) =>
  (spec.eventSubscriptions ?? []).flatMap(({ qualifiers }, index) =>
    qualifiers ? [] : [{ path: ['spec', 'eventSubscriptions', String(index)], description: 'has no qualifiers' }],
  );

function ids({ projects }: LoadedProjects): readonly string[] {
  return projects.map(({ metadata }) => metadata.id);
}

test('the projects of a folder are in the order of their files', async (t) => {
  const loaded = await load(t, { 'b.yaml': aProject('one'), 'a.yml': aProject('two'), 'README.md': '- *' });
  assert.deepEqual(loaded.issues, []);
  assert.deepEqual(ids(loaded), ['two', 'one']);
});

test('a star without quotes is an issue with its line, and does not stop other files', async (t) => {
  const text = aProject('bad').replace(/\{source.*\}/, 'source: brigade.sh/acr\n      types:\n      - *');
  const loaded = await load(t, { 'bad.yaml': text, 'good.yaml': aProject('good') });
  assert.deepEqual(loaded.issues, [
    { file: 'bad.yaml', line: 9, reason: 'Alias cannot be an empty string: a * has to stand in quotes' },
  ]);
  assert.deepEqual(ids(loaded), ['good']);
});

test('a duplicate key is an issue with the line of the second', async (t) => {
  const pairs =
    'source: brigade.sh/acr\n      types: [push]\n      qualifiers:\n        registry: a\n' +
    '      qualifiers:\n        repo: b';
  const loaded = await load(t, { 'twice.yaml': aProject('twice').replace(/\{source.*\}/, pairs) });
  assert.deepEqual(loaded.issues, [{ file: 'twice.yaml', line: 11, reason: 'Map keys must be unique' }]);
  assert.deepEqual(ids(loaded), []);
});

test('every violation of the schema is an issue, in the words of Brigade and with its line', async (t) => {
  const text = aProject('Bad_Id', 'source: brigade.sh/acr, types: [], labels: {tagged: true}').replace(
    '  workerTemplate: {}',
    '  workerTemplate:\n    colour: blue',
  );
  const { issues } = await load(t, { 'bad.yaml': text });
  assert.deepEqual(
    issues.toSorted((a, b) => (a.reason < b.reason ? -1 : 1)),
    [
      { file: 'bad.yaml', line: 4, reason: "metadata.id: Does not match pattern '^[a-z][a-z\\d-]*[a-z\\d]$'" },
      { file: 'bad.yaml', line: 4, reason: 'metadata.id: Must validate all the schemas (allOf)' },
      {
        file: 'bad.yaml',
        line: 7,
        reason: 'spec.eventSubscriptions.0.labels.tagged: Invalid type. Expected: string, given: boolean',
      },
      { file: 'bad.yaml', line: 7, reason: 'spec.eventSubscriptions.0.types: Array must have at least 1 items' },
      { file: 'bad.yaml', line: 9, reason: 'spec.workerTemplate: Additional property colour is not allowed' },
    ],
  );
});

test('an empty file is an issue', async (t) => {
  const { issues } = await load(t, { 'empty.yaml': '' });
  assert.deepEqual(issues, [{ file: 'empty.yaml', reason: '(root): Invalid type. Expected: object, given: null' }]);
});

test('several documents in one file are an issue', async (t) => {
  const { issues } = await load(t, { 'two.yaml': `${aProject('one')}---\n${aProject('two')}` });
  assert.equal(issues.length, 1);
  assert.equal(issues[0]?.line, 9);
});

test('an alias without an anchor is an issue, and so are aliases that multiply without bounds', async (t) => {
  const laughs = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (const [name, last] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf']) {
    laughs.push(`${name}: &${name} [${Array(9).fill(`*${last}`).join(', ')}]`);
  }
  const { issues } = await load(t, { 'laughs.yaml': laughs.join('\n'), 'loose.yaml': 'kind: *nothing' });
  assert.deepEqual(
    issues.map(({ file }) => file),
    ['laughs.yaml', 'loose.yaml'],
  );
});

test('if two projects have the same id, the first counts and the second is an issue', async (t) => {
  const loaded = await load(t, { 'a.yaml': aProject('same'), 'b.yaml': aProject('same') });
  assert.deepEqual(loaded.issues, [{ file: 'b.yaml', reason: 'Project "same" already exists.' }]);
  assert.deepEqual(ids(loaded), ['same']);
});

test('what is legal and probably a mistake is a warning with its line, and the project is there', async (t) => {
  const source = 'source: brigade.sh/acr, types: [push]';
  const loaded = await load(t, { 'a.yaml': aProject('none', source), 'b.yaml': aProject('one') });
  const reason = 'spec.eventSubscriptions.0: has no qualifiers';
  assert.deepEqual(loaded.warnings, [{ file: 'a.yaml', line: 7, reason }]);
  assert.deepEqual(loaded.issues, []);
  assert.deepEqual(ids(loaded), ['none', 'one']);
});

test('a file above 1 MiB is an issue', async (t) => {
  const { issues } = await load(t, { 'large.yaml': `${aProject('large')}# ${'x'.repeat(1024 * 1024)}` });
  assert.deepEqual(issues, [{ file: 'large.yaml', reason: 'Larger than 1048576 bytes' }]);
});

test('a file that cannot be read and a folder that is not there are issues', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'projects-'));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, 'folder.yaml'));
  assert.match((await loadProjects({ folder })).issues[0]?.reason ?? '', /EISDIR/);
  assert.match((await loadProjects({ folder: join(folder, 'nowhere') })).issues[0]?.reason ?? '', /ENOENT/);
});

function aWatchedProject(id: string): string {
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
  /** Resolves when the projects have these ids. */
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

test('projects follow their files: new, changed and deleted ones', async (t) => {
  const folder = await aFolder(t);
  await writeFile(join(folder, 'a.yaml'), aWatchedProject('first'));
  const { until } = await watch(t, folder);
  await until('first');
  await writeFile(join(folder, 'b.yaml'), aWatchedProject('second'));
  await until('first', 'second');
  await writeFile(join(folder, 'a.yaml'), aWatchedProject('third'));
  await until('third', 'second');
  await rm(join(folder, 'b.yaml'));
  await until('third');
});

test('a file that becomes invalid keeps its project and reports why, until it is valid or deleted', async (t) => {
  const folder = await aFolder(t);
  await writeFile(join(folder, 'a.yaml'), aWatchedProject('good'));
  const { projects, until } = await watch(t, folder);
  await writeFile(join(folder, 'a.yaml'), 'types:\n- *');
  await writeFile(join(folder, 'b.yaml'), aWatchedProject('other'));
  const { issues } = await until('good', 'other');
  assert.deepEqual(
    issues.map(({ file, line }) => ({ file, line })),
    [{ file: join(folder, 'a.yaml'), line: 2 }],
  );
  await writeFile(join(folder, 'a.yaml'), aWatchedProject('better'));
  await until('better', 'other');
  assert.deepEqual(projects.current().issues, []);
});

test('the swap of a symbolic link is a change, and so is a rename over a file', async (t) => {
  const folder = await aFolder(t);
  for (const version of ['one', 'two']) {
    await mkdir(join(folder, version));
    await writeFile(join(folder, version, 'a.yaml'), aWatchedProject(version));
  }
  await symlink('one', join(folder, 'data'));
  await symlink('data/a.yaml', join(folder, 'a.yaml'));
  const { until } = await watch(t, folder);
  await until('one');
  await symlink('two', join(folder, 'new'));
  await rename(join(folder, 'new'), join(folder, 'data'));
  await until('two');
  await writeFile(join(folder, 'three'), aWatchedProject('three'));
  await rename(join(folder, 'three'), join(folder, 'a.yaml'));
  await until('three');
});

test('a folder that is gone keeps its projects, and that is reported', async (t) => {
  const folder = join(await aFolder(t), 'projects');
  await mkdir(folder);
  await writeFile(join(folder, 'a.yaml'), aWatchedProject('one'));
  const { projects, changes } = await watch(t, folder);
  await rename(folder, `${folder}-away`);
  const { issues, projects: kept } = await changes.until(
    () => (projects.current().issues.length > 0 ? projects.current() : undefined),
    () => 'no issue',
  );
  assert.match(issues[0]?.reason ?? '', /ENOENT/);
  assert.equal(kept[0]?.metadata.id, 'one');
});
