import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import {
  closeSync,
  cpSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, type TestContext, test } from 'node:test';
import { fillJournal as aFilledJournal, openDamaged, randomDamage } from '../support/damage.ts';
import { mulberry32 } from '../support/random.ts';
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
import { IN_MEMORY, temporaryFolder } from '../support/test-database.ts';
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
  /** A copy of its folder as kill -9 left it: the log is not carried into the database. */
  readonly killed: string;
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
  const killed = await aFolder(t);
  cpSync(dirname(path), killed, { recursive: true });
  // Closing the last connection carries the log into the database.
  const db = new DatabaseSync(path);
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
  return { ...site, ids, killed };
}

const filled = await fillJournal({ after });

/** An installation with a copy of the filled journal. */
async function aFilledSite(t: Cleanup, folder = dirname(filled.path)): Promise<Kept> {
  const site = await aSite(t);
  cpSync(folder, dirname(site.path), { recursive: true });
  return { ...filled, ...site };
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

function flipBit(path: string, share: number): void {
  const content = readFileSync(path);
  const place = Math.floor(content.length * share);
  overwrite(
    path,
    place,
    content.subarray(place, place + 1).map((byte) => byte ^ 1),
  );
}

const DAMAGES: Readonly<Record<string, (path: string) => void>> = {
  'with a flipped bit': (path) => flipBit(`${path}-wal`, 0.1),
  'that is cut': (path) => truncateSync(`${path}-wal`, Math.floor(readFileSync(`${path}-wal`).length / 2)),
  'that is missing': (path) => rmSync(`${path}-wal`),
  'that is missing with its index': (path) => {
    for (const suffix of ['-wal', '-shm']) rmSync(`${path}${suffix}`);
  },
};

for (const [name, damage] of Object.entries(DAMAGES)) {
  test(`a log ${name} ends the start, and says which events may be missing`, async (t) => {
    const { installation, path, ids } = await aFilledSite(t, filled.killed);
    damage(path);
    const log = existsSync(`${path}-wal`) ? readFileSync(`${path}-wal`) : Buffer.alloc(0);

    const { code, errors } = await run(t, ['serve'], installation.env);

    assert.equal(code, UNREADABLE, errors);
    assert.match(
      errors,
      new RegExp(`up to event ${ids.length}, and ends with event \\d+: .*-wal is missing, cut or damaged`),
    );
    assert.ok(errors.includes(`delete ${path}.mark`), errors);
    assert.deepEqual(readFileSync(`${path}-wal`), log);
  });
}

test('what a damaged log leaves is delivered once its mark is deleted', async (t) => {
  const { brigade, installation, path, ids } = await aFilledSite(t, filled.killed);
  flipBit(`${path}-wal`, 0.9);
  const { errors } = await run(t, ['serve'], installation.env);
  const last = Number(/ends with event (\d+)/.exec(errors)?.[1]);
  rmSync(`${path}.mark`);

  const gateway = await serve(t, installation);

  await brigade.untilTaken(...ids.slice(0, last));
  await push(gateway, 'after');
  await brigade.untilTaken('after');
});

test('a database that is missing without its log is not taken for a new journal', async (t) => {
  const kept = await aFilledSite(t);
  rmSync(kept.path);
  await assertFailsToStart(t, kept);
});

test('wherever a bit is flipped or a file is cut, each event is found, or the journal is rejected', async (t) => {
  const folder = temporaryFolder(t, IN_MEMORY);
  const journal = await aFilledJournal(folder);
  const seed = randomInt(2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const random = mulberry32(seed);
  let rejected = 0;
  for (let place = 0; place < 100; place++) {
    const damage = randomDamage(journal, random);
    const copy = join(folder, String(place));
    if (openDamaged(journal, copy, damage) !== undefined) rejected++;
    rmSync(copy, { recursive: true });
  }
  assert.ok(rejected > 0);
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

test('the gateway ends and accepts nothing more once the log is cut', async (t) => {
  const { gateway, path } = await startWithEvent(t);
  truncateSync(`${path}-wal`, 0);

  const answer = await send(gateway, aPush('after')).catch(() => undefined);

  assert.notEqual(answer?.status, 200);
  assert.equal(await gateway.process.ended, UNREADABLE);
  assert.match(gateway.process.everything, /its log was cut while in use/);
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
