import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { anInstallation, run, serve, WEBHOOK_TOKEN } from '../support/serve-process.ts';
import { anError, StubBrigade } from '../support/stub-brigade.ts';
import { operatorEnv, push } from '../support/webhooks.ts';

const FIXTURES = new URL('../../src/config/fixtures/', import.meta.url).pathname;

/** An address where nothing listens. */
const UNREACHABLE = 'http://127.0.0.1:9';

suite('doctor', { concurrency: 4 }, () => {
  test('examines an installation and its running gateway, and says what to do', async (t) => {
    const brigade = await StubBrigade.start(t);
    const installation = await anInstallation(t, brigade.address);
    const tokens = {
      ci: { token: WEBHOOK_TOKEN, registry: 'example.azurecr.io' },
      old: 'changeme',
      idle: { sha256: 'a'.repeat(64) },
    };
    await writeFile(installation.tokensPath, JSON.stringify(tokens));
    const config = join(installation.folder, 'gateway.yaml');
    await writeFile(config, 'callers: { typo: { actions: [push] } }\nregistries: { quiet.azurecr.io: {} }\n');
    const env = { ...installation.env, CONFIG_PATH: config };
    const gateway = await serve(t, { env });
    brigade.onEvent = () => anError(404, 'no');
    await push(gateway, 'letter');
    await gateway.process.line('delivery.attempted');
    const { code, output, errors } = await run(t, ['doctor'], { ...env, ...operatorEnv(gateway) });
    assert.equal(code, 0, output + errors);
    for (const line of [
      /^✓ configuration {2}valid$/m,
      /^! configuration {2}API_ADDRESS is not https/m,
      /^✓ callers {8}ci, old, idle$/m,
      /^! callers {8}may send events of any registry: old, idle\n {17}→ bind each/m,
      /^! callers {8}CONFIG_PATH names typo, .*\n {17}→ brigade-acr-gateway token new typo$/m,
      /^! callers {8}no event of old is kept$/m,
      /^! tokens {9}could be guessed: old\n {17}→ brigade-acr-gateway token new NAME$/m,
      /^! tokens {9}TOKENS_PATH has the token itself of: ci, old\n {17}→ .* token hash$/m,
      /^✓ journal {8}in use by a gateway; \d+ MiB of its disk are free$/m,
      /^✓ Brigade {8}v2\.6\.0: service account "stub" may create events of source brigade\.sh\/acr$/m,
      /^✓ gateway {8}it runs; pending events: 0$/m,
      /^! dead letters {3}1\n {17}→ brigade-acr-gateway events list --state dead-letter$/m,
      /^! registries {5}no event of quiet\.azurecr\.io is kept\n {17}→ az acr webhook list --registry quiet /m,
    ]) {
      assert.match(output, line);
    }
    assert.doesNotMatch(output, /changeme|no event of ci|no event of example/);
  });

  test('goes on with what it can reach, and ends with the code of the first problem', async (t) => {
    const { env, journalFolder } = await anInstallation(t, UNREACHABLE, {
      TLS_ENABLED: 'true',
      TLS_CERT_PATH: join(FIXTURES, 'one.crt'),
      TLS_KEY_PATH: join(FIXTURES, 'one.key'),
      ADMIN_URL: UNREACHABLE,
    });
    await writeFile(join(journalFolder, 'journal.db'), 'no database at all'.repeat(100));
    const { code, output } = await run(t, ['doctor', '--json'], env);
    assert.equal(code, 74, output);
    const findings: { level: string; about: string; detail: string; todo?: string }[] = JSON.parse(output);
    const levels = findings.map(({ level, about }) => `${level} ${about}`);
    for (const expected of ['problem journal', 'problem Brigade', 'unknown gateway'])
      assert.ok(levels.includes(expected), output);
    assert.match(findings.find(({ about }) => about === 'TLS')?.detail ?? '', /until \d{4}-/);
    assert.ok(
      findings.every(({ level, todo }) => level === 'ok' || todo !== undefined),
      output,
    );
  });

  test('names every issue of the settings, and needs none', async (t) => {
    const wrong = await run(t, ['doctor'], { API_ADDRESS: UNREACHABLE, PORT: 'http' });
    assert.equal(wrong.code, 78);
    assert.match(wrong.output, /^✗ configuration {2}PORT: must be a whole number/m);
    assert.match(wrong.output, /^✗ configuration {2}TOKENS_PATH is required$/m);
    const none = await run(t, ['doctor'], {});
    assert.equal(none.code, 0);
    assert.match(none.output, /^\? configuration {2}the settings of serve are not here/m);
    assert.match(none.output, /^\? gateway {8}not asked: ADMIN_TOKEN or ADMIN_TOKEN_PATH is required$/m);
  });
});
