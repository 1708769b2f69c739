import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startEmbeddedBrigade } from 'embedded-brigade';
import { tokenAuthenticator } from '../auth/token.ts';
import { parseTokens } from '../config/tokens-file.ts';
import { type DevFiles, prepareDevFiles, provideBrigadeToken, writeSecret } from './dev-files.ts';

/** A folder that is not there yet. */
async function aFolder(t: TestContext): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'dev-files-'));
  t.after(() => rm(parent, { recursive: true }));
  return join(parent, 'new', 'data');
}

function secretPaths({ webhookTokenPath, tokensPath, adminTokenPath, rootPasswordPath }: DevFiles): readonly string[] {
  return [webhookTokenPath, tokensPath, adminTokenPath, rootPasswordPath];
}

async function read(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).trim();
}

test('on first start there are a folder and secrets that only their owner can read', async (t) => {
  const folder = await aFolder(t);
  const files = await prepareDevFiles(folder);
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  for (const path of secretPaths(files)) {
    assert.equal((await stat(path)).mode & 0o777, 0o600, path);
  }
});

test('secrets are random: of no two installations, and never the same twice', async (t) => {
  const made = await Promise.all([prepareDevFiles(await aFolder(t)), prepareDevFiles(await aFolder(t))]);
  const paths = made.flatMap((each) => [each.webhookTokenPath, each.adminTokenPath, each.rootPasswordPath]);
  const tokens = await Promise.all(paths.map(read));
  assert.equal(new Set(tokens).size, 6);
  for (const token of tokens) assert.match(token, /^[\w-]{32}$/);
});

test('the tokens file knows the webhook token, and does not hold it', async (t) => {
  const files = await prepareDevFiles(await aFolder(t));
  const token = await read(files.webhookTokenPath);
  const content = await readFile(files.tokensPath);
  assert.ok(!content.includes(token));
  const tokens = parseTokens(content);
  assert.equal(tokens.kind, 'value');
  const authenticator = tokenAuthenticator({ current: () => tokens.value });
  const authentication = await authenticator.authenticate({ authorization: `Bearer ${token}` });
  assert.deepEqual(authentication, { kind: 'caller', caller: { name: 'dev' } });
});

test('what is there stays', async (t) => {
  const folder = await aFolder(t);
  const contents = async (files: DevFiles) => Promise.all(secretPaths(files).map(read));
  const first = await contents(await prepareDevFiles(folder));
  assert.deepEqual(await contents(await prepareDevFiles(folder)), first);
});

test('a tokens file of one’s own is kept', async (t) => {
  const folder = await aFolder(t);
  const { tokensPath } = await prepareDevFiles(folder);
  await writeFile(tokensPath, '{"mine":"token"}');
  await prepareDevFiles(folder);
  assert.equal(await read(tokensPath), '{"mine":"token"}');
});

test('the token of the embedded Brigade is absent until there is one', async (t) => {
  const folder = await aFolder(t);
  const { brigadeToken, brigadeTokenPath } = await prepareDevFiles(folder);
  assert.equal(brigadeToken, undefined);
  await writeSecret(brigadeTokenPath, 'given');
  assert.equal((await stat(brigadeTokenPath)).mode & 0o777, 0o600);
  assert.equal((await prepareDevFiles(folder)).brigadeToken, 'given');
});

test('the root password is what stands in its file', async (t) => {
  const folder = await aFolder(t);
  const { rootPassword, rootPasswordPath } = await prepareDevFiles(folder);
  assert.equal(rootPassword, await read(rootPasswordPath));
  await writeFile(rootPasswordPath, 'chosen\n');
  assert.equal((await prepareDevFiles(folder)).rootPassword, 'chosen');
});

test('secrets that others can read become readable by their owner only', async (t) => {
  const folder = await aFolder(t);
  const first = await prepareDevFiles(folder);
  await writeSecret(first.brigadeTokenPath, 'given');
  const paths = [...secretPaths(first), first.brigadeTokenPath];
  for (const path of paths) await chmod(path, 0o666);
  await prepareDevFiles(folder);
  for (const path of paths) assert.equal((await stat(path)).mode & 0o777, 0o600, path);
});

test('a secret that is written over a file of others can be read by its owner only', async (t) => {
  const path = join(await mkdtemp(join(tmpdir(), 'dev-files-')), 'secret');
  t.after(() => rm(path));
  await writeFile(path, 'old');
  await chmod(path, 0o666);
  await writeSecret(path, 'new');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal(await read(path), 'new');
});

for (const [mode, isTaken] of [
  [0o700, true],
  [0o755, true],
  [0o775, false],
  [0o777, false],
  [0o1777, false],
] as const) {
  test(`a folder with mode ${mode.toString(8)} is ${isTaken ? 'used' : 'refused, and nothing is written to it'}`, async (t) => {
    const folder = await aFolder(t);
    await mkdir(folder, { recursive: true });
    await chmod(folder, mode);
    if (isTaken) {
      await prepareDevFiles(folder);
      return;
    }
    await assert.rejects(prepareDevFiles(folder), { name: 'SecretsFault', message: /chmod go-w/ });
    assert.deepEqual(await readdir(folder), []);
  });
}

test('a secret that cannot be read is an error, and is not replaced', async (t) => {
  const folder = await aFolder(t);
  const { webhookTokenPath } = await prepareDevFiles(folder);
  await rm(webhookTokenPath);
  await mkdir(webhookTokenPath);
  await assert.rejects(prepareDevFiles(folder), { code: 'EISDIR' });
});

test('the service account of the gateway works again after it was deleted, locked or lost its role', async (t) => {
  const folder = await aFolder(t);
  await prepareDevFiles(folder);
  const onFault = (fault: unknown) => assert.fail(String(fault));
  const brigade = await startEmbeddedBrigade({ port: 0, database: ':memory:', onFault });
  t.after(() => brigade.close());
  const { accounts, roles } = brigade;
  const account = 'brigade-acr-gateway';
  const role = { role: 'EVENT_CREATOR', serviceAccount: account, scope: 'brigade.sh/acr' };
  const works = async () => {
    const files = await prepareDevFiles(folder);
    await provideBrigadeToken(files, brigade);
    const identity = accounts.identify(await read(files.brigadeTokenPath));
    assert.ok(identity.kind === 'known');
    assert.ok(roles.holds(identity.principal, { role: 'EVENT_CREATOR', source: 'brigade.sh/acr' }));
    return read(files.brigadeTokenPath);
  };
  const first = await works();
  assert.equal(await works(), first, 'a valid token stays');
  accounts.lock(account);
  const second = await works();
  accounts.deleteServiceAccount(account);
  const third = await works();
  assert.equal(new Set([first, second, third]).size, 3);
  roles.revoke(role);
  assert.equal(await works(), third);
});
