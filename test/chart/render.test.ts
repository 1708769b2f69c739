import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { absolute, read } from '../house/repository.ts';
import { CASES, CHART, helm, render, renderNotes } from './helm.ts';

/** Those that show the most; the others are looked at by assertions. Written anew with GOLDEN=write. */
const GOLDEN = ['v0.4.1', 'everything', 'postgresql', 'ingress', 'cloudevents'];

function caseOf(name: string): string {
  return CASES.find((path) => basename(path) === `${name}-values.yaml`) ?? assert.fail(name);
}

suite('the chart', { concurrency: 4 }, () => {
  test('has nothing that Helm finds fault with', async () => {
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
    test(`renders the case "${name}" as it did before`, async () => {
      const { text } = await render(caseOf(name));
      const notes = (await renderNotes(caseOf(name))).replaceAll(/^(?=.)/gm, '# ');
      const found = `${text.trimEnd()}\n---\n${notes.trimEnd()}\n`;
      const path = join(import.meta.dirname, 'golden', `${name}.yaml`);
      if (process.env['GOLDEN'] === 'write') await writeFile(path, found);
      assert.equal(found, await readFile(path, 'utf8'));
    });
  }

  test('renders nothing but what Kubernetes has types and fields for', async () => {
    const all = await Promise.all(CASES.map(async (path) => (await render(path)).documents));
    const literals = all.flat().map((document) => `const _: Kinds['${document.kind}'] = ${JSON.stringify(document)};`);
    assert.deepEqual(await typeErrors(literals), []);
    // The net has no holes: a field that nobody knows, and one of a wrong type, are caught.
    const wrong = ['spec: { ports: [{ port: 1, prot: 2 }] }', 'spec: { type: 1 }'];
    const service = (rest: string) => `const _: Kinds['Service'] = { apiVersion: 'v1', kind: 'Service', ${rest} };`;
    assert.equal((await typeErrors(wrong.map(service))).length, wrong.length);
  });
});

/** What the compiler finds wrong with the declarations, each in a block of its own. */
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
