import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type LoadedProjects, loadProjects, type ProjectIssue } from './load-projects.ts';

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
  const loaded = await loadProjects(folder);
  const bare = (issue: ProjectIssue) => ({ ...issue, file: basename(issue.file) });
  return { ...loaded, issues: loaded.issues.map(bare), warnings: loaded.warnings.map(bare) };
}

function ids({ projects }: LoadedProjects): readonly string[] {
  return projects.map(({ metadata }) => metadata.id);
}

test('the projects of a folder come in the order of their files', async (t) => {
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

test('a key that is there twice is an issue with the line of the second', async (t) => {
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

test('of two projects with one id the first counts and the second is an issue', async (t) => {
  const loaded = await load(t, { 'a.yaml': aProject('same'), 'b.yaml': aProject('same') });
  assert.deepEqual(loaded.issues, [{ file: 'b.yaml', reason: 'Project "same" already exists.' }]);
  assert.deepEqual(ids(loaded), ['same']);
});

test('a subscription to ACR with other qualifiers than the registry is a warning, and the project is there', async (t) => {
  const acr = 'source: brigade.sh/acr, types: [push]';
  const loaded = await load(t, {
    'a-more.yaml': aProject('more', `${acr}, qualifiers: {registry: a, repo: b}`),
    'b-other.yaml': aProject('other', `${acr}, qualifiers: {repo: b}`),
    'c-none.yaml': aProject('none', acr),
    'd-right.yaml': aProject('right', `${acr}, qualifiers: {registry: a}`),
    'e-elsewhere.yaml': aProject('elsewhere', 'source: brigade.sh/github, types: [push]'),
  });
  const reason =
    'spec.eventSubscriptions.0.qualifiers: never matches an event of ACR, which has exactly the qualifier registry';
  assert.deepEqual(loaded.warnings, [
    { file: 'a-more.yaml', line: 7, reason },
    { file: 'b-other.yaml', line: 7, reason },
    { file: 'c-none.yaml', line: 7, reason },
  ]);
  assert.deepEqual(loaded.issues, []);
  assert.equal(loaded.projects.length, 5);
});

test('a file above 1 MiB is an issue', async (t) => {
  const { issues } = await load(t, { 'large.yaml': `${aProject('large')}# ${'x'.repeat(1024 * 1024)}` });
  assert.deepEqual(issues, [{ file: 'large.yaml', reason: 'Larger than 1048576 bytes' }]);
});

test('a file that cannot be read and a folder that is not there are issues', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'projects-'));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, 'folder.yaml'));
  assert.match((await loadProjects(folder)).issues[0]?.reason ?? '', /EISDIR/);
  assert.match((await loadProjects(join(folder, 'nowhere'))).issues[0]?.reason ?? '', /ENOENT/);
});
