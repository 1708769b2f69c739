import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ParseIssue } from '../model/parsed.ts';
import type { Policy } from '../model/policy.ts';
import { parseConfigFile } from './config-file.ts';
import { formatIssue } from './schema.ts';

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

function issuesOf(...lines: readonly string[]): readonly ParseIssue[] {
  const parsed = parseConfigFile(Buffer.from(lines.join('\n')));
  return parsed.kind === 'issues' ? parsed.issues : [];
}

function reportOf(...lines: readonly string[]): readonly string[] {
  return issuesOf(...lines).map(formatIssue);
}

describe('a configuration file', () => {
  it('in the documentation is valid, and says what its comments say', () => {
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

  it('may be empty', () => {
    assert.deepEqual(policyOf('{}'), { registries: [], callers: [], rules: [], entra: undefined });
  });

  it('holds settings by the names of their variables, each with its line', () => {
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

  it('accepts tokens of both versions in the public cloud, and of other issuers that it lists', () => {
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

  it('binds callers, and names rules without a name after their place', () => {
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

  it('has every issue reported, each with its line', () => {
    const registry = 'must be the login server of a registry, without a scheme, `:443` and a dot at the end';
    const glob = 'a glob of letters, digits and `._-/*`, at most 256 characters';
    const report = reportOf(
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
    const unknown = report.filter((line) => line.includes('CONFIG_PATH'));
    assert.equal(unknown.length, 1);
    assert.match(unknown[0] ?? '', /^line 3: settings: `CONFIG_PATH` is not a known field; known are `API_ADDRESS`/);
    assert.deepEqual(
      report.filter((line) => !line.includes('CONFIG_PATH')),
      [
        'line 2: settings: `PROT` is not a known field; did you mean `PORT`?',
        `line 5: registries: each name ${registry}`,
        'line 5: registries.https://a.azurecr.io: `alias` is not a known field; did you mean `aliases`?',
        `line 7: registries.b.azurecr.io.aliases: must be a list, not empty, each ${registry.slice('must be '.length)}`,
        'line 8: registries.b.azurecr.io.resource: must be `/subscriptions/…/resourceGroups/…/providers/Microsoft.ContainerRegistry/registries/NAME`',
        `line 11: callers.ci.registries: must be a list, not empty, each ${registry.slice('must be '.length)}`,
        'line 12: callers.ci.role: requires `application`',
        'line 14: callers.ci.rules.0: must have either `ignore` or `accept`, and not both',
        'line 16: callers.ci.rules.1: `tags` is not a known field; known are `name`, `ignore`, `accept`',
        'line 16: callers.ci.rules.1: must have either `ignore` or `accept`, and not both',
        `line 17: callers.ci.rules.2.ignore.tags.0: must be ${glob}`,
        'line 17: callers.ci.rules.2.ignore.tagged: must be `true` or `false`',
        'line 17: callers.ci.rules.2.ignore.manifests.0: must be one of `single`, `index`, `chart`',
        'line 18: rules: must be a list, not empty, each an object with name, ignore, accept',
      ],
    );
  });

  for (const [what, report, ...lines] of [
    ['is a list', 'line 1: must be an object with settings, registries, callers, entra, rules', '- a'],
    ['is empty', 'line 1: must be an object with settings, registries, callers, entra, rules', ''],
    ['has a name twice', 'line 2:1: a name appears more than once', 'rules: []', 'rules: []'],
    ['is not YAML', 'line 1:9: the YAML is not valid: bad indent', 'rules: ['],
    ['has an alias without an anchor', 'an alias has no anchor, or there are too many aliases', 'rules: *nowhere'],
    [
      'has a role without an application',
      'line 1: callers.ci.role: requires `application`',
      'callers: { ci: { role: one } }',
    ],
    [
      'has an application without a tenant',
      'line 1: callers.ci.application: requires `entra`',
      `callers: { ci: { application: ${GUID} } }`,
    ],
    [
      'has a key server without TLS',
      'line 2: entra.authority: must be an `https://` address without a path',
      'entra:',
      '  authority: http://keys.example',
      `  tenant: ${GUID}`,
      '  audiences: [a]',
    ],
    [
      'has a registry twice, in another case',
      'line 3: registries.b.aliases.0: must not repeat that of registries.a.aliases.0',
      'registries:',
      '  a: { aliases: [X] }',
      '  b: { aliases: ["x"] }',
    ],
    [
      'has an alias that is another registry',
      'line 3: registries.b: must not repeat that of registries.a.aliases.0',
      'registries:',
      '  a: { aliases: [B] }',
      '  b: {}',
    ],
    [
      'has a resource twice',
      'line 3: registries.b.resource: must not repeat that of registries.a.resource',
      'registries:',
      `  a: { resource: ${RESOURCE} }`,
      `  b: { resource: ${RESOURCE.toUpperCase()} }`,
    ],
    [
      'has an application twice',
      'line 4: callers.b.application: must not repeat that of callers.a.application',
      ENTRA,
      'callers:',
      `  a: { application: ${GUID} }`,
      `  b: { application: ${GUID.toUpperCase()} }`,
    ],
  ] as const) {
    it(`that ${what} is rejected`, () => {
      assert.deepEqual(reportOf(...lines), [report]);
    });
  }

  it('whose aliases multiply without bounds is rejected', () => {
    const lines = ['a: &a [x, x, x, x, x, x, x, x, x]'];
    for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef']) lines.push(`${to}: &${to} [${`*${from},`.repeat(9)}]`);
    assert.deepEqual(reportOf(...lines), ['an alias has no anchor, or there are too many aliases']);
  });

  it('of any content is read without a fault, and no issue repeats a value', () => {
    const text = fc.string().map((it) => `§${it}`);
    const value = fc.oneof(text, fc.array(text), fc.dictionary(fc.string(), text));
    const names = ['settings', 'registries', 'callers', 'entra', 'rules'].map((name) => fc.constant(name));
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(...names), value), (json) => {
        assert.ok(!reportOf(JSON.stringify(json)).some((line) => line.includes('§')));
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void parseConfigFile(bytes)),
      { numRuns: 1000 },
    );
  });
});
