import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Brigade, digestOf, eventually, GatewayProcess, mountMemory } from './gateway-process.ts';

const MIB = 1024 * 1024;
/** Bytes of each webhook: enough of them fill a disk within a second. */
const PADDING = 200_000;

/** Sends pushes until one is refused; resolves to the ids of those that were taken, and the refusal. */
async function pushUntilRefused(gateway: GatewayProcess, prefix: string) {
  const taken: string[] = [];
  for (let number = 0; number < 2_000; number++) {
    const id = `${prefix}-${number}`;
    const answer = await gateway.push(id, PADDING);
    await answer.text();
    if (answer.status !== 200) return { taken, refused: id, answer };
    taken.push(id);
  }
  return assert.fail('the disk never became full');
}

async function pushUntilTaken(gateway: GatewayProcess, id: string): Promise<void> {
  await eventually(`${id} is taken`, async () => {
    const { status } = await gateway.push(id);
    return status === 200;
  });
}

async function assertDelivered(brigade: Brigade, ids: readonly string[]): Promise<void> {
  const missing = () => ids.filter((id) => !brigade.taken.includes(id));
  await eventually(`all is delivered`, () => missing().length === 0).catch((error) =>
    assert.fail(`${missing().length} of ${ids.length} were not delivered: ${error.message}`),
  );
}

async function assertLost(gateway: GatewayProcess, id: string): Promise<void> {
  await gateway.line('webhook.lost');
  const line = gateway.lines.find(
    ({ msg, events }) => msg === 'webhook.lost' && JSON.stringify(events).includes(`"${id}"`),
  );
  assert.equal(line?.level, 'error');
  assert.equal(line?.['because'], 'full');
  assert.deepEqual(line?.['events'], [
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

test('a full disk is answered 503, and heals once there is space again', async (context) => {
  const disk = mountMemory(context, '24m');
  if (disk === undefined) return;
  const brigade = await Brigade.start(context);
  const gateway = await GatewayProcess.start({ context, brigade, journal: join(disk, 'journal.db') });
  const ballast = join(disk, 'ballast');
  writeFileSync(ballast, new Uint8Array(16 * MIB));

  const { taken, refused, answer } = await pushUntilRefused(gateway, 'before');
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get('retry-after'), '5');
  await assertLost(gateway, refused);

  rmSync(ballast);
  await pushUntilTaken(gateway, refused);
  await assertDelivered(brigade, [...taken, refused]);
});

test('what was taken before the disk was full outlives a crash', async (context) => {
  const disk = mountMemory(context, '24m');
  if (disk === undefined) return;
  const brigade = await Brigade.start(context);
  const options = { context, brigade, journal: join(disk, 'journal.db') };
  const gateway = await GatewayProcess.start(options);
  const ballast = join(disk, 'ballast');
  writeFileSync(ballast, new Uint8Array(16 * MIB));
  brigade.hold();
  const { taken, refused } = await pushUntilRefused(gateway, 'before');
  await gateway.kill();

  rmSync(ballast);
  brigade.release();
  const again = await GatewayProcess.start(options);

  await assertDelivered(brigade, taken);
  await pushUntilTaken(again, refused);
});

test('while less than the reserve is free, events are delivered, history gives way, and webhooks are taken again', async (context) => {
  const disk = mountMemory(context, '20m');
  if (disk === undefined) return;
  const brigade = await Brigade.start(context);
  const env = { JOURNAL_RESERVE: '4MiB' };
  const gateway = await GatewayProcess.start({ context, brigade, journal: join(disk, 'journal.db'), env });

  brigade.hold();
  const { taken, refused, answer } = await pushUntilRefused(gateway, 'before');
  assert.equal(answer.status, 503);
  await assertLost(gateway, refused);
  await eventually('it is not ready', async () => (await gateway.readyz()) === 503);

  brigade.release();
  await assertDelivered(brigade, taken);
  // Nobody makes room but the gateway itself, and only what is settled may go.
  await pushUntilTaken(gateway, refused);
  await eventually('it is ready', async () => (await gateway.readyz()) === 200);
  await assertDelivered(brigade, [refused]);
});
