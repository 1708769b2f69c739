import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { absolute, read } from '../house/repository.ts';
import { CASES, CHART, helm, render, renderCases, renderNotes } from './helm.ts';

/** The cases that show the most; assertions cover the others. GOLDEN=write writes the files again. */
const GOLDEN = ['v0.4.1', 'everything', 'postgresql', 'ingress', 'cloudevents'];

function caseOf(name: string): string {
  return CASES.find((path) => basename(path) === `${name}-values.yaml`) ?? assert.fail(name);
}

suite('the chart', { concurrency: 4 }, () => {
  test('passes the strict lint of Helm', async () => {
    for (const path of CASES) {
      const { ok, errors } = await helm('lint', '--strict', absolute(CHART), '--values', absolute(path));
      assert.ok(ok, `${path}: ${errors}`);
    }
  });

  test('has the version of the program', () => {
    const { version } = packageJson;
    assert.match(read(`${CHART}/Chart.yaml`), new RegExp(`^version: ${version}\nappVersion: ${version}$`, 'm'));
  });

  for (const name of GOLDEN) {
    test(`renders the case "${name}" unchanged`, async () => {
      const { text } = await render(caseOf(name));
      const notes = (await renderNotes(caseOf(name))).replaceAll(/^(?=.)/gm, '# ');
      const found = `${text.trimEnd()}\n---\n${notes.trimEnd()}\n`;
      const path = join(import.meta.dirname, 'golden', `${name}.yaml`);
      if (process.env['GOLDEN'] === 'write') await writeFile(path, found);
      assert.equal(found, await readFile(path, 'utf8'));
    });
  }

  test('renders only kinds and fields that Kubernetes knows', async () => {
    const all = (await renderCases()).flatMap(([, documents]) => documents);
    const literals = all.map((document) => `const _: Kinds['${document.kind}'] = ${JSON.stringify(document)};`);
    assert.deepEqual(await typeErrors(literals), []);
    // An unknown field and one of a wrong type are found.
    const wrong = ['spec: { ports: [{ port: 1, prot: 2 }] }', 'spec: { type: 1 }'];
    const service = (rest: string) => `const _: Kinds['Service'] = { apiVersion: 'v1', kind: 'Service', ${rest} };`;
    assert.equal((await typeErrors(wrong.map(service))).length, wrong.length);
  });
});

/** The type errors of the declarations, each in a block of its own. */
async function typeErrors(declarations: readonly string[]): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'acr-chart-'));
  try {
    const kinds = `import type { Kinds } from '${absolute('test/chart/objects.ts')}';`;
    await writeFile(join(folder, 'all.ts'), [kinds, ...declarations.map((each) => `{ ${each} }`)].join('\n'));
    const compilerOptions = {
      ...{ module: 'nodenext', target: 'esnext', strict: true, noEmit: true, skipLibCheck: true, types: [] },
      ...{ allowImportingTsExtensions: true },
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['all.ts'] }));
    await promisify(execFile)(absolute('node_modules/.bin/tsc'), ['--project', folder, '--pretty', 'false']);
    return [];
  } catch (error) {
    if (!(error instanceof Error && 'stdout' in error)) throw error;
    return String(error.stdout)
      .split('\n')
      .filter((line) => /error TS/.test(line));
  } finally {
    await rm(folder, { recursive: true });
  }
}
