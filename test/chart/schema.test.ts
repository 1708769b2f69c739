import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Ajv } from 'ajv';
import * as v from 'valibot';
import schema from '../../charts/brigade-acr-gateway/values.schema.json' with { type: 'json' };
import { parseTokens } from '../../src/config/tokens-file.ts';
import { SERVE_VARIABLES } from '../../src/config/variables.ts';
import { render, renderCases, type Values } from './helm.ts';
import { containerOf, envOf, gatewayPod, type KubeObject } from './objects.ts';
import { DEFAULTS, isValues, leavesOf, type Path } from './values.ts';

/** Settings for which the chart has no value, and why. */
const NOT_OFFERED: Readonly<Record<string, string>> = {
  API_TOKEN: 'the token comes as a file, which can change',
  ADMIN_TOKEN: 'the token comes as a file, which can change',
  JOURNAL_ALLOW_MEMORY: 'the chart always has a volume or a database',
  JOURNAL_ALLOW_NETWORK_FS: 'never SMB or NFS',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'in extraEnv, beside the variables that only the SDK of OpenTelemetry reads',
  OTEL_TRACES_SAMPLER_ARG: 'likewise',
};

/** Settings with another default in a pod, and why. */
const OTHER_DEFAULTS: Readonly<Record<string, string>> = {
  ADMIN_HOST: 'probes come from outside the pod',
  TLS_ENABLED: 'as in the chart of v0.4.1',
  JOURNAL_URL: 'the volume',
  SHUTDOWN_DELAY: 'load balancers need time to notice',
};

const variables = new Map<string, v.GenericSchema | v.GenericSchemaAsync>(Object.entries(SERVE_VARIABLES));

/** Undefined for what the program rejects. Files are of the pod: their paths are not followed. */
function parsed(name: string, text?: string): unknown {
  const schema = variables.get(name);
  assert.ok(schema);
  if (schema.async) return text;
  const { success, output } = v.safeParse(schema, text);
  return success ? output : undefined;
}

const isValid = new Ajv({ strict: false }).compile(schema);

/** The paths of all values that the schema names; keys of a user's map are not among them. */
function schemaLeaves(node: Values, above: Path = []): readonly Path[] {
  return Object.entries(isValues(node['properties']) ? node['properties'] : {}).flatMap(([name, child]) => {
    const path = [...above, name];
    return isValues(child) && isValues(child['properties']) ? schemaLeaves(child, path) : [path];
  });
}

function looseObjects(node: unknown, path: Path = []): readonly string[] {
  if (!isValues(node)) return [];
  const isLoose = node['properties'] !== undefined && node['additionalProperties'] !== false;
  const below = Object.entries(node).flatMap(([name, child]) => looseObjects(child, [...path, name]));
  return [...(isLoose ? [path.join('.')] : []), ...below];
}

suite('the schema of the values', () => {
  test('names every value, and no other', () => {
    const known = schemaLeaves(schema).map((path) => path.join('.'));
    // `global` is what Helm hands to every chart that is part of another one.
    const there = [...leavesOf(DEFAULTS).map((path) => path.join('.')), 'global'];
    assert.deepEqual(known.toSorted(), there.toSorted());
    assert.ok(isValid(DEFAULTS), JSON.stringify(isValid.errors));
  });

  test('rejects values that it does not name', () => {
    assert.deepEqual(looseObjects(schema), []);
  });

  const samples: readonly (readonly [setting: string, place: (sample: string) => Values, texts: readonly string[]])[] =
    [
      [
        'MAX_BODY_BYTES',
        (maxBodyBytes) => ({ maxBodyBytes }),
        ['2MiB', '4096', '5 kB', '16MiB', '2Mi', 'two', '1.5MiB', ''],
      ],
      ['JOURNAL_RESERVE', (reserve) => ({ journal: { reserve } }), ['32MiB', '1GB', '1TiB', '1PiB', '1gb', '-1']],
      ['JOURNAL_MAX_BYTES', (maxBytes) => ({ journal: { maxBytes } }), ['16MiB', '3KB', '1 GiB', '1G']],
      [
        'API_ADDRESS',
        (apiAddress) => ({ brigade: { apiAddress } }),
        ['https://a', 'http://a:1/b', 'a', 'ftp://a', 'https://u:p@a', 'https://a?b', 'https://a#b'],
      ],
      [
        'SINK_URL',
        (url) => ({ sink: { url } }),
        [
          'cloudevents+https://a',
          'cloudevents+http://a:1/b/c',
          'https://a',
          'cloudevents+a',
          'cloudevents+ftp://a',
          'cloudevents+https://u:p@a',
          'cloudevents+https://a?b',
        ],
      ],
      ['SINK_MODE', (mode) => ({ sink: { mode } }), ['structured', 'binary', 'batch']],
      [
        'HANDSHAKE_CREDENTIALS',
        (handshakeCredentials) => ({ handshakeCredentials }),
        ['optional', 'required', 'none', 'Required'],
      ],
      [
        'CONTENT_WINDOW',
        (contentWindow) => ({ contentWindow }),
        ['0s', '0', '10m', '500ms', '5 s', '1h', '7d', '1.5m', 'ten', '-1'],
      ],
      [
        'CONTENT_WINDOW_REGIONS',
        (contentWindowRegions) => ({ contentWindowRegions }),
        ['together', 'apart', 'westeurope'],
      ],
      [
        'LOG_LEVEL',
        (logLevel) => ({ logLevel }),
        ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent', 'verbose', 'INFO'],
      ],
      [
        'TRUSTED_PROXIES',
        (proxy) => ({ trustedProxies: [proxy] }),
        ['10.0.0.0/8', '::1', 'fd00::/8', 'proxy', '10.0.0.0/8,'],
      ],
      [
        'ADMIN_ALLOWED_HOSTS',
        (host) => ({ admin: { allowedHosts: [host] } }),
        ['localhost', '[::1]', 'a.example.org', 'a:1', 'a/b'],
      ],
      ['HOST', (listenAddress) => ({ listenAddress }), ['0.0.0.0', '::', '10.0.0.1', 'a b']],
      ['SHUTDOWN_DELAY', (seconds) => ({ shutdownDelaySeconds: Number(seconds) }), ['0', '10', '600', '601', '-1']],
    ];
  for (const [setting, place, texts] of samples) {
    test(`accepts what the program accepts for ${setting}`, () => {
      // An empty value is not set, and the program reports a size that is too small or too large.
      const outOfRange = /^(?:|3KB|4096|5 kB|1PiB)$/;
      const judged = texts.filter((text) => !outOfRange.test(text));
      const taken = judged.map((text) => [text, isValid(place(text))]);
      assert.deepEqual(
        taken,
        judged.map((text) => [text, parsed(setting, text) !== undefined]),
      );
    });
  }

  test('accepts what the program accepts for a token', () => {
    const digest = '33e93d39b2cbbbd66794fa98cf051ffe1e2b5033af17777ec325ec42019d5e90';
    const entries = [
      'token',
      '',
      ' token',
      { token: 'one' },
      { token: 'one', registry: 'example.azurecr.io', repositories: ['team/**'], actions: ['push'] },
      { token: 'one', registry: 'https://example.azurecr.io' },
      { token: 'one', repositories: [] },
      { token: 'one', actions: ['pull'] },
      { token: 'one', registries: [] },
      { sha256: digest },
      { sha256: digest.slice(1) },
      12345,
      null,
    ];
    const judged = entries.map((entry) => [entry, isValid({ tokens: { ci: entry } })]);
    const isTaken = (entry: unknown) => parseTokens(Buffer.from(JSON.stringify({ ci: entry }))).kind === 'value';
    assert.deepEqual(
      judged,
      entries.map((entry) => [entry, isTaken(entry)]),
    );
  });
});

suite('the settings of the program', () => {
  test('are all set by the chart, in a form that the program accepts', async () => {
    const all = await renderCases();
    const given = new Set(all.flatMap(([, documents]) => namesOf(documents)));
    assert.deepEqual(
      [...given].filter((name) => !variables.has(name) && name !== 'NODE_OPTIONS'),
      [],
    );
    assert.deepEqual(
      [...variables.keys()].filter((name) => !given.has(name)).toSorted(),
      Object.keys(NOT_OFFERED).toSorted(),
    );
    for (const [, documents] of all) {
      const unread = Object.entries(envOf(gatewayPod(documents))).filter(
        ([name, value]) => value !== '' && variables.has(name) && parsed(name, value) === undefined,
      );
      assert.deepEqual(unread, []);
    }
  });

  test('have the defaults of the program unless a pod needs others', async () => {
    const { documents } = await render('charts/brigade-acr-gateway/ci/minimal-values.yaml');
    const other = Object.entries(envOf(gatewayPod(documents))).filter(([name, value]) => {
      const given = variables.has(name) ? parsed(name) : undefined;
      return given !== undefined && JSON.stringify(parsed(name, value)) !== JSON.stringify(given);
    });
    assert.deepEqual(other.map(([name]) => name).toSorted(), Object.keys(OTHER_DEFAULTS).toSorted());
  });
});

function namesOf(documents: readonly KubeObject[]): readonly string[] {
  return containerOf(gatewayPod(documents)).env?.map(({ name }) => name) ?? [];
}
