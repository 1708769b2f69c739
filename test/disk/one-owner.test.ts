import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { aFolder, anInstallation, journalAt, run, serve } from '../support/serve-process.ts';
import { StubBrigade } from '../support/stub-brigade.ts';
import { push } from '../support/webhooks.ts';

/** Exit codes of a journal that another process owns, and of one that cannot be used. */
const [LOCKED, UNUSABLE] = [75, 74];

const brigade = await StubBrigade.start({ after });
const folder = await aFolder({ after });
const path = join(folder, 'data', 'journal.db');
const installation = await anInstallation({ after }, brigade.address, journalAt(path));
const owner = await serve({ after }, installation);

let count = 0;

async function assertIsOwned(t: TestContext, alias: string): Promise<void> {
  const { code, errors } = await run(t, ['serve'], { ...installation.env, ...journalAt(alias) });
  assert.equal(code, LOCKED, errors);
  assert.match(errors, /another process owns the journal/);
  const id = `kept-${++count}`;
  await push(owner, id);
  await brigade.untilTaken(id);
}

function aPlace(name: string): string {
  const place = join(folder, name);
  mkdirSync(place);
  return place;
}

/** Skips the test and returns false if mounting is not allowed. */
function bind(t: TestContext, from: string, to: string): boolean {
  try {
    execFileSync('mount', ['--bind', from, to], { stdio: 'pipe' });
  } catch {
    t.skip('mounting is not allowed here');
    return false;
  }
  t.after(() => execFileSync('umount', ['--lazy', to]));
  return true;
}

test('a second process is rejected by the same path', (t) => assertIsOwned(t, path));

test('a second process is rejected by a symbolic link to the file', async (t) => {
  const alias = join(aPlace('symbolic'), 'journal.db');
  symlinkSync(path, alias);
  await assertIsOwned(t, alias);
});

test('a second process is rejected by a symbolic link to the folder', async (t) => {
  const alias = join(folder, 'linked');
  symlinkSync(dirname(path), alias);
  await assertIsOwned(t, join(alias, 'journal.db'));
});

test('a second process is rejected by a hard link', async (t) => {
  const alias = join(aPlace('hard'), 'journal.db');
  linkSync(path, alias);
  t.after(() => rmSync(alias));
  await assertIsOwned(t, alias);
});

test('a second process is rejected where the folder is mounted', async (t) => {
  const alias = aPlace('mounted');
  if (bind(t, dirname(path), alias)) await assertIsOwned(t, join(alias, 'journal.db'));
});

test('a second process is rejected where the file is mounted', async (t) => {
  const alias = join(aPlace('mounted-file'), 'journal.db');
  writeFileSync(alias, '');
  if (bind(t, path, alias)) await assertIsOwned(t, alias);
});

test('a second process is rejected after the file of the lock was deleted', async (t) => {
  rmSync(`${path}.owner`);
  await assertIsOwned(t, path);
});

test('a second process is rejected after the file of the lock was replaced', async (t) => {
  writeFileSync(`${path}.other`, '');
  renameSync(`${path}.other`, `${path}.owner`);
  await assertIsOwned(t, path);
});

test('a journal is not opened by one of two names, as its log lies beside the other', async (t) => {
  await owner.process.kill();
  const alias = join(aPlace('second-name'), 'journal.db');
  linkSync(path, alias);
  const { code, errors } = await run(t, ['serve'], { ...installation.env, ...journalAt(alias) });
  assert.equal(code, UNUSABLE, errors);
  assert.match(errors, /hard links.*remove the other names/);
  rmSync(alias);

  writeFileSync(alias, '');
  if (!bind(t, path, alias)) return;
  const mounted = await run(t, ['serve'], { ...installation.env, ...journalAt(alias) });
  assert.equal(mounted.code, UNUSABLE, mounted.errors);
  assert.match(mounted.errors, /mount its folder/);
});
