import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Ajv } from 'ajv';
import { parse, stringify } from 'yaml';
import schema from '../../charts/brigade-acr-gateway/values.schema.json' with { type: 'json' };
import { parseConfigFile } from '../../src/config/config-file.ts';
import { read } from '../house/repository.ts';
import { render, renderNotes, type Values } from './helm.ts';
import { the } from './objects.ts';
import { MINIMAL_WITH_CERTIFICATE, withoutPath } from './values.ts';

const isValid = new Ajv({ strict: false }).compile(schema);

/** What the program parses from the file that the chart makes of `config`. */
async function readBack(config: Values) {
  const { documents } = await render({ ...MINIMAL_WITH_CERTIFICATE, config });
  const text = the(documents, 'ConfigMap', 'brigade-acr-gateway-config-file').data?.['gateway.yaml'] ?? '';
  return parseConfigFile(Buffer.from(text));
}

const entra = { tenant: '11111111-2222-3333-4444-555555555555', audiences: ['api://gateway'] };
const resource = '/subscriptions/one/resourceGroups/images/providers/Microsoft.ContainerRegistry/registries/example';

/** Some that the program accepts, and some that it rejects. */
const SAMPLES: readonly Values[] = [
  { entra },
  { entra: { ...entra, authority: 'https://login.microsoftonline.us', issuers: ['https://sts.windows.net/one/'] } },
  { entra: { ...entra, authority: 'https://login.microsoftonline.us/common' } },
  { entra: { ...entra, authority: 'http://login.microsoftonline.us' } },
  { entra: { ...entra, tenant: 'contoso' } },
  { entra: { ...entra, audiences: [] } },
  { entra: { tenant: entra.tenant } },
  { registries: { 'example.azurecr.io': { aliases: ['images.example.org:5000'], resource } } },
  { registries: { 'example.azurecr.io': {} } },
  { registries: { 'https://example.azurecr.io': {} } },
  { registries: { 'example.azurecr.io:443': {} } },
  { registries: { 'example.azurecr.io': { aliases: ['images.example.org.'] } } },
  { registries: { 'example.azurecr.io': { alias: ['images.example.org'] } } },
  { registries: { 'example.azurecr.io': { resource: '/subscriptions/one' } } },
  { entra, callers: { grid: { application: 'event-grid', role: 'Sender' } } },
  { entra, callers: { app: { application: entra.tenant } } },
  { entra, callers: { app: { application: 'an application' } } },
  { callers: { ci: { role: 'Sender' } } },
  { callers: { ci: { registries: ['example.azurecr.io'], repositories: ['team/**'], actions: ['push'] } } },
  { callers: { ci: { registries: ['example.azurecr.io/team'] } } },
  { callers: { ci: { repositories: ['team app'] } } },
  { callers: { ci: { actions: ['pull'] } } },
  { callers: { 'a\nb': {} } },
  { callers: { ci: { rules: [{ accept: { tags: ['v*'], tagged: true } }, { name: 'rest', ignore: {} }] } } },
  {
    rules: [{ ignore: { manifests: ['index'], regions: ['eastus'], registries: ['*.azurecr.io'], actions: ['push'] } }],
  },
  { rules: [{ ignore: { manifests: ['list'] } }] },
  { rules: [{ ignore: { tags: [] } }] },
  { rules: [{ ignore: { tagged: 'maybe' } }] },
  { rules: [{ ignore: {}, accept: {} }] },
  { rules: [{ name: 'neither' }] },
  { rules: [{ name: '', ignore: {} }] },
  { rules: [] },
  { rule: [] },
];

suite('the value `config`', () => {
  test('becomes a file that the program reads as the same policy', async () => {
    const example = read('docs/gateway.example.yaml');
    const config = withoutPath(parse(example), ['settings']);
    const before = parseConfigFile(Buffer.from(example));
    const after = await readBack(config);
    assert.ok(before.kind === 'value' && after.kind === 'value', JSON.stringify(after));
    assert.deepEqual(after.value.policy, before.value.policy);
    assert.ok(after.value.policy.rules.length > 0 && after.value.policy.callers.length > 0);
  });

  test('keeps strings that look like other types', async () => {
    const tags = ['010', '1.10', '1e3', 'no', 'on', 'true', 'null', '0x1F', '1_000', '2001-01-01', '-', '*', '**'];
    const after = await readBack({ rules: [{ ignore: { tags } }] });
    assert.ok(after.kind === 'value', JSON.stringify(after));
    assert.deepEqual(after.value.policy.rules[0]?.when.tags, tags);
  });

  test('accepts what the program accepts, and nothing else', () => {
    const judged = SAMPLES.map((config) => [config, isValid({ config })]);
    const taken = SAMPLES.map((config) => [config, parseConfigFile(Buffer.from(stringify(config))).kind === 'value']);
    assert.deepEqual(judged, taken);
    assert.equal(new Set(taken.map(([, isTaken]) => isTaken)).size, 2);
  });

  test('accepts no settings, which have values of their own', () => {
    assert.ok(!isValid({ config: { settings: { LOG_LEVEL: 'debug' } } }));
  });

  test('prevents the warning about missing tokens if it names other callers', async () => {
    const values = { ...MINIMAL_WITH_CERTIFICATE, tokens: {} };
    const callers = { grid: { application: 'event-grid' } };
    assert.match(await renderNotes(values), /WARNING: there are no tokens/);
    assert.match(await renderNotes({ ...values, config: { rules: [{ ignore: {} }] } }), /WARNING: there are no tokens/);
    assert.doesNotMatch(await renderNotes({ ...values, config: { entra, callers } }), /there are no tokens/);
  });
});
