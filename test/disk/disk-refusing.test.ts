import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Brigade, eventually, GatewayProcess, mountMemory, temporaryFolder } from './gateway-process.ts';

/** Makes the kernel refuse every byte that the process would write beyond that size of a file. */
function limitFiles({ pid }: GatewayProcess, bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`]);
}

async function push(gateway: GatewayProcess, id: string): Promise<number> {
  const answer = await gateway.push(id);
  await answer.text();
  return answer.status;
}

test('a disk that refuses to be written is answered 503, and heals when it takes writes again', async (context) => {
  const brigade = await Brigade.start(context);
  const options = { context, brigade, journal: join(temporaryFolder(context), 'journal.db') };
  const gateway = await GatewayProcess.start(options);
  assert.equal(await push(gateway, 'before'), 200);
  await eventually('it is delivered', () => brigade.taken.includes('before'));
  brigade.hold();
  assert.equal(await push(gateway, 'settled late'), 200);

  limitFiles(gateway, 0);
  const refused = await gateway.push('refused');
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('retry-after'), '5');
  assert.equal((await gateway.line('webhook.lost'))['because'], 'unwritable');
  await eventually('it is not ready', async () => (await gateway.readyz()) === 503);
  brigade.release();
  await eventually('it is delivered', () => brigade.taken.includes('settled late'));

  limitFiles(gateway, 'unlimited');
  await eventually('it is ready', async () => (await gateway.readyz()) === 200);
  assert.equal(await push(gateway, 'refused'), 200);
  await eventually('all is delivered', () => brigade.taken.includes('refused'));

  // What could not be settled at once was settled later: nothing comes a second time.
  await gateway.kill();
  const again = await GatewayProcess.start(options);
  assert.equal(await push(again, 'last'), 200);
  await eventually('all is delivered', () => brigade.taken.includes('last'));
  assert.deepEqual(brigade.taken, ['before', 'settled late', 'refused', 'last']);
});

test('a file system that is read-only is told of at the start', async (context) => {
  const disk = mountMemory(context, '16m');
  if (disk === undefined) return;
  const options = { context, brigade: await Brigade.start(context), journal: join(disk, 'journal.db') };
  const first = await GatewayProcess.start(options);
  assert.equal(await push(first, 'before'), 200);
  await first.kill();
  execFileSync('mount', ['-o', 'remount,ro', disk]);

  const refused = GatewayProcess.spawn(options);
  assert.equal(await refused.ended, 74, refused.printed);
  assert.match(refused.printed, /the journal .* cannot be .*read-only.*JOURNAL_URL/);

  execFileSync('mount', ['-o', 'remount,rw', disk]);
  const again = await GatewayProcess.start(options);
  assert.equal(await push(again, 'after'), 200);
});

const NOBODY = 65534;
const AS_NOBODY = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];

/** Skips the test and returns true where this process cannot become another user. */
function cannotChangeUser(context: TestContext): boolean {
  if (process.getuid?.() === 0) return false;
  context.skip('only root can run the gateway as another user');
  return true;
}

test('a folder without the right to write is told of at the start, with what to do', async (context) => {
  if (cannotChangeUser(context)) return;
  const folder = join(temporaryFolder(context), 'data');
  mkdirSync(folder, { mode: 0o755 });
  const brigade = await Brigade.start(context);

  const gateway = GatewayProcess.spawn({ context, brigade, journal: join(folder, 'journal.db'), runner: AS_NOBODY });

  assert.equal(await gateway.ended, 74, gateway.printed);
  assert.match(gateway.printed, /the journal .* cannot be created: EACCES.*right to write its folder.*JOURNAL_URL/);
});

test('a folder of its own is enough, also below one that it may not list', async (context) => {
  if (cannotChangeUser(context)) return;
  const parent = temporaryFolder(context);
  const folder = join(parent, 'data');
  mkdirSync(folder, { mode: 0o700 });
  chownSync(folder, NOBODY, NOBODY);
  chmodSync(parent, 0o711);
  const brigade = await Brigade.start(context);
  const journal = join(folder, 'journal.db');

  const gateway = await GatewayProcess.start({ context, brigade, journal, runner: AS_NOBODY });

  assert.equal(await push(gateway, 'a'), 200);
  assert.equal(statSync(journal).uid, NOBODY);
});
