import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Books, type BooksReport } from './books.ts';
import { mulberry32 } from './random.ts';
import type { Installation, ServingGateway } from './serve-process.ts';
import type { Cleanup, StubBrigade } from './stub-brigade.ts';
import { aPush } from './webhooks.ts';

export interface KillOptions {
  readonly rounds: number;
  /** Two runs with one seed kill after the same times. */
  readonly seed: number;
  /** Concurrent senders, each of which sends one webhook after the other. */
  readonly senders: number;
  /** The latest time of a kill, milliseconds after the first webhook. */
  readonly maxLifeMs: number;
}

export interface KillReport extends BooksReport {
  /** Webhooks that were cut off without an answer; the journal may have their events or not. */
  readonly unanswered: number;
  /** From each restart with pending events to the first event that it delivers, milliseconds. */
  readonly resumedAfterMs: readonly number[];
}

/** How one life of the gateway began. */
interface Beginning {
  readonly token: string;
  readonly startedAt: number;
  /** Whether events that were accepted before were not taken by Brigade yet. */
  readonly hasBacklog: boolean;
}

/**
 * Starts the gateway, sends it webhooks and kills it with SIGKILL at a random time, again and again on one journal; a last
 * life delivers what is left. Rejects unless the books are right and every acknowledged event was delivered.
 */
export async function killAgainAndAgain(
  t: Cleanup,
  { installation, brigade }: { readonly installation: Installation; readonly brigade: StubBrigade },
  options: KillOptions,
): Promise<KillReport> {
  const random = mulberry32(options.seed);
  const books = new Books(brigade);
  const beginnings: Beginning[] = [];
  const begin = async (): Promise<ServingGateway> => {
    const hasBacklog = books.accepted.some((id) => !brigade.taken.has(id));
    const startedAt = Date.now();
    const gateway = await books.serve(t, installation);
    beginnings.push({ token: gateway.token, startedAt, hasBacklog });
    return gateway;
  };
  let unanswered = 0;
  for (let round = 0; round < options.rounds; round += 1) {
    const gateway = await begin();
    const senders = Array.from({ length: options.senders }, (_, sender) =>
      sendUntilCut(books, gateway, `${round}-${sender}`),
    );
    await sleep(random() * options.maxLifeMs);
    await gateway.process.kill();
    unanswered += (await Promise.all(senders)).reduce((sum, count) => sum + count, 0);
  }
  const last = await begin();
  await brigade.untilTaken(...books.accepted);
  last.process.signal('SIGTERM');
  assert.equal(await last.process.ended, 0);
  const report = await books.close(join(installation.journalFolder, 'journal.db'));
  assert.equal(report.delivered, report.acknowledged);
  return { ...report, unanswered, resumedAfterMs: resumedAfter(beginnings, brigade) };
}

/** Resolves to the number of webhooks that got no answer: one, unless the kill came between two. */
async function sendUntilCut(books: Books, gateway: ServingGateway, name: string): Promise<number> {
  for (let number = 0; ; number += 1) {
    const answer = await books.send(gateway, aPush(`${name}-${number}`)).catch(() => undefined);
    if (answer === undefined) return 1;
    assert.equal(answer.status, 200, answer.text);
  }
}

function resumedAfter(beginnings: readonly Beginning[], brigade: StubBrigade): readonly number[] {
  const firstAt = new Map<string, number>();
  for (const { token, at } of brigade.arrivals) if (!firstAt.has(token)) firstAt.set(token, at);
  return beginnings.flatMap(({ token, startedAt, hasBacklog }) => {
    const at = firstAt.get(token);
    return hasBacklog && at !== undefined ? [at - startedAt] : [];
  });
}
