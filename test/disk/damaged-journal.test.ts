import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, renameSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { Brigade, eventually, GatewayProcess, type StartOptions, temporaryFolder } from './gateway-process.ts';

const PAGE = 4096;
/** Exit code of a journal that cannot be read. */
const UNREADABLE = 74;

interface Kept {
  readonly options: StartOptions;
  readonly brigade: Brigade;
  readonly path: string;
  readonly ids: readonly string[];
}

/** A journal that was left behind with events that nobody has delivered, all of them in its database file. */
async function leaveBehind(context: TestContext): Promise<Kept> {
  const brigade = await Brigade.start(context);
  const path = join(temporaryFolder(context), 'journal.db');
  const options = { context, brigade, journal: path };
  brigade.hold();
  const gateway = await GatewayProcess.start(options);
  const ids = Array.from({ length: 40 }, (_, number) => `kept-${String(number).padStart(3, '0')}`);
  for (const id of ids) assert.equal((await gateway.push(id, 2_000)).status, 200);
  await gateway.kill();
  brigade.release();
  brigade.taken.splice(0);
  // Closing the last connection carries the log into the database.
  const db = new DatabaseSync(path);
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
  return { options, brigade, path, ids };
}

function overwrite(path: string, offset: number, bytes: Uint8Array): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, bytes, 0, bytes.length, offset);
  closeSync(fd);
}

async function assertRefusesToStart({ options, path }: Kept): Promise<void> {
  const gateway = GatewayProcess.spawn(options);
  assert.equal(await gateway.ended, UNREADABLE, gateway.printed);
  assert.match(gateway.printed, /cannot be (read|opened)/);
  assert.ok(gateway.printed.includes(path), gateway.printed);
  assert.match(gateway.printed, /aside/);
}

test('a journal whose first page is overwritten is refused with what to do', async (context) => {
  const kept = await leaveBehind(context);
  overwrite(kept.path, 0, randomBytes(PAGE));
  await assertRefusesToStart(kept);
});

test('a journal that was cut in half is refused with what to do', async (context) => {
  const kept = await leaveBehind(context);
  truncateSync(kept.path, Math.floor(readFileSync(kept.path).length / 2 / PAGE) * PAGE);
  await assertRefusesToStart(kept);
});

test('a journal that was cut to nothing is not taken for a new one', async (context) => {
  const kept = await leaveBehind(context);
  truncateSync(kept.path, 0);
  await assertRefusesToStart(kept);
});

test('a log that has lost its database is kept, and not taken for a new journal', async (context) => {
  const brigade = await Brigade.start(context);
  const path = join(temporaryFolder(context), 'journal.db');
  const options = { context, brigade, journal: path };
  const gateway = await GatewayProcess.start(options);
  assert.equal((await gateway.push('in the log')).status, 200);
  await gateway.kill();
  const log = readFileSync(`${path}-wal`);
  renameSync(path, `${path}.lost`);

  await assertRefusesToStart({ options, brigade, path, ids: [] });

  assert.deepEqual(readFileSync(`${path}-wal`), log);
});

test('an event whose bytes were changed is set aside, and its neighbours are delivered', async (context) => {
  const { options, brigade, path, ids } = await leaveBehind(context);
  const [damaged = ''] = ids.slice(20, 21);
  // The event's own text, in the middle of a page whose structure stays as it was.
  const content = readFileSync(path);
  const request = content.indexOf(`request of ${damaged}`);
  assert.notEqual(request, -1);
  overwrite(path, request, Buffer.from('R'));

  const gateway = await GatewayProcess.start({ ...options, env: { ADMIN_TOKEN: 'an admin token' } });

  const others = ids.filter((id) => id !== damaged);
  await eventually('its neighbours are delivered', () => others.every((id) => brigade.taken.includes(id)));
  assert.ok(!brigade.taken.includes(damaged));
  const { adminPort } = await gateway.line('gateway.started');
  const headers = { authorization: 'Bearer an admin token' };
  const answer = await fetch(`http://127.0.0.1:${adminPort}/api/dead-letters`, { headers });
  const letters = await answer.text();
  assert.match(letters, /"reason":"damaged"/);
  assert.ok(letters.includes(damaged));
  assert.equal((await gateway.push(damaged)).status, 200);
});

test('a page of garbage is told of with what to do', async (context) => {
  const kept = await leaveBehind(context);
  const page = Math.floor(readFileSync(kept.path).indexOf(`request of ${kept.ids[20]}`) / PAGE);
  overwrite(kept.path, page * PAGE, randomBytes(PAGE));
  await assertRefusesToStart(kept);
});

interface Running {
  readonly gateway: GatewayProcess;
  readonly brigade: Brigade;
  readonly path: string;
}

/** A gateway that has taken an event, which waits for Brigade. */
async function startWithEvent(context: TestContext): Promise<Running> {
  const brigade = await Brigade.start(context);
  const path = join(temporaryFolder(context), 'data', 'journal.db');
  const gateway = await GatewayProcess.start({ context, brigade, journal: path });
  brigade.hold();
  assert.equal((await gateway.push('before')).status, 200);
  return { gateway, brigade, path };
}

/** What is taken from then on would be gone with the process, so nothing is; what was taken before is delivered. */
async function assertTakesNothing({ gateway, brigade }: Running): Promise<void> {
  const refused = await gateway.push('after');
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('retry-after'), '5');
  assert.equal((await gateway.line('webhook.lost'))['because'], 'unwritable');
  await eventually('it is not ready', async () => (await gateway.readyz()) === 503);
  brigade.release();
  await eventually('what was taken is delivered', () => brigade.taken.includes('before'));
}

for (const suffix of ['', '-wal', '-shm']) {
  test(`nothing is taken any more once journal.db${suffix} is deleted`, async (context) => {
    const running = await startWithEvent(context);
    rmSync(`${running.path}${suffix}`);
    await assertTakesNothing(running);
  });
}

test('nothing is taken any more once the database is cut', async (context) => {
  const running = await startWithEvent(context);
  truncateSync(running.path, 0);
  await assertTakesNothing(running);
});

test('a folder that was moved away and is moved back is used again', async (context) => {
  const running = await startWithEvent(context);
  const { gateway, brigade, path } = running;
  renameSync(dirname(path), `${dirname(path)}.away`);
  await assertTakesNothing(running);

  renameSync(`${dirname(path)}.away`, dirname(path));

  assert.equal((await gateway.push('after')).status, 200);
  await eventually('all is delivered', () => brigade.taken.includes('after'));
});
