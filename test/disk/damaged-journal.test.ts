import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, cpSync, openSync, readFileSync, renameSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, type TestContext, test } from 'node:test';
import {
  aFolder,
  anInstallation,
  type Installation,
  journalAt,
  run,
  type ServingGateway,
  serve,
} from '../support/serve-process.ts';
import { type Cleanup, CREATED, StubBrigade } from '../support/stub-brigade.ts';
import { accept, adminGet, aPush, push, send, untilReadyz } from '../support/webhooks.ts';

const PAGE = 4096;
/** Exit code of a journal that cannot be read. */
const UNREADABLE = 74;

/** An installation with its journal at that path. */
interface Site {
  readonly brigade: StubBrigade;
  readonly installation: Installation;
  readonly path: string;
}

interface Kept extends Site {
  readonly ids: readonly string[];
}

async function aSite(t: Cleanup): Promise<Site> {
  const brigade = await StubBrigade.start(t);
  const path = join(await aFolder(t), 'data', 'journal.db');
  return { brigade, installation: await anInstallation(t, brigade.address, journalAt(path)), path };
}

/** A text that marks the event in the journal's files. */
function requestOf(id: string): string {
  return `request of ${id}`;
}

/** Fills a journal with events that are not delivered, all of them in its database file. */
async function fillJournal(t: Cleanup): Promise<Kept> {
  const site = await aSite(t);
  const { brigade, installation, path } = site;
  brigade.onEvent = () => ({ kind: 'hang' });
  const gateway = await serve(t, installation);
  const ids = Array.from({ length: 40 }, (_, number) => `kept-${String(number).padStart(3, '0')}`);
  for (const id of ids) await accept(gateway, aPush(id, {}, { id: requestOf(id), useragent: 'a'.repeat(2_000) }));
  await gateway.process.kill();
  // Closing the last connection carries the log into the database.
  const db = new DatabaseSync(path);
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
  return { ...site, ids };
}

const filled = await fillJournal({ after });

/** An installation with a copy of the filled journal. */
async function aFilledSite(t: Cleanup): Promise<Kept> {
  const site = await aSite(t);
  cpSync(dirname(filled.path), dirname(site.path), { recursive: true });
  return { ...site, ids: filled.ids };
}

function overwrite(path: string, offset: number, bytes: Uint8Array): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, bytes, 0, bytes.length, offset);
  closeSync(fd);
}

async function assertFailsToStart(t: TestContext, { installation, path }: Site): Promise<void> {
  const { code, errors } = await run(t, ['serve'], installation.env);
  assert.equal(code, UNREADABLE, errors);
  assert.match(errors, /cannot be (read|opened)/);
  assert.ok(errors.includes(path), errors);
  assert.match(errors, /aside/);
}

test('a journal whose first page is overwritten ends the start with the reason and the remedy', async (t) => {
  const kept = await aFilledSite(t);
  overwrite(kept.path, 0, randomBytes(PAGE));
  await assertFailsToStart(t, kept);
});

test('a journal that is cut in half ends the start with the reason and the remedy', async (t) => {
  const kept = await aFilledSite(t);
  truncateSync(kept.path, Math.floor(readFileSync(kept.path).length / 2 / PAGE) * PAGE);
  await assertFailsToStart(t, kept);
});

test('a journal that is cut to nothing is not taken for a new one', async (t) => {
  const kept = await aFilledSite(t);
  truncateSync(kept.path, 0);
  await assertFailsToStart(t, kept);
});

test('a log without its database is kept, and not taken for a new journal', async (t) => {
  const site = await aSite(t);
  const { installation, path } = site;
  const gateway = await serve(t, installation);
  await push(gateway, 'in the log');
  await gateway.process.kill();
  const log = readFileSync(`${path}-wal`);
  renameSync(path, `${path}.lost`);

  await assertFailsToStart(t, site);

  assert.deepEqual(readFileSync(`${path}-wal`), log);
});

test('an event whose bytes were changed is set aside, and its neighbours are delivered', async (t) => {
  const { installation, brigade, path, ids } = await aFilledSite(t);
  const [damaged = ''] = ids.slice(20, 21);
  // The event's own text, in the middle of a page whose structure stays as it was.
  const content = readFileSync(path);
  const request = content.indexOf(requestOf(damaged));
  assert.notEqual(request, -1);
  overwrite(path, request, Buffer.from('R'));

  const gateway = await serve(t, installation);

  await brigade.untilTaken(...ids.filter((id) => id !== damaged));
  assert.ok(!brigade.taken.has(damaged));
  const { text: letters } = await adminGet(gateway, '/api/dead-letters');
  assert.match(letters, /"reason":"damaged"/);
  assert.ok(letters.includes(damaged));
  assert.equal((await send(gateway, aPush(damaged))).status, 200);
});

test('a page of garbage ends the start with the reason and the remedy', async (t) => {
  const kept = await aFilledSite(t);
  const page = Math.floor(readFileSync(kept.path).indexOf(requestOf(String(kept.ids[20]))) / PAGE);
  overwrite(kept.path, page * PAGE, randomBytes(PAGE));
  await assertFailsToStart(t, kept);
});

interface Running {
  readonly gateway: ServingGateway;
  readonly brigade: StubBrigade;
  readonly path: string;
  /** Brigade answers from now on, also the requests that wait. */
  readonly release: () => void;
}

/** A gateway that has accepted an event, which waits for Brigade. */
async function startWithEvent(t: TestContext): Promise<Running> {
  const { installation, brigade, path } = await aSite(t);
  const gateway = await serve(t, installation);
  const { promise: later, resolve: release } = Promise.withResolvers<void>();
  brigade.onEvent = () => ({ ...CREATED, after: later });
  await push(gateway, 'before');
  return { gateway, brigade, path, release };
}

/** Later events would be lost with the process, so none is accepted; earlier ones are delivered. */
async function assertAcceptsNothing({ gateway, brigade, release }: Running): Promise<void> {
  const answer = await send(gateway, aPush('after'));
  assert.equal(answer.status, 503);
  assert.equal(answer.headers['retry-after'], '5');
  assert.equal((await gateway.process.line('webhook.lost'))['reason'], 'unwritable');
  await untilReadyz(gateway, 503);
  release();
  await brigade.untilTaken('before');
}

for (const suffix of ['', '-wal', '-shm']) {
  test(`the gateway accepts no webhook once journal.db${suffix} is deleted`, async (t) => {
    const running = await startWithEvent(t);
    rmSync(`${running.path}${suffix}`);
    await assertAcceptsNothing(running);
  });
}

test('the gateway accepts no webhook once the database is cut', async (t) => {
  const running = await startWithEvent(t);
  truncateSync(running.path, 0);
  await assertAcceptsNothing(running);
});

test('a folder that is moved away and back is used again', async (t) => {
  const running = await startWithEvent(t);
  const { gateway, brigade, path } = running;
  renameSync(dirname(path), `${dirname(path)}.away`);
  await assertAcceptsNothing(running);

  renameSync(`${dirname(path)}.away`, dirname(path));

  await push(gateway, 'after');
  await brigade.untilTaken('after');
});
