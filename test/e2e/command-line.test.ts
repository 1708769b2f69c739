import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { anInstallation, type Env, run, serve } from '../support/serve-process.ts';
import { anError, type Reaction, StubBrigade } from '../support/stub-brigade.ts';
import { operatorEnv, push } from '../support/webhooks.ts';

const FIXTURES = new URL('../../src/config/fixtures/', import.meta.url).pathname;

/** An address where nobody listens, for commands that must end before they ask anybody. */
const NOBODY = 'http://127.0.0.1:9';

/** A port of ours that is taken while the test runs. */
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

function refusing(status: number): (brigade: StubBrigade) => void {
  const reaction: Reaction = anError(status, 'Brigade said why');
  return (brigade) => {
    brigade.onProbe = () => reaction;
  };
}

suite('serve', { concurrency: 4 }, () => {
  test('a tokens file that is no JSON ends it with 78 and is not quoted', async (t) => {
    const { env, tokensPath } = await anInstallation(t, NOBODY);
    await writeFile(tokensPath, '{"ci": "s3cret"');
    const { code, errors } = await run(t, ['serve'], env);
    assert.equal(code, 78);
    assert.match(errors, /TOKENS_PATH: .*tokens\.json:1:16: the JSON is not valid: expected `,` or `}`/);
    assert.doesNotMatch(errors, /s3cret/);
  });

  test('every issue of the configuration is printed at once', async (t) => {
    const { env, tokensPath } = await anInstallation(t, NOBODY);
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

  test('without any configuration it prints what is required and ends with 78', async (t) => {
    const { code, errors } = await run(t, ['serve'], {});
    assert.equal(code, 78);
    for (const name of ['API_ADDRESS', 'API_TOKEN or API_TOKEN_PATH', 'TOKENS_PATH']) {
      assert.match(errors, new RegExp(`^  ${name} is required$`, 'm'));
    }
  });

  for (const name of ['PORT', 'ADMIN_PORT']) {
    test(`a ${name} that is in use ends it with 69 and is named`, async (t) => {
      const { env } = await anInstallation(t, NOBODY);
      const port = await aTakenPort(t);
      const { code, errors } = await run(t, ['serve'], { ...env, [name]: port });
      assert.equal(code, 69);
      assert.match(errors, new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}.*EADDRINUSE`));
    });
  }

  for (const [what, cert, key, expected] of [
    ['a TLS certificate that is not there', 'nowhere.crt', 'one.key', /TLS_CERT_PATH/],
    ['the key of another TLS certificate', 'one.crt', 'other.key', /the private key of the certificate/],
  ] as const) {
    test(`${what} ends it with 78`, async (t) => {
      const { env } = await anInstallation(t, NOBODY, {
        TLS_ENABLED: 'true',
        TLS_CERT_PATH: join(FIXTURES, cert),
        TLS_KEY_PATH: join(FIXTURES, key),
      });
      const { code, errors } = await run(t, ['serve'], env);
      assert.equal(code, 78);
      assert.match(errors, expected);
    });
  }

  test('a journal in a folder that cannot be made ends it with 74', async (t) => {
    const { env, tokensPath } = await anInstallation(t, NOBODY);
    const { code, errors } = await run(t, ['serve'], { ...env, JOURNAL_URL: `sqlite:${tokensPath}/journal.db` });
    assert.equal(code, 74);
    assert.ok(errors.includes(tokensPath), errors);
  });

  test('a journal that is no database of ours ends it with 74 and is left as it is', async (t) => {
    const { env, tokensPath } = await anInstallation(t, NOBODY);
    const { code, errors } = await run(t, ['serve'], { ...env, JOURNAL_URL: `sqlite:${tokensPath}` });
    assert.equal(code, 74);
    assert.ok(errors.includes(tokensPath), errors);
  });

  test('a second process on one journal ends with 75, and the first goes on', async (t) => {
    const brigade = await StubBrigade.start(t);
    const installation = await anInstallation(t, brigade.address);
    const first = await serve(t, installation);
    const { code, errors } = await run(t, ['serve'], installation.env);
    assert.equal(code, 75);
    assert.match(errors, /journal/);
    await push(first, 'still-there');
    await brigade.untilTaken('still-there');
  });

  test('a journal in memory needs an explicit flag', async (t) => {
    const { env } = await anInstallation(t, NOBODY, { JOURNAL_URL: 'memory:' });
    const { code, errors } = await run(t, ['serve'], env);
    assert.equal(code, 78);
    assert.match(errors, /JOURNAL_ALLOW_MEMORY/);
  });
});

suite('check', { concurrency: 4 }, () => {
  const cases: readonly (readonly [string, (brigade: StubBrigade) => unknown, Env, number, RegExp])[] = [
    ['a Brigade that takes our events', () => {}, {}, 0, /service account "stub" may create events/],
    ['a Brigade that is down', (brigade) => brigade.goDown(), {}, 69, /ECONNREFUSED/],
    ['a Brigade that does not work', refusing(500), {}, 69, /500 Brigade said why/],
    ['a Brigade that does not know our token', refusing(401), {}, 77, /401 Brigade said why/],
    ['a Brigade that does not allow us events', refusing(403), {}, 77, /403 Brigade said why/],
    ['a wrong configuration', () => {}, { PORT: 'http' }, 78, /PORT: must be a whole number/],
  ];
  for (const [what, prepare, env, expected, told] of cases) {
    test(`${what} is exit code ${expected}`, async (t) => {
      const brigade = await StubBrigade.start(t);
      await prepare(brigade);
      const installation = await anInstallation(t, brigade.address, env);
      const { code, output, errors } = await run(t, ['check'], installation.env);
      assert.equal(code, expected);
      assert.match(output + errors, told);
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
    ['an argument that is no number', 'dead-letters', 'show', 'one'],
    ['nothing to redeliver', 'dead-letters', 'redeliver'],
  ] as const) {
    test(`${what} is exit code 64`, async (t) => {
      const { code, errors } = await run(t, args, {});
      assert.equal(code, 64);
      assert.match(errors, /error: /);
    });
  }

  for (const command of ['', 'serve', 'dev', 'check', 'version', 'dead-letters', 'dead-letters list']) {
    test(`"${command} --help" explains and exits with 0`, async (t) => {
      const { code, output } = await run(t, [...command.split(' ').filter(Boolean), '--help'], {});
      assert.equal(code, 0);
      assert.match(output, new RegExp(`^Usage: brigade-acr-gateway ${command}`));
    });
  }

  test('"version" prints the version', async (t) => {
    const { code, output } = await run(t, ['version'], {});
    assert.equal(code, 0);
    assert.match(output, /^brigade-acr-gateway \d+\.\d+\.\d+\S* \(Node \d+\.\d+\.\d+\)$/);
  });

  test('"dead-letters" without a running gateway is exit code 1 and says where it looked', async (t) => {
    const { code, errors } = await run(t, ['dead-letters', 'list'], { ADMIN_URL: NOBODY, ADMIN_TOKEN: 'one' });
    assert.equal(code, 1);
    assert.match(errors, new RegExp(`no gateway answers at ${NOBODY}`));
  });

  test('"dead-letters" without a token is exit code 78', async (t) => {
    const { code, errors } = await run(t, ['dead-letters', 'list'], {});
    assert.equal(code, 78);
    assert.match(errors, /ADMIN_TOKEN/);
  });

  test('"dead-letters" with a wrong token, or a number that nobody has, is exit code 1', async (t) => {
    const gateway = await serve(t, await anInstallation(t, NOBODY));
    const env = operatorEnv(gateway);
    const wrong = await run(t, ['dead-letters', 'list'], { ...env, ADMIN_TOKEN: 'wrong' });
    assert.deepEqual([wrong.code, /401/.test(wrong.errors)], [1, true]);
    const unknown = await run(t, ['dead-letters', 'redeliver', '4711'], env);
    assert.deepEqual([unknown.code, unknown.output], [1, '4711  unknown']);
  });
});
