import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { LIMITS } from '../http/limits.ts';
import {
  type Environment,
  readDevSettings,
  readOperatorSettings,
  readSettings,
  warningsAbout,
} from './read-settings.ts';
import { formatIssue } from './schema.ts';

const FIXTURES = join(import.meta.dirname, 'fixtures');
const TLS = { TLS_ENABLED: 'true', TLS_CERT_PATH: join(FIXTURES, 'one.crt'), TLS_KEY_PATH: join(FIXTURES, 'one.key') };

let directory: string;
let least: Environment;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'read-settings-'));
  least = {
    API_ADDRESS: 'https://brigade.example',
    API_TOKEN: 'api-s3cret',
    TOKENS_PATH: await file('tokens.json', '{}'),
  };
});

after(() => rm(directory, { recursive: true }));

async function file(name: string, content: string): Promise<string> {
  await writeFile(join(directory, name), content);
  return join(directory, name);
}

async function settingsOf(variables: Environment) {
  const read = await readSettings(variables);
  assert.equal(read.kind, 'value', JSON.stringify(read));
  return read.value;
}

async function reportOf(variables: Environment): Promise<readonly string[]> {
  const read = await readSettings(variables);
  return read.kind === 'issues' ? read.issues.map(formatIssue) : [];
}

describe('the settings of serve', () => {
  it('a reserve with which a full disk could not heal is an issue', async () => {
    assert.deepEqual(await reportOf({ ...least, JOURNAL_RESERVE: '0' }), [
      'JOURNAL_RESERVE: must be a size such as `256MiB`, from 32MiB to 1TiB',
    ]);
  });

  it('an address, a token and a tokens file suffice', async () => {
    const all = await settingsOf(least);
    assert.deepEqual(warningsAbout(all), []);
    const { inEffect: _, ...settings } = all;
    assert.deepEqual(settings, {
      configPath: undefined,
      sink: {
        kind: 'brigade',
        address: 'https://brigade.example',
        token: { kind: 'value', value: 'api-s3cret' },
        caPath: undefined,
        ignoreCertWarnings: false,
      },
      tokensPath: least['TOKENS_PATH'],
      ingest: {
        host: '0.0.0.0',
        port: 8080,
        tls: undefined,
        maxBodyBytes: 2 * 2 ** 20,
        handshakeCredentials: 'optional',
        contentWindow: { ms: 0, regions: 'together' },
        trustedProxies: [],
        shutdownDelayMs: 0,
      },
      admin: {
        host: '127.0.0.1',
        port: 8081,
        token: undefined,
        tokensPath: undefined,
        allowedHosts: ['localhost', '127.0.0.1', '[::1]'],
      },
      journal: {
        location: { kind: 'sqlite', path: './data/journal.db' },
        allowNetworkFs: false,
        reserveBytes: 256 * 2 ** 20,
        maxBytes: 2 * 2 ** 30,
      },
      logLevel: 'info',
      traces: undefined,
    });
  });

  it('traces are sent where a collector is named, all of them or a share', async () => {
    const endpoint = 'http://collector:4318';
    const settings = await settingsOf({ ...least, OTEL_EXPORTER_OTLP_ENDPOINT: `${endpoint}/` });
    assert.deepEqual(settings.traces, { endpoint, share: 1 });
    const sampled = await settingsOf({
      ...least,
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_TRACES_SAMPLER_ARG: '0.25',
    });
    assert.deepEqual(sampled.traces, { endpoint, share: 0.25 });
  });

  it('an empty variable is not set, and blanks around a value do not count', async () => {
    const settings = await settingsOf({ ...least, PORT: '', HOST: '  ', LOG_LEVEL: ' debug\n' });
    assert.equal(settings.ingest.port, 8080);
    assert.equal(settings.ingest.host, '0.0.0.0');
    assert.equal(settings.logLevel, 'debug');
    assert.deepEqual(await reportOf({ ...least, API_ADDRESS: '' }), ['API_ADDRESS is required']);
  });

  it('every issue is reported, with its variable and what was expected', async () => {
    const tokens = await file('bad-tokens.json', '{"ci": "",\n"cd": 7}');
    const report = await reportOf({
      TOKENS_PATH: tokens,
      PORT: 'abc',
      TLS_ENABLED: 'yes',
      JOURNAL_URL: 'postgres://db/x',
    });
    assert.deepEqual(report.toSorted(), [
      'API_ADDRESS is required',
      'API_TOKEN or API_TOKEN_PATH is required',
      'JOURNAL_URL: PostgreSQL is not supported by this version',
      'PORT: must be a whole number from 0 to 65535',
      'TLS_ENABLED: must be `true` or `false`',
      `TOKENS_PATH: ${tokens}:1: ci: must be a token, not empty and without blanks around it`,
      `TOKENS_PATH: ${tokens}:2: cd: must be a token, not empty and without blanks around it`,
    ]);
  });

  it('a token for Brigade is given once, as it is or in a file', async () => {
    const path = await file('token', ' api-s3cret\n');
    const { API_TOKEN: _, ...rest } = least;
    const { sink } = await settingsOf({ ...rest, API_TOKEN_PATH: path });
    assert.deepEqual(sink.kind === 'brigade' && sink.token, { kind: 'file', path });
    const twice = { ...least, API_TOKEN_PATH: path };
    assert.deepEqual(await reportOf(twice), ['only one of API_TOKEN and API_TOKEN_PATH may be set']);
    for (const empty of ['', '\n', '$(TOKEN)']) {
      const invalid = await file('invalid-token', empty);
      assert.deepEqual(await reportOf({ ...rest, API_TOKEN_PATH: invalid }), [
        `API_TOKEN_PATH: ${invalid}: must be a secret of visible ASCII characters, not an unresolved reference`,
      ]);
    }
  });

  it('a body may be as large as the reserve of bodies that no other caller can use up, and no larger', async () => {
    const reserve = LIMITS.maxBodyBytesInFlight.value / 4;
    const { ingest } = await settingsOf({ ...least, MAX_BODY_BYTES: `${reserve}` });
    assert.equal(ingest.maxBodyBytes, reserve);
    const [issue = ''] = await reportOf({ ...least, MAX_BODY_BYTES: `${reserve + 1}` });
    assert.match(issue, /^MAX_BODY_BYTES: .*from 1KiB to 16MiB/);
  });

  it('TLS needs a certificate and its own key; without TLS neither is read', async () => {
    assert.deepEqual((await settingsOf({ ...least, ...TLS })).ingest.tls, {
      cert: TLS.TLS_CERT_PATH,
      key: TLS.TLS_KEY_PATH,
    });
    const without = await reportOf({ ...least, TLS_ENABLED: 'true' });
    assert.deepEqual(without, ['TLS_CERT_PATH is required', 'TLS_KEY_PATH is required']);
    const mismatched = { ...TLS, TLS_KEY_PATH: join(FIXTURES, 'other.key') };
    const [issue = '', ...others] = await reportOf({ ...least, ...mismatched });
    assert.deepEqual(others, []);
    assert.match(issue, /^TLS_CERT_PATH and TLS_KEY_PATH: .*: must be the private key of the certificate$/);
    await settingsOf({ ...least, ...mismatched, TLS_ENABLED: 'false' });
  });

  it('a sink for CloudEvents needs nothing of Brigade, whose variables are not read', async () => {
    const { TOKENS_PATH } = least;
    const url = 'cloudevents+https://receiver.example';
    const { sink } = await settingsOf({ TOKENS_PATH, SINK_URL: url, API_ADDRESS: 'not read' });
    assert.equal(sink.address, 'https://receiver.example');
    const token = await file('sink-token', 's3cret');
    const both = { TOKENS_PATH, SINK_URL: url, SINK_TOKEN_PATH: token, SINK_BASIC_PATH: await file('basic', 'a:b') };
    assert.deepEqual(await reportOf(both), ['only one of SINK_TOKEN_PATH and SINK_BASIC_PATH may be set']);
  });

  it('a file that is not there, or is a folder, is an issue', async () => {
    const paths = { TOKENS_PATH: '/nope', API_CA_PATH: directory, ADMIN_TOKEN_PATH: '/nope' };
    assert.deepEqual((await reportOf({ ...least, ...paths })).toSorted(), [
      'ADMIN_TOKEN_PATH: /nope: there is no such file (ENOENT)',
      `API_CA_PATH: ${directory}: must be a regular file, not a folder, a device or a pipe`,
      'TOKENS_PATH: /nope: there is no such file (ENOENT)',
    ]);
  });

  it('authorities for Brigade are certificates in PEM form, each of them', async () => {
    await settingsOf({ ...least, API_CA_PATH: TLS.TLS_CERT_PATH });
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    for (const bundle of [
      await readFile(TLS.TLS_KEY_PATH, 'utf8'),
      broken,
      `${await readFile(TLS.TLS_CERT_PATH, 'utf8')}${broken}`,
    ]) {
      const API_CA_PATH = await file('ca.pem', bundle);
      assert.deepEqual(await reportOf({ ...least, API_CA_PATH }), [
        `API_CA_PATH: ${API_CA_PATH}: must be one or more certificates in PEM form`,
      ]);
    }
  });

  it('a journal in memory must be allowed', async () => {
    const memory = { ...least, JOURNAL_URL: 'memory:' };
    assert.deepEqual(await reportOf(memory), ['JOURNAL_URL: `memory:` requires JOURNAL_ALLOW_MEMORY=true']);
    const settings = await settingsOf({ ...memory, JOURNAL_ALLOW_MEMORY: 't' });
    assert.deepEqual(settings.journal.location, { kind: 'memory' });
  });

  it('what works but should not stay so is warned of', async () => {
    const settings = await settingsOf({ ...least, API_ADDRESS: 'http://b', API_IGNORE_CERT_WARNINGS: '1' });
    assert.equal(warningsAbout(settings).length, 2);
  });

  it('no issue repeats a secret, whatever else is wrong', async () => {
    // Not found by chance in a message.
    const secret = fc.string({ minLength: 4, maxLength: 40 }).map((text) => `§${text.trim()}§`);
    await fc.assert(
      fc.asyncProperty(secret, async (hidden) => {
        const report = await reportOf({
          API_ADDRESS: `https://user:${hidden}@brigade.example`,
          API_TOKEN: hidden,
          ADMIN_TOKEN_PATH: await file('secret', hidden),
          JOURNAL_URL: `postgres://user:${hidden}@db/x`,
        });
        assert.equal(report.length, 5, report.join('\n'));
        assert.ok(!report.some((line) => line.includes(hidden)));
      }),
      { numRuns: 50 },
    );
  });
});

describe('the settings of dev', () => {
  it('can all be left out', async () => {
    const ports = { port: 8080, adminPort: 8081, brigadePort: 8082 };
    const value = { dataDir: './data', ...ports, rootPassword: undefined, logLevel: 'info', traces: undefined };
    const read = await readDevSettings({});
    assert.equal(read.kind, 'value');
    const { inEffect, ...settings } = read.value;
    assert.deepEqual(settings, value);
    assert.ok(inEffect.some(({ name, value: text }) => name === 'BRIGADE_PORT' && text === '8082'));
  });

  it('are checked as those of serve are', async () => {
    const read = await readDevSettings({ BRIGADE_PORT: '70000', LOG_LEVEL: 'loud' });
    assert.equal(read.kind, 'issues');
    assert.deepEqual(
      read.issues.map(({ path }) => path),
      ['BRIGADE_PORT', 'LOG_LEVEL'],
    );
  });
});

describe('the settings of dead-letters', () => {
  it('are a token, and an address where the gateway is not on this machine', async () => {
    const local = await readOperatorSettings({ ADMIN_TOKEN: 's3cret', ADMIN_PORT: '9000' });
    const token = { kind: 'value', value: 's3cret' };
    assert.deepEqual(local, { kind: 'value', value: { url: 'http://127.0.0.1:9000', token } });
    const none = await readOperatorSettings({});
    assert.deepEqual(none.kind === 'issues' && none.issues.map(formatIssue), [
      'ADMIN_TOKEN or ADMIN_TOKEN_PATH is required',
    ]);
  });
});

describe('the configuration file', () => {
  it('can hold every setting, which overrides a default and is overridden by the environment', async () => {
    const CONFIG_PATH = await file(
      'layers.yaml',
      'settings: { PORT: 1, ADMIN_PORT: 2, TRUSTED_PROXIES: [10.0.0.1, ::1] }',
    );
    const settings = await settingsOf({ ...least, CONFIG_PATH, PORT: '3' });
    assert.deepEqual([settings.ingest.port, settings.admin.port], [3, 2]);
    assert.equal(settings.ingest.trustedProxies.length, 2);
    assert.equal(settings.configPath, CONFIG_PATH);
  });

  it('is shown to operators with the environment and the defaults, each with its source, and no secret', async () => {
    const CONFIG_PATH = await file('shown.yaml', 'settings: { PORT: 1, ADMIN_PORT: 2, ADMIN_TOKEN: admin-s3cret }');
    const { inEffect } = await settingsOf({ ...least, CONFIG_PATH, PORT: '3' });
    const shown = new Map(inEffect.map(({ name, ...rest }) => [name, rest]));
    assert.deepEqual(shown.get('PORT'), { value: '3', source: 'environment' });
    assert.deepEqual(shown.get('ADMIN_PORT'), { value: '2', source: 'file' });
    assert.deepEqual(shown.get('LOG_LEVEL'), { value: 'info', source: 'default' });
    assert.deepEqual(shown.get('SINK_URL'), { source: 'default' });
    assert.deepEqual(shown.get('API_TOKEN'), { value: '[hidden]', source: 'environment' });
    assert.deepEqual(shown.get('ADMIN_TOKEN'), { value: '[hidden]', source: 'file' });
    assert.doesNotMatch(JSON.stringify(inEffect), /s3cret/);
  });

  it('suffices', async () => {
    const lines = Object.entries(least).map(([name, value]) => `  ${name}: ${value}`);
    const CONFIG_PATH = await file('all.yaml', ['settings:', ...lines].join('\n'));
    assert.equal((await settingsOf({ CONFIG_PATH })).sink.address, 'https://brigade.example');
  });

  it('is named, with the line, where a setting in it is wrong', async () => {
    const CONFIG_PATH = await file('wrong.yaml', 'settings:\n  PORT: http\n  API_TOKEN: $(UNRESOLVED)\n');
    const { API_TOKEN: _, ...rest } = least;
    assert.deepEqual(await reportOf({ ...rest, CONFIG_PATH }), [
      `${CONFIG_PATH}:3: API_TOKEN: must be a secret of visible ASCII characters, not an unresolved reference`,
      `${CONFIG_PATH}:2: PORT: must be a whole number from 0 to 65535`,
    ]);
  });

  it('has its issues reported with those of the environment, without what only seems to be missing', async () => {
    const CONFIG_PATH = await file('bad.yaml', 'settings: { API_ADDRESS: http://a }\nrules: none\ncallers: 1\n');
    const report = await reportOf({ CONFIG_PATH, PORT: 'http' });
    assert.deepEqual(report, [
      `CONFIG_PATH: ${CONFIG_PATH}:2: rules: must be a list, not empty, each an object with name, ignore, accept`,
      `CONFIG_PATH: ${CONFIG_PATH}:3: callers: must be an object`,
      'PORT: must be a whole number from 0 to 65535',
    ]);
  });

  it('that is not there is an issue', async () => {
    const CONFIG_PATH = join(directory, 'nowhere.yaml');
    assert.deepEqual(await reportOf({ ...least, CONFIG_PATH }), [
      `CONFIG_PATH: ${CONFIG_PATH}: there is no such file (ENOENT)`,
    ]);
  });
});
