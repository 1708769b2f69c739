import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Books, type BooksReport } from './books.ts';
import { type DiskFault, DiskFaults } from './disk-faults.ts';
import { eventually } from './eventually.ts';
import { anInstallation, type ServingGateway } from './serve-process.ts';
import { type Cleanup, CREATED, StubBrigade } from './stub-brigade.ts';
import { adminGet, aPush } from './webhooks.ts';

/** Faults of a disk that are on at the same time. */
export interface FaultPlan {
  readonly faults: readonly DiskFault[];
  /** How many in a hundred calls fail. */
  readonly percent: number;
}

const EACH: readonly DiskFault[] = ['eioRead', 'eioWrite', 'enospc', 'erofs', 'failedSync', 'slow', 'short'];

/** A disk that is gone: nothing on it can be read or written. */
const GONE: readonly DiskFault[] = ['eioRead', 'eioWrite', 'failedSync'];

const ALL_TOGETHER: FaultPlan = { faults: EACH, percent: 20 };

/** Each fault alone, all the time and now and then; a disk that is gone; and all of them together. */
export const PLANS: readonly FaultPlan[] = [
  ...[...EACH.map((fault) => [fault]), GONE].flatMap((faults) => [100, 20].map((percent) => ({ faults, percent }))),
  ALL_TOGETHER,
];

export const SHORT_FORM: readonly FaultPlan[] = [
  { faults: GONE, percent: 100 },
  { faults: ['erofs'], percent: 100 },
  { faults: ['enospc'], percent: 20 },
  { faults: ['failedSync'], percent: 20 },
  ALL_TOGETHER,
];

export function planName({ faults, percent }: FaultPlan): string {
  return `${faults.join(' + ')}, ${percent} of 100 calls`;
}

const SENDERS = 8;
/** Events that are accepted before the faults begin, and again after they end. */
const WARM = 50;

/**
 * Runs a gateway under load; one plan after the other has its faults for some time. Rejects unless the process lives, accepts
 * webhooks again each time that the faults end, delivers every event that it acknowledged, and ends with 0.
 */
export async function runFaultPlans(t: Cleanup, plans: readonly FaultPlan[], faultMs: number): Promise<BooksReport> {
  const brigade = await StubBrigade.start(t);
  brigade.onEvent = () => ({ ...CREATED, delayMs: 5 });
  const installation = await anInstallation(t, brigade.address);
  const disk = await DiskFaults.create(t, installation.journalFolder);
  const books = new Books(brigade);
  const gateway = await books.serve(t, installation, disk.env);
  const stopping = new AbortController();
  t.after(() => stopping.abort());
  const load = Promise.all([
    ...Array.from({ length: SENDERS }, (_, sender) => sendPushes(books, gateway, `${sender}`, stopping.signal)),
    askForHistory(gateway, stopping.signal),
  ]);

  await Promise.race([failAndHeal(disk, books, plans, faultMs), load]);
  stopping.abort();
  await load;
  await brigade.untilTaken(...books.accepted);
  gateway.process.signal('SIGTERM');
  assert.equal(await gateway.process.ended, 0, gateway.process.everything);
  return books.close(join(installation.journalFolder, 'journal.db'));
}

async function failAndHeal(
  disk: DiskFaults,
  books: Books,
  plans: readonly FaultPlan[],
  faultMs: number,
): Promise<void> {
  await untilAccepted(books, WARM);
  for (const { faults, percent } of plans) {
    disk.set(faults, percent);
    await sleep(faultMs);
    disk.clear();
    await untilAccepted(books, books.accepted.length + WARM);
  }
}

function untilAccepted(books: Books, count: number): Promise<void> {
  return eventually(`${count} events are accepted`, async () => books.accepted.length >= count);
}

async function sendPushes(books: Books, gateway: ServingGateway, name: string, signal: AbortSignal): Promise<void> {
  for (let number = 0; !signal.aborted; number += 1) {
    const { status } = await books.send(gateway, aPush(`${name}-${number}`));
    if (status !== 200) await sleep(50);
  }
}

/** The thread that reads history meets the faults too. Its answers do not matter. */
async function askForHistory(gateway: ServingGateway, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await adminGet(gateway, '/api/events');
    await sleep(50);
  }
}
