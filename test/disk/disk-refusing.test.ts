import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Books } from '../support/books.ts';
import { mountMemory } from '../support/mount-memory.ts';
import {
  aFolder,
  anInstallation,
  type Env,
  GatewayProcess,
  type Installation,
  journalAt,
  run,
  type ServingGateway,
  serve,
} from '../support/serve-process.ts';
import { CREATED, StubBrigade } from '../support/stub-brigade.ts';
import { aPush, push, untilCompleted, untilReadyz } from '../support/webhooks.ts';

/** Makes the kernel reject every write of the process beyond that size of a file. */
function limitFiles({ process }: ServingGateway, bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`]);
}

test('the gateway answers 503 while the disk rejects writes, and 200 when it accepts them again', async (t) => {
  const brigade = await StubBrigade.start(t);
  const journal = join(await aFolder(t), 'journal.db');
  const installation = await anInstallation(t, brigade.address, journalAt(journal));
  const books = new Books(brigade);
  const gateway = await books.serve(t, installation);
  await books.send(gateway, aPush('before'));
  await brigade.untilTaken('before');
  const { promise: later, resolve: release } = Promise.withResolvers<void>();
  brigade.onEvent = () => ({ ...CREATED, after: later });
  await books.send(gateway, aPush('completed-late'));

  limitFiles(gateway, 0);
  const answer = await books.send(gateway, aPush('rejected'));
  assert.equal(answer.status, 503);
  assert.equal(answer.headers['retry-after'], '5');
  assert.equal((await gateway.process.line('webhook.lost'))['reason'], 'unwritable');
  await untilReadyz(gateway, 503);
  release();
  await brigade.untilTaken('completed-late');
  // The completion is written with the next webhook, so the disk has rejected it too.
  assert.equal((await books.send(gateway, aPush('rejected'))).status, 503);

  limitFiles(gateway, 'unlimited');
  await untilReadyz(gateway, 200);
  await books.send(gateway, aPush('rejected'));
  await brigade.untilTaken('rejected');

  // The completion is written later: no event is delivered a second time.
  for (const id of ['before', 'completed-late', 'rejected']) await untilCompleted(gateway, id);
  await gateway.process.kill();
  const again = await books.serve(t, installation);
  await books.send(again, aPush('last'));
  await brigade.untilTaken('last');
  assert.deepEqual(brigade.ids, ['before', 'completed-late', 'rejected', 'last']);
  await again.process.kill();
  assert.equal((await books.close(journal)).acknowledged, 4);
});

test('a read-only file system ends the start with the reason', async (t) => {
  const disk = mountMemory(t, '64m');
  if (disk === undefined) return;
  const brigade = await StubBrigade.start(t);
  const installation = await anInstallation(t, brigade.address, journalAt(join(disk, 'journal.db')));
  const first = await serve(t, installation);
  await push(first, 'before');
  await first.process.kill();
  execFileSync('mount', ['-o', 'remount,ro', disk]);

  const { code, errors } = await run(t, ['serve'], installation.env);
  assert.equal(code, 74, errors);
  assert.match(errors, /the journal .* cannot be .*read-only.*JOURNAL_URL/);

  execFileSync('mount', ['-o', 'remount,rw', disk]);
  const again = await serve(t, installation);
  await push(again, 'after');
});

const UNPRIVILEGED_ID = 65534;
const UNPRIVILEGED = ['setpriv', `--reuid=${UNPRIVILEGED_ID}`, `--regid=${UNPRIVILEGED_ID}`, '--clear-groups'];

/** Skips the test and returns true if this process cannot become another user. */
function cannotChangeUser(t: TestContext): boolean {
  if (process.getuid?.() === 0) return false;
  t.skip('only root can run the gateway as another user');
  return true;
}

/** One that another user runs, with access to its folders and files. */
async function anUnprivilegedInstallation(t: TestContext, env?: Env): Promise<Installation> {
  const brigade = await StubBrigade.start(t);
  const installation = await anInstallation(t, brigade.address, env);
  chmodSync(installation.folder, 0o755);
  return { ...installation, runner: UNPRIVILEGED };
}

test('a folder without write permission ends the start with the reason and the remedy', async (t) => {
  if (cannotChangeUser(t)) return;
  const installation = await anUnprivilegedInstallation(t);

  const { ended, errors } = GatewayProcess.start(t, ['serve'], installation);

  assert.equal(await ended, 74, errors.join('\n'));
  assert.match(errors.join('\n'), /the journal .* cannot be created: EACCES.*right to write its folder.*JOURNAL_URL/);
});

test('the gateway needs only a folder of its own, even below one that it may not list', async (t) => {
  if (cannotChangeUser(t)) return;
  const parent = await aFolder(t);
  const folder = join(parent, 'data');
  mkdirSync(folder, { mode: 0o700 });
  chownSync(folder, UNPRIVILEGED_ID, UNPRIVILEGED_ID);
  chmodSync(parent, 0o711);
  const journal = join(folder, 'journal.db');

  const gateway = await serve(t, await anUnprivilegedInstallation(t, journalAt(journal)));

  await push(gateway, 'a');
  assert.equal(statSync(journal).uid, UNPRIVILEGED_ID);
});
