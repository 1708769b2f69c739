import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { ParseFiles } from './file-content.ts';
import { devSettings } from './other-settings.ts';
import { type Environment, readDevSettings, readSettings } from './read-settings.ts';
import { settingsReference } from './reference.ts';
import { serveSettings } from './settings.ts';

const FIXTURES = join(import.meta.dirname, 'fixtures');
const TLS = { TLS_ENABLED: 'true', TLS_CERT_PATH: join(FIXTURES, 'one.crt'), TLS_KEY_PATH: join(FIXTURES, 'one.key') };

/** A tokens file is fit when it begins with a brace. */
const parseTokens: ParseFiles<string> = (content = new Uint8Array()) =>
  content[0] === 0x7b
    ? { kind: 'value', value: 'tokens' }
    : { kind: 'issues', issues: [{ path: 'a.token', expected: 'a token', received: 'nothing' }] };

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
  const read = await readSettings(variables, parseTokens);
  assert.equal(read.kind, 'settings', JSON.stringify(read));
  return read;
}

async function issuesOf(variables: Environment) {
  const read = await readSettings(variables, parseTokens);
  assert.equal(read.kind, 'issues');
  return read.issues;
}

async function keysAtFault(variables: Environment): Promise<readonly string[]> {
  return (await issuesOf(variables)).map(({ key }) => key);
}

describe('the settings of serve', () => {
  it('an address, a token and a tokens file suffice', async () => {
    const { settings, warnings } = await settingsOf(least);
    assert.deepEqual(warnings, []);
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
      admin: { host: '127.0.0.1', port: 8081, token: undefined, allowedHosts: ['localhost', '127.0.0.1', '[::1]'] },
      journal: {
        location: { kind: 'sqlite', path: './data/journal.db' },
        allowNetworkFs: false,
        reserveBytes: 256 * 2 ** 20,
        maxBytes: 2 * 2 ** 30,
      },
      logLevel: 'info',
    });
  });

  it('an empty variable is not set, and blanks around a value do not count', async () => {
    const { settings } = await settingsOf({ ...least, PORT: '', HOST: '  ', LOG_LEVEL: ' debug\n' });
    assert.equal(settings.ingest.port, 8080);
    assert.equal(settings.ingest.host, '0.0.0.0');
    assert.equal(settings.logLevel, 'debug');
    assert.deepEqual(await keysAtFault({ ...least, API_ADDRESS: '' }), ['API_ADDRESS']);
  });

  it('every issue is told at once, with its variable, its source and what was expected', async () => {
    const tokens = await file('bad-tokens.json', '[]');
    const issues = await issuesOf({
      TOKENS_PATH: tokens,
      PORT: 'abc',
      TLS_ENABLED: 'yes',
      JOURNAL_URL: 'postgres://db/x',
    });
    const expected = 'an `http://` or `https://` URL without credentials, query and fragment';
    assert.deepEqual(issues.slice(0, 1), [
      { path: '', key: 'API_ADDRESS', source: 'environment', expected, received: 'nothing' },
    ]);
    assert.deepEqual(
      issues.map(({ key, source, received }) => [key, source, received]),
      [
        ['API_ADDRESS', 'environment', 'nothing'],
        ['API_TOKEN or API_TOKEN_PATH', 'environment', 'nothing'],
        ['TOKENS_PATH', tokens, 'nothing'],
        ['PORT', 'environment', '"abc"'],
        ['TLS_ENABLED', 'environment', '"yes"'],
        ['JOURNAL_URL', 'environment', 'PostgreSQL, not supported by this version'],
      ],
    );
  });

  it('a token for Brigade is given once, as it is or in a file', async () => {
    const path = await file('token', ' api-s3cret\n');
    const { API_TOKEN: _, ...rest } = least;
    const { sink } = (await settingsOf({ ...rest, API_TOKEN_PATH: path })).settings;
    assert.deepEqual(sink.kind === 'brigade' && sink.token, { kind: 'file', path });
    assert.deepEqual(await keysAtFault({ ...least, API_TOKEN_PATH: path }), ['API_TOKEN']);
    for (const empty of ['', '\n', '$(TOKEN)']) {
      const unfit = await file('unfit-token', empty);
      assert.deepEqual(await keysAtFault({ ...rest, API_TOKEN_PATH: unfit }), ['API_TOKEN_PATH']);
    }
  });

  it('TLS needs a certificate and its own key; without TLS neither is looked at', async () => {
    assert.deepEqual((await settingsOf({ ...least, ...TLS })).settings.ingest.tls, {
      cert: TLS.TLS_CERT_PATH,
      key: TLS.TLS_KEY_PATH,
    });
    assert.deepEqual(await keysAtFault({ ...least, TLS_ENABLED: 'true' }), ['TLS_CERT_PATH', 'TLS_KEY_PATH']);
    const mismatched = { ...TLS, TLS_KEY_PATH: join(FIXTURES, 'other.key') };
    assert.deepEqual(await keysAtFault({ ...least, ...mismatched }), ['TLS_CERT_PATH and TLS_KEY_PATH']);
    await settingsOf({ ...least, ...mismatched, TLS_ENABLED: 'false' });
  });

  it('a file that is not there, or is none, is an issue', async () => {
    const paths = { TOKENS_PATH: '/nope', API_CA_PATH: directory, ADMIN_TOKEN_PATH: '/nope' };
    assert.deepEqual(await keysAtFault({ ...least, ...paths }), ['API_CA_PATH', 'TOKENS_PATH', 'ADMIN_TOKEN_PATH']);
  });

  it('authorities for Brigade are certificates in PEM form, each of them', async () => {
    await settingsOf({ ...least, API_CA_PATH: TLS.TLS_CERT_PATH });
    assert.deepEqual(await keysAtFault({ ...least, API_CA_PATH: TLS.TLS_KEY_PATH }), ['API_CA_PATH']);
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    for (const bundle of [broken, `${await readFile(TLS.TLS_CERT_PATH, 'utf8')}${broken}`]) {
      const API_CA_PATH = await file('ca.pem', bundle);
      assert.deepEqual(await keysAtFault({ ...least, API_CA_PATH }), ['API_CA_PATH']);
    }
  });

  it('a journal in memory must be allowed', async () => {
    const memory = { ...least, JOURNAL_URL: 'memory:' };
    assert.deepEqual(await keysAtFault(memory), ['JOURNAL_URL']);
    const { settings } = await settingsOf({ ...memory, JOURNAL_ALLOW_MEMORY: 't' });
    assert.deepEqual(settings.journal.location, { kind: 'memory' });
  });

  it('what works but should not stay so is warned of', async () => {
    const { warnings } = await settingsOf({ ...least, API_ADDRESS: 'http://b', API_IGNORE_CERT_WARNINGS: '1' });
    assert.equal(warnings.length, 2);
  });

  it('no issue repeats a secret, whatever else is wrong', async () => {
    // Nobody's prose, so that it is not found by chance in what was expected.
    const secret = fc.string({ minLength: 4, maxLength: 40 }).map((text) => `§${text.trim()}§`);
    await fc.assert(
      fc.asyncProperty(secret, async (hidden) => {
        const issues = await issuesOf({
          API_ADDRESS: `https://user:${hidden}@brigade.example`,
          API_TOKEN: hidden,
          ADMIN_TOKEN_PATH: await file('secret', hidden),
          JOURNAL_URL: `postgres://user:${hidden}@db/x`,
        });
        assert.deepEqual(issues.length, 5);
        assert.ok(!issues.some((issue) => Object.values(issue).some((text) => text.includes(hidden))));
      }),
      { numRuns: 50 },
    );
  });
});

describe('the settings of dev', () => {
  it('can all be left out', async () => {
    const ports = { port: 8080, adminPort: 8081, brigadePort: 8082 };
    const settings = { dataDir: './data', ...ports, rootPassword: undefined, logLevel: 'info' };
    assert.deepEqual(await readDevSettings({}), { kind: 'settings', settings, warnings: [] });
  });

  it('are checked as those of serve are', async () => {
    const read = await readDevSettings({ BRIGADE_PORT: '70000', LOG_LEVEL: 'loud' });
    assert.equal(read.kind, 'issues');
    assert.deepEqual(
      read.issues.map(({ key }) => key),
      ['BRIGADE_PORT', 'LOG_LEVEL'],
    );
  });
});

describe('the reference of settings', () => {
  it('has one line for each variable of each mode', () => {
    const [, serve = '', dev = ''] = settingsReference().split(/^## /m);
    for (const [text, rows] of [
      [serve, serveSettings.rows],
      [dev, devSettings.rows],
    ] as const) {
      assert.deepEqual(
        [...text.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name),
        rows.map(({ name }) => name),
      );
    }
  });
});

describe('the configuration file', () => {
  it('says what a variable can say, and counts less than the environment and more than a default', async () => {
    const CONFIG_PATH = await file(
      'layers.yaml',
      'settings: { PORT: 1, ADMIN_PORT: 2, TRUSTED_PROXIES: [10.0.0.1, ::1] }',
    );
    const { settings } = await settingsOf({ ...least, CONFIG_PATH, PORT: '3' });
    assert.deepEqual([settings.ingest.port, settings.admin.port], [3, 2]);
    assert.equal(settings.ingest.trustedProxies.length, 2);
    assert.equal(settings.configPath, CONFIG_PATH);
  });

  it('suffices', async () => {
    const lines = Object.entries(least).map(([name, value]) => `  ${name}: ${value}`);
    const CONFIG_PATH = await file('all.yaml', ['settings:', ...lines].join('\n'));
    assert.equal((await settingsOf({ CONFIG_PATH })).settings.sink.address, 'https://brigade.example');
  });

  it('is named, with the line, where a setting in it is wrong', async () => {
    const CONFIG_PATH = await file('wrong.yaml', 'settings:\n  PORT: http\n  API_TOKEN: $(UNRESOLVED)\n');
    const { API_TOKEN: _, ...rest } = least;
    const issues = await issuesOf({ ...rest, CONFIG_PATH });
    assert.deepEqual(
      issues.map(({ key, source }) => [key, source]),
      [
        ['API_TOKEN', `${CONFIG_PATH}:3`],
        ['PORT', `${CONFIG_PATH}:2`],
      ],
    );
    assert.ok(!JSON.stringify(issues).includes('UNRESOLVED'));
  });

  it('has its issues told together with those of the environment, and hides what may only seem to be missing', async () => {
    const CONFIG_PATH = await file('bad.yaml', 'settings: { API_ADDRESS: http://a }\nrules: none\ncallers: 1\n');
    const issues = await issuesOf({ CONFIG_PATH, PORT: 'http' });
    assert.deepEqual(
      issues.map(({ key, path }) => `${key} ${path}`),
      ['CONFIG_PATH line 3: callers', 'CONFIG_PATH line 2: rules', 'PORT '],
    );
  });

  it('that is not there is an issue', async () => {
    assert.deepEqual(await keysAtFault({ ...least, CONFIG_PATH: join(directory, 'nowhere.yaml') }), ['CONFIG_PATH']);
  });
});
