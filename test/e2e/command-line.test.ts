import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { aFolder, anInstallation, type Env, run, serve } from '../support/serve-process.ts';
import { anError, type Reaction, StubBrigade } from '../support/stub-brigade.ts';
import { aPush, operatorEnv, push } from '../support/webhooks.ts';

const FIXTURES = new URL('../../src/config/fixtures/', import.meta.url).pathname;

/** An address where nothing listens, for commands that must end before they connect. */
const UNREACHABLE = 'http://127.0.0.1:9';

/** A port that is in use while the test runs. */
function aTakenPort(t: TestContext): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer();
    t.after(() => server.close());
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(String(address !== null && typeof address === 'object' ? address.port : 0));
    });
  });
}

function failingProbe(status: number): (brigade: StubBrigade) => void {
  const reaction: Reaction = anError(status, 'Brigade said why');
  return (brigade) => {
    brigade.onProbe = () => reaction;
  };
}

suite('serve', { concurrency: 4 }, () => {
  test('exits with 78 if the tokens file is not JSON, and does not quote it', async (t) => {
    const { env, tokensPath } = await anInstallation(t, UNREACHABLE);
    await writeFile(tokensPath, '{"ci": "s3cret"');
    const { code, errors } = await run(t, ['serve'], env);
    assert.equal(code, 78);
    assert.match(errors, /TOKENS_PATH: .*tokens\.json:1:16: the JSON is not valid: expected `,` or `}`/);
    assert.doesNotMatch(errors, /s3cret/);
  });

  test('prints every issue of the configuration at once', async (t) => {
    const { env, tokensPath } = await anInstallation(t, UNREACHABLE);
    await writeFile(tokensPath, '{"ci": "", "cd": 7}');
    const broken = {
      API_ADDRESS: 'brigade',
      PORT: '70000',
      JOURNAL_URL: 'mysql://nowhere',
      LOG_LEVEL: 'loud',
      TLS_ENABLED: 'true',
      TRUSTED_PROXIES: 'everybody',
    };
    const { code, errors } = await run(t, ['serve'], { ...env, ...broken });
    assert.equal(code, 78);
    for (const name of [...Object.keys(broken), 'TOKENS_PATH: \\S+: ci', 'TOKENS_PATH: \\S+: cd']) {
      if (name !== 'TLS_ENABLED') assert.match(errors, new RegExp(`^  ${name}: must be .+`, 'm'));
    }
    for (const name of ['TLS_CERT_PATH', 'TLS_KEY_PATH']) {
      assert.match(errors, new RegExp(`^  ${name} is required$`, 'm'));
    }
  });

  test('without any configuration prints what is required and exits with 78', async (t) => {
    const { code, errors } = await run(t, ['serve'], {});
    assert.equal(code, 78);
    for (const name of ['API_ADDRESS', 'API_TOKEN or API_TOKEN_PATH', 'TOKENS_PATH']) {
      assert.match(errors, new RegExp(`^  ${name} is required$`, 'm'));
    }
  });

  for (const name of ['PORT', 'ADMIN_PORT']) {
    test(`exits with 69 and names the address if ${name} is in use`, async (t) => {
      const { env } = await anInstallation(t, UNREACHABLE);
      const port = await aTakenPort(t);
      const { code, errors } = await run(t, ['serve'], { ...env, [name]: port });
      assert.equal(code, 69);
      assert.match(errors, new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}.*EADDRINUSE`));
    });
  }

  for (const [what, cert, key, expected] of [
    ['a TLS certificate that does not exist', 'nowhere.crt', 'one.key', /TLS_CERT_PATH/],
    ['the key of another TLS certificate', 'one.crt', 'other.key', /the private key of the certificate/],
  ] as const) {
    test(`exits with 78 for ${what}`, async (t) => {
      const { env } = await anInstallation(t, UNREACHABLE, {
        TLS_ENABLED: 'true',
        TLS_CERT_PATH: join(FIXTURES, cert),
        TLS_KEY_PATH: join(FIXTURES, key),
      });
      const { code, errors } = await run(t, ['serve'], env);
      assert.equal(code, 78);
      assert.match(errors, expected);
    });
  }

  test('exits with 74 if the folder of the journal cannot be created', async (t) => {
    const { env, tokensPath } = await anInstallation(t, UNREACHABLE);
    const { code, errors } = await run(t, ['serve'], { ...env, JOURNAL_URL: `sqlite:${tokensPath}/journal.db` });
    assert.equal(code, 74);
    assert.ok(errors.includes(tokensPath), errors);
  });

  test('exits with 74 if the journal is another file, and leaves it as it is', async (t) => {
    const { env, tokensPath } = await anInstallation(t, UNREACHABLE);
    const { code, errors } = await run(t, ['serve'], { ...env, JOURNAL_URL: `sqlite:${tokensPath}` });
    assert.equal(code, 74);
    assert.ok(errors.includes(tokensPath), errors);
  });

  test('exits with 75 if another process owns the journal, which goes on', async (t) => {
    const brigade = await StubBrigade.start(t);
    const installation = await anInstallation(t, brigade.address);
    const first = await serve(t, installation);
    const { code, errors } = await run(t, ['serve'], installation.env);
    assert.equal(code, 75);
    assert.match(errors, /journal/);
    await push(first, 'still-there');
    await brigade.untilTaken('still-there');
  });

  test('needs an explicit flag for a journal in memory', async (t) => {
    const { env } = await anInstallation(t, UNREACHABLE, { JOURNAL_URL: 'memory:' });
    const { code, errors } = await run(t, ['serve'], env);
    assert.equal(code, 78);
    assert.match(errors, /JOURNAL_ALLOW_MEMORY/);
  });
});

suite('check', { concurrency: 4 }, () => {
  const cases: readonly (readonly [string, (brigade: StubBrigade) => unknown, Env, number, RegExp])[] = [
    ['a Brigade that accepts our events', () => {}, {}, 0, /service account "stub" may create events/],
    ['a Brigade that is down', (brigade) => brigade.goDown(), {}, 69, /ECONNREFUSED/],
    ['a Brigade that fails', failingProbe(500), {}, 69, /500 Brigade said why/],
    ['a Brigade that does not know our token', failingProbe(401), {}, 77, /401 Brigade said why/],
    ['a Brigade that does not permit events', failingProbe(403), {}, 77, /403 Brigade said why/],
    ['a wrong configuration', () => {}, { PORT: 'http' }, 78, /PORT: must be a whole number/],
  ];
  for (const [what, prepare, env, expected, pattern] of cases) {
    test(`exits with ${expected} for ${what}`, async (t) => {
      const brigade = await StubBrigade.start(t);
      await prepare(brigade);
      const installation = await anInstallation(t, brigade.address, env);
      const { code, output, errors } = await run(t, ['check'], installation.env);
      assert.equal(code, expected);
      assert.match(output + errors, pattern);
      assert.deepEqual(brigade.arrivals, []);
    });
  }
});

suite('the command line', { concurrency: 4 }, () => {
  for (const [what, ...args] of [
    ['an unknown command', 'sevre'],
    ['an unknown flag', 'serve', '--port=1'],
    ['a flag of another command', 'version', '--json'],
    ['an argument too many', 'serve', 'now'],
    ['an argument that is not a number', 'dead-letters', 'show', 'one'],
    ['nothing to redeliver', 'dead-letters', 'redeliver'],
    ['a time that is none', 'events', 'list', '--since', 'yesterday'],
    ['a state that is none', 'events', 'list', '--state', 'lost'],
    ['a shell that cannot be completed', 'completion', 'fish'],
    ['an admin token for a registry', 'token', 'new', 'ann', '--role', 'read', '--registry', 'example.azurecr.io'],
    ['a webhook to explain from two places', 'check', '--seq', '1', '--explain', 'push.json'],
  ] as const) {
    test(`exits with 64 for ${what}`, async (t) => {
      const { code, errors } = await run(t, args, {});
      assert.equal(code, 64);
      assert.match(errors, /error: /);
    });
  }

  for (const command of ['', 'serve', 'dev', 'check', 'version', 'events', 'events list', 'dead-letters list']) {
    test(`explains "${command} --help" and exits with 0`, async (t) => {
      const { code, output } = await run(t, [...command.split(' ').filter(Boolean), '--help'], {});
      assert.equal(code, 0);
      assert.match(output, new RegExp(`^Usage: brigade-acr-gateway ${command}`));
    });
  }

  for (const argument of ['version', '--version']) {
    test(`prints the version for "${argument}"`, async (t) => {
      const { code, output } = await run(t, [argument], {});
      assert.equal(code, 0);
      assert.match(output, /^brigade-acr-gateway \d+\.\d+\.\d+\S* \(Node \d+\.\d+\.\d+\)$/);
    });
  }

  test('explains a webhook without any settings, and with those of the sink', async (t) => {
    const file = join(await aFolder(t), 'push.json');
    await writeFile(file, aPush('one'));
    const brigade = await run(t, ['check', '--explain', file], {});
    assert.equal(brigade.code, 0, brigade.errors);
    assert.match(brigade.output, /^caller {3}any\n[\s\S]*"source": "brigade\.sh\/acr"/);
    assert.match(brigade.errors, /the caller has no limits/);
    const events = await run(t, ['check', '--explain', file], { SINK_URL: 'cloudevents+http://127.0.0.1:9' });
    assert.match(events.output, /"type": ?"sh\.brigade\.acr\.push"/);
  });

  test('makes a token that a tokens file with its entry accepts, and lists its caller', async (t) => {
    const folder = await aFolder(t);
    const made = await run(t, ['token', 'new', 'ci', '--registry', 'example.azurecr.io', '--json'], {});
    const { token, entry } = JSON.parse(made.output);
    const [tokensPath, tokenFile] = [join(folder, 'tokens.json'), join(folder, 'token')];
    await writeFile(tokensPath, JSON.stringify({ ...entry, old: 'another token' }));
    await writeFile(tokenFile, `${token}\n`);
    const hashed = await run(t, ['token', 'hash', '--token-file', tokenFile], {});
    assert.deepEqual([hashed.output, hash('sha256', token)], [entry.ci.sha256, entry.ci.sha256]);
    const { output } = await run(t, ['token', 'list'], { TOKENS_PATH: tokensPath });
    assert.equal(output, 'ci   token  example.azurecr.io  any  any\nold  token  any                 any  any');
  });

  test('exits with 1 for "dead-letters" without a gateway, and names the address', async (t) => {
    const { code, errors } = await run(t, ['dead-letters', 'list'], { ADMIN_URL: UNREACHABLE, ADMIN_TOKEN: 'one' });
    assert.equal(code, 1);
    assert.match(errors, new RegExp(`no gateway answers at ${UNREACHABLE}`));
  });

  test('exits with 78 for "dead-letters" without a token', async (t) => {
    const { code, errors } = await run(t, ['dead-letters', 'list'], {});
    assert.equal(code, 78);
    assert.match(errors, /ADMIN_TOKEN/);
  });

  test('exits with 1 for "dead-letters" with a wrong token, or with an unknown number', async (t) => {
    const gateway = await serve(t, await anInstallation(t, UNREACHABLE));
    const env = operatorEnv(gateway);
    const wrong = await run(t, ['dead-letters', 'list'], { ...env, ADMIN_TOKEN: 'wrong' });
    assert.deepEqual([wrong.code, /401/.test(wrong.errors)], [1, true]);
    const unknown = await run(t, ['dead-letters', 'redeliver', '4711'], env);
    assert.deepEqual([unknown.code, unknown.output], [1, '4711  unknown']);
  });
});
