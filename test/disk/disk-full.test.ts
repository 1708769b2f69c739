import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Books } from '../support/books.ts';
import { eventually } from '../support/eventually.ts';
import { mountMemory } from '../support/mount-memory.ts';
import { anInstallation, journalAt, type ServingGateway } from '../support/serve-process.ts';
import { CREATED, StubBrigade } from '../support/stub-brigade.ts';
import { aPush, names, untilReadyz } from '../support/webhooks.ts';

const MIB = 1024 * 1024;
/** Bytes of each webhook: enough of them fill a disk within a second. */
const PADDING = 200_000;
/** A backlog of small events, and how many of them a webhook brings. */
const [EVENTS, BATCH] = [4_000, 500];

function digestOf(id: string): string {
  return `sha256:${createHash('sha256').update(id).digest('hex')}`;
}

/** Sends pushes until one is not accepted; resolves to the ids of those before it, its own id, and its answer. */
async function pushUntilRejected(books: Books, gateway: ServingGateway, prefix: string) {
  const taken: string[] = [];
  for (let number = 0; number < 2_000; number++) {
    const id = `${prefix}-${number}`;
    const padding = { useragent: 'a'.repeat(PADDING) };
    const answer = await books.send(gateway, aPush(id, { digest: digestOf(id) }, padding));
    if (answer.status !== 200) return { taken, rejected: id, answer };
    taken.push(id);
  }
  return assert.fail('the disk never became full');
}

/** A gateway whose journal is on a disk of 56 MiB, of which a file takes 16; undefined if such a disk cannot be made. */
async function onSmallDisk(t: TestContext) {
  const disk = mountMemory(t, '56m');
  if (disk === undefined) return undefined;
  const brigade = await StubBrigade.start(t);
  const journal = join(disk, 'journal.db');
  const installation = await anInstallation(t, brigade.address, journalAt(journal));
  const books = new Books(brigade);
  const gateway = await books.serve(t, installation);
  const ballast = join(disk, 'ballast');
  writeFileSync(ballast, new Uint8Array(16 * MIB));
  return { brigade, installation, journal, books, gateway, ballast };
}

function pushUntilTaken(books: Books, gateway: ServingGateway, id: string): Promise<void> {
  return eventually(`${id} is taken`, async () => (await books.send(gateway, aPush(id))).status === 200);
}

async function assertLost({ process }: ServingGateway, id: string): Promise<void> {
  const line = await process.line('webhook.lost', ({ events }) => JSON.stringify(events).includes(`"${id}"`));
  assert.equal(line.level, 'error');
  assert.equal(line['reason'], 'full');
  assert.deepEqual(line['events'], [
    {
      id,
      action: 'push',
      registry: 'example.azurecr.io',
      repository: 'hello-world',
      tag: 'v1',
      digest: digestOf(id),
    },
  ]);
}

test('the gateway answers 503 while the disk is full, and 200 once there is space again', async (t) => {
  const small = await onSmallDisk(t);
  if (small === undefined) return;
  const { brigade, journal, books, gateway, ballast } = small;

  const { taken, rejected, answer } = await pushUntilRejected(books, gateway, 'before');
  assert.equal(answer.status, 503);
  assert.equal(answer.headers['retry-after'], '5');
  await assertLost(gateway, rejected);

  rmSync(ballast);
  await pushUntilTaken(books, gateway, rejected);
  await brigade.untilTaken(...taken, rejected);
  await gateway.process.kill();
  await books.close(journal);
});

test('events that were accepted before the disk was full survive a crash', async (t) => {
  const small = await onSmallDisk(t);
  if (small === undefined) return;
  const { brigade, installation, journal, books, gateway, ballast } = small;
  brigade.onEvent = () => ({ kind: 'hang' });
  const { taken, rejected } = await pushUntilRejected(books, gateway, 'before');
  await gateway.process.kill();

  rmSync(ballast);
  brigade.onEvent = () => CREATED;
  const again = await books.serve(t, installation);

  await brigade.untilTaken(...taken);
  await pushUntilTaken(books, again, rejected);
  await again.process.kill();
  await books.close(journal);
});

test('while less than the reserve is free, events are delivered and history is pruned, until webhooks are accepted again', async (t) => {
  const disk = mountMemory(t, '40m');
  if (disk === undefined) return;
  const brigade = await StubBrigade.start(t);
  const journal = join(disk, 'journal.db');
  const books = new Books(brigade);
  const gateway = await books.serve(t, await anInstallation(t, brigade.address, journalAt(journal)));

  const { promise: later, resolve: release } = Promise.withResolvers<void>();
  brigade.onEvent = () => ({ ...CREATED, after: later });
  const { taken, rejected, answer } = await pushUntilRejected(books, gateway, 'before');
  assert.equal(answer.status, 503);
  await assertLost(gateway, rejected);
  await untilReadyz(gateway, 503);

  release();
  await brigade.untilTaken(...taken);
  // Only the gateway itself makes room, by pruning what is completed.
  await pushUntilTaken(books, gateway, rejected);
  await untilReadyz(gateway, 200);
  await brigade.untilTaken(rejected);
  await gateway.process.kill();
  await books.close(journal);
});

/** Writes a file until the disk has no byte left. */
function fill(disk: string): void {
  const file = openSync(join(disk, 'others'), 'a');
  try {
    for (;;) writeSync(file, new Uint8Array(4096));
  } catch (error) {
    assert.match(String(error), /ENOSPC/);
  } finally {
    closeSync(file);
  }
}

test('without a free byte, each event is delivered once, also across a restart', async (t) => {
  const disk = mountMemory(t, '56m');
  if (disk === undefined) return;
  const brigade = await StubBrigade.start(t);
  const journal = join(disk, 'journal.db');
  const installation = await anInstallation(t, brigade.address, journalAt(journal));
  const books = new Books(brigade);
  const first = await books.serve(t, installation);
  const { promise: later, resolve: release } = Promise.withResolvers<void>();
  brigade.onEvent = () => ({ ...CREATED, after: later });
  const ids = names('backlog', EVENTS);
  for (let start = 0; start < EVENTS; start += BATCH) {
    const events = ids.slice(start, start + BATCH).map((id) => JSON.parse(aPush(id)));
    assert.equal((await books.send(first, JSON.stringify({ events }))).status, 200);
  }

  fill(disk);
  release();
  await brigade.until(({ taken }) => taken.size > EVENTS / 2);
  await first.process.kill();
  fill(disk);
  const again = await books.serve(t, installation);

  await brigade.untilTaken(...ids);
  again.process.signal('SIGTERM');
  await again.process.ended;
  rmSync(join(disk, 'others'));
  const { delivered, repeated } = await books.close(journal);
  assert.equal(delivered, EVENTS, JSON.stringify(repeated));
});
