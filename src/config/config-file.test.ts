import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Policy } from '../model/policy.ts';
import type { Issue } from '../model/webhook.ts';
import { parseConfigFile } from './config-file.ts';

const GUID = '11111111-2222-3333-4444-555555555555';
const ENTRA = `entra: { tenant: ${GUID}, audiences: [api://a] }`;
const RESOURCE = '/subscriptions/1/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/example';

function fileOf(...lines: readonly string[]) {
  const parsed = parseConfigFile(Buffer.from(lines.join('\n')));
  assert.equal(parsed.kind, 'value', JSON.stringify(parsed));
  return parsed.value;
}

function policyOf(...lines: readonly string[]): Policy {
  return fileOf(...lines).policy;
}

function issuesOf(...lines: readonly string[]): readonly Issue[] {
  const parsed = parseConfigFile(Buffer.from(lines.join('\n')));
  return parsed.kind === 'issues' ? parsed.issues : [];
}

function placesOf(...lines: readonly string[]): readonly string[] {
  return issuesOf(...lines).map(({ path }) => path);
}

describe('a configuration file', () => {
  it('of the documentation is well-formed, and means what it says', () => {
    const example = readFileSync(join(import.meta.dirname, '../../docs/gateway.example.yaml'), 'utf8');
    const { settings, policy } = fileOf(example);
    assert.equal(settings.get('API_ADDRESS')?.text, 'https://brigade.example.com');
    assert.deepEqual(
      policy.callers.map(({ name }) => name),
      ['event-grid', 'legacy-charts', 'team'],
    );
    assert.equal(policy.callers[0]?.application?.id, '4962773b-9cdb-44cf-a8bf-237846a00ab7');
    assert.deepEqual(
      policy.rules.map(({ name, decision }) => [name, decision]),
      [
        ['signatures', 'ignore'],
        ['parts-of-multi-arch-images', 'ignore'],
        ['replicas', 'ignore'],
      ],
    );
  });

  it('may say nothing', () => {
    assert.deepEqual(policyOf('{}'), { registries: [], callers: [], rules: [], entra: undefined });
  });

  it('says settings by the names of their variables, each with its line', () => {
    const { settings } = fileOf('settings:', '  PORT: 0080', '  TRUSTED_PROXIES:', '    - 10.0.0.1', '    - ::1');
    assert.deepEqual(
      [...settings],
      [
        ['PORT', { text: '0080', line: 2 }],
        ['TRUSTED_PROXIES', { text: '10.0.0.1,::1', line: 3 }],
      ],
    );
  });

  it('names registries, with their aliases and resources', () => {
    const { registries } = policyOf(
      'registries:',
      '  a.azurecr.io: {}',
      '  b.azurecr.io:',
      '    aliases: [b.example]',
      `    resource: ${RESOURCE}`,
    );
    assert.deepEqual(registries, [
      { name: 'a.azurecr.io', aliases: [], resource: undefined },
      { name: 'b.azurecr.io', aliases: ['b.example'], resource: RESOURCE },
    ]);
  });

  it('believes tokens of both versions in the public cloud, and others where it says so', () => {
    assert.deepEqual(policyOf(ENTRA).entra, {
      tenant: GUID,
      audiences: ['api://a'],
      authority: 'https://login.microsoftonline.com',
      issuers: [`https://sts.windows.net/${GUID}/`, `https://login.microsoftonline.com/${GUID}/v2.0`],
    });
    const own = policyOf(
      'entra:',
      `  tenant: ${GUID}`,
      '  audiences: [a]',
      '  authority: https://login.example',
      '  issuers: [one]',
    );
    assert.deepEqual([own.entra?.authority, own.entra?.issuers], ['https://login.example', ['one']]);
  });

  it('binds callers, and gives rules a name where they have none', () => {
    const { callers } = policyOf(
      'callers:',
      '  ci:',
      '    registries: [a.azurecr.io]',
      '    rules:',
      '      - ignore: { tagged: false, tags: [x*] }',
    );
    assert.deepEqual(callers[0]?.binding?.registries, ['a.azurecr.io']);
    const [rule] = callers[0]?.rules ?? [];
    assert.equal(rule?.name, 'callers.ci.rules.0');
    assert.deepEqual([rule?.when.tagged, rule?.when.tags, rule?.when.actions], [false, ['x*'], undefined]);
  });

  it('has all its issues told at once, each with its line', () => {
    const places = placesOf(
      'settings:',
      '  PROT: 80',
      '  CONFIG_PATH: there',
      'registries:',
      '  https://a.azurecr.io: { alias: [a] }',
      '  b.azurecr.io:',
      '    aliases: []',
      '    resource: b',
      'callers:',
      '  ci:',
      '    registries: a.azurecr.io',
      '    role: one',
      '    rules:',
      '      - ignore: {}',
      '        accept: {}',
      '      - tags: [a]',
      '      - ignore: { manifests: [image], tagged: yes, tags: ["a b"] }',
      'rules: all',
    );
    assert.deepEqual(places, [
      'line 2: settings.PROT',
      'line 3: settings.CONFIG_PATH',
      'line 5: registries.https://a.azurecr.io',
      'line 5: registries.https://a.azurecr.io.alias',
      'line 7: registries.b.azurecr.io.aliases',
      'line 8: registries.b.azurecr.io.resource',
      'line 11: callers.ci.registries',
      'line 14: callers.ci.rules.0',
      'line 16: callers.ci.rules.1.tags',
      'line 16: callers.ci.rules.1',
      'line 17: callers.ci.rules.2.ignore.tags.0',
      'line 17: callers.ci.rules.2.ignore.tagged',
      'line 17: callers.ci.rules.2.ignore.manifests.0',
      'line 18: rules',
    ]);
  });

  for (const [what, place, ...lines] of [
    ['is no mapping', 'line 1', '- a'],
    ['has a key twice', 'line 2', 'rules: []', 'rules: []'],
    ['is no YAML', 'line 1', 'rules: ['],
    ['has an alias to nowhere', 'line 1', 'rules: *nowhere'],
    ['has a role without an application', 'line 1: callers.ci.role', 'callers: { ci: { role: one } }'],
    [
      'has an application without a tenant',
      'line 1: callers.ci.application',
      `callers: { ci: { application: ${GUID} } }`,
    ],
    [
      'has a key server that anybody can pose as',
      'line 2: entra.authority',
      'entra:',
      '  authority: http://keys.example',
      `  tenant: ${GUID}`,
      '  audiences: [a]',
    ],
    [
      'has a name twice, in another case',
      'line 3: registries.b.aliases.0',
      'registries:',
      '  a: { aliases: [X] }',
      '  b: { aliases: ["x:443."] }',
    ],
    [
      'has an alias that is another registry',
      'line 3: registries.b',
      'registries:',
      '  a: { aliases: [B] }',
      '  b: {}',
    ],
    [
      'has a resource twice',
      'line 3: registries.b.resource',
      'registries:',
      `  a: { resource: ${RESOURCE} }`,
      `  b: { resource: ${RESOURCE.toUpperCase()} }`,
    ],
    [
      'has an application twice',
      'line 4: callers.b.application',
      ENTRA,
      'callers:',
      `  a: { application: ${GUID} }`,
      `  b: { application: ${GUID.toUpperCase()} }`,
    ],
  ] as const) {
    it(`that ${what} is refused`, () => {
      assert.ok(placesOf(...lines).includes(place), JSON.stringify(issuesOf(...lines)));
    });
  }

  it('that multiplies without bounds is refused', () => {
    const lines = ['a: &a [x, x, x, x, x, x, x, x, x]'];
    for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef']) lines.push(`${to}: &${to} [${`*${from},`.repeat(9)}]`);
    assert.ok(issuesOf(...lines).length > 0);
  });

  it('has issues that repeat no value, and is never too strange to be told what is wrong', () => {
    const text = fc.string().map((it) => `§${it}`);
    const value = fc.oneof(text, fc.array(text), fc.dictionary(fc.string(), text));
    const names = ['settings', 'registries', 'callers', 'entra', 'rules'].map((name) => fc.constant(name));
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(...names), value), (json) => {
        const issues = issuesOf(JSON.stringify(json));
        assert.ok(!issues.some(({ expected, received }) => `${expected}${received}`.includes('§')));
      }),
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void parseConfigFile(bytes)));
  });
});
