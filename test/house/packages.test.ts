import assert from 'node:assert/strict';
import { accessSync, constants } from 'node:fs';
import { describe, it } from 'node:test';
import packageJson from '../../package.json' with { type: 'json' };
import { absolute, list, read } from './repository.ts';

describe('README', () => {
  const readme = read('README.md');

  for (const folder of ['.', 'packages/embedded-brigade']) {
    it(`gives a reason for each runtime dependency: ${folder}`, () => {
      const [, section = ''] = read(`${folder}/README.md`).split(/^## Dependencies$/m);
      const defended = [...(section.split(/^## /m)[0] ?? '').matchAll(/^\| `([^`]+)` \| .{10,} \|$/gm)];
      const { dependencies } = JSON.parse(read(`${folder}/package.json`));
      assert.deepEqual(
        defended.map(([, name]) => name),
        Object.keys(dependencies).toSorted(),
      );
    });
  }

  it('contains the commands that continuous integration runs', () => {
    const given = [...readme.matchAll(/^\$ (npm ci && npm \w+)$/gm)].map(([, command]) => command);
    assert.deepEqual(given, ['npm ci && npm start', 'npm ci && npm test']);
    const run = [...read('.ci/run').matchAll(/^run (npm .+)$/gm)].map(([, command]) => command);
    assert.deepEqual(run, ['npm ci', 'npm test', 'npm run check']);
    accessSync(absolute('.ci/run'), constants.X_OK);
  });
});

describe('package-lock.json', () => {
  it('downloads from the public registry only', () => {
    const hosts = [
      ...read('package-lock.json').matchAll(/"resolved": "(?!https:\/\/registry\.npmjs\.org\/|packages\/)([^"]+)"/g),
    ];
    assert.deepEqual(
      hosts.map(([, place]) => place),
      [],
    );
  });
});

describe('package.json', () => {
  it('pins every version, so that a fresh clone has what was tested', () => {
    const versions = list('package.json', 'packages/*/package.json').flatMap((path) => {
      const { dependencies, devDependencies, optionalDependencies } = JSON.parse(read(path));
      return Object.entries<string>({ ...dependencies, ...devDependencies, ...optionalDependencies });
    });
    assert.ok(versions.length > 20);
    assert.deepEqual(
      versions.filter(([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version)),
      [],
    );
  });

  it('starts the program with the same options of Node as bin.js, the image, the tests and the benchmarks', () => {
    const [, options = ''] = /^#!\/usr\/bin\/env -S node (.+)$/m.exec(read('bin.js')) ?? [];
    const each = options.split(' ');
    assert.equal(packageJson.scripts.start, `exec node ${options} bin.js dev`);
    const [, entrypoint = ''] = /^ENTRYPOINT (.+)$/m.exec(read('Dockerfile')) ?? [];
    assert.deepEqual(JSON.parse(entrypoint), ['/nodejs/bin/node', ...each, '/app/bin.js']);
    assert.ok(
      read('test/support/serve-process.ts').includes(
        `NODE_FLAGS = [${each.map((option) => `'${option}'`).join(', ')}];`,
      ),
    );
  });

  it('opens no program to a debugger by a signal, which a worker of the embedded Brigade could send', () => {
    for (const path of ['bin.js', 'packages/embedded-brigade/bin.js'])
      assert.match(read(path), /^#!\/usr\/bin\/env -S node .*--disable-sigusr1/);
    // A command would replace the entry point of the image.
    assert.doesNotMatch(read('charts/brigade-acr-gateway/templates/_pod.tpl'), /\bcommand:/);
  });
});

describe('the embedded Brigade', () => {
  it('escapes what it prints as the gateway does', () => {
    assert.equal(read('packages/embedded-brigade/src/printable.ts'), read('src/model/printable.ts'));
  });
});
