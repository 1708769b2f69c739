import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { mulberry32 } from './random.ts';
import { type Installation, type ServingGateway, serve } from './serve-process.ts';
import type { Cleanup, StubBrigade } from './stub-brigade.ts';
import { aPush, send } from './webhooks.ts';

export interface KillOptions {
  readonly rounds: number;
  /** Two runs with one seed kill after the same times. */
  readonly seed: number;
  /** Concurrent senders, each of which sends one webhook after the other. */
  readonly senders: number;
  /** The latest time of a kill, milliseconds after the first webhook. */
  readonly maxLifeMs: number;
}

export interface KillReport {
  /** Events whose webhook got a 2xx. */
  readonly acknowledged: number;
  /** Webhooks that were cut off without an answer; the journal may have their events or not. */
  readonly unanswered: number;
  /** Events that arrived again, all after an attempt whose end the killed process could not store. */
  readonly repeated: number;
  /** From each restart with pending events to the first event that it delivers, milliseconds. */
  readonly resumedAfterMs: readonly number[];
}

/** What one life of the gateway left behind. Each life has another token for Brigade, which identifies its arrivals. */
interface Life {
  readonly token: string;
  readonly startedAt: number;
  /** Acknowledged before it began and not yet taken by Brigade. */
  readonly owed: number;
  /** The ids of events that it logged as completed. */
  readonly completed: ReadonlySet<string>;
}

/**
 * Starts the gateway, sends it webhooks and kills it with SIGKILL at a random time, again and again on one journal; a last
 * life delivers what is left. Rejects unless every acknowledged event arrived, and each that arrived more
 * than once had an attempt cut off by a kill.
 */
export async function killAgainAndAgain(
  t: Cleanup,
  { installation, brigade }: { readonly installation: Installation; readonly brigade: StubBrigade },
  options: KillOptions,
): Promise<KillReport> {
  const random = mulberry32(options.seed);
  const acknowledged = new Set<string>();
  const lives: Life[] = [];
  let unanswered = 0;
  for (let round = 0; round < options.rounds; round += 1) {
    const token = `life-${round}`;
    const owed = countMissing(acknowledged, brigade);
    const startedAt = Date.now();
    const gateway = await serve(t, installation, { API_TOKEN: token });
    const senders = Array.from({ length: options.senders }, (_, sender) =>
      sendUntilCut(gateway, `${round}-${sender}`, acknowledged),
    );
    await sleep(random() * options.maxLifeMs);
    await gateway.process.kill();
    unanswered += (await Promise.all(senders)).reduce((sum, count) => sum + count, 0);
    lives.push({ token, startedAt, owed, completed: completedIn(gateway) });
  }
  const token = `life-${options.rounds}`;
  lives.push({ token, startedAt: Date.now(), owed: countMissing(acknowledged, brigade), completed: new Set() });
  const last = await serve(t, installation, { API_TOKEN: token });
  await brigade.untilTaken(...acknowledged);
  last.process.signal('SIGTERM');
  assert.equal(await last.process.ended, 0);
  const repeated = countRepeated(brigade, lives);
  return { acknowledged: acknowledged.size, unanswered, repeated, resumedAfterMs: resumedAfter(lives, brigade) };
}

/** Resolves to the number of webhooks that got no answer: one, unless the kill came between two. */
async function sendUntilCut(gateway: ServingGateway, name: string, acknowledged: Set<string>): Promise<number> {
  for (let number = 0; ; number += 1) {
    const id = `${name}-${number}`;
    const answer = await send(gateway, aPush(id)).catch(() => undefined);
    if (answer === undefined) return 1;
    assert.equal(answer.status, 200, answer.text);
    acknowledged.add(id);
  }
}

function countMissing(acknowledged: ReadonlySet<string>, brigade: StubBrigade): number {
  return [...acknowledged].filter((id) => !brigade.taken.has(id)).length;
}

function completedIn({ process }: ServingGateway): ReadonlySet<string> {
  const completed = process.linesOf('delivery.attempted').filter(({ decision }) => decision === 'complete');
  return new Set(completed.map(({ id }) => String(id)));
}

/**
 * An event may arrive again only from a later life, and only if no earlier life had logged its completion: that line is
 * written when the decision is durable. Lines that a kill cut off make this check weaker, never wrong.
 */
function countRepeated(brigade: StubBrigade, lives: readonly Life[]): number {
  const lifeOf = new Map(lives.map((life, number) => [life.token, { ...life, number }]));
  const lastLife = new Map<string, number>();
  let repeated = 0;
  for (const { id, token } of brigade.arrivals) {
    const life = lifeOf.get(token) ?? assert.fail(`an event came with the token ${token}`);
    const before = lastLife.get(id);
    if (before !== undefined) {
      repeated += 1;
      assert.ok(before < life.number, `${id} came twice from life ${life.number}, which was not killed in between`);
      const completed = lives.slice(0, life.number).find((earlier) => earlier.completed.has(id));
      assert.equal(
        completed,
        undefined,
        `${id} came again from ${token}, although ${completed?.token} had completed it`,
      );
    }
    lastLife.set(id, life.number);
  }
  return repeated;
}

function resumedAfter(lives: readonly Life[], brigade: StubBrigade): readonly number[] {
  const firstAt = new Map<string, number>();
  for (const { token, at } of brigade.arrivals) if (!firstAt.has(token)) firstAt.set(token, at);
  return lives.flatMap(({ token, startedAt, owed }) => {
    const at = firstAt.get(token);
    return owed === 0 || at === undefined ? [] : [at - startedAt];
  });
}
